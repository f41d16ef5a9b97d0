/**
 * The same kind of decision as `resolve`, for instructions outside the register space. Each function returns undefined when the
 * instruction executes, otherwise the trap or UNDEFINED.
 */
import { EC } from '../arch/esr.ts'
import type { EL } from '../arch/el.ts'
import { CONTEXT } from './controls.ts'
import type { Controls } from './controls.ts'
import { DCZID_BLOCK } from './identification.ts'
import { compileRule, compiledFor, contextOf, firstTrap, resolve } from './resolve.ts'
import type { Compiled, CompiledRule, Resolution } from './resolve.ts'
import { SLOT, rowByName } from './table.ts'
import { API, ERET_FGT, ERET_NV, FP, MDCR, SCTLR, SMC_TSC, SVC_FGT, WAIT } from './trap-rules.ts'
import type { TrapRule } from './trap-rules.ts'

/** Rules by instruction; `explain` lists them. */
export const INSTRUCTION_RULES = {
  WFI: WAIT.WFI, WFE: WAIT.WFE, SMC: [SMC_TSC], ERET: [ERET_NV, ERET_FGT], FP, PAuth: [API], SVC: SVC_FGT, DAIF: SCTLR.UMA,
  /** Breakpoint instructions and debug exceptions go to EL2 when MDCR_EL2.TDE=1. */
  BRK: [{ ...MDCR.TDA[0]!, ec: EC.BRK64 }],
} as const satisfies Record<string, readonly TrapRule[]>
export type TrappedInstruction = keyof typeof INSTRUCTION_RULES

const compiledRules = new WeakMap<Compiled, Record<TrappedInstruction, readonly (readonly CompiledRule[])[]>>()
let latest: Compiled | undefined, latestRules: Record<TrappedInstruction, readonly (readonly CompiledRule[])[]> | undefined

export function rulesOf(compiled: Compiled): Record<TrappedInstruction, readonly (readonly CompiledRule[])[]> {
  if (compiled === latest) return latestRules!
  let rules = compiledRules.get(compiled)
  if (rules === undefined) {
    rules = Object.fromEntries(Object.entries<readonly TrapRule[]>(INSTRUCTION_RULES).map(([name, list]) => [
      name, ([0, 1, 2] as const).map(el => list.filter(rule => rule.from.includes(el)).flatMap(rule => compileRule(rule, compiled.has, el) ?? [])),
    ])) as unknown as Record<TrappedInstruction, readonly (readonly CompiledRule[])[]>
    compiledRules.set(compiled, rules)
  }
  latest = compiled
  return (latestRules = rules)
}

function trapOf(instruction: TrappedInstruction, el: EL, controls: Controls): Resolution | undefined {
  const compiled = compiledFor(controls.features, controls.gicVersion), words = controls.file.i32
  return firstTrap(rulesOf(compiled)[instruction][el]!, words, contextOf(compiled, words))
}

const undefinedBecause = (rule: string): Resolution => ({ kind: 'undefined', rule })
const HVC_AT_EL0 = undefinedBecause('HVC is UNDEFINED at EL0'), HVC_DISABLED = undefinedBecause('HCR_EL2.HCD is 1')
const SMC_AT_EL0 = undefinedBecause('SMC is UNDEFINED at EL0'), ERET_AT_EL0 = undefinedBecause('ERET is UNDEFINED at EL0')
const HVC_TAKEN: Resolution = { kind: 'trap', to: 2, ec: EC.HVC64, rule: 'HVC goes to EL2' }
const toEL = (ec: number, rule: string): readonly [Resolution, Resolution] => [{ kind: 'trap', to: 1, ec, rule }, { kind: 'trap', to: 2, ec, rule }]
const SVC = toEL(EC.SVC64, 'SVC goes to EL1, or to EL2 from there or with HCR_EL2.TGE'), BRK = toEL(EC.BRK64, 'BRK goes to EL1, or to EL2 from there or with HCR_EL2.TGE')

/** The effective controls as bits of CONTEXT. */
export function effectiveContext(controls: Controls): number {
  return contextOf(compiledFor(controls.features, controls.gicVersion), controls.file.i32)
}

const hcrLow = (controls: Controls): number => controls.file.i32[SLOT.HCR_EL2 * 2]!
const isTGE = (controls: Controls): boolean => (effectiveContext(controls) & CONTEXT.TGE) !== 0

/** The trap is taken only if the wait would really happen (the event register is clear, no interrupt is pending). */
export function wfxTrap(instruction: 'WFI' | 'WFE', el: EL, controls: Controls): Resolution | undefined {
  return trapOf(instruction, el, controls)
}

/** Not trapped: the SMC reaches EL3, whose part (PSCI) the machine plays; without firmware it is UNDEFINED. */
export function smcTrap(el: EL, controls: Controls): Resolution | undefined {
  return el === 0 ? SMC_AT_EL0 : trapOf('SMC', el, controls)
}

/** HVC: UNDEFINED or the exception to EL2. A machine without EL2 asks its firmware before it asks here. */
export function hvcAvailability(el: EL, controls: Controls): Resolution {
  return el === 0 ? HVC_AT_EL0 : (hcrLow(controls) & (1 << 29)) !== 0 ? HVC_DISABLED : HVC_TAKEN
}

/** ERET, ERETAA, ERETAB: the trap has priority over that of HCR_EL2.API (nested-arch.md a.3). */
export function eretTrap(el: EL, controls: Controls): Resolution | undefined {
  return el === 0 ? ERET_AT_EL0 : trapOf('ERET', el, controls)
}

/** FP and SIMD instructions. EC.Unknown as class: CPACR_EL1 disables them at EL0 and HCR_EL2.TGE=1. */
export function fpTrap(el: EL, controls: Controls): Resolution | undefined {
  return trapOf('FP', el, controls)
}

/** PAC and AUT instructions, if the key is enabled (`pauthEnabled`); PACGA always. */
export function pauthTrap(el: EL, controls: Controls): Resolution | undefined {
  return trapOf('PAuth', el, controls)
}

const ENABLE_BIT = { APIA: 31, APIB: 30, APDA: 27, APDB: 13 } as const
/** SCTLR_ELx.EnIA and so on of the regime in use. */
export function pauthEnabled(key: keyof typeof ENABLE_BIT, el: EL, controls: Controls): boolean {
  const slot = el === 2 || (el === 0 && (effectiveContext(controls) & CONTEXT.HOST) !== 0) ? SLOT.SCTLR_EL2 : SLOT.SCTLR_EL1
  return ((controls.file.i32[slot * 2]! >>> ENABLE_BIT[key]) & 1) !== 0
}

/** SVC: where it goes. */
export function svcTarget(el: EL, controls: Controls): Resolution {
  return trapOf('SVC', el, controls) ?? SVC[el === 2 || (el === 0 && isTGE(controls)) ? 1 : 0]
}

/** BRK and debug exceptions: where they go; the class is that of BRK. */
export function brkTarget(el: EL, controls: Controls): Resolution {
  return trapOf('BRK', el, controls) ?? BRK[el === 2 || (el === 0 && isTGE(controls)) ? 1 : 0]
}

/** Where synchronous exceptions without a rule of their own go: UNDEFINED, alignment, illegal state, stage 1 aborts. */
export function syncTarget(el: EL, controls: Controls): 1 | 2 {
  return el === 2 || (el === 0 && isTGE(controls)) ? 2 : 1
}

/** MSR DAIFSet and DAIFClr, MSR and MRS DAIF at EL0. */
export function daifTrap(el: EL, controls: Controls): Resolution | undefined {
  return trapOf('DAIF', el, controls)
}

/** The value of CurrentEL: HCR_EL2.NV shows EL2 at EL1. */
export function currentEL(el: EL, controls: Controls): bigint {
  return el === 1 && (effectiveContext(controls) & CONTEXT.NV) !== 0 ? 8n : BigInt(el << 2)
}

/**
 * For exceptions from EL1 to EL1: SPSR_EL1.M[3:2] says EL2 when NV=1 and (NV1=0 or NV2=1) (I_ZJRNN, I_DBTLM; nested-arch.md a.3
 * "SPSR rule conflict"). The paper's page counts as NV2.
 */
export function spsrShowsEL2(controls: Controls): boolean {
  const context = effectiveContext(controls)
  return (context & CONTEXT.NV) !== 0 && ((context & CONTEXT.NV1) === 0 || (context & (CONTEXT.NV2 | CONTEXT.NEVE)) !== 0)
}

/** DCZID_EL0: the block size, and DZP when DC ZVA would not execute at `el`. */
export function dczid(el: EL, controls: Controls): bigint {
  return BigInt(DCZID_BLOCK) | (resolve(rowByName('DC ZVA'), 'write', el, controls).kind === 'register' ? 0n : 0x10n)
}

