/**
 * The decision path of one instruction in words, generated from the rows and rules. It interprets the rules itself, with register
 * values as they stand, and so is a second, slow reading of the tables: a test compares it with `resolve` for the whole matrix.
 */
import { ecName, encodingKey } from '../arch/esr.ts'
import type { Direction, EL } from '../arch/el.ts'
import { profile as profileNamed } from '../arch/features.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { CONTEXT, describeContext, parseWhen } from './controls.ts'
import type { Controls } from './controls.ts'
import { fieldMask } from './fields.ts'
import { INSTRUCTION_RULES, brkTarget, eretTrap, fpTrap, hvcAvailability, pauthTrap, smcTrap, svcTarget, wfxTrap } from './instruction-traps.ts'
import { compiledFor, conclude, contextOf, fieldsOf, neededEL, nvReaches, resolveUnallocated, routed, unavailable } from './resolve.ts'
import type { Compiled, Resolution } from './resolve.ts'
import type { Row } from './row.ts'
import { controlsIn, situationAt } from './situations.ts'
import type { Place } from './situations.ts'
import { rowByKey, rowByName } from './table.ts'
import type { TrapRule } from './trap-rules.ts'

export interface Explanation {
  readonly steps: readonly string[]
  /** Undefined: the instruction simply executes. */
  readonly resolution: Resolution | undefined
}

// ---- rules -----------------------------------------------------------------------------------------------------------------------

/** `HCR_EL2.TVM = 1`, with the value that the field has. */
function fieldText(rule: TrapRule, controls: Controls): { readonly text: string, readonly value: bigint, readonly mask: bigint, readonly low: number } {
  const control = rowByName(rule.register)!
  const fields = fieldsOf(rule, control), stored = controls.file.u64[control.slot]!
  const mask = fields.reduce((all, field) => all | fieldMask(field), 0n), value = stored & mask
  const text = fields.map(field => `${rule.register}.${field.name} is ${((stored & fieldMask(field)) >> BigInt(field.low)).toString(field.high === field.low ? 10 : 2)}`).join(', ')
  return { text, value, mask, low: fields[0]!.low }
}

function missingFeature(rule: TrapRule, has: Compiled['has']): string | undefined {
  if (rule.feature !== undefined && !has(rule.feature)) return rule.feature
  const control = rowByName(rule.register)!
  if (control.features.length > 0 && !control.features.some(has)) return control.features.join(' or ')
  return fieldsOf(rule, control).map(field => field.feature).find(feature => feature !== undefined && !has(feature))
}

function appliesNow(rule: TrapRule, controls: Controls, context: number): boolean {
  const when = parseWhen(rule.when)
  if ((context & when.mask) !== when.value) return false
  const { value, mask, low } = fieldText(rule, controls), how = rule.trapsWhen
  if (how === 'set') return value === mask
  if (how === 'clear') return value === 0n
  if (how === 'even') return ((value >> BigInt(low)) & 1n) === 0n
  return typeof how === 'number' ? value >> BigInt(low) === BigInt(how) : value >> BigInt(low) <= BigInt(how.atMost)
}

/** What makes a rule trap, for people: `HCR_EL2.TVM = 1: EL1 writes go to EL2`. */
export function describeRule(rule: TrapRule): string {
  const how = rule.trapsWhen
  const condition = how === 'set' ? '= 1' : how === 'clear' ? '= 0' : how === 'even' ? '= x0' : typeof how === 'number' ? `= ${how}` : `<= ${how.atMost}`
  return `${rule.name} ${condition}${rule.when ? ` and ${rule.when.replaceAll(' ', ' and ')}` : ''}: `
    + `${rule.from.map(el => `EL${el}`).join(' and ')} ${rule.direction === undefined ? 'accesses' : `${rule.direction}s`} go to EL${rule.to}`
}

/** Goes through `rules`, reports each, and returns the trap of the first one that applies. */
function walkRules(rules: readonly TrapRule[], direction: Direction, el: EL, controls: Controls, compiled: Compiled, context: number, steps: string[]): Resolution | undefined {
  for (const rule of rules) {
    if (!rule.from.includes(el) || (rule.direction ?? direction) !== direction) continue
    const missing = missingFeature(rule, compiled.has)
    if (missing !== undefined) continue
    const when = parseWhen(rule.when)
    if ((context & when.mask) !== when.value) { steps.push(`${rule.name} does not matter: it needs ${rule.when!.replaceAll(' ', ', ')}.`); continue }
    const { text } = fieldText(rule, controls)
    if (!appliesNow(rule, controls, context)) { steps.push(`${text}: no trap.`); continue }
    const viaTGE = rule.to === 1 && el === 0 && (context & CONTEXT.TGE) !== 0
    const to = viaTGE ? 2 : rule.to, ec = viaTGE ? rule.ecTGE ?? rule.ec : rule.ec
    steps.push(`${text}: this traps to EL${rule.to}${viaTGE ? ', and HCR_EL2.TGE sends it to EL2' : ''}.`)
    return { kind: 'trap', to, ec, rule: viaTGE ? `${rule.name} (HCR_EL2.TGE)` : rule.name }
  }
  return undefined
}

// ---- register accesses -------------------------------------------------------------------------------------------------------------

const encodingText = (row: Row): string => {
  const key = row.key
  return `op0=${key >>> 14} op1=${(key >>> 11) & 7} CRn=${(key >>> 7) & 15} CRm=${(key >>> 3) & 15} op2=${key & 7}`
}

export function explainAccess(row: Row, direction: Direction, el: EL, controls: Controls): Explanation {
  const compiled = compiledFor(controls.features, controls.gicVersion), context = contextOf(compiled, controls.file.i32)
  const steps: string[] = []
  const finish = (resolution: Resolution): Explanation => {
    if (resolution.kind !== 'trap') steps.push(`${capital(resolution.rule)}.`)
    steps.push(conclusionText(resolution, row, direction))
    return { steps, resolution }
  }
  const write = direction === 'write', needed = neededEL(row, write)
  steps.push(`${row.name} is ${encodingText(row)}${row.aliasOf ? `, the host's name for ${row.aliasOf}` : ''}.`)
  const conclusion = routed(conclude(row, direction, el, context, compiled.has), context)
  if (unavailable(row, direction, compiled.has) !== undefined) return finish(conclusion)
  steps.push(`It can be ${row.kind === 'instruction' ? 'executed' : write ? 'written' : 'read'} from EL${needed} on${needed === 3 ? ', which this machine does not have' : ''}; the PE is at EL${el} and ${describeContext(context)}.`)
  if (el < needed && !(nvReaches(row, el, write) && (context & CONTEXT.NV) !== 0)) return finish(conclusion)
  if (el < needed) steps.push('HCR_EL2.NV is 1, so names of EL2 are not UNDEFINED at EL1.')
  const trap = walkRules(row.traps, direction, el, controls, compiled, context, steps)
  if (trap !== undefined) { steps.push(conclusionText(trap, row, direction)); return { steps, resolution: trap } }
  if (el === 1 && row.viewOf === undefined && row.virtualWhen.length > 0) {
    const hcr = controls.file.u64[rowByName('HCR_EL2')!.slot]!
    const set = row.virtualWhen.filter(bit => (hcr >> (bit === 'IMO' ? 4n : 3n)) & 1n)
    if (set.length > 0) {
      const view = rowByName(row.name.replace('ICC_', 'ICV_'))!
      return finish({ kind: 'register', row: view, rule: `HCR_EL2.${row.virtualWhen.join(' or HCR_EL2.')} is 1: the virtual CPU interface` })
    }
  }
  return finish(conclusion)
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function conclusionText(resolution: Resolution, row: Row | undefined, direction: Direction): string {
  switch (resolution.kind) {
    case 'undefined': return 'Result: UNDEFINED.'
    case 'trap': return `Result: exception to EL${resolution.to}, class ${ecName(resolution.ec)} (0x${resolution.ec.toString(16)}), because of ${resolution.rule}.`
    case 'memory': return `Result: ${direction === 'read' ? 'a 64-bit load from' : 'a 64-bit store to'} VNCR_EL2.BADDR + 0x${resolution.offset.toString(16)}.`
    case 'register': return resolution.row.kind === 'instruction' ? `Result: ${resolution.row.name} executes.` : `Result: ${direction} of ${resolution.row.name}${resolution.row === row ? '' : ` (not ${row?.name ?? 'it'})`}.`
  }
}

// ---- instruction text --------------------------------------------------------------------------------------------------------------

type Parsed =
  | { readonly kind: 'access', readonly row: Row, readonly direction: Direction }
  | { readonly kind: 'unallocated', readonly key: number, readonly direction: Direction }
  | { readonly kind: 'instruction', readonly name: 'WFI' | 'WFE' | 'SMC' | 'HVC' | 'ERET' | 'SVC' | 'BRK' | 'FP' | 'PAuth' }

/** `mrs x0, vtcr_el2`, `msr s3_4_c2_c1_2, x0`, `tlbi vae1is, x0`, `eret`, `hvc #0`; a message for what is none of these. */
export function parseInstruction(text: string): Parsed | string {
  const [mnemonic = '', ...operands] = text.trim().toLowerCase().split(/[\s,]+/)
  const plain: Record<string, Parsed & { kind: 'instruction' }> = {
    wfi: { kind: 'instruction', name: 'WFI' }, wfe: { kind: 'instruction', name: 'WFE' }, smc: { kind: 'instruction', name: 'SMC' }, hvc: { kind: 'instruction', name: 'HVC' },
    svc: { kind: 'instruction', name: 'SVC' }, brk: { kind: 'instruction', name: 'BRK' }, eret: { kind: 'instruction', name: 'ERET' }, eretaa: { kind: 'instruction', name: 'ERET' },
    eretab: { kind: 'instruction', name: 'ERET' }, fadd: { kind: 'instruction', name: 'FP' }, fmov: { kind: 'instruction', name: 'FP' },
  }
  if (Object.hasOwn(plain, mnemonic)) return plain[mnemonic]!
  if (/^(pac|aut|xpac)/.test(mnemonic)) return { kind: 'instruction', name: 'PAuth' }
  const register = (name: string | undefined, direction: Direction): Parsed | string => {
    if (name === undefined) return `'${text}': no register`
    const generic = /^s([0-3])_([0-7])_c(\d+)_c(\d+)_([0-7])$/.exec(name)
    if (generic !== null) {
      const [op0, op1, CRn, CRm, op2] = generic.slice(1).map(Number) as [number, number, number, number, number]
      if (CRn > 15 || CRm > 15) return `'${name}': CRn and CRm are 0 to 15`
      const key = encodingKey(op0, op1, CRn, CRm, op2), row = rowByKey(key)
      return row === undefined ? { kind: 'unallocated', key, direction } : { kind: 'access', row, direction }
    }
    const row = rowNamed(name)
    if (row === undefined) return `there is no register ${name}`
    if (row.viewOf !== undefined) return `${row.name} has no encoding of its own: it is what ${row.viewOf} means at EL1 when HCR_EL2.${row.virtualWhen.join(' or ')} is 1`
    return row.kind === 'register' ? { kind: 'access', row, direction } : `${row.name} is not a register`
  }
  if (mnemonic === 'mrs') return register(operands[1], 'read')
  if (mnemonic === 'msr') return register(operands[0], 'write')
  const row = rowNamed(operands[0] === undefined || !/^(tlbi|at|dc|ic|cfp|dvp|cpp|cosp|brb)$/.test(mnemonic) ? mnemonic : `${mnemonic} ${operands[0]}`)
  return row?.kind === 'instruction' ? { kind: 'access', row, direction: 'write' } : `'${text}' is not an instruction that can be explained: mrs, msr, tlbi, at, dc, ic, eret, wfi, wfe, hvc, smc, svc, brk, pac*, aut*`
}

/** Names are case-insensitive for people. */
function rowNamed(name: string): Row | undefined {
  const upper = name.toUpperCase()
  return rowByName(upper) ?? rowByName(upper.replace(/NXS$/, 'nXS')) ?? ['SPSel', 'CurrentEL', 'SPSR_irq', 'SPSR_abt', 'SPSR_und', 'SPSR_fiq'].map(rowByName).find(row => row?.name.toUpperCase() === upper)
    ?? (/^AP[ID GBA]+KEY(LO|HI)_EL1$/.test(upper) ? rowByName(upper.replace('KEYLO', 'KeyLo').replace('KEYHI', 'KeyHi')) : undefined)
}

export interface ExplainOptions {
  readonly at: Place
  readonly profile: ProfileName
  readonly hide?: readonly Feature[]
  readonly gicVersion?: GicVersion
}

/** `nidus explain`: the steps, or a message that says what is wrong with the question. */
export function explain(text: string, options: ExplainOptions): Explanation | string {
  const profile = profileNamed(options.profile, options.hide ?? [])
  const situation = situationAt(options.at, profile.features)
  if (situation === undefined) {
    return options.at.startsWith('v') ? `profile ${options.profile} has no FEAT_NV, so there is no ${options.at} on it without --paravirt` : `profile ${options.profile} has no FEAT_VHE, so there is no ${options.at} on it`
  }
  const parsed = parseInstruction(text)
  if (typeof parsed === 'string') return parsed
  const controls = controlsIn(situation, profile, options.gicVersion ?? 3)
  if (parsed.kind === 'access') return explainAccess(parsed.row, parsed.direction, situation.el, controls)
  if (parsed.kind === 'unallocated') {
    const resolution = resolveUnallocated(parsed.key, parsed.direction, situation.el, controls)
    return { steps: ['Nothing is allocated at this encoding.', conclusionText(resolution, undefined, parsed.direction)], resolution }
  }
  return explainInstruction(parsed.name, situation.el, controls)
}

/** The same for instructions outside the register space. */
export function explainInstruction(name: 'WFI' | 'WFE' | 'SMC' | 'HVC' | 'ERET' | 'SVC' | 'BRK' | 'FP' | 'PAuth', el: EL, controls: Controls): Explanation {
  const compiled = compiledFor(controls.features, controls.gicVersion), context = contextOf(compiled, controls.file.i32)
  const steps = [`The PE is at EL${el} and ${describeContext(context)}.`]
  if (name !== 'HVC') walkRules(INSTRUCTION_RULES[name], 'write', el, controls, compiled, context, steps)
  const resolution = {
    WFI: () => wfxTrap('WFI', el, controls), WFE: () => wfxTrap('WFE', el, controls), SMC: () => smcTrap(el, controls), HVC: () => hvcAvailability(el, controls), ERET: () => eretTrap(el, controls),
    SVC: () => svcTarget(el, controls), BRK: () => brkTarget(el, controls), FP: () => fpTrap(el, controls), PAuth: () => pauthTrap(el, controls),
  }[name]()
  if (resolution === undefined) steps.push(name === 'SMC' ? 'Result: goes to EL3; the machine answers PSCI calls in its place.' : 'Result: executes.')
  else {
    if (resolution.kind === 'undefined') steps.push(`${resolution.rule}.`)
    steps.push(conclusionText(resolution, undefined, 'write'))
  }
  return { steps, resolution }
}
