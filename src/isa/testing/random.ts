/** A small deterministic generator (splitmix-like on 32 bits): equal seeds give equal tests. */
export class Random {
  #state: number
  constructor(seed: number) { this.#state = seed | 0 }
  /** 32 random bits, unsigned. */
  bits(): number {
    this.#state = (this.#state + 0x9e37_79b9) | 0
    let z = this.#state
    z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
  below(n: number): number { return this.bits() % n }
  chance(oneIn: number): boolean { return this.below(oneIn) === 0 }
  pick<T>(items: readonly T[]): T { return items[this.below(items.length)]! }
  bits64(): bigint { return (BigInt(this.bits()) << 32n) | BigInt(this.bits()) }
}
