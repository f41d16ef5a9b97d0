/**
 * RAM as pages that have ever been written, by page number. A capture copies the pages written since the last one and shares the rest,
 * so that snapshots and forks cost what has changed (design D9).
 */
import type { EngineApi } from '../engine/engine.ts'

const PAGE = 4096
/** Pages that are not in the map are zero. The arrays are never written again. */
export type Pages = ReadonlyMap<number, Uint8Array>

export class PageStore {
  readonly #engine: EngineApi
  #pages: Pages = new Map()

  constructor(engine: EngineApi) { this.#engine = engine }

  capture(): Pages {
    const { ram } = this.#engine, pages = new Map(this.#pages)
    for (const page of this.#engine.takeDirtyPages()) pages.set(page, ram.bytes(ram.pa + page * PAGE, PAGE).slice())
    return this.#pages = pages
  }

  /** Makes RAM what it was at that capture, of this machine or of one with as much RAM. */
  restore(pages: Pages): void {
    const { ram } = this.#engine
    const now = this.capture()
    for (const page of now.keys()) if (!pages.has(page)) ram.fill(ram.pa + page * PAGE, PAGE, 0)
    for (const [page, bytes] of pages) if (now.get(page) !== bytes) ram.copyIn(ram.pa + page * PAGE, bytes)
    this.#engine.takeDirtyPages()
    this.#pages = pages
  }
}
