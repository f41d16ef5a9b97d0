/** Protocol Buffers, the encoding that a trace needs: varints, 64-bit words, and lengths before messages and text. */

const VARINT = 0, FIXED64 = 1, BYTES = 2
const text = new TextEncoder()

/** Bytes of one message; `finish` hands them out. Numbers are unsigned, to 2^53 - 1. */
export class Message {
  #bytes = new Uint8Array(64)
  #length = 0

  varint(field: number, value: number): this {
    this.#varint(field * 8 + VARINT)
    this.#varint(value)
    return this
  }

  fixed64(field: number, value: number): this {
    this.#varint(field * 8 + FIXED64)
    this.#room(8)
    const view = new DataView(this.#bytes.buffer)
    view.setUint32(this.#length, value % 2 ** 32, true)
    view.setUint32(this.#length + 4, Math.floor(value / 2 ** 32), true)
    this.#length += 8
    return this
  }

  bytes(field: number, bytes: Uint8Array): this {
    this.#varint(field * 8 + BYTES)
    this.#varint(bytes.length)
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  string(field: number, value: string): this { return this.bytes(field, text.encode(value)) }
  message(field: number, message: Message): this { return this.bytes(field, message.finish()) }

  finish(): Uint8Array { return this.#bytes.subarray(0, this.#length) }

  #varint(value: number): void {
    this.#room(10)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#length + bytes, 2 * this.#bytes.length))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
