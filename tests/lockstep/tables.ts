/** Translation tables for generated programs: descriptors put at chosen levels, with the tables above them made as needed. */

export type Granule = 4 | 16 | 64

export const bitsPerLevel = (granule: Granule): number => granule === 4 ? 9 : granule === 16 ? 11 : 13
export const pageShift = (granule: Granule): number => granule === 4 ? 12 : granule === 16 ? 14 : 16
/** Lowest address bit that an index of `level` resolves. */
export const levelShift = (granule: Granule, level: number): number => pageShift(granule) + bitsPerLevel(granule) * (3 - level)

export class Tables {
  readonly base: number
  readonly granule: Granule
  readonly startLevel: number
  readonly #size: number
  readonly #words: BigUint64Array
  #used: number
  readonly #inputBits: number

  /** `size` bytes at `base`; the table of the start level, concatenated for stage 2 where it must be, comes first. */
  constructor(base: number, size: number, granule: Granule, inputBits: number, startLevel: number) {
    this.base = base
    this.granule = granule
    this.startLevel = startLevel
    this.#size = size
    this.#inputBits = inputBits
    this.#words = new BigUint64Array(size / 8)
    this.#used = Math.max(1 << pageShift(granule), 8 << Math.max(0, inputBits - levelShift(granule, startLevel)))
  }

  /** Puts `descriptor` where `address` is resolved at `level`; false if a leaf stands above it already, or room is short. `attributes` goes into the tables made. */
  put(address: bigint, level: number, descriptor: bigint, attributes = 0n): boolean {
    let table = 0
    for (let at = this.startLevel; at < level; at++) {
      const index = this.#index(address, at, table), old = this.#words[index]!
      if ((old & 3n) === 3n) table = Number(old & 0xffff_ffff_f000n) - this.base
      else if (old !== 0n) return false
      else {
        const bytes = 1 << pageShift(this.granule)
        if (this.#used + bytes > this.#size) return false
        table = this.#used
        this.#used += bytes
        this.#words[index] = BigInt(this.base + table) | 3n | attributes
      }
    }
    this.#words[this.#index(address, level, table)] = descriptor
    return true
  }

  #index(address: bigint, level: number, table: number): number {
    const shift = levelShift(this.granule, level), top = level === this.startLevel ? this.#inputBits : shift + bitsPerLevel(this.granule)
    const index = Number((address & ((1n << BigInt(top)) - 1n)) >> BigInt(shift))
    return table / 8 + index
  }

  bytes(): Uint8Array { return new Uint8Array(this.#words.buffer, 0, this.#used) }
}
