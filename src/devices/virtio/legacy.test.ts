import { describe, expect, test } from 'vitest'
import { VirtioConsole } from './console.ts'
import { VirtioDevice } from './device.ts'
import { FakeRam, RAM } from './driver.test-support.ts'
import { VirtioMmioLegacy } from './mmio-legacy.ts'
import { VirtioNetwork } from './network.ts'
import type { VirtioModel } from './model.ts'

const REGISTER = { version: 4, features: 0x10, select: 0x14, accepted: 0x20, pageSize: 0x28, queue: 0x30, maximum: 0x34, size: 0x38, alignment: 0x3c, page: 0x40, ready: 0x44, notify: 0x50, causes: 0x60, status: 0x70 } as const
const QUEUE = RAM + 0x3000, SIZE = 8, TRANSMIT = 1

/** As kvm-unit-tests and rCore do it: a page size, and per queue its size, alignment and page; the status is never written. */
function driver(model: VirtioModel) {
  const ram = new FakeRam(), lines: boolean[] = [], mmio = new VirtioMmioLegacy(new VirtioDevice({ model, memory: ram, legacy: true }), level => { lines.push(level) })
  const write = (offset: number, value: number): void => { mmio.write(offset, 4, value) }, read = (offset: number): number => mmio.read(offset, 4)
  return {
    ram, lines, mmio, write, read,
    setUp(): void {
      write(REGISTER.pageSize, 4096)
      write(REGISTER.queue, TRANSMIT)
      write(REGISTER.size, SIZE)
      write(REGISTER.alignment, 4096)
      write(REGISTER.page, QUEUE / 4096)
    },
    send(bytes: Uint8Array): void {
      const data = RAM + 0x8000, { view } = ram
      ram.writeBytes(data, bytes)
      view.setBigUint64(QUEUE - RAM, BigInt(data), true)
      view.setUint32(QUEUE - RAM + 8, bytes.length, true)
      view.setUint16(QUEUE - RAM + 16 * SIZE + 4, 0, true)
      view.setUint16(QUEUE - RAM + 16 * SIZE + 2, 1, true)
      write(REGISTER.notify, TRANSMIT)
    },
    /** The used ring is in the page behind. */
    used: (): number => ram.view.getUint16(QUEUE - RAM + 0x1000 + 2, true),
  }
}

describe('virtio-mmio before VIRTIO 1.0', () => {
  test('a driver that knows nothing else sends without a word about its status', () => {
    const sent: number[] = [], d = driver(new VirtioConsole(bytes => { sent.push(...bytes) }))
    expect([d.read(REGISTER.version), d.read(REGISTER.page), d.read(REGISTER.maximum) >= SIZE]).toEqual([1, 0, true])
    d.setUp()
    expect([d.read(REGISTER.page), d.read(REGISTER.ready)]).toEqual([QUEUE / 4096, 0])
    d.send(Uint8Array.of(0x31, 0x71))
    expect([sent, d.used(), d.lines.at(-1), d.read(REGISTER.causes)]).toEqual([[0x31, 0x71], 1, true, 1])
  })

  test('there are 32 feature bits, and a queue is taken back by page 0', () => {
    const d = driver(new VirtioConsole(() => {}))
    d.write(REGISTER.select, 1)
    expect(d.read(REGISTER.features)).toBe(0)
    d.setUp()
    d.write(REGISTER.page, 0)
    d.send(Uint8Array.of(1))
    expect([d.read(REGISTER.page), d.used()]).toEqual([0, 0])
  })

  test('a frame has a header of 10 bytes', () => {
    const requests: unknown[] = [], d = driver(new VirtioNetwork({ mac: '52:54:00:12:34:56', host: { request: request => { requests.push(request) } }, forwards: [] }))
    d.setUp()
    // A datagram to 192.0.2.1:9, as IPv4 over UDP.
    const frame = new Uint8Array(10 + 14 + 20 + 8 + 1), view = new DataView(frame.buffer)
    frame.set([0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 0], 10)
    frame.set([0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 192, 0, 2, 1], 24)
    let sum = 0
    for (let i = 24; i < 44; i += 2) sum += view.getUint16(i)
    view.setUint16(34, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff)
    frame.set([0x10, 0, 0, 9, 0, 9, 0, 0, 0x55], 44)
    d.send(frame)
    expect(requests.find(each => (each as { kind: string }).kind === 'datagram')).toMatchObject({ address: '192.0.2.1', port: 9, bytes: Uint8Array.of(0x55) })
  })

  test('its state is saved and restored', () => {
    const sent: number[] = [], from = driver(new VirtioConsole(() => {})), to = driver(new VirtioConsole(bytes => { sent.push(...bytes) }))
    from.setUp()
    to.mmio.restore(JSON.parse(JSON.stringify(from.mmio.save())))
    to.send(Uint8Array.of(7))
    expect([sent, to.used()]).toEqual([[7], 1])
  })
})
