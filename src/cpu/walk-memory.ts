import type { DescriptorMemory } from '../mmu/index.ts'
import type { Core } from './core.ts'

/** RAM as a table walk sees it. */
export class WalkMemory implements DescriptorMemory {
  lo = 0
  hi = 0
  readonly #core: Core
  constructor(core: Core) { this.#core = core }

  read(address: number): boolean {
    const { ram } = this.#core.engine, pa = this.#core.place(address, false)
    if (!ram.contains(pa, 8)) return false
    this.lo = ram.low(pa)
    this.hi = ram.high(pa)
    return true
  }

  compareAndSwap(address: number, oldLo: number, oldHi: number, newLo: number, newHi: number): boolean {
    const { ram } = this.#core.engine, pa = this.#core.place(address, true)
    if (!ram.contains(pa, 8) || (ram.low(pa) | 0) !== (oldLo | 0) || (ram.high(pa) | 0) !== (oldHi | 0)) return false
    ram.write32(pa, newLo >>> 0)
    ram.write32(pa + 4, newHi >>> 0)
    return true
  }
}
