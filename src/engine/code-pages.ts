/**
 * Decode records of physical pages. They are made page by page when a page is first fetched from, instruction by instruction when an
 * instruction is first executed, and dropped when the memory below them is written. A page that has records is not writable through
 * the write TLB (tlb.ts), so that every such store is seen.
 */
import type { Feature } from '../arch/features.ts'
import { UNDEFINED_VARIANT, createDecoder } from '../isa/decode.ts'
import type { Decoder } from '../isa/decode.ts'
import type { Variant } from '../isa/instruction.ts'
import { inlineVariant } from './inline-system.ts'
import { HANDLER } from './interpreter.ts'
import type { Decoding, Interpreter } from './interpreter.ts'
import { HOT, PAGE_FLAGS, PAGE_SHIFT, PAGE_SIZE, POOL, POOL_ENTRIES, RECORDS, SIDE } from './layout.ts'
import type { Layout } from './layout.ts'
import { RecordWriter } from './record.ts'
import type { Tlb } from './tlb.ts'

/** Stores into a page between two fetches from it after which its records are given up: it is probably data now. */
const STORES_BEFORE_RELEASE = 32
/** Pages evicted at once when the pool is full: the fetch TLBs are searched once for all of them. */
const EVICTED_AT_ONCE = 64
/** Words of the footer behind the records. */
const FOOTER = { RAM_PAGE: RECORDS.RAM_OFFSET, STORES: RECORDS.RAM_OFFSET + 4, USED: RECORDS.RAM_OFFSET + 8 } as const
const NO_PAGE = -1

/** Whoever else has something made of decoded instructions. Told before they are forgotten. */
export interface Dependent {
  forget(records: number, from: number, to: number): void
  release(records: number): void
  releaseAll(): void
}

interface Entry { readonly decoding: Decoding, readonly near: RecordWriter, readonly far: RecordWriter | undefined }

export class CodePages {
  private readonly layout: Layout
  private readonly tlb: Tlb
  private readonly decodings: readonly (Decoding | undefined)[]
  private readonly late: (variant: Variant) => Decoding
  private readonly conditionalBranch: number
  private readonly decoder: Decoder
  private readonly view: DataView
  private readonly words: Int32Array
  private readonly bytes: Uint8Array
  /** By variant index. */
  private readonly entries: (Entry | undefined)[] = []
  private readonly constants = new Map<bigint, number>()
  private allocated = 0
  private readonly free: number[] = []
  private hand = 0
  private readonly pool = (value: bigint): number => this.constant(value)
  dependent: Dependent | undefined

  /** `late` provides the handlers that the interpreter lacks. */
  constructor(buffer: ArrayBuffer, layout: Layout, tlb: Tlb, interpreter: Interpreter, features: ReadonlySet<Feature>, late: (variant: Variant) => Decoding) {
    this.layout = layout
    this.tlb = tlb
    this.decodings = interpreter.decodings
    this.late = late
    this.conditionalBranch = interpreter.conditionalBranch
    this.decoder = createDecoder(features)
    this.view = new DataView(buffer)
    this.words = new Int32Array(buffer)
    this.bytes = new Uint8Array(buffer)
  }

  /** Decode records of the RAM page `page` (number). */
  recordsOf(page: number): number {
    const slot = this.layout.pageRecords / 4 + page
    const known = this.words[slot]! >>> 0
    const records = known !== 0 ? known : this.allocate(page, slot)
    this.words[(records + FOOTER.STORES) >>> 2] = 0
    this.words[(records + FOOTER.USED) >>> 2] = 1
    return records
  }

  private allocate(page: number, slot: number): number {
    const { layout, words } = this
    if (this.free.length === 0 && this.allocated === layout.recordPageCount) this.evict()
    const records = this.free.pop() ?? layout.recordPages + this.allocated++ * RECORDS.STRIDE
    words[slot] = records
    words[(records + FOOTER.RAM_PAGE) >>> 2] = page
    this.view.setUint16(records + RECORDS.END, HANDLER.PAGE_END, true)
    if ((this.bytes[layout.pageFlags + page]! & PAGE_FLAGS.WRITE_MAPPED) !== 0) {
      this.tlb.dropWritesTo(layout.ramBase + page * PAGE_SIZE)
      this.bytes[layout.pageFlags + page]! &= ~PAGE_FLAGS.WRITE_MAPPED
    }
    return records
  }

  /** Frees pages that have not been fetched from since the hand passed them. Never the page that runs: its records are on the way. */
  private evict(): void {
    const { layout, words } = this
    const current = words[HOT.RECORDS / 4]! >>> 0
    let count = 0
    while (count < Math.min(EVICTED_AT_ONCE, layout.recordPageCount >> 1)) {
      const records = layout.recordPages + this.hand * RECORDS.STRIDE
      this.hand = (this.hand + 1) % layout.recordPageCount
      const used = (records + FOOTER.USED) >>> 2
      if (records === current || words[(records + FOOTER.RAM_PAGE) >>> 2] === NO_PAGE) continue
      if (words[used] !== 0) {
        words[used] = 0
        continue
      }
      this.release(records)
      count++
    }
  }

  private release(records: number): void {
    this.dependent?.release(records)
    const page = this.words[(records + FOOTER.RAM_PAGE) >>> 2]!
    this.words[this.layout.pageRecords / 4 + page] = 0
    this.words[(records + FOOTER.RAM_PAGE) >>> 2] = NO_PAGE
    this.bytes.fill(0, records, records + RECORDS.END)
    this.tlb.dropFetches(records, records + RECORDS.STRIDE)
    this.free.push(records)
  }

  private constant(value: bigint): number {
    const known = this.constants.get(value)
    if (known !== undefined) return known
    const index = this.constants.size
    // Only a program made for it has so many; its records keep referring to old places, so they all have to go.
    if (index === POOL_ENTRIES) {
      this.constants.clear()
      this.invalidateAll()
      return this.constant(value)
    }
    this.constants.set(value, index)
    this.view.setBigUint64(POOL + index * 8, value, true)
    return index
  }

  /** The instruction word below the record at `record` of the page with records at `records`. */
  word(records: number, record: number): number {
    const page = this.words[(records + FOOTER.RAM_PAGE) >>> 2]!
    return this.view.getUint32(this.layout.ramBase + page * PAGE_SIZE + ((record - records) >>> 2), true)
  }

  /** Handler of the instruction at index `at` of a page, where a region begins with it too. */
  handler(records: number, at: number): number {
    const handler = this.view.getUint16(records + at * RECORDS.SIZE, true)
    if (handler !== HANDLER.REGION) return handler
    return this.view.getUint16(this.view.getInt32(records + RECORDS.SIDE, true) + at * SIDE.SIZE + 2, true)
  }

  /** Whether the interpreter was made without this variant. */
  isLate(variant: Variant): boolean { return this.decodings[variant.index] === undefined }

  variantOf(word: number): Variant { return inlineVariant(word, this.decoder.decode(word) ?? UNDEFINED_VARIANT) }

  /** Fills the record if nothing is in it. */
  ensure(records: number, record: number): void {
    if (this.view.getUint16(record, true) === HANDLER.UNDECODED) this.decode(records, record)
  }

  /** Fills the record at `record` of the page with records at `records`. */
  decode(records: number, record: number): void {
    const word = this.word(records, record)
    const variant = this.variantOf(word)
    const entry = this.entries[variant.index] ??= this.entryOf(variant), { decoding } = entry
    let writer = entry.near, handler = decoding.handler
    if (decoding.far !== undefined) {
      const target = ((record - records) >>> 2) + Number(writer.immediate(decoding.far.immediate, word))
      if (target < 0 || target >= PAGE_SIZE) {
        writer = entry.far!
        handler = decoding.far.handler
      }
    }
    if (decoding.fused !== undefined && this.branchFollows(records, record)) handler = decoding.fused
    writer.write(this.view, record, word, this.pool)
    this.view.setUint16(record, handler, true)
  }

  /** Decodes the next instruction of the page and says whether it is a conditional branch within the page. */
  private branchFollows(records: number, record: number): boolean {
    const next = record + RECORDS.SIZE
    if (next === records + RECORDS.END) return false
    if (this.view.getUint16(next, true) === HANDLER.UNDECODED) this.decode(records, next)
    return this.view.getUint16(next, true) === this.conditionalBranch
  }

  private entryOf(variant: Variant): Entry {
    const decoding = this.decodings[variant.index] ?? this.late(variant)
    return {
      decoding,
      near: new RecordWriter(variant.row, decoding.operands),
      far: decoding.far === undefined ? undefined : new RecordWriter(variant.row, decoding.far.operands),
    }
  }

  /** RAM in [offset, offset + size) has changed: forgets what was decoded from it and marks the pages dirty. */
  written(offset: number, size: number): void {
    const last = (offset + size - 1) >>> PAGE_SHIFT
    for (let page = offset >>> PAGE_SHIFT; page <= last; page++) {
      this.bytes[this.layout.pageFlags + page]! |= PAGE_FLAGS.DIRTY
      const records = this.words[this.layout.pageRecords / 4 + page]! >>> 0
      if (records !== 0) this.forget(records, Math.max(offset - page * PAGE_SIZE, 0), Math.min(offset + size - page * PAGE_SIZE, PAGE_SIZE))
    }
  }

  private forget(records: number, from: number, to: number): void {
    const stores = (records + FOOTER.STORES) >>> 2
    if (++this.words[stores]! > STORES_BEFORE_RELEASE && records !== this.words[HOT.RECORDS / 4]! >>> 0) {
      this.release(records)
      return
    }
    // The instruction before may have been fused with the first of them.
    const first = Math.max((from >>> 2) - 1, 0)
    this.dependent?.forget(records, records + first * RECORDS.SIZE, records + (((to - 1) >>> 2) + 1) * RECORDS.SIZE)
    for (let at = first; at <= (to - 1) >>> 2; at++) this.view.setUint16(records + at * RECORDS.SIZE, HANDLER.UNDECODED, true)
  }

  /** Forgets everything decoded; pages keep their records' place. */
  invalidateAll(): void {
    this.dependent?.releaseAll()
    for (let i = 0; i < this.allocated; i++) {
      const records = this.layout.recordPages + i * RECORDS.STRIDE
      this.bytes.fill(0, records, records + RECORDS.END)
    }
  }
}
