/**
 * Snapshot files: magic and version, then sections, each with its length, its length when unpacked, and a CRC-32 of header and content. Pages of
 * zeros are not kept. Numbers are little-endian.
 *
 *   0   8  magic                      each section:  0   4  kind: RECP, STAT, PAGE, END
 *   8   4  version                                   4   4  packing
 *  12      sections                                  8   4  stored bytes (n)
 *                                                   12   4  unpacked bytes
 *   PAGE   pages, then their numbers (4 bytes each)  16   4  CRC-32 of the 16 bytes before and the n bytes behind
 *   END    number of sections, number of pages       20   n  content
 */
import { BadInput } from '../arch/bad-input.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Snapshot } from '../machine/snapshot.ts'
import { decode, encode } from './codec.ts'

/** Goes up with every change of what a state means; a field that comes or goes is noticed by itself. */
export const VERSION = 2
export const MAGIC = Uint8Array.of(0x8e, 0x4e, 0x49, 0x44, 0x55, 0x53, 0x0d, 0x0a)

/** What the host has for packing. `method` goes into the file. */
export interface Packing {
  readonly method: number
  pack(bytes: Uint8Array): Promise<Uint8Array>
  /** Undefined: unknown method, damaged, or not exactly `size` bytes. Never makes more than that. */
  unpack(method: number, bytes: Uint8Array, size: number): Promise<Uint8Array | undefined>
  crc32(bytes: Uint8Array, from?: number): number
}

export interface SnapshotFile {
  /** How the machine is made again: recipe.ts. */
  readonly recipe: Saved
  readonly snapshot: Snapshot
}

const PAGE = 4096
const PAGES_PER_SECTION = 1024
const KIND = { recipe: 0x5043_4552, state: 0x5441_5453, pages: 0x4547_4150, end: 0x2044_4e45 } as const
const HEADER = 20
/** Recipe and state when unpacked: kernel images are in recipes. */
const MOST_DATA = 1 << 29
const MOST_PAGES = PAGES_PER_SECTION * (PAGE + 4)
const STORED = 0
/** Sections that are packed at a time: bounds memory. */
const AT_ONCE = 8

/** The file in pieces, in order. */
export async function* writeSnapshot({ recipe, snapshot }: SnapshotFile, packing: Packing): AsyncGenerator<Uint8Array> {
  const start = new Uint8Array(12)
  start.set(MAGIC)
  new DataView(start.buffer).setUint32(8, VERSION, true)
  yield start
  let sections = 0, count = 0
  const section = async (kind: number, content: Uint8Array): Promise<Uint8Array> => {
    const packed = await packing.pack(content), smaller = packed.length < content.length, stored = smaller ? packed : content
    const whole = new Uint8Array(HEADER + stored.length), view = new DataView(whole.buffer);
    [kind, smaller ? packing.method : STORED, stored.length, content.length].forEach((word, i) => { view.setUint32(4 * i, word, true) })
    view.setUint32(16, packing.crc32(stored, packing.crc32(whole.subarray(0, 16))), true)
    whole.set(stored, HEADER)
    sections++
    return whole
  }
  yield await section(KIND.recipe, encode(recipe))
  yield await section(KIND.state, encode({ machine: snapshot.machine, state: snapshot.state }))
  const used = [...snapshot.pages].filter(([, bytes]) => !isZero(bytes)).sort(([a], [b]) => a - b)
  for (let at = 0; at < used.length; at += AT_ONCE * PAGES_PER_SECTION) {
    const parts: Promise<Uint8Array>[] = []
    for (let from = at; from < Math.min(used.length, at + AT_ONCE * PAGES_PER_SECTION); from += PAGES_PER_SECTION) parts.push(section(KIND.pages, pagesOf(used.slice(from, from + PAGES_PER_SECTION))))
    for (const part of parts) yield await part
  }
  count = used.length
  const end = new Uint8Array(8)
  new DataView(end.buffer).setUint32(0, sections, true)
  new DataView(end.buffer).setUint32(4, count, true)
  yield await section(KIND.end, end)
}

function pagesOf(pages: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const content = new Uint8Array(pages.length * (PAGE + 4)), view = new DataView(content.buffer)
  pages.forEach(([number, bytes], i) => {
    content.set(bytes, i * PAGE)
    view.setUint32(pages.length * PAGE + 4 * i, number, true)
  })
  return content
}

function isZero(bytes: Uint8Array): boolean {
  for (const word of new BigUint64Array(bytes.buffer, bytes.byteOffset, PAGE / 8)) if (word !== 0n) return false
  return true
}

interface Section { readonly kind: number, readonly offset: number, readonly size: number, readonly content: () => Promise<Uint8Array> }

/** Throws BadInput with what and where. Memory is bounded by the limits of sections and by `ramOf`, which finds the size of RAM in the recipe (and throws BadInput). */
export async function readSnapshot(bytes: Uint8Array, packing: Packing, ramOf: (recipe: Saved) => number): Promise<SnapshotFile> {
  const sections = sectionsOf(bytes, packing)
  const [first, second] = sections, last = sections.at(-1)
  if (first?.kind !== KIND.recipe || second?.kind !== KIND.state || last?.kind !== KIND.end) throw new BadInput('snapshot', 'sections are missing', 12)
  const recipe = decode(await first.content(), 'snapshot recipe'), most = Math.ceil(ramOf(recipe) / PAGE)
  const data = decode(await second.content(), 'snapshot state')
  const { machine, state } = (typeof data === 'object' && data !== null ? data : {}) as { machine?: Saved, state?: Saved }
  if (typeof machine !== 'string') throw new BadInput('snapshot', 'does not say what its machine is made of', second.offset)
  const pages = new Map<number, Uint8Array>(), parts = sections.slice(2, -1)
  if (parts.reduce((sum, { size }) => sum + size, 0) > most * (PAGE + 4)) throw new BadInput('snapshot', 'holds more pages than its machine has', second.offset)
  // One that is damaged is reported when its turn comes; none must go unheard until then.
  const contents = parts.map(part => part.content())
  for (const content of contents) content.catch(() => {})
  let before = -1
  for (const [i, { kind, offset }] of parts.entries()) {
    if (kind !== KIND.pages) throw new BadInput('snapshot', 'a section is out of place', offset)
    const data = await contents[i]!, count = data.length / (PAGE + 4)
    if (!Number.isInteger(count)) throw new BadInput('snapshot', 'a section of pages has an odd size', offset)
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    for (let page = 0; page < count; page++) {
      const number = view.getUint32(count * PAGE + 4 * page, true)
      if (number <= before || number >= most) throw new BadInput('snapshot', `page ${number} is out of order or outside RAM`, offset)
      pages.set(before = number, data.subarray(page * PAGE, (page + 1) * PAGE))
    }
  }
  const end = await last.content(), view = new DataView(end.buffer, end.byteOffset, end.byteLength)
  if (end.length !== 8 || view.getUint32(0, true) !== sections.length - 1 || view.getUint32(4, true) !== pages.size) throw new BadInput('snapshot', 'is not complete', last.offset)
  return { recipe, snapshot: { machine, state, pages } }
}

function sectionsOf(bytes: Uint8Array, packing: Packing): Section[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), sections: Section[] = []
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw new BadInput('snapshot', 'is no snapshot of Nidus', 0)
  const version = view.getUint32(8, true)
  if (version !== VERSION) throw new BadInput('snapshot', `is of version ${version}; this Nidus reads version ${VERSION}`, 8)
  for (let at = 12; at < bytes.length;) {
    const offset = at
    if (bytes.length - at < HEADER) throw new BadInput('snapshot', 'ends in the middle of a section', offset)
    const [kind, method, stored, size] = [0, 4, 8, 12].map(field => view.getUint32(at + field, true)) as [number, number, number, number]
    if (stored > bytes.length - at - HEADER) throw new BadInput('snapshot', 'ends in the middle of a section', offset)
    const content = bytes.subarray(at + HEADER, at + HEADER + stored)
    if (packing.crc32(content, packing.crc32(bytes.subarray(at, at + 16))) !== view.getUint32(at + 16, true)) throw new BadInput('snapshot', 'a section is damaged: its checksum is wrong', offset)
    if (size > (kind === KIND.pages ? MOST_PAGES : MOST_DATA) || (method === STORED && size !== stored)) throw new BadInput('snapshot', 'a section has an impossible size', offset)
    sections.push({ kind, offset, size, content: () => method === STORED ? Promise.resolve(aligned(content)) : unpacked(packing, method, content, size, offset) })
    at += HEADER + stored
  }
  return sections
}

async function unpacked(packing: Packing, method: number, content: Uint8Array, size: number, offset: number): Promise<Uint8Array> {
  const full = await packing.unpack(method, content, size)
  if (full === undefined) throw new BadInput('snapshot', 'a section cannot be unpacked', offset)
  return aligned(full)
}

/** Pages are read as words. */
const aligned = (bytes: Uint8Array): Uint8Array => bytes.byteOffset % 8 === 0 ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Uint8Array.from(bytes)
