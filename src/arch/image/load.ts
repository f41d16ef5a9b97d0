/** Puts an image, an initrd and a device tree into RAM by the arm64 boot protocol: x0 = DTB, everything else 0. */
import type { Board } from '../board.ts'
import type { BootModule, DeviceTreeOptions } from '../device-tree.ts'
import type { Elf } from './elf.ts'

export interface LoadRequest {
  readonly image: Uint8Array
  readonly initrd?: Uint8Array
  readonly modules?: readonly { readonly bytes: Uint8Array, readonly bootargs?: string }[]
  /** A user's device tree; the board's own if absent. */
  readonly dtb?: Uint8Array
  readonly bootargs?: string
  readonly psci?: 'hvc' | 'smc'
}
export interface Placement { readonly what: 'image' | 'initrd' | 'module' | 'dtb', readonly address: number, readonly bytes: Uint8Array, /** bytes.length or more (bss) */ readonly memorySize: number }
export interface LoadPlan {
  readonly entry: number
  /** Goes to X0. */
  readonly dtbAddress: number
  readonly dtb: Uint8Array
  readonly placements: readonly Placement[]
  /** The image's symbols, if it is an ELF file. */
  readonly elf: Elf | undefined
}
/** Where everything goes. Pure: the caller copies `placements` to RAM and clears the rest of `memorySize`. Throws BadInput (too large, overlaps, ...). */
export declare function planLoad(board: Board, request: LoadRequest): LoadPlan
export type { BootModule, DeviceTreeOptions }

export type ImageFormat = 'elf' | 'arm64-image' | 'gzip' | 'zstd' | 'efi-zboot' | 'unknown'
export declare function imageFormat(bytes: Uint8Array): ImageFormat
