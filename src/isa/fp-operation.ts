/** Floating-point operations as bodies name them: functions of the Arm ARM's pseudocode (J1.3) with their decode-time arguments. */

/** Half, single, double precision. Half is only converted: FEAT_FP16 is in no profile. */
export type FpBits = 16 | 32 | 64

/** FPRounding; 'FPCR' is what FPCR.RMode says. */
export const ROUNDINGS = ['FPCR', 'TIEEVEN', 'POSINF', 'NEGINF', 'ZERO', 'TIEAWAY', 'ODD'] as const
export type Rounding = (typeof ROUNDINGS)[number]

/**
 * Operands and results are bit patterns in the low bits of 64. All read FPCR and accumulate into FPSR; the order of operands is the
 * pseudocode's, and what is not an FP value is noted.
 */
export const FP_NAMES = [
  'FPAdd', 'FPSub', 'FPMul', 'FPMulX', 'FPDiv', 'FPMax', 'FPMin', 'FPMaxNum', 'FPMinNum', 'FPRecipStepFused', 'FPRSqrtStepFused',
  /** (addend, op1, op2). */
  'FPMulAdd',
  'FPSqrt', 'FPRecipEstimate', 'FPRSqrtEstimate', 'FPRecpX',
  /** All ones or zero. */
  'FPCompareEQ', 'FPCompareGE', 'FPCompareGT',
  /** NZCV; the second one signals for quiet NaNs, too. */
  'FPCompare', 'FPCompareSignalling',
  /** `rounding`, `exact`. */
  'FPRoundInt',
  /** (value, fbits) to an integer of `to` bits; `rounding`, `unsigned`. */
  'FPToFixed',
  /** (integer of `from` bits, fbits) to `bits`; `unsigned`. */
  'FixedToFP',
  /** To the format `to`; `rounding`. */
  'FPConvert',
  /** Bits 31:0 the integer, bit 32 PSTATE.Z. */
  'FPToFixedJS',
  /** Of 32-bit integers; neither FPCR nor FPSR. */
  'UnsignedRecipEstimate', 'UnsignedRSqrtEstimate',
] as const
export type FpName = (typeof FP_NAMES)[number]

export interface FpOperation {
  readonly name: FpName
  /** Format of the operands; for FixedToFP of the result. */
  readonly bits: FpBits
  readonly to?: 16 | 32 | 64
  readonly from?: 32 | 64
  readonly rounding?: Rounding
  readonly unsigned?: boolean
  readonly exact?: boolean
}

const sizeCode = (bits: number | undefined): number => bits === undefined ? 0 : Math.log2(bits) - 3
const sizeOf = (code: number): 16 | 32 | 64 | undefined => code === 0 ? undefined : (8 << code) as 16 | 32 | 64

/** An operation as a number, for interfaces that carry nothing else. */
export function fpCode(o: FpOperation): number {
  return FP_NAMES.indexOf(o.name) | (sizeCode(o.bits) << 6) | (sizeCode(o.to) << 8) | (sizeCode(o.from) << 10)
    | (ROUNDINGS.indexOf(o.rounding ?? 'FPCR') << 12) | (o.unsigned ? 1 << 15 : 0) | (o.exact ? 1 << 16 : 0)
}

const operations = new Map<number, FpOperation>()
export function fpOperationOf(code: number): FpOperation {
  const known = operations.get(code)
  if (known !== undefined) return known
  const to = sizeOf((code >> 8) & 3), from = sizeOf((code >> 10) & 3)
  const operation: FpOperation = {
    name: FP_NAMES[code & 63]!, bits: sizeOf((code >> 6) & 3)!, rounding: ROUNDINGS[(code >> 12) & 7]!,
    unsigned: (code & (1 << 15)) !== 0, exact: (code & (1 << 16)) !== 0,
    ...(to === undefined ? {} : { to }), ...(from === undefined || from === 16 ? {} : { from }),
  }
  operations.set(code, operation)
  return operation
}
