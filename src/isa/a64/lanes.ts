/**
 * What the Advanced SIMD groups share: the part of the register that a form works on, and operations on lanes that need more than one
 * builder call. A form that works on less than 128 bits computes with all of them and clears the rest of its result.
 */
import type { LaneBits, Semantics } from '../semantics.ts'

export type { LaneBits } from '../semantics.ts'
export type Narrow = 8 | 16 | 32
export const LANE_BITS = [8, 16, 32, 64] as const
export const LETTER = { 8: 'B', 16: 'H', 32: 'S', 64: 'D' } as const
export const double = (bits: Narrow): 16 | 32 | 64 => (2 * bits) as 16 | 32 | 64

/** A form of an instruction on elements of `bits`; `used` is the length of its result. */
export interface Lanes<V> {
  readonly s: Semantics<V>
  readonly bits: LaneBits
  readonly used: 8 | 16 | 32 | 64 | 128
  /** For forms that read or write half a register: the upper one (the mnemonic ends in 2). */
  readonly upper: boolean
}

const ones = (n: number): bigint => (1n << BigInt(n)) - 1n

/** `value` with zeros above its low `used` bits. */
export function keepLow<V>(s: Semantics<V>, used: number, value: V): V {
  if (used === 128) return value
  return used === 64 ? s.withLane(value, 64, 1, s.constant(64, 0)) : s.vAnd(value, s.vConstant(ones(used)))
}

/** A scalar result: everything above it is zero. `value` is 64 bits, zero-extended. */
export const setScalar = <V>(s: Semantics<V>, value: V): void => { s.setQ('Vd', s.withLane(s.zeroVector(), 64, 0, value)) }

/** The value in every lane. */
export function splat<V>(s: Semantics<V>, bits: LaneBits, lane: bigint): V {
  let value = 0n
  for (let i = 0; i < 128; i += bits) value |= BigInt.asUintN(bits, lane) << BigInt(i)
  return s.vConstant(value)
}
export const allOnes = <V>(s: Semantics<V>): V => s.vConstant(ones(128))
export const negate = <V>(s: Semantics<V>, bits: LaneBits, a: V): V => s.vSub(bits, s.zeroVector(), a)
/** All ones in the lanes that are negative. */
export const negative = <V>(s: Semantics<V>, bits: LaneBits, a: V): V => s.vSar(bits, a, s.constant(32, bits - 1))
export const andNot = <V>(s: Semantics<V>, a: V, b: V): V => s.vAnd(a, s.vNot(b))
export const minimumOf = <V>(s: Semantics<V>, bits: LaneBits): V => splat(s, bits, 1n << BigInt(bits - 1))

/** FPSR.QC where a lane in use is set in `mask`. */
export function saturates<V>({ s, used }: Lanes<V>, mask: V): void {
  s.setQC(s.vAnyTrue(keepLow(s, used, mask)))
}

/** Lanes by number: those of `a` are 0 and up, those of `b` follow. */
export function shuffleLanes<V>(s: Semantics<V>, bits: LaneBits, a: V, b: V, lanes: readonly number[]): V {
  const size = bits / 8
  return s.vShuffle(a, b, lanes.flatMap(lane => Array.from({ length: size }, (_, i) => lane * size + i)))
}

const counting = (count: number, of: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => of(i))

/** The even (`odd` 0) or odd (1) lanes of `a` and then of `b`, of their low 64 bits when `used` is 64. */
export function unzip<V>(s: Semantics<V>, bits: LaneBits, used: number, a: V, b: V, odd: 0 | 1): V {
  const all = 128 / bits, each = used / bits / 2
  // What lies above the result does not matter.
  return shuffleLanes(s, bits, a, b, counting(all, i => i < each ? 2 * i + odd : i < 2 * each ? all + 2 * (i - each) + odd : 0))
}

/** Low or high halves of the lanes of twice `bits` in `a` and then `b`. */
export const halves = <V>(s: Semantics<V>, bits: Narrow, a: V, b: V, high: 0 | 1): V => unzip(s, bits, 128, a, b, high)

/** Result of a narrowing form: `narrow` fills 64 bits; the form with 2 keeps the lower half of Vd. A scalar form has a shorter result. */
export function setNarrow<V>({ s, used, upper }: Lanes<V>, narrow: V): void {
  if (upper) s.setQ('Vd', s.withLane(s.Q('Vd'), 64, 1, s.lane(narrow, 64, 0)))
  else s.setQ('Vd', keepLow(s, used, narrow))
}

/** Both halves of `a`, widened. */
export const widen = <V>({ s, bits, upper }: Lanes<V>, signed: boolean, a: V): V => s.vWiden(bits as Narrow, signed, upper, a)

/** Sums of neighbouring lanes, in lanes of twice the size. */
export function addPairsLong<V>(s: Semantics<V>, bits: Narrow, signed: boolean, a: V): V {
  const wide = double(bits), n = s.constant(32, bits), shifted = (value: V): V => signed ? s.vSar(wide, value, n) : s.vShr(wide, value, n)
  return s.vAdd(wide, shifted(s.vShl(wide, a, n)), shifted(a))
}

/** Saturating sum or difference. */
export function addSaturating<V>(l: Lanes<V>, signed: boolean, subtract: boolean, a: V, b: V): V {
  const { s, bits } = l
  const result = subtract ? s.vSub(bits, a, b) : s.vAdd(bits, a, b)
  if (signed) {
    // Signs: of a sum, both operands differ from the result; of a difference, the first from the second and from the result.
    const overflow = negative(s, bits, s.vAnd(s.vXor(a, result), subtract ? s.vXor(a, b) : s.vXor(b, result)))
    saturates(l, overflow)
    return s.vSelect(overflow, s.vXor(negative(s, bits, a), splat(s, bits, ones(bits - 1))), result)
  }
  const overflow = subtract ? s.vLess(bits, false, a, b) : s.vLess(bits, false, result, a)
  saturates(l, overflow)
  return subtract ? andNot(s, result, overflow) : s.vOr(result, overflow)
}

/** Lanes of twice `l.bits`, saturated to `l.bits` and narrowed to 64 bits. */
export function narrowSaturating<V>(l: Lanes<V>, fromSigned: boolean, toSigned: boolean, a: V): V {
  const { s } = l, bits = l.bits as Narrow, wide = double(bits)
  const least = toSigned ? -(1n << BigInt(bits - 1)) : 0n, most = ones(toSigned ? bits - 1 : bits)
  let result = fromSigned ? s.vMax(wide, true, a, splat(s, wide, least)) : a
  result = s.vMin(wide, fromSigned, result, splat(s, wide, most))
  // The result in use is as long as its source where that fills the register, and half of it in a scalar form.
  saturates({ ...l, used: l.used === 64 ? 128 : (2 * l.used) as 16 | 32 | 64 }, s.vXor(result, a))
  return halves(s, bits, result, result, 0)
}

/** Magnitude; the least number, whose magnitude does not fit, stays as it is. */
export function absolute<V>(s: Semantics<V>, bits: LaneBits, a: V): V {
  const sign = negative(s, bits, a)
  return s.vSub(bits, s.vXor(a, sign), sign)
}

export function absoluteDifference<V>(s: Semantics<V>, bits: LaneBits, signed: boolean, a: V, b: V): V {
  return s.vSub(bits, s.vMax(bits, signed, a, b), s.vMin(bits, signed, a, b))
}

/** a >> (less + 1), rounded to nearest, ties up; `less` is 32 bits, below `bits`. */
export function shiftRightRounding<V>(s: Semantics<V>, bits: LaneBits, signed: boolean, a: V, less: V): V {
  const one = s.constant(32, 1), almost = signed ? s.vSar(bits, a, less) : s.vShr(bits, a, less)
  const half = signed ? s.vSar(bits, almost, one) : s.vShr(bits, almost, one)
  return s.vAdd(bits, half, s.vAnd(almost, splat(s, bits, 1n)))
}
/** a >> (less + 1), where the amount may be `bits`. */
export function shiftRight<V>(s: Semantics<V>, bits: LaneBits, signed: boolean, a: V, less: V): V {
  const one = s.constant(32, 1)
  return signed ? s.vSar(bits, s.vSar(bits, a, less), one) : s.vShr(bits, s.vShr(bits, a, less), one)
}

/** SSHL, USHL and their saturating and rounding relatives: each lane by the signed low byte of the lane of `amounts`. */
export function shiftByRegister<V>(l: Lanes<V>, signed: boolean, saturating: boolean, rounding: boolean, a: V, amounts: V): V {
  const { s, bits } = l
  const byte = s.constant(32, bits - 8), n = bits === 8 ? amounts : s.vSar(bits, s.vShl(bits, amounts, byte), byte)
  const rightwards = negative(s, bits, n), magnitude = negate(s, bits, n)
  const right = (value: V, by: V): V => signed ? s.vSarBy(bits, value, by) : s.vShrBy(bits, value, by)
  let shiftedRight: V
  if (rounding) {
    const one = s.constant(32, 1), almost = right(a, s.vSub(bits, magnitude, splat(s, bits, 1n)))
    const half = signed ? s.vSar(bits, almost, one) : s.vShr(bits, almost, one)
    shiftedRight = s.vAdd(bits, half, s.vAnd(almost, splat(s, bits, 1n)))
  } else shiftedRight = right(a, magnitude)
  let left = s.vShlBy(bits, a, n)
  if (saturating) {
    const overflow = andNot(s, s.vNot(s.vEqual(bits, right(left, n), a)), rightwards)
    saturates(l, overflow)
    left = s.vSelect(overflow, signed ? s.vXor(negative(s, bits, a), splat(s, bits, ones(bits - 1))) : allOnes(s), left)
  }
  return s.vSelect(rightwards, shiftedRight, left)
}

/** Saturating shift left by `amount` (32 bits, below `bits`). From signed to unsigned, negative numbers become 0. */
export function shiftLeftSaturating<V>(l: Lanes<V>, fromSigned: boolean, toSigned: boolean, a: V, amount: V): V {
  const { s, bits } = l
  const left = s.vShl(bits, a, amount)
  const back = toSigned ? s.vSar(bits, left, amount) : s.vShr(bits, left, amount)
  const overflow = s.vNot(s.vEqual(bits, back, a)), sign = negative(s, bits, a)
  if (fromSigned && !toSigned) {
    saturates(l, s.vOr(overflow, sign))
    return andNot(s, s.vOr(left, overflow), sign)
  }
  saturates(l, overflow)
  return s.vSelect(overflow, toSigned ? s.vXor(sign, splat(s, bits, ones(bits - 1))) : allOnes(s), left)
}

/** Twice the product in lanes of twice the size, saturated: only the least number squared is too large. */
export function doubledProduct<V>(l: Lanes<V>, a: V, b: V): V {
  const { s, bits, upper } = l, wide = double(bits as Narrow)
  const product = s.vMultiplyWide(bits as Narrow, true, upper, a, b)
  const overflow = s.vEqual(wide, product, splat(s, wide, 1n << BigInt(2 * bits - 2)))
  saturates(l, overflow)
  return s.vXor(s.vShl(wide, product, s.constant(32, 1)), overflow)
}

/** High half of twice the product. */
export function doubledHighProduct<V>(l: Lanes<V>, rounding: boolean, a: V, b: V): V {
  const { s } = l, bits = l.bits as Narrow, wide = double(bits)
  const half = (upper: boolean): V => {
    const product = s.vMultiplyWide(bits, true, upper, a, b)
    return s.vShl(wide, rounding ? s.vAdd(wide, product, splat(s, wide, 1n << BigInt(bits - 2))) : product, s.constant(32, 1))
  }
  const least = minimumOf(s, bits), overflow = s.vAnd(s.vEqual(bits, a, least), s.vEqual(bits, b, least))
  saturates(l, overflow)
  return s.vXor(halves(s, bits, half(false), half(true), 1), overflow)
}

/** Vd plus or minus twice the product, rounded and saturated once: SQRDMLAH, SQRDMLSH. Computed as a half of it, which fits. */
export function accumulateHighProduct<V>(l: Lanes<V>, subtract: boolean, d: V, a: V, b: V): V {
  const { s } = l, bits = l.bits as Narrow, wide = double(bits), n = s.constant(32, bits - 1)
  const half = (upper: boolean): V => {
    const product = s.vMultiplyWide(bits, true, upper, a, b), accumulator = s.vShl(wide, s.vWiden(bits, true, upper, d), n)
    const sum = subtract ? s.vSub(wide, accumulator, product) : s.vAdd(wide, accumulator, product)
    return s.vSar(wide, s.vAdd(wide, sum, splat(s, wide, 1n << BigInt(bits - 2))), n)
  }
  const low = half(false), high = half(true)
  const clamp = (value: V): V => s.vMin(wide, true, s.vMax(wide, true, value, splat(s, wide, -(1n << BigInt(bits - 1)))), splat(s, wide, ones(bits - 1)))
  const lowResult = clamp(low), highResult = clamp(high)
  const changed = (part: V, result: V): V => s.vXor(part, result)
  if (l.used <= 64) saturates({ ...l, used: l.used === 64 ? 128 : (2 * l.used) as 32 | 64 }, changed(low, lowResult))
  else saturates(l, s.vOr(changed(low, lowResult), changed(high, highResult)))
  return halves(s, bits, lowResult, highResult, 0)
}

/** Polynomial product over {0, 1} of bytes: 16-bit lanes of one half. */
export function polynomialProductLong<V>({ s, upper }: Lanes<V>, a: V, b: V): V {
  const wideA = s.vWiden(8, false, upper, a), wideB = s.vWiden(8, false, upper, b)
  let result = s.zeroVector()
  for (let i = 0; i < 8; i++) {
    const chosen = s.vSar(16, s.vShl(16, wideB, s.constant(32, 15 - i)), s.constant(32, 15))
    result = s.vXor(result, s.vAnd(s.vShl(16, wideA, s.constant(32, i)), chosen))
  }
  return result
}
/** The same, low halves. */
export function polynomialProduct<V>(s: Semantics<V>, a: V, b: V): V {
  let result = s.zeroVector()
  for (let i = 0; i < 8; i++) {
    const chosen = s.vSar(8, s.vShl(8, b, s.constant(32, 7 - i)), s.constant(32, 7))
    result = s.vXor(result, s.vAnd(s.vShl(8, a, s.constant(32, i)), chosen))
  }
  return result
}

/** Leading zeros: what is left when all bits below the highest one are set. */
export function leadingZeros<V>(s: Semantics<V>, bits: Narrow, a: V): V {
  let smeared = a
  for (let n = 1; n < bits; n *= 2) smeared = s.vOr(smeared, s.vShr(bits, smeared, s.constant(32, n)))
  const bytes = s.vPopulation(smeared)
  const sum = bits === 8 ? bytes : s.vShr(bits, s.vMul(bits, bytes, splat(s, 8, 1n)), s.constant(32, bits - 8))
  return s.vSub(bits, splat(s, bits, BigInt(bits)), sum)
}

/** Four products of bytes, added up in each 32-bit lane: the product of SDOT and UDOT. */
export function dotProduct<V>(s: Semantics<V>, signed: boolean, a: V, b: V): V {
  const sums = (upper: boolean): V => addPairsLong(s, 16, signed, s.vMultiplyWide(8, signed, upper, a, b))
  const low = sums(false), high = sums(true)
  return s.vAdd(32, unzip(s, 32, 128, low, high, 0), unzip(s, 32, 128, low, high, 1))
}

type Bit = '0' | '1'
/** Opcode fields of tables: types of their own, so that the fields of a pattern stay known. */
export type Opcode4 = `${Bit}${Bit}${Bit}${Bit}`
export type Opcode5 = `${Bit}${Opcode4}`
