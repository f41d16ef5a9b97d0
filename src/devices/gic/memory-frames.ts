/**
 * GICv2's CPU interface as memory: GICC and GICV have the same layout over the physical and the virtual interface
 * (IHI0048B tables 4-2 and 5-9), GICH controls the virtual one (table 5-1). All registers are words.
 */
import type { InterruptInterface } from './interrupt-interface.ts'
import type { Row } from './system-registers.ts'
import type { VirtualInterface } from './virtual-interface.ts'

/** GIC-400: architecture version 2, implementer Arm. */
const GICC_IIDR = 0x0202_143b
/** EOIR, AEOIR and DIR hold CPUID 12:10, which belongs to the identity of a software-generated interrupt alone, and INTID 9:0. */
const identity = (value: number): number => (value & 0x3ff) < 16 ? value & 0x1fff : value & 0x3ff

const CTLR = { EnableGrps: 3, AckCtl: 1 << 2, FIQEn: 1 << 3, CBPR: 1 << 4, bypass: 0x1e0, EOImode: 1 << 9 } as const

const control: Row<InterruptInterface> = {
  read: side => side.groupEnables | (side.acknowledgeBoth ? CTLR.AckCtl : 0) | (side.fiqEnable ? CTLR.FIQEn : 0) | (side.commonBinaryPoint ? CTLR.CBPR : 0) | side.bypass | (side.split ? CTLR.EOImode : 0),
  write: (side, value) => {
    side.groupEnables = value & CTLR.EnableGrps
    side.acknowledgeBoth = (value & CTLR.AckCtl) !== 0
    side.fiqEnable = (value & CTLR.FIQEn) !== 0
    side.commonBinaryPoint = (value & CTLR.CBPR) !== 0
    side.bypass = value & CTLR.bypass
    side.split = (value & CTLR.EOImode) !== 0
  },
}

const COMMON: readonly [number, Row<InterruptInterface>][] = [
  [0x00, control],
  [0x04, { read: side => side.priorityMask, write: (side, value) => side.setPriorityMask(value) }],
  [0x08, { read: side => side.binaryPoint0, write: (side, value) => side.setBinaryPoint0(value) }],
  [0x0c, { read: side => side.acknowledge(), acknowledges: true }],
  [0x10, { write: (side, value) => side.endOfInterrupt(identity(value), undefined) }],
  [0x14, { read: side => side.active.running() }],
  [0x18, { read: side => side.highestPendingAny() }],
  [0x1c, { read: side => side.binaryPoint1, write: (side, value) => side.setBinaryPoint1(value) }],
  [0x20, { read: side => side.acknowledgeGroup(1), acknowledges: true }],
  [0x24, { write: (side, value) => side.endOfInterrupt(identity(value), 1) }],
  [0x28, { read: side => side.highestPendingOfGroup(1) }],
  // Five priority bits have one register of active priorities; the other three are RAZ/WI.
  ...[0, 1, 2, 3].map((word): [number, Row<InterruptInterface>] => [0xd0 + 4 * word, { read: side => side.active.read(0, word), write: (side, value) => side.active.write(0, word, value) }]),
  [0xfc, { read: () => GICC_IIDR }],
  [0x1000, { write: (side, value) => side.deactivate(identity(value)) }],
]

export const GICC_REGISTERS: ReadonlyMap<number, Row<InterruptInterface>> = new Map<number, Row<InterruptInterface>>([
  ...COMMON,
  // GICC_NSAPR<n>: Group 1's levels. The virtual interface keeps both groups in GICV_APR.
  ...[0, 1, 2, 3].map((word): [number, Row<InterruptInterface>] => [0xe0 + 4 * word, { read: side => side.active.read(1, word), write: (side, value) => side.active.write(1, word, value) }]),
])

export const GICV_REGISTERS: ReadonlyMap<number, Row<InterruptInterface>> = new Map<number, Row<InterruptInterface>>(COMMON)

/** GICH apart from GICH_LR<n>, which follow at 0x100. */
export const GICH_REGISTERS: ReadonlyMap<number, Row<VirtualInterface>> = new Map<number, Row<VirtualInterface>>([
  [0x00, { read: side => side.readHcr(), write: (side, value) => side.writeHcr(value) }],
  [0x04, { read: side => side.readVtr() }],
  [0x08, { read: side => side.readVmcr(), write: (side, value) => side.writeVmcr(value) }],
  [0x10, { read: side => side.maintenanceStatus() }],
  [0x20, { read: side => side.ended(0) }],
  [0x24, { read: side => side.ended(1) }],
  [0x30, { read: side => side.empty(0) }],
  [0x34, { read: side => side.empty(1) }],
  [0xf0, { read: side => side.active.read(0, 0), write: (side, value) => side.active.write(0, 0, value) }],
])
export const GICH_LR0 = 0x100
