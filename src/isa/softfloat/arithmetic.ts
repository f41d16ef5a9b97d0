/** FPAdd() to FPSqrt(), minimum and maximum, comparison: exact on BigInt, rounded once. */
import {
  type Environment, type Format, type Unpacked, FPSR, addExact, bitLength, infinity, invalid, isNaN, order, processNaNs, round, roundSigned, signedMantissa,
  unpack, zero,
} from './number.ts'

const negated = (x: Unpacked): Unpacked => ({ ...x, sign: x.sign ? 0 : 1 })

/** FPAdd(); FPSub() negates the second operand, but not when it is a NaN that is passed on. */
export function add(f: Format, op1: bigint, op2: bigint, subtract: boolean, env: Environment): bigint {
  const a = unpack(f, op1, env), original = unpack(f, op2, env)
  const nan = processNaNs(f, env, a, original)
  if (nan !== undefined) return nan
  const b = subtract ? negated(original) : original
  if (a.kind === 'infinity' && b.kind === 'infinity' && a.sign !== b.sign) return invalid(f, env)
  if (a.kind === 'infinity') return infinity(f, a.sign)
  if (b.kind === 'infinity') return infinity(f, b.sign)
  if (a.kind === 'zero' && b.kind === 'zero' && a.sign === b.sign) return zero(f, a.sign)
  const { value, exponent } = addExact(signedMantissa(a), a.exponent, signedMantissa(b), b.exponent)
  return roundSigned(f, value, exponent, env)
}

const times = (a: Unpacked, b: Unpacked): 'invalid' | 'infinity' | 'zero' | 'finite' => {
  const either = (kind: Unpacked['kind']): boolean => a.kind === kind || b.kind === kind
  return either('infinity') ? either('zero') ? 'invalid' : 'infinity' : either('zero') ? 'zero' : 'finite'
}

/** FPMul(); FPMulX() gives 2 for infinity times zero. */
export function multiply(f: Format, op1: bigint, op2: bigint, extended: boolean, env: Environment): bigint {
  const a = unpack(f, op1, env), b = unpack(f, op2, env)
  const nan = processNaNs(f, env, a, b)
  if (nan !== undefined) return nan
  const sign = a.sign ^ b.sign
  switch (times(a, b)) {
    case 'invalid': return extended ? round(f, sign, 2n, 0, env) : invalid(f, env)
    case 'infinity': return infinity(f, sign)
    case 'zero': return zero(f, sign)
    case 'finite': return round(f, sign, a.mantissa * b.mantissa, a.exponent + b.exponent, env)
  }
}

export function divide(f: Format, op1: bigint, op2: bigint, env: Environment): bigint {
  const a = unpack(f, op1, env), b = unpack(f, op2, env)
  const nan = processNaNs(f, env, a, b)
  if (nan !== undefined) return nan
  const sign = a.sign ^ b.sign
  if (a.kind === b.kind && a.kind !== 'finite') return invalid(f, env)
  if (a.kind === 'infinity') return infinity(f, sign)
  if (b.kind === 'zero') {
    env.raise(FPSR.DZC)
    return infinity(f, sign)
  }
  if (a.kind === 'zero' || b.kind === 'infinity') return zero(f, sign)
  const shift = Math.max(0, f.fractionBits + 4 + bitLength(b.mantissa) - bitLength(a.mantissa))
  const numerator = a.mantissa << BigInt(shift), quotient = numerator / b.mantissa
  const sticky = quotient * b.mantissa === numerator ? 0n : 1n
  return round(f, sign, (quotient << 1n) | sticky, a.exponent - shift - b.exponent - 1, env)
}

/** Largest integer whose square is not above `n`. */
function integerSquareRoot(n: bigint): bigint {
  let x = 1n << BigInt((bitLength(n) + 1) >> 1)
  for (;;) {
    const next = (x + n / x) >> 1n
    if (next >= x) return x
    x = next
  }
}

export function squareRoot(f: Format, op: bigint, env: Environment): bigint {
  const a = unpack(f, op, env)
  const nan = processNaNs(f, env, a)
  if (nan !== undefined) return nan
  if (a.kind === 'zero') return zero(f, a.sign)
  if (a.sign) return invalid(f, env)
  if (a.kind === 'infinity') return infinity(f, 0)
  let shift = Math.max(0, 2 * f.fractionBits + 8 - bitLength(a.mantissa))
  if ((a.exponent - shift) & 1) shift++
  const scaled = a.mantissa << BigInt(shift), root = integerSquareRoot(scaled)
  return round(f, 0, (root << 1n) | (root * root === scaled ? 0n : 1n), (a.exponent - shift) / 2 - 1, env)
}

/** FPMulAdd(): addend + op1 * op2, rounded once. */
export function multiplyAdd(f: Format, addend: bigint, op1: bigint, op2: bigint, env: Environment): bigint {
  const c = unpack(f, addend, env), a = unpack(f, op1, env), b = unpack(f, op2, env)
  const product = isNaN(a) || isNaN(b) ? 'finite' : times(a, b)
  const nan = processNaNs(f, env, c, a, b)
  if (product === 'invalid' && (nan === undefined || c.kind === 'quiet')) return invalid(f, env)
  if (nan !== undefined) return nan
  const sign = (a.sign ^ b.sign) as 0 | 1
  if (c.kind === 'infinity') return product === 'infinity' && sign !== c.sign ? invalid(f, env) : infinity(f, c.sign)
  if (product === 'infinity') return infinity(f, sign)
  if (c.kind === 'zero' && product === 'zero' && sign === c.sign) return zero(f, sign)
  const exact = a.mantissa * b.mantissa
  const { value, exponent } = addExact(signedMantissa(c), c.exponent, sign ? -exact : exact, a.exponent + b.exponent)
  return roundSigned(f, value, exponent, env)
}

/** FPRecipStepFused() and FPRSqrtStepFused(): 2 - op1 * op2, and (3 - op1 * op2) / 2. */
export function step(f: Format, op1: bigint, op2: bigint, squareRootStep: boolean, env: Environment): bigint {
  const a = unpack(f, op1 ^ (1n << BigInt(f.bits - 1)), env), b = unpack(f, op2, env)
  const nan = processNaNs(f, env, a, b)
  if (nan !== undefined) return nan
  const sign = a.sign ^ b.sign, constant = squareRootStep ? 3n : 2n, halved = squareRootStep ? -1 : 0
  switch (times(a, b)) {
    case 'invalid': return round(f, 0, constant, halved, env)
    case 'infinity': return infinity(f, sign)
    default: {
      const exact = a.mantissa * b.mantissa
      const { value, exponent } = addExact(constant, 0, sign ? -exact : exact, a.exponent + b.exponent)
      return roundSigned(f, value, exponent + halved, env)
    }
  }
}

/** FPMax() and FPMin(); with `number` FPMaxNum() and FPMinNum(), which pass over one quiet NaN. */
export function extreme(f: Format, op1: bigint, op2: bigint, maximum: boolean, number: boolean, env: Environment): bigint {
  let a = unpack(f, op1, env), b = unpack(f, op2, env)
  if (number && (a.kind === 'quiet') !== (b.kind === 'quiet')) {
    const least: Unpacked = { kind: 'infinity', sign: maximum ? 1 : 0, mantissa: 0n, exponent: 0, bits: 0n }
    if (a.kind === 'quiet') a = least
    else b = least
  }
  const nan = processNaNs(f, env, a, b)
  if (nan !== undefined) return nan
  if (a.kind === 'zero' && b.kind === 'zero') return zero(f, maximum ? a.sign & b.sign : a.sign | b.sign)
  const chosen = (order(a, b) > 0) === maximum ? a : b
  if (chosen.kind === 'infinity') return infinity(f, chosen.sign)
  return chosen.kind === 'zero' ? zero(f, chosen.sign) : chosen.bits
}

/** FPCompare(): NZCV. */
export function compare(f: Format, op1: bigint, op2: bigint, signalling: boolean, env: Environment): number {
  const a = unpack(f, op1, env), b = unpack(f, op2, env)
  if (isNaN(a) || isNaN(b)) {
    if (signalling || a.kind === 'signalling' || b.kind === 'signalling') env.raise(FPSR.IOC)
    return 0b0011
  }
  const sign = order(a, b)
  return sign === 0 ? 0b0110 : sign < 0 ? 0b1000 : 0b0010
}
