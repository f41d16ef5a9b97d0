/** Guest RAM by physical address, for JavaScript: the CPU's slow accesses, table walks, devices, loaders. */
import type { CodePages } from './code-pages.ts'
import type { Layout } from './layout.ts'

/** Callers check `contains` first: an access outside RAM is an error of ours and throws RangeError. Writes drop decoded instructions and mark pages dirty. */
export class Ram {
  readonly pa: number
  readonly size: number
  private readonly view: DataView
  private readonly all: Uint8Array
  private readonly words: Int32Array
  private readonly pages: CodePages

  constructor(buffer: ArrayBuffer, layout: Layout, pa: number, pages: CodePages) {
    this.pa = pa
    this.size = layout.ramSize
    this.view = new DataView(buffer, layout.ramBase, layout.ramSize)
    this.all = new Uint8Array(buffer, layout.ramBase, layout.ramSize)
    this.words = new Int32Array(buffer, layout.ramBase, layout.ramSize / 4)
    this.pages = pages
  }

  contains(pa: number, size: number): boolean { return pa >= this.pa && pa + size <= this.pa + this.size }

  read8(pa: number): number { return this.view.getUint8(pa - this.pa) }
  read16(pa: number): number { return this.view.getUint16(pa - this.pa, true) }
  /** Unsigned. */
  read32(pa: number): number { return this.view.getUint32(pa - this.pa, true) }
  read64(pa: number): bigint { return this.view.getBigUint64(pa - this.pa, true) }
  /** Low and high word of the 8-byte aligned doubleword at `pa`, as int32: for table walks. */
  low(pa: number): number { return this.words[(pa - this.pa) / 4]! }
  high(pa: number): number { return this.words[(pa - this.pa) / 4 + 1]! }

  write8(pa: number, value: number): void {
    this.view.setUint8(pa - this.pa, value)
    this.pages.written(pa - this.pa, 1)
  }
  write16(pa: number, value: number): void {
    this.view.setUint16(pa - this.pa, value, true)
    this.pages.written(pa - this.pa, 2)
  }
  write32(pa: number, value: number): void {
    this.view.setUint32(pa - this.pa, value, true)
    this.pages.written(pa - this.pa, 4)
  }
  write64(pa: number, value: bigint): void {
    this.view.setBigUint64(pa - this.pa, value, true)
    this.pages.written(pa - this.pa, 8)
  }

  /** A view of the bytes, for reading only. */
  bytes(pa: number, size: number): Uint8Array { return this.all.subarray(pa - this.pa, pa - this.pa + size) }

  copyIn(pa: number, from: Uint8Array): void {
    if (from.length === 0) return
    this.all.set(from, pa - this.pa)
    this.pages.written(pa - this.pa, from.length)
  }

  fill(pa: number, size: number, value: number): void {
    if (size === 0) return
    this.all.fill(value, pa - this.pa, pa - this.pa + size)
    this.pages.written(pa - this.pa, size)
  }
}
