/** PL011 UART (DDI0183). */
import type { AccessSize, MmioDevice } from './mmio.ts'

export interface Pl011Options {
  /** Level of UARTINTR. */
  readonly irq: (level: boolean) => void
  /** A transmitted byte. */
  readonly output: (byte: number) => void
}

export class Pl011 implements MmioDevice {
  readonly name = 'PL011'
  readonly sizeBytes = 0x1000
  constructor(_options: Pl011Options) {}
  /** Bytes from outside; they wait on the line while the FIFO is full. */
  receive(_bytes: Iterable<number>): void { throw new Error('not written yet') }
  read(_offset: number, _size: AccessSize): number | undefined { throw new Error('not written yet') }
  write(_offset: number, _size: AccessSize, _value: number): boolean { throw new Error('not written yet') }
  reset(): void { throw new Error('not written yet') }
  save(): unknown { throw new Error('not written yet') }
  restore(_state: unknown): void { throw new Error('not written yet') }
}
