/** Identification registers: op0=3, op1=0, CRn=0 and the cache registers. Values are in `../identification.ts`. */
import { register } from '../row.ts'
import type { RowOptions, RowSpec } from '../row.ts'
import { HCR, SCTLR, fgt } from '../trap-rules.ts'

const EL01 = [0, 1] as const
const RO: RowOptions = { access: 'RO' }
/** HCR_EL2.TID3 traps the whole space of ID registers, the reserved ones included. */
const TID3 = { access: 'RO', traps: [HCR.TID3] } as const

/** Allocated encodings with CRm 1 to 7, by CRm and op2; the AArch32 ones read as zero because no EL implements AArch32. */
const NAMES = [
  ['ID_PFR0_EL1', 'ID_PFR1_EL1', 'ID_DFR0_EL1', 'ID_AFR0_EL1', 'ID_MMFR0_EL1', 'ID_MMFR1_EL1', 'ID_MMFR2_EL1', 'ID_MMFR3_EL1'],
  ['ID_ISAR0_EL1', 'ID_ISAR1_EL1', 'ID_ISAR2_EL1', 'ID_ISAR3_EL1', 'ID_ISAR4_EL1', 'ID_ISAR5_EL1', 'ID_MMFR4_EL1', 'ID_ISAR6_EL1'],
  ['MVFR0_EL1', 'MVFR1_EL1', 'MVFR2_EL1', 'S3_0_C0_C3_3', 'ID_PFR2_EL1', 'ID_DFR1_EL1', 'ID_MMFR5_EL1', 'S3_0_C0_C3_7'],
  ['ID_AA64PFR0_EL1', 'ID_AA64PFR1_EL1', 'ID_AA64PFR2_EL1', 'S3_0_C0_C4_3', 'ID_AA64ZFR0_EL1', 'ID_AA64SMFR0_EL1', 'S3_0_C0_C4_6', 'ID_AA64FPFR0_EL1'],
  ['ID_AA64DFR0_EL1', 'ID_AA64DFR1_EL1', 'ID_AA64DFR2_EL1', 'S3_0_C0_C5_3', 'ID_AA64AFR0_EL1', 'ID_AA64AFR1_EL1', 'S3_0_C0_C5_6', 'S3_0_C0_C5_7'],
  ['ID_AA64ISAR0_EL1', 'ID_AA64ISAR1_EL1', 'ID_AA64ISAR2_EL1', 'ID_AA64ISAR3_EL1', 'S3_0_C0_C6_4', 'S3_0_C0_C6_5', 'S3_0_C0_C6_6', 'S3_0_C0_C6_7'],
  ['ID_AA64MMFR0_EL1', 'ID_AA64MMFR1_EL1', 'ID_AA64MMFR2_EL1', 'ID_AA64MMFR3_EL1', 'ID_AA64MMFR4_EL1', 'S3_0_C0_C7_5', 'S3_0_C0_C7_6', 'S3_0_C0_C7_7'],
] as const

type IdName = (typeof NAMES)[number][number]
const ID_SPACE = Object.fromEntries(NAMES.flatMap((names, i) => names.map((name, op2) => [name, register(3, 0, 0, i + 1, op2, TID3)]))) as unknown as Record<IdName, RowSpec>

export const IDENTIFICATION_ROWS = {
  MIDR_EL1: register(3, 0, 0, 0, 0, { ...RO, readAtEL1: 'VPIDR_EL2', traps: fgt('MIDR_EL1', 'R') }),
  MPIDR_EL1: register(3, 0, 0, 0, 5, { ...RO, readAtEL1: 'VMPIDR_EL2', traps: fgt('MPIDR_EL1', 'R') }),
  REVIDR_EL1: register(3, 0, 0, 0, 6, { ...RO, traps: [HCR.TID1, ...fgt('REVIDR_EL1', 'R')] }),
  ...ID_SPACE,
  CCSIDR_EL1: register(3, 1, 0, 0, 0, { ...RO, storage: 'special', traps: [HCR.TID2, HCR.TID4, ...fgt('CCSIDR_EL1', 'R')] }),
  CLIDR_EL1: register(3, 1, 0, 0, 1, { ...RO, traps: [HCR.TID2, HCR.TID4, ...fgt('CLIDR_EL1', 'R')] }),
  CCSIDR2_EL1: register(3, 1, 0, 0, 2, { ...RO, feature: 'FEAT_CCIDX', traps: [HCR.TID2, HCR.TID4, ...fgt('CCSIDR_EL1', 'R')] }),
  GMID_EL1: register(3, 1, 0, 0, 4, { ...RO, feature: 'FEAT_MTE2', traps: [HCR.TID5] }),
  SMIDR_EL1: register(3, 1, 0, 0, 6, { ...RO, feature: 'FEAT_SME', traps: [HCR.TID1] }),
  AIDR_EL1: register(3, 1, 0, 0, 7, { ...RO, traps: [HCR.TID1, ...fgt('AIDR_EL1', 'R')] }),
  CSSELR_EL1: register(3, 2, 0, 0, 0, { fields: 'InD 0, Level 3:1', traps: [HCR.TID2, HCR.TID4, ...fgt('CSSELR_EL1')] }),
  CTR_EL0: register(3, 3, 0, 0, 1, { ...RO, traps: [...SCTLR.UCT, HCR.TID2_EL0, HCR.TID2, ...fgt('CTR_EL0', 'R', EL01)] }),
  DCZID_EL0: register(3, 3, 0, 0, 7, { ...RO, storage: 'special', traps: fgt('DCZID_EL0', 'R', EL01) }),
  ISR_EL1: register(3, 0, 12, 1, 0, { ...RO, storage: 'special', traps: fgt('ISR_EL1', 'R') }),
} as const
