/** Every fast path against the soft float, with the exceptions; NIDUS_FLOAT_COUNT operands per operation (default 2000). */
import { describe, expect, test } from 'vitest'
import type { FpOperation, Rounding } from '../isa/fp-operation.ts'
import { Environment, evaluate, FPSR } from '../isa/softfloat/index.ts'
import { floatingPoint } from '../isa/testing/floats.ts'
import { Random } from '../isa/testing/random.ts'
import { SLOT } from '../sysreg/index.ts'
import { fastPath, hostFuses, operandLocals } from './fast-float.ts'
import { HOT, REGISTER_FILES } from './layout.ts'
import { Code, parameter } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, V128 } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'
import { ModuleBuilder } from './wasm/module.ts'

const COUNT = Number(process.env['NIDUS_FLOAT_COUNT'] ?? 2000)
const SLOW = 0x1234_5678_9abc_def0n

interface Machine { readonly run: (...operands: bigint[]) => bigint, fpcr: number, fpsr: number }

/** The fast path as a function; SLOW where it runs on. Lanes get the same operand everywhere. */
function machine(operation: FpOperation, operands: number, lanes: boolean, fuses: boolean, constants: readonly Expression[] = []): Machine {
  const memory = new WebAssembly.Memory({ initial: 1 }), words = new Int32Array(memory.buffer)
  words[HOT.FILE / 4] = REGISTER_FILES
  const module = new ModuleBuilder(), code = new Code(operands)
  module.importMemory()
  const index = module.declare(Array.from({ length: operands }, () => I64), [I64], 'run'), type = lanes ? V128 : I64
  const result = code.newLocal(type), parameters = Array.from({ length: operands }, (_, i) => parameter(i, I64))
  const splat = (x: Expression): Expression => !lanes ? x : operation.bits === 64 ? W.simd(0x12, V128, [x]) : W.simd(0x11, V128, [W.wrap(x)])
  const values = operandLocals(code, [...parameters.map(splat), ...constants])
  const done = code.block()
  fastPath(code, operation, values, result, done, fuses)
  code.return(W.i64Big(SLOW))
  code.end()
  const low = !lanes ? result : operation.bits === 64 ? W.simd(0x1d, I64, [result], 0) : W.extendU(W.simd(0x1b, I32, [result], 0))
  code.expression(low)
  module.define(index, code)
  const run = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } }).exports['run'] as (...operands: bigint[]) => bigint
  const register = (slot: number): number => REGISTER_FILES / 4 + 2 * slot
  return {
    run: (...args) => BigInt.asUintN(64, run(...args)),
    get fpcr() { return words[register(SLOT.FPCR)]! }, set fpcr(value) { words[register(SLOT.FPCR)] = value },
    get fpsr() { return words[register(SLOT.FPSR)]! }, set fpsr(value) { words[register(SLOT.FPSR)] = value },
  }
}

interface Case { readonly operation: FpOperation, readonly operands: number, readonly integers?: boolean, readonly constants?: readonly Expression[] }
const ROUNDINGS: readonly Rounding[] = ['TIEEVEN', 'POSINF', 'NEGINF', 'ZERO', 'TIEAWAY']
const binary = ['FPAdd', 'FPSub', 'FPMul', 'FPMulX', 'FPDiv', 'FPMax', 'FPMin', 'FPMaxNum', 'FPMinNum', 'FPRecipStepFused', 'FPRSqrtStepFused', 'FPCompareEQ', 'FPCompareGE', 'FPCompareGT'] as const
const vectorCases: readonly Case[] = ([32, 64] as const).flatMap((bits): Case[] => [
  ...binary.map((name): Case => ({ operation: { name, bits }, operands: 2 })),
  { operation: { name: 'FPMulAdd', bits }, operands: 3 }, { operation: { name: 'FPSqrt', bits }, operands: 1 },
  ...([...ROUNDINGS, 'FPCR'] as const).map((rounding): Case => ({ operation: { name: 'FPRoundInt', bits, rounding, exact: rounding === 'FPCR' }, operands: 1 })),
])
const scalarCases: readonly Case[] = ([32, 64] as const).flatMap((bits): Case[] => [
  { operation: { name: 'FPCompare', bits }, operands: 2 }, { operation: { name: 'FPCompareSignalling', bits }, operands: 2 },
  { operation: { name: 'FPConvert', bits, to: bits === 32 ? 64 : 32 }, operands: 1 },
  ...([32, 64] as const).flatMap(width => [false, true].flatMap((unsigned): Case[] => [
    { operation: { name: 'FixedToFP', bits, from: width, unsigned }, operands: 1, integers: true, constants: [W.i64(0)] },
    ...ROUNDINGS.map((rounding): Case => ({ operation: { name: 'FPToFixed', bits, to: width, unsigned, rounding }, operands: 1, constants: [W.i64(0)] })),
  ])),
])

const laneConversions: readonly Case[] = ([32, 64] as const).flatMap(bits => [false, true].flatMap((unsigned): Case[] => [
  { operation: { name: 'FixedToFP', bits, from: bits, unsigned }, operands: 1, integers: true, constants: [W.v128Const(new Uint8Array(16))] },
  ...ROUNDINGS.map((rounding): Case => ({ operation: { name: 'FPToFixed', bits, to: bits, unsigned, rounding }, operands: 1, constants: [W.v128Const(new Uint8Array(16))] })),
]))

const label = ({ operation: { name, bits, rounding, to, from, unsigned } }: Case): string => [name, bits, rounding, to, from, unsigned ? 'unsigned' : undefined].filter(part => part !== undefined).join(' ')

/** Of the least magnitude for which results are inexact to the ends of the range. */
function operandOf(r: Random, c: Case, previous: readonly bigint[]): bigint {
  const { bits } = c.operation
  if (c.integers) return BigInt.asUintN(c.operation.from!, r.chance(2) ? BigInt.asIntN(64, r.bits64()) >> BigInt(r.below(64)) : (1n << BigInt(r.below(64))) + BigInt(r.below(3) - 1))
  const other = previous[0]
  // Neighbours and opposites of another operand: cancellation.
  if (other !== undefined && r.chance(4)) return BigInt.asUintN(bits, (other ^ (BigInt(r.below(2)) << BigInt(bits - 1))) + BigInt(r.below(5) - 2))
  return floatingPoint(r, bits)
}

/** Differences, and the share of cases that were fast. */
function compare(c: Case, lanes: boolean, fuses: boolean): { readonly differences: readonly string[], readonly fast: number } {
  const m = machine(c.operation, c.operands, lanes, fuses, c.constants), r = new Random(COUNT + c.operands), differences: string[] = []
  let fast = 0
  for (let i = 0; i < COUNT; i++) {
    const operands: bigint[] = []
    for (let n = 0; n < c.operands; n++) operands.push(operandOf(r, c, operands))
    // A product that is almost the addend.
    if (c.operation.name === 'FPMulAdd' && r.chance(3)) operands[0] = evaluate({ name: 'FPMul', bits: c.operation.bits }, new Environment(0), operands[1]!, operands[2]) ^ (BigInt(r.below(2)) << BigInt(c.operation.bits - 1))
    const fpcr = r.chance(3) ? (r.below(32) << 22) | 0 : 0, before = r.pick([0, FPSR.IXC, FPSR.IXC, FPSR.UFC])
    m.fpcr = fpcr
    m.fpsr = before
    const environment = new Environment(fpcr), expected = evaluate(c.operation, environment, ...operands as [bigint], ...(c.constants ? [0n] : [])), got = m.run(...operands)
    if (got === SLOW) {
      if (m.fpsr !== before) differences.push('flags changed on the way to the slow path')
      continue
    }
    fast++
    const flags = before | environment.flags
    if (got !== expected || m.fpsr !== flags) {
      differences.push(`${operands.map(o => o.toString(16)).join(', ')} FPCR ${fpcr.toString(16)} FPSR ${before.toString(16)}: ${got.toString(16)} with ${m.fpsr.toString(16)}, not ${expected.toString(16)} with ${flags.toString(16)}`)
    }
  }
  return { differences, fast: fast / COUNT }
}

describe('scalars', () => {
  test.each([...vectorCases, ...scalarCases].map(c => [label(c), c] as const))('%s', (_, c) => {
    for (const fuses of new Set([hostFuses(), false])) {
      const { differences, fast } = compare(c, false, fuses)
      expect(differences.slice(0, 3)).toEqual([])
      expect(fast).toBeGreaterThan(0.05)
    }
  })
})

describe('lanes', () => {
  test.each([...vectorCases, ...laneConversions].map(c => [label(c), c] as const))('%s', (_, c) => {
    const { differences, fast } = compare(c, true, hostFuses())
    expect(differences.slice(0, 3)).toEqual([])
    if (hostFuses()) expect(fast).toBeGreaterThan(0.05)
  })
})
