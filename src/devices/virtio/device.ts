/**
 * What a virtio device is to its driver, whichever transport: features, status, queues, interrupt causes (VIRTIO 1.2, 2.1 to 2.7 and 3.1).
 * A driver that breaks the rules gets DEVICE_NEEDS_RESET, and nothing more happens until it resets the device.
 */
import { fieldsOf, integerIn } from '../saved-state.ts'
import type { DmaMemory } from './memory.ts'
import type { DeviceSide, VirtioModel } from './model.ts'
import { Virtqueue } from './queue.ts'

export const STATUS = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 64, FAILED: 128 } as const
/** Interrupt causes: used buffers, configuration change. */
export const CAUSE = { QUEUE: 1, CONFIGURATION: 2 } as const

/** Bits of all devices (6). */
const FEATURE = { INDIRECT_DESC: 28, EVENT_IDX: 29, VERSION_1: 32 } as const

export interface VirtioDeviceOptions {
  readonly model: VirtioModel
  readonly memory: DmaMemory
  /** Says what a driver has done wrong; for whoever debugs it. */
  readonly complaint?: (text: string) => void
  /** The interface of the time before VIRTIO 1.0: 32 feature bits, and no word of when they are agreed or the driver is ready. */
  readonly legacy?: boolean
}

export class VirtioDevice implements DeviceSide {
  readonly model: VirtioModel
  readonly queues: readonly Virtqueue[]
  readonly isLegacy: boolean
  status = 0
  /** Counts changes of the configuration space, modulo 2^32. */
  generation = 0
  /** Set by the transport. `queue` is undefined for a change of the configuration. */
  onInterrupt: (queue: number | undefined) => void = () => {}
  readonly #complaint: (text: string) => void
  /** Words of the feature bits. */
  readonly #offered: readonly [number, number]
  readonly #accepted: [number, number] = [0, 0]

  constructor(options: VirtioDeviceOptions) {
    const { model, memory } = options
    this.model = model
    this.isLegacy = options.legacy ?? false
    this.#complaint = options.complaint ?? (() => {})
    const offered: [number, number] = [0, 0]
    for (const bit of [...model.features, ...Object.values(FEATURE)]) offered[bit >>> 5]! |= 1 << (bit & 31)
    this.#offered = [offered[0] >>> 0, this.isLegacy ? 0 : offered[1] >>> 0]
    this.queues = model.queueSizes.map((maximum, n) => new Virtqueue({
      memory, maximum, broken: problem => { this.broken(`queue ${n}: ${problem}`) }, interrupt: () => { this.onInterrupt(n) },
    }))
    model.attach(this)
  }

  get isLive(): boolean {
    // 3.1.2: legacy drivers use their devices before DRIVER_OK, and some never say it.
    if (this.isLegacy) return (this.status & STATUS.NEEDS_RESET) === 0
    return (this.status & (STATUS.DRIVER_OK | STATUS.NEEDS_RESET)) === STATUS.DRIVER_OK
  }

  has(bit: number): boolean { return (this.#accepted[bit >>> 5]! & (1 << (bit & 31))) !== 0 }

  /** 32 of the offered feature bits. */
  featureWord(select: number): number { return this.#offered[select] ?? 0 }
  acceptedWord(select: number): number { return this.#accepted[select] ?? 0 }

  acceptFeatures(select: number, word: number): void {
    if (this.isLegacy) {
      if (select === 0) this.#accepted[0] = (word & this.#offered[0]) >>> 0
      this.#useFeatures()
      return
    }
    // Once agreed they stay (3.1.1).
    if (select < 2 && (this.status & STATUS.FEATURES_OK) === 0) this.#accepted[select] = word >>> 0
  }

  writeStatus(value: number): void {
    if (value === 0) return this.reset()
    const before = this.status
    // NEEDS_RESET is the device's to set.
    let after = (before & STATUS.NEEDS_RESET) | (value & 0xff & ~STATUS.NEEDS_RESET)
    if (!this.isLegacy && (after & ~before & STATUS.FEATURES_OK) !== 0 && !this.#agree()) after &= ~STATUS.FEATURES_OK
    if (!this.isLegacy && (after & ~before & STATUS.DRIVER_OK) !== 0 && (after & STATUS.FEATURES_OK) === 0) after &= ~STATUS.DRIVER_OK
    this.status = after
    if ((after & ~before & STATUS.DRIVER_OK) !== 0 && this.isLive) this.model.started?.()
  }

  /** 2.2: only what is offered, and nothing of the time before VIRTIO 1.0. */
  #agree(): boolean {
    const [low, high] = this.#accepted
    if ((low & ~this.#offered[0]) !== 0 || (high & ~this.#offered[1]) !== 0 || !this.has(FEATURE.VERSION_1)) return false
    this.#useFeatures()
    return true
  }

  #useFeatures(): void {
    for (const queue of this.queues) {
      queue.eventIndex = this.has(FEATURE.EVENT_IDX)
      queue.indirect = this.has(FEATURE.INDIRECT_DESC)
    }
  }

  /** The driver has set up a queue, or has taken it back. */
  setReady(queue: Virtqueue, ready: boolean): void {
    if (ready && !queue.isSizeValid) return this.broken(`a queue of ${queue.size}`)
    queue.ready = ready && (this.status & STATUS.NEEDS_RESET) === 0
  }

  notify(queue: number): void {
    if (this.isLive && this.queues[queue]?.ready === true) this.model.notified(queue)
  }

  readConfiguration(offset: number, size: number): number {
    let value = 0
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.model.configuration[offset + i] ?? 0)
    return value
  }

  writeConfiguration(offset: number, size: number, value: number): void {
    const bytes = new Uint8Array(size)
    for (let i = 0, rest = value; i < size; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256
    this.model.configurationWritten?.(offset, bytes)
  }

  configurationChanged(): void {
    this.generation = (this.generation + 1) >>> 0
    if ((this.status & STATUS.DRIVER_OK) !== 0) this.onInterrupt(undefined)
  }

  broken(problem: string): undefined {
    if ((this.status & STATUS.NEEDS_RESET) !== 0) return undefined
    this.#complaint(`${this.model.name}: ${problem}`)
    this.status |= STATUS.NEEDS_RESET
    for (const queue of this.queues) queue.ready = false
    // 2.1.2: a driver that runs is told.
    if ((this.status & STATUS.DRIVER_OK) !== 0) this.onInterrupt(undefined)
    return undefined
  }

  reset(): void {
    this.status = 0
    this.#accepted.fill(0)
    for (const queue of this.queues) queue.reset()
    this.model.reset()
  }

  save(): unknown {
    return {
      status: this.status, generation: this.generation, accepted0: this.#accepted[0], accepted1: this.#accepted[1],
      queues: this.queues.map(queue => queue.save()), model: this.model.save(),
    }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.model.name), queues = fields['queues']
    this.status = integerIn(fields, 'status', 0xff)
    this.generation = integerIn(fields, 'generation', 0xffff_ffff)
    this.#accepted[0] = integerIn(fields, 'accepted0', 0xffff_ffff)
    this.#accepted[1] = integerIn(fields, 'accepted1', 0xffff_ffff)
    this.queues.forEach((queue, n) => { queue.restore(Array.isArray(queues) ? queues[n] : undefined) })
    this.model.restore(fields['model'])
  }
}
