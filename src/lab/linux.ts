/** Linux as the guest hypervisor: a kernel Image with KVM, and an initramfs in which `guests/vmm` is the first process and bench its VM. */
import { writeCpio } from '../arch/archive/cpio.ts'

export interface LinuxHypervisor {
  /** arm64 Image, uncompressed. */
  readonly image: Uint8Array
  /** `guests/built/vmm`. */
  readonly vmm: Uint8Array
  /** More for the kernel's command line. */
  readonly bootargs?: string
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
