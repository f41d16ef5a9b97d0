/** Reciprocal and reciprocal square root estimates, and FPRecpX(). */
import { type Environment, type Format, FPSR, infinity, invalid, overflowed, processNaNs, unpack, zero } from './number.ts'

/** RecipEstimate(): 256 to 511 in and out. */
function recipEstimate(a: number): number {
  const b = Math.floor(2 ** 19 / (2 * a + 1))
  return (b + 1) >> 1
}

/** RecipSqrtEstimate(): 128 to 511 in, 256 to 511 out. */
function recipSqrtEstimate(a: number): number {
  const scaled = a < 256 ? 2 * a + 1 : 2 * ((a & ~1) + 1)
  let b = 512
  while (scaled * (b + 1) * (b + 1) < 2 ** 28) b++
  return (b + 1) >> 1
}

export const unsignedRecipEstimate = (op: bigint): bigint => op >> 31n ? BigInt(recipEstimate(Number(op >> 23n))) << 23n : 0xffff_ffffn
export const unsignedRSqrtEstimate = (op: bigint): bigint => op >> 30n ? BigInt(recipSqrtEstimate(Number(op >> 23n))) << 23n : 0xffff_ffffn

/** Fraction of 52 bits and biased exponent, which a denormal number has below 1 once its leading bit stands where it belongs. */
function normalised(f: Format, op: bigint): { readonly fraction: bigint, readonly exponent: number } {
  let fraction = (op & f.fractionMask) << BigInt(52 - f.fractionBits), exponent = Number((op >> BigInt(f.fractionBits)) & BigInt(f.maximum))
  if (exponent !== 0) return { fraction, exponent }
  while (fraction >> 51n === 0n) {
    fraction <<= 1n
    exponent--
  }
  return { fraction: (fraction << 1n) & ((1n << 52n) - 1n), exponent }
}

const packFraction = (f: Format, sign: number, exponent: number, fraction: bigint): bigint =>
  (BigInt(sign) << BigInt(f.bits - 1)) | (BigInt(exponent) << BigInt(f.fractionBits)) | (fraction >> BigInt(52 - f.fractionBits))

export function recipEstimateFP(f: Format, op: bigint, env: Environment): bigint {
  const a = unpack(f, op, env)
  const nan = processNaNs(f, env, a)
  if (nan !== undefined) return nan
  if (a.kind === 'infinity') return zero(f, a.sign)
  if (a.kind === 'zero') {
    env.raise(FPSR.DZC)
    return infinity(f, a.sign)
  }
  const { fraction, exponent } = normalised(f, op)
  // 2^-128 (single): the reciprocal is beyond the largest number.
  if (exponent < -1) {
    env.raise(FPSR.OFC | FPSR.IXC)
    return overflowed(f, a.sign, env.rounding())
  }
  const result = f.maximum - 2 - exponent
  if (result <= 0 && env.flushes(f)) {
    env.raise(FPSR.UFC)
    return zero(f, a.sign)
  }
  const estimate = BigInt(recipEstimate(256 + Number(fraction >> 44n)) & 255) << 44n
  if (result > 0) return packFraction(f, a.sign, result, estimate)
  return packFraction(f, a.sign, 0, result === 0 ? (1n << 51n) | (estimate >> 1n) : (1n << 50n) | (estimate >> 2n))
}

export function rsqrtEstimateFP(f: Format, op: bigint, env: Environment): bigint {
  const a = unpack(f, op, env)
  const nan = processNaNs(f, env, a)
  if (nan !== undefined) return nan
  if (a.kind === 'zero') {
    env.raise(FPSR.DZC)
    return infinity(f, a.sign)
  }
  if (a.sign) return invalid(f, env)
  if (a.kind === 'infinity') return zero(f, 0)
  const { fraction, exponent } = normalised(f, op)
  const leading = Number(fraction >> 44n)
  const estimate = recipSqrtEstimate((exponent & 1) === 0 ? 256 + leading : 128 + (leading >> 1))
  const result = (3 * ((f.maximum - 1) / 2) - 1 - exponent) / 2
  return packFraction(f, 0, Math.floor(result), BigInt(estimate & 255) << 44n)
}

export function recpX(f: Format, op: bigint, env: Environment): bigint {
  const a = unpack(f, op, env)
  const nan = processNaNs(f, env, a)
  if (nan !== undefined) return nan
  const exponent = Number((op >> BigInt(f.fractionBits)) & BigInt(f.maximum))
  return packFraction(f, a.sign, exponent === 0 ? f.maximum - 1 : f.maximum ^ exponent, 0n)
}
