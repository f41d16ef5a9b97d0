/** A growing byte buffer with the number formats of the WebAssembly binary format (LEB128). */
export class Bytes {
  private buffer: Uint8Array
  length = 0

  constructor(capacity = 64) {
    this.buffer = new Uint8Array(capacity)
  }

  private reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count))
    grown.set(this.buffer)
    this.buffer = grown
  }

  byte(value: number): this {
    if (this.length === this.buffer.length) this.reserve(1)
    this.buffer[this.length++] = value
    return this
  }

  append(bytes: ArrayLike<number>): this {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
    return this
  }

  /** Unsigned LEB128 of a 32-bit number. */
  u32(value: number): this {
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    return this.byte(rest)
  }

  /** Signed LEB128 of an int32. */
  s32(value: number): this {
    let rest = value | 0
    while (rest < -0x40 || rest > 0x3f) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>= 7
    }
    return this.byte(rest & 0x7f)
  }

  /** Signed LEB128 of a 64-bit number given as int32 halves. */
  s64(high: number, low: number): this {
    let h = high | 0, l = low | 0
    while (h !== l >> 31 || l < -0x40 || l > 0x3f) {
      this.byte((l & 0x7f) | 0x80)
      l = (l >>> 7) | (h << 25)
      h >>= 7
    }
    return this.byte(l & 0x7f)
  }

  name(text: string): this {
    const bytes = new TextEncoder().encode(text)
    return this.u32(bytes.length).append(bytes)
  }

  /** A copy of what has been written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.length) as Uint8Array<ArrayBuffer>
  }

  view(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }
}
