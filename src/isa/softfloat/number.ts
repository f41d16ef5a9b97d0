/** Formats, FPCR and FPSR, unpacking and rounding: FPUnpack(), FPRound() and what they need (Arm ARM J1.3, shared/functions/float). */
import type { FpBits, Rounding } from '../fp-operation.ts'

export const FPCR = { RMODE_SHIFT: 22, FZ: 1 << 24, DN: 1 << 25, AHP: 1 << 26 } as const
export const FPSR = { IOC: 1, DZC: 2, OFC: 4, UFC: 8, IXC: 16, IDC: 128, QC: 1 << 27 } as const

const MODES: readonly Rounding[] = ['TIEEVEN', 'POSINF', 'NEGINF', 'ZERO']

export interface Format {
  readonly bits: FpBits
  readonly exponentBits: number
  readonly fractionBits: number
  readonly fractionMask: bigint
  /** Biased exponent of infinities and NaNs. */
  readonly maximum: number
  /** Exponent of the least normal number. */
  readonly minimumExponent: number
}

function format(bits: FpBits, exponentBits: number): Format {
  const fractionBits = bits - 1 - exponentBits
  return {
    bits, exponentBits, fractionBits, fractionMask: (1n << BigInt(fractionBits)) - 1n, maximum: 2 ** exponentBits - 1,
    minimumExponent: 2 - 2 ** (exponentBits - 1),
  }
}
export const FORMATS: Readonly<Record<FpBits, Format>> = { 16: format(16, 5), 32: format(32, 8), 64: format(64, 11) }

/** What an operation reads (FPCR) and accumulates (bits of FPSR). */
export class Environment {
  readonly fpcr: number
  flags = 0

  constructor(fpcr: number) {
    this.fpcr = fpcr
  }

  get defaultNaN(): boolean { return (this.fpcr & FPCR.DN) !== 0 }
  get alternativeHalf(): boolean { return (this.fpcr & FPCR.AHP) !== 0 }
  flushes(f: Format): boolean { return f.bits !== 16 && (this.fpcr & FPCR.FZ) !== 0 }
  rounding(rounding: Rounding = 'FPCR'): Rounding { return rounding === 'FPCR' ? MODES[(this.fpcr >> FPCR.RMODE_SHIFT) & 3]! : rounding }
  raise(flag: number): void { this.flags |= flag }
}

export type Kind = 'zero' | 'finite' | 'infinity' | 'quiet' | 'signalling'

/** (-1)^sign * mantissa * 2^exponent where `kind` is 'finite' or 'zero'. */
export interface Unpacked { readonly kind: Kind, readonly sign: 0 | 1, readonly mantissa: bigint, readonly exponent: number, readonly bits: bigint }

export function unpack(f: Format, bits: bigint, env: Environment): Unpacked {
  const sign = Number(bits >> BigInt(f.bits - 1)) as 0 | 1
  const biased = Number((bits >> BigInt(f.fractionBits)) & BigInt(f.maximum)), fraction = bits & f.fractionMask
  const special = biased === f.maximum && !(f.bits === 16 && env.alternativeHalf)
  if (special) {
    const kind = fraction === 0n ? 'infinity' : fraction >> BigInt(f.fractionBits - 1) ? 'quiet' : 'signalling'
    return { kind, sign, mantissa: 0n, exponent: 0, bits }
  }
  if (biased === 0) {
    const flushed = fraction !== 0n && env.flushes(f)
    if (flushed) env.raise(FPSR.IDC)
    if (fraction === 0n || flushed) return { kind: 'zero', sign, mantissa: 0n, exponent: 0, bits }
    return { kind: 'finite', sign, mantissa: fraction, exponent: f.minimumExponent - f.fractionBits, bits }
  }
  return { kind: 'finite', sign, mantissa: fraction | (1n << BigInt(f.fractionBits)), exponent: biased - 1 + f.minimumExponent - f.fractionBits, bits }
}

export const isNaN = (x: Unpacked): boolean => x.kind === 'quiet' || x.kind === 'signalling'

const pack = (f: Format, sign: number, biased: number, fraction: bigint): bigint =>
  (BigInt(sign) << BigInt(f.bits - 1)) | (BigInt(biased) << BigInt(f.fractionBits)) | fraction

export const zero = (f: Format, sign: number): bigint => pack(f, sign, 0, 0n)
export const infinity = (f: Format, sign: number): bigint => pack(f, sign, f.maximum, 0n)
export const maximumNormal = (f: Format, sign: number): bigint => pack(f, sign, f.maximum - 1, f.fractionMask)
export const defaultNaN = (f: Format): bigint => pack(f, 0, f.maximum, 1n << BigInt(f.fractionBits - 1))

export function invalid(f: Format, env: Environment): bigint {
  env.raise(FPSR.IOC)
  return defaultNaN(f)
}

/** FPProcessNaN(). */
function processNaN(f: Format, x: Unpacked, env: Environment): bigint {
  if (x.kind === 'signalling') env.raise(FPSR.IOC)
  return env.defaultNaN ? defaultNaN(f) : x.bits | (1n << BigInt(f.fractionBits - 1))
}

/** FPProcessNaNs(): signalling ones first, each in the order of operands; undefined when there is none. */
export function processNaNs(f: Format, env: Environment, ...operands: readonly Unpacked[]): bigint | undefined {
  const chosen = operands.find(x => x.kind === 'signalling') ?? operands.find(isNaN)
  return chosen === undefined ? undefined : processNaN(f, chosen, env)
}

export const bitLength = (value: bigint): number => value === 0n ? 0 : value.toString(2).length

/** Quotient by 2^shift (to the left when negative), and whether the remainder is below, at or above one half (0: exact). */
export function shiftRight(value: bigint, shift: number): { readonly whole: bigint, readonly remainder: 0 | 1 | 2 | 3 } {
  if (shift <= 0) return { whole: value << BigInt(-shift), remainder: 0 }
  const whole = value >> BigInt(shift), rest = value - (whole << BigInt(shift)), half = 1n << BigInt(shift - 1)
  return { whole, remainder: rest === 0n ? 0 : rest < half ? 1 : rest === half ? 2 : 3 }
}

/** Whether a magnitude with this remainder is rounded away from zero. */
export function roundsUp(rounding: Rounding, sign: number, odd: boolean, remainder: 0 | 1 | 2 | 3): boolean {
  switch (rounding) {
    case 'TIEEVEN': return remainder === 3 || (remainder === 2 && odd)
    case 'TIEAWAY': return remainder >= 2
    case 'POSINF': return remainder !== 0 && sign === 0
    case 'NEGINF': return remainder !== 0 && sign === 1
    // ODD: the nearest value with an odd last bit.
    case 'ODD': return remainder !== 0 && !odd
    default: return false
  }
}

const overflowsToInfinity = (rounding: Rounding, sign: number): boolean =>
  rounding === 'TIEEVEN' || rounding === 'TIEAWAY' || rounding === (sign ? 'NEGINF' : 'POSINF')

/** What a result beyond the largest number becomes: the exceptions are the caller's. */
export const overflowed = (f: Format, sign: number, rounding: Rounding): bigint =>
  overflowsToInfinity(rounding, sign) ? infinity(f, sign) : maximumNormal(f, sign)

/** FPRound(): (-1)^sign * mantissa * 2^exponent, mantissa > 0. The mantissa is exact, or its last bit stands for a non-zero rest. */
export function round(f: Format, sign: number, mantissa: bigint, exponent: number, env: Environment, mode: Rounding = 'FPCR'): bigint {
  const rounding = env.rounding(mode)
  const top = exponent + bitLength(mantissa) - 1
  if (top < f.minimumExponent && env.flushes(f)) {
    env.raise(FPSR.UFC)
    return zero(f, sign)
  }
  const unit = Math.max(top, f.minimumExponent) - f.fractionBits
  const { whole, remainder } = shiftRight(mantissa, unit - exponent)
  let biased = top < f.minimumExponent ? 0 : top - f.minimumExponent + 1, result = whole
  if (biased === 0 && remainder !== 0) env.raise(FPSR.UFC)
  if (roundsUp(rounding, sign, (whole & 1n) !== 0n, remainder)) {
    result++
    if (result >> BigInt(f.fractionBits + 1)) {
      biased++
      result >>= 1n
    } else if (biased === 0 && result >> BigInt(f.fractionBits)) biased = 1
  }
  if (f.bits === 16 && env.alternativeHalf) {
    if (biased > f.maximum) {
      env.raise(FPSR.IOC)
      return pack(f, sign, f.maximum, f.fractionMask)
    }
  } else if (biased >= f.maximum) {
    env.raise(FPSR.OFC | FPSR.IXC)
    return overflowed(f, sign, rounding)
  }
  if (remainder !== 0) env.raise(FPSR.IXC)
  return pack(f, sign, biased, result & f.fractionMask)
}

/** An exact signed value, which may be zero: then the sign is that of `rounding`. */
export function roundSigned(f: Format, value: bigint, exponent: number, env: Environment): bigint {
  if (value === 0n) return zero(f, env.rounding() === 'NEGINF' ? 1 : 0)
  return value < 0n ? round(f, 1, -value, exponent, env) : round(f, 0, value, exponent, env)
}

/** Sum of two exact signed values; the exponent is the smaller one. */
export function addExact(a: bigint, aExponent: number, b: bigint, bExponent: number): { readonly value: bigint, readonly exponent: number } {
  const exponent = Math.min(aExponent, bExponent)
  return { value: (a << BigInt(aExponent - exponent)) + (b << BigInt(bExponent - exponent)), exponent }
}

export const signedMantissa = (x: Unpacked): bigint => x.sign ? -x.mantissa : x.mantissa

/** Order of two numbers that are not NaN: negative, zero or positive. */
export function order(a: Unpacked, b: Unpacked): number {
  const rank = (x: Unpacked): number => x.kind === 'infinity' ? (x.sign ? -1 : 1) : 0
  if (rank(a) !== 0 || rank(b) !== 0) return rank(a) - rank(b)
  const { value } = addExact(signedMantissa(a), a.exponent, -signedMantissa(b), b.exponent)
  return value === 0n ? 0 : value < 0n ? -1 : 1
}
