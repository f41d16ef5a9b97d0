/** From instruction word to variant: buckets by bits [31:21], then the first match by number of fixed bits. */
import type { Feature } from '../arch/features.ts'
import { fieldsOf, type Row, type Variant } from './instruction.ts'
import { ROWS, rowNamed, variantOf, variantsOf } from './table.ts'

const BUCKET_SHIFT = 21

/** What an engine runs for a word that does not decode: its body is `undefined()`. */
export const UNDEFINED_VARIANT: Variant = variantsOf(rowNamed('UDF'))[0]!

export interface Decoder {
  /**
   * The variant that `word` is, or undefined when the word is UNDEFINED: unallocated, reserved, or of a feature that the PE has not.
   * No allocation except where a row has a `defined` condition.
   */
  decode(word: number): Variant | undefined
}

/** A decoder for a PE with `features`; without them, of everything that the table knows. */
export function createDecoder(features?: ReadonlySet<Feature>): Decoder {
  const rows = ROWS.filter(row => row.feature === undefined || features === undefined || features.has(row.feature))
  const specificFirst = [...rows].sort((a, b) => b.fixedBits - a.fixedBits)
  const buckets: (readonly Row[] | undefined)[] = Array.from({ length: 1 << (32 - BUCKET_SHIFT) })
  const bucketOf = (index: number): readonly Row[] => {
    const bits = (index << BUCKET_SHIFT) >>> 0, mask = (0xffff_ffff << BUCKET_SHIFT) >>> 0
    return specificFirst.filter(row => ((bits ^ row.value) & row.mask & mask) === 0)
  }
  return {
    decode(word) {
      const index = word >>> BUCKET_SHIFT
      const bucket = buckets[index] ??= bucketOf(index)
      for (const row of bucket) {
        if (((word ^ row.value) & row.mask) !== 0) continue
        const variant = variantOf(row, word)
        if (variant === undefined) continue
        return row.conditional && !row.defined(fieldsOf(row, word)) ? undefined : variant
      }
      return undefined
    },
  }
}

const everything = createDecoder()
/** Decodes with all features. */
export const decode = (word: number): Variant | undefined => everything.decode(word)
