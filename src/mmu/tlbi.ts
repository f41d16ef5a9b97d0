/**
 * TLB maintenance as predicates: one row per mnemonic says what an instruction concerns; `decodeTlbi` makes a `TlbScope` from the row,
 * the argument and the controls; `matches` is the filter. The engine's TLB and L0's shadow stage 2 use the same scopes.
 */
import type { RegimeKind } from './regime.ts'

export interface TlbiRow {
  /** Mnemonic without `TLBI `: 'VAE1IS'. */
  readonly name: string
  /** op1, CRn, CRm, op2 with op0 = 1. */
  readonly key: number
  /** EL1: the EL1&0 regime (EL2&0 under {E2H,TGE}={1,1}); EL2: the EL2 or EL2&0 regime; 'EL1 any VMID' is ALLE1; 'S12' also drops stage 2 entries. */
  readonly target: 'EL1' | 'EL2'
  readonly by: 'all' | 'vmid' | 'asid' | 'va' | 'vaAnyAsid' | 'ipa'
  /** vmid: drops stage 2 as well (VMALLS12E1, ALLE1). */
  readonly stage2: boolean
  readonly lastLevel: boolean
  readonly range: boolean
  readonly domain: 'local' | 'IS' | 'OS'
}

/** What to drop. -1 stands for "any" in every field. */
export interface TlbScope {
  regime: RegimeKind
  vmid: number
  asid: number
  /** Entries without an ASID match too (false only for ASIDE1). */
  matchGlobal: boolean
  /** VA range as low 56 bits (bits 55:0), [vaFrom, vaTo); vaFrom -1: any VA. */
  vaFrom: number
  vaTo: number
  /** IPA range, [ipaFrom, ipaTo); -1: not by IPA. */
  ipaFrom: number
  ipaTo: number
  /** Stage 1 entries (and combined ones) are concerned. */
  stage1: boolean
  stage2: boolean
  lastLevel: boolean
  /** TTL hint: level of the leaf 0..3, or -1 unknown. */
  level: number
  /** log2 of the granule of the hint or the range: 12, 14, 16; 0 unknown. */
  granuleShift: number
  domain: 'local' | 'IS' | 'OS'
}

export interface TlbiControls { readonly e2h: boolean, readonly tge: boolean, readonly vmid: number, readonly ttl: boolean }

export interface TlbEntryKey {
  readonly regime: RegimeKind
  readonly vmid: number
  readonly asid: number
  readonly global: boolean
  /** First VA (bits 55:0) and log2 size of what the entry was made from. */
  readonly va: number
  readonly pageShift: number
}

export declare function tlbiRow(name: string): TlbiRow | undefined
export declare function createScope(): TlbScope
/** Fills `scope`; false: the instruction concerns nothing (reserved TG of a range form). */
export declare function decodeTlbi(row: TlbiRow, argument: bigint, controls: TlbiControls, scope: TlbScope): boolean
/** Whether a (combined or stage 1) entry is to be dropped. An entry does not know its IPA: by-IPA scopes match every entry of the VMID. */
export declare function matches(scope: TlbScope, entry: TlbEntryKey): boolean
