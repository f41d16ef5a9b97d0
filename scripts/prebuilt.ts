/** Prints what a build puts in the place of src/engine/prebuilt.ts: the interpreter that machines run on unless they are asked for another. */
import { generateInterpreter } from '../src/engine/interpreter.ts'
import { moduleKey } from '../src/engine/modules.ts'
import { storeInterpreter } from '../src/engine/stored-interpreter.ts'

const options = { exact: false, barriers: false, translate: true }
process.stdout.write(`export const PREBUILT = ${JSON.stringify({ [moduleKey(options)]: storeInterpreter(generateInterpreter(options)) })}\n`)
