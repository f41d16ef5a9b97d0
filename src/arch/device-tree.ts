/** The device tree of a board, in the shape of QEMU's `virt`, and what a loader adds under /chosen. */
import type { Board } from './board.ts'
import type { FdtTree } from './fdt.ts'

export interface BootModule {
  /** Physical address and size in memory. */
  readonly address: number
  readonly size: number
  /** 'multiboot,kernel' or 'multiboot,ramdisk'; Xen takes modules in this order. */
  readonly kind: 'kernel' | 'ramdisk'
  readonly bootargs?: string
}

export interface DeviceTreeOptions {
  readonly bootargs?: string
  readonly initrd?: { readonly start: number, readonly end: number }
  readonly modules?: readonly BootModule[]
  /** Default: SMC when the board has EL2, HVC otherwise. */
  readonly psci?: 'hvc' | 'smc'
}

export declare function deviceTreeOf(board: Board, options?: DeviceTreeOptions): FdtTree
/** A user's tree (--dtb) with /chosen completed in the same way. */
export declare function completeDeviceTree(tree: FdtTree, options: DeviceTreeOptions): FdtTree
