/** Generated interpreters of this process: they depend on nothing but the instruction table and these options, so they are made once. */
import { generateInterpreter } from './interpreter.ts'
import type { Interpreter, InterpreterOptions } from './interpreter.ts'

export interface InterpreterModule { readonly module: WebAssembly.Module, readonly interpreter: Interpreter }

const made = new Map<string, InterpreterModule>()

export function interpreterModule(options: InterpreterOptions): InterpreterModule {
  const key = `${options.exact} ${options.barriers}`
  let known = made.get(key)
  if (known === undefined) {
    const interpreter = generateInterpreter(options)
    known = { module: new WebAssembly.Module(interpreter.bytes), interpreter }
    made.set(key, known)
  }
  return known
}
