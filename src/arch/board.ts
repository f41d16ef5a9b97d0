/**
 * Boards as tables. `virt` is the memory map of QEMU's `-M virt`; `moonshot` is the NEVE paper's machine on that map: 8 CPUs, GICv2 with
 * GICH and GICV. The machine and L0's virtual machines use the same type: a VM's board is one more table (design D10).
 */
import type { GicVersion } from './gic.ts'

export type DeviceKind = 'gicd' | 'gicc' | 'gich' | 'gicv' | 'gicr' | 'pl011' | 'pl031' | 'virtio-mmio' | 'ram'
  /** A name for addresses where QEMU's map has a device and we do not. */
  | 'absent'

export interface BoardRow {
  readonly name: string
  readonly kind: DeviceKind
  readonly base: number
  readonly size: number
  /** SPI number (INTID - 32) and trigger. */
  readonly spi?: number
  readonly trigger?: 'level' | 'edge'
  /** Index among rows of the kind (virtio slot, redistributor's CPU). */
  readonly index: number
}

export type BoardName = 'virt' | 'moonshot'

export interface BoardOptions {
  readonly name: BoardName
  /** Default: 3 for virt; moonshot has 2 and nothing else. */
  readonly gic?: GicVersion
  /** Default: 1 for virt, 8 for moonshot. */
  readonly cpus?: number
  readonly memBytes: number
  /** Software is offered EL2: GICH/GICV, the maintenance interrupt, PSCI by SMC. */
  readonly el2: boolean
  /** EL2&0 exists (FEAT_VHE): the EL2 virtual timer is in the device tree. */
  readonly vhe?: boolean
  /** virtio-mmio slots, default 32. */
  readonly virtioSlots?: number
}

export interface Board {
  readonly name: BoardName
  readonly gic: GicVersion
  readonly cpus: number
  readonly el2: boolean
  readonly vhe: boolean
  readonly memBytes: number
  /** Sorted by base, disjoint. RAM is the last row. */
  readonly rows: readonly BoardRow[]
}

export const RAM_BASE = 0x4000_0000

export declare function createBoard(options: BoardOptions): Board
/** The row that holds `address`. */
export declare function rowAt(board: Board, address: number): BoardRow | undefined
export declare function rowsOf(board: Board, kind: DeviceKind): readonly BoardRow[]
/** Affinity fields of MPIDR_EL1 (without its RES1 bit 31): Aff0 = n & 7 and Aff1 = n >> 3 with GICv2, Aff0 = n & 15 and Aff1 = n >> 4 with GICv3. */
export declare function affinityOf(cpu: number, gic: GicVersion): number
