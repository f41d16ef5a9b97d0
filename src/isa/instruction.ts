/**
 * Instruction rows: manual name, assembly template, bit pattern as text, decode-time immediates and one body.
 * From a row come decoder, disassembler, encoder, random generator, interpreter, translator and oracle.
 *
 * Pattern tokens, most significant bit first: runs of 0 and 1, and `field:width`.
 * A field is *dynamic* (bound at decode time, seen by the body only through the builder) when its name starts with `R` or `V` and a
 * lower-case letter (register), with `imm`, or when the row lists it in `dynamic`. Every other field is *static*: the body sees its
 * number, and the row has one variant per combination of static values that `valid` accepts.
 */
import type { Feature } from '../arch/features.ts'
import type { Semantics } from './semantics.ts'

type Tokens<S extends string> = S extends `${infer H} ${infer T}` ? H | Tokens<T> : S
type FieldName<T extends string> = T extends `${infer N}:${number}` ? N : never
type DynamicName = `R${string}` | `V${string}` | `imm${string}`
export type AllFields<P extends string> = { readonly [K in FieldName<Tokens<P>>]: number }
export type StaticFields<P extends string, D extends string> = { readonly [K in Exclude<FieldName<Tokens<P>>, DynamicName | D>]: number }

/** `of` computes the value from all fields at decode time; 32-bit values are kept as int32, 64-bit ones as signed 64-bit. */
export interface Immediate<F> { readonly width: 32 | 64, readonly of: (f: F) => number | bigint }

export interface RowOptions<P extends string, D extends string> {
  readonly feature?: Feature
  /** Further dynamic fields, e.g. `sh` of ADD (immediate) that only enters the immediate. */
  readonly dynamic?: readonly D[]
  /** Static combinations that exist; others are unallocated in this row. */
  readonly valid?: (f: StaticFields<P, D>) => boolean
  /** Decode-time condition on all fields; when false the word is UNDEFINED (unallocated or reserved). */
  readonly defined?: (f: AllFields<P>) => boolean
  readonly immediates?: Readonly<Record<string, Immediate<AllFields<P>>>>
  /** Kept out of the interpreter's main dispatch function. */
  readonly rare?: boolean
  /** CONSTRAINED UNPREDICTABLE operand combinations, in the manual's words; the generator of tests avoids them. */
  readonly unpredictable?: (f: AllFields<P>) => boolean
}

export interface Field { readonly name: string, readonly lsb: number, readonly width: number, readonly dynamic: boolean }

/** A row as the tools see it: fields erased to numbers by name. */
export interface Row {
  readonly name: string
  /** Template, see template.ts. */
  readonly assembly: string
  readonly pattern: string
  readonly mask: number
  readonly value: number
  readonly fixedBits: number
  readonly fields: readonly Field[]
  readonly feature: Feature | undefined
  readonly rare: boolean
  /** False for instructions that are only decoded by name so far; their body is `unimplemented()`. */
  readonly implemented: boolean
  readonly valid: (f: Readonly<Record<string, number>>) => boolean
  /** Whether the row has a `defined` condition at all. */
  readonly conditional: boolean
  readonly defined: (f: Readonly<Record<string, number>>) => boolean
  readonly unpredictable: (f: Readonly<Record<string, number>>) => boolean
  readonly immediates: Readonly<Record<string, Immediate<Readonly<Record<string, number>>>>>
  readonly body: <V>(f: Readonly<Record<string, number>>, s: Semantics<V>) => void
}

const DYNAMIC = /^(R[a-z]|V[a-z]|imm)/

export function instruction<const P extends string, const D extends string = never>(
  name: string, assembly: string, pattern: P, options: RowOptions<P, D>, body: <V>(f: StaticFields<P, D>, s: Semantics<V>) => void,
): Row {
  let mask = 0, value = 0, bit = 32, fixedBits = 0
  const fields: Field[] = []
  for (const token of pattern.split(' ')) {
    const colon = token.indexOf(':')
    if (colon > 0) {
      const field = token.slice(0, colon), width = Number(token.slice(colon + 1))
      bit -= width
      fields.push({ name: field, lsb: bit, width, dynamic: DYNAMIC.test(field) || (options.dynamic?.includes(field as D) ?? false) })
    } else {
      for (const c of token) {
        if (c !== '0' && c !== '1') throw new Error(`${name}: '${token}' is neither bits nor field:width`)
        bit--; fixedBits++
        mask |= 1 << bit
        if (c === '1') value |= 1 << bit
      }
    }
  }
  if (bit !== 0) throw new Error(`${name}: the pattern describes ${32 - bit} bits`)
  const names = fields.map(field => field.name)
  const twice = names.find((field, i) => names.indexOf(field) !== i)
  if (twice !== undefined) throw new Error(`${name}: field ${twice} stands twice`)
  type Erased = Readonly<Record<string, number>>
  return {
    name, assembly, pattern, mask: mask >>> 0, value: value >>> 0, fixedBits, fields,
    feature: options.feature, rare: options.rare ?? false, implemented: true,
    valid: (options.valid ?? (() => true)) as (f: Erased) => boolean,
    conditional: options.defined !== undefined,
    defined: (options.defined ?? (() => true)) as (f: Erased) => boolean,
    unpredictable: (options.unpredictable ?? (() => false)) as (f: Erased) => boolean,
    immediates: (options.immediates ?? {}) as Readonly<Record<string, Immediate<Erased>>>,
    body: body as unknown as Row['body'],
  }
}

/** An instruction, or a class of the encoding index, that decodes and disassembles but has no semantics yet. All its fields are dynamic. */
export function unimplemented(name: string, assembly: string, pattern: string, options: { readonly feature?: Feature } = {}): Row {
  const row = instruction(name, assembly, pattern, { ...options, rare: true }, (_, s) => { s.unimplemented() })
  return { ...row, implemented: false, fields: row.fields.map(field => ({ ...field, dynamic: true })) }
}

/** Field values of `word` by name. */
export function fieldsOf(row: Row, word: number): Record<string, number> {
  const f: Record<string, number> = {}
  for (const field of row.fields) f[field.name] = field.width === 32 ? word >>> 0 : (word >>> field.lsb) & ((1 << field.width) - 1)
  return f
}

export interface Variant {
  readonly row: Row
  /** Static field values. */
  readonly statics: Readonly<Record<string, number>>
  /** Position in the list of all variants: the interpreter's handler number. */
  readonly index: number
}
