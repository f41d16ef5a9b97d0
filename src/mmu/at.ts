/** Address translation instructions: which regime, and PAR_EL1 (Arm ARM C5.4 "A64 System instructions for address translation", D24.2 "PAR_EL1"). */
import { FSC } from '../arch/esr.ts'
import type { RegimeKind, Stage1, Stage2 } from './regime.ts'
import { ACCESS, type DescriptorMemory, type Translation } from './translation.ts'
import { translate, translateStage1Only } from './walk.ts'

export interface AtOperation {
  readonly name: string
  /** S1: stage 1 only; S12: both. */
  readonly stages: 1 | 12
  /** The EL in the name: whose permissions are checked. */
  readonly el: 0 | 1 | 2
  readonly write: boolean
  /** The P forms honour PSTATE.PAN (FEAT_PAN2). */
  readonly pan: boolean
  /** op0:op1:CRn:CRm:op2 in 16 bits. */
  readonly key: number
}

const at = (name: string, op1: number, CRm: number, op2: number): AtOperation => ({
  name, stages: name.startsWith('S12') ? 12 : 1, el: Number(/E(\d)/.exec(name)![1]) as 0 | 1 | 2,
  write: /WP?$/.test(name), pan: name.endsWith('P'), key: (1 << 14) | (op1 << 11) | (7 << 7) | (CRm << 3) | op2,
})

export const AT_OPERATIONS: readonly AtOperation[] = [
  at('S1E1R', 0, 8, 0), at('S1E1W', 0, 8, 1), at('S1E0R', 0, 8, 2), at('S1E0W', 0, 8, 3),
  at('S1E1RP', 0, 9, 0), at('S1E1WP', 0, 9, 1),
  at('S1E2R', 4, 8, 0), at('S1E2W', 4, 8, 1),
  at('S12E1R', 4, 8, 4), at('S12E1W', 4, 8, 5), at('S12E0R', 4, 8, 6), at('S12E0W', 4, 8, 7),
]
const byName = new Map(AT_OPERATIONS.map(operation => [operation.name, operation]))

/** By mnemonic, with or without `AT `: 'S1E1R', 'AT S1E1R'. */
export const atOperation = (name: string): AtOperation | undefined => byName.get(name.replace(/^AT[ _]/, ''))

/**
 * The regime an AT instruction uses. HCR_EL2.{E2H,TGE} = {1,1} sends the forms of EL0, and the stage 1 forms of EL1, to EL2&0; S12E1R
 * and S12E1W mean EL1&0 (AArch64.AT and TranslationRegime of the pseudocode).
 */
export function atRegime(operation: AtOperation, e2h: boolean, tge: boolean): RegimeKind {
  if (operation.el === 2) return e2h ? 'EL2&0' : 'EL2'
  return (operation.stages === 1 || operation.el === 0) && e2h && tge ? 'EL2&0' : 'EL1&0'
}

/**
 * Performs the translation and forms PAR_EL1. `stage2` is the stage 2 in force for the regime or undefined; for a stage 1 operation
 * it translates table accesses only. Undefined: not reported in PAR_EL1; a Data Abort described by `out` is taken (External abort
 * on a walk; or, for an instruction executed at EL1, a stage 2 fault on a stage 1 walk): then ISS.CM = 1 and WnR = 1.
 */
export function performAt(operation: AtOperation, stage1: Stage1, stage2: Stage2 | undefined, va: bigint, pan: boolean, executedAt: 1 | 2, memory: DescriptorMemory, out: Translation): bigint | undefined {
  const access = (operation.write ? ACCESS.write : ACCESS.read) | ACCESS.at
    | (operation.el === 0 ? ACCESS.unprivileged : 0) | (operation.pan && pan ? ACCESS.pan : 0)
  const vaLo = Number(va & 0xffff_ffffn) | 0, vaHi = Number((va >> 32n) & 0xffff_ffffn) | 0
  const walk = operation.stages === 12 ? translate : translateStage1Only
  const success = walk(stage1, stage2, vaHi, vaLo, access, memory, out)
  if (!success && ((out.status & 0x3c) === FSC.SyncExternalOnWalk || (executedAt === 1 && out.s1ptw))) return undefined
  return parFromTranslation(success, out)
}

/** Bit 11 is RES1 in both formats. */
const RES1 = 1n << 11n

/** PAR_EL1 for a finished translation. `success` is what translate() returned. */
export function parFromTranslation(success: boolean, out: Translation): bigint {
  if (success) return (BigInt(out.attr) << 56n) | (BigInt(out.pa) & 0xffff_ffff_f000n) | RES1 | BigInt(out.sh << 7)
  return RES1 | BigInt(((out.stage === 2 ? 1 : 0) << 9) | ((out.s1ptw ? 1 : 0) << 8) | (out.status << 1) | 1)
}

export interface Par { readonly fault: boolean, readonly pa: number, readonly attr: number, readonly sh: number, readonly status: number, readonly stage: 1 | 2, readonly s1ptw: boolean }

/** The mirror of `parFromTranslation`: L0 reads the result of its own AT. */
export function parsePar(par: bigint): Par {
  const lo = Number(par & 0xfffn)
  const fault = (lo & 1) !== 0
  return {
    fault, pa: fault ? 0 : Number(par & 0xffff_ffff_f000n), attr: fault ? 0 : Number((par >> 56n) & 0xffn), sh: fault ? 0 : (lo >>> 7) & 3,
    status: fault ? (lo >>> 1) & 0x3f : 0, stage: fault && lo & (1 << 9) ? 2 : 1, s1ptw: fault && (lo & (1 << 8)) !== 0,
  }
}
