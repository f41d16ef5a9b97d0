/**
 * The trace hash (design D9): an order-dependent 64-bit hash over everything observable that a run does, kept in two 32-bit lanes so that
 * adding an event makes no BigInt. Equal runs have equal hashes on every host and tier. Not cryptographic.
 */

const rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n))

/** Event kinds in the hash; the numbers are part of the hash's definition. */
export const HASHED = { exception: 1, eret: 2, exit: 3, mmioRead: 5, mmioWrite: 6, console: 7, marker: 8, registers: 9, memory: 10, outside: 11 } as const

export class TraceHash {
  a = 0x6a09e667 | 0
  b = 0xbb67ae85 | 0

  /** Adds 32 bits. */
  add(value: number): void {
    const k = Math.imul(value, 0xcc9e2d51 | 0)
    this.a = Math.imul(rotate(this.a ^ Math.imul(rotate(k, 15), 0x1b873593), 13), 5) + 0xe6546b64 | 0
    this.b = Math.imul(rotate(this.b ^ Math.imul(value ^ this.a, 0x85ebca6b | 0), 17), 0xc2b2ae35 | 0) + 0x27d4eb2f | 0
  }

  /** Adds a non-negative integer below 2^53 (an instruction count, a physical address). */
  addCount(value: number): void {
    this.add(value | 0)
    this.add(Math.floor(value / 0x1_0000_0000) | 0)
  }

  add64(value: bigint): void {
    this.add(Number(value & 0xffff_ffffn) | 0)
    this.add(Number((value >> 32n) & 0xffff_ffffn) | 0)
  }

  /** Adds memory by 4 KiB page, in order of page number; pages of zeros are left out, whether they have been written or not. */
  addMemory(pages: ReadonlyMap<number, Uint8Array>): void {
    for (const page of [...pages.keys()].toSorted((a, b) => a - b)) {
      const bytes = pages.get(page)!, words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
      let any = 0
      for (const word of words) any |= word
      if (any === 0) continue
      this.add(HASHED.memory)
      this.add(page)
      for (const word of words) this.add(word)
    }
  }

  /** 16 hexadecimal digits. */
  text(): string {
    return (this.a >>> 0).toString(16).padStart(8, '0') + (this.b >>> 0).toString(16).padStart(8, '0')
  }

  save(): { readonly a: number, readonly b: number } { return { a: this.a, b: this.b } }
  restore(state: { readonly a: number, readonly b: number }): void { this.a = state.a; this.b = state.b }
}
