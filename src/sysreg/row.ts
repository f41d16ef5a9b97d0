/**
 * The shape of a system-register row and the constructors that keep the tables in `rows/` compact.
 * A row states facts of the architecture and nothing else: it has no code for the access (design D4).
 */
import { encodingKey } from '../arch/esr.ts'
import type { EncodingKey } from '../arch/esr.ts'
import type { Feature } from '../arch/features.ts'
import type { AbsentFeature } from './features.ts'
import type { TrapRule } from './trap-rules.ts'

export type RowFeature = Feature | AbsentFeature | 'GICv3'
export type Access = 'RW' | 'RO' | 'WO'

/** What a write (or the execution, for instructions) concerns; the CPU and L0 use it to know what to look at again. */
export type Effect =
  | 'none' | 'translation' | 'control' | 'timer' | 'interrupt' | 'debug' | 'pmu' | 'fp' | 'pstate'
  | 'tlb' | 'at' | 'dcache' | 'icache'

/** What the NEVE paper's profile does with a register name at EL1 (neve-paper.md 1.5). */
export type NeveClass = 'defer' | 'redirect' | 'cached'

export interface RowOptions {
  readonly access?: Access
  /** The register exists if any of these features does. */
  readonly feature?: RowFeature | readonly RowFeature[]
  /** Fields as text, see `fields.ts`; without it all 64 bits are readable and writable. */
  readonly fields?: string
  readonly reset?: bigint
  /** In order of priority; the first rule that applies decides. */
  readonly traps?: readonly TrapRule[]
  /** At EL2 with HCR_EL2.E2H=1 this name means that register (nested-arch.md a.7). A row for the `_EL12`/`_EL02` name is derived. */
  readonly vhe?: string
  /** Offset in the VNCR_EL2 page. `NV1=1`: this name hits memory if NV1=1 and the `_EL12`/`_EL02` name if NV1=0. */
  readonly vncr?: { readonly offset: number, readonly when: 'always' | 'NV1=1' | 'NV1=0' }
  /** FEAT_NV2: at EL1 this EL2 name means that EL1 register. */
  readonly nv2Register?: string
  /** FEAT_NEVE; `offset` only where `vncr` has none, `register` for redirects, `when` restricts to one value of NV1, otherwise `other` holds. */
  readonly neve?: {
    readonly as: NeveClass, readonly offset?: number, readonly register?: string
    readonly when?: 'NV1=1' | 'NV1=0', readonly other?: NeveClass
  }
  readonly effect?: Effect
  /** `special`: the value is not (only) the slot; the CPU, the GIC or the timers perform the access. */
  readonly storage?: 'slot' | 'special'
  readonly minimumEL?: 0 | 1 | 2 | 3
  /** Writes need a higher EL than reads (CNTFRQ_EL0). */
  readonly writeMinimumEL?: 1 | 2
  /** A read at EL1 returns that register's value (MIDR_EL1, MPIDR_EL1). */
  readonly readAtEL1?: string
  /** The ICC_ encoding is the ICV_ register at EL1 when one of these HCR_EL2 bits is set. */
  readonly virtualWhen?: readonly ('IMO' | 'FMO')[]
  /** `none`: no `_EL12` row is derived from `vhe`. */
  readonly el12?: 'none'
  /** Traps of the derived `_EL12`/`_EL02` row. */
  readonly el12Traps?: readonly TrapRule[]
}

export interface RowSpec extends RowOptions {
  readonly kind: 'register' | 'instruction'
  readonly encoding: readonly [op0: number, op1: number, CRn: number, CRm: number, op2: number]
}

/** A register row. Encodings are written as the manual does: op0, op1, CRn, CRm, op2. */
export function register<const O extends RowOptions>(op0: number, op1: number, CRn: number, CRm: number, op2: number, options?: O): RowSpec & O {
  return { kind: 'register', encoding: [op0, op1, CRn, CRm, op2], ...options } as RowSpec & O
}

/** A SYS instruction (TLBI, AT, DC, IC ...); op0 is 1. */
export function instruction(op1: number, CRn: number, CRm: number, op2: number, options: RowOptions = {}): RowSpec {
  return { kind: 'instruction', encoding: [1, op1, CRn, CRm, op2], access: 'WO', storage: 'special', ...options }
}

type Digits = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25 | 26 | 27 | 28 | 29 | 30 | 31
type Below<N extends number, D extends number = Digits> = D extends unknown ? (BelowTable[N & keyof BelowTable] extends infer L ? (D extends L ? D : never) : never) : never
interface BelowTable { 2: 0 | 1; 4: 0 | 1 | 2 | 3; 6: 0 | 1 | 2 | 3 | 4 | 5; 8: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7; 16: Exclude<Digits, 16 | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25 | 26 | 27 | 28 | 29 | 30 | 31>; 31: Exclude<Digits, 31>; 32: Digits }

/** Rows `prefix<n>suffix` for n = 0 .. count-1. */
export function numbered<P extends string, S extends string, N extends keyof BelowTable>(
  prefix: P, suffix: S, count: N, of: (n: number) => RowSpec,
): Record<`${P}${Below<N>}${S}`, RowSpec> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`${prefix}${n}${suffix}`, of(n)])) as Record<`${P}${Below<N>}${S}`, RowSpec>
}

/** A row of the finished table. */
export interface Row {
  readonly name: string
  readonly key: EncodingKey
  /** Position in ROWS. */
  readonly index: number
  readonly kind: 'register' | 'instruction'
  readonly access: Access
  readonly minimumEL: 0 | 1 | 2 | 3
  readonly writeMinimumEL: 0 | 1 | 2 | 3
  readonly features: readonly RowFeature[]
  readonly fields: readonly Field[] | undefined
  readonly reset: bigint
  readonly traps: readonly TrapRule[]
  readonly vheAlias: string | undefined
  /** For `_EL12`/`_EL02` rows: the EL1/EL0 register they name. */
  readonly aliasOf: string | undefined
  /** For ICV_ rows: the ICC_ row whose encoding they share. */
  readonly viewOf: string | undefined
  readonly virtualWhen: readonly ('IMO' | 'FMO')[]
  readonly readAtEL1: string | undefined
  readonly vncr: RowOptions['vncr']
  readonly nv2Register: string | undefined
  readonly neve: RowOptions['neve']
  readonly effect: Effect
  readonly storage: 'slot' | 'special'
  /** Storage slot; -1 for instructions and for registers of features that no profile has. An alias has its target's slot. */
  readonly slot: number
  readonly implementationDefined: boolean
}

export interface Field {
  readonly name: string
  readonly high: number
  readonly low: number
  readonly kind: 'RW' | 'RO' | 'RES1'
  readonly feature: RowFeature | undefined
  /** RES1 instead of RES0 without the feature. */
  readonly elseOne: boolean
  /** Belongs to the layout that the register has with HCR_EL2.E2H=0, beside another layout. */
  readonly nVHE: boolean
}

export const keyOf = (spec: RowSpec): EncodingKey => encodingKey(...spec.encoding)
