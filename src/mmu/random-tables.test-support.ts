/** Memory full of plausible random descriptors, made on demand from a seed: every address holds one, most are valid. */
import type { DescriptorMemory } from './translation.ts'

/** A small deterministic generator (xorshift32 over a mixed seed). */
export class Random {
  private state: number
  constructor(seed: number) {
    this.state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1
    for (let i = 0; i < 4; i++) this.next()
  }
  next(): number {
    let x = this.state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.state = x
    return x >>> 0
  }
  below(n: number): number { return Math.floor((this.next() / 0x1_0000_0000) * n) }
  chance(percent: number): boolean { return this.below(100) < percent }
  pick<T>(values: readonly T[]): T { return values[this.below(values.length)]! }
  bits64(): bigint { return (BigInt(this.next()) << 32n) | BigInt(this.next()) }
}

const word = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)

export class RandomTables implements DescriptorMemory {
  lo = 0
  hi = 0
  readonly words = new Map<bigint, bigint | undefined>()
  readonly writes: string[] = []
  private readonly seed: number
  /** Addresses in descriptors stay below this many bits, mostly. */
  private readonly addressBits: number
  private readonly abortPercent: number

  constructor(seed: number, addressBits: number, abortPercent: number) {
    this.seed = seed
    this.addressBits = addressBits
    this.abortPercent = abortPercent
  }

  at(pa: bigint): bigint | undefined {
    if (this.words.has(pa)) return this.words.get(pa)
    const random = new Random(this.seed ^ Number(pa & 0xffff_ffffn) ^ Math.imul(Number(pa >> 32n), 0x01_0001))
    let value: bigint | undefined
    if (!random.chance(this.abortPercent)) {
      value = random.bits64() & ~0xffff_ffff_f003n
      const address = random.bits64() & ((1n << BigInt(random.chance(3) ? 48 : this.addressBits)) - 1n) & 0xffff_ffff_f000n
      value |= address | (random.chance(96) ? 1n : 0n) | (random.chance(75) ? 2n : 0n)
      // Hierarchical controls, AF and execute-never bits at random would leave little that succeeds.
      if (random.chance(80)) value &= ~(0xfn << 59n)
      if (random.chance(85)) value |= 1n << 10n
      if (random.chance(60)) value |= 3n << 6n
      if (random.chance(60)) value &= ~(3n << 53n)
      // Normal memory of stage 2.
      if (random.chance(60)) value |= 0b1111n << 2n
    }
    this.words.set(pa, value)
    return value
  }

  read(pa: number): boolean {
    const value = this.at(BigInt(pa))
    if (value === undefined) return false
    this.lo = Number(value & 0xffff_ffffn) | 0
    this.hi = Number(value >> 32n) | 0
    return true
  }

  compareAndSwap(pa: number, oldLo: number, oldHi: number, newLo: number, newHi: number): boolean {
    const value = this.at(BigInt(pa))
    if (value !== word(oldLo, oldHi)) return false
    this.words.set(BigInt(pa), word(newLo, newHi))
    this.writes.push(`${pa.toString(16)}=${word(newLo, newHi).toString(16)}`)
    return true
  }

  swap(pa: bigint, value: bigint): void {
    this.words.set(pa, value)
    this.writes.push(`${pa.toString(16)}=${value.toString(16)}`)
  }
}
