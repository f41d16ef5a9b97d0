/** Floating-point values of the kinds that find errors. */
import type { FpBits } from '../fp-operation.ts'
import type { Random } from './random.ts'

const EXPONENT_BITS = { 16: 5, 32: 8, 64: 11 } as const

function bits(r: Random, n: number): bigint {
  return r.bits64() & ((1n << BigInt(n)) - 1n)
}

/** A bit pattern of `size` bits. */
export function floatingPoint(r: Random, size: FpBits): bigint {
  const E = EXPONENT_BITS[size], F = size - 1 - E, bias = 2 ** (E - 1) - 1, last = 2 ** E - 1
  const sign = BigInt(r.below(2)) << BigInt(size - 1)
  const value = (exponent: number, fraction: bigint): bigint => sign | (BigInt(Math.max(0, Math.min(last, exponent))) << BigInt(F)) | fraction
  const top = 1n << BigInt(F - 1), all = (1n << BigInt(F)) - 1n
  /** Few bits set, or few clear: sums and products that are exact, halfway, or next to it. */
  const sparse = (): bigint => {
    const some = (1n << BigInt(r.below(F))) ^ (r.chance(2) ? 1n << BigInt(r.below(F)) : 0n)
    return r.chance(4) ? all ^ some : r.chance(4) ? 0n : some
  }
  switch (r.below(12)) {
    case 0: return value(0, 0n)
    case 1: return value(last, r.pick([0n, 0n, top, top | bits(r, F - 1), 1n, bits(r, F - 1) | 1n]))
    case 2: return value(0, r.pick([1n, all, top, bits(r, F), sparse()]))
    case 3: return value(r.pick([1, 2, last - 1, last - 2]), r.pick([0n, 1n, all, sparse()]))
    // Around one, and around the exponents at which sums and products leave the range.
    case 4: case 5: case 6: return value(bias + r.below(9) - 4, sparse())
    case 7: return value(bias + r.below(2 * F) - F, r.chance(2) ? sparse() : bits(r, F))
    case 8: return value(r.pick([bias >> 1, bias + (bias >> 1), F, last - F]) + r.below(7) - 3, bits(r, F))
    // Near the limits of integers.
    case 9: return value(bias + r.pick([7, 15, 30, 31, 32, 62, 63, 64]) + r.below(2), r.pick([0n, 1n, all, sparse()]))
    case 10: return value(r.below(last), bits(r, F))
    default: return bits(r, size)
  }
}

/** A 128-bit register of such values. */
export function floatingPointRegister(r: Random, size: FpBits): bigint {
  let value = 0n
  for (let i = 0; i < 128; i += size) value |= floatingPoint(r, size) << BigInt(i)
  return value
}
