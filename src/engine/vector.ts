/** Lane-wise operations of isa/semantics.ts as WebAssembly v128 expressions, with substitutes for what WebAssembly has not. */
import type { LaneBits } from '../isa/semantics.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, V128 } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'

type ByBits = Readonly<Record<LaneBits, number>>
type Narrow = 8 | 16 | 32

/** Sub-opcodes of the SIMD proposal by lane size; 0: there is none. */
const OP = {
  splat: { 8: 0x0f, 16: 0x10, 32: 0x11, 64: 0x12 }, eq: { 8: 0x23, 16: 0x2d, 32: 0x37, 64: 0xd6 },
  ltS: { 8: 0x25, 16: 0x2f, 32: 0x39, 64: 0xd8 }, ltU: { 8: 0x26, 16: 0x30, 32: 0x3a, 64: 0 },
  shl: { 8: 0x6b, 16: 0x8b, 32: 0xab, 64: 0xcb }, shrS: { 8: 0x6c, 16: 0x8c, 32: 0xac, 64: 0xcc }, shrU: { 8: 0x6d, 16: 0x8d, 32: 0xad, 64: 0xcd },
  add: { 8: 0x6e, 16: 0x8e, 32: 0xae, 64: 0xce }, sub: { 8: 0x71, 16: 0x91, 32: 0xb1, 64: 0xd1 }, mul: { 8: 0, 16: 0x95, 32: 0xb5, 64: 0xd5 },
  minS: { 8: 0x76, 16: 0x96, 32: 0xb6, 64: 0 }, minU: { 8: 0x77, 16: 0x97, 32: 0xb7, 64: 0 },
  maxS: { 8: 0x78, 16: 0x98, 32: 0xb8, 64: 0 }, maxU: { 8: 0x79, 16: 0x99, 32: 0xb9, 64: 0 },
} as const satisfies Readonly<Record<string, ByBits>>
/** Of the source size; lower signed, upper signed, lower unsigned, upper unsigned follow each other. */
const EXTEND = { 8: 0x87, 16: 0xa7, 32: 0xc7 } as const
const EXTENDED_MULTIPLY = { 8: 0x9c, 16: 0xbc, 32: 0xdc } as const
const SUB = { shuffle: 0x0d, swizzle: 0x0e, and: 0x4e, or: 0x50, xor: 0x51, bitselect: 0x52, anyTrue: 0x53, popcnt: 0x62 } as const

const two = (sub: number, a: Expression, b: Expression): Expression => W.simd(sub, V128, [a, b])

/** Sixteen bytes of a 128-bit constant. */
export function vectorConstant(value: bigint): Expression {
  const bytes = new Uint8Array(16)
  for (let i = 0; i < 16; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn)
  return W.v128Const(bytes)
}
/** The same value in every lane. */
function repeated(bits: LaneBits, lane: bigint): Expression {
  let value = 0n
  for (let i = 0; i < 128; i += bits) value |= BigInt.asUintN(bits, lane) << BigInt(i)
  return vectorConstant(value)
}
const ZERO = vectorConstant(0n)

export const vAnd = (a: Expression, b: Expression): Expression => two(SUB.and, a, b)
export const vOr = (a: Expression, b: Expression): Expression => two(SUB.or, a, b)
export const vXor = (a: Expression, b: Expression): Expression => two(SUB.xor, a, b)
export const vNot = (a: Expression): Expression => W.simd(0x4d, V128, [a])
export const vSelect = (mask: Expression, a: Expression, b: Expression): Expression => W.simd(SUB.bitselect, V128, [a, b, mask])
export const vAnyTrue = (a: Expression): Expression => W.simd(SUB.anyTrue, I32, [a])

export const vAdd = (bits: LaneBits, a: Expression, b: Expression): Expression => two(OP.add[bits], a, b)
export const vSub = (bits: LaneBits, a: Expression, b: Expression): Expression => two(OP.sub[bits], a, b)
const shift = (op: ByBits) => (bits: LaneBits, a: Expression, amount: Expression): Expression => W.simd(op[bits], V128, [a, amount])
export const vShl = shift(OP.shl)
export const vShr = shift(OP.shrU)
export const vSar = shift(OP.shrS)

/** Bytes are multiplied as the even and the odd ones of 16-bit lanes. */
export function vMul(bits: LaneBits, a: Expression, b: Expression): Expression {
  if (bits !== 8) return two(OP.mul[bits], a, b)
  const eight = W.i32(8)
  const even = vAnd(vMul(16, a, b), repeated(16, 0xffn)), odd = vShl(16, vMul(16, vShr(16, a, eight), vShr(16, b, eight)), eight)
  return vOr(even, odd)
}

export const vEqual = (bits: LaneBits, a: Expression, b: Expression): Expression => two(OP.eq[bits], a, b)
export function vLess(bits: LaneBits, signed: boolean, a: Expression, b: Expression): Expression {
  if (signed) return two(OP.ltS[bits], a, b)
  if (bits !== 64) return two(OP.ltU[bits], a, b)
  const sign = repeated(64, 1n << 63n)
  return vLess(64, true, vXor(a, sign), vXor(b, sign))
}

export function vMin(bits: LaneBits, signed: boolean, a: Expression, b: Expression): Expression {
  if (bits === 64) return vSelect(vLess(64, signed, a, b), a, b)
  return two((signed ? OP.minS : OP.minU)[bits], a, b)
}
export function vMax(bits: LaneBits, signed: boolean, a: Expression, b: Expression): Expression {
  if (bits === 64) return vSelect(vLess(64, signed, a, b), b, a)
  return two((signed ? OP.maxS : OP.maxU)[bits], a, b)
}

const extractLane = (bits: 32 | 64, a: Expression, index: number): Expression => W.simd(bits === 64 ? 0x1d : 0x1b, bits === 64 ? I64 : I32, [a], index)
const replaceLane = (bits: 32 | 64, a: Expression, index: number, lane: Expression): Expression => W.simd(bits === 64 ? 0x1e : 0x1c, V128, [a, lane], index)

/** Lanes one by one: worth it where there are few. */
function shiftLanes(bits: 32 | 64, a: Expression, amounts: Expression, one: (lane: Expression, amount: Expression) => Expression): Expression {
  let result = ZERO
  for (let i = 0; i < 128 / bits; i++) result = replaceLane(bits, result, i, one(extractLane(bits, a, i), extractLane(bits, amounts, i)))
  return result
}

/** A step for each bit of the amounts, taken in the lanes that have it. */
function shiftInSteps(bits: 8 | 16, a: Expression, amounts: Expression, by: typeof vShl): Expression {
  let result = a
  for (let bit = 0; 1 << bit < bits; bit++) {
    const taken = vSar(bits, vShl(bits, amounts, W.i32(bits - 1 - bit)), W.i32(bits - 1))
    result = vSelect(taken, by(bits, result, W.i32(1 << bit)), result)
  }
  return result
}

function logicalShiftBy(by: typeof vShl, lane: (a: Expression, n: Expression) => Expression) {
  return (bits: LaneBits, a: Expression, amounts: Expression): Expression => {
    if (bits >= 32) {
      const wide = bits as 32 | 64, limit = W.constant(wide === 64 ? I64 : I32, bits)
      return shiftLanes(wide, a, amounts, (x, n) => W.select(lane(x, n), W.constant(x.type, 0), W.ltU(n, limit)))
    }
    return vAnd(shiftInSteps(bits as 8 | 16, a, amounts, by), vLess(bits, false, amounts, repeated(bits, BigInt(bits))))
  }
}
export const vShlBy = logicalShiftBy(vShl, W.shl)
export const vShrBy = logicalShiftBy(vShr, W.shrU)
export function vSarBy(bits: LaneBits, a: Expression, amounts: Expression): Expression {
  if (bits >= 32) {
    const wide = bits as 32 | 64, last = W.constant(wide === 64 ? I64 : I32, bits - 1)
    return shiftLanes(wide, a, amounts, (x, n) => W.shrS(x, W.select(n, last, W.ltU(n, last))))
  }
  return shiftInSteps(bits as 8 | 16, a, vMin(bits, false, amounts, repeated(bits, BigInt(bits - 1))), vSar)
}

const halfOf = (first: number, signed: boolean, upper: boolean): number => first + (signed ? 0 : 2) + (upper ? 1 : 0)
export const vWiden = (bits: Narrow, signed: boolean, upper: boolean, a: Expression): Expression => W.simd(halfOf(EXTEND[bits], signed, upper), V128, [a])
export const vMultiplyWide = (bits: Narrow, signed: boolean, upper: boolean, a: Expression, b: Expression): Expression =>
  two(halfOf(EXTENDED_MULTIPLY[bits], signed, upper), a, b)

export const vShuffle = (a: Expression, b: Expression, bytes: readonly number[]): Expression => W.simd(SUB.shuffle, V128, [a, b], 0, Uint8Array.from(bytes))
export const vTable = (table: Expression, indices: Expression): Expression => two(SUB.swizzle, table, indices)
export const vPopulation = (a: Expression): Expression => W.simd(SUB.popcnt, V128, [a])

/** One lane in all places: a shuffle where the index is known, else a swizzle. */
export function vElement(bits: LaneBits, a: Expression, index: Expression): Expression {
  const bytes = bits / 8, within = Array.from({ length: 16 }, (_, i) => i % bytes)
  if (W.isConstant(index)) {
    const first = (index.low & (128 / bits - 1)) * bytes
    return vShuffle(a, a, within.map(n => first + n))
  }
  const first = W.shl(W.and(index, W.i32(128 / bits - 1)), W.i32(Math.log2(bytes)))
  const all = W.simd(OP.splat[8], V128, [first])
  if (bytes === 1) return vTable(a, all)
  return vTable(a, vAdd(8, all, W.v128Const(Uint8Array.from(within))))
}
