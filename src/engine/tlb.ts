/**
 * The software TLB. A *context* holds the translations of one view of memory (regime, VMID, ASID, privilege, PAN ...): a read, a write
 * and a fetch part, direct-mapped. A world switch selects other contexts and flushes nothing (design D3).
 *
 * Tags hold all of VA[63:12], so that an address with a tag byte (TBI) has an entry of its own; invalidation ignores VA[63:56].
 */
import { BACKING, BACKING_STRIDE, HOT, MAXIMUM_PES, PAGE_FLAGS, PAGE_SHIFT, TLB } from './layout.ts'
import type { Layout } from './layout.ts'

/** Address of a context in the memory. */
export type Context = number

/** Parts of a context that `fill` fills. */
export const KIND = { READ: 1, WRITE: 2 } as const

export const ENTRY_FLAGS = {
  /** Misaligned accesses within the page are allowed (Normal memory, SCTLR_ELx.A = 0). */
  MISALIGNED: 1,
} as const

/** The size of the translation (log2) is kept in bits 15:8 of an entry's flags. */
const SHIFT_AT = 8
const ENTRY = 16
const CONTEXT_FIELDS = [HOT.DATA_TLB, HOT.UNPRIVILEGED_TLB, HOT.FETCH_TLB] as const
/** Translations up to 2 MiB are remembered by VA[26:21], larger ones by one flag per context. */
const BLOCK_SHIFT = 21
const BLOCKS = 64
const HUGE = BLOCKS

interface Slot {
  key: number | undefined
  used: number
  /** Blocks of 2 MiB in which there are entries from translations larger than a page; the last element is for still larger ones. */
  readonly large: Uint8Array
}

export class Tlb {
  private readonly words: Int32Array
  private readonly bytes: Uint8Array
  private readonly layout: Layout
  private readonly ramPa: number
  private readonly slots: Slot[] = []
  private readonly byKey = new Map<number, number>()
  private clock = 0

  constructor(buffer: ArrayBufferLike, layout: Layout, ramPa: number) {
    this.ramPa = ramPa
    this.words = new Int32Array(buffer)
    this.bytes = new Uint8Array(buffer)
    this.layout = layout
    // Context 0 belongs to no key and stays empty: what a PE has before the CPU selects one.
    this.slots.push({ key: undefined, used: 0, large: new Uint8Array(BLOCKS + 1) })
    this.clear(TLB.BASE)
    this.selectNone(0)
    for (let pe = 0; pe < MAXIMUM_PES; pe++) this.selectNone(BACKING + pe * BACKING_STRIDE)
  }

  /** Contexts in use: data, data of LDTR/STTR, fetch. */
  get data(): Context { return this.words[HOT.DATA_TLB / 4]! }
  get unprivileged(): Context { return this.words[HOT.UNPRIVILEGED_TLB / 4]! }
  get fetch(): Context { return this.words[HOT.FETCH_TLB / 4]! }

  /**
   * The context of `key`; an empty one the first time, and again when it has been recycled: the least recently selected one is when all
   * are taken. So ask again before each `select`.
   */
  context(key: number): Context {
    const known = this.byKey.get(key)
    if (known !== undefined) return TLB.BASE + known * TLB.STRIDE
    const index = this.slots.length < TLB.CONTEXTS ? this.slots.push({ key, used: 0, large: new Uint8Array(BLOCKS + 1) }) - 1 : this.recycle()
    const slot = this.slots[index]!
    slot.key = key
    slot.used = ++this.clock
    this.byKey.set(key, index)
    const context = TLB.BASE + index * TLB.STRIDE
    this.clear(context)
    return context
  }

  /** The least recently used slot that no PE has selected, unnamed. */
  private recycle(): number {
    const selected = new Set<number>()
    for (const field of CONTEXT_FIELDS) {
      selected.add(this.words[field / 4]!)
      for (let pe = 0; pe < MAXIMUM_PES; pe++) selected.add(this.words[(BACKING + pe * BACKING_STRIDE + field) / 4]!)
    }
    let best = -1
    for (let i = 1; i < this.slots.length; i++) {
      if (!selected.has(TLB.BASE + i * TLB.STRIDE) && (best < 0 || this.slots[i]!.used < this.slots[best]!.used)) best = i
    }
    this.byKey.delete(this.slots[best]!.key!)
    return best
  }

  /** Contexts that loads and stores, LDTR/STTR and instruction fetch use from now on. */
  select(data: Context, unprivileged: Context, fetch: Context): void {
    this.words[HOT.DATA_TLB / 4] = data
    this.words[HOT.UNPRIVILEGED_TLB / 4] = unprivileged
    this.words[HOT.FETCH_TLB / 4] = fetch
    const now = ++this.clock
    this.slotOf(data).used = now
    this.slotOf(unprivileged).used = now
    this.slotOf(fetch).used = now
  }

  /** Gives the hot block at `block` (the one in use or a saved one) the empty context. */
  selectNone(block: number): void {
    for (const field of CONTEXT_FIELDS) this.words[(block + field) / 4] = TLB.BASE
  }

  private slotOf(context: Context): Slot { return this.slots[(context - TLB.BASE) / TLB.STRIDE]! }

  private noteSize(context: Context, vaLo: number, shift: number): void {
    if (shift > PAGE_SHIFT) this.slotOf(context).large[shift > BLOCK_SHIFT ? HUGE : (vaLo >>> BLOCK_SHIFT) & (BLOCKS - 1)] = 1
  }

  /**
   * Enters the 4 KiB page of RAM at `pa` for the page of `va`. `shift` is the log2 size of the translation it comes from (12 and more).
   * Not done for writes to a page that has decoded instructions: those stores stay with `Callbacks.write`.
   * A page may be entered for writing only if it is also readable (atomics look there). `pa` must be in RAM.
   */
  fill(context: Context, kinds: number, vaHi: number, vaLo: number, pa: number, shift: number, flags: number): void {
    const page = (pa - this.ramPa) >>> PAGE_SHIFT
    const entry = (context >>> 2) + ((vaLo >>> PAGE_SHIFT) & (TLB.DATA_ENTRIES - 1)) * (ENTRY / 4)
    if ((kinds & KIND.READ) !== 0) this.enter(entry + TLB.READ / 4, vaHi, vaLo, page, shift, flags)
    if ((kinds & KIND.WRITE) !== 0 && this.words[this.layout.pageRecords / 4 + page] === 0) {
      this.bytes[this.layout.pageFlags + page]! |= PAGE_FLAGS.DIRTY | PAGE_FLAGS.WRITE_MAPPED
      this.enter(entry + TLB.WRITE / 4, vaHi, vaLo, page, shift, flags)
    }
    this.noteSize(context, vaLo, shift)
  }

  private enter(entry: number, vaHi: number, vaLo: number, page: number, shift: number, flags: number): void {
    const { words } = this
    const tag = vaLo & -4096
    words[entry] = tag
    words[entry + 1] = vaHi
    words[entry + 2] = this.layout.ramBase + page * 4096 - tag
    words[entry + 3] = flags | (shift << SHIFT_AT)
  }

  /** Enters decode records at address `records` for the page of `va`. */
  fillFetch(context: Context, vaHi: number, vaLo: number, records: number, shift: number): void {
    const { words } = this
    const entry = ((context + TLB.FETCH) >>> 2) + ((vaLo >>> PAGE_SHIFT) & (TLB.FETCH_ENTRIES - 1)) * (ENTRY / 4)
    words[entry] = vaLo & -4096
    words[entry + 1] = vaHi
    words[entry + 2] = records
    words[entry + 3] = shift << SHIFT_AT
    this.noteSize(context, vaLo, shift)
  }

  clear(context: Context): void {
    this.bytes.fill(0xff, context, context + TLB.STRIDE)
    this.slotOf(context).large.fill(0)
  }

  /** Drops all entries of the contexts whose key satisfies `chosen`. */
  invalidate(chosen: (key: number) => boolean): void {
    for (const [key, index] of this.byKey) if (chosen(key)) this.clear(TLB.BASE + index * TLB.STRIDE)
  }

  /** Drops what comes from a translation that covers `va`, in the contexts whose key satisfies `chosen`. */
  invalidatePage(chosen: (key: number) => boolean, vaHi: number, vaLo: number): void {
    for (const [key, index] of this.byKey) {
      if (!chosen(key)) continue
      const context = TLB.BASE + index * TLB.STRIDE
      const { large } = this.slots[index]!
      if (large[HUGE] !== 0 || large[(vaLo >>> BLOCK_SHIFT) & (BLOCKS - 1)] !== 0) {
        this.dropCovering(context, 0, TLB.STRIDE / ENTRY, vaHi, vaLo)
        continue
      }
      const data = (vaLo >>> PAGE_SHIFT) & (TLB.DATA_ENTRIES - 1)
      this.dropCovering(context + TLB.READ, data, data + 1, vaHi, vaLo)
      this.dropCovering(context + TLB.WRITE, data, data + 1, vaHi, vaLo)
      const fetch = (vaLo >>> PAGE_SHIFT) & (TLB.FETCH_ENTRIES - 1)
      this.dropCovering(context + TLB.FETCH, fetch, fetch + 1, vaHi, vaLo)
    }
  }

  private dropCovering(part: number, from: number, to: number, vaHi: number, vaLo: number): void {
    const { words } = this
    for (let i = from; i < to; i++) {
      const entry = (part >>> 2) + i * (ENTRY / 4)
      const shift = (words[entry + 3]! >>> SHIFT_AT) & 0xff
      const low = (words[entry]! ^ vaLo) & -4096, high = (words[entry + 1]! ^ vaHi) & 0x00ff_ffff
      if (shift >= 32 ? high >>> (shift - 32) === 0 : high === 0 && low >>> shift === 0) this.drop(entry)
    }
  }

  private drop(entry: number): void {
    this.words[entry] = -1
    this.words[entry + 1] = -1
  }

  /** All write entries of all contexts: before dirty pages are collected. */
  clearWrites(): void {
    for (let i = 1; i < this.slots.length; i++) {
      const part = TLB.BASE + i * TLB.STRIDE + TLB.WRITE
      this.bytes.fill(0xff, part, part + TLB.DATA_ENTRIES * ENTRY)
    }
  }

  /** Write entries of the RAM page at this address of the memory. */
  dropWritesTo(address: number): void {
    const { words } = this
    for (let i = 1; i < this.slots.length; i++) {
      const first = (TLB.BASE + i * TLB.STRIDE + TLB.WRITE) >>> 2, end = first + TLB.DATA_ENTRIES * (ENTRY / 4)
      for (let entry = first; entry < end; entry += ENTRY / 4) {
        if (((words[entry]! + words[entry + 2]!) | 0) === (address | 0)) this.drop(entry)
      }
    }
  }

  /** Fetch entries that lead to the decode records in [from, to). */
  dropFetches(from: number, to: number): void {
    const { words } = this
    for (let i = 1; i < this.slots.length; i++) {
      const first = (TLB.BASE + i * TLB.STRIDE + TLB.FETCH) >>> 2, end = first + TLB.FETCH_ENTRIES * (ENTRY / 4)
      for (let entry = first; entry < end; entry += ENTRY / 4) {
        const records = words[entry + 2]! >>> 0
        if (records >= from && records < to) this.drop(entry)
      }
    }
  }
}
