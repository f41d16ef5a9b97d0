/**
 * Expression trees over WebAssembly operators, with smart constructors that fold constants. 64-bit constants are int32 pairs:
 * no BigInt is made per node.
 *
 * `op` is the binary opcode; operators behind a prefix byte have the prefix in the bits above (0xfd << 12 | sub-opcode).
 */

export const I32 = 0x7f
export const I64 = 0x7e
export const F32 = 0x7d
export const F64 = 0x7c
export const V128 = 0x7b
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128

const OP = {
  call: 0x10, select: 0x1b, localGet: 0x20, i32Const: 0x41, i64Const: 0x42,
  wrap: 0xa7, extendS: 0xac, extendU: 0xad,
} as const
/** Operators from here up are leaves that only a lowering understands; see `leaf`. */
export const ABSTRACT = 0x100_0000
export const simdOp = (sub: number): number => (0xfd << 12) | sub

export interface Expression {
  readonly op: number
  readonly type: ValueType
  readonly operands: readonly Expression[]
  /** Immediate: constant (low half), local or function index, memory offset, lane. */
  readonly low: number
  /** High half of a constant. */
  readonly high: number
  /** Name of an abstract leaf's operand. */
  readonly name: string
  /** Sixteen bytes of v128.const and i8x16.shuffle. */
  readonly bytes: Uint8Array | undefined
}

const NONE: readonly Expression[] = []

function node(op: number, type: ValueType, operands: readonly Expression[] = NONE, low = 0, high = 0, name = '', bytes?: Uint8Array): Expression {
  return { op, type, operands, low, high, name, bytes }
}

export const i32 = (value: number): Expression => node(OP.i32Const, I32, NONE, value | 0)
/** 64-bit constant from halves. */
export const i64Pair = (high: number, low: number): Expression => node(OP.i64Const, I64, NONE, low | 0, high | 0)
/** 64-bit constant from a number within int32, sign-extended. */
export const i64 = (value: number): Expression => i64Pair(value < 0 ? -1 : 0, value)
export const i64Big = (value: bigint): Expression => i64Pair(Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value)))
export const constant = (type: ValueType, value: number): Expression => type === I64 ? i64(value) : i32(value)
/** An abstract leaf `op` of a lowering. */
export const leaf = (op: number, type: ValueType, name: string, low = 0, operands = NONE): Expression => node(ABSTRACT + op, type, operands, low, 0, name)

export const isConstant = (e: Expression): boolean => e.op === OP.i32Const || e.op === OP.i64Const
const isZero = (e: Expression): boolean => isConstant(e) && e.low === 0 && e.high === 0
const isOnes = (e: Expression): boolean => isConstant(e) && e.low === -1 && (e.type === I32 || e.high === -1)

const both = (a: Expression, b: Expression): boolean => isConstant(a) && isConstant(b)
const binary = (op32: number, op64: number) => (a: Expression, b: Expression): Expression => node(a.type === I64 ? op64 : op32, a.type, [a, b])
const compare = (op32: number, op64: number) => (a: Expression, b: Expression): Expression => node(a.type === I64 ? op64 : op32, I32, [a, b])
const unary = (op32: number, op64: number) => (a: Expression): Expression => node(a.type === I64 ? op64 : op32, a.type, [a])

export function add(a: Expression, b: Expression): Expression {
  if (isZero(b)) return a
  if (isZero(a)) return b
  if (both(a, b)) {
    if (a.type === I32) return i32(a.low + b.low)
    const low = (a.low >>> 0) + (b.low >>> 0)
    return i64Pair(a.high + b.high + (low > 0xffff_ffff ? 1 : 0), low)
  }
  // (x + c1) + c2: addresses within a structure
  if (isConstant(b) && a.op === (a.type === I64 ? 0x7c : 0x6a) && isConstant(a.operands[1]!)) return add(a.operands[0]!, add(a.operands[1]!, b))
  return node(a.type === I64 ? 0x7c : 0x6a, a.type, [a, b])
}
export const sub = (a: Expression, b: Expression): Expression => isZero(b) ? a : node(a.type === I64 ? 0x7d : 0x6b, a.type, [a, b])
export const mul = binary(0x6c, 0x7e)
/** Wasm division: traps on zero and overflow. */
export const divS = binary(0x6d, 0x7f)
export const divU = binary(0x6e, 0x80)
export function and(a: Expression, b: Expression): Expression {
  if (isOnes(b)) return a
  if (isOnes(a)) return b
  if (both(a, b)) return a.type === I64 ? i64Pair(a.high & b.high, a.low & b.low) : i32(a.low & b.low)
  return node(a.type === I64 ? 0x83 : 0x71, a.type, [a, b])
}
export function or(a: Expression, b: Expression): Expression {
  if (isZero(b)) return a
  if (isZero(a)) return b
  if (both(a, b)) return a.type === I64 ? i64Pair(a.high | b.high, a.low | b.low) : i32(a.low | b.low)
  return node(a.type === I64 ? 0x84 : 0x72, a.type, [a, b])
}
export function xor(a: Expression, b: Expression): Expression {
  if (isZero(b)) return a
  if (isZero(a)) return b
  if (both(a, b)) return a.type === I64 ? i64Pair(a.high ^ b.high, a.low ^ b.low) : i32(a.low ^ b.low)
  return node(a.type === I64 ? 0x85 : 0x73, a.type, [a, b])
}
export const not = (a: Expression): Expression => xor(a, constant(a.type, -1))
const shift = (op32: number, op64: number) => (a: Expression, n: Expression): Expression => isZero(n) ? a : node(a.type === I64 ? op64 : op32, a.type, [a, n])
export const shl = shift(0x74, 0x86)
export const shrS = shift(0x75, 0x87)
export const shrU = shift(0x76, 0x88)
export const rotr = shift(0x78, 0x8a)
export const rotl = shift(0x77, 0x89)
export const clz = unary(0x67, 0x79)
export const ctz = unary(0x68, 0x7a)
export const popcnt = unary(0x69, 0x7b)
export const eqz = (a: Expression): Expression => node(a.type === I64 ? 0x50 : 0x45, I32, [a])
export const eq = compare(0x46, 0x51)
export const ne = compare(0x47, 0x52)
export const ltS = compare(0x48, 0x53)
export const ltU = compare(0x49, 0x54)
export const gtS = compare(0x4a, 0x55)
export const gtU = compare(0x4b, 0x56)
export const leS = compare(0x4c, 0x57)
export const leU = compare(0x4d, 0x58)
export const geS = compare(0x4e, 0x59)
export const geU = compare(0x4f, 0x5a)
/** i64 to i32. */
export function wrap(a: Expression): Expression {
  if (isConstant(a)) return i32(a.low)
  return a.op === OP.extendS || a.op === OP.extendU ? a.operands[0]! : node(OP.wrap, I32, [a])
}
export const extendS = (a: Expression): Expression => isConstant(a) ? i64(a.low) : node(OP.extendS, I64, [a])
export const extendU = (a: Expression): Expression => isConstant(a) ? i64Pair(0, a.low) : node(OP.extendU, I64, [a])
export const signExtend8 = unary(0xc0, 0xc2)
export const signExtend16 = unary(0xc1, 0xc3)
export const signExtend32 = (a: Expression): Expression => node(0xc4, I64, [a])
/** condition ? a : b, both evaluated. */
export const select = (a: Expression, b: Expression, condition: Expression): Expression => node(OP.select, a.type, [a, b, condition])

/** Any other operator without immediates, by its opcode. */
export const operator = (op: number, type: ValueType, operands: readonly Expression[]): Expression => node(op, type, operands)
export const local = (index: number, type: ValueType): Expression => node(OP.localGet, type, NONE, index)
export const call = (index: number, type: ValueType, ...args: Expression[]): Expression => node(OP.call, type, args, index)
/** A SIMD operator: sub-opcode, result type, operands, lane. */
export const simd = (sub: number, type: ValueType, operands: readonly Expression[], lane = 0, bytes?: Uint8Array): Expression =>
  node(simdOp(sub), type, operands, lane, 0, '', bytes)
export const v128Const = (bytes: Uint8Array): Expression => simd(0x0c, V128, NONE, 0, bytes)

/** Loads by name; the number after the type is the size in bits. */
export const LOAD = {
  i32: 0x28, i64: 0x29, i32_8u: 0x2d, i32_8s: 0x2c, i32_16u: 0x2f, i32_16s: 0x2e,
  i64_8u: 0x31, i64_8s: 0x30, i64_16u: 0x33, i64_16s: 0x32, i64_32u: 0x35, i64_32s: 0x34, v128: simdOp(0x00),
} as const
export const STORE = { i32: 0x36, i64: 0x37, i32_8: 0x3a, i32_16: 0x3b, i64_8: 0x3c, i64_16: 0x3d, i64_32: 0x3e, v128: simdOp(0x0b) } as const

export function load(op: number, address: Expression, offset = 0): Expression {
  const type = op === LOAD.v128 ? V128 : op === LOAD.i64 || op >= LOAD.i64_8s ? I64 : I32
  return node(op, type, [address], offset)
}
export const isLoad = (op: number): boolean => (op >= 0x28 && op <= 0x35) || op === LOAD.v128
