/** Finds a text in a stream of bytes, one at a time (Knuth, Morris, Pratt). */
export class TextMatcher {
  readonly text: string
  readonly #bytes: Uint8Array
  readonly #failure: Int32Array
  #matched = 0

  constructor(text: string) {
    this.text = text
    this.#bytes = new TextEncoder().encode(text)
    this.#failure = new Int32Array(this.#bytes.length + 1)
    for (let i = 1, k = 0; i < this.#bytes.length; i++) {
      while (k > 0 && this.#bytes[i] !== this.#bytes[k]) k = this.#failure[k]!
      if (this.#bytes[i] === this.#bytes[k]) k++
      this.#failure[i + 1] = k
    }
  }

  /** True when this byte is the last one of an occurrence. */
  next(byte: number): boolean {
    if (this.#bytes.length === 0) return false
    while (this.#matched > 0 && this.#bytes[this.#matched] !== byte) this.#matched = this.#failure[this.#matched]!
    if (this.#bytes[this.#matched] === byte) this.#matched++
    if (this.#matched < this.#bytes.length) return false
    this.#matched = this.#failure[this.#matched]!
    return true
  }
}
