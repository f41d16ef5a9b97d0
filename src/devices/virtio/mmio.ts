/** The MMIO transport, version 2 (VIRTIO 1.2, 4.2.2). */
import type { VirtioDevice } from './device.ts'
import { MmioTransport, OFFSET } from './mmio-transport.ts'
import type { Virtqueue } from './queue.ts'

const ALL = ~0

/** Half of an address register replaced. */
const withLow = (address: number, low: number): number => Math.floor(address / 2 ** 32) * 2 ** 32 + low
const withHigh = (address: number, high: number): number => (address % 2 ** 32) + high * 2 ** 32

export class VirtioMmio extends MmioTransport {
  constructor(device: VirtioDevice, irq: (level: boolean) => void) { super(device, irq, 2, ALL) }

  protected readOwn(offset: number): number {
    switch (offset) {
      case OFFSET.QueueReady: return this.selection.chosenQueue?.ready === true ? 1 : 0
      case OFFSET.ConfigGeneration: return this.device.generation
      // 4.2.2: length and base of a shared memory region that does not exist are all ones.
      default: return offset >= OFFSET.SHMLenLow && offset <= OFFSET.SHMBaseHigh && offset % 4 === 0 ? 0xffff_ffff : 0
    }
  }

  protected writeOwn(offset: number, value: number): void {
    const queue = this.selection.chosenQueue
    if (queue === undefined) return
    if (offset === OFFSET.QueueReady) this.device.setReady(queue, (value & 1) !== 0)
    // What follows belongs to a queue that is being set up.
    else if (!queue.ready) writeAddress(queue, offset, value)
  }
}

function writeAddress(queue: Virtqueue, offset: number, value: number): void {
  switch (offset) {
    case OFFSET.QueueDescLow: queue.descriptors = withLow(queue.descriptors, value); break
    case OFFSET.QueueDescHigh: queue.descriptors = withHigh(queue.descriptors, value); break
    case OFFSET.QueueDriverLow: queue.available = withLow(queue.available, value); break
    case OFFSET.QueueDriverHigh: queue.available = withHigh(queue.available, value); break
    case OFFSET.QueueDeviceLow: queue.used = withLow(queue.used, value); break
    case OFFSET.QueueDeviceHigh: queue.used = withHigh(queue.used, value); break
  }
}
