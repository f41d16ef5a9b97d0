import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Flash, FLASH_BLOCK, FwCfg, Pl061 } from './index.ts'
import type { AccessSize, DmaMemory, MmioDevice } from './index.ts'

const BANK = 0x400_0000

function bank(onReadable: (readable: boolean) => void = () => {}) {
  const bytes = new Uint8Array(4 * FLASH_BLOCK).fill(0x5a), writes: [number, number][] = []
  const flash = new Flash({
    name: 'flash1', sizeBytes: BANK, onReadable, onWrite: (offset, { length }) => { writes.push([offset, length]) },
    memory: { read8: offset => bytes[offset] ?? 0, write: (offset, from) => { bytes.set(from.subarray(0, Math.max(0, bytes.length - offset)), Math.min(offset, bytes.length)) } },
  })
  return { flash, bytes, writes }
}
/** A command to both chips. */
const both = (command: number): number => command * 0x1_0001

describe('flash', () => {
  test('is identified by the query and the identifier commands, on both chips', () => {
    const { flash } = bank()
    flash.write(0x55 << 2, 4, both(0x98))
    expect([0x10, 0x11, 0x12].map(word => flash.read(word << 2, 4))).toEqual([both(0x51), both(0x52), both(0x59)])
    // 2^25 bytes in a chip; 256 blocks of 128 KiB.
    expect([0x27, 0x2d, 0x2e, 0x2f, 0x30].map(word => flash.read(word << 2, 4)!  & 0xffff)).toEqual([25, 255, 0, 0, 2])
    flash.write(0, 4, both(0xff))
    flash.write(0, 4, both(0x90))
    expect([flash.read(0, 4), flash.read(4, 4), flash.read(0, 1), flash.read(1, 1), flash.read(2, 2)]).toEqual([both(0x89), both(0x18), 0x89, 0, 0x89])
  })

  test('erases blocks and programs words and buffers, and says what has changed', () => {
    const modes: boolean[] = [], { flash, bytes, writes } = bank(readable => modes.push(readable))
    flash.write(FLASH_BLOCK + 8, 4, both(0x20))
    flash.write(FLASH_BLOCK + 8, 4, both(0xd0))
    expect(flash.read(FLASH_BLOCK, 4)).toBe(both(0x80))
    expect([bytes[FLASH_BLOCK - 1], bytes[FLASH_BLOCK], bytes[2 * FLASH_BLOCK - 1], bytes[2 * FLASH_BLOCK]]).toEqual([0x5a, 0xff, 0xff, 0x5a])
    flash.write(FLASH_BLOCK, 4, both(0x40))
    flash.write(FLASH_BLOCK, 4, 0x1234_5678)
    flash.write(FLASH_BLOCK, 4, both(0xe8))
    flash.write(FLASH_BLOCK, 4, both(1))
    flash.write(FLASH_BLOCK + 4, 4, 0x1111_2222)
    flash.write(FLASH_BLOCK + 8, 4, 0x3333_4444)
    expect(bytes[FLASH_BLOCK + 4]).toBe(0xff)
    flash.write(FLASH_BLOCK, 4, both(0xd0))
    flash.write(0, 4, both(0xff))
    expect([0, 4, 8].map(at => flash.read(FLASH_BLOCK + at, 4))).toEqual([0x1234_5678, 0x1111_2222, 0x3333_4444])
    expect(writes).toEqual([[FLASH_BLOCK, FLASH_BLOCK], [FLASH_BLOCK, 4], [FLASH_BLOCK + 4, 4], [FLASH_BLOCK + 8, 4]])
    expect(modes).toEqual([false, true])
  })

  test.each([
    ['an erase that is not confirmed', [[0, 0x20], [0, 0x70]], 0xb0],
    ['a buffer that is too long', [[0, 0xe8], [0, 0xfff]], 0x90],
    ['a buffer that leaves its block', [[0, 0xe8], [0, 1], [FLASH_BLOCK, 0]], 0x90],
    ['a buffer that is not confirmed', [[0, 0xe8], [0, 0], [0, 1], [0, 0x70]], 0x90],
  ])('%s is an error in the status, and changes nothing', (_, writes, status) => {
    const { flash, bytes } = bank()
    for (const [offset, value] of writes) flash.write(offset!, 4, both(value!))
    expect(flash.read(0, 4)).toBe(both(status))
    expect(bytes.every(byte => byte === 0x5a)).toBe(true)
    flash.write(0, 4, both(0x50))
    flash.write(0, 4, both(0x70))
    expect(flash.read(0, 4)).toBe(both(0x80))
  })

  test('is the same after a snapshot in the middle of a command', () => {
    const one = bank().flash, { flash: other, bytes } = bank()
    for (const value of [0xe8, 0, 0x7777]) one.write(4, 4, both(value))
    other.restore(JSON.parse(JSON.stringify(one.save())))
    expect(other.isReadable).toBe(false)
    other.write(4, 4, both(0xd0))
    expect(bytes[4]).toBe(0x77)
    expect(() => other.restore({ ...one.save() as object, buffer: [[BANK, 1]] })).toThrow('damaged')
  })
})

class Memory implements DmaMemory {
  readonly bytes = new Uint8Array(0x1000)
  isRam(address: number, size: number): boolean { return address >= 0 && address + size <= this.bytes.length }
  readBytes(address: number, into: Uint8Array): boolean {
    if (!this.isRam(address, into.length)) return false
    into.set(this.bytes.subarray(address, address + into.length))
    return true
  }
  writeBytes(address: number, from: Uint8Array): boolean {
    if (!this.isRam(address, from.length)) return false
    this.bytes.set(from, address)
    return true
  }
}
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const swap16 = (value: number): number => ((value & 0xff) << 8) | (value >>> 8)
const swap32 = (value: number): number => new DataView(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value).buffer).getUint32(0, true)

function configuration() {
  const memory = new Memory()
  const device = new FwCfg({
    cpus: 3, memBytes: 0x2000_0000, memory, kernel: { commandLine: 'quiet' },
    files: [{ name: 'opt/b', bytes: Uint8Array.of(1, 2, 3) }, { name: 'opt/a', bytes: new TextEncoder().encode('hello') }],
  })
  const dma = (control: number, length: number, address: number): number => {
    const view = new DataView(memory.bytes.buffer)
    view.setUint32(0x800, control)
    view.setUint32(0x804, length)
    view.setBigUint64(0x808, BigInt(address))
    device.write(16, 4, 0)
    device.write(20, 4, swap32(0x800))
    return view.getUint32(0x800)
  }
  return { device, memory, dma }
}

describe('fw_cfg', () => {
  test('gives items byte by byte through its port, zeros after the end', () => {
    const { device } = configuration()
    device.write(8, 2, swap16(0))
    expect([0x51, 0x45, 0x4d, 0x55, 0].every(byte => device.read(0, 1) === byte)).toBe(true)
    device.write(8, 2, swap16(5))
    expect(device.read(0, 2)).toBe(3)
    device.write(8, 2, swap16(0x15))
    expect([device.read(0, 4), device.read(0, 4)]).toEqual([0x6569_7571, 0x74])
    expect([device.read(16, 4), device.read(20, 4)]).toEqual([0x554d_4551, 0x4746_4320])
  })

  test('has a directory of its files, and gives them by DMA', () => {
    const { memory, dma } = configuration()
    expect(dma((0x19 << 16) | 8 | 2, 132, 0x100)).toBe(0)
    const view = new DataView(memory.bytes.buffer, 0x100)
    expect([view.getUint32(0), view.getUint32(4), view.getUint16(8), text(memory.bytes.subarray(0x10c, 0x111)), view.getUint32(68), view.getUint16(72)]).toEqual([2, 5, 0x20, 'opt/a', 3, 0x21])
    expect(dma((0x20 << 16) | 8 | 4, 1, 0)).toBe(0)
    expect(dma(2, 8, 0x200)).toBe(0)
    expect([...memory.bytes.subarray(0x200, 0x208)]).toEqual([...new TextEncoder().encode('ello'), 0, 0, 0, 0])
  })

  test('refuses writes and what is not memory', () => {
    const { dma } = configuration()
    expect([dma((0x20 << 16) | 8 | 16, 1, 0), dma(2, 16, 0xff8), dma(2, 0xffff_ffff, 0)]).toEqual([1, 1, 1])
  })
})

test('PL061: masked data, edges and levels', () => {
  const levels: boolean[] = [], gpio = new Pl061({ irq: level => { if (levels.at(-1) !== level) levels.push(level) } })
  gpio.write(0x40c, 4, 0x08)
  gpio.write(0x410, 4, 0x08)
  gpio.setLine(3, true)
  expect([gpio.read(0x3fc, 4), gpio.read(0x020, 4), gpio.read(0x010, 4), gpio.read(0x418, 4)]).toEqual([8, 8, 0, 8])
  gpio.write(0x41c, 4, 8)
  gpio.write(0x400, 4, 0x03)
  gpio.write(0x00c, 4, 0xff)
  expect([gpio.read(0x3fc, 4), levels]).toEqual([0x0b, [false, true, false]])
  gpio.write(0x404, 4, 0x08)
  expect([gpio.read(0x414, 4), levels.at(-1)]).toEqual([8, true])
})

test('a guest may access anything', () => {
  const access = fc.record({ size: fc.constantFrom<AccessSize>(1, 2, 4, 8), value: fc.oneof(fc.maxSafeInteger().map(Math.abs), fc.nat(0xff).map(both)), offset: fc.nat(0x1000), write: fc.boolean(), device: fc.nat(2) })
  fc.assert(fc.property(fc.array(access, { maxLength: 60 }), list => {
    const devices: readonly MmioDevice[] = [bank().flash, configuration().device, new Pl061({ irq: () => {} })]
    for (const { size, value, offset, write, device: index } of list) {
      const device = devices[index]!, at = offset - offset % size, limit = size === 8 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * size)
      if (write) expect(typeof device.write(at, size, value % limit)).toBe('boolean')
      else {
        const result = device.read(at, size)
        if (result !== undefined) expect(Number.isSafeInteger(result) && result >= 0 && result < limit, `${device.name} + ${at}`).toBe(true)
      }
    }
  }), { numRuns: 50 })
})
