/**
 * TLB maintenance as predicates (Arm ARM D8.14 "TLB maintenance"): one row per mnemonic says what an instruction concerns; `decodeTlbi`
 * makes a `TlbScope` from the row, the argument and the controls; `matches` is the filter. The CPU's TLB and L0's shadow stage 2
 * use the same scopes. TTL hints narrow a scope; an implementation may always drop more.
 */
import { levelShift } from './descriptor.ts'
import type { RegimeKind } from './regime.ts'

export type TlbiDomain = 'local' | 'IS' | 'OS'

export interface TlbiRow {
  /** Mnemonic without `TLBI `: 'VAE1IS'. */
  readonly name: string
  /** op0:op1:CRn:CRm:op2 in 16 bits. */
  readonly key: number
  /** 'host or EL1': the EL1&0 regime, or EL2&0 under HCR_EL2.{E2H,TGE} = {1,1}. 'EL1&0': always that. 'EL2': EL2, or EL2&0 with E2H. */
  readonly regime: 'host or EL1' | 'EL1&0' | 'EL2'
  /** vmid: everything of the current VMID; all: of any VMID (or all of the EL2 regime). */
  readonly by: 'all' | 'vmid' | 'asid' | 'va' | 'va any asid' | 'ipa'
  /** Which stages' entries are named; combined entries belong to stage 1. */
  readonly stages: 1 | 2 | 12
  /** Only leaf entries need go. */
  readonly lastLevel: boolean
  readonly range: boolean
  readonly domain: TlbiDomain
  readonly feature: 'FEAT_TLBIOS' | 'FEAT_TLBIRANGE' | undefined
}

type Shape = Pick<TlbiRow, 'regime' | 'by' | 'stages' | 'lastLevel'>
const EL1: Shape = { regime: 'host or EL1', by: 'va', stages: 1, lastLevel: false }
const EL2: Shape = { regime: 'EL2', by: 'va', stages: 1, lastLevel: false }
const IPA: Shape = { regime: 'EL1&0', by: 'ipa', stages: 2, lastLevel: false }

/** [name, op1, op2, shape]: CRn = 8, CRm by domain (local 7, IS 3, OS 1). */
const BASIC: readonly (readonly [string, number, number, Shape])[] = [
  ['VMALLE1', 0, 0, { ...EL1, by: 'vmid' }],
  ['VAE1', 0, 1, EL1],
  ['ASIDE1', 0, 2, { ...EL1, by: 'asid' }],
  ['VAAE1', 0, 3, { ...EL1, by: 'va any asid' }],
  ['VALE1', 0, 5, { ...EL1, lastLevel: true }],
  ['VAALE1', 0, 7, { ...EL1, by: 'va any asid', lastLevel: true }],
  ['ALLE2', 4, 0, { ...EL2, by: 'all' }],
  ['VAE2', 4, 1, EL2],
  ['ALLE1', 4, 4, { regime: 'EL1&0', by: 'all', stages: 12, lastLevel: false }],
  ['VALE2', 4, 5, { ...EL2, lastLevel: true }],
  ['VMALLS12E1', 4, 6, { regime: 'EL1&0', by: 'vmid', stages: 12, lastLevel: false }],
]
/** Range forms: CRm by domain (local 6, IS 2, OS 5). */
const RANGE: readonly (readonly [string, number, number, Shape])[] = [
  ['RVAE1', 0, 1, EL1],
  ['RVAAE1', 0, 3, { ...EL1, by: 'va any asid' }],
  ['RVALE1', 0, 5, { ...EL1, lastLevel: true }],
  ['RVAALE1', 0, 7, { ...EL1, by: 'va any asid', lastLevel: true }],
  ['RVAE2', 4, 1, EL2],
  ['RVALE2', 4, 5, { ...EL2, lastLevel: true }],
]
/** By IPA: op1 = 4, [name, CRm, op2, domain]. */
const BY_IPA: readonly (readonly [string, number, number, TlbiDomain])[] = [
  ['IPAS2E1', 4, 1, 'local'], ['IPAS2E1IS', 0, 1, 'IS'], ['IPAS2E1OS', 4, 0, 'OS'],
  ['IPAS2LE1', 4, 5, 'local'], ['IPAS2LE1IS', 0, 5, 'IS'], ['IPAS2LE1OS', 4, 4, 'OS'],
  ['RIPAS2E1', 4, 2, 'local'], ['RIPAS2E1IS', 0, 2, 'IS'], ['RIPAS2E1OS', 4, 3, 'OS'],
  ['RIPAS2LE1', 4, 6, 'local'], ['RIPAS2LE1IS', 0, 6, 'IS'], ['RIPAS2LE1OS', 4, 7, 'OS'],
]

const row = (name: string, op1: number, CRm: number, op2: number, shape: Shape, domain: TlbiDomain, range: boolean): TlbiRow => ({
  ...shape, name, key: (1 << 14) | (op1 << 11) | (8 << 7) | (CRm << 3) | op2, domain, range,
  feature: range ? 'FEAT_TLBIRANGE' : domain === 'OS' ? 'FEAT_TLBIOS' : undefined,
})
const DOMAINS = [['local', '', 7, 6], ['IS', 'IS', 3, 2], ['OS', 'OS', 1, 5]] as const

export const TLBI_ROWS: readonly TlbiRow[] = [
  ...DOMAINS.flatMap(([domain, suffix, CRm]) => BASIC.map(([name, op1, op2, shape]) => row(name + suffix, op1, CRm, op2, shape, domain, false))),
  ...DOMAINS.flatMap(([domain, suffix, , CRm]) => RANGE.map(([name, op1, op2, shape]) => row(name + suffix, op1, CRm, op2, shape, domain, true))),
  ...BY_IPA.map(([name, CRm, op2, domain]) => row(name, 4, CRm, op2, { ...IPA, lastLevel: name.includes('LE1') }, domain, name.startsWith('R'))),
]
const byName = new Map(TLBI_ROWS.map(each => [each.name, each]))
const byKey = new Map(TLBI_ROWS.map(each => [each.key, each]))

/** By mnemonic, with or without `TLBI `. */
export const tlbiRow = (name: string): TlbiRow | undefined => byName.get(name.replace(/^TLBI[ _]/, ''))
export const tlbiRowByKey = (key: number): TlbiRow | undefined => byKey.get(key)

/** What to drop. -1 stands for "any" or "not by this" in every field. */
export interface TlbScope {
  regime: RegimeKind
  vmid: number
  asid: number
  /** Global entries match an ASID too (not for ASIDE1). */
  matchGlobal: boolean
  /** VA range as bits 55:0, [vaFrom, vaTo); vaFrom -1: any VA. */
  vaFrom: number
  vaTo: number
  /** IPA range, [ipaFrom, ipaTo); ipaFrom -1: not by IPA. */
  ipaFrom: number
  ipaTo: number
  /** Stage 1 and combined entries are named. */
  stage1: boolean
  stage2: boolean
  lastLevel: boolean
  /** TTL hint: the leaf's level 1 to 3 (0 with 64K is reserved); -1: unknown, the block that holds the address may have any size. */
  level: number
  /** log2 of the granule of the hint or the range: 12, 14, 16; 0 unknown. */
  granuleShift: number
  domain: TlbiDomain
}

export interface TlbiControls {
  readonly e2h: boolean
  readonly tge: boolean
  /** The current VMID. */
  readonly vmid: number
  /** FEAT_TTL: bits 47:44 hold a hint (RES0, so ignored, without). */
  readonly ttl: boolean
}

export interface TlbEntryKey {
  readonly regime: RegimeKind
  readonly vmid: number
  readonly asid: number
  readonly global: boolean
  /** First VA (bits 55:0) and log2 size of the block or page it was made from. */
  readonly va: number
  readonly pageShift: number
}

export function createScope(): TlbScope {
  return {
    regime: 'EL1&0', vmid: -1, asid: -1, matchGlobal: true, vaFrom: -1, vaTo: -1, ipaFrom: -1, ipaTo: -1,
    stage1: false, stage2: false, lastLevel: false, level: -1, granuleShift: 0, domain: 'local',
  }
}

const GRANULE_OF_TG = [0, 12, 14, 16] as const
const TOP = 2 ** 56

/** Fills `scope`; false: the instruction concerns nothing (reserved TG of a range form). `argument` is Xt. */
export function decodeTlbi(row: TlbiRow, argument: bigint, controls: TlbiControls, scope: TlbScope): boolean {
  const host = controls.e2h && (row.regime === 'EL2' || (row.regime === 'host or EL1' && controls.tge))
  scope.regime = host ? 'EL2&0' : row.regime === 'EL2' ? 'EL2' : 'EL1&0'
  scope.vmid = scope.regime !== 'EL1&0' || row.by === 'all' ? -1 : controls.vmid
  // The EL2 regime has no ASIDs.
  scope.asid = scope.regime !== 'EL2' && (row.by === 'asid' || row.by === 'va') ? Number((argument >> 48n) & 0xffffn) : -1
  scope.matchGlobal = row.by !== 'asid'
  scope.stage1 = row.stages !== 2
  scope.stage2 = row.stages !== 1
  scope.lastLevel = row.lastLevel
  scope.domain = row.domain
  scope.vaFrom = scope.vaTo = scope.ipaFrom = scope.ipaTo = -1
  scope.level = -1
  scope.granuleShift = 0
  if (row.by !== 'va' && row.by !== 'va any asid' && row.by !== 'ipa') return true

  let from: number, size: number
  if (row.range) {
    scope.granuleShift = GRANULE_OF_TG[Number((argument >> 46n) & 3n)]!
    if (scope.granuleShift === 0) return false
    const scale = Number((argument >> 44n) & 3n), num = Number((argument >> 39n) & 31n)
    const level = Number((argument >> 37n) & 3n)
    scope.level = level === 0 ? -1 : level
    size = (num + 1) * 2 ** (5 * scale + 1 + scope.granuleShift)
    // BaseADDR is a signed 37-bit number of granules; addresses are kept as bits 55:0.
    const base = Number(BigInt.asIntN(37, argument)) * 2 ** scope.granuleShift
    from = row.by === 'ipa' ? base % 2 ** 48 : base < 0 ? base + TOP : base
    if (from < 0) from += 2 ** 48
  } else {
    if (controls.ttl) {
      scope.granuleShift = GRANULE_OF_TG[Number((argument >> 46n) & 3n)]!
      const level = Number((argument >> 44n) & 3n)
      // TTL<1:0> = 0 gives no level (a level 0 leaf needs FEAT_LPA2).
      if (scope.granuleShift !== 0 && level !== 0) scope.level = level
    }
    size = scope.level < 0 ? 4096 : 2 ** levelShift(scope.granuleShift, scope.level)
    const page = Number(argument & (row.by === 'ipa' ? 0xf_ffff_ffffn : 0xfff_ffff_ffffn)) * 4096
    from = page - page % size
  }
  if (row.by === 'ipa') {
    scope.ipaFrom = from
    scope.ipaTo = from + size
  } else {
    scope.vaFrom = from
    scope.vaTo = Math.min(from + size, TOP)
  }
  return true
}

/**
 * Whether a stage 1 or combined entry must go. An entry does not know its IPA; a scope that names stage 2 only (by IPA) matches every
 * entry of the VMID, which is more than the architecture asks: combined entries may stay until a stage 1 invalidation.
 */
export function matches(scope: TlbScope, entry: TlbEntryKey): boolean {
  if (scope.regime !== entry.regime) return false
  if (scope.vmid >= 0 && scope.vmid !== entry.vmid) return false
  if (scope.asid >= 0 && (entry.global ? !scope.matchGlobal : entry.asid !== scope.asid)) return false
  return scope.vaFrom < 0 || (entry.va < scope.vaTo && entry.va + 2 ** entry.pageShift > scope.vaFrom)
}
