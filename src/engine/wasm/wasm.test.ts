import { describe, expect, it } from 'vitest'
import { Bytes } from './bytes.ts'
import { Code, parameter } from './code.ts'
import * as W from './expression.ts'
import { I32, I64, V128 } from './expression.ts'
import type { Expression, ValueType } from './expression.ts'
import { ModuleBuilder } from './module.ts'

/** LEB128 read back, to 64 bits. */
function readLeb(bytes: Uint8Array, signed: boolean): bigint {
  let value = 0n, shift = 0n
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift
    shift += 7n
    if ((byte & 0x80) === 0) return signed && (byte & 0x40) !== 0 ? value - (1n << shift) : value
  }
  throw new Error('the number does not end')
}

const halves = (value: bigint): [number, number] => [Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asIntN(32, value))]

describe('LEB128', () => {
  it.each([0, 1, 63, 64, 127, 128, 16383, 16384, 0x7fff_ffff, 0xffff_ffff])('u32 %d', value => {
    expect(readLeb(new Bytes().u32(value).toBytes(), false)).toBe(BigInt(value))
  })
  it.each([0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, 0x7fff_ffff, -0x8000_0000])('s32 %d', value => {
    expect(readLeb(new Bytes().s32(value).toBytes(), true)).toBe(BigInt(value))
  })
  it('s64: every power of two, its neighbours and negatives', () => {
    for (let n = 0n; n < 64n; n++) {
      for (const value of [(1n << n) - 1n, 1n << n, (1n << n) + 1n, -(1n << n), -(1n << n) - 1n]) {
        const signed = BigInt.asIntN(64, value)
        const bytes = new Bytes().s64(...halves(signed)).toBytes()
        expect(readLeb(bytes, true)).toBe(signed)
        expect(bytes.length).toBeLessThanOrEqual(10)
      }
    }
  })
})

/** Runs one expression over parameters. */
function evaluate(parameters: readonly ValueType[], result: ValueType, build: (p: readonly Expression[], code: Code) => Expression): (...args: (number | bigint)[]) => number | bigint {
  const module = new ModuleBuilder()
  const index = module.declare(parameters, [result], 'f')
  const code = new Code(parameters.length)
  code.expression(build(parameters.map((type, i) => parameter(i, type)), code))
  module.define(index, code)
  return new WebAssembly.Instance(new WebAssembly.Module(module.toBytes())).exports['f'] as (...args: (number | bigint)[]) => number | bigint
}

describe('expressions', () => {
  it('fold constants as WebAssembly computes', () => {
    const values = [0n, 1n, -1n, 0x7fff_ffff_ffff_ffffn, -0x8000_0000_0000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 0x1234_5678_9abc_def0n]
    const operations = { add: W.add, and: W.and, or: W.or, xor: W.xor }
    for (const [name, operation] of Object.entries(operations)) {
      const run = evaluate([I64, I64], I64, ([a, b]) => operation(a!, b!))
      for (const a of values) {
        for (const b of values) {
          const folded = operation(W.i64Big(a), W.i64Big(b))
          const expected = run(a, b) as bigint
          expect([name, folded.high, folded.low]).toEqual([name, ...halves(expected)])
        }
      }
    }
  })
  it('drop operations without effect', () => {
    const x = parameter(0, I64)
    expect(W.add(x, W.i64(0))).toBe(x)
    expect(W.and(W.i64(-1), x)).toBe(x)
    expect(W.shl(x, W.i64(0))).toBe(x)
    expect(W.wrap(W.extendU(parameter(0)))).toEqual(parameter(0))
    expect(W.add(W.add(x, W.i64(3)), W.i64(4))).toEqual(W.add(x, W.i64(7)))
  })
  it('write constants, comparisons and selections', () => {
    expect(evaluate([], I64, () => W.i64Big(-0x1234_5678_9abc_def0n))()).toBe(-0x1234_5678_9abc_def0n)
    expect(evaluate([I64, I64], I32, ([a, b]) => W.ltU(a!, b!))(1n, -1n)).toBe(1)
    expect(evaluate([I32], I64, ([c]) => W.select(W.i64(7), W.i64(8), c!))(0)).toBe(8n)
    expect(evaluate([I64], I64, ([a]) => W.signExtend8(a!))(0x80n)).toBe(-128n)
  })
  it('write vector lanes and constants', () => {
    const run = evaluate([I64], I64, ([a]) => W.simd(0x1d, I64, [W.simd(0x1e, V128, [W.v128Const(new Uint8Array(16).fill(0xff)), a!], 1)], 1))
    expect(run(5n)).toBe(5n)
  })
})

describe('control flow', () => {
  it('loops, leaves blocks and jumps through a table', () => {
    const module = new ModuleBuilder()
    const index = module.declare([I32], [I32], 'f')
    const code = new Code(1)
    const n = parameter(0), sum = code.newLocal(I32)
    const done = code.block()
    const again = code.loop()
    code.branchIf(done, W.eqz(n))
    code.set(sum, W.add(sum, n))
    code.set(n, W.sub(n, W.i32(1)))
    code.branch(again)
    code.end()
    code.end()
    const other = code.block(), second = code.block(), first = code.block()
    code.branchTable([first, second], other, W.sub(sum, W.i32(10)))
    code.end()
    code.return(W.i32(100))
    code.end()
    code.return(W.i32(200))
    code.end()
    code.if(W.eqz(sum), () => code.return(W.i32(-1)), () => code.return(sum))
    code.unreachable()
    module.define(index, code)
    const f = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes())).exports['f'] as (n: number) => number
    expect([0, 1, 2, 3, 4, 5].map(f)).toEqual([-1, 1, 3, 6, 100, 15])
  })
  it('calls imports, other functions and through the table', () => {
    const module = new ModuleBuilder()
    const twice = module.importFunction('twice', [I32], [I32])
    const inner = module.declare([I32], [I32])
    const outer = module.declare([I32], [I32], 'f')
    const innerCode = new Code(1)
    innerCode.expression(W.add(W.call(twice, I32, parameter(0)), W.i32(1)))
    module.define(inner, innerCode)
    const outerCode = new Code(1)
    outerCode.callIndirect(module.type([I32], [I32]), W.i32(module.addElement(inner)), W.call(inner, I32, parameter(0)))
    module.define(outer, outerCode)
    const f = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { twice: (x: number) => 2 * x } }).exports['f'] as (n: number) => number
    expect(f(5)).toBe(23)
  })
})
