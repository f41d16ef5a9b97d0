/** Just enough of an assembler for generated guests: words, labels, and the few encodings that they need. */
export class Assembler {
  readonly words: number[] = []
  readonly #labels = new Map<string, number>()
  readonly #fixups: { readonly at: number, readonly label: string, readonly kind: 'adr' | 'b', readonly rd: number }[] = []

  get size(): number { return this.words.length * 4 }
  word(...words: readonly number[]): void { for (const word of words) this.words.push(word >>> 0) }
  label(name: string): void { this.#labels.set(name, this.words.length) }
  align(bytes: number): void { while (this.size % bytes !== 0) this.word(0xd503_201f) }

  adr(rd: number, label: string): void {
    this.#fixups.push({ at: this.words.length, label, kind: 'adr', rd })
    this.word(0)
  }

  b(label: string): void {
    this.#fixups.push({ at: this.words.length, label, kind: 'b', rd: 0 })
    this.word(0)
  }

  /** MOVZ and MOVK. */
  mov(rd: number, value: bigint): void {
    const bits = BigInt.asUintN(64, value)
    this.word(0xd280_0000 | (Number(bits & 0xffffn) << 5) | rd)
    for (let part = 1; part < 4; part++) {
      const half = Number((bits >> BigInt(16 * part)) & 0xffffn)
      if (half !== 0) this.word(0xf280_0000 | (part << 21) | (half << 5) | rd)
    }
  }

  /** `key` is op0:op1:CRn:CRm:op2, bits [20:5] of the word. */
  msr(key: number, rt: number): void { this.word(0xd500_0000 | (key << 5) | rt) }
  mrs(key: number, rt: number): void { this.word(0xd520_0000 | (key << 5) | rt) }
  addImmediate(rd: number, rn: number, imm12: number): void { this.word(0x9100_0000 | (imm12 << 10) | (rn << 5) | rd) }
  load(rt: number, rn: number, sizeLog2: number): void { this.word((0x3940_0000 | (sizeLog2 << 30) | (rn << 5) | rt) >>> 0) }
  store(rt: number, rn: number, sizeLog2: number): void { this.word((0x3900_0000 | (sizeLog2 << 30) | (rn << 5) | rt) >>> 0) }
  eret(): void { this.word(0xd69f_03e0) }
  hvc(imm16: number): void { this.word(0xd400_0002 | (imm16 << 5)) }
  smc(imm16: number): void { this.word(0xd400_0003 | (imm16 << 5)) }
  isb(): void { this.word(0xd503_3fdf) }

  finish(): Uint8Array {
    for (const { at, label, kind, rd } of this.#fixups) {
      const to = this.#labels.get(label)
      if (to === undefined) throw new Error(`no label ${label}`)
      const words = to - at
      if (kind === 'b') this.words[at] = (0x1400_0000 | (words & 0x03ff_ffff)) >>> 0
      else this.words[at] = (0x1000_0000 | ((words & 0x7_ffff) << 5) | rd) >>> 0
    }
    return new Uint8Array(new Uint32Array(this.words).buffer)
  }
}

/** A 32-bit xorshift: the same numbers from the same seed everywhere. */
export class Random {
  #state: number
  constructor(seed: number) { this.#state = (seed * 0x9e37_79b9 + 0x85eb_ca6b) | 1 }
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }
  below(n: number): number { return this.next() % n }
  chance(percent: number): boolean { return this.below(100) < percent }
  pick<T>(values: readonly T[]): T { return values[this.below(values.length)]! }
  u64(): bigint { return (BigInt(this.next()) << 32n) | BigInt(this.next()) }
}
