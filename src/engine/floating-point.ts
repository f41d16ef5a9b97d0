/**
 * Floating point: what the generated code does for an `fp` effect, and what JavaScript does for it.
 * FPCR and FPSR are in the PE's register file, where MRS and MSR have them; HOT.FILE is its address.
 */
import type { RegisterFile } from '../arch/register-file.ts'
import { type FpOperation, fpCode, fpOperationOf } from '../isa/fp-operation.ts'
import { Environment, FPCR, FPSR, evaluate } from '../isa/softfloat/index.ts'
import { SLOT } from '../sysreg/index.ts'
import { fastPath, operandLocals } from './fast-float.ts'
import type { Helpers } from './helpers.ts'
import { hot } from './helpers.ts'
import { FP_FILE, FP_SCRATCH, HOT } from './layout.ts'
import { vectorConstant } from './vector.ts'
import { Code } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, LOAD, STORE, V128 } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'
import { ModuleBuilder } from './wasm/module.ts'

const ZERO = W.i32(0)
const FPSR_OFFSET = SLOT.FPSR * 8

export const fpsr = (): Expression => W.load(LOAD.i32, hot(HOT.FILE), FPSR_OFFSET)
/** FPSR |= flags. */
export function raise(code: Code, flags: number): void {
  code.store(STORE.i32, hot(HOT.FILE), W.or(fpsr(), W.i32(flags)), FPSR_OFFSET)
}
export function setQC(code: Code, condition: Expression): void {
  code.if(condition, () => raise(code, FPSR.QC))
}

/** Writes the operation; the value is left in `result`. */
export function floatingPoint(code: Code, helpers: Helpers, operation: FpOperation, operands: readonly Expression[], result: Expression): void {
  const lanes = result.type === V128, values = operandLocals(code, operands)
  const done = code.block()
  fastPath(code, operation, values, result, done)
  values.forEach((value, i) => { code.store(value.type === V128 ? STORE.v128 : STORE.i64, ZERO, value, FP_SCRATCH + 16 * i) })
  code.callVoid(helpers.imports[lanes ? 'floatingPointLanes' : 'floatingPoint']!, W.i32(fpCode(operation)))
  code.set(result, W.load(lanes ? LOAD.v128 : LOAD.i64, ZERO, FP_SCRATCH))
  code.end()
}

type FloatResult = 32 | 64 | undefined
/** Format of the result in lanes and scalars, for operations that have a number as their result. */
function resultFormat({ name, bits, to }: FpOperation): FloatResult {
  if (name === 'FPConvert') return to === 16 ? undefined : to
  return name.startsWith('FPCompare') || name === 'FPToFixed' || name === 'FPToFixedJS' || bits === 16 ? undefined : bits
}
const isConversion = ({ name }: FpOperation): boolean => name === 'FPToFixed' || name === 'FixedToFP'
const operandsIn = ({ name }: FpOperation): number => name === 'FixedToFP' ? 0 : name === 'FPMulAdd' ? 3 : /^FP(Add|Sub|Mul|MulX|Div|Max|Min|MaxNum|MinNum|RecipStepFused|RSqrtStepFused|Compare.*)$/.test(name) ? 2 : 1

/** The fast path of an operation on FP_SCRATCH: 1 when it has left the result behind the operands. */
function fastFunction(memory: WebAssembly.Memory, operation: FpOperation, lanes: boolean): () => number {
  const module = new ModuleBuilder(), code = new Code(), result = code.newLocal(lanes ? V128 : I64)
  module.importMemory()
  const index = module.declare([], [I32], 'fast')
  const operands = [0, 1, 2].map(i => isConversion(operation) && i === 1 ? (lanes ? vectorConstant(0n) : W.i64(0)) : W.load(lanes ? LOAD.v128 : LOAD.i64, ZERO, FP_SCRATCH + 16 * i))
  const values = operandLocals(code, operands), done = code.block()
  fastPath(code, operation, values, result, done)
  code.return(ZERO)
  code.end()
  code.store(lanes ? STORE.v128 : STORE.i64, ZERO, result, FP_SCRATCH + 48)
  code.expression(W.i32(1))
  module.define(index, code)
  return new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } }).exports['fast'] as () => number
}

/** The JavaScript side: operands and result in FP_SCRATCH, FPCR and FPSR of the PE that runs. */
export class SoftFloat {
  private readonly memory: WebAssembly.Memory
  private readonly scratch: BigUint64Array
  private readonly words: Int32Array
  private readonly hot: Int32Array
  private readonly file: () => RegisterFile
  private readonly fast = new Map<number, () => number>()

  constructor(memory: WebAssembly.Memory, file: () => RegisterFile) {
    this.memory = memory
    this.scratch = new BigUint64Array(memory.buffer, FP_SCRATCH, 8)
    this.words = new Int32Array(memory.buffer, FP_SCRATCH, 16)
    this.hot = new Int32Array(memory.buffer, 0, HOT.SIZE / 4)
    this.file = file
    new Int32Array(memory.buffer)[(FP_FILE + FPSR_OFFSET) / 4] = FPSR.IXC
  }

  private environment(): Environment {
    return new Environment(this.file().i32[2 * SLOT.FPCR]!)
  }

  private accumulate({ flags }: Environment): void {
    this.file().i32[2 * SLOT.FPSR]! |= flags
  }

  scalar(code: number): void {
    const { scratch } = this, operation = fpOperationOf(code)
    if (this.flushing(code, operation, false)) return
    const environment = this.environment()
    scratch[0] = evaluate(operation, environment, scratch[0]!, scratch[2]!, scratch[4]!)
    this.accumulate(environment)
  }

  lanes(code: number): void {
    const { scratch } = this, operation = fpOperationOf(code)
    if (this.flushing(code, operation, true)) return
    const environment = this.environment(), bits = BigInt(operation.bits), mask = (1n << bits) - 1n
    for (let half = 0; half < 2; half++) {
      let value = 0n
      for (let at = 0n; at < 64n; at += bits) {
        const lane = (operand: number): bigint => (scratch[2 * operand + half]! >> at) & mask
        value |= evaluate(operation, environment, lane(0), lane(1), lane(2)) << at
      }
      scratch[half] = value
    }
    this.accumulate(environment)
  }

  /**
   * With FPCR.FZ, which -ffast-math sets, the generated code comes here always. Where neither operands nor result are denormal the
   * result is what it would be without: that of the fast path with another FPCR.
   */
  private flushing(code: number, operation: FpOperation, lanes: boolean): boolean {
    const { words, hot: block } = this, { i32 } = this.file()
    if ((i32[2 * SLOT.FPCR]! & (FPCR.FZ | (3 << FPCR.RMODE_SHIFT))) !== FPCR.FZ || (i32[2 * SLOT.FPSR]! & FPSR.IXC) === 0 || operation.bits === 16) return false
    // The fast path knows no fixed point.
    if (isConversion(operation) && (words[4]! | words[5]!) !== 0) return false
    for (let operand = operandsIn(operation) - 1; operand >= 0; operand--) if (!this.ordinary(4 * operand, operation.bits, lanes)) return false
    const key = lanes ? ~code : code
    let fast = this.fast.get(key)
    if (fast === undefined) this.fast.set(key, fast = fastFunction(this.memory, operation, lanes))
    const file = block[HOT.FILE / 4]!
    block[HOT.FILE / 4] = FP_FILE
    const done = fast() !== 0
    block[HOT.FILE / 4] = file
    const format = resultFormat(operation)
    if (!done || (format !== undefined && !this.ordinary(12, format, lanes))) return false
    for (let i = 0; i < 4; i++) words[i] = words[12 + i]!
    return true
  }

  /** No number at these words is denormal, infinite or NaN. */
  private ordinary(at: number, format: 32 | 64, lanes: boolean): boolean {
    const { words } = this, end = at + (lanes ? 4 : format / 32)
    for (let i = at; i < end; i += format / 32) {
      const high = words[i + format / 32 - 1]!, exponent = format === 64 ? (high >>> 20) & 0x7ff : (high >>> 23) & 0xff
      if (exponent === 0 ? (high << 1) !== 0 || (format === 64 && words[i] !== 0) : exponent === (format === 64 ? 0x7ff : 0xff)) return false
    }
    return true
  }
}
