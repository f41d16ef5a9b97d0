/** An interpreter as text, and back: for code that is built, which need not generate it at every start. */
import type { Interpreter } from './interpreter.ts'

export function storeInterpreter(interpreter: Interpreter): string {
  let bytes = ''
  for (const byte of interpreter.bytes) bytes += String.fromCharCode(byte)
  // Late variants have no decoding: JSON makes null of it.
  return JSON.stringify({ ...interpreter, bytes: btoa(bytes) })
}

export function restoreInterpreter(text: string): Interpreter {
  const { bytes, decodings, ...rest } = JSON.parse(text) as Omit<Interpreter, 'bytes' | 'decodings'> & { readonly bytes: string, readonly decodings: readonly (Interpreter['decodings'][number] | null)[] }
  return { ...rest, bytes: Uint8Array.from(atob(bytes), character => character.charCodeAt(0)), decodings: decodings.map(decoding => decoding ?? undefined) }
}
