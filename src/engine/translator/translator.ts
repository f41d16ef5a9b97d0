/**
 * The region translator (tier T1): turns what is hot into WebAssembly functions, several to a module, and enters them into the decode
 * records, where the interpreter meets them. Regions belong to a page of decode records, that is, to physical memory: no address, ASID,
 * VMID or EL is part of them, and they go when the instructions below them change.
 */
import type { HandlerOptions } from '../handler.ts'
import { importHelpers } from '../helpers.ts'
import { HANDLER } from '../interpreter.ts'
import { HEAT, RECORDS, SIDE } from '../layout.ts'
import type { Layout } from '../layout.ts'
import { I32 } from '../wasm/expression.ts'
import { ModuleBuilder } from '../wasm/module.ts'
import { Shapes } from './instruction.ts'
import type { Instruction } from './instruction.ts'
import { RegionCode } from './lower.ts'
import { chooseRegion } from './region.ts'
import type { PageView } from './region.ts'
import { structureOf } from './structure.ts'
import type { Variant } from '../../isa/instruction.ts'

/** Regions that wait to be made into one module: a module costs as much as some regions. The rest follows when it has waited long enough. */
const BATCH = 16
const INSTRUCTIONS_TO_WAIT = 1_000_000
/** Instruction words that are remembered with what is known of them. */
const KNOWN_WORDS = 1 << 15
/** A page whose regions are dropped so often is left to the interpreter. */
const DROPS_PER_PAGE = 64
/** Instructions in all regions of a page together. */
const INSTRUCTIONS_PER_PAGE = 8192
const NEVER = 0xffff

/** What the translator needs of the code pages. */
export interface Code {
  isLate(variant: Variant): boolean
  variantOf(word: number): Variant
  word(records: number, record: number): number
  /** Sees to it that the record is decoded. */
  ensure(records: number, record: number): void
}

interface Made { readonly slot: number, readonly records: number, readonly head: number, readonly ranges: readonly (readonly [number, number])[], readonly instructions: number }

interface Page { readonly regions: Map<number, Made>, side: number, drops: number, instructions: number }

export interface TranslatorStatistics { regions: number, modules: number, instructions: number, bytes: number, dropped: number, rejected: number }

export class Translator {
  readonly statistics: TranslatorStatistics = { regions: 0, modules: 0, instructions: 0, bytes: 0, dropped: 0, rejected: 0 }
  private readonly view: DataView
  private readonly layout: Layout
  private readonly code: Code
  private readonly threshold: number
  private readonly shapes: Shapes
  private readonly environment: () => WebAssembly.ModuleImports
  private readonly place: (slot: number, region: (() => void) | null) => void
  private readonly pages = new Map<number, Page>()
  private readonly queue = new Map<number, number>()
  private waited = 0
  private readonly known = new Map<number, Instruction>()
  private readonly freeSlots: number[] = []
  private nextSlot = 0
  private readonly freeSides: number[] = []
  private nextSide = 0

  /** `environment`: what region modules import; `place` puts a function into the table of regions. */
  constructor(buffer: ArrayBuffer, layout: Layout, code: Code, threshold: number, options: HandlerOptions, environment: () => WebAssembly.ModuleImports, place: (slot: number, region: (() => void) | null) => void) {
    this.view = new DataView(buffer)
    this.layout = layout
    this.code = code
    this.threshold = Math.min(Math.max(threshold, 1), NEVER)
    this.shapes = new Shapes(options, variant => code.isLate(variant))
    this.environment = environment
    this.place = place
    for (let i = 0; i < HEAT.ENTRIES; i++) this.view.setUint16(HEAT.BASE + 2 * i, this.threshold, true)
  }

  private heatOf(record: number): number { return HEAT.BASE + ((record >>> 3) & HEAT.MASK) }

  /** A branch to `record`, of the page with records at `records`, has become hot. */
  hot(records: number, record: number): void {
    this.view.setUint16(this.heatOf(record), this.threshold, true)
    const page = this.pages.get(records)
    if (page?.regions.has(record) || (page !== undefined && (page.drops > DROPS_PER_PAGE || page.instructions > INSTRUCTIONS_PER_PAGE))) {
      this.view.setUint16(this.heatOf(record), NEVER, true)
      return
    }
    this.queue.set(record, records)
    if (this.queue.size >= BATCH || this.threshold === 1) this.flush()
  }

  /** So many instructions have been executed. */
  pass(instructions: number): void {
    if (this.queue.size === 0) return
    this.waited += instructions
    if (this.waited >= INSTRUCTIONS_TO_WAIT) this.flush()
  }

  /** Makes the module of the regions that wait. */
  private flush(): void {
    this.waited = 0
    if (this.queue.size === 0) return
    const module = new ModuleBuilder()
    module.importMemory()
    const helpers = importHelpers(module)
    const made: { readonly region: Made, readonly code: RegionCode }[] = []
    for (const [head, records] of this.queue) {
      const page = this.pageOf(records)
      if (page === undefined) continue
      this.code.ensure(records, head)
      const region = chooseRegion(this.pageView(records), (head - records) / RECORDS.SIZE)
      const slot = region === undefined ? undefined : this.takeSlot()
      if (region === undefined || slot === undefined) {
        this.view.setUint16(this.heatOf(head), NEVER, true)
        this.statistics.rejected++
        continue
      }
      const code = new RegionCode(region, structureOf(region), records, helpers)
      const blocks = [...region.blocks.values()]
      const instructions = blocks.reduce((sum, block) => sum + block.instructions.length, 0)
      made.push({ code, region: { slot, records, head, instructions, ranges: blocks.map(block => [records + block.start * RECORDS.SIZE, records + block.end * RECORDS.SIZE]) } })
    }
    this.queue.clear()
    if (made.length === 0) return
    made.forEach(({ code }, i) => { module.define(module.declare([I32], [I32], `r${i}`), code) })
    const bytes = module.toBytes()
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: this.environment() })
    made.forEach(({ region }, i) => { this.enter(region, exports[`r${i}`] as () => void) })
    this.statistics.modules++
    this.statistics.bytes += bytes.length
  }

  private pageView(records: number): PageView {
    return {
      seen: at => this.view.getUint16(records + at * RECORDS.SIZE, true) !== HANDLER.UNDECODED,
      instruction: at => this.instruction(this.code.word(records, records + at * RECORDS.SIZE)),
    }
  }

  private instruction(word: number): Instruction {
    let instruction = this.known.get(word)
    if (instruction === undefined) {
      if (this.known.size === KNOWN_WORDS) this.known.clear()
      this.known.set(word, instruction = this.shapes.instruction(this.code.variantOf(word), word))
    }
    return instruction
  }

  /** Undefined when there is no room for another page. */
  private pageOf(records: number): Page | undefined {
    const known = this.pages.get(records)
    if (known !== undefined) return known
    const side = this.freeSides.pop() ?? (this.nextSide < this.layout.sidePageCount ? this.layout.sidePages + this.nextSide++ * SIDE.STRIDE : undefined)
    if (side === undefined) return undefined
    const page: Page = { regions: new Map(), side, drops: 0, instructions: 0 }
    this.pages.set(records, page)
    this.view.setInt32(records + RECORDS.SIDE, side, true)
    return page
  }

  private takeSlot(): number | undefined {
    return this.freeSlots.pop() ?? (this.nextSlot < SIDE.REGIONS ? this.nextSlot++ : undefined)
  }

  private enter(made: Made, region: () => void): void {
    const page = this.pages.get(made.records)
    // Decoding another head may have made everything decoded go.
    if (page === undefined || this.view.getUint16(made.head, true) === HANDLER.UNDECODED) {
      this.freeSlots.push(made.slot)
      return
    }
    this.place(made.slot, region)
    const side = page.side + (made.head - made.records) / RECORDS.SIZE * SIDE.SIZE
    this.view.setUint16(side, made.slot, true)
    this.view.setUint16(side + 2, this.view.getUint16(made.head, true), true)
    this.view.setUint16(made.head, HANDLER.REGION, true)
    page.regions.set(made.head, made)
    page.instructions += made.instructions
    this.statistics.regions++
    this.statistics.instructions += made.instructions
  }

  private drop(page: Page, made: Made): void {
    const side = page.side + (made.head - made.records) / RECORDS.SIZE * SIDE.SIZE
    this.view.setUint16(made.head, this.view.getUint16(side + 2, true), true)
    page.regions.delete(made.head)
    page.instructions -= made.instructions
    page.drops++
    this.place(made.slot, null)
    this.freeSlots.push(made.slot)
    this.statistics.dropped++
  }

  /** The records in [from, to) of a page are about to be forgotten. */
  forget(records: number, from: number, to: number): void {
    this.unqueue(records)
    const page = this.pages.get(records)
    if (page === undefined) return
    for (const made of page.regions.values()) {
      if (made.ranges.some(([start, end]) => start < to && from < end)) this.drop(page, made)
    }
  }

  /** All records of a page are about to be forgotten. */
  release(records: number): void {
    this.unqueue(records)
    const page = this.pages.get(records)
    if (page === undefined) return
    for (const made of page.regions.values()) this.drop(page, made)
    this.pages.delete(records)
    this.freeSides.push(page.side)
  }

  releaseAll(): void {
    for (const records of this.pages.keys()) this.release(records)
  }

  private unqueue(records: number): void {
    for (const [head, of] of this.queue) if (of === records) this.queue.delete(head)
  }
}
