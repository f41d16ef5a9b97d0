/**
 * Physical addresses outside RAM: regions of devices by base address. A device sees offsets only; who accesses it is the PE number, which
 * matters for banked interrupt-controller frames. RAM is the engine's and never comes here.
 */
import type { CostFrame } from '../arch/cost.ts'
import type { Bus, BusResult } from '../cpu/core.ts'

export type AccessSize = 1 | 2 | 4 | 8

export interface Region {
  readonly name: string
  readonly base: number
  readonly size: number
  /** Class of access cost. */
  readonly frame: CostFrame
  /** At most 32 bits at once: wider reads are two. */
  readonly narrow?: boolean
  /** Undefined: the device has no such register, or not in this size. Values below 2^53. */
  read(pe: number, offset: number, size: AccessSize): number | undefined
  write(pe: number, offset: number, size: AccessSize, value: number): boolean
}

const NOTHING: BusResult = { kind: 'nothing' }

export class AddressSpace implements Bus {
  readonly #regions: Region[] = []
  #last: Region | undefined

  /** Overlap is a bug of the board table. */
  add(region: Region): void {
    const clash = this.#regions.find(other => region.base < other.base + other.size && other.base < region.base + region.size)
    if (clash !== undefined) throw new Error(`${region.name} at 0x${region.base.toString(16)} overlaps ${clash.name}`)
    this.#regions.push(region)
    this.#regions.sort((a, b) => a.base - b.base)
  }

  get regions(): readonly Region[] { return this.#regions }

  find(pa: number): Region | undefined {
    const last = this.#last
    if (last !== undefined && pa >= last.base && pa < last.base + last.size) return last
    let low = 0, high = this.#regions.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1, region = this.#regions[middle]!
      if (pa < region.base) high = middle - 1
      else if (pa >= region.base + region.size) low = middle + 1
      else return this.#last = region
    }
    return undefined
  }

  isNarrow(pa: number): boolean { return this.find(pa)?.narrow === true }

  read(pe: number, pa: number, size: AccessSize): BusResult {
    const region = this.find(pa)
    if (region === undefined) return NOTHING
    const value = region.read(pe, pa - region.base, size)
    return value === undefined ? { kind: 'absent', region: region.name, offset: pa - region.base } : { kind: 'value', value, frame: region.frame }
  }

  write(pe: number, pa: number, size: AccessSize, value: number): BusResult {
    const region = this.find(pa)
    if (region === undefined) return NOTHING
    return region.write(pe, pa - region.base, size, value)
      ? { kind: 'value', value: 0, frame: region.frame } : { kind: 'absent', region: region.name, offset: pa - region.base }
  }
}
