/**
 * PL011 UART (DDI0183). Transmission takes no time, so the transmit FIFO is always empty. As in QEMU, data flows whether or not
 * UARTCR enables the UART: early consoles rely on it.
 */
import type { AccessSize, MmioDevice } from './mmio.ts'
import { fieldsOf, integerIn, integersIn } from './saved-state.ts'

export interface Pl011Options {
  /** Level of UARTINTR. */
  readonly irq: (level: boolean) => void
  /** A transmitted byte. */
  readonly output: (byte: number) => void
}

const FIFO_DEPTH = 16
/** UARTIFLS.RXIFLSEL: FIFO levels 1/8, 1/4, 1/2, 3/4, 7/8. */
const RX_TRIGGERS = [2, 4, 8, 12, 14]

const FR = { RXFE: 1 << 4, RXFF: 1 << 6, TXFE: 1 << 7 } as const
const LCR_H = { FEN: 1 << 4 } as const
const CR = { LBE: 1 << 7, TXE: 1 << 8, RXE: 1 << 9 } as const
const INT = { RX: 1 << 4, TX: 1 << 5, RT: 1 << 6 } as const
const INT_MASK = 0x7ff

/** Revision r1p4 of Arm's part 0x011, and the PrimeCell ID. */
const ID = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]

interface Registers { ilpr: number, ibrd: number, fbrd: number, lcr: number, cr: number, ifls: number, imsc: number, dmacr: number }
const RESET: Readonly<Registers> = { ilpr: 0, ibrd: 0, fbrd: 0, lcr: 0, cr: CR.TXE | CR.RXE, ifls: 0x12, imsc: 0, dmacr: 0 }

interface Row {
  readonly name: string
  readonly read?: (uart: Pl011) => number
  readonly write?: (uart: Pl011, value: number) => void
}

/** More bytes than this on the line at once is a mistake of the caller's, not a guest's. */
const LONGEST_BACKLOG = 1 << 24

export class Pl011 implements MmioDevice {
  readonly name = 'PL011'
  readonly sizeBytes = 0x1000
  readonly #options: Pl011Options
  #fifo: number[] = []
  /** Bytes that have not reached the FIFO: the sender waits, as with flow control. */
  #line: number[] = []
  #linePosition = 0
  #registers: Registers = { ...RESET }
  #raw = 0
  #level = false

  static readonly #table: ReadonlyMap<number, Row> = new Map<number, Row>([
    [0x00, { name: 'UARTDR', read: uart => uart.#take(), write: (uart, value) => uart.#send(value & 0xff) }],
    // Receive errors do not happen.
    [0x04, { name: 'UARTRSR', read: () => 0, write: () => {} }],
    [0x18, { name: 'UARTFR', read: uart => uart.#flags() }],
    [0x20, Pl011.#plain('UARTILPR', 'ilpr', 0xff)],
    [0x24, Pl011.#plain('UARTIBRD', 'ibrd', 0xffff)],
    [0x28, Pl011.#plain('UARTFBRD', 'fbrd', 0x3f)],
    [0x2c, { name: 'UARTLCR_H', read: uart => uart.#registers.lcr, write: (uart, value) => uart.#setLineControl(value & 0xff) }],
    [0x30, Pl011.#plain('UARTCR', 'cr', 0xff87)],
    [0x34, Pl011.#plain('UARTIFLS', 'ifls', 0x3f)],
    [0x38, Pl011.#plain('UARTIMSC', 'imsc', INT_MASK)],
    [0x3c, { name: 'UARTRIS', read: uart => uart.#raw }],
    [0x40, { name: 'UARTMIS', read: uart => uart.#raw & uart.#registers.imsc }],
    [0x44, { name: 'UARTICR', write: (uart, value) => { uart.#raw &= ~value } }],
    [0x48, Pl011.#plain('UARTDMACR', 'dmacr', 0x7)],
    ...ID.map((byte, index): [number, Row] => [0xfe0 + 4 * index, { name: index < 4 ? `UARTPeriphID${index}` : `UARTPCellID${index - 4}`, read: () => byte }]),
  ])

  constructor(options: Pl011Options) { this.#options = options }

  static #plain(name: string, key: keyof Registers, mask: number): Row {
    return { name, read: uart => uart.#registers[key], write: (uart, value) => { uart.#registers[key] = value & mask } }
  }

  /** Bytes from outside; they wait on the line while the FIFO is full. */
  receive(bytes: Iterable<number>): void {
    for (const byte of bytes) this.#line.push(byte & 0xff)
    this.#fill()
    this.#update()
  }

  read(offset: number, size: AccessSize): number | undefined {
    const register = size <= 4 ? Pl011.#table.get(offset) : undefined
    if (register === undefined) return undefined
    const value = register.read?.(this) ?? 0
    this.#update()
    return size === 4 ? value : value & (size === 1 ? 0xff : 0xffff)
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    const register = size <= 4 ? Pl011.#table.get(offset) : undefined
    if (register === undefined) return false
    register.write?.(this, value)
    this.#update()
    return true
  }

  /** Bytes that are on the line stay there. */
  reset(): void {
    this.#fifo = []
    this.#registers = { ...RESET }
    this.#raw = 0
    this.#level = false
    this.#options.irq(false)
  }

  save(): unknown {
    return { registers: { ...this.#registers }, fifo: [...this.#fifo], line: this.#line.slice(this.#linePosition), raw: this.#raw }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'PL011')
    const registers = fieldsOf(fields['registers'], 'PL011')
    this.#registers = Object.fromEntries(Object.keys(RESET).map(key => [key, integerIn(registers, key, 0xffff)])) as unknown as Registers
    this.#fifo = integersIn(fields, 'fifo', FIFO_DEPTH).map(byte => byte & 0xff)
    this.#line = integersIn(fields, 'line', LONGEST_BACKLOG).map(byte => byte & 0xff)
    this.#linePosition = 0
    this.#raw = integerIn(fields, 'raw', INT_MASK)
    this.#level = (this.#raw & this.#registers.imsc) !== 0
    this.#options.irq(this.#level)
  }

  #depth(): number { return (this.#registers.lcr & LCR_H.FEN) !== 0 ? FIFO_DEPTH : 1 }

  #flags(): number { return FR.TXFE | (this.#fifo.length === 0 ? FR.RXFE : 0) | (this.#fifo.length >= this.#depth() ? FR.RXFF : 0) }

  /** Moves bytes from the line to the FIFO and raises the receive interrupts as they arrive. */
  #fill(): void {
    const before = this.#fifo.length
    while (this.#linePosition < this.#line.length && this.#fifo.length < this.#depth()) this.#fifo.push(this.#line[this.#linePosition++]!)
    if (this.#linePosition === this.#line.length) {
      this.#line = []
      this.#linePosition = 0
    }
    if (this.#fifo.length === before) return
    const trigger = this.#trigger()
    if (this.#fifo.length >= trigger) this.#raw |= INT.RX
    // The receive timeout: characters below the trigger level wait and no more are coming.
    if ((this.#registers.lcr & LCR_H.FEN) !== 0) this.#raw |= INT.RT
  }

  #trigger(): number { return (this.#registers.lcr & LCR_H.FEN) === 0 ? 1 : RX_TRIGGERS[this.#registers.ifls >>> 3 & 7] ?? FIFO_DEPTH }

  #take(): number {
    const byte = this.#fifo.shift() ?? 0
    if (this.#fifo.length < this.#trigger()) this.#raw &= ~INT.RX
    if (this.#fifo.length === 0) this.#raw &= ~INT.RT
    this.#fill()
    return byte
  }

  /** The FIFO fills and drains at once, so each byte passes the trigger level of the transmit interrupt. */
  #send(byte: number): void {
    if ((this.#registers.cr & CR.LBE) !== 0) {
      this.#line.push(byte)
      this.#fill()
    } else {
      this.#options.output(byte)
    }
    this.#raw |= INT.TX
  }

  /** Enabling or disabling the FIFOs empties them; here the bytes go back to the line, so that scripted input is never lost. */
  #setLineControl(value: number): void {
    const toggled = ((value ^ this.#registers.lcr) & LCR_H.FEN) !== 0
    this.#registers.lcr = value
    if (!toggled) return
    this.#line = [...this.#fifo, ...this.#line.slice(this.#linePosition)]
    this.#linePosition = 0
    this.#fifo = []
    this.#fill()
  }

  #update(): void {
    const level = (this.#raw & this.#registers.imsc) !== 0
    if (level === this.#level) return
    this.#level = level
    this.#options.irq(level)
  }
}
