/** The guests that come with Nidus, from guests/built. */
import { readFileSync } from 'node:fs'
import type { Guests } from '../lab/experiment.ts'
import { packageFile } from './package-files.ts'

const built = (name: string): Uint8Array => readFileSync(packageFile(`guests/built/${name}`))

/** ELF files: the same bytes in memory as the Images, and symbols for `--why`. */
export function loadGuests(): Guests {
  return { nvhe: built('mini-kvm-nvhe.elf'), vhe: built('mini-kvm-vhe.elf'), bench: built('bench.elf'), benchImage: built('bench') }
}

/** The user space of a Linux kernel that is the guest hypervisor. */
export const loadVmm = (): Uint8Array => built('vmm')

/** Application loads: the first process of a Linux kernel. */
export const loadApps = (): Uint8Array => built('apps')
