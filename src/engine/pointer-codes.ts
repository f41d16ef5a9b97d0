/**
 * Pointer authentication in generated code: isa/pauth-algorithm.ts on i64, with the keys, enables and pointer layout that the CPU has written to
 * PAC (layout.ts). Kernels sign and authenticate the return address of nearly every function.
 */
import type { PointerLayout } from '../isa/pauth-algorithm.ts'
import type { PacKey } from '../isa/semantics.ts'
import { PAC } from './layout.ts'
import { Code, parameter } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, LOAD } from './wasm/expression.ts'
import type { Expression, ValueType } from './wasm/expression.ts'
import type { ModuleBuilder } from './wasm/module.ts'

/** Numbers of the keys: bit 0 is set for the B keys, bit 1 for data. */
export const PAC_KEYS = ['IA', 'IB', 'DA', 'DB', 'GA'] as const satisfies readonly PacKey[]
const GENERIC = PAC_KEYS.indexOf('GA')

export const POINTER_CODES: Readonly<Record<'computePAC' | 'addPAC' | 'authenticate' | 'strip' | 'genericPAC', readonly [readonly ValueType[], readonly ValueType[]]>> = {
  /** (key, data, modifier). */
  computePAC: [[I32, I64, I64], [I64]],
  addPAC: [[I32, I64, I64], [I64]],
  authenticate: [[I32, I64, I64], [I64]],
  /** (1 for data, pointer). */
  strip: [[I32, I64], [I64]],
  /** (value, modifier). */
  genericPAC: [[I64, I64], [I64]],
}
type Functions = Readonly<Record<keyof typeof POINTER_CODES, number>>

const ZERO = W.i32(0), MULTIPLIER = W.i64Pair(0xd6e8_feb8 | 0, 0x6659_fd93), BIT_55 = W.i64Pair(1 << 23, 0)
const control = (offset: number): Expression => W.load(LOAD.i32, ZERO, offset)
const bitOf = (word: Expression, bit: Expression): Expression => W.and(W.shrU(word, bit), W.i32(1))

/** The instruction with this key traps: not 0. */
export const pointerTrap = (key: PacKey): Expression => W.and(control(PAC.TRAPPED), W.i32(1 << PAC_KEYS.indexOf(key)))

function defineCompute(module: ModuleBuilder, index: number): void {
  const code = new Code(3), key = parameter(0), x = parameter(1, I64), modifier = parameter(2, I64), at = code.newLocal(I32)
  const half = (word: number): Expression => W.load(LOAD.i64, W.load(LOAD.i32, at, PAC.KEYS + word))
  const folded = W.xor(x, W.shrU(x, W.i64(32)))
  const mix = (other: Expression): void => {
    code.set(x, W.xor(x, other))
    for (let i = 0; i < 2; i++) code.set(x, W.mul(folded, MULTIPLIER))
    code.set(x, folded)
  }
  code.set(at, W.shl(key, W.i32(3)))
  mix(half(0))
  mix(modifier)
  mix(half(4))
  code.expression(x)
  module.define(index, code)
}

/** Sets `range` to what is known of the pointer's VA range, and returns the pointer with its code replaced by copies of bit 55. */
function selectRange(code: Code, range: Expression, kind: Expression, upper: Expression, pointer: Expression): Expression {
  code.set(range, W.add(W.shl(kind, W.i32(6)), W.shl(upper, W.i32(5))))
  const extension = W.load(LOAD.i64, range, PAC.EXTENSION)
  return W.select(W.or(pointer, extension), W.and(pointer, W.not(extension)), upper)
}
const kindOf = (key: Expression): Expression => bitOf(key, W.i32(1))
const disabled = (key: Expression): Expression => W.eqz(bitOf(control(PAC.ENABLED), key))

function defineAdd(module: ModuleBuilder, { addPAC, computePAC }: Functions): void {
  const code = new Code(3), key = parameter(0), pointer = parameter(1, I64), modifier = parameter(2, I64)
  const upper = code.newLocal(I32), range = code.newLocal(I32), pac = code.newLocal(I64), found = code.newLocal(I64)
  const field = (offset: number): Expression => W.load(LOAD.i64, range, offset)
  code.if(disabled(key), () => code.return(pointer))
  const select = W.load(LOAD.i64, W.shl(kindOf(key), W.i32(3)), PAC.SELECT)
  code.set(upper, W.and(W.wrap(W.shrU(pointer, select)), W.i32(1)))
  const extended = selectRange(code, range, kindOf(key), upper, pointer)
  code.set(pac, W.call(computePAC, I64, key, extended, modifier))
  code.set(found, W.and(pointer, field(PAC.EXTENSION)))
  // A pointer that was not canonical gets a code that will not authenticate.
  code.if(W.and(W.ne(found, W.i64(0)), W.ne(found, field(PAC.EXTENSION))), () => code.set(pac, W.xor(pac, field(PAC.POISON))))
  const rest = W.and(W.and(pointer, W.not(field(PAC.CODE))), W.not(BIT_55))
  code.expression(W.or(W.or(rest, W.and(pac, field(PAC.CODE))), W.shl(W.extendU(upper), W.i64(55))))
  module.define(addPAC, code)
}

function defineAuthenticate(module: ModuleBuilder, { authenticate, computePAC }: Functions): void {
  const code = new Code(3), key = parameter(0), pointer = parameter(1, I64), modifier = parameter(2, I64)
  const range = code.newLocal(I32), upper = code.newLocal(I32), original = code.newLocal(I64)
  const field = (offset: number): Expression => W.load(LOAD.i64, range, offset)
  code.if(disabled(key), () => code.return(pointer))
  code.set(upper, W.and(W.wrap(W.shrU(pointer, W.i64(55))), W.i32(1)))
  code.set(original, selectRange(code, range, kindOf(key), upper, pointer))
  const difference = W.and(W.xor(W.call(computePAC, I64, key, original, modifier), pointer), field(PAC.CODE))
  code.if(W.eqz(difference), () => code.return(original))
  // Error code 1 for the A keys, 2 for the B keys.
  const cleared = W.and(original, W.not(W.mul(field(PAC.ERROR), W.i64(3))))
  code.expression(W.or(cleared, W.shl(field(PAC.ERROR), W.extendU(W.and(key, W.i32(1))))))
  module.define(authenticate, code)
}

function defineStrip(module: ModuleBuilder, { strip }: Functions): void {
  const code = new Code(2), kind = parameter(0), pointer = parameter(1, I64), range = code.newLocal(I32), upper = code.newLocal(I32)
  code.set(upper, W.and(W.wrap(W.shrU(pointer, W.i64(55))), W.i32(1)))
  code.expression(selectRange(code, range, kind, upper, pointer))
  module.define(strip, code)
}

export function definePointerCodes(module: ModuleBuilder, functions: Functions): void {
  defineCompute(module, functions.computePAC)
  defineAdd(module, functions)
  defineAuthenticate(module, functions)
  defineStrip(module, functions)
  const generic = new Code(2)
  generic.expression(W.and(W.call(functions.computePAC, I64, W.i32(GENERIC), parameter(0, I64), parameter(1, I64)), W.i64Pair(-1, 0)))
  module.define(functions.genericPAC, generic)
}

/** Bits `high` to `low`, in place. */
const bits = (high: number, low: number): bigint => high < low ? 0n : ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low)

/** The words of PAC from SELECT on, for instruction and data pointers. */
export function pointerTable(layouts: readonly [instruction: PointerLayout, data: PointerLayout]): Int32Array {
  const table = new DataView(new ArrayBuffer(PAC.END - PAC.SELECT))
  layouts.forEach(({ tbi, bottom, twoRanges }, kind) => {
    const set = (address: number, value: bigint): void => { table.setBigUint64(address - PAC.SELECT, value, true) }
    set(PAC.SELECT + 8 * kind, tbi[0] || (twoRanges && tbi[1]) ? 55n : 63n)
    for (const upper of [0, 1] as const) {
      const range = twoRanges ? upper : 0, ignored = tbi[range], from = bottom[range], at = 64 * kind + 32 * upper
      set(at + PAC.EXTENSION, bits(ignored ? 55 : 63, from))
      set(at + PAC.CODE, bits(54, from) | (ignored ? 0n : bits(63, 56)))
      set(at + PAC.POISON, 1n << (ignored ? 54n : 62n))
      set(at + PAC.ERROR, 1n << (ignored ? 53n : 61n))
    }
  })
  return new Int32Array(table.buffer)
}

/** The CPU's side of PAC. Sets of keys are masks by number. */
export class PointerCodes {
  private readonly i32: Int32Array

  constructor(buffer: ArrayBufferLike) { this.i32 = new Int32Array(buffer, 0, PAC.END / 4) }

  set enabled(keys: number) { this.i32[PAC.ENABLED / 4] = keys }
  set trapped(keys: number) { this.i32[PAC.TRAPPED / 4] = keys }
  /** Addresses of the low and of the high half of each key. */
  setKeys(addresses: readonly number[]): void { this.i32.set(addresses, PAC.KEYS / 4) }
  setTable(table: Int32Array): void { this.i32.set(table, PAC.SELECT / 4) }
}
