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
    // Pages out of a file lie side by side: runs of them are one copy.
    let start = -1, run: Uint8Array | undefined
    const copy = (): void => { if (run !== undefined) ram.copyIn(ram.pa + start * PAGE, run) }
    for (const [page, bytes] of pages) {
      if (now.get(page) === bytes) continue
      if (run !== undefined && page * PAGE === start * PAGE + run.length && bytes.buffer === run.buffer && bytes.byteOffset === run.byteOffset + run.length) run = new Uint8Array(run.buffer, run.byteOffset, run.length + PAGE)
      else {
        copy()
        start = page
        run = bytes
      }
    }
    copy()
    this.#engine.takeDirtyPages()
    this.#pages = pages
  }
}
