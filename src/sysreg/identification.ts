/**
 * Values of the identification registers. They follow from the features (design D5); `--hide` shows up here and nowhere else.
 * Field positions: Arm ARM D24.2, ID_AA64*_EL1 register pages.
 */
import type { Feature } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { BREAKPOINTS, WATCHPOINTS } from './rows/debug.ts'
import { EVENT_COUNTERS } from './rows/pmu.ts'

/** CNTFRQ_EL0: 1 count per 16 cycles of a nominal 1 GHz. */
export const COUNTER_FREQUENCY = 62_500_000

/**
 * Implementer 0 ("reserved for software use"), architecture 0xf (features are in the ID registers), part 0x4ed. No operating
 * system has errata or branch-predictor entries for it, so guests apply none of other people's workarounds.
 */
export const MIDR = 0x000f_4ed0n

/** Affinity of PE `pe`: 16 PEs per cluster with GICv3, 8 with GICv2 (as QEMU's virt board); bit 31 is RES1, U=0, MT=0. */
export function mpidrOf(pe: number, gicVersion: GicVersion): bigint {
  const cluster = gicVersion === 3 ? 16 : 8
  return 0x8000_0000n | BigInt((Math.floor(pe / cluster) << 8) | (pe % cluster))
}

/** DC ZVA block: 16 words, 64 bytes. */
export const DCZID_BLOCK = 4
/**
 * CTR_EL0: 64-byte lines, ERG and CWG 64 bytes, PIPT, and IDC = DIC = 1: data and instruction sides are coherent in this machine
 * (a store to decoded code drops the decoded form), so guests need no cache maintenance after writing code.
 */
export const CTR = 0x8000_0000n | (1n << 29n) | (1n << 28n) | (4n << 24n) | (4n << 20n) | (4n << 16n) | (3n << 14n) | 4n
/** CLIDR_EL1: level 1 separate, level 2 unified; LoC 2; LoUU = LoUIS = 0 because of IDC. */
export const CLIDR = (2n << 24n) | (4n << 3n) | 3n

/** CCSIDR_EL1 for a value of CSSELR_EL1; 32 KiB 4-way level 1 caches, 1 MiB 16-way level 2. UNKNOWN selections read as zero. */
export function ccsidr(csselr: number, features: ReadonlySet<Feature>): bigint {
  const level = (csselr >>> 1) & 7, instruction = (csselr & 1) !== 0
  if (level > 1 || (level === 1 && instruction)) return 0n
  const [ways, sets] = level === 0 ? [4, 128] : [16, 1024]
  // LineSize 2: 16 words.
  return features.has('FEAT_CCIDX') ? (BigInt(sets - 1) << 32n) | BigInt(((ways - 1) << 3) | 2) : BigInt(((sets - 1) << 13) | ((ways - 1) << 3) | 2)
}

/** PMCR_EL0 constants: N event counters, no implementer code. */
export const PMCR = BigInt(EVENT_COUNTERS << 11) | (1n << 6n)
/** PMCEID0_EL0: SW_INCR 0x00, INST_RETIRED 0x08, CPU_CYCLES 0x11. */
export const PMCEID0 = (1n << 0n) | (1n << 8n) | (1n << 0x11n)

export interface IdentificationOptions {
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  /** EL2 is implemented (or offered to this virtual machine). */
  readonly el2: boolean
}

/** The ID_AA64*_EL1 registers that are not zero. */
export function identificationValues({ features, gicVersion, el2 }: IdentificationOptions): Record<string, bigint> {
  const has = (feature: Feature, value = 1): number => (features.has(feature) ? value : 0)
  const most = (...values: readonly number[]): number => Math.max(...values)
  /** Pairs of lowest bit and value. */
  const fields = (...pairs: readonly (readonly [low: number, value: number])[]): bigint => pairs.reduce((all, [low, value]) => all | (BigInt(value) << BigInt(low)), 0n)
  // Virtualization features exist only with EL2; without it their fields read as zero.
  const withEL2 = (value: number): number => (el2 ? value : 0)
  return {
    // EL0, EL1 AArch64 only; EL2; FP and AdvSIMD without FP16; GIC system registers; CSV2: no branch target is shared between contexts.
    ID_AA64PFR0_EL1: fields([0, 1], [4, 1], [8, el2 ? 1 : 0], [24, gicVersion === 3 ? 1 : 0], [56, 1], [60, has('FEAT_CSV3')]),
    // Armv8 debug (7 with VHE), PMUv3, breakpoints, watchpoints, 2 context-aware breakpoints.
    ID_AA64DFR0_EL1: fields([0, features.has('FEAT_VHE') ? 7 : 6], [8, 1], [12, BREAKPOINTS - 1], [20, WATCHPOINTS - 1], [28, 1]),
    ID_AA64ISAR0_EL1: fields([4, most(has('FEAT_AES'), has('FEAT_PMULL', 2))], [8, has('FEAT_SHA1')], [12, has('FEAT_SHA256')], [16, has('FEAT_CRC32')], [20, has('FEAT_LSE', 2)],
      [28, has('FEAT_RDM')], [44, has('FEAT_DotProd')], [52, has('FEAT_FlagM')], [56, most(has('FEAT_TLBIOS'), has('FEAT_TLBIRANGE', 2))]),
    // API and GPI: pointer authentication with an IMPLEMENTATION DEFINED algorithm.
    ID_AA64ISAR1_EL1: fields([0, has('FEAT_DPB')], [8, has('FEAT_PAuth')], [12, has('FEAT_JSCVT')], [16, has('FEAT_FCMA')], [20, most(has('FEAT_LRCPC'), has('FEAT_LRCPC2', 2))], [28, has('FEAT_PAuth')]),
    // PARange 48 bits, 16-bit ASIDs, all three granules (stage 2 as stage 1); FGT, ECV with CNTPOFF_EL2.
    ID_AA64MMFR0_EL1: fields([0, 5], [4, 2], [20, 1], [56, withEL2(has('FEAT_FGT'))], [60, has('FEAT_ECV', 2)]),
    // ECBHB: branch history of a lower EL never matters here.
    ID_AA64MMFR1_EL1: fields([0, has('FEAT_HAFDBS', 2)], [4, withEL2(has('FEAT_VMID16', 2))], [8, withEL2(has('FEAT_VHE'))], [20, most(has('FEAT_PAN'), has('FEAT_PAN2', 2))], [60, 1]),
    ID_AA64MMFR2_EL1: fields([4, has('FEAT_UAO')], [20, has('FEAT_CCIDX')], [24, withEL2(most(has('FEAT_NV'), has('FEAT_NV2', 2)))], [32, has('FEAT_LSE2')], [36, has('FEAT_IDST')], [40, withEL2(has('FEAT_S2FWB'))],
      [48, has('FEAT_TTL')], [56, withEL2(has('FEAT_EVT', 2))], [60, has('FEAT_E0PD')]),
  }
}
