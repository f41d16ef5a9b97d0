/** Words from rows: the inverse of `fieldsOf`. */
import type { Row } from './instruction.ts'
import { rowNamed } from './table.ts'

/** The word of `row` (or of the row with this name) with these field values; fields that are not given are 0. */
export function encode(row: Row | string, fields: Readonly<Record<string, number>> = {}): number {
  const r = typeof row === 'string' ? rowNamed(row) : row
  let word = r.value
  for (const [name, value] of Object.entries(fields)) {
    const field = r.fields.find(f => f.name === name)
    if (field === undefined) throw new Error(`${r.name} has no field ${name}`)
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** field.width) throw new Error(`${r.name}: ${name} = ${value} does not fit ${field.width} bits`)
    word |= value << field.lsb
  }
  return word >>> 0
}
