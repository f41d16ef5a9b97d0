/** What runs in the levels of the nested suite: kernels with `guests/vmm` as their first process, and the L2 (or deeper) that is checked. */
import { createHash } from 'node:crypto'
import { writeCpio } from '../../src/arch/archive/cpio.ts'
import type { GicVersion } from '../../src/arch/gic.ts'
import { unwrapImage } from '../../src/arch/image/compressed.ts'
import { checkList } from '../../src/cli/debian/command-list.ts'
import { debianImage } from '../../src/cli/debian/image.ts'
import { BOOT_MARK } from '../../src/cli/debian/init.ts'
import { decompress } from '../../src/cli/decompress.ts'
import { loadGuests, loadVmm } from '../../src/cli/guest-images.ts'
import { vmmInitramfs } from '../../src/lab/linux.ts'

export interface Kernel { readonly image: Uint8Array, readonly initrd: Uint8Array, readonly release: string }

const kernels = new Map<string, Promise<Kernel>>()
/** `6.12` as `nidus fetch debian:6.12` has it. */
export function kernel(name: string): Promise<Kernel> {
  let found = kernels.get(name)
  if (found === undefined) {
    kernels.set(name, found = debianImage(`debian:${name}`).then(async ({ image, initrd, release }) => ({ image: await unwrapImage(image, decompress), initrd, release })))
  }
  return found
}

/** A VM as `vmm` makes it: its files, the options of vmm, how much memory it takes, and what is wrong in what it has printed. */
export interface Guest {
  readonly name: string
  readonly files: Readonly<Record<string, Uint8Array>>
  /** Words for vmm, beside memory. */
  readonly options: string
  readonly megabytes: number
  /** Console input, sent when `INPUT_MARK` is seen. */
  readonly input?: string
  readonly check: (printed: string) => string[]
}

const encoder = new TextEncoder()
const MORE_MARK = 'MORE', MORE_END = 'MORE-END'
export const INPUT_MARK = 'MORE-INPUT'
const SAID = 'through every level'

/** The disk: 2 MiB of numbers. */
function diskImage(): Uint8Array {
  const bytes = new Uint8Array(2 ** 21), words = new Uint32Array(bytes.buffer)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e37_79b1)
  return bytes
}
const PAGE = 4096, AT = 64, NUMBERS = 2000
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')
/** What busybox says about it: of the whole, and of two pages in the numbers that `/more` writes into it and reads again from the device. */
function diskSums(): { readonly whole: string, readonly written: string } {
  const disk = diskImage(), whole = md5(disk)
  disk.set(encoder.encode(Array.from({ length: NUMBERS }, (_, i) => `${i + 1}\n`).join('')), AT * PAGE)
  return { whole, written: md5(disk.subarray(AT * PAGE, (AT + 2) * PAGE)) }
}

/**
 * Checks beside the list of commands: CPUs, the disk read and written, input. With `hvc` the last goes over the virtio console. One line each;
 * two spaces in a row do not occur. The terminal stays open: Linux throws away what was typed into hvc0, and its settings, when the last who has it
 * open closes it, and the answer to the mark may be there before a command that printed it has ended.
 */
const more = (hvc: boolean): string => `#!/bin/busybox sh
say() { echo "${MORE_MARK} $1:" $2; }
say cpus "$(grep -c ^processor /proc/cpuinfo)"
say disk "$(md5sum < /dev/vda)"
seq 1 ${NUMBERS} | dd of=/dev/vda bs=${PAGE} seek=${AT} conv=notrunc,fsync 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
say written "$(dd if=/dev/vda bs=${PAGE} skip=${AT} count=2 2>/dev/null | md5sum)"
exec 3<>${hvc ? '/dev/hvc0' : '/dev/console'}
stty -echo <&3
echo ${INPUT_MARK} >&3
read line <&3
echo "${MORE_MARK} input: $line" >&3
sleep 0.1
echo ${MORE_END}
`

function wrongInMore(printed: string, vcpus: number): string[] {
  const said = new Map<string, string>()
  // Not only at the start of a line: a terminal may have echoed some of the input there.
  for (const [, name, output] of printed.matchAll(new RegExp(`${MORE_MARK} (\\w+): ?(.*?)\\r*$`, 'gm'))) said.set(name!, output!)
  const sums = diskSums(), expected = { cpus: String(vcpus), disk: `${sums.whole} -`, written: `${sums.written} -`, input: SAID }
  const wrong = Object.entries(expected).filter(([name, output]) => said.get(name) !== output).map(([name, output]) => `${name}: '${said.get(name) ?? 'nothing'}' instead of '${output}'`)
  return printed.includes(MORE_END) ? wrong : [...wrong, `no ${MORE_END}`]
}

const trouble = (printed: string): string[] => [...printed.matchAll(/(WARNING: CPU|BUG:|Oops|Call trace:|Kernel panic|rcu_\w+ self-detected stall).*/g)].map(([text]) => text)

export const benchGuest = (vcpus: number, gic: GicVersion = 3, append = 'quiet=1'): Guest => ({
  name: 'bench', files: { kernel: loadGuests().benchImage }, options: `vcpus=${vcpus} gic=${gic} ${appendWords(append)}`, megabytes: 64,
  check: printed => [...(/^bench: done/m.test(printed) ? [] : ['bench did not end']), ...trouble(printed)],
})

/** A Debian kernel to a shell, with a disk, input and the checked list of commands. */
export async function shellGuest(name: string, vcpus: number, hvc: boolean, gic: GicVersion = 3): Promise<Guest> {
  const { image, initrd } = await kernel(name), extra = writeCpio([{ kind: 'file', path: 'more', bytes: encoder.encode(more(hvc)), mode: 0o755 }])
  // A kernel reads archives one behind the other; padding is zeros.
  const padded = Math.ceil(initrd.length / 4) * 4, both = new Uint8Array(padded + extra.length)
  both.set(initrd)
  both.set(extra, padded)
  return {
    name: `${name} to a shell`, files: { kernel: image, initrd: both, disk: diskImage() }, megabytes: 256, input: `${SAID}\n`,
    options: `vcpus=${vcpus} gic=${gic} initrd=/initrd disk=/disk ${hvc ? 'hvc ' : ''}${appendWords('quiet cryptomgr.notests do=list')}`,
    check: printed => [...(printed.includes(BOOT_MARK) ? checkList(printed) : [`no ${BOOT_MARK}`]), ...wrongInMore(printed, vcpus), ...trouble(printed)],
  }
}

/** For vmm, which joins them: without quotes, so that they can be handed down through any number of levels. */
const appendWords = (words: string): string => words.split(' ').map(word => `append=${word}`).join(' ')

const size = (files: Readonly<Record<string, Uint8Array>>): number => Object.values(files).reduce((sum, { length }) => sum + length, 0)
const MIB = 2 ** 20

/** A Linux kernel that is a hypervisor, with the VM `guest` below it: what boots it, and how much memory it needs. */
export async function hypervisor(name: string, guest: Guest): Promise<{ readonly image: Uint8Array, readonly initrd: Uint8Array, readonly vmm: string, readonly megabytes: number }> {
  const { image } = await kernel(name), initrd = vmmInitramfs(loadVmm(), guest.files)
  // Its own files twice (the archive, then unpacked), the guest's memory, and what a kernel needs.
  const megabytes = Math.ceil((guest.megabytes + 2 * size(guest.files) / MIB + image.length / MIB + 160) / 64) * 64
  return { image, initrd, vmm: `memory=${guest.megabytes} ${guest.options}`, megabytes }
}

/** That hypervisor as the VM of another one. */
export async function hypervisorGuest(name: string, guest: Guest, append: string, vcpus = 1): Promise<Guest> {
  const { image, initrd, vmm, megabytes } = await hypervisor(name, guest)
  return {
    name: `${name} with ${guest.name}`, files: { kernel: image, initrd }, megabytes, ...(guest.input === undefined ? {} : { input: guest.input }),
    options: `vcpus=${vcpus} initrd=/initrd el2 ${appendWords(`${append} -- ${vmm}`)}`, check: guest.check,
  }
}
