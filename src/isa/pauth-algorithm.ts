/**
 * Pointer authentication codes: the pseudocode functions AddPAC, Auth, Strip and ComputePACGA over an IMPLEMENTATION DEFINED hash.
 * Without FEAT_PAuth2, FEAT_EPAC and FEAT_FPAC, as ID_AA64ISAR1_EL1.API = 1 says. Values are unsigned 64-bit bigints; an engine
 * may compute the same with i64 arithmetic.
 */
export interface PacKeyValue { readonly low: bigint, readonly high: bigint }

/** What translation control says about pointers: by address range (bit 55), lower first. */
export interface PointerLayout {
  /** EffectiveTBI for this kind of pointer (TBI, and for instruction pointers not TBID). */
  readonly tbi: readonly [boolean, boolean]
  /** CalculateBottomPACBit: 64 - TxSZ. */
  readonly bottom: readonly [number, number]
  /** PtrHasUpperAndLowerAddRanges(): false in a regime with one range, where the lower values hold for all pointers. */
  readonly twoRanges: boolean
}

const MASK = (1n << 64n) - 1n
const bit = (value: bigint, n: number): 0 | 1 => Number((value >> BigInt(n)) & 1n) as 0 | 1
/** Bits `high` to `low`, in place. */
const field = (high: number, low: number): bigint => high < low ? 0n : ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low)

/** One round: xor-shift and multiply, a bijection of 64-bit values. */
function mix(value: bigint): bigint {
  let x = value
  for (let i = 0; i < 2; i++) x = ((x ^ (x >> 32n)) * 0xd6e8_feb8_6659_fd93n) & MASK
  return x ^ (x >> 32n)
}

/** ComputePAC(): the 64-bit hash of a pointer, its modifier and a 128-bit key. */
export const computePAC = (data: bigint, modifier: bigint, key: PacKeyValue): bigint => mix(mix(mix(data ^ key.low) ^ modifier) ^ key.high)

const rangeOf = (layout: PointerLayout, selbit: 0 | 1): 0 | 1 => layout.twoRanges ? selbit : 0

/** The pointer with bits that hold a PAC replaced by copies of `selbit`. */
function extend(pointer: bigint, selbit: 0 | 1, tbi: boolean, bottom: number): bigint {
  const extension = field(tbi ? 55 : 63, bottom)
  return selbit ? pointer | extension : pointer & ~extension & MASK
}

export function addPAC(pointer: bigint, modifier: bigint, key: PacKeyValue, layout: PointerLayout): bigint {
  const anyTBI = layout.twoRanges ? layout.tbi[0] || layout.tbi[1] : layout.tbi[0]
  const selbit = bit(pointer, anyTBI ? 55 : 63), range = rangeOf(layout, selbit)
  const tbi = layout.tbi[range], bottom = layout.bottom[range], top = tbi ? 55 : 63
  let pac = computePAC(extend(pointer, selbit, tbi, bottom), modifier, key)
  // A pointer that was not canonical gets a code that will not authenticate.
  const extension = pointer & field(top, bottom)
  if (extension !== 0n && extension !== field(top, bottom)) pac ^= 1n << BigInt(top - 1)
  const inserted = field(54, bottom) | (tbi ? 0n : field(63, 56))
  return (pointer & ~inserted & ~(1n << 55n)) | (pac & inserted) | (BigInt(selbit) << 55n)
}

/** `keyNumber` is 0 for the A keys and 1 for the B keys. A code that does not match leaves an error code in the top bits. */
export function authenticate(pointer: bigint, modifier: bigint, key: PacKeyValue, keyNumber: 0 | 1, layout: PointerLayout): bigint {
  const selbit = bit(pointer, 55), range = rangeOf(layout, selbit)
  const tbi = layout.tbi[range], bottom = layout.bottom[range]
  const original = extend(pointer, selbit, tbi, bottom)
  const compared = field(54, bottom) | (tbi ? 0n : field(63, 56))
  if (((computePAC(original, modifier, key) ^ pointer) & compared) === 0n) return original
  const position = tbi ? 53 : 61
  return (original & ~field(position + 1, position)) | ((keyNumber ? 2n : 1n) << BigInt(position))
}

export function strip(pointer: bigint, layout: PointerLayout): bigint {
  const selbit = bit(pointer, 55), range = rangeOf(layout, selbit)
  return extend(pointer, selbit, layout.tbi[range], layout.bottom[range])
}

/** ComputePACGA: the upper half of the hash. */
export const genericPAC = (value: bigint, modifier: bigint, key: PacKeyValue): bigint => computePAC(value, modifier, key) & 0xffff_ffff_0000_0000n
