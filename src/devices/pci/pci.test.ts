import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBoard } from '../../arch/board.ts'
import type { AccessSize } from '../mmio.ts'
import type { BlockBacking } from '../plug.ts'
import { plugIn } from '../plugged.ts'
import { FakeRam, RAM } from '../virtio/driver.test-support.ts'
import { createPciHost } from './host.ts'

const ECAM_DEVICE = 1 << 15, BAR4 = 0x20, BASE = 0x1000_4000
const COMMON = 0, ISR = 0x1000, DEVICE = 0x2000, NOTIFY = 0x3000
const disk: BlockBacking = {
  size: 8 * 512, readOnly: false, write: () => true, flush: () => true,
  read: (offset, into) => {
    into.fill(offset / 512 + 1)
    return true
  },
}

function make() {
  const board = createBoard({ name: 'virt', memBytes: 1 << 20, el2: false, pci: true }), ram = new FakeRam(), levels = new Map<number, boolean>()
  const plugged = plugIn([{ kind: 'block', backing: disk, transport: 'pci' }, { kind: 'entropy', seed: 1, transport: 'pci', slot: 5 }], { memory: ram, console: () => {} })
  const host = createPciHost(board, plugged, (spi, level) => { levels.set(spi, level) })!
  const config = (slot: number, offset: number, size: AccessSize = 4): number => host.read(slot * ECAM_DEVICE + offset, size)
  const configure = (slot: number, offset: number, value: number, size: AccessSize = 4): void => { host.write(slot * ECAM_DEVICE + offset, size, value) }
  const bar = (offset: number, size: AccessSize = 4): number => host.memory.read(BASE - 0x1000_0000 + offset, size)!
  const setBar = (offset: number, value: number, size: AccessSize = 4): void => { host.memory.write(BASE - 0x1000_0000 + offset, size, value) }
  return { host, ram, levels, config, configure, bar, setBar }
}

/** Up to DRIVER_OK with a queue of 8, and a read of sector 2 made available. */
function started() {
  const all = make(), { ram, configure, setBar } = all
  configure(1, BAR4, BASE)
  configure(1, 4, 6, 2)
  setBar(COMMON + 20, 0, 1)
  setBar(COMMON + 20, 3, 1)
  setBar(COMMON + 8, 1)
  setBar(COMMON + 12, 1)
  setBar(COMMON + 20, 11, 1)
  setBar(COMMON + 22, 0, 2)
  setBar(COMMON + 24, 8, 2)
  for (const [at, address] of [[32, RAM], [40, RAM + 0x1000], [48, RAM + 0x2000]] as const) {
    setBar(COMMON + at, address)
    setBar(COMMON + at + 4, 0)
  }
  setBar(COMMON + 28, 1, 2)
  setBar(COMMON + 20, 15, 1)
  const descriptor = (i: number, address: number, length: number, flags: number): void => {
    ram.view.setBigUint64(16 * i, BigInt(address), true)
    ram.view.setUint32(16 * i + 8, length, true)
    ram.view.setUint16(16 * i + 12, flags, true)
    ram.view.setUint16(16 * i + 14, i + 1, true)
  }
  descriptor(0, RAM + 0x4000, 16, 1)
  descriptor(1, RAM + 0x5000, 512, 3)
  descriptor(2, RAM + 0x6000, 1, 2)
  ram.view.setUint32(0x4008, 2, true)
  ram.view.setUint16(0x1002, 1, true)
  return all
}

describe('enumeration', () => {
  test('the bridge, the devices, and all ones where nothing is', () => {
    const { config, host } = make()
    expect([config(0, 0), config(1, 0), config(5, 0)]).toEqual([0x0008_1b36, 0x1042_1af4, 0x1044_1af4])
    expect([config(2, 0), host.read(1 << 20, 4), host.read(ECAM_DEVICE + 0x1000, 2)]).toEqual([0xffff_ffff, 0xffff_ffff, 0xffff])
    expect([config(1, 8) >>> 8, config(1, 0x3d, 1), config(1, 0x100)]).toEqual([0x01_0000, 1, 0])
  })
  test('the capabilities lead to every structure', () => {
    const { config } = make(), types: number[] = []
    for (let at = config(1, 0x34, 1); at !== 0; at = config(1, at + 1, 1)) {
      expect(config(1, at, 1)).toBe(9)
      types.push(config(1, at + 3, 1))
    }
    expect(types).toEqual([1, 3, 4, 2, 5])
  })
  test('the size of the BAR, and memory space that is off', () => {
    const { config, configure, bar } = make()
    configure(1, BAR4, 0xffff_ffff)
    expect(config(1, BAR4)).toBe(0xffff_c000)
    configure(1, 0x10, 0xffff_ffff)
    expect(config(1, 0x10)).toBe(0)
    configure(1, BAR4, BASE)
    expect(bar(COMMON + 18, 2)).toBe(0xffff)
    configure(1, 4, 2, 2)
    expect(bar(COMMON + 18, 2)).toBe(1)
  })
})

describe('a driver', () => {
  test('reads a sector, is interrupted on the line of the device, and acknowledges by reading', () => {
    const { ram, levels, bar, setBar } = started()
    expect(bar(DEVICE)).toBe(8)
    setBar(NOTIFY, 0, 2)
    expect([ram.bytes[0x5000], ram.bytes[0x6000], ram.view.getUint16(0x2002, true)]).toEqual([3, 0, 1])
    expect(levels.get(4)).toBe(true)
    expect([bar(ISR, 1), bar(ISR, 1), levels.get(4)]).toEqual([1, 0, false])
  })
  test('INTx that is off comes when it is on', () => {
    const { levels, setBar, configure } = started()
    configure(1, 4, 0x406, 2)
    setBar(NOTIFY, 0, 2)
    expect(levels.get(4)).toBe(false)
    configure(1, 4, 6, 2)
    expect(levels.get(4)).toBe(true)
  })
  test('the window of the configuration space', () => {
    const { config, configure } = started()
    let window = config(1, 0x34, 1)
    while (config(1, window + 3, 1) !== 5) window = config(1, window + 1, 1)
    configure(1, window + 4, 4, 1)
    configure(1, window + 8, DEVICE)
    configure(1, window + 12, 4)
    expect(config(1, window + 16)).toBe(8)
  })
  test('a state that is saved goes on', () => {
    const one = started(), two = make()
    one.setBar(NOTIFY, 0, 2)
    two.host.restore(JSON.parse(JSON.stringify(one.host.save())))
    expect(two.host.save()).toEqual(one.host.save())
    expect(two.levels.get(4)).toBe(true)
    expect(two.bar(ISR, 1)).toBe(1)
  })
})

test('no access throws, whatever it is', () => {
  const access = fc.record({ where: fc.nat(2), offset: fc.oneof(fc.nat(0x4000).map(n => n + 0x4000), fc.nat(0xff).map(n => ECAM_DEVICE + n), fc.nat(0xff_ffff)), size: fc.constantFrom<AccessSize>(1, 2, 4, 8), value: fc.oneof(fc.nat(0xff), fc.nat(0xffff_ffff)), write: fc.boolean() })
  fc.assert(fc.property(fc.array(access, { maxLength: 100, size: 'max' }), accesses => {
    const { host } = started()
    for (const { where, offset, size, value, write } of accesses) {
      const device = [host, host.memory, host.io][where]!, at = offset & ~(size - 1), limit = 2 ** (8 * Math.min(size, 6))
      if (write) expect(device.write(at, size, value % limit)).toBe(true)
      else {
        const read = device.read(at, size)!
        expect(Number.isSafeInteger(read) && read >= 0 && read < limit).toBe(true)
      }
    }
  }), { numRuns: Number(process.env['NIDUS_DEVICE_CASES'] ?? process.env['NIDUS_FUZZ'] ?? 100) })
})
