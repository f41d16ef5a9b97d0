/**
 * Register fields as text: entries separated by commas, each `Name bits attributes`, e.g.
 * `M 0, T0SZ 5:0, E2H 34 VHE, ISTATUS 2 RO, SPAN 23 PAN else1, RES1 31`. Bits that no entry names are RES0.
 * Attributes: `RO`; a feature without its FEAT_ (the field is RES0 without it); `else1` (RES1 without it); `E2H=0` (that layout only, of a
 * register with two). The name `RES1` marks RES1 bits. Bits that are RES0 or RES1 in one layout only are kept as written.
 */
import type { Field, RowFeature } from './row.ts'

export function parseFields(text: string): Field[] {
  const fields: Field[] = []
  for (const entry of text.split(',')) {
    const [name, bits, ...attributes] = entry.trim().split(/\s+/)
    if (name === undefined || name === '') continue
    const range = /^(\d+)(?::(\d+))?$/.exec(bits ?? '')
    if (range === null) throw new Error(`field '${entry.trim()}': no bits`)
    const high = Number(range[1]), low = Number(range[2] ?? range[1])
    let kind: Field['kind'] = name === 'RES1' ? 'RES1' : 'RW', feature: RowFeature | undefined, elseOne = false, nVHE = false
    for (const attribute of attributes) {
      if (attribute === 'RO') kind = 'RO'
      else if (attribute === 'else1') elseOne = true
      else if (attribute === 'E2H=0') nVHE = true
      else feature = (attribute === 'GICv3' ? attribute : `FEAT_${attribute}`) as RowFeature
    }
    fields.push({ name, high, low, kind, feature, elseOne, nVHE })
  }
  return fields
}

export const fieldMask = (field: Field): bigint => ((1n << BigInt(field.high - field.low + 1)) - 1n) << BigInt(field.low)

/** What a write may change (`write`), what it must keep (`readOnly`) and what is always one (`res1`). */
export interface Masks { readonly write: bigint, readonly readOnly: bigint, readonly res1: bigint, /** Every bit can be written. */ readonly all: boolean }

const ALL = 0xffff_ffff_ffff_ffffn

export function masksOf(fields: readonly Field[] | undefined, has: (feature: RowFeature) => boolean): Masks {
  if (fields === undefined) return { write: ALL, readOnly: 0n, res1: 0n, all: true }
  let write = 0n, readOnly = 0n, res1 = 0n
  for (const field of fields) {
    const mask = fieldMask(field)
    if (field.feature !== undefined && !has(field.feature)) { if (field.elseOne) res1 |= mask }
    else if (field.kind === 'RES1') res1 |= mask
    else if (field.kind === 'RO') readOnly |= mask
    else write |= mask
  }
  return { write, readOnly: readOnly & ~write, res1: res1 & ~write & ~readOnly, all: write === ALL }
}
