/**
 * Pages of the machine memory that is reserved for L0: stage 2 tables, VNCR pages, GICH copies. Pages come zeroed.
 */
import { integer, list, objectOf } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { PhysicalMemory } from './host.ts'

export const PAGE = 4096

export class PageAllocator {
  readonly #memory: PhysicalMemory
  readonly #base: number
  readonly #end: number
  #next: number
  readonly #free: number[] = []
  readonly #freePairs: number[] = []

  constructor(memory: PhysicalMemory, reserved: { readonly base: number, readonly size: number }) {
    this.#memory = memory
    this.#base = this.#next = Math.ceil(reserved.base / PAGE) * PAGE
    this.#end = reserved.base + reserved.size
  }

  /** One page, or undefined when the reserved memory is used up: the caller recycles something, a guest can cause this. */
  allocate(): number | undefined {
    let page = this.#free.pop()
    if (page === undefined) {
      if (this.#next + PAGE > this.#end) return undefined
      page = this.#next
      this.#next += PAGE
    }
    this.#memory.fill(page, PAGE, 0)
    return page
  }

  /** Two adjacent pages aligned to 8 KiB: two concatenated first-level tables. */
  allocatePair(): number | undefined {
    let pair = this.#freePairs.pop()
    if (pair === undefined) {
      if (this.#next % (2 * PAGE) !== 0 && this.#next + PAGE <= this.#end) {
        this.#free.push(this.#next)
        this.#next += PAGE
      }
      if (this.#next + 2 * PAGE > this.#end) return undefined
      pair = this.#next
      this.#next += 2 * PAGE
    }
    this.#memory.fill(pair, 2 * PAGE, 0)
    return pair
  }

  free(page: number): void { this.#free.push(page) }
  freePair(pair: number): void { this.#freePairs.push(pair) }

  /** What was never given out: [from, to). */
  get untouched(): { readonly from: number, readonly to: number } { return { from: this.#next, to: this.#end } }

  saveState(): Saved { return { next: this.#next, free: [...this.#free], freePairs: [...this.#freePairs] } }

  restoreState(saved: Saved, path: string): void {
    const { next, free, freePairs } = objectOf(saved, path), page = integer(this.#base, this.#end), pages = list(page, (this.#end - this.#base) / PAGE)
    this.#next = page.restore(next, `${path}.next`, 0)
    pages.restore(free, `${path}.free`, this.#free)
    pages.restore(freePairs, `${path}.freePairs`, this.#freePairs)
  }

  /** Pages that `allocate` can still give. */
  get available(): number { return this.#free.length + Math.floor((this.#end - this.#next) / PAGE) }
}
