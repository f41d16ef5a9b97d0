/** NZCV as a packed number (N is bit 3, V bit 0), computed eagerly. */
import * as W from './wasm/expression.ts'
import { I64 } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'
import type { FlagOperation } from './recorder.ts'

/** For each condition the set of NZCV values (bit n for value n) under which it holds. */
export const CONDITION_MASKS: readonly number[] = Array.from({ length: 16 }, (_, cond) => {
  let mask = 0
  for (let nzcv = 0; nzcv < 16; nzcv++) {
    const n = (nzcv & 8) !== 0, z = (nzcv & 4) !== 0, c = (nzcv & 2) !== 0, v = (nzcv & 1) !== 0
    const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1]!
    // 0b1111 is "always", too.
    if ((cond & 1) !== 0 && cond !== 15 ? !base : base) mask |= 1 << nzcv
  }
  return mask
})

/** 1 when bit `nzcv` of `mask` is set. */
export const conditionHolds = (mask: Expression, nzcv: Expression): Expression => W.and(W.shrU(mask, nzcv), W.i32(1))

/** The sign of `e` as bit `bit` of an i32. */
function signAt(e: Expression, bit: number): Expression {
  const width = e.type === I64 ? 64 : 32
  const moved = W.shrU(e, W.constant(e.type, width - 1 - bit))
  return W.and(width === 64 ? W.wrap(moved) : moved, W.i32(1 << bit))
}

export function nzcvOf(operation: FlagOperation, a: Expression, b: Expression, carry: Expression, result: Expression): Expression {
  if (operation === 'set') return a
  const nz = W.or(signAt(result, 3), W.shl(W.eqz(result), W.i32(2)))
  if (operation === 'logical') return nz
  const c = operation === 'sub' ? W.geU(a, b)
    : operation === 'add' ? W.ltU(result, a)
    // With a carry in, a + b + 1 = a also means a carry out (b is all ones).
    : W.or(W.ltU(result, a), W.and(carry.type === I64 ? W.wrap(carry) : carry, W.eq(result, a)))
  const overflow = operation === 'sub' ? W.and(W.xor(a, b), W.xor(a, result)) : W.and(W.xor(result, a), W.xor(result, b))
  return W.or(W.or(nz, W.shl(c, W.i32(1))), signAt(overflow, 0))
}
