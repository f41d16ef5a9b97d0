/**
 * Which preemption levels are active (ICC_AP<0|1>R<n>_EL1, ICH_AP<0|1>R<n>_EL2, GICC_APR, GICH_APR) and the priority grouping that
 * goes with them (IHI0069 4.8.3, 4.8.6). The physical and the virtual interface have one each.
 */

/** Running priority when nothing is active. */
export const IDLE_PRIORITY = 0xff

/** Binary point: the group priority is bits 7 to bpr + 1. */
export const groupMask = (binaryPoint: number): number => 0xff << (binaryPoint + 1) & 0xff

/** Group 1 with its own binary point: that register counts from one higher. */
export const group1Mask = (binaryPoint1: number): number => groupMask(binaryPoint1 - 1)

/**
 * Whether an interrupt of this priority preempts. The running priority is masked as well: a coarser binary point of the new interrupt's
 * group must not turn a lower priority into a higher one.
 */
export const preempts = (priority: number, running: number, mask: number): boolean => running === IDLE_PRIORITY || (priority & mask) < (running & mask)

export class ActivePriorities {
  /** Bits of priority that can preempt: the levels are 2 to this power. */
  readonly preemptionBits: number
  /** 32-bit registers per group. */
  readonly words: number
  /** Group 0's words, then Group 1's. A set bit n means that level n is active. */
  readonly #bits: Int32Array

  constructor(preemptionBits: number) {
    this.preemptionBits = preemptionBits
    this.words = 1 << Math.max(preemptionBits - 5, 0)
    this.#bits = new Int32Array(2 * this.words)
  }

  get minimumBinaryPoint(): number { return 7 - this.preemptionBits }

  reset(): void { this.#bits.fill(0) }

  read(group: 0 | 1, word: number): number { return word < this.words ? this.#bits[group * this.words + word]! >>> 0 : 0 }
  write(group: 0 | 1, word: number, value: number): void { if (word < this.words) this.#bits[group * this.words + word] = value }

  activate(group: 0 | 1, groupPriority: number): void {
    const level = groupPriority >>> (8 - this.preemptionBits)
    this.#bits[group * this.words + (level >>> 5)]! |= 1 << (level & 31)
  }

  /** The active priority that counts, or IDLE_PRIORITY. */
  running(): number {
    const level = Math.min(this.#lowest(0), this.#lowest(1))
    return level === Infinity ? IDLE_PRIORITY : level << (8 - this.preemptionBits)
  }

  /** The group of the running priority; Group 0 if both have that level. Undefined if nothing is active. */
  runningGroup(): 0 | 1 | undefined {
    const level0 = this.#lowest(0)
    const level1 = this.#lowest(1)
    if (level0 === Infinity && level1 === Infinity) return undefined
    return level0 <= level1 ? 0 : 1
  }

  /** Priority drop: the running level is no longer active. Returns it, or IDLE_PRIORITY if there was none. */
  drop(): number {
    const group = this.runningGroup()
    if (group === undefined) return IDLE_PRIORITY
    const level = this.#lowest(group)
    this.#bits[group * this.words + (level >>> 5)]! &= ~(1 << (level & 31))
    return level << (8 - this.preemptionBits)
  }

  #lowest(group: 0 | 1): number {
    for (let word = 0; word < this.words; word++) {
      const bits = this.#bits[group * this.words + word]!
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits & -bits)
    }
    return Infinity
  }

  save(): number[] { return [...this.#bits] }
  restore(bits: readonly number[]): void {
    this.#bits.fill(0)
    this.#bits.set(bits.slice(0, this.#bits.length))
  }
}
