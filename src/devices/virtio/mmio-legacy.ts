/**
 * The MMIO transport, version 1, of the time before VIRTIO 1.0 (VIRTIO 1.2, 4.2.4): QEMU's boards have it unless asked for the other, and drivers of
 * small systems know nothing else. A queue is one block of memory, named by its page number.
 */
import { fieldsOf, integerIn, integersIn } from '../saved-state.ts'
import { STATUS, type VirtioDevice } from './device.ts'
import { MmioTransport } from './mmio-transport.ts'

const LEGACY = { GuestPageSize: 0x028, QueueAlign: 0x03c, QueuePFN: 0x040 } as const
/** The bit by which a device asks for its reset came with VIRTIO 1.0. */
const STATUS_BITS = ~STATUS.NEEDS_RESET
const DEFAULT_PAGE = 4096
/** Of a descriptor, and of an entry of the available ring. */
const DESCRIPTOR = 16, ENTRY = 2
/** Flags, index and used_event of the available ring. */
const AVAILABLE_WORDS = 3

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment

export class VirtioMmioLegacy extends MmioTransport {
  #pageSize = DEFAULT_PAGE
  /** By queue. */
  readonly #alignments: number[]

  /** The device has to be made with `legacy`. */
  constructor(device: VirtioDevice, irq: (level: boolean) => void) {
    super(device, irq, 1, STATUS_BITS)
    this.#alignments = device.queues.map(() => DEFAULT_PAGE)
  }

  protected readOwn(offset: number): number {
    const queue = this.selection.chosenQueue
    return offset === LEGACY.QueuePFN && queue?.ready === true ? Math.floor(queue.descriptors / this.#pageSize) : 0
  }

  protected writeOwn(offset: number, value: number): void {
    switch (offset) {
      case LEGACY.GuestPageSize: if (isPowerOf2(value)) this.#pageSize = value; break
      case LEGACY.QueueAlign: if (this.selection.chosenQueue !== undefined && isPowerOf2(value)) this.#alignments[this.selection.queue] = value; break
      case LEGACY.QueuePFN: this.#place(value); break
    }
  }

  /** 2.7.2: descriptors, the available ring behind them, and the used ring at the next multiple of the alignment. */
  #place(page: number): void {
    const queue = this.selection.chosenQueue
    if (queue === undefined) return
    if (page === 0) {
      queue.reset()
      return
    }
    queue.descriptors = page * this.#pageSize
    queue.available = queue.descriptors + DESCRIPTOR * queue.size
    queue.used = alignUp(queue.available + ENTRY * (AVAILABLE_WORDS + queue.size), this.#alignments[this.selection.queue]!)
    this.device.setReady(queue, true)
  }

  override reset(): void {
    super.reset()
    this.#pageSize = DEFAULT_PAGE
    this.#alignments.fill(DEFAULT_PAGE)
  }

  override save(): Readonly<Record<string, unknown>> { return { ...super.save(), pageSize: this.#pageSize, alignments: [...this.#alignments] } }

  override restore(state: unknown): void {
    super.restore(state)
    const fields = fieldsOf(state, this.name)
    this.#pageSize = Math.max(1, integerIn(fields, 'pageSize', 0xffff_ffff))
    integersIn(fields, 'alignments', this.#alignments.length).forEach((alignment, i) => { this.#alignments[i] = Math.max(1, alignment) })
  }
}

const isPowerOf2 = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value))
