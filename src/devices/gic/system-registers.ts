/**
 * GICv3's CPU interface as system registers. One table serves ICC_ and ICV_ (the second is what EL1 reaches when HCR_EL2.IMO or FMO
 * is set); ICH_ has its own. Registers hold 32 bits, apart from ICH_LR<n>_EL2 and the SGI registers.
 */
import type { InterruptInterface } from './interrupt-interface.ts'
import type { VirtualInterface } from './virtual-interface.ts'

export interface Row<Target> {
  readonly read?: (target: Target) => number
  /** Reading acknowledges an interrupt. */
  readonly acknowledges?: true
  readonly write?: (target: Target, value: number) => void
}

const INTID_MASK = 0xff_ffff
const CTLR = { CBPR: 1 << 0, EOImode: 1 << 1, PRIbits: 8, A3V: 1 << 15 } as const

/** ICC_BPR1_EL1 with CBPR = 1: one more than ICC_BPR0_EL1, and not writable. */
const binaryPoint1: Row<InterruptInterface> = {
  read: side => side.commonBinaryPoint ? Math.min(side.binaryPoint0 + 1, 7) : side.binaryPoint1,
  write: (side, value) => { if (!side.commonBinaryPoint) side.setBinaryPoint1(value) },
}

const groupEnable = (bit: 1 | 2): Row<InterruptInterface> => ({
  read: side => (side.groupEnables & bit) !== 0 ? 1 : 0,
  write: (side, value) => { side.groupEnables = (value & 1) !== 0 ? side.groupEnables | bit : side.groupEnables & ~bit },
})

function activePriorities(group: 0 | 1): [string, Row<InterruptInterface>][] {
  return [0, 1, 2, 3].map(word => [`AP${group}R${word}_EL1`, {
    read: side => side.active.read(group, word),
    write: (side, value) => side.active.write(group, word, value),
  }])
}

/** Names without their ICC_ or ICV_. */
const INTERFACE_REGISTERS: ReadonlyMap<string, Row<InterruptInterface>> = new Map<string, Row<InterruptInterface>>([
  ['IAR0_EL1', { read: side => side.acknowledgeGroup(0), acknowledges: true }],
  ['IAR1_EL1', { read: side => side.acknowledgeGroup(1), acknowledges: true }],
  ['EOIR0_EL1', { write: (side, value) => side.endOfInterrupt(value & INTID_MASK, 0) }],
  ['EOIR1_EL1', { write: (side, value) => side.endOfInterrupt(value & INTID_MASK, 1) }],
  ['HPPIR0_EL1', { read: side => side.highestPendingOfGroup(0) }],
  ['HPPIR1_EL1', { read: side => side.highestPendingOfGroup(1) }],
  ['DIR_EL1', { write: (side, value) => side.deactivate(value & INTID_MASK) }],
  ['PMR_EL1', { read: side => side.priorityMask, write: (side, value) => side.setPriorityMask(value) }],
  ['RPR_EL1', { read: side => side.active.running() }],
  ['BPR0_EL1', { read: side => side.binaryPoint0, write: (side, value) => side.setBinaryPoint0(value) }],
  ['BPR1_EL1', binaryPoint1],
  ['IGRPEN0_EL1', groupEnable(1)],
  ['IGRPEN1_EL1', groupEnable(2)],
  ['CTLR_EL1', {
    // IDbits = 0: 16 bits of INTID. RSS = 0, SEIS = 0, no extended ranges.
    read: side => (side.commonBinaryPoint ? CTLR.CBPR : 0) | (side.split ? CTLR.EOImode : 0) | (side.priorityBits - 1) << CTLR.PRIbits | CTLR.A3V,
    write: (side, value) => {
      side.commonBinaryPoint = (value & CTLR.CBPR) !== 0
      side.split = (value & CTLR.EOImode) !== 0
    },
  }],
  // SRE, DFB and DIB are fixed: there is no memory-mapped CPU interface and no bypass.
  ['SRE_EL1', { read: () => 7 }],
  ...activePriorities(0),
  ...activePriorities(1),
])

function activePrioritiesOfHypervisor(group: 0 | 1): [string, Row<VirtualInterface>][] {
  return [0, 1, 2, 3].map(word => [`ICH_AP${group}R${word}_EL2`, {
    read: side => side.active.read(group, word),
    write: (side, value) => side.active.write(group, word, value),
  }])
}

const HYPERVISOR_REGISTERS: ReadonlyMap<string, Row<VirtualInterface>> = new Map<string, Row<VirtualInterface>>([
  ['ICH_HCR_EL2', { read: side => side.readHcr(), write: (side, value) => side.writeHcr(value) }],
  ['ICH_VTR_EL2', { read: side => side.readVtr() }],
  ['ICH_VMCR_EL2', { read: side => side.readVmcr(), write: (side, value) => side.writeVmcr(value) }],
  ['ICH_MISR_EL2', { read: side => side.maintenanceStatus() }],
  ['ICH_EISR_EL2', { read: side => side.ended(0) }],
  ['ICH_ELRSR_EL2', { read: side => side.empty(0) }],
  ...activePrioritiesOfHypervisor(0),
  ...activePrioritiesOfHypervisor(1),
])

/** What a name stands for. */
export type SystemRegister =
  | { readonly kind: 'interface', readonly row: Row<InterruptInterface>, readonly virtual: boolean }
  | { readonly kind: 'hypervisor', readonly row: Row<VirtualInterface> }
  | { readonly kind: 'list', readonly n: number }
  /** Sends SGIs; those that are of Group 1 at the target only if `group1`. */
  | { readonly kind: 'sgi', readonly group1: boolean }
  | { readonly kind: 'enable' }

/**
 * All names in one map: it is looked up at each access. With one security state ICC_SGI1R_EL1 reaches SGIs of both groups, the other two
 * Group 0 only (IHI0069 12.1.10, forwarding with GICD_CTLR.DS = 1).
 */
export const SYSTEM_REGISTERS: ReadonlyMap<string, SystemRegister> = new Map<string, SystemRegister>([
  ...[...INTERFACE_REGISTERS].flatMap(([name, row]): [string, SystemRegister][] => [[`ICC_${name}`, { kind: 'interface', row, virtual: false }], [`ICV_${name}`, { kind: 'interface', row, virtual: true }]]),
  ...[...HYPERVISOR_REGISTERS].map(([name, row]): [string, SystemRegister] => [name, { kind: 'hypervisor', row }]),
  ...Array.from({ length: 16 }, (_, n): [string, SystemRegister] => [`ICH_LR${n}_EL2`, { kind: 'list', n }]),
  ['ICC_SGI0R_EL1', { kind: 'sgi', group1: false }],
  ['ICC_SGI1R_EL1', { kind: 'sgi', group1: true }],
  ['ICC_ASGI1R_EL1', { kind: 'sgi', group1: false }],
  ['ICC_SRE_EL2', { kind: 'enable' }],
])
