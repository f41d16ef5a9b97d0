/** The MMIO transport, version 2 (VIRTIO 1.2, 4.2.2). Registers that are not there read as 0 and ignore writes, as in QEMU. */
import type { AccessSize, MmioDevice } from '../mmio.ts'
import { fieldsOf, integerIn } from '../saved-state.ts'
import { CAUSE, type VirtioDevice } from './device.ts'
import type { Virtqueue } from './queue.ts'
import { Selection } from './selection.ts'

export const OFFSET = {
  Magic: 0x000, Version: 0x004, DeviceID: 0x008, VendorID: 0x00c, DeviceFeatures: 0x010, DeviceFeaturesSel: 0x014, DriverFeatures: 0x020, DriverFeaturesSel: 0x024,
  QueueSel: 0x030, QueueSizeMax: 0x034, QueueSize: 0x038, QueueReady: 0x044, QueueNotify: 0x050, InterruptStatus: 0x060, InterruptACK: 0x064, Status: 0x070,
  QueueDescLow: 0x080, QueueDescHigh: 0x084, QueueDriverLow: 0x090, QueueDriverHigh: 0x094, QueueDeviceLow: 0x0a0, QueueDeviceHigh: 0x0a4,
  SHMLenLow: 0x0b0, SHMBaseHigh: 0x0bc, ConfigGeneration: 0x0fc, Config: 0x100,
} as const
export const MAGIC = 0x7472_6976
const VERSION = 2
/** "QEMU", so that guests that look at it take us for what they know. */
export const VENDOR = 0x554d_4551

/** Half of an address register replaced. */
const withLow = (address: number, low: number): number => Math.floor(address / 2 ** 32) * 2 ** 32 + low
const withHigh = (address: number, high: number): number => (address % 2 ** 32) + high * 2 ** 32

export class VirtioMmio implements MmioDevice {
  readonly name: string
  readonly sizeBytes = 0x200
  readonly device: VirtioDevice
  readonly #irq: (level: boolean) => void
  readonly #selection: Selection
  #causes = 0

  constructor(device: VirtioDevice, irq: (level: boolean) => void) {
    this.name = `${device.model.name} (virtio-mmio)`
    this.device = device
    this.#selection = new Selection(device)
    this.#irq = irq
    device.onInterrupt = queue => {
      this.#causes |= queue === undefined ? CAUSE.CONFIGURATION : CAUSE.QUEUE
      this.#irq(true)
    }
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= OFFSET.Config) return size === 8 ? 0 : this.device.readConfiguration(offset - OFFSET.Config, size)
    if (size !== 4) return 0
    const { device } = this
    switch (offset) {
      case OFFSET.Magic: return MAGIC
      case OFFSET.Version: return VERSION
      case OFFSET.DeviceID: return device.model.deviceId
      case OFFSET.VendorID: return VENDOR
      case OFFSET.DeviceFeatures: return this.#selection.offeredWord
      case OFFSET.QueueSizeMax: return this.#selection.chosenQueue?.maximum ?? 0
      case OFFSET.QueueReady: return this.#selection.chosenQueue?.ready === true ? 1 : 0
      case OFFSET.InterruptStatus: return this.#causes
      case OFFSET.Status: return device.status
      case OFFSET.ConfigGeneration: return device.generation
      // 4.2.2: length and base of a shared memory region that does not exist are all ones.
      default: return offset >= OFFSET.SHMLenLow && offset <= OFFSET.SHMBaseHigh && offset % 4 === 0 ? 0xffff_ffff : 0
    }
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    const { device } = this
    if (offset >= OFFSET.Config) {
      if (size !== 8) device.writeConfiguration(offset - OFFSET.Config, size, value)
      return true
    }
    if (size !== 4) return true
    const queue = this.#selection.chosenQueue
    switch (offset) {
      case OFFSET.DeviceFeaturesSel: this.#selection.deviceFeatures = value; break
      case OFFSET.DriverFeaturesSel: this.#selection.driverFeatures = value; break
      case OFFSET.DriverFeatures: this.#selection.accept(value); break
      case OFFSET.QueueSel: this.#selection.queue = value; break
      case OFFSET.QueueReady: if (queue !== undefined) device.setReady(queue, (value & 1) !== 0); break
      case OFFSET.QueueNotify: device.notify(value); break
      case OFFSET.InterruptACK:
        this.#causes &= ~value
        if (this.#causes === 0) this.#irq(false)
        break
      case OFFSET.Status:
        device.writeStatus(value)
        if (value === 0) this.#lower()
        break
      // What follows belongs to a queue that is being set up.
      default: if (queue !== undefined && !queue.ready) writeQueue(queue, offset, value)
    }
    return true
  }

  #lower(): void {
    this.#causes = 0
    this.#irq(false)
  }

  reset(): void {
    this.device.reset()
    this.#selection.reset()
    this.#lower()
  }

  save(): unknown {
    return { selection: this.#selection.save(), causes: this.#causes, device: this.device.save() }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.name)
    this.#selection.restore(fields['selection'])
    this.#causes = integerIn(fields, 'causes', 3)
    this.device.restore(fields['device'])
    this.#irq(this.#causes !== 0)
  }
}

function writeQueue(queue: Virtqueue, offset: number, value: number): void {
  switch (offset) {
    case OFFSET.QueueSize: queue.size = value & 0xffff; break
    case OFFSET.QueueDescLow: queue.descriptors = withLow(queue.descriptors, value); break
    case OFFSET.QueueDescHigh: queue.descriptors = withHigh(queue.descriptors, value); break
    case OFFSET.QueueDriverLow: queue.available = withLow(queue.available, value); break
    case OFFSET.QueueDriverHigh: queue.available = withHigh(queue.available, value); break
    case OFFSET.QueueDeviceLow: queue.used = withLow(queue.used, value); break
    case OFFSET.QueueDeviceHigh: queue.used = withHigh(queue.used, value); break
  }
}

/** A slot without a device: device ID 0 (4.2.3.1.1). */
export function emptySlot(version: 1 | 2): Pick<MmioDevice, 'read' | 'write'> {
  const registers: ReadonlyMap<number, number> = new Map([[OFFSET.Magic, MAGIC], [OFFSET.Version, version], [OFFSET.DeviceID, 0], [OFFSET.VendorID, VENDOR]])
  return { read: offset => registers.get(offset) ?? 0, write: () => true }
}
