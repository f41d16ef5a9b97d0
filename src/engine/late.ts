/**
 * Handlers of seldom instructions. Each is a WebAssembly module of its own, made when the first such instruction of the process is
 * decoded: the table has thousands of variants, of which a guest uses few. An engine puts the function into the table of its
 * interpreter (Interpreter.exports: `table`).
 */
import type { Variant } from '../isa/instruction.ts'
import { HandlerCode } from './handler.ts'
import type { HandlerOptions } from './handler.ts'
import { importHelpers } from './helpers.ts'
import { HOT } from './layout.ts'
import { OperandLayout } from './record.ts'
import type { Operand } from './record.ts'
import type { Recording } from './recorder.ts'
import { parameter } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, STORE } from './wasm/expression.ts'
import { ModuleBuilder } from './wasm/module.ts'

export interface LateHandler {
  /** Place in the table. */
  readonly slot: number
  readonly module: WebAssembly.Module
  readonly operands: readonly Operand[]
}

export class LateHandlers {
  private readonly options: HandlerOptions
  private readonly recordingOf: (variant: Variant) => Recording
  private readonly byKey = new Map<string, LateHandler>()

  constructor(options: HandlerOptions, recordingOf: (variant: Variant) => Recording) {
    this.options = options
    this.recordingOf = recordingOf
  }

  of(variant: Variant): LateHandler {
    // Instructions that differ in `cond` alone share a handler.
    const statics = Object.entries(variant.statics).filter(([name]) => name !== 'cond')
    const key = `${variant.row.name} ${statics.join()}`
    let handler = this.byKey.get(key)
    if (handler === undefined) {
      handler = this.make(variant, this.byKey.size)
      this.byKey.set(key, handler)
    }
    return handler
  }

  /** A function (record, credit); the caller has spilled both and looks at REDIRECT afterwards. */
  private make(variant: Variant, slot: number): LateHandler {
    const module = new ModuleBuilder()
    module.importMemory()
    const recording = this.recordingOf(variant), layout = new OperandLayout(variant.row, recording, false)
    const code = new HandlerCode(2, importHelpers(module), this.options)
    code.handler(recording, layout, {
      record: parameter(0), credit: parameter(1),
      abandon: () => code.return(),
      completed: () => code.return(),
      branchNear: () => { throw new Error(`${variant.row.name}: a late handler cannot branch within the page`) },
      branchFar: target => {
        code.store(STORE.i64, W.i32(0), target, HOT.PC)
        code.store(STORE.i32, W.i32(0), W.i32(1), HOT.REDIRECT)
        code.return()
      },
    }, false)
    module.define(module.declare([I32, I32], [], 'handler'), code)
    return { slot, module: new WebAssembly.Module(module.toBytes()), operands: layout.operands }
  }
}
