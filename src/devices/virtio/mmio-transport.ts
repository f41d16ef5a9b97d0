/** What both versions of the MMIO transport have (VIRTIO 1.2, 4.2.2 and 4.2.4): registers that are not there read as 0 and ignore writes, as in QEMU. */
import type { AccessSize, MmioDevice } from '../mmio.ts'
import { fieldsOf, integerIn } from '../saved-state.ts'
import { CAUSE, type VirtioDevice } from './device.ts'
import { Selection } from './selection.ts'

export const OFFSET = {
  Magic: 0x000, Version: 0x004, DeviceID: 0x008, VendorID: 0x00c, DeviceFeatures: 0x010, DeviceFeaturesSel: 0x014, DriverFeatures: 0x020, DriverFeaturesSel: 0x024,
  QueueSel: 0x030, QueueSizeMax: 0x034, QueueSize: 0x038, QueueReady: 0x044, QueueNotify: 0x050, InterruptStatus: 0x060, InterruptACK: 0x064, Status: 0x070,
  QueueDescLow: 0x080, QueueDescHigh: 0x084, QueueDriverLow: 0x090, QueueDriverHigh: 0x094, QueueDeviceLow: 0x0a0, QueueDeviceHigh: 0x0a4,
  SHMLenLow: 0x0b0, SHMBaseHigh: 0x0bc, ConfigGeneration: 0x0fc, Config: 0x100,
} as const
const MAGIC = 0x7472_6976
/** "QEMU", so that guests that look at it take us for what they know. */
const VENDOR = 0x554d_4551

export type MmioVersion = 1 | 2

export abstract class MmioTransport implements MmioDevice {
  readonly name: string
  readonly sizeBytes = 0x200
  readonly device: VirtioDevice
  protected readonly selection: Selection
  readonly #irq: (level: boolean) => void
  readonly #version: MmioVersion
  readonly #statusBits: number
  #causes = 0

  /** `statusBits`: what the driver sees and writes of the device's status. */
  constructor(device: VirtioDevice, irq: (level: boolean) => void, version: MmioVersion, statusBits: number) {
    this.name = `${device.model.name} (virtio-mmio)`
    this.device = device
    this.selection = new Selection(device)
    this.#irq = irq
    this.#version = version
    this.#statusBits = statusBits
    device.onInterrupt = queue => {
      this.#causes |= queue === undefined ? CAUSE.CONFIGURATION : CAUSE.QUEUE
      this.#irq(true)
    }
  }

  /** A register of 4 bytes that this version alone has. */
  protected abstract readOwn(offset: number): number
  protected abstract writeOwn(offset: number, value: number): void

  read(offset: number, size: AccessSize): number {
    if (offset >= OFFSET.Config) return size === 8 ? 0 : this.device.readConfiguration(offset - OFFSET.Config, size)
    if (size !== 4) return 0
    switch (offset) {
      case OFFSET.Magic: return MAGIC
      case OFFSET.Version: return this.#version
      case OFFSET.DeviceID: return this.device.model.deviceId
      case OFFSET.VendorID: return VENDOR
      case OFFSET.DeviceFeatures: return this.selection.offeredWord
      case OFFSET.QueueSizeMax: return this.selection.chosenQueue?.maximum ?? 0
      case OFFSET.InterruptStatus: return this.#causes
      case OFFSET.Status: return this.device.status & this.#statusBits
      default: return this.readOwn(offset)
    }
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    const { device, selection } = this
    if (offset >= OFFSET.Config) {
      if (size !== 8) device.writeConfiguration(offset - OFFSET.Config, size, value)
      return true
    }
    if (size !== 4) return true
    switch (offset) {
      case OFFSET.DeviceFeaturesSel: selection.deviceFeatures = value; break
      case OFFSET.DriverFeaturesSel: selection.driverFeatures = value; break
      case OFFSET.DriverFeatures: selection.accept(value); break
      case OFFSET.QueueSel: selection.queue = value; break
      case OFFSET.QueueSize: {
        const queue = selection.chosenQueue
        if (queue !== undefined && !queue.ready) queue.size = value & 0xffff
        break
      }
      case OFFSET.QueueNotify: device.notify(value); break
      case OFFSET.InterruptACK:
        this.#causes &= ~value
        if (this.#causes === 0) this.#irq(false)
        break
      case OFFSET.Status:
        device.writeStatus(value & this.#statusBits)
        if (value === 0) this.#lower()
        break
      default: this.writeOwn(offset, value)
    }
    return true
  }

  #lower(): void {
    this.#causes = 0
    this.#irq(false)
  }

  reset(): void {
    this.device.reset()
    this.selection.reset()
    this.#lower()
  }

  save(): Readonly<Record<string, unknown>> {
    return { selection: this.selection.save(), causes: this.#causes, device: this.device.save() }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.name)
    this.selection.restore(fields['selection'])
    this.#causes = integerIn(fields, 'causes', 3)
    this.device.restore(fields['device'])
    this.#irq(this.#causes !== 0)
  }
}

/** A slot without a device: device ID 0 (4.2.3.1.1). */
export function emptySlot(version: MmioVersion): Pick<MmioDevice, 'read' | 'write'> {
  const registers: ReadonlyMap<number, number> = new Map([[OFFSET.Magic, MAGIC], [OFFSET.Version, version], [OFFSET.DeviceID, 0], [OFFSET.VendorID, VENDOR]])
  return { read: offset => registers.get(offset) ?? 0, write: () => true }
}
