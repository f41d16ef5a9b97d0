/** The PCI transport of virtio devices, modern only (VIRTIO 1.2, 4.1): four structures in one BAR, and INTx. MSI-X is not offered. */
import { fieldsOf, integerIn } from '../saved-state.ts'
import { CAUSE, type VirtioDevice } from '../virtio/device.ts'
import type { Virtqueue } from '../virtio/queue.ts'
import { Selection } from '../virtio/selection.ts'
import { PciFunction } from './function.ts'

export const VIRTIO_VENDOR = 0x1af4
const FIRST_DEVICE = 0x1040, REVISION = 1, SUBSYSTEM = 0x1100
/** Class codes as QEMU gives them, by virtio device ID. */
const CLASSES: Readonly<Record<number, number>> = { 1: 0x02_0000, 2: 0x01_0000, 3: 0x07_8000 }
const OTHER_CLASS = 0xff_0000
const VENDOR_CAPABILITY = 9
const BAR = 4
const TYPE = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const
/** Places in the BAR. */
const AREA = { COMMON: 0x0000, ISR: 0x1000, DEVICE: 0x2000, NOTIFY: 0x3000 } as const
const AREA_SIZE = 0x1000, BAR_SIZE = 0x4000
const NOTIFY_MULTIPLIER = 4
const NO_VECTOR = 0xffff
const COMMON = {
  DEVICE_FEATURE_SELECT: 0, DEVICE_FEATURE: 4, DRIVER_FEATURE_SELECT: 8, DRIVER_FEATURE: 12, CONFIG_VECTOR: 16, QUEUES: 18, STATUS: 20, GENERATION: 21, QUEUE_SELECT: 22, QUEUE_SIZE: 24, QUEUE_VECTOR: 26,
  QUEUE_ENABLE: 28, QUEUE_NOTIFY_OFFSET: 30, QUEUE_DESCRIPTORS: 32, QUEUE_DRIVER: 40, QUEUE_DEVICE: 48,
} as const
/** Of the window into the BAR within its capability: BAR, offset, length, data (4.1.4.9). */
const WINDOW = { BAR: 4, OFFSET: 8, LENGTH: 12, DATA: 16 } as const

export class VirtioPci {
  readonly function: PciFunction
  readonly device: VirtioDevice
  readonly #line: (level: boolean) => void
  readonly #window: number
  readonly #selection: Selection
  #causes = 0

  constructor(device: VirtioDevice, line: (level: boolean) => void) {
    this.device = device
    this.#selection = new Selection(device)
    this.#line = line
    const { deviceId } = device.model
    this.function = new PciFunction({ vendor: VIRTIO_VENDOR, device: FIRST_DEVICE + deviceId, revision: REVISION, class: CLASSES[deviceId] ?? OTHER_CLASS, subsystem: SUBSYSTEM })
    this.function.addBar(BAR, BAR_SIZE)
    this.function.useInterrupt(1)
    const capability = (type: number, offset: number, length: number, more: readonly number[] = []): Uint8Array => {
      const bytes = new Uint8Array(14 + more.length), view = new DataView(bytes.buffer)
      bytes[0] = 16 + more.length
      bytes[1] = type
      bytes[2] = type === TYPE.PCI ? 0 : BAR
      view.setUint32(6, offset, true)
      view.setUint32(10, length, true)
      bytes.set(more, 14)
      return bytes
    }
    this.function.addCapability(VENDOR_CAPABILITY, capability(TYPE.COMMON, AREA.COMMON, AREA_SIZE))
    this.function.addCapability(VENDOR_CAPABILITY, capability(TYPE.ISR, AREA.ISR, AREA_SIZE))
    this.function.addCapability(VENDOR_CAPABILITY, capability(TYPE.DEVICE, AREA.DEVICE, AREA_SIZE))
    this.function.addCapability(VENDOR_CAPABILITY, capability(TYPE.NOTIFY, AREA.NOTIFY, AREA_SIZE, [NOTIFY_MULTIPLIER, 0, 0, 0]))
    this.#window = this.function.addCapability(VENDOR_CAPABILITY, capability(TYPE.PCI, 0, 0, [0, 0, 0, 0]), [4, 8, 9, 10, 11, 12, 13, 14, 15])
    device.onInterrupt = queue => {
      this.#causes |= queue === undefined ? CAUSE.CONFIGURATION : CAUSE.QUEUE
      this.#line(true)
    }
  }

  // ---- configuration space ----

  readConfiguration(offset: number, size: number): number {
    const target = this.#throughWindow(offset, size)
    return target === undefined ? this.function.read(offset, size) : this.read(target.offset, target.size)
  }

  writeConfiguration(offset: number, size: number, value: number): void {
    const target = this.#throughWindow(offset, size)
    if (target === undefined) this.function.write(offset, size, value)
    else this.write(target.offset, target.size, size > target.size ? value % 2 ** (8 * target.size) : value)
  }

  /** An access to the window's data is one to the BAR. */
  #throughWindow(offset: number, size: number): { readonly offset: number, readonly size: 1 | 2 | 4 } | undefined {
    const at = this.#window
    if (offset !== at + WINDOW.DATA) return undefined
    const length = this.function.read(at + WINDOW.LENGTH, 4), place = this.function.read(at + WINDOW.OFFSET, 4)
    if (this.function.read(at + WINDOW.BAR, 1) !== BAR || (length !== 1 && length !== 2 && length !== 4) || size < length || place % length !== 0 || place >= BAR_SIZE) return undefined
    return { offset: place, size: length }
  }

  // ---- the BAR ----

  read(offset: number, size: 1 | 2 | 4 | 8): number {
    if (offset >= AREA.NOTIFY || size === 8) return 0
    if (offset >= AREA.DEVICE) return this.device.readConfiguration(offset - AREA.DEVICE, size)
    if (offset >= AREA.ISR) {
      if (offset !== AREA.ISR) return 0
      const causes = this.#causes
      this.#causes = 0
      this.#line(false)
      return causes
    }
    return this.#readCommon(offset, size)
  }

  #readCommon(offset: number, size: number): number {
    // Fields are accessed as what they are (4.1.3.1); a part of one is read from the whole.
    const whole = this.#commonField(offset & ~3), shift = (offset & 3) * 8
    return size === 4 ? whole : (whole >>> shift) & (size === 1 ? 0xff : 0xffff)
  }

  #commonField(offset: number): number {
    const { device } = this, queue = this.#selection.chosenQueue
    switch (offset) {
      case COMMON.DEVICE_FEATURE_SELECT: return this.#selection.deviceFeatures
      case COMMON.DEVICE_FEATURE: return this.#selection.offeredWord
      case COMMON.DRIVER_FEATURE_SELECT: return this.#selection.driverFeatures
      case COMMON.DRIVER_FEATURE: return this.#selection.acceptedWord
      case COMMON.CONFIG_VECTOR: return (NO_VECTOR | (device.queues.length << 16)) >>> 0
      case COMMON.STATUS: return (device.status | ((device.generation & 0xff) << 8) | (this.#selection.queue << 16)) >>> 0
      case COMMON.QUEUE_SIZE: return ((queue?.size ?? 0) | (NO_VECTOR << 16)) >>> 0
      case COMMON.QUEUE_ENABLE: return ((queue?.ready === true ? 1 : 0) | (this.#selection.queue << 16)) >>> 0
      case COMMON.QUEUE_DESCRIPTORS: return (queue?.descriptors ?? 0) % 2 ** 32
      case COMMON.QUEUE_DESCRIPTORS + 4: return Math.floor((queue?.descriptors ?? 0) / 2 ** 32)
      case COMMON.QUEUE_DRIVER: return (queue?.available ?? 0) % 2 ** 32
      case COMMON.QUEUE_DRIVER + 4: return Math.floor((queue?.available ?? 0) / 2 ** 32)
      case COMMON.QUEUE_DEVICE: return (queue?.used ?? 0) % 2 ** 32
      case COMMON.QUEUE_DEVICE + 4: return Math.floor((queue?.used ?? 0) / 2 ** 32)
      default: return 0
    }
  }

  write(offset: number, size: 1 | 2 | 4 | 8, value: number): void {
    if (size === 8) return
    if (offset >= AREA.NOTIFY) {
      this.device.notify(Math.floor((offset - AREA.NOTIFY) / NOTIFY_MULTIPLIER))
      return
    }
    if (offset >= AREA.DEVICE) this.device.writeConfiguration(offset - AREA.DEVICE, size, value)
    else if (offset < AREA.ISR) this.#writeCommon(offset, value)
  }

  #writeCommon(offset: number, value: number): void {
    const { device } = this, queue = this.#selection.chosenQueue
    switch (offset) {
      case COMMON.DEVICE_FEATURE_SELECT: this.#selection.deviceFeatures = value; return
      case COMMON.DRIVER_FEATURE_SELECT: this.#selection.driverFeatures = value; return
      case COMMON.DRIVER_FEATURE: this.#selection.accept(value); return
      case COMMON.STATUS:
        device.writeStatus(value & 0xff)
        if ((value & 0xff) === 0) this.#lower()
        return
      case COMMON.QUEUE_SELECT: this.#selection.queue = value & 0xffff; return
      case COMMON.QUEUE_ENABLE: if (queue !== undefined && (value & 1) !== 0) device.setReady(queue, true); return
    }
    if (queue !== undefined && !queue.ready) writeQueue(queue, offset, value)
  }

  #lower(): void {
    this.#causes = 0
    this.#line(false)
  }

  reset(): void {
    this.device.reset()
    this.function.reset()
    this.#selection.reset()
    this.#lower()
  }

  save(): unknown {
    return {
      selection: this.#selection.save(), causes: this.#causes, function: this.function.save(), device: this.device.save(),
    }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.device.model.name)
    this.#selection.restore(fields['selection'])
    this.#causes = integerIn(fields, 'causes', 3)
    this.function.restore(fields['function'])
    this.device.restore(fields['device'])
    this.#line(this.#causes !== 0)
  }
}

/** Half of an address replaced. */
const low = (address: number, value: number): number => Math.floor(address / 2 ** 32) * 2 ** 32 + value
const high = (address: number, value: number): number => (address % 2 ** 32) + value * 2 ** 32

function writeQueue(queue: Virtqueue, offset: number, value: number): void {
  switch (offset) {
    case COMMON.QUEUE_SIZE: queue.size = value & 0xffff; break
    case COMMON.QUEUE_DESCRIPTORS: queue.descriptors = low(queue.descriptors, value); break
    case COMMON.QUEUE_DESCRIPTORS + 4: queue.descriptors = high(queue.descriptors, value); break
    case COMMON.QUEUE_DRIVER: queue.available = low(queue.available, value); break
    case COMMON.QUEUE_DRIVER + 4: queue.available = high(queue.available, value); break
    case COMMON.QUEUE_DEVICE: queue.used = low(queue.used, value); break
    case COMMON.QUEUE_DEVICE + 4: queue.used = high(queue.used, value); break
  }
}
