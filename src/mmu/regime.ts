/**
 * Translation regimes as immutable values parsed from system registers (Arm ARM D8.1 "Address translation"). A regime is parsed when a
 * register that controls it is written, and used for every walk until then; features are applied here and nowhere later.
 */
import type { Feature } from '../arch/features.ts'
import type { RegisterFile } from '../arch/register-file.ts'

export type RegimeKind = 'EL1&0' | 'EL2' | 'EL2&0'

/** Slots of the registers that control translation. `SLOT` of `sysreg/` is one; a register kept elsewhere is renamed by a copy: `{...SLOT, TCR_EL2: SLOT.TCR_EL1}`. */
export interface TranslationSlots {
  readonly SCTLR_EL1: number, readonly TCR_EL1: number, readonly TTBR0_EL1: number, readonly TTBR1_EL1: number, readonly MAIR_EL1: number
  readonly SCTLR_EL2: number, readonly TCR_EL2: number, readonly TTBR0_EL2: number, readonly TTBR1_EL2: number, readonly MAIR_EL2: number
  readonly HCR_EL2: number, readonly VTCR_EL2: number, readonly VTTBR_EL2: number
}

/** One table base register with its half of TCR: a VA range. */
export interface VaRange {
  /** log2 of the granule: 12, 14 or 16. */
  readonly granuleShift: number
  /** 64 - TnSZ, 25 to 48. */
  readonly inputBits: number
  readonly startLevel: number
  /** Base address of the first table, aligned to its size. */
  readonly base: number
  /** The base does not fit the output address size: every walk is an Address size fault, level 0. */
  readonly baseTooLarge: boolean
  /** TBI: bits 63:56 of a data address are ignored; of an instruction address unless TBID. */
  readonly topByteIgnored: boolean
  readonly topByteIgnoredForFetch: boolean
  /** EPD: a Translation fault, level 0. */
  readonly walkDisabled: boolean
  /** E0PD: a Translation fault, level 0, for unprivileged accesses. */
  readonly unprivilegedDisabled: boolean
}

export interface Stage1 {
  readonly kind: RegimeKind
  /** SCTLR.M after HCR_EL2.DC and TGE. */
  readonly enabled: boolean
  /** VA<55> = 0 (TTBR0) and VA<55> = 1 (TTBR1; undefined in the single-range EL2 regime). */
  readonly lower: VaRange
  readonly upper: VaRange | undefined
  /** Output address size in bits, from IPS or PS. */
  readonly outputBits: number
  /** ASID in use (0 in the EL2 regime). */
  readonly asid: number
  readonly mairLo: number
  readonly mairHi: number
  readonly wxn: boolean
  /** EL2 format: one privilege level, XN in bit 54. */
  readonly singlePrivilege: boolean
  /** HCR_EL2.{NV,NV1} = {1,1}: EL1&0 tables are read in EL2's format, PAN is 0. */
  readonly nv1: boolean
  readonly hardwareAccessFlag: boolean
  readonly hardwareDirty: boolean
  /** SCTLR.C / SCTLR.I: Normal memory is cacheable for data / fetches. */
  readonly dataCacheable: boolean
  readonly fetchCacheable: boolean
  /** HCR_EL2.DC: untranslated memory is Normal Write-Back. */
  readonly defaultCacheable: boolean
}

export interface Stage2 {
  readonly granuleShift: number
  readonly inputBits: number
  readonly startLevel: number
  readonly base: number
  readonly baseTooLarge: boolean
  /** T0SZ and SL0 do not agree: every walk is a Translation fault, level 0. */
  readonly malformed: boolean
  readonly outputBits: number
  readonly vmid: number
  readonly hardwareAccessFlag: boolean
  readonly hardwareDirty: boolean
  /** HCR_EL2.PTW: a stage 1 table in Device memory is a Permission fault. */
  readonly protectWalk: boolean
  /** HCR_EL2.FWB with FEAT_S2FWB. */
  readonly forceWriteBack: boolean
  /** HCR_EL2.CD / ID. */
  readonly dataNonCacheable: boolean
  readonly fetchNonCacheable: boolean
}

/** The regime `kind` under the values of `file`. */
export declare function stage1Regime(file: RegisterFile, slots: TranslationSlots, features: ReadonlySet<Feature>, kind: RegimeKind): Stage1
/** Stage 2 of the EL1&0 regime; undefined while HCR_EL2.{VM,DC} = {0,0}, or {E2H,TGE} = {1,1}. */
export declare function stage2Regime(file: RegisterFile, slots: TranslationSlots, features: ReadonlySet<Feature>): Stage2 | undefined
/** Stage 2 from register values, as L0 uses it on L1's tables. `hcr` gives PTW, FWB, CD and ID. */
export declare function parseStage2(vttbr: bigint, vtcr: bigint, hcr: bigint, features: ReadonlySet<Feature>): Stage2
/** VTTBR_EL2.VMID, 8 or 16 bits wide: the tag of every EL1&0 entry, stage 2 enabled or not. */
export declare function currentVmid(file: RegisterFile, slots: TranslationSlots, features: ReadonlySet<Feature>): number
