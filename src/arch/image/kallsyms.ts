/**
 * The symbols that a Linux kernel carries for itself (CONFIG_KALLSYMS, what /proc/kallsyms shows), found in its Image. Layout as scripts/kallsyms.c
 * writes it: num_syms, names, markers, token_table, token_index in this order; offsets before them until 6.3, behind them since. Addresses are
 * offsets from `_text`, where the Image begins.
 */
export interface Kallsyms {
  readonly count: number
  /** Name and beginning of the function that covers this byte of the Image; undefined outside text and data. */
  at(offset: number): { readonly name: string, readonly offset: number } | undefined
  /** Whether there is a symbol of this name. */
  has(name: string): boolean
}

const TOKENS = 256
/** Symbols between two markers. */
const STRIDE = 256
const ALIGN = 8
/** Bytes of a name's entry, at most, and how far before the table the markers may be: sequence numbers of the names may stand between. */
const LONGEST = 512
const FURTHEST = 2 ** 22
/** `scripts/kallsyms.c` leaves digits alone: they are tokens of their own. */
const DIGITS = new TextEncoder().encode('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0')
const FIRST_DIGIT = 0x30
const text = new TextDecoder('latin1')

/** Undefined where there are none, or they cannot be read. */
export function findKallsyms(image: Uint8Array): Kallsyms | undefined {
  for (let at = indexOf(image, DIGITS, 0); at >= 0; at = indexOf(image, DIGITS, at + 1)) {
    const table = tokenTable(image, at)
    if (table === undefined) continue
    const found = readAround(image, table)
    if (found !== undefined) return found
  }
  return undefined
}

interface TokenTable { readonly start: number, readonly tokens: readonly string[], readonly end: number }

/** The table around its digits, confirmed by the index behind it. */
function tokenTable(image: Uint8Array, digits: number): TokenTable | undefined {
  let start = digits
  // Back over 48 strings, each with its zero.
  for (let token = 0; token < FIRST_DIGIT; token++) {
    start -= 2
    while (start > 0 && image[start - 1] !== 0) start--
    if (start <= 0) return undefined
  }
  const tokens: string[] = [], starts: number[] = []
  let at = start
  for (let token = 0; token < TOKENS; token++) {
    const end = image.indexOf(0, at)
    if (end < 0 || end - at > 128) return undefined
    starts.push(at - start)
    tokens.push(text.decode(image.subarray(at, end)))
    at = end + 1
  }
  const view = viewOf(image), index = align(at, 2)
  for (const place of [index, align(at, 4), align(at, ALIGN)]) {
    if (place + 2 * TOKENS <= image.length && starts.every((value, i) => view.getUint16(place + 2 * i, true) === value)) return { start, tokens, end: place + 2 * TOKENS }
  }
  return undefined
}

function readAround(image: Uint8Array, { start, tokens, end }: TokenTable): Kallsyms | undefined {
  const view = viewOf(image), u32 = (at: number): number => at >= 0 && at + 4 <= image.length ? view.getUint32(at, true) : 0
  for (let first = start - start % 4 - 4; first > 0 && first > start - FURTHEST; first -= 4) {
    if (u32(first) !== 0) continue
    let last = first
    for (let step = u32(last + 4) - u32(last); last + 4 < start && step >= STRIDE && step <= LONGEST * STRIDE; step = u32(last + 4) - u32(last)) last += 4
    const found = last === first ? undefined : readNames(image, { first, count: (last - first) / 4 + 1 }, tokens, end)
    if (found !== undefined) return found
  }
  return undefined
}

/** Where every 256th name stands, from the first of them on. */
interface Markers { readonly first: number, readonly count: number }

function readNames(image: Uint8Array, { first, count: markers }: Markers, tokens: readonly string[], end: number): Kallsyms | undefined {
  const view = viewOf(image), u32 = (at: number): number => at >= 0 && at + 4 <= image.length ? view.getUint32(at, true) : 0
  /** Start of the next entry; its length has a second byte if the first has bit 7. */
  const next = (at: number): number => {
    const length = image[at] ?? 0
    return (length & 0x80) === 0 ? at + 1 + length : at + 2 + ((length & 0x7f) | (image[at + 1] ?? 0) << 7)
  }
  const reach = first - u32(first + 4 * (markers - 1))
  for (let names = reach - reach % 4; names > 8 && names > reach - LONGEST * STRIDE; names -= 4) {
    for (const before of [4, 8]) {
      const count = u32(names - before)
      if (count <= STRIDE * (markers - 1) || count > STRIDE * markers) continue
      let at = names
      for (let i = 0; i < STRIDE && at < first; i++) at = next(at)
      if (at - names !== u32(first + 4)) continue
      const offsetOf = offsetsOf(image, count, names - before, end)
      if (offsetOf === undefined) continue
      const nameAt = (entry: number): string => {
        const skip = ((image[entry] ?? 0) & 0x80) === 0 ? 1 : 2
        // The first character is the type, as nm's.
        return [...image.subarray(entry + skip, next(entry))].map(token => tokens[token]).join('').slice(1)
      }
      const nameOf = (symbol: number): string => {
        let entry = names + u32(first + 4 * Math.floor(symbol / STRIDE))
        for (let i = symbol % STRIDE; i > 0; i--) entry = next(entry)
        return nameAt(entry)
      }
      return {
        count,
        has: name => {
          for (let i = 0, entry = names; i < count; i++, entry = next(entry)) if (nameAt(entry) === name) return true
          return false
        },
        at: offset => {
          let low = 0, high = count
          while (low < high) {
            const middle = (low + high) >>> 1
            if (offsetOf(middle) <= offset) low = middle + 1
            else high = middle
          }
          // Several names of one place: the first.
          let symbol = low - 1
          while (symbol > 0 && offsetOf(symbol - 1) === offsetOf(symbol)) symbol--
          return symbol < 0 || low === count ? undefined : { name: nameOf(symbol), offset: offsetOf(symbol) }
        },
      }
    }
  }
  return undefined
}

/** Offset of a symbol. They stand before `count` and the address that they are relative to, or behind the token index; there, since 6.x, relative to their own places. */
function offsetsOf(image: Uint8Array, count: number, countAt: number, end: number): ((symbol: number) => number) | undefined {
  const view = viewOf(image), base = countAt - 8, before = base - 4 * count
  for (const at of [before, before - before % ALIGN, before - 4, align(end, 4), align(end, ALIGN)]) {
    if (at < 0 || at + 4 * count > image.length) continue
    for (const own of [0, 1]) {
      const offsetOf = (symbol: number): number => (view.getUint32(at + 4 * symbol, true) + own * (at + 4 * symbol)) >>> 0
      if (offsetOf(0) === 0 && offsetOf(count - 1) > 0 && rises(offsetOf, count)) return offsetOf
    }
  }
  return undefined
}

function rises(offsetOf: (symbol: number) => number, count: number): boolean {
  for (let i = 1; i < count; i++) if (offsetOf(i) < offsetOf(i - 1)) return false
  return true
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const align = (value: number, to: number): number => Math.ceil(value / to) * to

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(wanted[0]!, from); at >= 0 && at + wanted.length <= bytes.length; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at
  }
  return -1
}
