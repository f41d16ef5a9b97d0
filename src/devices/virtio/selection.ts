/** The words of feature bits and the queue that a driver has chosen by the selectors of its transport (VIRTIO 1.2, 4.1.4.3 and 4.2.2). */
import { fieldsOf, integerIn } from '../saved-state.ts'
import type { VirtioDevice } from './device.ts'
import type { Virtqueue } from './queue.ts'

export class Selection {
  deviceFeatures = 0
  driverFeatures = 0
  queue = 0
  readonly #device: VirtioDevice

  constructor(device: VirtioDevice) { this.#device = device }

  get offeredWord(): number { return this.#device.featureWord(this.deviceFeatures) }
  get acceptedWord(): number { return this.#device.acceptedWord(this.driverFeatures) }
  accept(word: number): void { this.#device.acceptFeatures(this.driverFeatures, word) }
  get chosenQueue(): Virtqueue | undefined { return this.#device.queues[this.queue] }

  reset(): void { this.deviceFeatures = this.driverFeatures = this.queue = 0 }

  save(): unknown { return { deviceFeatures: this.deviceFeatures, driverFeatures: this.driverFeatures, queue: this.queue } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'virtio selectors')
    this.deviceFeatures = integerIn(fields, 'deviceFeatures', 0xffff_ffff)
    this.driverFeatures = integerIn(fields, 'driverFeatures', 0xffff_ffff)
    this.queue = integerIn(fields, 'queue', 0xffff_ffff)
  }
}
