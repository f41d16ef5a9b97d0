/** Linux as the guest hypervisor: a kernel Image with KVM, and an initramfs in which `guests/vmm` is the first process and bench its VM. */
import { writeCpio } from '../arch/archive/cpio.ts'
import { BadInput } from '../arch/bad-input.ts'
import { isArm64Image, parseArm64Image } from '../arch/image/arm64-image.ts'
import { findKallsyms } from '../arch/image/kallsyms.ts'

export interface LinuxHypervisor {
  /** arm64 Image, uncompressed. */
  readonly image: Uint8Array
  /** `guests/built/vmm`. */
  readonly vmm: Uint8Array
  /** More for the kernel's command line. */
  readonly bootargs?: string
  /** The image came from outside: one that does not come to its end is bad input, and no bug of ours. */
  readonly supplied?: string
}

/**
 * For measurements. Every character on the console costs traps, and the self-tests of the crypto code run beside the first process for some
 * hundred million instructions.
 */
export const LINUX_QUIET = 'quiet cryptomgr.notests'

/** RAM of a VM with Linux and bench. */
export const LINUX_MEMORY = 320 * 2 ** 20

/** The initramfs; `files` are what vmm starts: `kernel`, and `initrd` if there is one; `modules/0` and so on are loaded. */
export function vmmInitramfs(vmm: Uint8Array, files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return writeCpio([
    { kind: 'folder', path: 'dev' },
    { kind: 'character device', path: 'dev/console', major: 5, minor: 1 },
    { kind: 'file', path: 'init', bytes: vmm, mode: 0o755 },
    ...(Object.keys(files).some(path => path.startsWith('modules/')) ? [{ kind: 'folder', path: 'modules' } as const] : []),
    ...Object.entries(files).map(([path, bytes]) => ({ kind: 'file' as const, path, bytes })),
  ])
}

/** The kernel hands what stands behind `--` to vmm; `bootargs` is the VM's own command line. */
export const vmmBootargs = (kernel: string, vcpus: number, bootargs: string): string => `${kernel} -- vcpus=${vcpus} "append=${bootargs}"`

const ascii = (bytes: Uint8Array, at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length))
const ELF_MACHINES: Readonly<Record<number, string>> = { 0x03: 'x86', 0x28: '32-bit Arm', 0x3e: 'x86-64', 0xb7: 'arm64', 0xf3: 'RISC-V' }

/** What an image that is no arm64 Image is, as far as its first bytes say so (the boot protocols of each architecture in Documentation/arch). */
function otherImage(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (ascii(bytes, 0, 4) === '\x7fELF' && bytes.length >= 20) {
    const machine = view.getUint16(18, bytes[5] !== 2)
    return machine === 0xb7 ? 'an ELF file; the Image that is made from a vmlinux is wanted (arch/arm64/boot/Image)' : `an ELF file for ${ELF_MACHINES[machine] ?? `machine ${machine}`}`
  }
  if (ascii(bytes, 0x202, 4) === 'HdrS') return 'a kernel for x86'
  if (bytes.length >= 0x28 && view.getUint32(0x24, true) === 0x016f_2818) return 'a kernel for 32-bit Arm'
  if (ascii(bytes, 0x30, 5) === 'RISCV') return 'a kernel for RISC-V'
  if (bytes.length >= 4 && view.getUint32(0) === 0x2705_1956) return 'wrapped for U-Boot (uImage); take the Image out'
  return 'of no known form'
}

/** Throws BadInput for a kernel that cannot be the guest hypervisor, as far as its Image says so; with `initrd` bytes beside it in `memory`. */
export function checkHypervisor(what: string, name: string, image: Uint8Array, initrd: number, memory: number): void {
  if (!isArm64Image(image)) throw new BadInput(what, `${name} is not an arm64 Image but ${otherImage(image)}`)
  const { imageSize, textOffset } = parseArm64Image(image), needs = Math.max(imageSize, image.length) + textOffset + initrd
  // Half as much again for the kernel's own tables and its VM.
  if (needs * 1.5 > memory) throw new BadInput(what, `${name} is too big: with what it starts ${Math.ceil(needs / 2 ** 20)} MiB, and its VM has ${memory / 2 ** 20} MiB`)
  if (findKallsyms(image)?.has('kvm_vcpu_ioctl') === false) throw new BadInput(what, `${name} has no KVM (CONFIG_KVM): it cannot be a guest hypervisor`)
}

/** Why a run of the guest hypervisor did not come to its end, from what the first process and the kernel have said. */
export function whyItEnded(printed: string, outcome: string, instructions: number): string {
  const line = (pattern: RegExp): string | undefined => pattern.exec(printed)?.[0].trim()
  const own = line(/^vmm: (?!\d+ vCPUs|vcpu|the VM is|exit code|option).*$/m)
  if (own?.startsWith('vmm: /dev/kvm') === true) return `its KVM cannot be used (${own}): no CONFIG_KVM, or it does not find itself at EL2`
  if (own !== undefined) return own
  const panic = line(/Kernel panic - not syncing: .*$/m)
  if (panic !== undefined) return `${panic}${panic.includes('root fs') || panic.includes('init') ? ' (it needs CONFIG_BLK_DEV_INITRD)' : ''}`
  if (printed.trim() === '') return `it printed nothing in ${grouped(instructions)} instructions (${outcome}); it needs a device tree, PSCI and the PL011 as its console`
  if (!printed.includes('vmm: ')) return `it never started the first process of its initramfs (${outcome} after ${grouped(instructions)} instructions): no Linux kernel, or one without CONFIG_BLK_DEV_INITRD`
  return `it ended with ${outcome} after ${grouped(instructions)} instructions`
}

const grouped = (value: number): string => String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
