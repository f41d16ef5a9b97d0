/**
 * Floating point: what the generated code does for an `fp` effect, and what JavaScript does for it.
 * FPCR and FPSR are in the PE's register file, where MRS and MSR have them; HOT.FILE is its address.
 */
import type { RegisterFile } from '../arch/register-file.ts'
import { type FpOperation, fpCode, fpOperationOf } from '../isa/fp-operation.ts'
import { Environment, FPSR, evaluate } from '../isa/softfloat/index.ts'
import { SLOT } from '../sysreg/index.ts'
import { fastPath, operandLocals } from './fast-float.ts'
import type { Helpers } from './helpers.ts'
import { hot } from './helpers.ts'
import { FP_SCRATCH, HOT } from './layout.ts'
import type { Code } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { LOAD, STORE, V128 } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'

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

/** The JavaScript side: operands and result in FP_SCRATCH, FPCR and FPSR of the PE that runs. */
export class SoftFloat {
  private readonly scratch: BigUint64Array
  private readonly file: () => RegisterFile

  constructor(buffer: ArrayBufferLike, file: () => RegisterFile) {
    this.scratch = new BigUint64Array(buffer, FP_SCRATCH, 6)
    this.file = file
  }

  private environment(): Environment {
    return new Environment(this.file().i32[2 * SLOT.FPCR]!)
  }

  private accumulate({ flags }: Environment): void {
    this.file().i32[2 * SLOT.FPSR]! |= flags
  }

  scalar(code: number): void {
    const { scratch } = this, environment = this.environment()
    scratch[0] = evaluate(fpOperationOf(code), environment, scratch[0]!, scratch[2]!, scratch[4]!)
    this.accumulate(environment)
  }

  lanes(code: number): void {
    const { scratch } = this, environment = this.environment(), operation = fpOperationOf(code)
    const bits = BigInt(operation.bits), mask = (1n << bits) - 1n
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
}
