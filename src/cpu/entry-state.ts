/**
 * PSTATE on exception entry and the checks of an exception return, as pure functions on SPSR-format integers
 * (Arm ARM D1.3.5 "Exception entry", D1.4.4 "Illegal exception returns"; pseudocode AArch64.TakeException, ELR and SPSR part of
 * AArch64.ExceptionReturn).
 */
import type { EL } from '../arch/el.ts'
import { DAIF_MASK, MODE, NZCV_MASK, PSTATE, elOf } from '../arch/pstate.ts'

export const VECTOR = { sync: 0x000, irq: 0x080, fiq: 0x100, serror: 0x180 } as const
export type ExceptionType = keyof typeof VECTOR

/** Offset from VBAR_ELx: own EL with SP_EL0, own EL with SP_ELx, lower EL (AArch64). */
export const vectorOffset = (pstate: number, target: 1 | 2, type: ExceptionType): number =>
  (elOf(pstate) < target ? 0x400 : (pstate & 1) !== 0 ? 0x200 : 0) + VECTOR[type]

export interface EntryControls {
  readonly PANimplemented: boolean
  /** SCTLR_ELx.SPAN of the target; for EL2 only meaningful when HCR_EL2.{E2H,TGE} = {1,1}, else true. */
  readonly SPAN: boolean
}

/** PSTATE with which the handler at `target` starts. */
export function entryPSTATE(pstate: number, target: 1 | 2, c: EntryControls): number {
  let next = pstate & NZCV_MASK
  // UAO = 0, SS = 0, IL = 0.
  if (c.PANimplemented) next |= c.SPAN ? pstate & PSTATE.PAN : PSTATE.PAN
  return next | DAIF_MASK | (target === 2 ? MODE.EL2h : MODE.EL1h)
}

/**
 * The mode that SPSR_EL1 reports for an exception taken from EL1 to EL1 under nested virtualization: vEL2 must see EL2
 * (R_ZJRNN, R_DBTLM: HCR_EL2.NV = 1 and (NV1 = 0 or NV2 = 1)).
 */
export const reportedPSTATE = (pstate: number, target: 1 | 2, reportsEL2: boolean): number =>
  reportsEL2 && target === 1 && elOf(pstate) === 1 ? (pstate & ~0xc) | 0x8 : pstate

export interface ReturnControls {
  readonly el2: boolean
  readonly TGE: boolean
  readonly PANimplemented: boolean
  readonly UAOimplemented: boolean
}

/** AArch64.IllegalExceptionReturn, without EL3, Secure state and AArch32. */
export function isIllegalReturn(current: EL, spsr: number, c: ReturnControls): boolean {
  if ((spsr & PSTATE.nRW) !== 0) return true
  const mode = spsr & 0xf, target = mode >> 2
  // M[1] = 1 and EL0h are reserved; EL3 does not exist.
  if ((mode & 2) !== 0 || mode === 1 || target === 3) return true
  if (target > current) return true
  if (target === 2 && !c.el2) return true
  return target === 1 && c.el2 && c.TGE
}

/** PSTATE after ERET. An illegal return keeps EL and SP and sets IL. NZCV are included. */
export function returnPSTATE(pstate: number, spsr: number, illegal: boolean, c: ReturnControls): number {
  let next = spsr & (NZCV_MASK | DAIF_MASK)
  if (c.PANimplemented) next |= spsr & PSTATE.PAN
  if (c.UAOimplemented) next |= spsr & PSTATE.UAO
  if (illegal) return next | PSTATE.IL | (pstate & 0xf)
  return next | (spsr & PSTATE.IL) | (spsr & 0xf)
}
