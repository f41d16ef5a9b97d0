/** All instruction rows, their variants, and the checks that hold for the table as a whole. */
import { atomic } from './a64/atomic.ts'
import { branch } from './a64/branch.ts'
import { crc32Rows } from './a64/crc32.ts'
import { crypto } from './a64/crypto.ts'
import { dpImmediate } from './a64/dp-immediate.ts'
import { dpRegister } from './a64/dp-register.ts'
import { exclusive } from './a64/exclusive.ts'
import { flags } from './a64/flags.ts'
import { loadStoreSimd } from './a64/load-store-simd.ts'
import { fpScalar } from './a64/fp-scalar.ts'
import { loadStoreStructures } from './a64/load-store-structures.ts'
import { loadStore } from './a64/load-store.ts'
import { lrcpc } from './a64/lrcpc.ts'
import { pauth } from './a64/pauth.ts'
import { simdFp } from './a64/simd-fp.ts'
import { simdIndexed } from './a64/simd-indexed.ts'
import { simdMove } from './a64/simd-move.ts'
import { simdPermute } from './a64/simd-permute.ts'
import { simdShiftImmediate } from './a64/simd-shift-immediate.ts'
import { simdThreeDifferent } from './a64/simd-three-different.ts'
import { simdThreeSame } from './a64/simd-three-same.ts'
import { simdTwoRegister } from './a64/simd-two-register.ts'
import { system } from './a64/system.ts'
import type { Field, Row, Variant } from './instruction.ts'

/** Group name (a file of a64/) to its rows. */
export const GROUPS: Readonly<Record<string, readonly Row[]>> = {
  'dp-immediate': dpImmediate, 'dp-register': dpRegister, branch, 'load-store': loadStore, 'load-store-simd': loadStoreSimd,
  'load-store-structures': loadStoreStructures, exclusive, atomic,
  crc32: crc32Rows, pauth, flags, lrcpc, system, 'simd-move': simdMove,
  'simd-three-same': simdThreeSame, 'simd-three-different': simdThreeDifferent, 'simd-two-register': simdTwoRegister,
  'simd-shift-immediate': simdShiftImmediate, 'simd-permute': simdPermute, 'simd-indexed': simdIndexed,
  'simd-fp': simdFp, 'fp-scalar': fpScalar, crypto,
}
export const ROWS: readonly Row[] = Object.values(GROUPS).flat()

const byName = new Map<string, Row>()
for (const row of ROWS) {
  if (byName.has(row.name)) throw new Error(`two rows are named '${row.name}'`)
  byName.set(row.name, row)
}
/** The row of this name; an unknown name is an error of ours. */
export function rowNamed(name: string): Row {
  const row = byName.get(name)
  if (row === undefined) throw new Error(`no instruction row is named '${name}'`)
  return row
}

/** True when some word matches both patterns. */
export const overlap = (a: Row, b: Row): boolean => ((a.value ^ b.value) & a.mask & b.mask) === 0

/** Overlapping rows of equal specificity: the decoder could not choose between them. Static conditions (`valid`) are not looked at. */
export function ambiguities(rows: readonly Row[]): readonly (readonly [Row, Row])[] {
  const found: (readonly [Row, Row])[] = []
  rows.forEach((a, i) => {
    for (let j = i + 1; j < rows.length; j++) if (rows[j]!.fixedBits === a.fixedBits && overlap(a, rows[j]!)) found.push([a, rows[j]!])
  })
  return found
}
for (const [a, b] of ambiguities(ROWS)) throw new Error(`'${a.name}' and '${b.name}' overlap with equally many fixed bits`)

export const staticFields = (row: Row): readonly Field[] => row.fields.filter(field => !field.dynamic)

/** The static fields of `word`, packed in pattern order. */
export function staticKey(fields: readonly Field[], word: number): number {
  let key = 0
  for (const field of fields) key = (key << field.width) | ((word >>> field.lsb) & ((1 << field.width) - 1))
  return key
}

interface RowVariants { readonly fields: readonly Field[], readonly byKey: readonly (Variant | undefined)[] }

/** The static fields for a body or `valid` under test: reading a field that is dynamic is an error, not `undefined`. */
export const strictStatics = (row: Row, statics: Readonly<Record<string, number>>): Readonly<Record<string, number>> => new Proxy(statics, {
  get(target, name) {
    if (typeof name === 'string' && !(name in target) && row.fields.some(field => field.name === name)) throw new Error(`${row.name}: the body reads the dynamic field ${name}`)
    return target[name as string]
  },
})

const variants: Variant[] = []
const variantsByRow = new Map<Row, RowVariants>()
for (const row of ROWS) {
  const fields = staticFields(row)
  const bits = fields.reduce((sum, field) => sum + field.width, 0)
  if (bits > 12) throw new Error(`${row.name}: ${bits} static bits make too many variants`)
  const byKey: (Variant | undefined)[] = []
  for (let key = 0; key < 1 << bits; key++) {
    const statics: Record<string, number> = {}
    let rest = key
    for (const field of [...fields].reverse()) {
      statics[field.name] = rest & ((1 << field.width) - 1)
      rest >>>= field.width
    }
    if (!row.valid(strictStatics(row, statics))) {
      byKey.push(undefined)
      continue
    }
    const variant: Variant = { row, statics, index: variants.length }
    variants.push(variant)
    byKey.push(variant)
  }
  variantsByRow.set(row, { fields, byKey })
}

/** All variants; `VARIANTS[i].index === i`. */
export const VARIANTS: readonly Variant[] = variants

/** The variant of `row` whose static fields are those of `word`; undefined where `valid` excludes them. */
export function variantOf(row: Row, word: number): Variant | undefined {
  const { fields, byKey } = variantsByRow.get(row)!
  return byKey[staticKey(fields, word)]
}
export const variantsOf = (row: Row): readonly Variant[] => variantsByRow.get(row)!.byKey.filter(variant => variant !== undefined)
