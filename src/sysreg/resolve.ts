/**
 * The decision for one access: register, memory at VNCR_EL2, trap, or UNDEFINED. Pure (design D4): the CPU asks it with the real
 * controls, L0 asks the same function with L1's virtual ones.
 *
 * Order, as in the accessibility pseudocode of the Arm ARM:
 *   1. no such register or instruction, feature missing, wrong direction, EL too low: UNDEFINED (NV brings EL2 names to EL1);
 *   2. trap rules of the row in order (nested-arch.md a.3 "Priority": before the NV2 transformation);
 *   3. NV2 or NEVE: EL1 register, memory; plain NV: trap to EL2; FEAT_VHE: `_EL12` names, EL1 names at EL2;
 *   4. the virtual view of ICC_ registers, VPIDR_EL2 and VMPIDR_EL2 behind MIDR_EL1 and MPIDR_EL1;
 *   5. the register itself.
 *
 * For each set of features the table is compiled once into lists of integer comparisons and tables of finished answers, so a
 * decision allocates nothing.
 */
import { EC } from '../arch/esr.ts'
import type { Direction, EL } from '../arch/el.ts'
import type { Feature } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { CONTEXT, parseWhen } from './controls.ts'
import type { Controls } from './controls.ts'
import { masksOf } from './fields.ts'
import type { Masks } from './fields.ts'
import type { Field, Row, RowFeature } from './row.ts'
import { IMPLEMENTATION_DEFINED, ROWS, rowByName } from './table.ts'
import type { TrapRule } from './trap-rules.ts'

/**
 * `register`: perform the access on `row` (which is not the row asked for after a redirection; for instructions: execute it).
 * `memory`: a 64-bit access at VNCR_EL2 + `offset`. `trap`: exception to EL `to` with class `ec`. `rule` says why.
 */
export type Resolution =
  | { readonly kind: 'register', readonly row: Row, readonly rule: string }
  | { readonly kind: 'memory', readonly offset: number, readonly row: Row, readonly rule: string }
  | { readonly kind: 'trap', readonly to: 1 | 2, readonly ec: number, readonly rule: string }
  | { readonly kind: 'undefined', readonly rule: string }

export interface CompiledRule {
  readonly rule: TrapRule
  /** Index in the i32 view of the register file, and the comparison there. */
  readonly word: number
  readonly mask: number
  readonly value: number
  /** For `atMost` rules: the field's shift and the limit; limit is -1 otherwise. */
  readonly shift: number
  readonly limit: number
  readonly contextMask: number
  readonly contextValue: number
  readonly resolution: Resolution
  readonly resolutionTGE: Resolution
}

/** One row, one direction. */
interface CompiledAccess {
  /** By EL. */
  readonly rules: readonly (readonly CompiledRule[])[]
  /** The answer when no rule applies, by EL and by the part of the context that matters there. */
  readonly conclusions: readonly (readonly Resolution[])[]
  /** ICC_ at EL1: bits of HCR_EL2[31:0] that select the virtual view. */
  readonly viewMask: number
  readonly view: Resolution | undefined
}

export interface Compiled {
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly has: (feature: RowFeature) => boolean
  /** By row; a row is compiled when it is first accessed: few of the many are. */
  readonly reads: (CompiledAccess | undefined)[]
  readonly writes: (CompiledAccess | undefined)[]
  readonly masks: readonly Masks[]
  readonly contextTable: Int32Array
}

const HCR = rowByName('HCR_EL2')!.slot * 2
const VNCR = rowByName('VNCR_EL2')!.slot * 2
const UNALLOCATED: Resolution = { kind: 'undefined', rule: 'nothing is allocated at this encoding' }

/** By set object, and behind it by content, so that equal sets share one compilation. */
const cache = new WeakMap<ReadonlySet<Feature>, Partial<Record<GicVersion, Compiled>>>()
const byContent = new Map<string, Compiled>()
let latest: Compiled | undefined, previous: Compiled | undefined

export function compiledFor(features: ReadonlySet<Feature>, gicVersion: GicVersion): Compiled {
  if (latest !== undefined && latest.features === features && latest.gicVersion === gicVersion) return latest
  if (previous !== undefined && previous.features === features && previous.gicVersion === gicVersion) {
    const found = previous
    previous = latest
    return (latest = found)
  }
  let versions = cache.get(features)
  if (versions === undefined) cache.set(features, versions = {})
  previous = latest
  return (latest = versions[gicVersion] ??= { ...compileOnce(features, gicVersion), features })
}

/** The effective control bits: HCR_EL2[45:42] and E2H, TGE with features applied; NV1 and NV2 need NV. */
export function contextOf(compiled: Compiled, words: Int32Array): number {
  const low = words[HCR]!, high = words[HCR + 1]!
  // HCR_EL2: TGE 27, E2H 34, NV 42, NV1 43, NV2 45; index bits: TGE, E2H, NV, NV1, NV2, VNCR_EL2.Enable.
  return compiled.contextTable[((low >>> 27) & 1) | ((high >>> 1) & 2) | ((high >>> 8) & 0xc) | ((high >>> 9) & 0x10) | ((words[VNCR]! & 1) << 5)]!
}

function contextTable(has: (feature: RowFeature) => boolean): Int32Array {
  return Int32Array.from({ length: 64 }, (_, bits) => {
    const TGE = (bits & 1) !== 0, E2H = (bits & 2) !== 0 && has('FEAT_VHE'), NV = (bits & 4) !== 0 && has('FEAT_NV')
    const NV1 = NV && (bits & 8) !== 0, NV2 = NV && (bits & 0x10) !== 0 && has('FEAT_NV2'), NEVE = NV && (bits & 0x20) !== 0 && has('FEAT_NEVE') && !NV2
    return (NV ? CONTEXT.NV : 0) | (NV1 ? CONTEXT.NV1 : 0) | (NV2 ? CONTEXT.NV2 : 0) | (NEVE ? CONTEXT.NEVE : 0)
      | (E2H ? CONTEXT.E2H : 0) | (TGE ? CONTEXT.TGE : 0) | (E2H && TGE ? CONTEXT.HOST : 0)
  })
}

/** What an access does. `row` undefined: nothing is allocated at the encoding. */
export function resolve(row: Row | undefined, direction: Direction, el: EL, controls: Controls): Resolution {
  if (row === undefined) return UNALLOCATED
  const compiled = compiledFor(controls.features, controls.gicVersion)
  const table = direction === 'write' ? compiled.writes : compiled.reads
  const access = table[row.index] ??= compileAccess(row, direction, compiled.has)
  const words = controls.file.i32
  const context = contextOf(compiled, words)
  const rules = access.rules[el]!
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!
    if (applies(rule, words, context)) return (context & CONTEXT.TGE) !== 0 ? rule.resolutionTGE : rule.resolution
  }
  if (access.view !== undefined && el === 1 && (words[HCR]! & access.viewMask) !== 0) return access.view
  return routed(access.conclusions[el]![el === 1 ? context & 15 : el === 2 ? (context >>> 4) & 1 : context >>> 6]!, context)
}

/** FEAT_IDST: reads of identification registers at EL0 trap, instead of being UNDEFINED. */
const IDENTIFICATION: Resolution = { kind: 'trap', to: 1, ec: EC.SystemRegister, rule: 'FEAT_IDST: reads of identification registers at EL0' }
const IDENTIFICATION_TGE: Resolution = { kind: 'trap', to: 2, ec: EC.SystemRegister, rule: 'FEAT_IDST: reads of identification registers at EL0 (HCR_EL2.TGE)' }
/** op0 3, op1 0, 1 or 3, CRn 0, CRm 0 to 7 ("the feature ID space"). */
const isIdentification = (key: number): boolean => key >>> 14 === 3 && (key >>> 7 & 15) === 0 && (key >>> 3 & 15) < 8 && (key >>> 11 & 7) !== 2 && (key >>> 11 & 7) < 4
/** What `conclude` says goes to EL2 under HCR_EL2.TGE. */
export const routed = (conclusion: Resolution, context: number): Resolution => conclusion === IDENTIFICATION && (context & CONTEXT.TGE) !== 0 ? IDENTIFICATION_TGE : conclusion

/** An encoding without a row. */
export function resolveUnallocated(key: number, direction: Direction, el: EL, controls: Controls): Resolution {
  return el === 0 && direction === 'read' && controls.features.has('FEAT_IDST') && isIdentification(key) ? routed(IDENTIFICATION, contextOf(compiledFor(controls.features, controls.gicVersion), controls.file.i32)) : UNALLOCATED
}

/** The first of `rules` that applies. */
export function firstTrap(rules: readonly CompiledRule[], words: Int32Array, context: number): Resolution | undefined {
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!
    if (applies(rule, words, context)) return (context & CONTEXT.TGE) !== 0 ? rule.resolutionTGE : rule.resolution
  }
  return undefined
}

export function applies(rule: CompiledRule, words: Int32Array, context: number): boolean {
  if ((context & rule.contextMask) !== rule.contextValue) return false
  const field = words[rule.word]! & rule.mask
  return rule.limit < 0 ? field === rule.value : (field >>> rule.shift) <= rule.limit
}

/** Bits of `row` that can be written, are read-only, and are RES1, with these features. */
export function masksOfRow(row: Row, controls: Pick<Controls, 'features' | 'gicVersion'>): Masks {
  return compiledFor(controls.features, controls.gicVersion).masks[row.index]!
}

/** The value that a write of `value` leaves in the register: RES0, RES1 and read-only bits of `row` with these features. */
export function sanitise(row: Row, value: bigint, controls: Pick<Controls, 'features' | 'gicVersion'>, current = 0n): bigint {
  const masks = masksOfRow(row, controls)
  return masks.all ? value : (value & masks.write) | (current & masks.readOnly) | masks.res1
}

// ---- compilation -----------------------------------------------------------------------------------------------------------------

function compileOnce(features: ReadonlySet<Feature>, gicVersion: GicVersion): Compiled {
  const content = `${gicVersion} ${[...features].sort().join(' ')}`
  let compiled = byContent.get(content)
  if (compiled === undefined) byContent.set(content, compiled = compile(new Set(features), gicVersion))
  return compiled
}

function compile(features: ReadonlySet<Feature>, gicVersion: GicVersion): Compiled {
  const has = (feature: RowFeature): boolean => (feature === 'GICv3' ? gicVersion === 3 : features.has(feature as Feature))
  const rows = [...ROWS, IMPLEMENTATION_DEFINED]
  return {
    features, gicVersion, has, contextTable: contextTable(has),
    reads: Array.from(rows, () => undefined), writes: Array.from(rows, () => undefined),
    masks: rows.map(row => masksOf(row.fields, has)),
  }
}

const ELS: readonly EL[] = [0, 1, 2]

function compileAccess(row: Row, direction: Direction, has: Compiled['has']): CompiledAccess {
  const write = direction === 'write'
  const rules = ELS.map(el => {
    if (unavailable(row, direction, has) !== undefined || (el < neededEL(row, write) && !nvReaches(row, el, write))) return []
    // An EL2 name reaches a rule at EL1 only because of NV.
    const when = el < neededEL(row, write) ? 'NV=1' : undefined
    // What the paper's page holds of debug and PMU is there although MDCR_EL2 traps the rest of them: the host has no other way to keep L1 from the machine's.
    const deferred = el === 1 && row.neve?.as === 'defer' ? 'NEVE=0' : undefined
    return row.traps.filter(rule => rule.from.includes(el) && (rule.direction ?? direction) === direction)
      .flatMap(rule => compileRule(rule, has, el, rule.register === 'MDCR_EL2' ? deferred ?? when : when) ?? [])
  })
  // EL0 sees HOST, EL1 the NV bits, EL2 E2H: see CONTEXT for the order of the bits.
  const conclusions = [
    [0, CONTEXT.HOST].map(context => conclude(row, direction, 0, context, has)),
    Array.from({ length: 16 }, (_, context) => conclude(row, direction, 1, context, has)),
    [0, CONTEXT.E2H].map(context => conclude(row, direction, 2, context, has)),
  ]
  const viewRow = row.virtualWhen.length > 0 && row.viewOf === undefined && unavailable(row, direction, has) === undefined ? rowByName(row.name.replace('ICC_', 'ICV_')) : undefined
  const viewMask = row.virtualWhen.reduce((mask, bit) => mask | (bit === 'IMO' ? 1 << 4 : 1 << 3), 0)
  return {
    rules, conclusions, viewMask,
    view: viewRow === undefined ? undefined : { kind: 'register', row: viewRow, rule: `HCR_EL2.${row.virtualWhen.join(' or HCR_EL2.')} is 1: the virtual CPU interface` },
  }
}

/** A rule compiled for accesses from `el`; undefined when its control does not exist with these features. */
export function compileRule(rule: TrapRule, has: Compiled['has'], el: EL, alsoWhen?: string): CompiledRule | undefined {
  if (rule.feature !== undefined && !has(rule.feature)) return undefined
  const control = rowByName(rule.register)
  if (control === undefined) throw new Error(`trap rule ${rule.name}: no register ${rule.register}`)
  if (control.features.length > 0 && !control.features.some(has)) return undefined
  const fields = fieldsOf(rule, control)
  if (fields.some(field => field.feature !== undefined && !has(field.feature))) return undefined
  const half = fields[0]!.low >= 32 ? 1 : 0
  let mask = 0
  for (const field of fields) {
    if ((field.low >= 32 ? 1 : 0) !== half || (field.high >= 32 ? 1 : 0) !== half) throw new Error(`trap rule ${rule.name}: fields cross bit 32`)
    for (let bit = field.low; bit <= field.high; bit++) mask |= 1 << (bit & 31)
  }
  const shift = fields[0]!.low & 31, how = rule.trapsWhen
  const value = how === 'set' ? mask : typeof how === 'number' ? how << shift : 0
  if (how === 'even') mask = 1 << shift
  const when = parseWhen(rule.when), also = parseWhen(alsoWhen)
  const toEL2 = rule.to === 1 && el === 0
  return {
    rule, word: control.slot * 2 + half, mask, value, shift, limit: typeof how === 'object' ? how.atMost : -1,
    contextMask: when.mask | also.mask, contextValue: when.value | also.value,
    resolution: { kind: 'trap', to: rule.to, ec: rule.ec, rule: rule.name },
    resolutionTGE: toEL2 ? { kind: 'trap', to: 2, ec: rule.ecTGE ?? rule.ec, rule: `${rule.name} (HCR_EL2.TGE)` } : { kind: 'trap', to: rule.to, ec: rule.ec, rule: rule.name },
  }
}

/** The fields a rule compares; where the control register has two layouts, those of the layout its condition names. */
export function fieldsOf(rule: TrapRule, control: Row): readonly Field[] {
  const nVHE = rule.when?.split(' ').includes('E2H=0') ?? false
  return rule.fields.map(name => {
    const named = control.fields?.filter(field => field.name === name) ?? []
    const field = named.find(candidate => candidate.nVHE === nVHE) ?? named[0]
    if (field === undefined) throw new Error(`trap rule ${rule.name}: ${rule.register} has no field ${name}`)
    return field
  })
}

export const neededEL = (row: Row, write: boolean): number => (write ? row.writeMinimumEL : row.minimumEL)
/** HCR_EL2.NV concerns EL1 accesses to what exists from EL2 on; it has no effect at EL0 and none on names of EL3. */
export const nvReaches = (row: Row, el: EL, write: boolean): boolean => el === 1 && row.minimumEL === 2 && neededEL(row, write) === 2

/** Why the access can never succeed with these features, whatever the controls. */
export function unavailable(row: Row, direction: Direction, has: Compiled['has']): string | undefined {
  if (row.features.length > 0 && !row.features.some(has)) return `${row.features.join(' or ')} is not implemented`
  if (direction === 'write' && row.access === 'RO') return `${row.name} is read-only`
  if (direction === 'read' && row.access === 'WO') return `${row.name} is write-only`
  return undefined
}

/** The answer for an access that no trap rule took. */
export function conclude(row: Row, direction: Direction, el: EL, context: number, has: Compiled['has']): Resolution {
  const write = direction === 'write', NV1 = (context & CONTEXT.NV1) !== 0
  const undefinedBecause = (rule: string): Resolution => ({ kind: 'undefined', rule })
  const registerOf = (name: string, rule: string): Resolution => ({ kind: 'register', row: rowByName(name)!, rule })
  const memory = (offset: number, rule: string): Resolution => ({ kind: 'memory', offset, row, rule })

  if (el === 0 && !write && has('FEAT_IDST') && isIdentification(row.key) && (row.minimumEL > 0 || unavailable(row, direction, has) !== undefined)) return IDENTIFICATION
  if (row.implementationDefined) return undefinedBecause('IMPLEMENTATION DEFINED, and this implementation defines none')
  const never = unavailable(row, direction, has)
  if (never !== undefined) return undefinedBecause(never)
  const below = el < neededEL(row, write)
  if (below && !nvReaches(row, el, write)) return undefinedBecause(`${row.name} needs EL${neededEL(row, write)}`)
  if (below && (context & CONTEXT.NV) === 0) return undefinedBecause(`${row.name} needs EL2 and HCR_EL2.NV is 0`)

  if (el === 1) {
    const inPage = row.vncr === undefined || row.vncr.when === 'always' || row.vncr.when === (NV1 ? 'NV1=1' : 'NV1=0')
    const neve = (context & CONTEXT.NEVE) !== 0 && inPage ? row.neve : undefined
    if (neve !== undefined) {
      const as = neve.when === undefined || neve.when === (NV1 ? 'NV1=1' : 'NV1=0') ? neve.as : neve.other
      const offset = neve.offset ?? row.vncr?.offset
      if (as === 'redirect') return registerOf(neve.register!, 'NEVE: redirected to the EL1 register')
      if (as === 'defer') return memory(offset!, 'NEVE: deferred to the page at VNCR_EL2')
      if (as === 'cached') return write ? { kind: 'trap', to: 2, ec: EC.SystemRegister, rule: 'NEVE: writes of cached copies trap' } : memory(offset!, 'NEVE: cached copy in the page at VNCR_EL2')
    }
    if ((context & CONTEXT.NV2) !== 0) {
      if (row.nv2Register !== undefined) return registerOf(row.nv2Register, 'HCR_EL2.NV2: the EL2 name means the EL1 register')
      if (row.vncr !== undefined && inPage) return memory(row.vncr.offset, 'HCR_EL2.NV2: memory at VNCR_EL2')
    }
    if (below) return { kind: 'trap', to: 2, ec: EC.SystemRegister, rule: 'HCR_EL2.NV' }
    if (!write && row.readAtEL1 !== undefined) return registerOf(row.readAtEL1, `reads at EL1 return ${row.readAtEL1}`)
  }
  if (row.aliasOf !== undefined) {
    return (context & CONTEXT.E2H) !== 0 ? registerOf(row.aliasOf, 'HCR_EL2.E2H: the EL1 register under its EL2 host name') : undefinedBecause(`${row.name} needs HCR_EL2.E2H`)
  }
  if (row.vheAlias !== undefined && ((el === 2 && (context & CONTEXT.E2H) !== 0) || (el === 0 && (context & CONTEXT.HOST) !== 0))) {
    return registerOf(row.vheAlias, el === 2 ? 'HCR_EL2.E2H: the EL1 name means the EL2 register' : 'HCR_EL2.E2H and TGE: the EL0 name means the EL2 register')
  }
  return registerOf(row.name, 'no control applies')
}
