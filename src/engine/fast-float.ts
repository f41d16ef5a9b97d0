/**
 * Floating point by WebAssembly's own operators, where the result and the exceptions are certainly those of the Arm ARM: FPCR asks for
 * nothing special, the result is in the range in which nothing but inexactness can have happened, and that is recorded in FPSR already
 * or shown not to have happened. In all other cases control runs on, to the slow path.
 */
import { type FpOperation, type Rounding } from '../isa/fp-operation.ts'
import { FPCR, FPSR } from '../isa/softfloat/index.ts'
import { SLOT } from '../sysreg/index.ts'
import { hot } from './helpers.ts'
import { HOT } from './layout.ts'
import { Code } from './wasm/code.ts'
import type { Label } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { F32, F64, I32, I64, LOAD, V128 } from './wasm/expression.ts'
import type { Expression, ValueType } from './wasm/expression.ts'
import { ModuleBuilder } from './wasm/module.ts'

const RMODE = 3 << FPCR.RMODE_SHIFT
const operator = W.operator
const load = (slot: number): Expression => W.load(LOAD.i32, hot(HOT.FILE), slot * 8)

/** FPCR asks for round to nearest without flushing; RMode counts where `rounds`. */
const ordinary = (rounds: boolean): Expression => W.eqz(W.and(load(SLOT.FPCR), W.i32(FPCR.FZ | (rounds ? RMODE : 0))))
/** The same, and FPSR.IXC is set: one comparison, as the bits of FPCR are above it. */
const ordinaryAndInexact = (rounds: boolean): Expression =>
  W.ltU(W.and(load(SLOT.FPCR), W.i32(FPCR.FZ | (rounds ? RMODE : 0))), W.and(load(SLOT.FPSR), W.i32(FPSR.IXC)))
/** 1 or 0: conditions are combined bit by bit. */
const inexactRecorded = (): Expression => W.and(W.shrU(load(SLOT.FPSR), W.i32(Math.log2(FPSR.IXC))), W.i32(1))

const conjunction = (first: Expression, ...rest: readonly Expression[]): Expression => rest.reduce((a, b) => W.and(a, b), first)
const either = (first: Expression, ...rest: readonly Expression[]): Expression => rest.reduce((a, b) => W.or(a, b), first)

/** Operators of a format, scalar or in all lanes. */
interface Float {
  readonly type: ValueType
  readonly bits: 32 | 64
  readonly lanes: boolean
  readonly fractionBits: number
  /** Opcodes: those of the scalar operators are one byte. */
  readonly op: { readonly [name in 'add' | 'sub' | 'mul' | 'div' | 'sqrt' | 'min' | 'max' | 'ceil' | 'floor' | 'trunc' | 'nearest' | 'abs' | 'neg' | 'eq' | 'lt' | 'gt' | 'ge']: number }
}
const scalarOps = (arithmetic: number, compare: number): Float['op'] => ({
  abs: arithmetic, neg: arithmetic + 1, ceil: arithmetic + 2, floor: arithmetic + 3, trunc: arithmetic + 4, nearest: arithmetic + 5, sqrt: arithmetic + 6, add: arithmetic + 7, sub: arithmetic + 8,
  mul: arithmetic + 9, div: arithmetic + 10, min: arithmetic + 11, max: arithmetic + 12, eq: compare, lt: compare + 2, gt: compare + 3, ge: compare + 5,
})
const laneOps = (base: number, compare: number, rounding: readonly [number, number, number, number]): Float['op'] => {
  const s = W.simdOp
  const [ceil, floor, trunc, nearest] = rounding
  return {
    abs: s(base), neg: s(base + 1), sqrt: s(base + 3), add: s(base + 4), sub: s(base + 5), mul: s(base + 6), div: s(base + 7), min: s(base + 8), max: s(base + 9),
    ceil: s(ceil), floor: s(floor), trunc: s(trunc), nearest: s(nearest), eq: s(compare), lt: s(compare + 2), gt: s(compare + 3), ge: s(compare + 5),
  }
}
const FLOATS: Readonly<Record<32 | 64, { readonly scalar: Float, readonly lanes: Float }>> = {
  32: {
    scalar: { type: F32, bits: 32, lanes: false, fractionBits: 23, op: scalarOps(0x8b, 0x5b) },
    lanes: { type: V128, bits: 32, lanes: true, fractionBits: 23, op: laneOps(0xe0, 0x41, [0x67, 0x68, 0x69, 0x6a]) },
  },
  64: {
    scalar: { type: F64, bits: 64, lanes: false, fractionBits: 52, op: scalarOps(0x99, 0x61) },
    lanes: { type: V128, bits: 64, lanes: true, fractionBits: 52, op: laneOps(0xec, 0x47, [0x74, 0x75, 0x7a, 0x94]) },
  },
}

const bitsAsF64 = (a: Expression): Expression => operator(0xbf, F64, [a])
const bitsAsF32 = (a: Expression): Expression => operator(0xbe, F32, [W.wrap(a)])
const f64Bits = (a: Expression): Expression => operator(0xbd, I64, [a])
const f32Bits = (a: Expression): Expression => W.extendU(operator(0xbc, I32, [a]))
const promote = (a: Expression): Expression => operator(0xbb, F64, [a])
const demote = (a: Expression): Expression => operator(0xb6, F32, [a])

/** i64.trunc_sat_f64_s and _u. */
const truncated = (unsigned: boolean, a: Expression): Expression => operator((0xfc << 12) | (unsigned ? 7 : 6), I64, [a])
/** f64.convert_i64 or f32.convert_i64. */
const converted = (bits: 32 | 64, unsigned: boolean, a: Expression): Expression => operator((bits === 64 ? 0xb9 : 0xb4) + (unsigned ? 1 : 0), bits === 64 ? F64 : F32, [a])
/** A vector from its two halves. */
const fromLanes64 = (lane: (i: number) => Expression): Expression => W.simd(0x1e, V128, [W.simd(0x12, V128, [lane(0)]), lane(1)], 1)

/** A double, in every lane for vectors; from its bits, so that no constant of another type is needed. */
function constant(f: Float, value: number): Expression {
  const view = new DataView(new ArrayBuffer(8))
  if (f.bits === 64) view.setFloat64(0, value)
  else view.setFloat32(4, value)
  const high = view.getInt32(0), low = view.getInt32(4)
  if (!f.lanes) return f.bits === 64 ? bitsAsF64(W.i64Pair(high, low)) : operator(0xbe, F32, [W.i32(low)])
  const bytes = new Uint8Array(16), lanes = new DataView(bytes.buffer)
  for (let at = 0; at < 16; at += f.bits / 8) {
    lanes.setInt32(at, low, true)
    if (f.bits === 64) lanes.setInt32(at + 4, high, true)
  }
  return W.v128Const(bytes)
}

/** Locals of a function that are free again after each operation. */
class Scratch {
  private readonly byType = new Map<ValueType, Expression[]>()
  private readonly used = new Map<ValueType, number>()
  private readonly code: Code

  constructor(code: Code) {
    this.code = code
  }

  release(): void { this.used.clear() }
  local(type: ValueType): Expression {
    const used = this.used.get(type) ?? 0, locals = this.byType.get(type) ?? []
    this.byType.set(type, locals)
    this.used.set(type, used + 1)
    return locals[used] ??= this.code.newLocal(type)
  }
}
const scratches = new WeakMap<Code, Scratch>()
function scratchOf(code: Code): Scratch {
  let known = scratches.get(code)
  if (known === undefined) scratches.set(code, known = new Scratch(code))
  return known
}

class FastPath {
  private readonly code: Code
  private readonly result: Expression
  private readonly done: Label
  private readonly f: Float
  private readonly fuses: boolean

  constructor(code: Code, result: Expression, done: Label, f: Float, fuses: boolean) {
    this.code = code
    this.result = result
    this.done = done
    this.f = f
    this.fuses = fuses
  }

  /** `value` in a local. */
  private let(value: Expression): Expression {
    const local = scratchOf(this.code).local(value.type)
    this.code.set(local, value)
    return local
  }
  private when(condition: Expression, then: () => void): void { this.code.if(condition, then) }
  private finish(value: Expression): void {
    this.code.set(this.result, value)
    this.code.branch(this.done)
  }

  private unary(name: keyof Float['op'], a: Expression): Expression { return operator(this.f.op[name], a.type, [a]) }
  private binary(name: keyof Float['op'], a: Expression, b: Expression): Expression { return operator(this.f.op[name], a.type, [a, b]) }
  /** A condition of scalars, a mask of vectors. */
  private compare(name: 'eq' | 'lt' | 'gt' | 'ge', a: Expression, b: Expression): Expression {
    return operator(this.f.op[name], this.f.lanes ? V128 : I32, [a, b])
  }
  private and(a: Expression, b: Expression): Expression { return this.f.lanes ? W.simd(0x4e, V128, [a, b]) : W.and(a, b) }
  private or(a: Expression, b: Expression): Expression { return this.f.lanes ? W.simd(0x50, V128, [a, b]) : W.or(a, b) }
  /** A condition: holds in all lanes. */
  private all(mask: Expression): Expression { return this.f.lanes ? W.simd(this.f.bits === 64 ? 0xc3 : 0xa3, I32, [mask]) : mask }

  /** Operand from its bits. */
  operand(bits: Expression): Expression {
    if (this.f.lanes) return this.let(bits)
    return this.let(this.f.bits === 64 ? bitsAsF64(bits) : bitsAsF32(bits))
  }
  private toBits(value: Expression): Expression {
    return this.f.lanes ? value : this.f.bits === 64 ? f64Bits(value) : f32Bits(value)
  }

  private isZero(a: Expression): Expression { return this.compare('eq', a, constant(this.f, 0)) }
  private isFinite(a: Expression): Expression { return this.compare('lt', this.unary('abs', a), constant(this.f, Infinity)) }
  /** Above the least normal number, where rounding may have hidden an underflow, and finite. */
  private isNormal(a: Expression): Expression {
    return this.and(this.isFinite(a), this.compare('gt', this.unary('abs', a), constant(this.f, this.f.bits === 64 ? 2 ** -1022 : 2 ** -126)))
  }

  /** Trailing zeros of the fraction with its leading one. */
  private trailingZeros(a: Expression): Expression {
    const { bits, fractionBits } = this.f
    return bits === 64 ? W.wrap(W.ctz(W.or(f64Bits(a), W.i64Pair(1 << (fractionBits - 32), 0)))) : W.ctz(W.or(operator(0xbc, I32, [a]), W.i32(1 << fractionBits)))
  }
  /** Enough to know that a product of normal numbers is exact. */
  private productIsExact(a: Expression, b: Expression): Expression {
    return W.geS(W.add(this.trailingZeros(a), this.trailingZeros(b)), W.i32(this.f.fractionBits + 1))
  }
  /** Rest of a sum that was rounded to `r` (Knuth's 2Sum). */
  private sumError(a: Expression, b: Expression, r: Expression): Expression {
    const bRounded = this.let(this.binary('sub', r, a)), aRounded = this.binary('sub', r, bRounded)
    return this.binary('add', this.binary('sub', a, aRounded), this.binary('sub', b, bRounded))
  }

  /** Results of which only inexactness is in question: `accepted` says that nothing else happened, `exact` that not even that did. */
  private arithmetic(r: Expression, accepted: Expression, otherwise: Expression | undefined, exact: (() => Expression) | undefined): void {
    this.when(ordinaryAndInexact(true), () => {
      this.when(this.all(accepted), () => this.finish(this.toBits(r)))
      if (otherwise !== undefined) this.when(this.all(this.or(accepted, otherwise)), () => this.finish(this.toBits(r)))
    })
    if (exact === undefined) return
    this.when(ordinary(true), () => {
      this.when(otherwise === undefined ? accepted : W.or(accepted, otherwise), () => {
        this.when(exact(), () => this.finish(this.toBits(r)))
      })
    })
  }
  /** No exactness to be shown in lanes: the slow path records inexactness, and the next operation is fast. */
  private scalarOnly(exact: () => Expression): (() => Expression) | undefined { return this.f.lanes ? undefined : exact }

  sum(name: 'add' | 'sub', a: Expression, b: Expression): void {
    const r = this.let(this.binary(name, a, b))
    // A sum below the normal numbers is exact.
    this.arithmetic(r, this.isFinite(r), undefined, this.scalarOnly(() => {
      const second = name === 'sub' ? this.let(this.unary('neg', b)) : b
      return this.isZero(this.sumError(a, second, r))
    }))
  }

  product(a: Expression, b: Expression): void {
    const r = this.let(this.binary('mul', a, b))
    const zero = this.and(this.isZero(r), this.or(this.isZero(a), this.isZero(b)))
    this.arithmetic(r, this.isNormal(r), zero, this.scalarOnly(() => either(this.isZero(r), this.productIsExact(a, b))))
  }

  quotient(a: Expression, b: Expression): void {
    const r = this.let(this.binary('div', a, b))
    this.arithmetic(r, this.isNormal(r), this.and(this.isZero(r), this.isZero(a)), this.scalarOnly(() =>
      either(this.isZero(r), W.and(this.productIsExact(r, b), this.compare('eq', this.binary('mul', r, b), a)))))
  }

  squareRoot(a: Expression): void {
    const r = this.let(this.unary('sqrt', a))
    this.arithmetic(r, this.isNormal(r), this.isZero(r), this.scalarOnly(() =>
      either(this.isZero(r), W.and(this.productIsExact(r, r), this.compare('eq', this.binary('mul', r, r), a)))))
  }

  /** (addend + a * b) * scale; scale is a power of two. */
  multiplyAdd(c: Expression, a: Expression, b: Expression, scale = 1): void {
    const fused = this.fused(c, a, b)
    if (fused === undefined) return
    const r = this.let(scale === 1 ? fused : this.binary('mul', fused, constant(this.f, scale)))
    // A product of zero leaves the addend; a sum of zero is exact where the addend is not so small that its rest could have vanished.
    const large = this.compare('gt', this.unary('abs', c), constant(this.f, this.f.bits === 64 ? 2 ** -900 : 2 ** -70))
    const product = this.and(this.isFinite(r), this.or(this.isZero(a), this.isZero(b)))
    this.arithmetic(r, this.isNormal(r), this.or(product, this.and(this.isZero(r), large)), this.scalarOnly(() => {
      const p = this.let(this.binary('mul', a, b)), s = this.let(this.binary('add', p, c))
      const exactProduct = either(this.isZero(a), this.isZero(b), W.and(this.isNormal(p), this.productIsExact(a, b)))
      return conjunction(exactProduct, this.isZero(this.sumError(p, c, s)))
    }))
  }

  /** FPRecipStepFused() and FPRSqrtStepFused(). */
  step(squareRoot: boolean, a: Expression, b: Expression): void {
    this.multiplyAdd(this.let(constant(this.f, squareRoot ? 3 : 2)), this.let(this.unary('neg', a)), b, squareRoot ? 0.5 : 1)
  }

  private fused(c: Expression, a: Expression, b: Expression): Expression | undefined {
    if (!this.f.lanes && this.f.bits === 32) return this.fusedSingle(c, a, b)
    if (!this.fuses) return this.f.lanes ? undefined : this.fusedDouble(c, a, b)
    const madd = W.simdOp(this.f.bits === 64 ? 0x107 : 0x105)
    if (this.f.lanes) return operator(madd, V128, [a, b, c])
    const splat = (x: Expression): Expression => W.simd(0x14, V128, [x])
    return W.simd(0x21, F64, [operator(madd, V128, [splat(a), splat(b), splat(c)])])
  }

  /** The product of singles is exact in double; the sum is rounded to odd there, so that rounding it again does no harm. */
  private fusedSingle(c: Expression, a: Expression, b: Expression): Expression {
    const double = new FastPath(this.code, this.result, this.done, FLOATS[64].scalar, this.fuses)
    const product = double.let(operator(0xa2, F64, [promote(a), promote(b)])), addend = double.let(promote(c))
    return demote(double.oddSum(product, addend))
  }

  /** a + b, the last bit set when something was lost. */
  private oddSum(a: Expression, b: Expression): Expression {
    const r = this.let(this.binary('add', a, b)), error = this.let(this.sumError(a, b, r)), bits = this.let(f64Bits(r))
    // With an error of the sign of the sum the odd neighbour is outwards, else inwards; where the last bit is set already it stays.
    const inexact = W.eqz(this.isZero(error))
    const opposite = W.shrS(W.xor(f64Bits(error), bits), W.i64(63))
    const toOdd = W.and(W.extendU(W.and(inexact, W.eqz(W.wrap(W.and(bits, W.i64(1)))))), W.i64(1))
    return bitsAsF64(W.add(bits, W.mul(toOdd, W.or(opposite, W.i64(1)))))
  }

  /** Boldo and Melquiond: exact product, exact sums, one rounding to odd. Used in the range in which none of it over- or underflows. */
  private fusedDouble(c: Expression, a: Expression, b: Expression): Expression {
    const split = (x: Expression): readonly [Expression, Expression] => {
      const scaled = this.let(this.binary('mul', x, constant(this.f, 2 ** 27 + 1)))
      const high = this.let(this.binary('sub', scaled, this.binary('sub', scaled, x)))
      return [high, this.let(this.binary('sub', x, high))]
    }
    const [aHigh, aLow] = split(a), [bHigh, bLow] = split(b)
    const p = this.let(this.binary('mul', a, b))
    const times = (x: Expression, y: Expression): Expression => this.binary('mul', x, y)
    const rest = this.let(this.binary('add', this.binary('add', this.binary('add', this.binary('sub', times(aHigh, bHigh), p), times(aHigh, bLow)), times(aLow, bHigh)), times(aLow, bLow)))
    const low = this.let(this.binary('add', c, rest)), lowError = this.let(this.sumError(c, rest, low))
    const high = this.let(this.binary('add', p, low)), highError = this.let(this.sumError(p, low, high))
    const fused = this.let(this.binary('add', high, this.oddSum(highError, lowError)))
    const between = (x: Expression, least: number, most: number): Expression =>
      W.and(this.compare('gt', this.unary('abs', x), constant(this.f, least)), this.compare('lt', this.unary('abs', x), constant(this.f, most)))
    const safe = conjunction(between(a, 2 ** -400, 2 ** 400), between(b, 2 ** -400, 2 ** 400), W.or(this.isZero(c), between(c, 2 ** -400, 2 ** 900)))
    // Not a number: the result is then not accepted.
    return operator(0x1b, F64, [fused, bitsAsF64(W.i64Pair(0x7ff8_0000, 0)), safe])
  }

  extreme(name: 'min' | 'max', a: Expression, b: Expression): void {
    const ordered = this.all(this.and(this.compare('eq', a, a), this.compare('eq', b, b)))
    this.when(W.and(ordinary(false), ordered), () => this.finish(this.toBits(this.binary(name, a, b))))
  }

  /** A mask; quiet NaNs are for the slow path. */
  mask(name: 'eq' | 'ge' | 'gt', a: Expression, b: Expression): void {
    const ordered = this.all(this.and(this.compare('eq', a, a), this.compare('eq', b, b)))
    const holds = this.compare(name, a, b)
    const mask = this.f.lanes ? holds : W.sub(W.i64(0), W.extendU(holds))
    this.when(W.and(ordinary(false), ordered), () => this.finish(this.f.lanes || this.f.bits === 64 ? mask : W.and(mask, W.i64Pair(0, -1))))
  }

  /** NZCV of a comparison: 0110, 1000, 0010. */
  flags(a: Expression, b: Expression): void {
    const less = this.let(this.compare('lt', a, b)), equal = this.let(this.compare('eq', a, b))
    const ordered = either(less, equal, this.compare('gt', a, b))
    this.when(W.and(ordinary(false), ordered), () => this.finish(W.extendU(W.select(W.i32(6), W.select(W.i32(8), W.i32(2), less), equal))))
  }

  /** Result of `round`, or undefined for roundings that FPCR decides otherwise. */
  private rounded(rounding: Rounding, a: Expression): Expression | undefined {
    switch (rounding) {
      case 'TIEEVEN': case 'FPCR': return this.unary('nearest', a)
      case 'POSINF': return this.unary('ceil', a)
      case 'NEGINF': return this.unary('floor', a)
      case 'ZERO': return this.unary('trunc', a)
      case 'TIEAWAY': {
        // Adding the number before one half, with the sign of `a`, and cutting off.
        const half = constant(this.f, this.f.bits === 64 ? 0.5 - 2 ** -54 : 0.5 - 2 ** -25)
        if (this.f.lanes) {
          const sign = constant(this.f, -0)
          return this.unary('trunc', this.binary('add', a, W.simd(0x50, V128, [half, W.simd(0x4e, V128, [a, sign])])))
        }
        return this.unary('trunc', this.binary('add', a, operator(this.f.bits === 64 ? 0xa6 : 0x98, this.f.type, [half, a])))
      }
      case 'ODD': return undefined
    }
  }

  roundToIntegral(rounding: Rounding, signalsInexact: boolean, a: Expression): void {
    const value = this.rounded(rounding, a)
    if (value === undefined) return
    const r = this.let(value), number = this.all(this.compare('eq', a, a))
    const inexactAllowed = signalsInexact ? [W.or(inexactRecorded(), this.all(this.compare('eq', r, a)))] : []
    this.when(conjunction(ordinary(rounding === 'FPCR'), number, ...inexactAllowed), () => this.finish(this.toBits(r)))
  }

  /** To an integer of `width` bits; in lanes of that size. */
  toInteger(rounding: Rounding, width: 32 | 64, unsigned: boolean, a: Expression): void {
    const value = this.rounded(rounding, a)
    if (value === undefined) return
    const r = this.let(value), least = unsigned ? 0 : -(2 ** (width - 1)), beyond = 2 ** (unsigned ? width : width - 1)
    const exact = W.or(inexactRecorded(), this.all(this.compare('eq', r, a)))
    if (this.f.lanes) {
      const inRange = this.all(this.and(this.compare('ge', r, constant(this.f, least)), this.compare('lt', r, constant(this.f, beyond))))
      const integers = width === 32 ? W.simd(unsigned ? 0xf9 : 0xf8, V128, [r]) : fromLanes64(i => truncated(unsigned, W.simd(0x21, F64, [r], i)))
      this.when(conjunction(ordinary(false), inRange, exact), () => this.finish(integers))
      return
    }
    const wide = this.f.bits === 64 ? r : this.let(promote(r)), double = FLOATS[64].scalar
    const compare = (op: number, limit: number): Expression => operator(op, I32, [wide, constant(double, limit)])
    this.when(conjunction(ordinary(false), W.and(compare(double.op.ge, least), compare(double.op.lt, beyond)), exact), () => {
      const integer = truncated(unsigned, wide)
      this.finish(width === 64 ? integer : W.and(integer, W.i64Pair(0, -1)))
    })
  }

  /** From an integer of `width` bits in 64, in a scalar. */
  fromInteger(width: 32 | 64, unsigned: boolean, value: Expression): void {
    const a = this.let(width === 64 ? value : unsigned ? W.and(value, W.i64Pair(0, -1)) : W.signExtend32(value))
    const r = converted(this.f.bits, unsigned, a)
    if (width === 32 && this.f.bits === 64) {
      this.finish(this.toBits(r))
      return
    }
    this.when(W.or(this.fits(unsigned, a), ordinaryAndInexact(true)), () => this.finish(this.toBits(r)))
  }

  /** From integers in lanes of the same size. */
  fromIntegers(unsigned: boolean, a: Expression): void {
    const lane = (i: number): Expression => W.simd(0x1d, I64, [a], i)
    if (this.f.bits === 64) {
      this.when(W.or(W.and(this.fits(unsigned, lane(0)), this.fits(unsigned, lane(1))), ordinaryAndInexact(true)), () => {
        this.finish(fromLanes64(i => f64Bits(converted(64, unsigned, lane(i)))))
      })
      return
    }
    const all = (n: number): Expression => W.simd(0x11, V128, [W.i32(n)])
    const small = unsigned ? W.simd(0x3e, V128, [a, all(2 ** 24)]) : W.simd(0x3e, V128, [W.simd(0xae, V128, [a, all(2 ** 24)]), all(2 ** 25)])
    this.when(W.or(this.all(small), ordinaryAndInexact(true)), () => this.finish(W.simd(unsigned ? 0xfb : 0xfa, V128, [a])))
  }

  /** Integers of as many bits as the fraction has, with its leading one, are exact. `a` is 64 bits. */
  private fits(unsigned: boolean, a: Expression): Expression {
    const power = (e: number): Expression => e < 31 ? W.i64(2 ** e) : W.i64Pair(1 << (e - 32), 0), n = this.f.fractionBits + 1
    return unsigned ? W.leU(a, power(n)) : W.leU(W.add(a, power(n)), power(n + 1))
  }

  /** Single to double and back. */
  convert(to: 32 | 64, rounding: Rounding, a: Expression): void {
    if (this.f.lanes || to === this.f.bits || rounding !== 'FPCR') return
    if (to === 64) {
      this.when(W.and(ordinary(false), this.compare('eq', a, a)), () => this.finish(f64Bits(promote(a))))
      return
    }
    const single = new FastPath(this.code, this.result, this.done, FLOATS[32].scalar, this.fuses)
    const r = this.let(demote(a))
    this.when(W.and(ordinaryAndInexact(true), single.isNormal(r)), () => this.finish(f32Bits(r)))
    this.when(W.and(ordinary(false), this.compare('eq', promote(r), a)), () => this.finish(f32Bits(r)))
  }
}

let known: boolean | undefined
/** Whether f64x2.relaxed_madd and f32x4.relaxed_madd exist and round once: they may do either, but the same everywhere in a process. */
export function hostFuses(): boolean {
  return known ??= probe(64, 1 + 2 ** -30) === 2 ** -60 && probe(32, 1 + 2 ** -12) === 2 ** -24
}
/** a * a minus the rounded square of `a`. */
function probe(bits: 32 | 64, a: number): number {
  const module = new ModuleBuilder(), code = new Code(1), type = bits === 64 ? F64 : F32, index = module.declare([type], [type], 'probe')
  const scalar = FLOATS[bits].scalar.op, parameter = W.local(0, type), splat = (x: Expression): Expression => W.simd(bits === 64 ? 0x14 : 0x13, V128, [x])
  const minusRounded = operator(scalar.neg, type, [operator(scalar.mul, type, [parameter, parameter])])
  const sum = operator(W.simdOp(bits === 64 ? 0x107 : 0x105), V128, [splat(parameter), splat(parameter), splat(minusRounded)])
  code.expression(W.simd(bits === 64 ? 0x21 : 0x1f, type, [sum]))
  module.define(index, code)
  const bytes = module.toBytes()
  if (!WebAssembly.validate(bytes)) return NaN
  return (new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports['probe'] as (x: number) => number)(a)
}

const isZeroVector = (e: Expression): boolean => e.op === W.simdOp(0x0c) && e.bytes!.every(byte => byte === 0)

/** Operands in locals, so that they can be named twice; constants stay. Frees the locals of the operation before. */
export function operandLocals(code: Code, operands: readonly Expression[]): readonly Expression[] {
  const scratch = scratchOf(code)
  scratch.release()
  return operands.map(operand => {
    if (W.isConstant(operand) || isZeroVector(operand)) return operand
    const local = scratch.local(operand.type)
    code.set(local, operand)
    return local
  })
}

/** Writes the fast path of `operation`: it leaves the value in `result` and branches to `done`, or runs on. */
export function fastPath(code: Code, operation: FpOperation, operands: readonly Expression[], result: Expression, done: Label, fuses = hostFuses()): void {
  const { bits, name } = operation
  if (bits === 16) return
  const f = FLOATS[bits][result.type === V128 ? 'lanes' : 'scalar'], path = new FastPath(code, result, done, f, fuses)
  const [first, second, third] = operands as [Expression, Expression, Expression]
  const a = (): Expression => path.operand(first), b = (): Expression => path.operand(second), c = (): Expression => path.operand(third)
  const integral = operands[1] !== undefined && (W.isConstant(second) || isZeroVector(second))
  switch (name) {
    case 'FPAdd': return path.sum('add', a(), b())
    case 'FPSub': return path.sum('sub', a(), b())
    case 'FPMul': case 'FPMulX': return path.product(a(), b())
    case 'FPDiv': return path.quotient(a(), b())
    case 'FPSqrt': return path.squareRoot(a())
    case 'FPMulAdd': return path.multiplyAdd(a(), b(), c())
    case 'FPRecipStepFused': case 'FPRSqrtStepFused': return path.step(name === 'FPRSqrtStepFused', a(), b())
    case 'FPMax': case 'FPMaxNum': return path.extreme('max', a(), b())
    case 'FPMin': case 'FPMinNum': return path.extreme('min', a(), b())
    case 'FPCompareEQ': return path.mask('eq', a(), b())
    case 'FPCompareGE': return path.mask('ge', a(), b())
    case 'FPCompareGT': return path.mask('gt', a(), b())
    case 'FPCompare': case 'FPCompareSignalling': return path.flags(a(), b())
    case 'FPRoundInt': return path.roundToIntegral(operation.rounding ?? 'FPCR', operation.exact ?? false, a())
    case 'FPToFixed': return integral ? path.toInteger(operation.rounding ?? 'FPCR', operation.to as 32 | 64, operation.unsigned ?? false, a()) : undefined
    case 'FixedToFP': return !integral ? undefined : f.lanes ? path.fromIntegers(operation.unsigned ?? false, first) : path.fromInteger(operation.from!, operation.unsigned ?? false, first)
    case 'FPConvert': return operation.to === 16 ? undefined : path.convert(operation.to as 32 | 64, operation.rounding ?? 'FPCR', a())
    default:
  }
}
