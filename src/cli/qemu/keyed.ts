/** QEMU's `a=1,b=2` values: `,,` is a comma, the first part may leave its key out, and a flag without `=` is on. */
import { BadInput } from '../../arch/bad-input.ts'

export type Effect =
  /** Changes the machine. */
  | 'mapped'
  /** True here as it is, or without a meaning for what a guest sees. */
  | 'accepted'
  /** Has no effect, and that is said on stderr. */
  | 'ignored'
  /** Ends with exit code 2. */
  | 'refused'

export interface KeyRow {
  readonly effect: Effect
  /** Why it is ignored or refused. */
  readonly why?: string
  /** Values that are accepted; others are refused with `why`. */
  readonly only?: readonly string[]
}

export type Keys = Readonly<Record<string, KeyRow>>

export const mapped: KeyRow = { effect: 'mapped' }
export const accepted: KeyRow = { effect: 'accepted' }
export const ignored = (why: string): KeyRow => ({ effect: 'ignored', why })
export const refused = (why: string): KeyRow => ({ effect: 'refused', why })
export const only = (values: readonly string[], why: string): KeyRow => ({ effect: 'accepted', only: values, why })

export type Values = ReadonlyMap<string, string>

/** Key and value pairs in order; a later one of the same key wins in the map that `valuesOf` makes. */
export function pairsOf(option: string, text: string, implied: string | undefined): readonly (readonly [string, string])[] {
  const parts: string[] = []
  let part = ''
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== ',') part += text[at]!
    else if (text[at + 1] === ',') {
      part += ','
      at++
    } else {
      parts.push(part)
      part = ''
    }
  }
  parts.push(part)
  return parts.flatMap((part, i): (readonly [string, string])[] => {
    if (part === '') return []
    const equals = part.indexOf('=')
    if (equals > 0) return [[part.slice(0, equals), part.slice(equals + 1)]]
    if (equals === 0) throw new BadInput(option, `'${part}' has no key`)
    if (i === 0 && implied !== undefined) return [[implied, part]]
    // `nofoo` is an old form of `foo=off`.
    return [part.startsWith('no') && part.length > 2 && part !== 'node' ? [part.slice(2), 'off'] : [part, 'on']]
  })
}

/** The pairs as a map, each key looked up: unknown and refused keys are BadInput, ignored ones go to `warn`. */
export function valuesOf(option: string, pairs: readonly (readonly [string, string])[], keys: Keys, warn: (text: string) => void): Values {
  const values = new Map<string, string>()
  for (const [key, value] of pairs) {
    const row = Object.hasOwn(keys, key) ? keys[key]! : undefined
    if (row === undefined) throw new BadInput(option, `unknown property '${key}'; known are ${Object.keys(keys).join(', ')}`)
    if (row.effect === 'refused' || (row.only !== undefined && !row.only.includes(value))) throw new BadInput(option, `${key}=${value}: ${row.why ?? 'not supported'}`)
    if (row.effect === 'ignored') warn(`${option} ${key}=${value}: ${row.why ?? 'no effect'}`)
    values.set(key, value)
  }
  return values
}

export function isOn(option: string, key: string, value: string): boolean {
  if (['on', 'yes', 'true', 'y'].includes(value)) return true
  if (['off', 'no', 'false', 'n'].includes(value)) return false
  throw new BadInput(option, `${key}=${value}: neither on nor off`)
}

const UNITS: Readonly<Record<string, number>> = { B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Bytes; a bare number is in `unit`. Hexadecimal too. */
export function sizeOf(option: string, text: string, unit: 'B' | 'M'): number {
  const match = /^(0x[0-9a-f]+|\d+(?:\.\d+)?)([BKMGT]?)(?:i?B)?$/i.exec(text), bytes = match === null ? Number.NaN : Number(match[1]) * UNITS[(match[2] === '' ? unit : match[2]!).toUpperCase()]!
  if (!(Number.isSafeInteger(bytes) && bytes >= 0)) throw new BadInput(option, `'${text}' is not a size`)
  return bytes
}

export function numberOf(option: string, key: string, text: string, most: number): number {
  const value = /^(?:0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN
  if (!(value >= 0 && value <= most)) throw new BadInput(option, `${key}=${text}: not a whole number from 0 to ${most}`)
  return value
}
