/** Conversions: FPConvert(), FPRoundInt(), FPToFixed(), FixedToFP(), FPToFixedJS(). */
import type { Rounding } from '../fp-operation.ts'
import {
  type Environment, type Format, type Unpacked, FPSR, defaultNaN, infinity, isNaN, processNaNs, round, roundsUp, shiftRight, unpack, zero,
} from './number.ts'

export function convert(from: Format, to: Format, op: bigint, rounding: Rounding, env: Environment): bigint {
  const a = unpack(from, op, env), alternative = to.bits === 16 && env.alternativeHalf
  if (isNaN(a)) {
    if (a.kind === 'signalling' || alternative) env.raise(FPSR.IOC)
    if (alternative) return zero(to, a.sign)
    if (env.defaultNaN) return defaultNaN(to)
    // FPConvertNaN(): the payload keeps its leading bits.
    const payload = op & (from.fractionMask >> 1n), shift = BigInt(from.fractionBits - to.fractionBits)
    const moved = shift > 0n ? payload >> shift : payload << -shift
    return (BigInt(a.sign) << BigInt(to.bits - 1)) | defaultNaN(to) | moved
  }
  if (a.kind === 'infinity') {
    if (!alternative) return infinity(to, a.sign)
    env.raise(FPSR.IOC)
    return infinity(to, a.sign) | to.fractionMask
  }
  if (a.kind === 'zero') return zero(to, a.sign)
  return round(to, a.sign, a.mantissa, a.exponent, env, rounding)
}

/** Magnitude of a finite value times 2^scale, rounded to an integer. */
function roundedMagnitude(a: Unpacked, scale: number, rounding: Rounding): { readonly magnitude: bigint, readonly exact: boolean } {
  const { whole, remainder } = shiftRight(a.mantissa, -(a.exponent + scale))
  return { magnitude: whole + (roundsUp(rounding, a.sign, (whole & 1n) !== 0n, remainder) ? 1n : 0n), exact: remainder === 0 }
}

export function roundToIntegral(f: Format, op: bigint, mode: Rounding, signalsInexact: boolean, env: Environment): bigint {
  const a = unpack(f, op, env)
  const nan = processNaNs(f, env, a)
  if (nan !== undefined) return nan
  if (a.kind === 'infinity') return infinity(f, a.sign)
  if (a.kind === 'zero') return zero(f, a.sign)
  const { magnitude, exact } = roundedMagnitude(a, 0, env.rounding(mode))
  if (!exact && signalsInexact) env.raise(FPSR.IXC)
  return magnitude === 0n ? zero(f, a.sign) : round(f, a.sign, magnitude, 0, env, 'ZERO')
}

export function toFixed(f: Format, op: bigint, fractionBits: number, width: number, unsigned: boolean, mode: Rounding, env: Environment): bigint {
  const a = unpack(f, op, env)
  const limit = a.sign ? (unsigned ? 0n : 1n << BigInt(width - 1)) : (1n << BigInt(unsigned ? width : width - 1)) - 1n
  const saturated = (): bigint => {
    env.raise(FPSR.IOC)
    return BigInt.asUintN(width, a.sign ? -limit : limit)
  }
  if (isNaN(a)) {
    env.raise(FPSR.IOC)
    return 0n
  }
  if (a.kind === 'infinity') return saturated()
  const { magnitude, exact } = roundedMagnitude(a, fractionBits, env.rounding(mode))
  if (magnitude > limit) return saturated()
  if (!exact) env.raise(FPSR.IXC)
  return BigInt.asUintN(width, a.sign ? -magnitude : magnitude)
}

export function fromFixed(f: Format, op: bigint, fractionBits: number, width: number, unsigned: boolean, env: Environment): bigint {
  const value = unsigned ? BigInt.asUintN(width, op) : BigInt.asIntN(width, op)
  if (value === 0n) return zero(f, 0)
  return value < 0n ? round(f, 1, -value, -fractionBits, env) : round(f, 0, value, -fractionBits, env)
}

/** ToInt32 of ECMAScript; bit 32 is PSTATE.Z: nothing was lost. */
export function toFixedJS(f: Format, op: bigint, env: Environment): bigint {
  const a = unpack(f, op, env)
  if (isNaN(a) || a.kind === 'infinity') {
    env.raise(FPSR.IOC)
    return 0n
  }
  const { magnitude, exact } = roundedMagnitude(a, 0, 'ZERO')
  const value = a.sign ? -magnitude : magnitude
  const overflow = value !== BigInt.asIntN(32, value)
  if (overflow) env.raise(FPSR.IOC)
  else if (!exact) env.raise(FPSR.IXC)
  // Of the zeros only +0 itself, not -0 or a number that was flushed.
  const whole = exact && !overflow && (a.kind !== 'zero' || op === 0n)
  return BigInt.asUintN(32, value) | (whole ? 1n << 32n : 0n)
}
