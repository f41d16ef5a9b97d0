/**
 * Saved states as plain data, and reading them back. A snapshot is input from outside: every value is looked at before it is used, and what
 * is wrong is said by BadInput with the path of the field.
 *
 * A class with fields of its own says how each is kept in one table (`Fields`); what it hides behind `#` it saves by the same kinds. Whether
 * a field was forgotten is checked by `tests/architecture/saved-state.test.ts`.
 */
import { BadInput } from './bad-input.ts'
import type { RegisterFile } from './register-file.ts'

/** What a codec can write: no classes, no functions, no sharing. */
export type Saved = undefined | null | boolean | number | bigint | string | Uint8Array | readonly Saved[] | { readonly [field: string]: Saved }

/** How one kind of field is kept. `into` is what the object has now: containers are filled in place and returned. */
export interface Kind<T> {
  readonly save: (value: T) => Saved
  readonly restore: (saved: Saved, path: string, into: T) => T
}
export type Fields<T> = { readonly [K in keyof T]?: Kind<T[K]> }
/** Of plain data: none can be left out. */
export type AllFields<T> = { readonly [K in keyof T as T[K] extends (...args: never[]) => unknown ? never : K]-?: Kind<T[K]> }

const U64 = 0xffff_ffff_ffff_ffffn
export const refuse = (path: string, problem: string): never => { throw new BadInput('snapshot', `${path} ${problem}`) }

const plain = <T extends Saved>(expected: string, is: (saved: Saved) => boolean): Kind<T> => ({
  save: value => value, restore: (saved, path) => is(saved) ? saved as T : refuse(path, `is not ${expected}`),
})

export const FLAG: Kind<boolean> = plain('true or false', saved => typeof saved === 'boolean')
export const TEXT: Kind<string> = plain('a text', saved => typeof saved === 'string')
export const BYTES: Kind<Uint8Array> = plain('bytes', saved => saved instanceof Uint8Array)
/** 0 to 2^64 - 1. */
export const WORD64: Kind<bigint> = plain('a 64-bit number', saved => typeof saved === 'bigint' && saved >= 0n && saved <= U64)
/** A time: not negative, or Infinity. */
export const TIME: Kind<number> = plain('a time', saved => typeof saved === 'number' && saved >= 0)
export const integer = (minimum: number, maximum: number): Kind<number> =>
  plain(`an integer from ${minimum} to ${maximum}`, saved => Number.isSafeInteger(saved) && (saved as number) >= minimum && (saved as number) <= maximum)
/** Counts, physical addresses. */
export const COUNT = integer(0, Number.MAX_SAFE_INTEGER)
/** 32 bits, read as signed or as unsigned. */
export const WORD32 = integer(-0x8000_0000, 0xffff_ffff)

export const choice = <T extends string | number | null>(...values: readonly T[]): Kind<T> => plain(`one of ${values.join(', ')}`, saved => (values as readonly Saved[]).includes(saved))

export const optional = <T>(kind: Kind<NonNullable<T>>): Kind<T | undefined> => ({
  save: value => value === undefined || value === null ? undefined : kind.save(value),
  restore: (saved, path, into) => saved === undefined ? undefined : kind.restore(saved, path, into as NonNullable<T>),
})

type Words = Uint8Array | Uint32Array | Int32Array | BigUint64Array | Float64Array
/** A typed array of fixed length, filled in place. */
export const memory = <T extends Words>(): Kind<T> => ({
  save: value => new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice(),
  restore: (saved, path, into) => {
    if (!(saved instanceof Uint8Array) || saved.length !== into.byteLength) return refuse(path, `is not ${into.byteLength} bytes`)
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(saved)
    return into
  },
})

const WORDS = memory<BigUint64Array>()
export const REGISTERS: Kind<RegisterFile> = {
  save: file => WORDS.save(file.u64),
  restore: (saved, path, into) => {
    WORDS.restore(saved, path, into.u64)
    return into
  },
}

/** Fields of an object, filled in place. */
export const record = <T extends object>(fields: AllFields<T>): Kind<T> => ({
  save: value => saveFields<T>(value, fields as unknown as Fields<T>),
  restore: (saved, path, into) => {
    restoreFields<T>(into, fields as unknown as Fields<T>, saved, path)
    return into
  },
})

/** A small object that is never changed: made anew. */
export const value = <T extends object>(fields: AllFields<T>): Kind<T> => ({
  save: object => saveFields<T>(object, fields as unknown as Fields<T>),
  restore: (saved, path) => {
    const made = {} as T
    restoreFields<T>(made, fields as unknown as Fields<T>, saved, path)
    return made
  },
})

/** As many elements as there are: each is filled in place, or replaced where it is a plain value. */
export const each = <T>(kind: Kind<T>): Kind<T[]> => ({
  save: value => value.map(kind.save),
  restore: (saved, path, into) => {
    const list = listOf(saved, path, into.length)
    if (list.length !== into.length) return refuse(path, `has ${list.length} elements, not ${into.length}`)
    list.forEach((element, i) => { into[i] = kind.restore(element, `${path}[${i}]`, into[i]!) })
    return into
  },
})

/** A list of plain values that grows, at most `most` long. */
export const list = <T>(kind: Kind<T>, most: number): Kind<T[]> => ({
  save: value => value.map(kind.save),
  restore: (saved, path, into) => {
    const values = listOf(saved, path, most).map((element, i) => kind.restore(element, `${path}[${i}]`, undefined as T))
    into.length = 0
    for (const value of values) into.push(value)
    return into
  },
})

export function listOf(saved: Saved, path: string, most: number): readonly Saved[] {
  if (!Array.isArray(saved) || saved.length > most) return refuse(path, `is not a list of at most ${most}`)
  return saved as readonly Saved[]
}

export function objectOf(saved: Saved, path: string): { readonly [field: string]: Saved } {
  if (typeof saved !== 'object' || saved === null || Array.isArray(saved) || saved instanceof Uint8Array) return refuse(path, 'is missing')
  return saved as { readonly [field: string]: Saved }
}

export function saveFields<T extends object>(object: T, fields: Fields<T>): { readonly [field: string]: Saved } {
  const saved: Record<string, Saved> = {}
  for (const name of Object.keys(fields) as (keyof T & string)[]) saved[name] = fields[name]!.save(object[name])
  return saved
}

export function restoreFields<T extends object>(object: T, fields: Fields<T>, saved: Saved, path: string): void {
  const values = objectOf(saved, path)
  for (const name of Object.keys(fields) as (keyof T & string)[]) object[name] = fields[name]!.restore(values[name], `${path}.${name}`, object[name])
}

// --- the same, for devices that read field by field

type FieldsOf = Readonly<Record<string, unknown>>

export function fieldsOf(state: unknown, device: string): FieldsOf {
  if (typeof state !== 'object' || state === null) throw new BadInput('snapshot', `${device} has no state`)
  return state as FieldsOf
}

/** An integer from 0 to `maximum`. */
export function integerIn(fields: FieldsOf, key: string, maximum: number): number {
  const value = fields[key]
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > maximum) throw new BadInput('snapshot', `${key} is not an integer from 0 to ${maximum}`)
  return value as number
}

/** A list of at most `length` integers within the int32 and uint32 ranges. */
export function integersIn(fields: FieldsOf, key: string, length: number): number[] {
  const value = fields[key]
  if (!Array.isArray(value) || value.length > length) throw new BadInput('snapshot', `${key} is not a list of at most ${length} numbers`)
  if (!value.every(element => Number.isSafeInteger(element) && element >= -0x8000_0000 && element <= 0xffff_ffff)) throw new BadInput('snapshot', `${key} holds something that is no 32-bit integer`)
  return value as number[]
}

/** Fills a typed array of exactly this length. */
export function fillFrom(fields: FieldsOf, key: string, into: Int32Array | Uint8Array | Uint32Array): void {
  const values = integersIn(fields, key, into.length)
  if (values.length !== into.length) throw new BadInput('snapshot', `${key} has ${values.length} values, not ${into.length}`)
  into.set(values)
}
