/**
 * List registers: one model, two views. They are kept in the form of ICH_LR<n>_EL2 (IHI0069 12.4.6): the low word is vINTID, the high
 * word holds State 31:30, HW 29, Group 28, Priority 23:16, pINTID 12:0. GICH_LR<n> of GICv2 (IHI0048B 5.3.9) is a permutation of it:
 * its CPUID is pINTID bits 2:0 and its EOI bit pINTID bit 9, just as ICH_LR<n>_EL2's EOI bit 41 is.
 */
import type { GicVersion, INTID } from '../../arch/gic.ts'

export const STATE = { invalid: 0, pending: 1, active: 2, pendingAndActive: 3 } as const

const PENDING = 1 << 30
const ACTIVE = 1 << 31
const STATE_MASK = PENDING | ACTIVE
const HW = 1 << 29
const GROUP1 = 1 << 28
const EOI = 1 << 9
const CPUID = 7

export class ListRegisters {
  readonly count: number
  readonly #version: GicVersion
  readonly #priorityMask: number
  readonly #low: Int32Array
  readonly #high: Int32Array

  constructor(count: number, version: GicVersion, priorityBits: number) {
    this.count = count
    this.#version = version
    this.#priorityMask = 0xff00 >>> priorityBits & 0xff
    this.#low = new Int32Array(count)
    this.#high = new Int32Array(count)
  }

  reset(): void {
    this.#low.fill(0)
    this.#high.fill(0)
  }

  state(n: number): number { return this.#high[n]! >>> 30 }
  isPendingOnly(n: number): boolean { return (this.#high[n]! & STATE_MASK) === PENDING }
  isActive(n: number): boolean { return (this.#high[n]! & ACTIVE) !== 0 }
  isHardware(n: number): boolean { return (this.#high[n]! & HW) !== 0 }
  group(n: number): 0 | 1 { return (this.#high[n]! & GROUP1) !== 0 ? 1 : 0 }
  priority(n: number): number { return this.#high[n]! >>> 16 & 0xff }
  physicalIntid(n: number): INTID { return this.#high[n]! & 0x1fff }
  virtualIntid(n: number): INTID { return this.#low[n]! }

  /** What the guest reads when it acknowledges: in GICv2 the CPUID of a software-generated interrupt stands above the INTID. */
  acknowledgedId(n: number): number {
    const intid = this.#low[n]!
    return this.#version === 2 && intid < 16 && (this.#high[n]! & HW) === 0 ? intid | (this.#high[n]! & CPUID) << 10 : intid
  }

  acknowledge(n: number): void { this.#high[n] = this.#high[n]! & ~STATE_MASK | ACTIVE }
  dropPending(n: number): void { this.#high[n]! &= ~PENDING }
  dropActive(n: number): void { this.#high[n]! &= ~ACTIVE }

  /** EISR: the guest has deactivated an interrupt for which the hypervisor asked to be told. */
  hasEnded(n: number): boolean { return (this.#high[n]! & (STATE_MASK | HW | EOI)) === EOI }
  /** ELRSR: free for use, that is, invalid and not waiting to be seen in EISR. */
  isEmpty(n: number): boolean {
    const high = this.#high[n]!
    return (high & STATE_MASK) === 0 && ((high & HW) !== 0 || (high & EOI) === 0)
  }

  /** ICH_LR<n>_EL2. */
  readLow(n: number): number { return this.#low[n]! >>> 0 }
  readHigh(n: number): number { return this.#high[n]! >>> 0 }
  write(n: number, low: number, high: number): void {
    // ICH_VTR_EL2.IDbits = 0: vINTID has 16 bits. With HW = 0 pINTID is RES0 apart from the EOI bit.
    this.#low[n] = low & 0xffff
    this.#high[n] = high & (STATE_MASK | HW | GROUP1 | this.#priorityMask << 16 | ((high & HW) !== 0 ? 0x1fff : EOI))
  }

  /** GICH_LR<n>: HW 31, Grp1 30, State 29:28, Priority 27:23, PhysicalID 19:10 (or EOI 19, CPUID 12:10), VirtualID 9:0. */
  readVersion2(n: number): number {
    const high = this.#high[n]!
    return ((high & HW) << 2 | (high & GROUP1) << 2 | high >>> 30 << 28 | (high >>> 19 & 0x1f) << 23 | (high & 0x3ff) << 10 | (this.#low[n]! & 0x3ff)) >>> 0
  }

  writeVersion2(n: number, value: number): void {
    const hardware = value >>> 31
    const physical = value >>> 10 & (hardware !== 0 ? 0x3ff : EOI | CPUID)
    this.#low[n] = value & 0x3ff
    this.#high[n] = (value >>> 28 & 3) << 30 | hardware << 29 | (value >>> 30 & 1) << 28 | (value >>> 23 & 0x1f) << 19 | physical
  }

  save(): unknown { return { low: [...this.#low], high: [...this.#high] } }
  load(low: readonly number[], high: readonly number[]): void {
    this.reset()
    this.#low.set(low.slice(0, this.count))
    this.#high.set(high.slice(0, this.count))
    for (let n = 0; n < this.count; n++) {
      if (this.#version === 2) this.writeVersion2(n, this.readVersion2(n))
      else this.write(n, this.#low[n]!, this.#high[n]!)
    }
  }
}
