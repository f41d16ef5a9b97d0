/**
 * QEMU's fw_cfg on MMIO (QEMU docs/specs/fw_cfg.rst): the machine's facts and files for its firmware, by selector, through a data port or by
 * DMA. Registers are big-endian, so what an access carries comes byte by byte, first byte at the lowest address. Everything is read-only.
 */
import type { AccessSize, MmioDevice } from './mmio.ts'
import type { DmaMemory } from './virtio/memory.ts'
import { fieldsOf, integerIn } from './saved-state.ts'

export interface FwCfgFile {
  /** At most 55 bytes of ASCII, such as `opt/org.example/seed`. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** What a kernel given on the command line becomes for firmware that starts it. */
export interface FwCfgKernel { readonly image?: Uint8Array | undefined, readonly initrd?: Uint8Array | undefined, readonly commandLine?: string | undefined }

export interface FwCfgOptions {
  readonly cpus: number
  readonly memBytes: number
  readonly memory: DmaMemory
  readonly files?: readonly FwCfgFile[] | undefined
  readonly kernel?: FwCfgKernel | undefined
}

const KEY = {
  SIGNATURE: 0x00, ID: 0x01, RAM_SIZE: 0x03, NOGRAPHIC: 0x04, NB_CPUS: 0x05, KERNEL_SIZE: 0x08, INITRD_SIZE: 0x0b, BOOT_MENU: 0x0e, MAX_CPUS: 0x0f, KERNEL_DATA: 0x11, INITRD_DATA: 0x12,
  CMDLINE_SIZE: 0x14, CMDLINE_DATA: 0x15, FILE_DIR: 0x19, FILE_FIRST: 0x20,
} as const
/** Bits 13:0 are the key; 14 is "write" and 15 "architecture local", where nothing is. */
const KEY_MASK = 0xbfff
/** Traditional interface and DMA. */
const FEATURES = 3
const OFFSET = { data: 0, selector: 8, dma: 16, end: 24 } as const
const DMA = { error: 1, read: 2, skip: 4, select: 8, write: 16 } as const
const DMA_SIGNATURE = new TextEncoder().encode('QEMU CFG')
const NAME_BYTES = 56, ENTRY_BYTES = 64
/** One transfer: more is more than any item has. */
const CHUNK = 0x1_0000

export const MAX_FW_CFG_NAME = NAME_BYTES - 1

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
function little(value: number, size: 2 | 4 | 8): Uint8Array { return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff) }
function big(value: number, size: 2 | 4): Uint8Array { return little(value, size).toReversed() }

export class FwCfg implements MmioDevice {
  readonly name = 'fw_cfg'
  readonly sizeBytes = OFFSET.end
  readonly #items = new Map<number, Uint8Array>()
  readonly #memory: DmaMemory
  #key = 0
  #position = 0
  #dmaHigh = 0

  constructor(options: FwCfgOptions) {
    this.#memory = options.memory
    const items = this.#items
    const { image, initrd, commandLine } = options.kernel ?? {}
    items.set(KEY.SIGNATURE, text('QEMU')).set(KEY.ID, little(FEATURES, 4)).set(KEY.RAM_SIZE, little(options.memBytes, 8)).set(KEY.NOGRAPHIC, little(1, 2))
    items.set(KEY.NB_CPUS, little(options.cpus, 2)).set(KEY.MAX_CPUS, little(options.cpus, 2)).set(KEY.BOOT_MENU, little(0, 2))
    if (image !== undefined) items.set(KEY.KERNEL_SIZE, little(image.length, 4)).set(KEY.KERNEL_DATA, image)
    if (initrd !== undefined) items.set(KEY.INITRD_SIZE, little(initrd.length, 4)).set(KEY.INITRD_DATA, initrd)
    if (commandLine !== undefined) {
      const bytes = text(`${commandLine}\0`)
      items.set(KEY.CMDLINE_SIZE, little(bytes.length, 4)).set(KEY.CMDLINE_DATA, bytes)
    }
    // The directory is sorted by name, and so are the keys.
    const files = [...options.files ?? []].toSorted((a, b) => a.name < b.name ? -1 : 1)
    const directory = new Uint8Array(4 + ENTRY_BYTES * files.length)
    directory.set(big(files.length, 4))
    files.forEach(({ name, bytes }, i) => {
      const at = 4 + ENTRY_BYTES * i
      directory.set(big(bytes.length, 4), at)
      directory.set(big(KEY.FILE_FIRST + i, 2), at + 4)
      directory.set(text(name).subarray(0, MAX_FW_CFG_NAME), at + 8)
      items.set(KEY.FILE_FIRST + i, bytes)
    })
    items.set(KEY.FILE_DIR, directory)
  }

  read(offset: number, size: AccessSize): number | undefined {
    // The data port is as wide as the access; 8 bytes do not fit a number and come as two halves.
    if (size === 8) return undefined
    if (offset < OFFSET.selector) return number(Uint8Array.from({ length: size }, () => this.#next()))
    if (offset >= OFFSET.dma && offset + size <= OFFSET.end) return number(DMA_SIGNATURE.subarray(offset - OFFSET.dma, offset - OFFSET.dma + size))
    return offset < OFFSET.dma ? 0 : undefined
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    // The old write interface of the data port is gone in QEMU too: bytes are dropped.
    if (offset < OFFSET.selector) return true
    const bytes = little(value, 8).subarray(0, size)
    if (offset === OFFSET.selector && size === 2) {
      this.#select((bytes[0]! << 8) | bytes[1]!)
      return true
    }
    if (offset === OFFSET.dma && size === 4) {
      this.#dmaHigh = bigNumber(bytes)
      return true
    }
    if (offset === OFFSET.dma + 4 && size === 4) {
      const address = this.#dmaHigh * 0x1_0000_0000 + bigNumber(bytes)
      this.#dmaHigh = 0
      this.#transfer(address)
      return true
    }
    if (offset === OFFSET.dma && size === 8) {
      this.#transfer(bigNumber(bytes))
      return true
    }
    return false
  }

  #select(key: number): void {
    this.#key = key & KEY_MASK
    this.#position = 0
  }

  #next(): number {
    const item = this.#items.get(this.#key)
    return item === undefined || this.#position >= item.length ? 0 : item[this.#position++]!
  }

  /** Control word, length and address in memory, all big-endian; the control word becomes 0 or the error bit. */
  #transfer(structure: number): void {
    const memory = this.#memory, header = new Uint8Array(16)
    if (!memory.readBytes(structure, header)) return
    const control = bigNumber(header.subarray(0, 4)), length = bigNumber(header.subarray(4, 8)), address = bigNumber(header.subarray(8, 16))
    if ((control & DMA.select) !== 0) this.#select(control >>> 16)
    let failed = false
    if ((control & DMA.read) !== 0) failed = !this.#copy(address, length)
    else if ((control & DMA.write) !== 0) failed = true
    else if ((control & DMA.skip) !== 0) this.#position = Math.min(this.#position + length, this.#items.get(this.#key)?.length ?? 0)
    memory.writeBytes(structure, Uint8Array.of(0, 0, 0, failed ? DMA.error : 0))
  }

  /** What is not there reads as zero. */
  #copy(address: number, length: number): boolean {
    if (!this.#memory.isRam(address, length)) return false
    const item = this.#items.get(this.#key) ?? new Uint8Array(0)
    for (let at = 0; at < length; at += CHUNK) {
      const chunk = new Uint8Array(Math.min(CHUNK, length - at)), part = item.subarray(this.#position, this.#position + chunk.length)
      chunk.set(part)
      this.#position += part.length
      if (!this.#memory.writeBytes(address + at, chunk)) return false
    }
    return true
  }

  reset(): void {
    this.#select(0)
    this.#dmaHigh = 0
  }

  save(): unknown { return { key: this.#key, position: this.#position, dmaHigh: this.#dmaHigh } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'fw_cfg')
    this.#key = integerIn(fields, 'key', 0xffff)
    this.#position = integerIn(fields, 'position', Number.MAX_SAFE_INTEGER)
    this.#dmaHigh = integerIn(fields, 'dmaHigh', 0xffff_ffff)
  }
}

/** Bytes in the order of their addresses as a little-endian access has them. */
const number = (bytes: Uint8Array): number => bytes.reduceRight((value, byte) => value * 256 + byte, 0)
/** Addresses beyond 2^53 lose bits, and are in no memory with or without them. */
const bigNumber = (bytes: Uint8Array): number => bytes.reduce((value, byte) => value * 256 + byte, 0)
