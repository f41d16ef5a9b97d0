/** Breakpoints and watchpoints by level and virtual address. Guest memory is never changed: the pages concerned are kept out of the TLB. */
import type { Level } from './levels.ts'

export type WatchKind = 'write' | 'read' | 'access'

/** ACCESS.read and ACCESS.write of mmu/. */
const KINDS: Readonly<Record<WatchKind, number>> = { read: 1, write: 2, access: 3 }
const PAGE = 4096

export interface Breakpoint { readonly level: Level, readonly address: bigint, readonly hardware: boolean, hi: number, lo: number }
export interface Watchpoint { readonly level: Level, readonly address: bigint, readonly length: number, readonly kind: WatchKind }
interface Segment { readonly watchpoint: Watchpoint, readonly from: number, readonly to: number }

/** Number of the page of a VA without its top byte, which data addresses may use for a tag. */
export const pageOf = (hi: number, lo: number): number => (hi & 0xff_ffff) * 0x10_0000 + (lo >>> 12)
const highOf = (va: bigint): number => Number(BigInt.asIntN(64, va) >> 32n) | 0
const lowOf = (va: bigint): number => Number(va & 0xffff_ffffn) | 0

export class Breakpoints {
  readonly #code = new Map<number, Breakpoint[]>()
  readonly #data = new Map<number, Segment[]>()
  /** Pages that must not be in the TLB have changed. */
  readonly #changed: (hi: number, lo: number) => void
  readonly #hardware: Level

  constructor(hardware: Level, changed: (hi: number, lo: number) => void) {
    this.#hardware = hardware
    this.#changed = changed
  }

  get hasCode(): boolean { return this.#code.size > 0 }
  get hasData(): boolean { return this.#data.size > 0 }

  /** Setting one twice is setting it once. */
  setBreakpoint(level: Level, address: bigint, hardware: boolean): void {
    const hi = highOf(address), lo = lowOf(address), page = pageOf(hi, lo), list = this.#code.get(page) ?? []
    if (list.some(each => each.level === level && each.address === address && each.hardware === hardware)) return
    list.push({ level, address, hardware, hi, lo })
    this.#code.set(page, list)
    this.#changed(hi, lo)
  }

  removeBreakpoint(level: Level, address: bigint, hardware: boolean): void {
    const hi = highOf(address), lo = lowOf(address), page = pageOf(hi, lo)
    const list = (this.#code.get(page) ?? []).filter(each => each.level !== level || each.address !== address || each.hardware !== hardware)
    if (list.length === 0) this.#code.delete(page)
    else this.#code.set(page, list)
  }

  setWatchpoint(level: Level, address: bigint, length: number, kind: WatchKind): void {
    this.removeWatchpoint(level, address, length, kind)
    const watchpoint = { level, address, length, kind }
    for (const [hi, lo, from, to] of pagesOf(address, length)) {
      const page = pageOf(hi, lo)
      this.#data.set(page, [...this.#data.get(page) ?? [], { watchpoint, from, to }])
      this.#changed(hi, lo)
    }
  }

  removeWatchpoint(level: Level, address: bigint, length: number, kind: WatchKind): void {
    for (const [hi, lo] of pagesOf(address, length)) {
      const page = pageOf(hi, lo)
      const left = (this.#data.get(page) ?? []).filter(({ watchpoint: w }) => w.level !== level || w.address !== address || w.length !== length || w.kind !== kind)
      if (left.length === 0) this.#data.delete(page)
      else this.#data.set(page, left)
    }
  }

  /** All of one level, or of all. */
  clear(level?: Level): void {
    for (const [page, list] of this.#code) {
      const left = list.filter(each => level !== undefined && each.level !== level)
      if (left.length === 0) this.#code.delete(page)
      else this.#code.set(page, left)
    }
    for (const [page, list] of this.#data) {
      const left = list.filter(({ watchpoint }) => level !== undefined && watchpoint.level !== level)
      if (left.length === 0) this.#data.delete(page)
      else this.#data.set(page, left)
    }
  }

  breaksIn(level: Level | undefined, hi: number, lo: number): boolean {
    const list = this.#code.get(pageOf(hi, lo))
    return list !== undefined && list.some(each => each.level === level || each.level === this.#hardware)
  }

  /** The breakpoint at this address in the software that runs, or in the machine. */
  at(level: Level | undefined, hi: number, lo: number): Breakpoint | undefined {
    return this.#code.get(pageOf(hi, lo))?.find(each => each.lo === lo && each.hi === hi && (each.level === level || each.level === this.#hardware))
  }

  watchesIn(level: Level | undefined, hi: number, lo: number): boolean {
    const list = this.#data.get(pageOf(hi, lo))
    return list !== undefined && list.some(({ watchpoint }) => watchpoint.level === level || watchpoint.level === this.#hardware)
  }

  /** The watchpoint that an access meets, and where it meets it. */
  watched(level: Level | undefined, hi: number, lo: number, size: number, kinds: number): { readonly watchpoint: Watchpoint, readonly address: bigint } | undefined {
    const offset = lo & (PAGE - 1), over = offset + size - PAGE
    const here = this.#inPage(level, pageOf(hi, lo), offset, Math.min(offset + size, PAGE), kinds)
    if (here !== undefined || over <= 0) return here
    const nextLo = ((lo & -PAGE) + PAGE) | 0
    return this.#inPage(level, pageOf(nextLo === 0 ? (hi + 1) | 0 : hi, nextLo), 0, over, kinds)
  }

  #inPage(level: Level | undefined, page: number, from: number, to: number, kinds: number): { readonly watchpoint: Watchpoint, readonly address: bigint } | undefined {
    for (const { watchpoint, from: start, to: end } of this.#data.get(page) ?? []) {
      if (start >= to || from >= end || (KINDS[watchpoint.kind] & kinds) === 0 || (watchpoint.level !== level && watchpoint.level !== this.#hardware)) continue
      // The first byte of the watched range that is touched: GDB finds the watchpoint by it.
      const base = (watchpoint.address & ~0xfffn) === (watchpoint.address + BigInt(watchpoint.length) - 1n & ~0xfffn) || start !== 0 ? watchpoint.address & ~0xfffn : (watchpoint.address & ~0xfffn) + 4096n
      return { watchpoint, address: base + BigInt(Math.max(start, from)) }
    }
    return undefined
  }
}

/** The pages of a range: halves of an address in it, first and last offset. */
function* pagesOf(address: bigint, length: number): Generator<readonly [hi: number, lo: number, from: number, to: number]> {
  for (let at = 0; at < length;) {
    const va = BigInt.asUintN(64, address + BigInt(at)), from = Number(va & 0xfffn), to = Math.min(from + length - at, PAGE)
    yield [highOf(va), lowOf(va), from, to]
    at += to - from
  }
}
