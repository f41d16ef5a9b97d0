/**
 * Translation regimes as immutable values parsed from system registers (Arm ARM D8.1 "Address translation"). A regime is parsed when a
 * register that controls it is written, and used for every walk until then; features are applied here and nowhere later.
 */
import { PA_BITS, addressOf } from '../arch/address.ts'
import type { Feature } from '../arch/features.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { levelShift } from './descriptor.ts'

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

// --- register fields ---

/** HCR_EL2, lower half. */
const HCR = { VM: 1 << 0, PTW: 1 << 2, DC: 1 << 12, TGE: 1 << 27 } as const
/** HCR_EL2, upper half (bit number minus 32). */
const HCR_HI = { CD: 1 << 0, ID: 1 << 1, E2H: 1 << 2, NV: 1 << 10, NV1: 1 << 11, FWB: 1 << 14 } as const
const SCTLR = { M: 1 << 0, C: 1 << 2, I: 1 << 12, WXN: 1 << 19 } as const

/** IPS and PS. 0b110 is 52 bits, which is 48 without FEAT_LPA; so is the reserved value. */
const OUTPUT_BITS = [32, 36, 40, 42, 44, 48, 48, 48] as const
const TG0: readonly number[] = [12, 16, 14, 12]
const TG1: readonly number[] = [12, 14, 12, 16]
const MAX_TnSZ = 39
const MIN_TnSZ = 16

/** A register pair's halves, without making a BigInt. */
const lower = (file: RegisterFile, slot: number): number => file.i32[2 * slot]!
const upper = (file: RegisterFile, slot: number): number => file.i32[2 * slot + 1]!

function tableBase(lo: number, hi: number, sizeShift: number): number {
  return addressOf(lo & -(1 << sizeShift), hi)
}

const exceeds = (address: number, bits: number): boolean => bits < PA_BITS && address >= 2 ** bits

interface RangeControls {
  readonly granuleShift: number
  readonly TnSZ: number
  readonly topByteIgnored: boolean
  readonly dataOnly: boolean
  readonly walkDisabled: boolean
  readonly unprivilegedDisabled: boolean
}

function vaRange(ttbrLo: number, ttbrHi: number, outputBits: number, c: RangeControls): VaRange {
  // TnSZ outside the range is CONSTRAINED UNPREDICTABLE: the nearest allowed value is used.
  const inputBits = 64 - Math.min(MAX_TnSZ, Math.max(MIN_TnSZ, c.TnSZ))
  const stride = c.granuleShift - 3
  const startLevel = 4 - Math.ceil((inputBits - c.granuleShift) / stride)
  const base = tableBase(ttbrLo, ttbrHi, inputBits - levelShift(c.granuleShift, startLevel) + 3)
  return {
    granuleShift: c.granuleShift, inputBits, startLevel, base, baseTooLarge: exceeds(base, outputBits),
    topByteIgnored: c.topByteIgnored, topByteIgnoredForFetch: c.topByteIgnored && !c.dataOnly,
    walkDisabled: c.walkDisabled, unprivilegedDisabled: c.unprivilegedDisabled,
  }
}

/** The regime `kind` under the values of `file`. */
export function stage1Regime(file: RegisterFile, slots: TranslationSlots, features: ReadonlySet<Feature>, kind: RegimeKind): Stage1 {
  const el1 = kind === 'EL1&0'
  const twoRanges = kind !== 'EL2'
  const SCTLRlo = lower(file, el1 ? slots.SCTLR_EL1 : slots.SCTLR_EL2)
  const TCRslot = el1 ? slots.TCR_EL1 : slots.TCR_EL2
  const TCRlo = lower(file, TCRslot), TCRhi = upper(file, TCRslot)
  const TTBR0slot = el1 ? slots.TTBR0_EL1 : slots.TTBR0_EL2
  const TTBR0lo = lower(file, TTBR0slot), TTBR0hi = upper(file, TTBR0slot)
  const MAIRslot = el1 ? slots.MAIR_EL1 : slots.MAIR_EL2
  const HCRlo = el1 ? lower(file, slots.HCR_EL2) : 0, HCRhi = el1 ? upper(file, slots.HCR_EL2) : 0

  const hafdbs = features.has('FEAT_HAFDBS'), pauth = features.has('FEAT_PAuth'), e0pd = features.has('FEAT_E0PD')
  // TCR_EL1's layout, which TCR_EL2 has when HCR_EL2.E2H = 1, against TCR_EL2's own.
  const outputBits = OUTPUT_BITS[twoRanges ? TCRhi & 7 : (TCRlo >>> 16) & 7]!
  const accessFlag = hafdbs && (twoRanges ? (TCRhi & (1 << 7)) !== 0 : (TCRlo & (1 << 21)) !== 0)
  const dirty = accessFlag && (twoRanges ? (TCRhi & (1 << 8)) !== 0 : (TCRlo & (1 << 22)) !== 0)

  const range0 = vaRange(TTBR0lo, TTBR0hi, outputBits, {
    granuleShift: TG0[(TCRlo >>> 14) & 3]!, TnSZ: TCRlo & 0x3f,
    topByteIgnored: twoRanges ? (TCRhi & (1 << 5)) !== 0 : (TCRlo & (1 << 20)) !== 0,
    dataOnly: pauth && (twoRanges ? (TCRhi & (1 << 19)) !== 0 : (TCRlo & (1 << 29)) !== 0),
    walkDisabled: twoRanges && (TCRlo & (1 << 7)) !== 0,
    unprivilegedDisabled: twoRanges && e0pd && (TCRhi & (1 << 23)) !== 0,
  })
  let range1: VaRange | undefined
  let asid = 0
  if (twoRanges) {
    const TTBR1slot = el1 ? slots.TTBR1_EL1 : slots.TTBR1_EL2
    const TTBR1lo = lower(file, TTBR1slot), TTBR1hi = upper(file, TTBR1slot)
    range1 = vaRange(TTBR1lo, TTBR1hi, outputBits, {
      granuleShift: TG1[(TCRlo >>> 30) & 3]!, TnSZ: (TCRlo >>> 16) & 0x3f,
      topByteIgnored: (TCRhi & (1 << 6)) !== 0, dataOnly: pauth && (TCRhi & (1 << 20)) !== 0,
      walkDisabled: (TCRlo & (1 << 23)) !== 0, unprivilegedDisabled: e0pd && (TCRhi & (1 << 24)) !== 0,
    })
    // TCR.A1 chooses the TTBR that holds the ASID, TCR.AS its width.
    asid = ((TCRlo & (1 << 22)) !== 0 ? TTBR1hi : TTBR0hi) >>> 16
    if ((TCRhi & (1 << 4)) === 0) asid &= 0xff
  }

  const defaultCacheable = el1 && (HCRlo & HCR.DC) !== 0
  const nv = features.has('FEAT_NV')
  return {
    kind, enabled: (SCTLRlo & SCTLR.M) !== 0 && (HCRlo & (HCR.DC | HCR.TGE)) === 0,
    lower: range0, upper: range1, outputBits, asid,
    mairLo: lower(file, MAIRslot), mairHi: upper(file, MAIRslot),
    wxn: (SCTLRlo & SCTLR.WXN) !== 0, singlePrivilege: !twoRanges,
    nv1: nv && (HCRhi & (HCR_HI.NV | HCR_HI.NV1)) === (HCR_HI.NV | HCR_HI.NV1),
    hardwareAccessFlag: accessFlag, hardwareDirty: dirty,
    dataCacheable: (SCTLRlo & SCTLR.C) !== 0, fetchCacheable: (SCTLRlo & SCTLR.I) !== 0, defaultCacheable,
  }
}

/** Stage 2 of the EL1&0 regime; undefined while HCR_EL2.{VM,DC} = {0,0}, or {E2H,TGE} = {1,1}. */
export function stage2Regime(file: RegisterFile, slots: TranslationSlots, features: ReadonlySet<Feature>): Stage2 | undefined {
  const HCRlo = lower(file, slots.HCR_EL2), HCRhi = upper(file, slots.HCR_EL2)
  // DC makes VM behave as 1.
  if ((HCRlo & (HCR.VM | HCR.DC)) === 0) return undefined
  if (features.has('FEAT_VHE') && (HCRhi & HCR_HI.E2H) !== 0 && (HCRlo & HCR.TGE) !== 0) return undefined
  return stage2Of(lower(file, slots.VTTBR_EL2), upper(file, slots.VTTBR_EL2), lower(file, slots.VTCR_EL2), HCRlo, HCRhi, features)
}

const half = (value: bigint, shift: bigint): number => Number((value >> shift) & 0xffff_ffffn) | 0

/** Stage 2 from register values, as L0 uses it on L1's tables. `hcr` gives PTW, FWB, CD and ID. */
export function parseStage2(vttbr: bigint, vtcr: bigint, hcr: bigint, features: ReadonlySet<Feature>): Stage2 {
  return stage2Of(half(vttbr, 0n), half(vttbr, 32n), half(vtcr, 0n), half(hcr, 0n), half(hcr, 32n), features)
}

function stage2Of(VTTBRlo: number, VTTBRhi: number, VTCRlo: number, HCRlo: number, HCRhi: number, features: ReadonlySet<Feature>): Stage2 {
  const granuleShift = TG0[(VTCRlo >>> 14) & 3]!
  const T0SZ = VTCRlo & 0x3f, SL0 = (VTCRlo >>> 6) & 3
  const inputBits = 64 - T0SZ
  const startLevel = granuleShift === 12 ? 2 - SL0 : 3 - SL0
  const bits = inputBits - levelShift(granuleShift, Math.max(0, startLevel))
  // AArch64.S2InvalidSL and S2InconsistentSL: SL0 = 3 needs FEAT_TTST or FEAT_LPA2; a first table of 2 entries to 16 tables.
  // T0SZ outside 16 to 39 is CONSTRAINED UNPREDICTABLE: this fault, as KVM's walk of a guest's tables does.
  const malformed = SL0 === 3 || T0SZ < MIN_TnSZ || T0SZ > MAX_TnSZ || bits < 1 || bits > granuleShift - 3 + 4
  const outputBits = OUTPUT_BITS[(VTCRlo >>> 16) & 7]!
  const base = malformed ? 0 : tableBase(VTTBRlo, VTTBRhi, bits + 3)
  const accessFlag = features.has('FEAT_HAFDBS') && (VTCRlo & (1 << 21)) !== 0
  return {
    granuleShift, inputBits, startLevel, base, baseTooLarge: exceeds(base, outputBits), malformed, outputBits,
    vmid: vmidOf(VTTBRhi, VTCRlo, features),
    hardwareAccessFlag: accessFlag, hardwareDirty: accessFlag && (VTCRlo & (1 << 22)) !== 0,
    protectWalk: (HCRlo & HCR.PTW) !== 0,
    forceWriteBack: features.has('FEAT_S2FWB') && (HCRhi & HCR_HI.FWB) !== 0,
    dataNonCacheable: (HCRhi & HCR_HI.CD) !== 0, fetchNonCacheable: (HCRhi & HCR_HI.ID) !== 0,
  }
}

/** VTTBR_EL2.VMID is 16 bits wide with FEAT_VMID16 and VTCR_EL2.VS, else 8. */
function vmidOf(VTTBRhi: number, VTCRlo: number, features: ReadonlySet<Feature>): number {
  return (VTTBRhi >>> 16) & (features.has('FEAT_VMID16') && (VTCRlo & (1 << 19)) !== 0 ? 0xffff : 0xff)
}

/** The tag of every EL1&0 entry, stage 2 enabled or not. */
export function currentVmid(file: RegisterFile, slots: TranslationSlots, features: ReadonlySet<Feature>): number {
  return vmidOf(upper(file, slots.VTTBR_EL2), lower(file, slots.VTCR_EL2), features)
}
