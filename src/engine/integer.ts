/** Integer operations that WebAssembly does not have, as expressions. */
import * as W from './wasm/expression.ts'
import { I64 } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'

/** Division by zero gives 0 in A64 and a trap in WebAssembly: divide by 1 there and discard. */
export function unsignedDivision(a: Expression, b: Expression): Expression {
  const zero = W.eqz(b)
  const divisor = W.or(b, b.type === I64 ? W.extendU(zero) : zero)
  return W.select(W.constant(b.type, 0), W.divU(a, divisor), zero)
}

/** Divisors 0 and -1 are kept from the operator (MIN / -1 traps): -a & b is 0 and -a, which is MIN for MIN. */
export function signedDivision(a: Expression, b: Expression): Expression {
  const ordinary = W.gtU(W.add(b, W.constant(b.type, 1)), W.constant(b.type, 1))
  const divisor = W.select(b, W.constant(b.type, 1), ordinary)
  return W.select(W.divS(a, divisor), W.and(W.sub(W.constant(a.type, 0), a), b), ordinary)
}

/** Schoolbook product of 32-bit halves; only the highest ones are signed. */
function highProduct(a: Expression, b: Expression, shiftHigh: typeof W.shrU): Expression {
  const low = W.i64Pair(0, -1), half = W.i64(32)
  const aLow = W.and(a, low), bLow = W.and(b, low), aHigh = shiftHigh(a, half), bHigh = shiftHigh(b, half)
  const middle = W.add(W.mul(aHigh, bLow), W.shrU(W.mul(aLow, bLow), half))
  const other = W.add(W.mul(aLow, bHigh), W.and(middle, low))
  return W.add(W.add(W.mul(aHigh, bHigh), shiftHigh(middle, half)), shiftHigh(other, half))
}
export const unsignedHighProduct = (a: Expression, b: Expression): Expression => highProduct(a, b, W.shrU)
export const signedHighProduct = (a: Expression, b: Expression): Expression => highProduct(a, b, W.shrS)

const repeat = (e: Expression, pattern: number): Expression => e.type === I64 ? W.i64Pair(pattern, pattern) : W.i32(pattern)

/** Exchanges neighbouring groups of `bits` bits; `mask` has the lower group of each pair in every 32 bits. */
function swapGroups(e: Expression, bits: number, mask: number): Expression {
  const m = repeat(e, mask), n = W.constant(e.type, bits)
  return W.or(W.shl(W.and(e, m), n), W.and(W.shrU(e, n), m))
}

export function reverseBytes(e: Expression, unit: 16 | 32 | 64): Expression {
  let result = swapGroups(e, 8, 0x00ff_00ff)
  if (unit >= 32) result = e.type === I64 ? swapGroups(result, 16, 0x0000_ffff) : W.rotr(result, W.i32(16))
  if (unit === 64) result = W.rotr(result, W.i64(32))
  return result
}

export function reverseBits(e: Expression): Expression {
  const bytes = swapGroups(swapGroups(swapGroups(e, 1, 0x5555_5555), 2, 0x3333_3333), 4, 0x0f0f_0f0f)
  return reverseBytes(bytes, e.type === I64 ? 64 : 32)
}
