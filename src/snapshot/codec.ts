/**
 * Plain data as bytes: one tag byte per value, lengths before what they count. Small and exact (64-bit integers, undefined, Infinity), unlike JSON.
 * Reading trusts nothing: BadInput with the offset of what is wrong.
 */
import { BadInput } from '../arch/bad-input.ts'
import type { Saved } from '../arch/saved-state.ts'

const TAG = { undefined: 0, null: 1, false: 2, true: 3, natural: 4, negative: 5, float: 6, big: 7, negativeBig: 8, text: 9, bytes: 10, list: 11, object: 12 } as const
/** Deeper than any state of ours; bounds recursion. */
const DEEPEST = 32

export function encode(value: Saved): Uint8Array {
  let bytes = new Uint8Array(1 << 16), view = new DataView(bytes.buffer), at = 0
  const text = new TextEncoder()
  const room = (count: number): void => {
    if (at + count <= bytes.length) return
    const larger = new Uint8Array(Math.max(2 * bytes.length, at + count))
    larger.set(bytes)
    bytes = larger
    view = new DataView(bytes.buffer)
  }
  /** 7 bits per byte, lowest first. */
  const natural = (n: number): void => {
    room(8)
    for (; n >= 0x80; n = Math.floor(n / 0x80)) bytes[at++] = n % 0x80 | 0x80
    bytes[at++] = n
  }
  const block = (tag: number | undefined, content: Uint8Array): void => {
    room(1)
    if (tag !== undefined) bytes[at++] = tag
    natural(content.length)
    room(content.length)
    bytes.set(content, at)
    at += content.length
  }
  const put = (each: Saved): void => {
    room(9)
    switch (typeof each) {
      case 'undefined': bytes[at++] = TAG.undefined; return
      case 'boolean': bytes[at++] = each ? TAG.true : TAG.false; return
      case 'number':
        if (Number.isSafeInteger(each) && !Object.is(each, -0)) {
          bytes[at++] = each < 0 ? TAG.negative : TAG.natural
          natural(Math.abs(each))
          return
        }
        bytes[at] = TAG.float
        view.setFloat64(at + 1, each, true)
        at += 9
        return
      case 'bigint':
        bytes[at] = each < 0n ? TAG.negativeBig : TAG.big
        view.setBigUint64(at + 1, each < 0n ? -each : each, true)
        at += 9
        return
      case 'string': block(TAG.text, text.encode(each)); return
    }
    if (each === null) bytes[at++] = TAG.null
    else if (each instanceof Uint8Array) block(TAG.bytes, each)
    else if (Array.isArray(each)) {
      bytes[at++] = TAG.list
      natural(each.length)
      for (const element of each as readonly Saved[]) put(element)
    } else {
      const entries = Object.entries(each)
      bytes[at++] = TAG.object
      natural(entries.length)
      for (const [name, field] of entries) {
        block(undefined, text.encode(name))
        put(field)
      }
    }
  }
  put(value)
  return bytes.slice(0, at)
}

/** `base` is the offset of the first byte in the file, for messages. Byte values are views of `from`. */
export function decode(from: Uint8Array, what: string, base = 0): Saved {
  // A Buffer of Node is one, and has another `slice`.
  const bytes = new Uint8Array(from.buffer, from.byteOffset, from.byteLength)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), text = new TextDecoder('utf-8', { fatal: true })
  let at = 0
  const bad = (problem: string, where = at): never => { throw new BadInput(what, problem, base + where) }
  const need = (count: number): number => {
    if (count > bytes.length - at) bad('ends in the middle of a value')
    const start = at
    at += count
    return start
  }
  const natural = (): number => {
    let n = 0, unit = 1
    for (const start = at; ; unit *= 0x80) {
      const byte = bytes[need(1)]!
      n += (byte & 0x7f) * unit
      if (!Number.isSafeInteger(n) || unit > 2 ** 49) bad('a number is too large', start)
      if (byte < 0x80) return n
    }
  }
  const block = (): Uint8Array => {
    const count = natural(), start = need(count)
    return bytes.subarray(start, start + count)
  }
  const string = (): string => {
    const start = at
    try { return text.decode(block()) } catch (error) {
      if (error instanceof BadInput) throw error
      return bad('a text is not UTF-8', start)
    }
  }
  /** Every element takes a byte at least. */
  const count = (least: number): number => {
    const start = at, n = natural()
    if (n * least > bytes.length - at) bad('a list is longer than the file', start)
    return n
  }
  const get = (depth: number): Saved => {
    if (depth > DEEPEST) return bad('values are nested too deeply')
    const tag = bytes[need(1)]!
    switch (tag) {
      case TAG.undefined: return undefined
      case TAG.null: return null
      case TAG.false: return false
      case TAG.true: return true
      case TAG.natural: return natural()
      case TAG.negative: return -natural()
      case TAG.float: return view.getFloat64(need(8), true)
      case TAG.big: return view.getBigUint64(need(8), true)
      case TAG.negativeBig: return -view.getBigUint64(need(8), true)
      case TAG.text: return string()
      case TAG.bytes: return block()
      case TAG.list: {
        const list: Saved[] = []
        for (let left = count(1); left > 0; left--) list.push(get(depth + 1))
        return list
      }
      case TAG.object: {
        const fields: [string, Saved][] = []
        for (let left = count(2); left > 0; left--) fields.push([string(), get(depth + 1)])
        return Object.fromEntries(fields)
      }
      default: return bad(`0x${tag.toString(16)} is no kind of value`, at - 1)
    }
  }
  const value = get(0)
  if (at !== bytes.length) bad('more follows than there should be')
  return value
}
