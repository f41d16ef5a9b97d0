/**
 * The oracle: runs one instruction on a plain state object with BigInt, slowly and obviously. Tests compare the engine, and
 * qemu-aarch64, with it. It also checks what a fast builder cannot: that every operation of a body gets values of the right width.
 */
import { createDecoder, type Decoder } from './decode.ts'
import { crc32 } from './crc32.ts'
import type { FpOperation } from './fp-operation.ts'
import { fieldsOf, type Row, type Variant } from './instruction.ts'
import { fixedRegister } from './operands.ts'
import { asInteger, fromLanes, lanesOf, laneWise, polynomialProduct } from './oracle-lanes.ts'
import { addPAC, authenticate, genericPAC, type PacKeyValue, type PointerLayout, strip } from './pauth-algorithm.ts'
import type { AccessSize, BarrierKind, ExceptionKind, LaneBits, MemoryOptions, PacKey, PstateField, Semantics, WaitKind, Width } from './semantics.ts'
import { Environment, evaluate, FPSR } from './softfloat/index.ts'

export interface OracleState {
  /** X0 to X30, unsigned. */
  readonly x: bigint[]
  sp: bigint
  pc: bigint
  /** N is bit 3. */
  nzcv: number
  /** V0 to V31, unsigned 128 bits. */
  readonly v: bigint[]
  fpcr: number
  fpsr: number
  /** The local monitor's marked bytes. */
  exclusive: { readonly address: bigint, readonly bytes: number } | undefined
}

export const createOracleState = (): OracleState =>
  ({ x: Array.from({ length: 31 }, () => 0n), sp: 0n, pc: 0n, nzcv: 0, v: Array.from({ length: 32 }, () => 0n), fpcr: 0, fpsr: 0, exclusive: undefined })

export interface OracleMemory {
  /** Little-endian, unsigned; undefined: the access faults. */
  load(address: bigint, size: AccessSize, options: MemoryOptions): bigint | undefined
  store(address: bigint, size: AccessSize, value: bigint, options: MemoryOptions): boolean
}

/** What the CPU would be asked to do. The oracle has done its part of the instruction; PC has not moved. */
export type SystemEvent =
  | { readonly kind: 'undefined' } | { readonly kind: 'unimplemented', readonly row: string }
  | { readonly kind: 'exception', readonly exception: ExceptionKind, readonly imm16: number }
  | { readonly kind: 'exceptionReturn', readonly key: 'IA' | 'IB' | undefined }
  | { readonly kind: 'systemAccess', readonly word: number }
  | { readonly kind: 'writePstate', readonly field: PstateField, readonly value: number }
  | { readonly kind: 'wait', readonly wait: WaitKind } | { readonly kind: 'sendEvent', readonly local: boolean }
  | { readonly kind: 'barrier', readonly barrier: BarrierKind } | { readonly kind: 'hint', readonly marker: boolean }
  | { readonly kind: 'SPAlignment' }

export type Outcome =
  /** The instruction is complete and PC is at its successor. */
  | { readonly kind: 'done' }
  | { readonly kind: 'fault', readonly address: bigint }
  | { readonly kind: 'event', readonly event: SystemEvent }

export interface OracleOptions {
  readonly memory: OracleMemory
  readonly decoder?: Decoder
  /** False: SP need not be aligned as a base (SCTLR_ELx.SA/SA0 = 0). */
  readonly checkSP?: boolean
  readonly pauth?: { readonly keys: Readonly<Record<PacKey, PacKeyValue>>, readonly data: PointerLayout, readonly code: PointerLayout }
}

/** A run-time value with its width. */
interface Value { readonly bits: 32 | 64 | 128, readonly value: bigint }

/** Unwinds a body when its instruction ends early; never leaves this file. */
class Ended { constructor(outcome: Outcome) { this.outcome = outcome } readonly outcome: Outcome }

const masks = { 8: 0xffn, 16: 0xffffn, 32: 0xffff_ffffn, 64: (1n << 64n) - 1n, 128: (1n << 128n) - 1n } as const
const wrap = (bits: 32 | 64 | 128, value: bigint): Value => ({ bits, value: value & masks[bits] })
const truth = (condition: boolean): Value => wrap(32, condition ? 1n : 0n)
const asSigned = (v: Value): bigint => BigInt.asIntN(v.bits, v.value)

export class Oracle {
  readonly state: OracleState
  readonly #options: OracleOptions
  readonly #decoder: Decoder

  constructor(state: OracleState, options: OracleOptions) {
    this.state = state
    this.#options = options
    this.#decoder = options.decoder ?? createDecoder()
  }

  /** Executes `word` at state.pc. After a fault or an event, registers and flags are as the body left them and PC has not moved. */
  step(word: number): Outcome {
    const variant = this.#decoder.decode(word)
    if (variant === undefined) return { kind: 'event', event: { kind: 'undefined' } }
    return this.run(variant, word)
  }

  run(variant: Variant, word: number): Outcome {
    const builder = new Evaluation(this.state, this.#options, variant.row, word)
    try {
      variant.row.body(variant.statics, builder)
    } catch (e) {
      if (e instanceof Ended) return e.outcome
      throw e
    }
    if (builder.event !== undefined) return { kind: 'event', event: builder.event }
    this.state.pc = builder.nextPC
    return { kind: 'done' }
  }
}

const DEFAULT_LAYOUT: PointerLayout = { tbi: [false, false], bottom: [48, 48], twoRanges: true }
const DEFAULT_KEY: PacKeyValue = { low: 0n, high: 0n }

class Evaluation implements Semantics<Value> {
  readonly #state: OracleState
  readonly #options: OracleOptions
  readonly #row: Row
  readonly #word: number
  readonly #fields: Readonly<Record<string, number>>
  nextPC: bigint
  event: SystemEvent | undefined

  constructor(state: OracleState, options: OracleOptions, row: Row, word: number) {
    this.#state = state
    this.#options = options
    this.#row = row
    this.#word = word
    this.#fields = fieldsOf(row, word)
    this.nextPC = (state.pc + 4n) & masks[64]
  }

  /** The value of `v`, which must have `bits`: anything else is an error in the row. */
  #of(bits: 32 | 64 | 128, v: Value): bigint {
    if (v.bits !== bits) throw new Error(`${this.#row.name}: a ${v.bits}-bit value where ${bits} bits are needed`)
    return v.value
  }
  #signed(width: Width, v: Value): bigint {
    this.#of(width, v)
    return asSigned(v)
  }
  #number(name: string, plus = 0): number {
    const n = fixedRegister(name) ?? this.#fields[name]
    if (n === undefined) throw new Error(`${this.#row.name}: no register field ${name}`)
    return (n + plus) & 31
  }
  #immediate(name: string): bigint {
    const immediate = this.#row.immediates[name]
    if (immediate === undefined) throw new Error(`${this.#row.name}: no immediate ${name}`)
    return BigInt.asIntN(immediate.width, BigInt(immediate.of(this.#fields)))
  }
  #end(event: SystemEvent): void { this.event = event }

  X(name: string, width: Width, plus = 0): Value {
    const n = this.#number(name, plus)
    return wrap(width, n === 31 ? 0n : this.#state.x[n]!)
  }
  setX(name: string, width: Width, value: Value, plus = 0): void {
    const n = this.#number(name, plus)
    if (n !== 31) this.#state.x[n] = this.#of(width, value)
    else this.#of(width, value)
  }
  XSP(name: string, width: Width): Value {
    const n = this.#number(name)
    return wrap(width, n === 31 ? this.#state.sp : this.#state.x[n]!)
  }
  setXSP(name: string, width: Width, value: Value): void {
    const n = this.#number(name)
    if (n === 31) this.#state.sp = this.#of(width, value)
    else this.#state.x[n] = this.#of(width, value)
  }
  checkSPAlignment(name: string): void {
    if (this.#number(name) === 31 && this.#options.checkSP !== false && (this.#state.sp & 15n) !== 0n) throw new Ended({ kind: 'event', event: { kind: 'SPAlignment' } })
  }
  Q(name: string, plus = 0): Value { return wrap(128, this.#state.v[this.#number(name, plus)]!) }
  setQ(name: string, value: Value, plus = 0): void { this.#state.v[this.#number(name, plus)] = this.#of(128, value) }
  imm(name: string, width: Width): Value { return wrap(width, this.#immediate(name)) }
  constant(width: Width, value: number | bigint): Value { return wrap(width, BigInt(value)) }

  add(width: Width, a: Value, b: Value): Value { return wrap(width, this.#of(width, a) + this.#of(width, b)) }
  sub(width: Width, a: Value, b: Value): Value { return wrap(width, this.#of(width, a) - this.#of(width, b)) }
  mul(width: Width, a: Value, b: Value): Value { return wrap(width, this.#of(width, a) * this.#of(width, b)) }
  umulh(a: Value, b: Value): Value { return wrap(64, (this.#of(64, a) * this.#of(64, b)) >> 64n) }
  smulh(a: Value, b: Value): Value { return wrap(64, (this.#signed(64, a) * this.#signed(64, b)) >> 64n) }
  udiv(width: Width, a: Value, b: Value): Value {
    const dividend = this.#of(width, a), divisor = this.#of(width, b)
    return wrap(width, divisor === 0n ? 0n : dividend / divisor)
  }
  sdiv(width: Width, a: Value, b: Value): Value {
    const dividend = this.#signed(width, a), divisor = this.#signed(width, b)
    return wrap(width, divisor === 0n ? 0n : dividend / divisor)
  }
  and(width: Width, a: Value, b: Value): Value { return wrap(width, this.#of(width, a) & this.#of(width, b)) }
  or(width: Width, a: Value, b: Value): Value { return wrap(width, this.#of(width, a) | this.#of(width, b)) }
  xor(width: Width, a: Value, b: Value): Value { return wrap(width, this.#of(width, a) ^ this.#of(width, b)) }
  not(width: Width, a: Value): Value { return wrap(width, ~this.#of(width, a)) }
  #amount(width: Width, amount: Value): bigint { return this.#of(width, amount) % BigInt(width) }
  shl(width: Width, a: Value, amount: Value): Value { return wrap(width, this.#of(width, a) << this.#amount(width, amount)) }
  shr(width: Width, a: Value, amount: Value): Value { return wrap(width, this.#of(width, a) >> this.#amount(width, amount)) }
  sar(width: Width, a: Value, amount: Value): Value { return wrap(width, this.#signed(width, a) >> this.#amount(width, amount)) }
  ror(width: Width, a: Value, amount: Value): Value {
    const n = this.#amount(width, amount), value = this.#of(width, a)
    return wrap(width, (value >> n) | (value << (BigInt(width) - n)))
  }
  clz(width: Width, a: Value): Value {
    const value = this.#of(width, a)
    return wrap(width, BigInt(width - (value === 0n ? 0 : value.toString(2).length)))
  }
  truncate(a: Value): Value { return wrap(32, this.#of(64, a)) }
  zeroExtend(a: Value): Value { return wrap(64, this.#of(32, a)) }
  signExtend(a: Value): Value { return wrap(64, this.#signed(32, a)) }
  signExtendBits(width: Width, bits: 8 | 16 | 32, a: Value): Value { return wrap(width, BigInt.asIntN(bits, this.#of(width, a))) }
  zeroExtendBits(width: Width, bits: 8 | 16 | 32, a: Value): Value { return wrap(width, BigInt.asUintN(bits, this.#of(width, a))) }
  rbit(width: Width, a: Value): Value {
    return wrap(width, BigInt(`0b${[...this.#of(width, a).toString(2).padStart(width, '0')].reverse().join('')}`))
  }
  reverseBytes(width: Width, unit: 16 | 32 | 64, a: Value): Value {
    const value = this.#of(width, a)
    let result = 0n
    for (let i = 0; i < width / 8; i++) {
      const within = i % (unit / 8), to = i - within + (unit / 8 - 1 - within)
      result |= ((value >> BigInt(8 * i)) & 0xffn) << BigInt(8 * to)
    }
    return wrap(width, result)
  }

  isZero(width: Width, a: Value): Value { return truth(this.#of(width, a) === 0n) }
  equal(width: Width, a: Value, b: Value): Value { return truth(this.#of(width, a) === this.#of(width, b)) }
  lessUnsigned(width: Width, a: Value, b: Value): Value { return truth(this.#of(width, a) < this.#of(width, b)) }
  lessSigned(width: Width, a: Value, b: Value): Value { return truth(this.#signed(width, a) < this.#signed(width, b)) }
  select(width: Width, c: Value, a: Value, b: Value): Value {
    const chosen = this.#of(32, c) !== 0n ? this.#of(width, a) : this.#of(width, b)
    this.#of(width, a)
    return wrap(width, chosen)
  }

  /** AddWithCarry() of the manual's pseudocode. */
  addWithCarrySettingFlags(width: Width, a: Value, b: Value, carry: Value): Value {
    const c = this.#of(width, carry)
    const unsignedSum = this.#of(width, a) + this.#of(width, b) + c
    const signedSum = this.#signed(width, a) + this.#signed(width, b) + c
    const result = wrap(width, unsignedSum)
    const n = Number(result.value >> BigInt(width - 1)), z = result.value === 0n ? 1 : 0
    const cOut = result.value === unsignedSum ? 0 : 1, v = asSigned(result) === signedSum ? 0 : 1
    this.#state.nzcv = (n << 3) | (z << 2) | (cOut << 1) | v
    return result
  }
  addSettingFlags(width: Width, a: Value, b: Value): Value { return this.addWithCarrySettingFlags(width, a, b, wrap(width, 0n)) }
  subSettingFlags(width: Width, a: Value, b: Value): Value { return this.addWithCarrySettingFlags(width, a, this.not(width, b), wrap(width, 1n)) }
  setFlagsLogical(width: Width, a: Value): void {
    const value = this.#of(width, a)
    this.#state.nzcv = (Number(value >> BigInt(width - 1)) << 3) | (value === 0n ? 4 : 0)
  }
  carry(): Value { return truth((this.#state.nzcv & 2) !== 0) }
  nzcv(): Value { return wrap(32, BigInt(this.#state.nzcv)) }
  setNZCV(value: Value): void { this.#state.nzcv = Number(this.#of(32, value) & 15n) }
  /** ConditionHolds(). */
  condition(cond: number): Value {
    const { nzcv } = this.#state
    const N = (nzcv & 8) !== 0, Z = (nzcv & 4) !== 0, C = (nzcv & 2) !== 0, V = (nzcv & 1) !== 0
    const result = [Z, C, N, V, C && !Z, N === V, N === V && !Z, true][cond >> 1]!
    return truth((cond & 1) !== 0 && cond !== 15 ? !result : result)
  }

  load(address: Value, size: AccessSize, options: MemoryOptions = {}): Value {
    const at = this.#of(64, address), value = this.#options.memory.load(at, size, options)
    if (value === undefined) throw new Ended({ kind: 'fault', address: at })
    return wrap(size === 16 ? 128 : 64, value)
  }
  store(address: Value, size: AccessSize, value: Value, options: MemoryOptions = {}): void {
    const at = this.#of(64, address), bits = this.#of(size === 16 ? 128 : 64, value)
    if (!this.#options.memory.store(at, size, BigInt.asUintN(size * 8, bits), options)) throw new Ended({ kind: 'fault', address: at })
  }
  loadPair(address: Value, size: 4 | 8, options: MemoryOptions = {}): readonly [Value, Value] {
    return [this.load(address, size, options), this.load(this.add(64, address, wrap(64, BigInt(size))), size, options)]
  }
  storePair(address: Value, size: 4 | 8, first: Value, second: Value, options: MemoryOptions = {}): void {
    this.store(address, size, first, options)
    this.store(this.add(64, address, wrap(64, BigInt(size))), size, second, options)
  }
  setExclusive(address: Value, bytes: 1 | 2 | 4 | 8 | 16): void { this.#state.exclusive = { address: this.#of(64, address), bytes } }
  clearExclusive(): void { this.#state.exclusive = undefined }
  storeExclusive(address: Value, size: AccessSize, value: Value, high: Value | undefined, options: MemoryOptions = {}): Value {
    if ((size === 16) !== (high !== undefined)) throw new Error(`${this.#row.name}: an exclusive store of ${size} bytes`)
    const at = this.#of(64, address), monitor = this.#state.exclusive
    const passes = monitor !== undefined && monitor.address === at && monitor.bytes === size
    this.#state.exclusive = undefined
    const data = high === undefined ? value : wrap(128, this.#of(64, value) | (this.#of(64, high) << 64n))
    if (passes) this.store(address, size, data, options)
    return truth(!passes)
  }

  checkFPEnabled(): void {}
  zeroVector(): Value { return wrap(128, 0n) }
  lane(value: Value, bits: 8 | 16 | 32 | 64, index: number): Value {
    if (index < 0 || index >= 128 / bits) throw new Error(`${this.#row.name}: no lane ${index}`)
    return wrap(64, (this.#of(128, value) >> BigInt(bits * index)) & masks[bits])
  }
  withLane(value: Value, bits: 8 | 16 | 32 | 64, index: number, lane: Value): Value {
    if (index < 0 || index >= 128 / bits) throw new Error(`${this.#row.name}: no lane ${index}`)
    const shift = BigInt(bits * index)
    return wrap(128, (this.#of(128, value) & ~(masks[bits] << shift)) | ((this.#of(64, lane) & masks[bits]) << shift))
  }
  duplicate(bits: 8 | 16 | 32 | 64, lane: Value): Value {
    let result = this.zeroVector()
    for (let i = 0; i < 128 / bits; i++) result = this.withLane(result, bits, i, lane)
    return result
  }
  vAnd(a: Value, b: Value): Value { return wrap(128, this.#of(128, a) & this.#of(128, b)) }
  vOr(a: Value, b: Value): Value { return wrap(128, this.#of(128, a) | this.#of(128, b)) }
  vXor(a: Value, b: Value): Value { return wrap(128, this.#of(128, a) ^ this.#of(128, b)) }
  vNot(a: Value): Value { return wrap(128, ~this.#of(128, a)) }
  vSelect(mask: Value, a: Value, b: Value): Value {
    const chosen = this.#of(128, mask)
    return wrap(128, (chosen & this.#of(128, a)) | (~chosen & this.#of(128, b)))
  }
  vConstant(value: bigint): Value { return wrap(128, value) }
  vAnyTrue(a: Value): Value { return truth(this.#of(128, a) !== 0n) }

  #lanes(bits: LaneBits, operands: readonly Value[], f: (...lanes: bigint[]) => bigint): Value {
    return wrap(128, laneWise(bits, operands.map(operand => this.#of(128, operand)), f))
  }
  vElement(bits: LaneBits, a: Value, index: Value): Value {
    return this.duplicate(bits, this.lane(a, bits, Number(this.#of(32, index)) % (128 / bits)))
  }
  vAdd(bits: LaneBits, a: Value, b: Value): Value { return this.#lanes(bits, [a, b], (x, y) => x + y) }
  vSub(bits: LaneBits, a: Value, b: Value): Value { return this.#lanes(bits, [a, b], (x, y) => x - y) }
  vMul(bits: LaneBits, a: Value, b: Value): Value { return this.#lanes(bits, [a, b], (x, y) => x * y) }
  vMin(bits: LaneBits, signed: boolean, a: Value, b: Value): Value {
    return this.#lanes(bits, [a, b], (x, y) => asInteger(bits, signed, x) < asInteger(bits, signed, y) ? x : y)
  }
  vMax(bits: LaneBits, signed: boolean, a: Value, b: Value): Value {
    return this.#lanes(bits, [a, b], (x, y) => asInteger(bits, signed, x) > asInteger(bits, signed, y) ? x : y)
  }
  vShl(bits: LaneBits, a: Value, amount: Value): Value {
    const n = this.#of(32, amount) % BigInt(bits)
    return this.#lanes(bits, [a], x => x << n)
  }
  vShr(bits: LaneBits, a: Value, amount: Value): Value {
    const n = this.#of(32, amount) % BigInt(bits)
    return this.#lanes(bits, [a], x => x >> n)
  }
  vSar(bits: LaneBits, a: Value, amount: Value): Value {
    const n = this.#of(32, amount) % BigInt(bits)
    return this.#lanes(bits, [a], x => asInteger(bits, true, x) >> n)
  }
  vShlBy(bits: LaneBits, a: Value, amounts: Value): Value { return this.#lanes(bits, [a, amounts], (x, n) => n < bits ? x << n : 0n) }
  vShrBy(bits: LaneBits, a: Value, amounts: Value): Value { return this.#lanes(bits, [a, amounts], (x, n) => n < bits ? x >> n : 0n) }
  vSarBy(bits: LaneBits, a: Value, amounts: Value): Value {
    return this.#lanes(bits, [a, amounts], (x, n) => asInteger(bits, true, x) >> (n < bits ? n : BigInt(bits)))
  }
  vEqual(bits: LaneBits, a: Value, b: Value): Value { return this.#lanes(bits, [a, b], (x, y) => x === y ? -1n : 0n) }
  vLess(bits: LaneBits, signed: boolean, a: Value, b: Value): Value {
    return this.#lanes(bits, [a, b], (x, y) => asInteger(bits, signed, x) < asInteger(bits, signed, y) ? -1n : 0n)
  }
  #half(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: Value): readonly bigint[] {
    const lanes = lanesOf(bits, this.#of(128, a)).map(lane => asInteger(bits, signed, lane))
    return upper ? lanes.slice(lanes.length / 2) : lanes.slice(0, lanes.length / 2)
  }
  vWiden(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: Value): Value { return wrap(128, fromLanes(2 * bits, this.#half(bits, signed, upper, a))) }
  vMultiplyWide(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: Value, b: Value): Value {
    const other = this.#half(bits, signed, upper, b)
    return wrap(128, fromLanes(2 * bits, this.#half(bits, signed, upper, a).map((lane, i) => lane * other[i]!)))
  }
  vShuffle(a: Value, b: Value, bytes: readonly number[]): Value {
    if (bytes.length !== 16 || bytes.some(n => n < 0 || n > 31)) throw new Error(`${this.#row.name}: no shuffle`)
    const all = [...lanesOf(8, this.#of(128, a)), ...lanesOf(8, this.#of(128, b))]
    return wrap(128, fromLanes(8, bytes.map(n => all[n]!)))
  }
  vTable(table: Value, indices: Value): Value {
    const bytes = lanesOf(8, this.#of(128, table))
    return this.#lanes(8, [indices], n => bytes[Number(n)] ?? 0n)
  }
  vPopulation(a: Value): Value { return this.#lanes(8, [a], x => BigInt([...x.toString(2)].filter(bit => bit === '1').length)) }
  carrylessMultiply(a: Value, b: Value): Value { return wrap(128, polynomialProduct(this.#of(64, a), this.#of(64, b))) }
  setQC(condition: Value): void { if (this.#of(32, condition) !== 0n) this.#state.fpsr |= FPSR.QC }

  #fp(operation: FpOperation, operands: readonly bigint[]): bigint {
    const environment = new Environment(this.#state.fpcr), [a, b, c] = operands
    const result = evaluate(operation, environment, a!, b, c)
    this.#state.fpsr |= environment.flags
    return result
  }
  fp(operation: FpOperation, ...operands: readonly Value[]): Value { return wrap(64, this.#fp(operation, operands.map(operand => this.#of(64, operand)))) }
  fpLanes(operation: FpOperation, ...operands: readonly Value[]): Value {
    return this.#lanes(operation.bits as LaneBits, operands, (...lanes) => this.#fp(operation, lanes))
  }

  PC(): Value { return wrap(64, this.#state.pc) }
  branch(name: string): void { this.nextPC = (this.#state.pc + this.#immediate(name)) & masks[64] }
  branchIf(condition: Value, name: string): void { if (this.#of(32, condition) !== 0n) this.branch(name) }
  branchTo(target: Value): void { this.nextPC = this.#of(64, target) }
  link(): void { this.#state.x[30] = (this.#state.pc + 4n) & masks[64] }
  when(condition: Value, body: () => void): void { if (this.#of(32, condition) !== 0n) body() }

  undefined(): void { this.#end({ kind: 'undefined' }) }
  unimplemented(): void { this.#end({ kind: 'unimplemented', row: this.#row.name }) }
  exception(exception: ExceptionKind): void { this.#end({ kind: 'exception', exception, imm16: Number(this.#immediate('imm16')) }) }
  exceptionReturn(key?: 'IA' | 'IB'): void { this.#end({ kind: 'exceptionReturn', key }) }
  systemAccess(): void { this.#end({ kind: 'systemAccess', word: this.#word }) }
  writePstate(field: PstateField): void { this.#end({ kind: 'writePstate', field, value: Number(this.#immediate('CRm')) }) }
  wait(wait: WaitKind): void { this.#end({ kind: 'wait', wait }) }
  sendEvent(local: boolean): void { this.#end({ kind: 'sendEvent', local }) }
  barrier(barrier: BarrierKind): void { this.#end({ kind: 'barrier', barrier }) }
  hint(marker: boolean): void { this.#end({ kind: 'hint', marker }) }

  crc32(castagnoli: boolean, bits: 8 | 16 | 32 | 64, accumulator: Value, value: Value): Value {
    return wrap(32, BigInt(crc32(castagnoli, bits, Number(this.#of(32, accumulator)), this.#of(64, value))))
  }
  #key(key: PacKey): PacKeyValue { return this.#options.pauth?.keys[key] ?? DEFAULT_KEY }
  #layout(data: boolean): PointerLayout { return (data ? this.#options.pauth?.data : this.#options.pauth?.code) ?? DEFAULT_LAYOUT }
  addPAC(key: PacKey, pointer: Value, modifier: Value): Value {
    return wrap(64, addPAC(this.#of(64, pointer), this.#of(64, modifier), this.#key(key), this.#layout(key.startsWith('D'))))
  }
  authenticate(key: PacKey, pointer: Value, modifier: Value): Value {
    return wrap(64, authenticate(this.#of(64, pointer), this.#of(64, modifier), this.#key(key), key.endsWith('B') ? 1 : 0, this.#layout(key.startsWith('D'))))
  }
  strip(data: boolean, pointer: Value): Value { return wrap(64, strip(this.#of(64, pointer), this.#layout(data))) }
  genericPAC(value: Value, modifier: Value): Value { return wrap(64, genericPAC(this.#of(64, value), this.#of(64, modifier), this.#key('GA'))) }
}
