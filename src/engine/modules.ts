/** Generated interpreters of this process: they depend on nothing but the instruction table and these options, so they are made once. */
import { generateInterpreter, recordingOf } from './interpreter.ts'
import type { Interpreter, InterpreterOptions } from './interpreter.ts'
import { LateHandlers } from './late.ts'
import { PREBUILT } from './prebuilt.ts'
import { restoreInterpreter } from './stored-interpreter.ts'

export interface InterpreterModule { readonly module: WebAssembly.Module, readonly interpreter: Interpreter, readonly late: LateHandlers }

const made = new Map<string, InterpreterModule>()
/** The exact interpreter and the ordinary one share decode records, and so the numbers of late handlers. */
const late = new Map<boolean, LateHandlers>()

function lateHandlers(barriers: boolean): LateHandlers {
  let known = late.get(barriers)
  if (known === undefined) late.set(barriers, known = new LateHandlers({ barriers }, variant => recordingOf(variant, { barriers })))
  return known
}

export const moduleKey = ({ exact, barriers, translate }: InterpreterOptions): string => `${exact} ${barriers} ${translate}`

export function interpreterModule(options: InterpreterOptions): InterpreterModule {
  const key = moduleKey(options)
  let known = made.get(key)
  if (known === undefined) {
    const stored = PREBUILT[key], interpreter = stored === undefined ? generateInterpreter(options) : restoreInterpreter(stored)
    known = { module: new WebAssembly.Module(interpreter.bytes), interpreter, late: lateHandlers(options.barriers) }
    made.set(key, known)
  }
  return known
}
