/** PL031 real time clock (DDI0224): seconds of virtual time on top of a fixed epoch. There is no wall clock. */
import type { AccessSize, MmioDevice } from './mmio.ts'
import { fieldsOf, integerIn } from './saved-state.ts'

export interface Pl031Options {
  readonly irq: (level: boolean) => void
  /** Virtual time in nanoseconds since reset of the machine. */
  readonly nanoseconds: () => number
  /** Seconds since 1970 at virtual time 0; default 2026-01-01T00:00:00Z. */
  readonly epochSeconds?: number
}

export const DEFAULT_EPOCH = 1_767_225_600
const SECOND = 1_000_000_000
const OFFSET = { DR: 0x00, MR: 0x04, LR: 0x08, CR: 0x0c, IMSC: 0x10, RIS: 0x14, MIS: 0x18, ICR: 0x1c, ID: 0xfe0 } as const
/** Revision 1 (bits 7:4 of the third), as QEMU's. */
const ID = [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]

export class Pl031 implements MmioDevice {
  readonly name = 'PL031'
  readonly sizeBytes = 0x1000
  readonly #options: Pl031Options
  /** RTCDR is this plus the seconds of virtual time, modulo 2^32; a write to RTCLR changes it. */
  #base: number
  #match = 0
  #load = 0
  #masked = true
  #raw = false
  /** Second of virtual time at which RTCDR next equals RTCMR; undefined once that has been seen. */
  #due: number | undefined

  constructor(options: Pl031Options) {
    this.#options = options
    this.#base = (options.epochSeconds ?? DEFAULT_EPOCH) >>> 0
  }

  /** Virtual time in nanoseconds at which the alarm fires, if somebody would notice: then the machine calls `poll`. */
  alarmAt(): number | undefined { return this.#masked || this.#raw || this.#due === undefined ? undefined : this.#due * SECOND }

  poll(): void {
    if (this.#due === undefined || this.#seconds() < this.#due) return
    this.#due = undefined
    this.#raw = true
    this.#update()
  }

  /** Narrow accesses see the low bits: firmware reads the identification byte by byte. */
  read(offset: number, size: AccessSize): number | undefined {
    if (size === 8) return undefined
    const value = this.#register(offset)
    return value === undefined || size === 4 ? value : value & (size === 1 ? 0xff : 0xffff)
  }

  #register(offset: number): number | undefined {
    this.poll()
    switch (offset) {
      case OFFSET.DR: return this.#now()
      case OFFSET.MR: return this.#match
      case OFFSET.LR: return this.#load
      case OFFSET.CR: return 1 // Always running: the start bit cannot be cleared again (DDI0224 3.3.4).
      case OFFSET.IMSC: return this.#masked ? 0 : 1
      case OFFSET.RIS: return this.#raw ? 1 : 0
      case OFFSET.MIS: return this.#raw && !this.#masked ? 1 : 0
      case OFFSET.ICR: return 0
      default: return offset % 4 === 0 ? ID[(offset - OFFSET.ID) / 4] : undefined
    }
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    if (size === 8) return false
    this.poll()
    switch (offset) {
      case OFFSET.MR:
        this.#match = value
        this.#schedule()
        break
      case OFFSET.LR:
        this.#load = value
        this.#base = (value - this.#seconds()) >>> 0
        this.#schedule()
        break
      case OFFSET.IMSC: this.#masked = (value & 1) === 0; break
      case OFFSET.ICR: if ((value & 1) !== 0) this.#raw = false; break
      // The first cannot be stopped, the others are read-only.
      case OFFSET.CR: case OFFSET.DR: case OFFSET.RIS: case OFFSET.MIS: break
      default: return offset % 4 === 0 && ID[(offset - OFFSET.ID) / 4] !== undefined
    }
    this.poll()
    this.#update()
    return true
  }

  reset(): void {
    this.#base = (this.#options.epochSeconds ?? DEFAULT_EPOCH) >>> 0
    this.#match = 0
    this.#load = 0
    this.#masked = true
    this.#raw = false
    this.#due = undefined
    this.#options.irq(false)
  }

  save(): unknown {
    return { base: this.#base, match: this.#match, load: this.#load, masked: this.#masked ? 1 : 0, raw: this.#raw ? 1 : 0, due: this.#due ?? null }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'PL031')
    this.#base = integerIn(fields, 'base', 0xffff_ffff)
    this.#match = integerIn(fields, 'match', 0xffff_ffff)
    this.#load = integerIn(fields, 'load', 0xffff_ffff)
    this.#masked = integerIn(fields, 'masked', 1) !== 0
    this.#raw = integerIn(fields, 'raw', 1) !== 0
    this.#due = fields['due'] === null ? undefined : integerIn(fields, 'due', Number.MAX_SAFE_INTEGER)
    this.#update()
  }

  #seconds(): number { return Math.floor(this.#options.nanoseconds() / SECOND) }
  #now(): number { return (this.#base + this.#seconds()) % 0x1_0000_0000 }

  /** The counter is compared with the match register for equality, so a time that is past comes round in 136 years. */
  #schedule(): void { this.#due = this.#seconds() + ((this.#match - this.#now()) >>> 0) }

  #update(): void { this.#options.irq(this.#raw && !this.#masked) }
}
