/**
 * Debian's own qemu-system-aarch64 as the user space of KVM in L1: Debian's kernel in a VM of L0, in it QEMU with `-enable-kvm -cpu host`, and its
 * VM, `guests/bench` or a Debian kernel to a shell, as L2. QEMU and its libraries are Debian's packages, unmodified. One row per run, as a
 * Markdown table.
 *
 *   npm run suite -- qemu-l1 [--l1 6.12] [--arch v8.4] [--mode VHE,nVHE] [--below bench,shell] [--smp 2] [--log FOLDER] [--watch] [--json]
 *
 * Exit status 1 if a row is not as it should be.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeCpio, type CpioEntry } from '../src/arch/archive/cpio.ts'
import { PROFILE_NAMES, type ProfileName } from '../src/arch/features.ts'
import { cacheFolder } from '../src/cli/debian/cache.ts'
import { debianProgram } from '../src/cli/debian/program.ts'
import { createMachine } from '../src/machine/machine.ts'
import { ExitStatistics } from '../src/trace/exit-statistics.ts'
import { createL0 } from '../src/vmm/index.ts'
import { Console, drive, type Driven } from './nested/drive.ts'
import { benchGuest, kernel, shellGuest, type Guest } from './nested/levels.ts'
import { choosesMode, expectedMode } from './nested/rows.ts'
import { watcher } from './nested/watch.ts'

const MODES = ['VHE', 'nVHE'] as const, BELOW = ['bench', 'shell'] as const
type Mode = (typeof MODES)[number]
type Below = (typeof BELOW)[number]

const { values } = parseArgs({
  options: {
    l1: { type: 'string', default: '6.12' }, arch: { type: 'string', default: 'v8.4' }, mode: { type: 'string', default: 'VHE' }, below: { type: 'string', default: BELOW.join() }, smp: { type: 'string', default: '2' },
    log: { type: 'string' }, watch: { type: 'boolean', default: false }, json: { type: 'boolean', default: false },
  },
})

const fail = (message: string): never => {
  process.stderr.write(`suite qemu-l1: ${message}\n`)
  process.exit(2)
}
const chosen = <T extends string>(option: string, text: string, known: readonly T[]): T[] =>
  text.split(',').map(word => known.find(each => each === word) ?? fail(`--${option} ${word}: there are ${known.join(', ')}`))
const l1s = values.l1.split(','), arches = chosen('arch', values.arch, PROFILE_NAMES), modes = chosen('mode', values.mode, MODES), belows = chosen('below', values.below, BELOW), smp = Number(values.smp)
if (!Number.isInteger(smp) || smp < 1 || smp > 4) fail(`--smp ${values.smp}: 1 to 4`)
for (const l1 of l1s) if (modes.includes('nVHE') && !choosesMode(l1)) fail(`--mode nVHE: ${l1} has no kvm-arm.mode`)

const MIB = 2 ** 20, RESERVED = 32
const MOST_INSTRUCTIONS = 12_000_000_000
const QEMU_SUITE = 'trixie', QEMU = 'usr/bin/qemu-system-aarch64'
const ENDED = 'QEMU ended with'

/** L1's first process. QEMU's console is the machine's; the line of options is the one that people use. */
const init = (guest: Guest, vcpus: number, append: string): string => `#!/bin/busybox sh
export PATH=/bin:/usr/bin HOME=/ TERM=linux
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
qemu-system-aarch64 --version
qemu-system-aarch64 -M virt,gic-version=3 -enable-kvm -cpu host -smp ${vcpus} -m ${guest.megabytes} -kernel /vm/kernel${guest.files['initrd'] === undefined ? '' : ' -initrd /vm/initrd'}${guest.files['disk'] === undefined ? '' : ' -drive file=/vm/disk,format=raw,if=virtio'} -append "${append}" -nic none -nographic
echo "${ENDED} $?"
poweroff -f
`

async function run(l1: string, arch: ProfileName, mode: Mode, below: Below, qemu: readonly CpioEntry[]): Promise<Driven> {
  const guest = below === 'bench' ? benchGuest(smp) : await shellGuest(l1, smp, false), { image, initrd } = await kernel(l1)
  const encoder = new TextEncoder(), archive = writeCpio([
    ...qemu, { kind: 'folder', path: 'vm' }, ...Object.entries(guest.files).map(([path, bytes]) => ({ kind: 'file', path: `vm/${path}`, bytes }) as const),
    { kind: 'file', path: 'init', bytes: encoder.encode(init(guest, smp, below === 'bench' ? 'quiet=1' : 'quiet console=ttyAMA0 cryptomgr.notests do=list')), mode: 0o755 },
  ])
  // A kernel reads archives one behind the other; padding is zeros.
  const padded = Math.ceil(initrd.length / 4) * 4, both = new Uint8Array(padded + archive.length)
  both.set(initrd)
  both.set(archive, padded)
  const megabytes = Math.ceil((guest.megabytes + 2 * both.length / MIB + image.length / MIB + 192) / 64) * 64
  const counters = new ExitStatistics(), console = new Console(guest.input, values.log === undefined ? undefined : join(values.log, `${l1}_${mode}_${arch}_${below}.log`))
  const machine = createMachine({
    board: 'virt', gic: 3, smp, profile: arch, onEvent: counters.sink, hash: false, memBytes: (megabytes + RESERVED + 32) * MIB, reservedBytes: RESERVED * MIB,
    l0: createL0({ vms: [{ image, initrd: both, append: `console=ttyAMA0 cryptomgr.notests${mode === 'VHE' ? '' : ' kvm-arm.mode=nvhe'}`, memBytes: megabytes * MIB, smp, gic: 3, el2: 'nvhe-or-vhe', console: console.byte }] }),
  })
  const driven = drive(machine, console, counters, MOST_INSTRUCTIONS, values.watch ? watcher(text => process.stderr.write(text)) : undefined), { printed } = console
  const wrong = [...guest.check(printed), ...driven.wrong]
  if (!expectedMode[mode].test(printed)) wrong.push(`L1 does not say ${expectedMode[mode].source}`)
  const status = new RegExp(`${ENDED} (\\d+)`).exec(printed)?.[1]
  if (status !== '0') wrong.push(status === undefined ? 'QEMU did not end' : `QEMU ended with ${status}`)
  return { ...driven, wrong }
}

const qemu = await debianProgram({ suite: QEMU_SUITE, package: 'qemu-system-arm', path: QEMU }, { cache: cacheFolder() })
if (values.log !== undefined) mkdirSync(values.log, { recursive: true })
if (!values.json) process.stdout.write(`qemu-system-arm ${qemu.version}\n\n| L1 | mode | machine | below | CPUs | instructions | traps to EL2 | cycles | CPU s | result |\n|---|---|---|---|---|---|---|---|---|---|\n`)
let bad = 0, rows = 0
for (const l1 of l1s) for (const mode of modes) for (const arch of arches) for (const below of belows) {
  const { wrong, instructions, traps, cycles, seconds } = await run(l1, arch, mode, below, qemu.entries)
  rows++
  if (wrong.length > 0) bad++
  process.stdout.write(values.json ? `${JSON.stringify({ l1, mode, arch, below, smp, qemu: qemu.version, wrong, instructions, traps, cycles, seconds })}\n`
    : `| ${l1} | ${mode} | ${arch} | ${below} | ${smp} | ${(instructions / 1e9).toFixed(2)} G | ${traps.toLocaleString('en')} | ${(cycles / 1e9).toFixed(2)} G | ${seconds.toFixed(1)} | ${wrong.length === 0 ? 'ok' : `**${wrong.join('; ')}**`} |\n`)
}
if (!values.json) process.stdout.write(`\n${rows - bad} of ${rows} rows are as they should be.\n`)
process.exit(bad === 0 ? 0 : 1)
