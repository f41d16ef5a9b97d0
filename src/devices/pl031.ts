/** PL031 real time clock (DDI0224). */
import type { AccessSize, MmioDevice } from './mmio.ts'

export interface Pl031Options {
  readonly irq: (level: boolean) => void
  /** Virtual time in nanoseconds since reset of the machine. */
  readonly nanoseconds: () => number
  /** Seconds since 1970 at virtual time 0; default 2026-01-01T00:00:00Z. */
  readonly epochSeconds?: number
}

export class Pl031 implements MmioDevice {
  readonly name = 'PL031'
  readonly sizeBytes = 0x1000
  constructor(_options: Pl031Options) {}
  /** Virtual time at which the alarm fires, undefined if it is masked or past: the machine then calls `poll`. */
  alarmAt(): number | undefined { throw new Error('not written yet') }
  poll(): void { throw new Error('not written yet') }
  read(_offset: number, _size: AccessSize): number | undefined { throw new Error('not written yet') }
  write(_offset: number, _size: AccessSize, _value: number): boolean { throw new Error('not written yet') }
  reset(): void { throw new Error('not written yet') }
  save(): unknown { throw new Error('not written yet') }
  restore(_state: unknown): void { throw new Error('not written yet') }
}
