/**
 * Records the body of one instruction variant as a list of effects over expression trees. What the trees leave open - register
 * numbers, immediates, PC, flags - are abstract leaves; the interpreter generator (and the region translator) give them a meaning.
 * The same node may stand in several trees: it is computed once.
 */
import type { FpOperation } from '../isa/fp-operation.ts'
import type { AccessSize, BarrierKind, ExceptionKind, LaneBits, MemoryOptions, PacKey, PstateField, Semantics, WaitKind, Width } from '../isa/semantics.ts'
import { ACCESS } from './callbacks.ts'
import { PAC_KEYS, pointerTrap } from './pointer-codes.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, V128 } from './wasm/expression.ts'
import type { Expression, ValueType } from './wasm/expression.ts'
import * as Vector from './vector.ts'
import { reverseBits, reverseBytes, signedDivision, signedHighProduct, unsignedDivision, unsignedHighProduct } from './integer.ts'

/** Abstract leaves. `name` is a field or immediate; `low` as noted. */
export const LEAF = {
  /** General register; `low` is `plus`. */
  X: 0,
  XSP: 1,
  Q: 2,
  IMMEDIATE: 3,
  PC: 4,
  NZCV: 5,
  CARRY: 6,
  /** Condition holds; `low` is the condition. */
  CONDITION: 7,
  /** Result of an effect; `low` is its number. */
  RESULT: 8,
  /** Pure helper function `name` of the module. */
  HELPER: 9,
} as const
/** A condition that is not known when the code is generated: given to bodies as the value of their field `cond`. */
export const DYNAMIC_CONDITION = 16
export type LeafKind = (typeof LEAF)[keyof typeof LEAF]
export const leafKind = (e: Expression): LeafKind | undefined => e.op >= W.ABSTRACT ? (e.op - W.ABSTRACT) as LeafKind : undefined

export type FlagOperation = 'add' | 'sub' | 'addWithCarry' | 'logical' | 'set'

/** What a callback effect asks of JavaScript. */
export type Request =
  | { readonly name: 'undefined' | 'unimplemented' | 'system' | 'marker' }
  | { readonly name: 'exception', readonly kind: ExceptionKind }
  | { readonly name: 'exceptionReturn', readonly key: 'IA' | 'IB' | undefined }
  | { readonly name: 'writePstate', readonly field: PstateField }
  | { readonly name: 'wait', readonly kind: WaitKind }
  | { readonly name: 'sendEvent', readonly local: boolean }
  | { readonly name: 'barrier', readonly kind: BarrierKind }
  | { readonly name: 'pauthTrap' }

/** An access as flags of callbacks.ts; `guard` is the base register whose SP alignment is checked first. */
export interface Access { readonly address: Expression, readonly size: AccessSize, readonly flags: number, readonly guard: Expression | undefined }

export type Effect =
  | { readonly kind: 'setX', readonly field: string, readonly plus: 0 | 1, readonly value: Expression }
  | { readonly kind: 'setXSP', readonly field: string, readonly value: Expression }
  | { readonly kind: 'setQ', readonly field: string, readonly plus: number, readonly value: Expression }
  | { readonly kind: 'flags', readonly operation: FlagOperation, readonly width: Width, readonly a: Expression, readonly b: Expression, readonly carry: Expression, readonly result: Expression }
  | { readonly kind: 'load', readonly access: Access, readonly result: Expression }
  | { readonly kind: 'store', readonly access: Access, readonly value: Expression }
  /** Two accesses of `access.size`, at the address and behind it. */
  | { readonly kind: 'loadPair', readonly access: Access, readonly result: Expression, readonly second: Expression }
  | { readonly kind: 'storePair', readonly access: Access, readonly value: Expression, readonly second: Expression }
  | { readonly kind: 'checkFP' }
  /** An operation that reads FPCR and accumulates into FPSR; in every lane when the result is a vector. */
  | { readonly kind: 'fp', readonly operation: FpOperation, readonly operands: readonly Expression[], readonly result: Expression }
  | { readonly kind: 'setQC', readonly condition: Expression }
  | { readonly kind: 'setExclusive', readonly address: Expression, readonly size: number }
  | { readonly kind: 'clearExclusive' }
  | { readonly kind: 'storeExclusive', readonly access: Access, readonly value: Expression, readonly high: Expression | undefined, readonly result: Expression }
  /** Condition absent: always. */
  | { readonly kind: 'branch', readonly field: string, readonly condition: Expression | undefined }
  | { readonly kind: 'branchTo', readonly target: Expression, readonly hint: 'jump' | 'call' | 'return' }
  | { readonly kind: 'link' }
  | { readonly kind: 'when', readonly condition: Expression, readonly body: readonly Effect[] }
  /** If the condition holds, JavaScript performs the whole instruction; else what follows does. First of an instruction's effects. */
  | { readonly kind: 'fallback', readonly condition: Expression, readonly request: Request, readonly operands: readonly Expression[] }
  /** A store into the engine's memory. */
  | { readonly kind: 'poke', readonly op: number, readonly address: Expression, readonly value: Expression, readonly offset: number }
  | { readonly kind: 'request', readonly request: Request, readonly operands: readonly Expression[], readonly result: Expression | undefined }

export interface Recording {
  readonly effects: readonly Effect[]
  /** For leaves that read state: the number of effects recorded before them. Effects count in program order, bodies of `when` included. */
  readonly positions: ReadonlyMap<Expression, number>
}

const typeOf = (width: Width): ValueType => width === 64 ? I64 : I32
const ZERO = W.i32(0)

function accessFlags(options: MemoryOptions | undefined): number {
  if (options === undefined) return 0
  const isv = options.isv
  return (options.unprivileged ? ACCESS.UNPRIVILEGED : 0) | (options.ordered ? ACCESS.ORDERED : 0) | (options.atomic ? ACCESS.ATOMIC : 0)
    | (options.forUpdate ? ACCESS.FOR_UPDATE : 0) | (options.elements ? (1 + Math.log2(options.elements)) << ACCESS.ELEMENTS_SHIFT : 0)
    | (isv === undefined ? 0 : ACCESS.ISV | (isv.sse ? ACCESS.SSE : 0) | (isv.sf ? ACCESS.SF : 0) | (isv.ar ? ACCESS.AR : 0))
}

export class Recorder implements Semantics<Expression> {
  private effects: Effect[] = []
  private count = 0
  private readonly positions = new Map<Expression, number>()
  private guard: Expression | undefined

  recording(): Recording {
    return { effects: this.effects, positions: this.positions }
  }

  private push(effect: Effect): void {
    this.effects.push(effect)
    this.count++
  }

  private read(kind: LeafKind, type: ValueType, name: string, low = 0): Expression {
    const e = W.leaf(kind, type, name, low)
    this.positions.set(e, this.count)
    return e
  }

  private result(type: ValueType): Expression {
    return W.leaf(LEAF.RESULT, type, '', this.count)
  }

  private access(address: Expression, size: AccessSize, options: MemoryOptions | undefined): Access {
    const guard = this.guard
    this.guard = undefined
    return { address, size, flags: accessFlags(options), guard }
  }

  private request(request: Request, operands: readonly Expression[] = [], type?: ValueType): Expression {
    const result = type === undefined ? undefined : this.result(type)
    this.push({ kind: 'request', request, operands, result })
    return result ?? ZERO
  }

  X(name: string, width: Width, plus: 0 | 1 = 0): Expression { return this.read(LEAF.X, typeOf(width), name, plus) }
  setX(field: string, width: Width, value: Expression, plus: 0 | 1 = 0): void {
    this.push({ kind: 'setX', field, plus, value: width === 32 ? W.extendU(value) : value })
  }
  XSP(name: string, width: Width): Expression { return this.read(LEAF.XSP, typeOf(width), name) }
  setXSP(field: string, width: Width, value: Expression): void {
    this.push({ kind: 'setXSP', field, value: width === 32 ? W.extendU(value) : value })
  }
  checkSPAlignment(name: string): void { this.guard = this.read(LEAF.XSP, I64, name) }
  Q(name: string, plus: 0 | 1 | 2 | 3 = 0): Expression { return this.read(LEAF.Q, V128, name, plus) }
  setQ(field: string, value: Expression, plus: 0 | 1 | 2 | 3 = 0): void { this.push({ kind: 'setQ', field, plus, value }) }
  imm(name: string, width: Width): Expression { return W.leaf(LEAF.IMMEDIATE, typeOf(width), name) }
  constant(width: Width, value: number | bigint): Expression {
    if (width === 32) return W.i32(Number(BigInt.asIntN(32, BigInt(value))))
    return W.i64Big(BigInt(value))
  }

  add(_: Width, a: Expression, b: Expression): Expression { return W.add(a, b) }
  sub(_: Width, a: Expression, b: Expression): Expression { return W.sub(a, b) }
  mul(_: Width, a: Expression, b: Expression): Expression { return W.mul(a, b) }
  umulh(a: Expression, b: Expression): Expression { return unsignedHighProduct(a, b) }
  smulh(a: Expression, b: Expression): Expression { return signedHighProduct(a, b) }
  udiv(_: Width, a: Expression, b: Expression): Expression { return unsignedDivision(a, b) }
  sdiv(_: Width, a: Expression, b: Expression): Expression { return signedDivision(a, b) }
  and(_: Width, a: Expression, b: Expression): Expression { return W.and(a, b) }
  or(_: Width, a: Expression, b: Expression): Expression { return W.or(a, b) }
  xor(_: Width, a: Expression, b: Expression): Expression { return W.xor(a, b) }
  not(_: Width, a: Expression): Expression { return W.not(a) }
  // WebAssembly takes shift amounts modulo the width, too.
  shl(_: Width, a: Expression, amount: Expression): Expression { return W.shl(a, amount) }
  shr(_: Width, a: Expression, amount: Expression): Expression { return W.shrU(a, amount) }
  sar(_: Width, a: Expression, amount: Expression): Expression { return W.shrS(a, amount) }
  ror(_: Width, a: Expression, amount: Expression): Expression { return W.rotr(a, amount) }
  clz(_: Width, a: Expression): Expression { return W.clz(a) }
  truncate(a: Expression): Expression { return W.wrap(a) }
  zeroExtend(a: Expression): Expression { return W.extendU(a) }
  signExtend(a: Expression): Expression { return W.extendS(a) }
  signExtendBits(width: Width, bits: 8 | 16 | 32, a: Expression): Expression {
    if (bits === 32) return width === 32 ? a : W.signExtend32(a)
    return bits === 8 ? W.signExtend8(a) : W.signExtend16(a)
  }
  zeroExtendBits(width: Width, bits: 8 | 16 | 32, a: Expression): Expression {
    if (bits === 32) return width === 32 ? a : W.and(a, W.i64Pair(0, -1))
    return W.and(a, W.constant(typeOf(width), bits === 8 ? 0xff : 0xffff))
  }
  rbit(_: Width, a: Expression): Expression { return reverseBits(a) }
  reverseBytes(_: Width, unit: 16 | 32 | 64, a: Expression): Expression { return reverseBytes(a, unit) }

  isZero(_: Width, a: Expression): Expression { return W.eqz(a) }
  equal(_: Width, a: Expression, b: Expression): Expression { return W.eq(a, b) }
  lessUnsigned(_: Width, a: Expression, b: Expression): Expression { return W.ltU(a, b) }
  lessSigned(_: Width, a: Expression, b: Expression): Expression { return W.ltS(a, b) }
  select(_: Width, c: Expression, a: Expression, b: Expression): Expression { return W.select(a, b, c) }

  private flags(operation: FlagOperation, width: Width, a: Expression, b: Expression, carry: Expression, result: Expression): Expression {
    this.push({ kind: 'flags', operation, width, a, b, carry, result })
    return result
  }
  addSettingFlags(width: Width, a: Expression, b: Expression): Expression { return this.flags('add', width, a, b, ZERO, W.add(a, b)) }
  subSettingFlags(width: Width, a: Expression, b: Expression): Expression { return this.flags('sub', width, a, b, ZERO, W.sub(a, b)) }
  setFlagsLogical(width: Width, a: Expression): void { this.flags('logical', width, a, a, ZERO, a) }
  addWithCarrySettingFlags(width: Width, a: Expression, b: Expression, carry: Expression): Expression {
    return this.flags('addWithCarry', width, a, b, carry, W.add(W.add(a, b), carry))
  }
  carry(): Expression { return this.read(LEAF.CARRY, I32, '') }
  nzcv(): Expression { return this.read(LEAF.NZCV, I32, '') }
  setNZCV(value: Expression): void { this.flags('set', 32, value, value, ZERO, value) }
  condition(cond: number): Expression {
    return cond === 14 || cond === 15 ? W.i32(1) : this.read(LEAF.CONDITION, I32, '', cond)
  }

  load(address: Expression, size: AccessSize, options?: MemoryOptions): Expression {
    const result = this.result(size === 16 ? V128 : I64)
    this.push({ kind: 'load', access: this.access(address, size, options), result })
    return result
  }
  store(address: Expression, size: AccessSize, value: Expression, options?: MemoryOptions): void {
    this.push({ kind: 'store', access: this.access(address, size, options), value })
  }
  loadPair(address: Expression, size: 4 | 8, options?: MemoryOptions): readonly [Expression, Expression] {
    const result = this.result(I64), second = W.leaf(LEAF.RESULT, I64, 'second', this.count)
    this.push({ kind: 'loadPair', access: this.access(address, size, options), result, second })
    return [result, second]
  }
  storePair(address: Expression, size: 4 | 8, value: Expression, second: Expression, options?: MemoryOptions): void {
    this.push({ kind: 'storePair', access: this.access(address, size, options), value, second })
  }
  setExclusive(address: Expression, size: 1 | 2 | 4 | 8 | 16): void { this.push({ kind: 'setExclusive', address, size }) }
  clearExclusive(): void { this.push({ kind: 'clearExclusive' }) }
  storeExclusive(address: Expression, size: AccessSize, value: Expression, high: Expression | undefined, options?: MemoryOptions): Expression {
    const result = this.result(I32)
    this.push({ kind: 'storeExclusive', access: this.access(address, size, options), value, high, result })
    return result
  }

  checkFPEnabled(): void { this.push({ kind: 'checkFP' }) }
  zeroVector(): Expression { return W.v128Const(new Uint8Array(16)) }
  lane(value: Expression, bits: 8 | 16 | 32 | 64, index: number): Expression {
    const sub = { 8: 0x16, 16: 0x19, 32: 0x1b, 64: 0x1d }[bits]
    const lane = W.simd(sub, bits === 64 ? I64 : I32, [value], index)
    return bits === 64 ? lane : W.extendU(lane)
  }
  withLane(value: Expression, bits: 8 | 16 | 32 | 64, index: number, lane: Expression): Expression {
    const sub = { 8: 0x17, 16: 0x1a, 32: 0x1c, 64: 0x1e }[bits]
    return W.simd(sub, V128, [value, bits === 64 ? lane : W.wrap(lane)], index)
  }
  duplicate(bits: 8 | 16 | 32 | 64, lane: Expression): Expression {
    return W.simd({ 8: 0x0f, 16: 0x10, 32: 0x11, 64: 0x12 }[bits], V128, [bits === 64 ? lane : W.wrap(lane)])
  }
  vAnd(a: Expression, b: Expression): Expression { return Vector.vAnd(a, b) }
  vOr(a: Expression, b: Expression): Expression { return Vector.vOr(a, b) }
  vXor(a: Expression, b: Expression): Expression { return Vector.vXor(a, b) }
  vNot(a: Expression): Expression { return Vector.vNot(a) }
  vSelect(mask: Expression, a: Expression, b: Expression): Expression { return Vector.vSelect(mask, a, b) }
  vConstant(value: bigint): Expression { return Vector.vectorConstant(value) }
  vAnyTrue(a: Expression): Expression { return Vector.vAnyTrue(a) }
  vElement(bits: LaneBits, a: Expression, index: Expression): Expression { return Vector.vElement(bits, a, index) }
  vAdd(bits: LaneBits, a: Expression, b: Expression): Expression { return Vector.vAdd(bits, a, b) }
  vSub(bits: LaneBits, a: Expression, b: Expression): Expression { return Vector.vSub(bits, a, b) }
  vMul(bits: LaneBits, a: Expression, b: Expression): Expression { return Vector.vMul(bits, a, b) }
  vMin(bits: LaneBits, signed: boolean, a: Expression, b: Expression): Expression { return Vector.vMin(bits, signed, a, b) }
  vMax(bits: LaneBits, signed: boolean, a: Expression, b: Expression): Expression { return Vector.vMax(bits, signed, a, b) }
  vShl(bits: LaneBits, a: Expression, amount: Expression): Expression { return Vector.vShl(bits, a, amount) }
  vShr(bits: LaneBits, a: Expression, amount: Expression): Expression { return Vector.vShr(bits, a, amount) }
  vSar(bits: LaneBits, a: Expression, amount: Expression): Expression { return Vector.vSar(bits, a, amount) }
  vShlBy(bits: LaneBits, a: Expression, amounts: Expression): Expression { return Vector.vShlBy(bits, a, amounts) }
  vShrBy(bits: LaneBits, a: Expression, amounts: Expression): Expression { return Vector.vShrBy(bits, a, amounts) }
  vSarBy(bits: LaneBits, a: Expression, amounts: Expression): Expression { return Vector.vSarBy(bits, a, amounts) }
  vEqual(bits: LaneBits, a: Expression, b: Expression): Expression { return Vector.vEqual(bits, a, b) }
  vLess(bits: LaneBits, signed: boolean, a: Expression, b: Expression): Expression { return Vector.vLess(bits, signed, a, b) }
  vWiden(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: Expression): Expression { return Vector.vWiden(bits, signed, upper, a) }
  vMultiplyWide(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: Expression, b: Expression): Expression {
    return Vector.vMultiplyWide(bits, signed, upper, a, b)
  }
  vShuffle(a: Expression, b: Expression, bytes: readonly number[]): Expression { return Vector.vShuffle(a, b, bytes) }
  vTable(table: Expression, indices: Expression): Expression { return Vector.vTable(table, indices) }
  vPopulation(a: Expression): Expression { return Vector.vPopulation(a) }
  carrylessMultiply(a: Expression, b: Expression): Expression { return W.leaf(LEAF.HELPER, V128, 'carrylessMultiply', 0, [a, b]) }
  setQC(condition: Expression): void { this.push({ kind: 'setQC', condition }) }

  private floatingPoint(type: ValueType, operation: FpOperation, operands: readonly Expression[]): Expression {
    const result = this.result(type)
    this.push({ kind: 'fp', operation, operands, result })
    return result
  }
  fp(operation: FpOperation, ...operands: readonly Expression[]): Expression { return this.floatingPoint(I64, operation, operands) }
  fpLanes(operation: FpOperation, ...operands: readonly Expression[]): Expression { return this.floatingPoint(V128, operation, operands) }

  PC(): Expression { return this.read(LEAF.PC, I64, '') }
  branch(field: string): void { this.push({ kind: 'branch', field, condition: undefined }) }
  branchIf(condition: Expression, field: string): void { this.push({ kind: 'branch', field, condition: W.isConstant(condition) ? undefined : condition }) }
  branchTo(target: Expression, hint: 'jump' | 'call' | 'return'): void { this.push({ kind: 'branchTo', target, hint }) }
  link(): void { this.push({ kind: 'link' }) }
  when(condition: Expression, body: () => void): void {
    const outer = this.effects, inner: Effect[] = []
    this.push({ kind: 'when', condition, body: inner })
    this.effects = inner
    body()
    this.effects = outer
  }

  fallback(condition: Expression, request: Request, operands: readonly Expression[] = []): void { this.push({ kind: 'fallback', condition, request, operands }) }
  poke(op: number, address: Expression, value: Expression, offset = 0): void { this.push({ kind: 'poke', op, address, value, offset }) }

  undefined(): void { this.request({ name: 'undefined' }) }
  unimplemented(): void { this.request({ name: 'unimplemented' }) }
  exception(kind: ExceptionKind): void { this.request({ name: 'exception', kind }, [this.imm('imm16', 32)]) }
  exceptionReturn(key?: 'IA' | 'IB'): void { this.request({ name: 'exceptionReturn', key }) }
  systemAccess(): void { this.request({ name: 'system' }) }
  writePstate(field: PstateField): void { this.request({ name: 'writePstate', field }, [this.imm('CRm', 32)]) }
  wait(kind: WaitKind): void { this.request({ name: 'wait', kind }) }
  sendEvent(local: boolean): void { this.request({ name: 'sendEvent', local }) }
  barrier(kind: BarrierKind): void { this.request({ name: 'barrier', kind }) }
  hint(marker: boolean): void { if (marker) this.request({ name: 'marker' }) }

  crc32(castagnoli: boolean, bits: 8 | 16 | 32 | 64, accumulator: Expression, value: Expression): Expression {
    const wide = value.type === I64 ? value : W.extendU(value)
    return W.leaf(LEAF.HELPER, I32, castagnoli ? 'crc32c' : 'crc32', 0, [accumulator, wide, W.i32(bits)])
  }
  private pointerCode(name: 'addPAC' | 'authenticate' | 'strip' | 'genericPAC', ...operands: Expression[]): Expression { return W.leaf(LEAF.HELPER, I64, name, 0, operands) }
  private withKey(name: 'addPAC' | 'authenticate', key: PacKey, pointer: Expression, modifier: Expression): Expression {
    this.fallback(pointerTrap(key), { name: 'pauthTrap' })
    return this.pointerCode(name, W.i32(PAC_KEYS.indexOf(key)), pointer, modifier)
  }
  addPAC(key: PacKey, pointer: Expression, modifier: Expression): Expression { return this.withKey('addPAC', key, pointer, modifier) }
  authenticate(key: PacKey, pointer: Expression, modifier: Expression): Expression { return this.withKey('authenticate', key, pointer, modifier) }
  strip(data: boolean, pointer: Expression): Expression { return this.pointerCode('strip', W.i32(data ? 1 : 0), pointer) }
  genericPAC(value: Expression, modifier: Expression): Expression {
    this.fallback(pointerTrap('GA'), { name: 'pauthTrap' })
    return this.pointerCode('genericPAC', value, modifier)
  }
}

const addressesOf = ({ address, guard }: Access): readonly Expression[] => guard === undefined ? [address] : [address, guard]

/** Expressions that an effect evaluates, in the order of evaluation; those of a `when` body are its effects' own. */
export function operandsOf(effect: Effect): readonly Expression[] {
  switch (effect.kind) {
    case 'setX': case 'setXSP': case 'setQ': return [effect.value]
    case 'flags':
      if (effect.operation === 'set' || effect.operation === 'logical') return [effect.a]
      return effect.operation === 'addWithCarry' ? [effect.a, effect.b, effect.carry, effect.result] : [effect.a, effect.b, effect.result]
    case 'load': case 'loadPair': return addressesOf(effect.access)
    case 'store': return [...addressesOf(effect.access), effect.value]
    case 'storePair': return [...addressesOf(effect.access), effect.value, effect.second]
    case 'storeExclusive': return [...addressesOf(effect.access), effect.value, ...(effect.high === undefined ? [] : [effect.high])]
    case 'setExclusive': return [effect.address]
    case 'branch': return effect.condition === undefined ? [] : [effect.condition]
    case 'branchTo': return [effect.target]
    case 'when': return [effect.condition]
    case 'request': case 'fp': return effect.operands
    case 'setQC': return [effect.condition]
    case 'fallback': return [effect.condition, ...effect.operands]
    case 'poke': return [effect.address, effect.value]
    case 'link': case 'clearExclusive': case 'checkFP': return []
  }
}
