/** Text of an instruction word, from the row's template. */
import { ALIASES } from './aliases.ts'
import { type Decoder, decode } from './decode.ts'
import { fieldsOf } from './instruction.ts'
import { printTemplate } from './template.ts'

export interface DisassembleOptions {
  /** Address of the instruction, for PC-relative operands; 0 if absent. */
  readonly pc?: bigint
  /** Preferred aliases (`mov`, `cmp`, `lsl` ...); true if absent. */
  readonly aliases?: boolean
  readonly decoder?: Decoder
  /** Names for the encodings op0:op1:CRn:CRm:op2 of MRS and MSR, e.g. from sysreg/. */
  readonly systemRegisterName?: (key: number) => string | undefined
}

/** The instruction in lower case, or `.inst 0x...` when the word is UNDEFINED. */
export function disassemble(word: number, options: DisassembleOptions = {}): string {
  const variant = options.decoder ? options.decoder.decode(word) : decode(word)
  if (variant === undefined) return `.inst 0x${(word >>> 0).toString(16).padStart(8, '0')}`
  const { row } = variant
  let template = row.assembly
  if (options.aliases !== false) {
    const fields = fieldsOf(row, word)
    template = ALIASES[row.name]?.find(alias => alias.when(fields))?.assembly ?? template
  }
  return printTemplate(template, row, word, options.pc ?? 0n, options.systemRegisterName ?? (() => undefined))
}
