/** A driver of a virtio-mmio device, and the memory of its guest, for tests. */
import type { OutsideEvent } from '../plug.ts'
import { VirtioDevice } from './device.ts'
import type { DmaMemory } from './memory.ts'
import { VirtioMmio } from './mmio.ts'
import type { VirtioModel } from './model.ts'

export const RAM = 0x4000_0000

export class FakeRam implements DmaMemory {
  readonly bytes: Uint8Array
  readonly view: DataView
  constructor(size = 1 << 20) {
    this.bytes = new Uint8Array(size)
    this.view = new DataView(this.bytes.buffer)
  }
  isRam(address: number, size: number): boolean { return Number.isSafeInteger(address) && address >= RAM && address + size <= RAM + this.bytes.length }
  readBytes(address: number, into: Uint8Array): boolean {
    if (!this.isRam(address, into.length)) return false
    into.set(this.bytes.subarray(address - RAM, address - RAM + into.length))
    return true
  }
  writeBytes(address: number, from: Uint8Array): boolean {
    if (!this.isRam(address, from.length)) return false
    this.bytes.set(from, address - RAM)
    return true
  }
}

export const REGISTER = {
  magic: 0, version: 4, deviceId: 8, deviceFeatures: 0x10, deviceFeaturesSelect: 0x14, driverFeatures: 0x20, driverFeaturesSelect: 0x24, queueSelect: 0x30, queueMaximum: 0x34, queueSize: 0x38,
  queueReady: 0x44, notify: 0x50, interruptStatus: 0x60, interruptAcknowledge: 0x64, status: 0x70, descriptors: 0x80, available: 0x90, used: 0xa0, generation: 0xfc, configuration: 0x100,
} as const

interface Ring { readonly size: number, readonly descriptors: number, readonly available: number, readonly used: number, free: number, sent: number, seen: number }

export interface Buffer { readonly bytes?: Uint8Array, readonly room?: number }

export class Driver {
  readonly ram = new FakeRam()
  readonly mmio: VirtioMmio
  readonly complaints: string[] = []
  readonly model: VirtioModel
  irq = false
  interrupts = 0
  readonly rings: Ring[] = []
  #heap = RAM + 0x4_0000

  constructor(model: VirtioModel) {
    this.model = model
    const device = new VirtioDevice({ model, memory: this.ram, complaint: text => { this.complaints.push(text) } })
    this.mmio = new VirtioMmio(device, level => {
      if (level && !this.irq) this.interrupts++
      this.irq = level
    })
  }

  read(offset: number): number { return this.mmio.read(offset, 4) }
  write(offset: number, value: number): void { this.mmio.write(offset, 4, value) }

  /** What a driver does up to DRIVER_OK, with these features besides VIRTIO_F_VERSION_1, and queues of `size`. */
  start({ size = 8, features = [] as readonly number[] } = {}): this {
    this.write(REGISTER.status, 0)
    this.write(REGISTER.status, 1)
    this.write(REGISTER.status, 3)
    const words: [number, number] = [0, 1]
    for (const bit of features) words[bit >>> 5]! |= 1 << (bit & 31)
    words.forEach((word, select) => {
      this.write(REGISTER.driverFeaturesSelect, select)
      this.write(REGISTER.driverFeatures, word >>> 0)
    })
    this.write(REGISTER.status, 11)
    this.rings.length = 0
    this.model.queueSizes.forEach((_, n) => {
      const base = RAM + 0x4000 * n, ring = { size, descriptors: base, available: base + 0x1000, used: base + 0x2000, free: 0, sent: 0, seen: 0 }
      this.rings.push(ring)
      this.ram.bytes.fill(0, base - RAM, base - RAM + 0x4000)
      this.write(REGISTER.queueSelect, n)
      this.write(REGISTER.queueSize, size)
      for (const part of ['descriptors', 'available', 'used'] as const) {
        this.write(REGISTER[part], ring[part])
        this.write(REGISTER[part] + 4, 0)
      }
      this.write(REGISTER.queueReady, 1)
    })
    this.write(REGISTER.status, 15)
    return this
  }

  /** Makes a chain available (readable buffers first) without notifying; where its buffers are. */
  add(queue: number, buffers: readonly Buffer[]): readonly { readonly address: number, readonly length: number }[] {
    const ring = this.rings[queue]!, head = ring.free
    const places = buffers.map(({ bytes, room }, i) => {
      const length = bytes?.length ?? room!, address = this.#heap
      this.#heap += (length + 15) & ~15
      if (bytes !== undefined) this.ram.writeBytes(address, bytes)
      const next = (head + i + 1) % ring.size
      this.descriptor(queue, (head + i) % ring.size, address, length, (bytes === undefined ? 2 : 0) | (i + 1 < buffers.length ? 1 : 0), next)
      return { address, length }
    })
    ring.free = (head + buffers.length) % ring.size
    this.offer(queue, head)
    return places
  }

  descriptor(queue: number, index: number, address: number, length: number, flags: number, next: number): void {
    const { view } = this.ram, at = this.rings[queue]!.descriptors - RAM + 16 * index
    view.setBigUint64(at, BigInt(address), true)
    view.setUint32(at + 8, length, true)
    view.setUint16(at + 12, flags, true)
    view.setUint16(at + 14, next, true)
  }

  offer(queue: number, head: number): void {
    const ring = this.rings[queue]!, { view } = this.ram
    view.setUint16(ring.available - RAM + 4 + 2 * (ring.sent % ring.size), head, true)
    ring.sent = (ring.sent + 1) & 0xffff
    view.setUint16(ring.available - RAM + 2, ring.sent, true)
  }

  notify(queue: number): void { this.write(REGISTER.notify, queue) }

  /** Elements of the used ring since the last call. */
  used(queue: number): { readonly head: number, readonly length: number }[] {
    const ring = this.rings[queue]!, { view } = this.ram, at = ring.used - RAM, found = []
    for (const end = view.getUint16(at + 2, true); ring.seen !== end; ring.seen = (ring.seen + 1) & 0xffff) {
      const element = at + 4 + 8 * (ring.seen % ring.size)
      found.push({ head: view.getUint32(element, true), length: view.getUint32(element + 4, true) })
    }
    return found
  }

  /** One request and its answer. */
  request(queue: number, bytes: Uint8Array, room: number): { readonly length: number, readonly answer: Uint8Array } {
    const places = this.add(queue, room === 0 ? [{ bytes }] : bytes.length === 0 ? [{ room }] : [{ bytes }, { room }])
    this.notify(queue)
    const length = this.used(queue).at(-1)?.length ?? -1, answer = new Uint8Array(room)
    if (room > 0) this.ram.readBytes(places.at(-1)!.address, answer)
    return { length, answer }
  }

  outside(kind: string, bytes: Uint8Array, id = 0): void { this.model.outside?.({ device: 'test', kind, id, bytes } satisfies OutsideEvent) }

  acknowledge(): void { this.write(REGISTER.interruptAcknowledge, this.read(REGISTER.interruptStatus)) }
  get needsReset(): boolean { return (this.read(REGISTER.status) & 64) !== 0 }
}
