/** What a virtual machine is made of: plain data (design D6, section 5 `--on vm`). */
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { Plug } from '../devices/index.ts'
import type { Paravirtualised } from './paravirtualise.ts'

/**
 * The EL2 that a VM gets. `nvhe` hides FEAT_VHE, `vhe` is for guests that set HCR_EL2.E2H at once; `nvhe-or-vhe` offers what the profile has
 * and finds out at L1's first write of HCR_EL2.
 */
export type VirtualEL2 = 'none' | 'nvhe' | 'vhe' | 'nvhe-or-vhe'

export interface VmDescription {
  /** arm64 Image or ELF, uncompressed. */
  readonly image: Uint8Array
  readonly initrd?: Uint8Array
  /** multiboot,module nodes: a kernel and its ramdisk for Xen. */
  readonly modules?: readonly { readonly bytes: Uint8Array, readonly bootargs?: string }[]
  readonly append?: string
  /** Replaces the generated device tree. */
  readonly dtb?: Uint8Array
  readonly smp?: number
  readonly memBytes: number
  readonly el2?: VirtualEL2
  /** Offer FEAT_NV and FEAT_NV2 as well, where the machine has them: L1's own VMs may be hypervisors (L3 and deeper). */
  readonly recursion?: boolean
  /** Default: the machine's profile and hidden features. */
  readonly profile?: ProfileName
  readonly hide?: readonly Feature[]
  /** Default: the machine's. */
  readonly gic?: GicVersion
  /** On a machine without FEAT_NV: rewrite the guest hypervisor, in this form (design D7). Needs `el2`. */
  readonly paravirt?: 'nv' | 'neve'
  /** What the rewriting did. */
  readonly onRewritten?: (result: Paravirtualised) => void
  /** Default: the machine's console. */
  readonly console?: (byte: number) => void
  /** Devices. From outside they are reached as `vm0.block0` and so on, the UART as `vm0.uart0`. */
  readonly plugs?: readonly Plug[]
  /** The PCIe host is there; so it is when a plug wants it. Default: no. */
  readonly pci?: boolean
  /** Told what a driver has done that its device cannot go on after. */
  readonly complaint?: (text: string) => void
}

export type VmEnd = { readonly kind: 'off' } | { readonly kind: 'reset' } | { readonly kind: 'died', readonly detail: string }

export interface L0Options {
  readonly vms: readonly VmDescription[]
  /** Images are not put into memory, because a snapshot is about to be: only what their placement depends on is looked at. */
  readonly unloaded?: boolean
  /** World-switch policy, design D6. Default `lazy`. */
  readonly policy?: 'split' | 'lazy'
  /** A VM ended; when the last one has, every PE answers 'off'. */
  readonly onEnd?: (vm: number, end: VmEnd) => void
}
