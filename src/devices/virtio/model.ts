/** What kinds of virtio devices have to offer, whichever transport they are behind. */
import type { OutsideEvent } from '../plug.ts'
import type { Virtqueue } from './queue.ts'

/** What a model may do to its device: see `VirtioDevice`. */
export interface DeviceSide {
  readonly queues: readonly Virtqueue[]
  /** DRIVER_OK is set and the device is not broken. */
  readonly isLive: boolean
  readonly isLegacy: boolean
  /** Whether this feature bit has been negotiated. */
  has(bit: number): boolean
  /** The configuration space has changed: tells the driver. */
  configurationChanged(): void
  /** What the driver does cannot be: DEVICE_NEEDS_RESET. */
  broken(problem: string): undefined
}

export interface VirtioModel {
  readonly name: string
  /** VIRTIO 1.2, 5: device type. */
  readonly deviceId: number
  /** Bits of the device type that are offered (0 to 23). */
  readonly features: readonly number[]
  /** Largest size of each queue. */
  readonly queueSizes: readonly number[]
  /** The configuration space; bytes beyond it read as 0. */
  readonly configuration: Uint8Array
  /** The driver has written to the configuration space. Default: nothing in it can be written. */
  configurationWritten?(offset: number, bytes: Uint8Array): void
  /** Called once, before anything else. */
  attach(device: DeviceSide): void
  /** DRIVER_OK has been set. */
  started?(): void
  /** The driver has made buffers available in this queue. */
  notified(queue: number): void
  /** By the driver or with the machine. */
  reset(): void
  outside?(event: OutsideEvent): void
  /** Plain data for JSON. */
  save(): unknown
  restore(state: unknown): void
}
