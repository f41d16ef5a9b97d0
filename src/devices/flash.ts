/**
 * A bank of NOR flash: two 16-bit chips side by side on a 32-bit bus, Intel's command set (CFI, JESD68; command set 0x0001), with the geometry
 * of QEMU's `virt`. In read mode the bank is memory, and the machine lets the CPU read and execute it without asking the device; commands
 * come as writes. Programming and erasing take no time, so the ready bit is always set. As in QEMU a programmed word is stored as it is.
 */
import { BadInput } from '../arch/bad-input.ts'
import type { AccessSize, MmioDevice } from './mmio.ts'
import { fieldsOf, integerIn } from './saved-state.ts'

/** Where the bytes are. Offsets are inside the bank. */
export interface FlashMemory {
  read8(offset: number): number
  write(offset: number, bytes: Uint8Array): void
}

export interface FlashOptions {
  readonly name: string
  readonly sizeBytes: number
  readonly memory: FlashMemory
  /** The bank is (or is no longer) readable as memory. */
  readonly onReadable?: (readable: boolean) => void
  /** After programming and erasing, for a bank that is kept in a file. */
  readonly onWrite?: (offset: number, bytes: Uint8Array) => void
}

export const FLASH_BLOCK = 0x4_0000
/** Bytes of both chips' write buffers. */
const BUFFER = 2048

const MODES = ['array', 'status', 'identifier', 'query', 'erase', 'program', 'lock', 'count', 'data', 'confirm'] as const
type Mode = (typeof MODES)[number]
/** What is not read as memory or identification reads as status. */
const COMMAND = {
  readArray: 0xff, readIdentifier: 0x90, readStatus: 0x70, clearStatus: 0x50, query: 0x98, erase: 0x20, program: 0x40, programAlternate: 0x10, buffered: 0xe8, lock: 0x60,
  confirm: 0xd0, setLock: 0x01, lockDown: 0x2f,
} as const
const STATUS = { ready: 0x80, eraseError: 0x20, programError: 0x10 } as const
const MANUFACTURER = 0x89, DEVICE = 0x18

/** Query structure of one chip by word (JESD68.01): what drivers read of geometry, voltages and times. */
function queryTable(bankBytes: number): ReadonlyMap<number, number> {
  const chip = bankBytes / 2, block = FLASH_BLOCK / 2, blocks = chip / block
  const table = new Map<number, number>()
  const put = (at: number, ...values: readonly number[]): void => values.forEach((value, i) => table.set(at + i, value))
  put(0x10, 0x51, 0x52, 0x59) // "QRY"
  put(0x13, 0x01, 0x00, 0x31, 0x00) // Command set 1, its table at 0x31
  put(0x17, 0, 0, 0, 0) // No alternate command set
  put(0x1b, 0x45, 0x55, 0x00, 0x00) // Supply 4.5 V to 5.5 V, no programming supply
  put(0x1f, 0x07, 0x07, 0x0a, 0x00, 0x04, 0x04, 0x04, 0x00) // Typical and longest times, as powers of two
  put(0x27, Math.log2(chip), 0x02, 0x00) // Size; x8 and x16
  put(0x2a, Math.log2(BUFFER / 2), 0x00, 0x01) // Write buffer of a chip; one region of blocks
  put(0x2d, (blocks - 1) & 0xff, (blocks - 1) >>> 8, (block >>> 8) & 0xff, block >>> 16)
  put(0x31, 0x50, 0x52, 0x49, 0x31, 0x30) // "PRI" 1.0
  put(0x36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01) // No optional features; one protection field
  return table
}

export class Flash implements MmioDevice {
  readonly name: string
  readonly sizeBytes: number
  readonly #options: FlashOptions
  readonly #query: ReadonlyMap<number, number>
  #mode: Mode = 'array'
  #status: number = STATUS.ready
  /** Of a buffered program: block, bus words that are still to come, and what has come. */
  #block = 0
  #left = 0
  #buffer: { readonly offset: number, readonly bytes: Uint8Array }[] = []

  constructor(options: FlashOptions) {
    this.#options = options
    this.name = options.name
    this.sizeBytes = options.sizeBytes
    this.#query = queryTable(options.sizeBytes)
  }

  /** Reads and fetches may go to the memory itself. */
  get isReadable(): boolean { return this.#mode === 'array' }

  read(offset: number, size: AccessSize): number | undefined {
    // Eight bytes need not fit a number: the bus asks twice.
    if (size === 8) return undefined
    switch (this.#mode) {
      case 'array': return littleEndian(size, i => this.#options.memory.read8(offset + i))
      // Both chips answer, each on its half of the bus.
      case 'identifier': return this.#bothChips(offset, size, IDENTIFIER[(offset >>> 2) & 0xff] ?? 0)
      case 'query': return this.#bothChips(offset, size, this.#query.get((offset >>> 2) & 0xff) ?? 0)
      default: return this.#bothChips(offset, size, this.#status)
    }
  }

  #bothChips(offset: number, size: AccessSize, value: number): number {
    return littleEndian(size, i => ((offset + i) & 1) === 0 ? value & 0xff : 0)
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    // The bus has 32 bits.
    if (size === 8) return this.write(offset, 4, value % 0x1_0000_0000) && this.write(offset + 4, 4, Math.floor(value / 0x1_0000_0000))
    const command = value & 0xff
    switch (this.#mode) {
      case 'erase':
        if (command === COMMAND.confirm) this.#erase(offset)
        else if (command === COMMAND.readArray) return this.#begin(command, offset)
        else this.#status |= STATUS.eraseError | STATUS.programError
        this.#go('status')
        break
      case 'program':
        this.#store(offset, bytesOf(value, size))
        this.#go('status')
        break
      case 'lock':
        // Blocks are never locked: the commands are known, and nothing follows.
        if (command === COMMAND.readArray) return this.#begin(command, offset)
        if (command !== COMMAND.confirm && command !== COMMAND.setLock && command !== COMMAND.lockDown) this.#status |= STATUS.eraseError | STATUS.programError
        this.#go('status')
        break
      case 'count': {
        const words = (value & 0xffff) + 1
        if (words > BUFFER / 4) {
          this.#status |= STATUS.programError
          this.#go('status')
          break
        }
        this.#left = words
        this.#go('data')
        break
      }
      case 'data':
        if (Math.floor(offset / FLASH_BLOCK) !== this.#block) {
          this.#status |= STATUS.programError
          this.#go('status')
          break
        }
        this.#buffer.push({ offset, bytes: bytesOf(value, size) })
        if (--this.#left === 0) this.#go('confirm')
        break
      case 'confirm':
        if (command === COMMAND.confirm) for (const { offset: at, bytes } of this.#buffer) this.#store(at, bytes)
        else this.#status |= STATUS.programError
        this.#buffer = []
        this.#go('status')
        break
      default: return this.#begin(command, offset)
    }
    return true
  }

  /** First cycle of a command. */
  #begin(command: number, offset: number): boolean {
    switch (command) {
      case COMMAND.readIdentifier: this.#go('identifier'); break
      case COMMAND.query: this.#go('query'); break
      case COMMAND.readStatus: this.#go('status'); break
      case COMMAND.clearStatus:
        this.#status = STATUS.ready
        this.#go('array')
        break
      case COMMAND.erase: this.#go('erase'); break
      case COMMAND.program: case COMMAND.programAlternate: this.#go('program'); break
      case COMMAND.lock: this.#go('lock'); break
      case COMMAND.buffered:
        this.#block = Math.floor(offset / FLASH_BLOCK)
        this.#buffer = []
        this.#go('count')
        break
      // Read array, and what is no command: drivers send 0xf0 and 0x00 to find out what they have.
      default: this.#go('array')
    }
    return true
  }

  #go(mode: Mode): void {
    const was = this.isReadable
    this.#mode = mode
    if (was !== this.isReadable) this.#options.onReadable?.(!was)
  }

  #erase(offset: number): void { this.#store(Math.floor(offset / FLASH_BLOCK) * FLASH_BLOCK, new Uint8Array(FLASH_BLOCK).fill(0xff)) }

  #store(offset: number, bytes: Uint8Array): void {
    this.#options.memory.write(offset, bytes)
    this.#options.onWrite?.(offset, bytes)
  }

  /** What is stored stays. */
  reset(): void {
    this.#status = STATUS.ready
    this.#buffer = []
    this.#left = 0
    this.#go('array')
  }

  /** Without the bytes: they are the machine's memory. */
  save(): unknown {
    return { mode: MODES.indexOf(this.#mode), status: this.#status, block: this.#block, left: this.#left, buffer: this.#buffer.map(({ offset, bytes }) => [offset, ...bytes]) }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.name)
    const { buffer } = fields
    if (!Array.isArray(buffer) || buffer.length > BUFFER / 4) throw new BadInput('snapshot', `${this.name} has no write buffer`)
    const entries = (buffer as unknown[]).map(entry => {
      const [offset, ...bytes] = Array.isArray(entry) ? entry as unknown[] : []
      const whole = (value: unknown, most: number): value is number => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most
      if (!whole(offset, this.sizeBytes - bytes.length) || bytes.length > 4 || !bytes.every(byte => whole(byte, 255))) throw new BadInput('snapshot', `the write buffer of ${this.name} is damaged`)
      return { offset, bytes: Uint8Array.from(bytes as number[]) }
    })
    const mode = integerIn(fields, 'mode', MODES.length - 1), status = integerIn(fields, 'status', 0xff), block = integerIn(fields, 'block', this.sizeBytes / FLASH_BLOCK - 1), left = integerIn(fields, 'left', BUFFER / 4)
    this.#buffer = entries
    this.#status = status
    this.#block = block
    this.#left = left
    this.#go(MODES[mode]!)
  }
}

const IDENTIFIER: Readonly<Record<number, number>> = { 0: MANUFACTURER, 1: DEVICE }

function littleEndian(size: AccessSize, byte: (i: number) => number): number {
  let value = 0
  for (let i = size - 1; i >= 0; i--) value = value * 256 + byte(i)
  return value
}

const bytesOf = (value: number, size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff)
