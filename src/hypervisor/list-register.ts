/**
 * A list register as fields, with the two encodings: GICH_LR<n> of GICv2 (IHI0048 5.3.4) and ICH_LR<n>_EL2 of GICv3 (IHI0069 12.4).
 */
import type { INTID } from '../arch/gic.ts'
import { choice, FLAG, integer, record } from '../arch/saved-state.ts'

export const LR_STATE = { invalid: 0, pending: 1, active: 2, both: 3 } as const

export interface ListRegister {
  /** LR_STATE: bit 0 pending, bit 1 active. */
  state: number
  intid: INTID
  /** Deactivation by the guest deactivates the physical interrupt `physical`. */
  hw: boolean
  physical: INTID
  /** Maintenance interrupt at EOI (hw = false). */
  eoi: boolean
  group: 0 | 1
  /** 8 bits. */
  priority: number
  /** GICv2 SGI: the CPU that sent it. */
  source: number
}

const INTIDS = integer(0, 0xffff_ffff)
export const SAVED_LIST_REGISTER = record<ListRegister>({
  state: integer(0, 3), intid: INTIDS, hw: FLAG, physical: INTIDS, eoi: FLAG, group: choice(0, 1), priority: integer(0, 0xff), source: integer(0, 7),
})

export const emptyListRegister = (): ListRegister =>
  ({ state: LR_STATE.invalid, intid: 0, hw: false, physical: 0, eoi: false, group: 0, priority: 0, source: 0 })

export function copyListRegister(from: ListRegister, to: ListRegister): void {
  to.state = from.state
  to.intid = from.intid
  to.hw = from.hw
  to.physical = from.physical
  to.eoi = from.eoi
  to.group = from.group
  to.priority = from.priority
  to.source = from.source
}

/** GICH_LR: HW 31, Grp1 30, State 29:28, Priority 27:23, PhysicalID 19:10 (HW=1) or EOI 19 and CPUID 12:10, VirtualID 9:0. */
export function encodeLrV2(lr: ListRegister): number {
  const physical = lr.hw ? (lr.physical & 0x3ff) << 10 : ((lr.eoi ? 1 : 0) << 19) | ((lr.source & 7) << 10)
  return (((lr.hw ? 1 : 0) << 31) | (lr.group << 30) | (lr.state << 28) | ((lr.priority >>> 3) << 23) | physical | (lr.intid & 0x3ff)) >>> 0
}

export function decodeLrV2(raw: number, into: ListRegister): void {
  into.hw = (raw & 0x8000_0000) !== 0
  into.group = ((raw >>> 30) & 1) as 0 | 1
  into.state = (raw >>> 28) & 3
  into.priority = ((raw >>> 23) & 31) << 3
  into.physical = into.hw ? (raw >>> 10) & 0x3ff : 0
  into.eoi = !into.hw && (raw & (1 << 19)) !== 0
  into.source = into.hw ? 0 : (raw >>> 10) & 7
  into.intid = raw & 0x3ff
}

/** ICH_LR: State 63:62, HW 61, Group 60, Priority 55:48, pINTID 44:32 (HW=0: bit 41 is EOI), vINTID 31:0. */
export function encodeLrV3(lr: ListRegister): bigint {
  const high = ((lr.state << 30) | ((lr.hw ? 1 : 0) << 29) | (lr.group << 28) | ((lr.priority & 0xff) << 16) | (lr.hw ? lr.physical & 0x1fff : (lr.eoi ? 1 : 0) << 9)) >>> 0
  return (BigInt(high) << 32n) | BigInt(lr.intid)
}

export function decodeLrV3(raw: bigint, into: ListRegister): void {
  const high = Number(raw >> 32n)
  into.state = high >>> 30
  into.hw = (high & (1 << 29)) !== 0
  into.group = ((high >>> 28) & 1) as 0 | 1
  into.priority = (high >>> 16) & 0xff
  into.physical = into.hw ? high & 0x1fff : 0
  into.eoi = !into.hw && (high & (1 << 9)) !== 0
  into.source = 0
  into.intid = Number(raw & 0xffff_ffffn)
}

/** Control bits that GICH_HCR and ICH_HCR_EL2 share. */
export const GICH_HCR = { En: 1, UIE: 2, LRENPIE: 4, NPIE: 8, VGrp0EIE: 0x10, VGrp0DIE: 0x20, VGrp1EIE: 0x40, VGrp1DIE: 0x80 } as const
export const EOI_COUNT_SHIFT = 27

/** GICH_MISR / ICH_MISR_EL2 of stored list registers: what the hardware would say; the interrupt itself also needs En. `enabled` groups come from the VMCR. */
export function maintenanceStatus(hcr: number, lrs: readonly ListRegister[], eoiPending: number, group0: boolean, group1: boolean): number {
  let valid = 0, pending = 0
  for (const lr of lrs) {
    if (lr.state !== LR_STATE.invalid) valid++
    if (lr.state === LR_STATE.pending) pending++
  }
  let misr = 0
  if (eoiPending !== 0) misr |= 1
  if ((hcr & GICH_HCR.UIE) !== 0 && valid <= 1) misr |= 2
  if ((hcr & GICH_HCR.LRENPIE) !== 0 && (hcr >>> EOI_COUNT_SHIFT) !== 0) misr |= 4
  if ((hcr & GICH_HCR.NPIE) !== 0 && pending === 0) misr |= 8
  if ((hcr & GICH_HCR.VGrp0EIE) !== 0 && group0) misr |= 0x10
  if ((hcr & GICH_HCR.VGrp0DIE) !== 0 && !group0) misr |= 0x20
  if ((hcr & GICH_HCR.VGrp1EIE) !== 0 && group1) misr |= 0x40
  if ((hcr & GICH_HCR.VGrp1DIE) !== 0 && !group1) misr |= 0x80
  return misr
}

/** EISR: list registers whose interrupt the guest ended and that ask for a maintenance interrupt. */
export function endedMask(lrs: readonly ListRegister[]): number {
  let mask = 0
  for (let i = 0; i < lrs.length; i++) if (lrs[i]!.state === LR_STATE.invalid && lrs[i]!.eoi && !lrs[i]!.hw) mask |= 1 << i
  return mask >>> 0
}

/** ELRSR: list registers that are free. */
export function emptyMask(lrs: readonly ListRegister[]): number {
  let mask = 0
  for (let i = 0; i < lrs.length; i++) if (lrs[i]!.state === LR_STATE.invalid && (lrs[i]!.hw || !lrs[i]!.eoi)) mask |= 1 << i
  return mask >>> 0
}
