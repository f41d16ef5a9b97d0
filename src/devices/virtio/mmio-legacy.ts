/**
 * The MMIO transport, version 1, of the time before VIRTIO 1.0 (VIRTIO 1.2, 4.2.4): QEMU's boards have it unless asked for the other, and drivers of
 * small systems know nothing else. A queue is one block of memory, named by its page number.
 */
import type { AccessSize, MmioDevice } from '../mmio.ts'
import { fieldsOf, integerIn, integersIn } from '../saved-state.ts'
import { CAUSE, STATUS, type VirtioDevice } from './device.ts'
import { MAGIC, OFFSET, VENDOR } from './mmio.ts'
import { Selection } from './selection.ts'

const LEGACY = { GuestPageSize: 0x028, QueueAlign: 0x03c, QueuePFN: 0x040 } as const
const VERSION = 1
const DEFAULT_PAGE = 4096
/** Of a descriptor, and of an entry of the available ring. */
const DESCRIPTOR = 16, ENTRY = 2
/** Flags, index and used_event of the available ring. */
const AVAILABLE_WORDS = 3

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment

export class VirtioMmioLegacy implements MmioDevice {
  readonly name: string
  readonly sizeBytes = 0x200
  readonly device: VirtioDevice
  readonly #irq: (level: boolean) => void
  readonly #selection: Selection
  #causes = 0
  #pageSize = DEFAULT_PAGE
  /** By queue. */
  readonly #alignments: number[]

  /** The device has to be made with `legacy`. */
  constructor(device: VirtioDevice, irq: (level: boolean) => void) {
    this.name = `${device.model.name} (virtio-mmio)`
    this.device = device
    this.#selection = new Selection(device)
    this.#alignments = device.queues.map(() => DEFAULT_PAGE)
    this.#irq = irq
    device.onInterrupt = queue => {
      this.#causes |= queue === undefined ? CAUSE.CONFIGURATION : CAUSE.QUEUE
      this.#irq(true)
    }
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= OFFSET.Config) return size === 8 ? 0 : this.device.readConfiguration(offset - OFFSET.Config, size)
    if (size !== 4) return 0
    const { device } = this, queue = this.#selection.chosenQueue
    switch (offset) {
      case OFFSET.Magic: return MAGIC
      case OFFSET.Version: return VERSION
      case OFFSET.DeviceID: return device.model.deviceId
      case OFFSET.VendorID: return VENDOR
      case OFFSET.DeviceFeatures: return this.#selection.offeredWord
      case OFFSET.QueueSizeMax: return queue?.maximum ?? 0
      case LEGACY.QueuePFN: return queue?.ready === true ? Math.floor(queue.descriptors / this.#pageSize) : 0
      case OFFSET.InterruptStatus: return this.#causes
      // The bit by which a device asks for its reset came with VIRTIO 1.0.
      case OFFSET.Status: return device.status & ~STATUS.NEEDS_RESET
      default: return 0
    }
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    const { device } = this, queue = this.#selection.chosenQueue
    if (offset >= OFFSET.Config) {
      if (size !== 8) device.writeConfiguration(offset - OFFSET.Config, size, value)
      return true
    }
    if (size !== 4) return true
    switch (offset) {
      case OFFSET.DeviceFeaturesSel: this.#selection.deviceFeatures = value; break
      case OFFSET.DriverFeaturesSel: this.#selection.driverFeatures = value; break
      case OFFSET.DriverFeatures: this.#selection.accept(value); break
      case LEGACY.GuestPageSize: if (isPowerOf2(value)) this.#pageSize = value; break
      case OFFSET.QueueSel: this.#selection.queue = value; break
      case OFFSET.QueueSize: if (queue !== undefined && !queue.ready) queue.size = value & 0xffff; break
      case LEGACY.QueueAlign: if (queue !== undefined && isPowerOf2(value)) this.#alignments[this.#selection.queue] = value; break
      case LEGACY.QueuePFN: this.#place(value); break
      case OFFSET.QueueNotify: device.notify(value); break
      case OFFSET.InterruptACK:
        this.#causes &= ~value
        if (this.#causes === 0) this.#irq(false)
        break
      case OFFSET.Status:
        device.writeStatus(value & ~STATUS.NEEDS_RESET)
        if (value === 0) this.#lower()
        break
    }
    return true
  }

  /** 2.7.2: descriptors, the available ring behind them, and the used ring at the next multiple of the alignment. */
  #place(page: number): void {
    const queue = this.#selection.chosenQueue
    if (queue === undefined) return
    if (page === 0) {
      queue.reset()
      return
    }
    queue.descriptors = page * this.#pageSize
    queue.available = queue.descriptors + DESCRIPTOR * queue.size
    queue.used = alignUp(queue.available + ENTRY * (AVAILABLE_WORDS + queue.size), this.#alignments[this.#selection.queue]!)
    this.device.setReady(queue, true)
  }

  #lower(): void {
    this.#causes = 0
    this.#irq(false)
  }

  reset(): void {
    this.device.reset()
    this.#selection.reset()
    this.#pageSize = DEFAULT_PAGE
    this.#alignments.fill(DEFAULT_PAGE)
    this.#lower()
  }

  save(): unknown { return { selection: this.#selection.save(), causes: this.#causes, pageSize: this.#pageSize, alignments: [...this.#alignments], device: this.device.save() } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.name)
    this.#selection.restore(fields['selection'])
    this.#causes = integerIn(fields, 'causes', 3)
    this.#pageSize = Math.max(1, integerIn(fields, 'pageSize', 0xffff_ffff))
    integersIn(fields, 'alignments', this.#alignments.length).forEach((alignment, i) => { this.#alignments[i] = Math.max(1, alignment) })
    this.device.restore(fields['device'])
    this.#irq(this.#causes !== 0)
  }
}

const isPowerOf2 = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value))
