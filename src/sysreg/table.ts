/** The finished table: rows with keys, derived `_EL12`/`_EL02` and ICV_ rows, storage slots, and the lookups. */
import { encodingKey } from '../arch/esr.ts'
import type { EncodingKey } from '../arch/esr.ts'
import { keyOf } from './row.ts'
import type { Row, RowSpec } from './row.ts'
import { ABSENT_FEATURES } from './features.ts'
import { parseFields } from './fields.ts'
import { HCR } from './trap-rules.ts'
import { problemsOf } from './validate.ts'
import { ABSENT_ROWS } from './rows/absent.ts'
import { DEBUG_ROWS } from './rows/debug.ts'
import { EL0_ROWS } from './rows/el0.ts'
import { EL1_ROWS } from './rows/el1.ts'
import { EL2_ROWS } from './rows/el2.ts'
import { FINE_GRAINED_ROWS } from './rows/fine-grained.ts'
import { GIC_ROWS } from './rows/gic.ts'
import { IDENTIFICATION_ROWS } from './rows/identification.ts'
import { INSTRUCTION_ROWS } from './rows/instructions.ts'
import { PMU_ROWS } from './rows/pmu.ts'
import { TIMER_ROWS } from './rows/timer.ts'

const SPECS = {
  ...IDENTIFICATION_ROWS, ...EL0_ROWS, ...EL1_ROWS, ...EL2_ROWS, ...FINE_GRAINED_ROWS, ...TIMER_ROWS, ...GIC_ROWS, ...DEBUG_ROWS, ...PMU_ROWS,
  ...INSTRUCTION_ROWS, ...ABSENT_ROWS,
} as const

type Specs = typeof SPECS
type SpecName = keyof Specs & string
/** `SCTLR_EL1` gives `SCTLR_EL12`, `CNTV_CTL_EL0` gives `CNTV_CTL_EL02`. */
type DerivedName<N> = N extends `${infer S}_EL1` ? `${S}_EL12` : N extends `${infer S}_EL0` ? `${S}_EL02` : never
type WithVhe = { [N in SpecName]: Specs[N] extends { readonly vhe: string } ? N : never }[SpecName]
type ViewName = Extract<SpecName, `ICC_${string}`> extends `ICC_${infer S}` ? `ICV_${S}` : never
export type RegisterName = SpecName | DerivedName<WithVhe> | ViewName

const absent = new Set<string>(ABSENT_FEATURES)
const minimumELOf = (op1: number): 0 | 1 | 2 | 3 => (op1 === 3 ? 0 : op1 === 4 || op1 === 5 ? 2 : op1 >= 6 ? 3 : 1)

export const ROWS: readonly Row[] = build()
export const SLOTS: number = 1 + ROWS.reduce((most, row) => Math.max(most, row.slot), -1)
const problems = problemsOf(ROWS)
if (problems.length > 0) throw new Error(`system register table:\n  ${problems.join('\n  ')}`)
const byName = new Map<string, Row>(ROWS.map(row => [row.name, row]))
const byKey: (Row | undefined)[] = []
for (const row of ROWS) if (row.viewOf === undefined) byKey[row.key] = row

function build(): Row[] {
  const rows: Row[] = []
  let nextSlot = 0
  const slots = new Map<string, number>()
  const add = (name: string, spec: RowSpec, more: Partial<Row> = {}): void => {
    const features = spec.feature === undefined ? [] : typeof spec.feature === 'string' ? [spec.feature] : spec.feature
    const minimumEL = spec.minimumEL ?? minimumELOf(spec.encoding[1])
    const stored = spec.kind === 'register' && more.aliasOf === undefined && !(features.length > 0 && features.every(feature => absent.has(feature)))
    const slot = more.slot ?? (stored ? nextSlot++ : -1)
    slots.set(name, slot)
    rows.push({
      name, key: keyOf(spec), index: rows.length, kind: spec.kind, access: spec.access ?? 'RW', minimumEL, writeMinimumEL: Math.max(minimumEL, spec.writeMinimumEL ?? 0) as Row['writeMinimumEL'],
      features, fields: spec.fields === undefined ? undefined : parseFields(spec.fields), reset: spec.reset ?? 0n, traps: spec.traps ?? [],
      vheAlias: spec.vhe, aliasOf: undefined, viewOf: undefined, virtualWhen: spec.virtualWhen ?? [], readAtEL1: spec.readAtEL1, vncr: spec.vncr, nv2Register: spec.nv2Register, neve: spec.neve,
      effect: spec.effect ?? 'none', storage: spec.storage ?? 'slot', implementationDefined: false, ...more, slot,
    })
  }
  const specs = Object.entries<RowSpec>(SPECS)
  for (const [name, spec] of specs) add(name, spec)
  for (const [name, spec] of specs) {
    if (spec.vhe === undefined || spec.el12 === 'none') continue
    const [op0, , CRn, CRm, op2] = spec.encoding
    const features = spec.feature === undefined ? [] : typeof spec.feature === 'string' ? [spec.feature] : spec.feature
    // FEAT_VHE brings the name; a register of a further feature needs that one, too: the feature is the rarer of the two.
    add(name.endsWith('_EL0') ? `${name}2` : name.replace(/_EL1$/, '_EL12'), {
      kind: spec.kind, encoding: [op0, 5, CRn, CRm, op2], feature: features.length > 0 ? features : 'FEAT_VHE', traps: spec.el12Traps ?? [],
      ...(spec.vncr ? { vncr: { offset: spec.vncr.offset, when: 'NV1=0' as const } } : {}), ...(spec.neve ? { neve: spec.neve } : {}),
      ...(spec.access ? { access: spec.access } : {}), ...(spec.effect ? { effect: spec.effect } : {}), ...(spec.storage ? { storage: spec.storage } : {}),
      ...(spec.fields !== undefined ? { fields: spec.fields } : {}),
    }, { aliasOf: name, slot: slots.get(name)! })
  }
  for (const [name, spec] of specs) {
    if (spec.virtualWhen === undefined) continue
    add(name.replace('ICC_', 'ICV_'), { ...spec, traps: [] }, { viewOf: name })
  }
  return rows
}

/** IMPLEMENTATION DEFINED encodings (op0 1 or 3, CRn 11 or 15) get a row each on first use; HCR_EL2.TIDCP traps them, otherwise they are UNDEFINED. */
function implementationDefinedRow(key: EncodingKey): Row | undefined {
  const op0 = key >>> 14, CRn = (key >>> 7) & 15
  if ((op0 !== 1 && op0 !== 3) || (CRn !== 11 && CRn !== 15)) return undefined
  const op1 = (key >>> 11) & 7
  return {
    name: `S${op0}_${op1}_C${CRn}_C${(key >>> 3) & 15}_${key & 7}`, key, index: ROWS.length, kind: op0 === 1 ? 'instruction' : 'register', access: 'RW', minimumEL: 1, writeMinimumEL: 1,
    features: [], fields: undefined, reset: 0n, traps: [HCR.TIDCP], vheAlias: undefined, aliasOf: undefined, viewOf: undefined, virtualWhen: [], readAtEL1: undefined, vncr: undefined,
    nv2Register: undefined, neve: undefined, effect: 'none', storage: 'special', slot: -1, implementationDefined: true,
  }
}
/** All IMPLEMENTATION DEFINED rows behave alike: they share the compiled entry of this one, behind the last row. */
export const IMPLEMENTATION_DEFINED: Row = implementationDefinedRow(encodingKey(3, 0, 15, 0, 0))!

/** The row of an encoding; undefined when nothing is allocated there. */
export function rowByKey(key: EncodingKey): Row | undefined {
  return byKey[key] ?? (byKey[key] = implementationDefinedRow(key))
}

export function rowByName(name: string): Row | undefined {
  return byName.get(name)
}

export const SLOT: Readonly<Record<RegisterName, number>> = Object.fromEntries(ROWS.filter(row => row.slot >= 0).map(row => [row.name, row.slot])) as Record<RegisterName, number>

/** The storage slot of a register; throws for a name without one, which is a bug of the caller. */
export function slotOf(name: RegisterName): number {
  const slot = byName.get(name)?.slot ?? -1
  if (slot < 0) throw new Error(`${name} has no storage slot`)
  return slot
}
