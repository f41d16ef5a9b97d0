/** Reading saved states back: a snapshot is input from outside, so every value is looked at before it is used. */
import { BadInput } from '../arch/bad-input.ts'

type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(state: unknown, device: string): Fields {
  if (typeof state !== 'object' || state === null) throw new BadInput('snapshot', `${device} has no state`)
  return state as Fields
}

/** An integer from 0 to `maximum`. */
export function integerIn(fields: Fields, key: string, maximum: number): number {
  const value = fields[key]
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > maximum) throw new BadInput('snapshot', `${key} is not an integer from 0 to ${maximum}`)
  return value as number
}

/** A list of at most `length` integers within the int32 and uint32 ranges. */
export function integersIn(fields: Fields, key: string, length: number): number[] {
  const value = fields[key]
  if (!Array.isArray(value) || value.length > length) throw new BadInput('snapshot', `${key} is not a list of at most ${length} numbers`)
  if (!value.every(element => Number.isSafeInteger(element) && element >= -0x8000_0000 && element <= 0xffff_ffff)) throw new BadInput('snapshot', `${key} holds something that is no 32-bit integer`)
  return value as number[]
}

/** Fills a typed array of exactly this length. */
export function fillFrom(fields: Fields, key: string, into: Int32Array | Uint8Array | Uint32Array): void {
  const values = integersIn(fields, key, into.length)
  if (values.length !== into.length) throw new BadInput('snapshot', `${key} has ${values.length} values, not ${into.length}`)
  into.set(values)
}
