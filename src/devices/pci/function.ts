/** The configuration space of one function with a type 0 header (PCI Local Bus 3.0, 6.1): what software may write is a mask over its bytes. */
import { fieldsOf, integersIn } from '../saved-state.ts'

export const CONFIGURATION_SIZE = 4096
const HEADER_SIZE = 256
export const OFFSET = { VENDOR: 0x00, DEVICE: 0x02, COMMAND: 0x04, STATUS: 0x06, REVISION: 0x08, CLASS: 0x09, BAR0: 0x10, SUBSYSTEM_VENDOR: 0x2c, SUBSYSTEM: 0x2e, CAPABILITIES: 0x34, INTERRUPT_LINE: 0x3c, INTERRUPT_PIN: 0x3d } as const
const COMMAND = { MEMORY: 2, MASTER: 4, INTX_DISABLE: 0x400 } as const
const STATUS = { INTERRUPT: 8, CAPABILITIES: 0x10 } as const

export interface Identity { readonly vendor: number, readonly device: number, readonly revision: number, /** Base class, sub-class and interface as 24 bits. */ readonly class: number, readonly subsystem?: number }

export class PciFunction {
  readonly #bytes = new Uint8Array(HEADER_SIZE)
  readonly #writable = new Uint8Array(HEADER_SIZE)
  readonly #view = new DataView(this.#bytes.buffer)
  readonly #bars = new Map<number, number>()
  #capabilityEnd = 0x40
  #lastCapability: number = OFFSET.CAPABILITIES - 1

  constructor({ vendor, device, revision, class: kind, subsystem }: Identity) {
    const view = this.#view
    view.setUint16(OFFSET.VENDOR, vendor, true)
    view.setUint16(OFFSET.DEVICE, device, true)
    view.setUint32(OFFSET.REVISION, ((kind << 8) | revision) >>> 0, true)
    if (subsystem !== undefined) {
      view.setUint16(OFFSET.SUBSYSTEM_VENDOR, vendor, true)
      view.setUint16(OFFSET.SUBSYSTEM, subsystem, true)
    }
    const masks = new DataView(this.#writable.buffer)
    masks.setUint16(OFFSET.COMMAND, COMMAND.MEMORY | COMMAND.MASTER | COMMAND.INTX_DISABLE, true)
    this.#writable[OFFSET.INTERRUPT_LINE] = 0xff
  }

  /** A 32-bit memory BAR; `size` is a power of 2. */
  addBar(bar: number, size: number): void {
    this.#bars.set(bar, size)
    new DataView(this.#writable.buffer).setUint32(OFFSET.BAR0 + 4 * bar, ~(size - 1) >>> 0, true)
  }

  useInterrupt(pin: number): void { this.#bytes[OFFSET.INTERRUPT_PIN] = pin }

  /** A capability with these bytes behind its ID and link; `writable` of them may be written, from the end. The offset at which it stands. */
  addCapability(id: number, bytes: Uint8Array, writable: readonly number[] = []): number {
    const at = this.#capabilityEnd
    this.#bytes[at] = id
    this.#bytes.set(bytes, at + 2)
    for (const offset of writable) this.#writable[at + offset] = 0xff
    this.#bytes[this.#lastCapability + 1] = at
    this.#lastCapability = at
    this.#capabilityEnd = (at + 2 + bytes.length + 3) & ~3
    this.#view.setUint16(OFFSET.STATUS, STATUS.CAPABILITIES, true)
    return at
  }

  read(offset: number, size: number): number {
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.#bytes[offset + i] ?? 0)
    return value
  }

  write(offset: number, size: number, value: number): void {
    for (let i = 0, rest = value; i < size && offset + i < HEADER_SIZE; i++, rest = Math.floor(rest / 256)) {
      const mask = this.#writable[offset + i]!
      this.#bytes[offset + i] = (this.#bytes[offset + i]! & ~mask) | (rest % 256 & mask)
    }
  }

  /** Offset of an address in a BAR that is switched on; undefined if none has it. */
  decode(address: number): { readonly bar: number, readonly offset: number } | undefined {
    if ((this.#view.getUint16(OFFSET.COMMAND, true) & COMMAND.MEMORY) === 0) return undefined
    for (const [bar, size] of this.#bars) {
      const base = this.#view.getUint32(OFFSET.BAR0 + 4 * bar, true)
      if (base !== 0 && address >= base && address < base + size) return { bar, offset: address - base }
    }
    return undefined
  }

  /** The level of the pin as the interrupt controller gets it. */
  interrupt(level: boolean): boolean {
    const status = this.#view.getUint16(OFFSET.STATUS, true)
    this.#view.setUint16(OFFSET.STATUS, level ? status | STATUS.INTERRUPT : status & ~STATUS.INTERRUPT, true)
    return level && (this.#view.getUint16(OFFSET.COMMAND, true) & COMMAND.INTX_DISABLE) === 0
  }

  get isInterruptPending(): boolean { return (this.#view.getUint16(OFFSET.STATUS, true) & STATUS.INTERRUPT) !== 0 }

  reset(): void { for (let i = 0; i < HEADER_SIZE; i++) this.#bytes[i]! &= ~this.#writable[i]! }

  save(): unknown { return { bytes: [...this.#bytes] } }

  restore(state: unknown): void {
    const bytes = integersIn(fieldsOf(state, 'PCI function'), 'bytes', HEADER_SIZE)
    for (let i = 0; i < bytes.length; i++) this.#bytes[i] = (this.#bytes[i]! & ~this.#writable[i]!) | (bytes[i]! & this.#writable[i]!)
  }
}
