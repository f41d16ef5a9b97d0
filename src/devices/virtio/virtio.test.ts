import { describe, expect, test } from 'vitest'
import type { BlockBacking } from '../plug.ts'
import { VirtioBlock } from './block.ts'
import { VirtioConsole } from './console.ts'
import { Driver, RAM, REGISTER } from './driver.test-support.ts'
import { VirtioEntropy } from './entropy.ts'
import { OverlayBacking } from './overlay.ts'

const EVENT_IDX = 29, INDIRECT = 28
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** A disk whose byte n is n mod 251. */
function memoryDisk(size = 64 * 512, readOnly = false): BlockBacking & { readonly bytes: Uint8Array, flushes: number } {
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251)
  return {
    size, readOnly, bytes, flushes: 0,
    read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.length))
      return true
    },
    write(offset, from) {
      bytes.set(from, offset)
      return true
    },
    flush() {
      this.flushes++
      return true
    },
  }
}
const header = (type: number, sector: number | bigint = 0, data: Uint8Array = new Uint8Array(0)): Uint8Array => {
  const bytes = new Uint8Array(16 + data.length), view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setBigUint64(8, BigInt(sector), true)
  bytes.set(data, 16)
  return bytes
}

describe('the MMIO transport', () => {
  test('says what it is', () => {
    const driver = new Driver(new VirtioBlock({ backing: memoryDisk() }))
    expect([REGISTER.magic, REGISTER.version, REGISTER.deviceId].map(offset => driver.read(offset))).toEqual([0x7472_6976, 2, 2])
    driver.write(REGISTER.deviceFeaturesSelect, 1)
    expect(driver.read(REGISTER.deviceFeatures)).toBe(1) // VERSION_1
    driver.write(REGISTER.queueSelect, 1)
    expect(driver.read(REGISTER.queueMaximum)).toBe(0)
    expect(driver.read(REGISTER.configuration)).toBe(64) // capacity
    expect(driver.mmio.read(REGISTER.configuration, 1)).toBe(64)
  })

  test.each([['features that are not offered', [5]], ['none but VERSION_1', []]] as const)('FEATURES_OK with %s', (_, features) => {
    const driver = new Driver(new VirtioBlock({ backing: memoryDisk() })).start({ features })
    expect(driver.read(REGISTER.status)).toBe(features.length === 0 ? 15 : 3)
  })

  test('a driver of the time before 1.0 is refused', () => {
    const driver = new Driver(new VirtioBlock({ backing: memoryDisk() }))
    for (const value of [1, 3, 11, 15]) driver.write(REGISTER.status, value)
    expect(driver.read(REGISTER.status) & 12).toBe(0)
  })

  test('reset takes everything back', () => {
    const driver = new Driver(new VirtioBlock({ backing: memoryDisk() })).start()
    driver.request(0, header(0), 513)
    expect(driver.irq).toBe(true)
    driver.write(REGISTER.status, 0)
    expect([driver.irq, driver.read(REGISTER.interruptStatus), driver.read(REGISTER.queueReady)]).toEqual([false, 0, 0])
    driver.start()
    expect(driver.request(0, header(0), 513).length).toBe(513)
  })
})

describe('queues', () => {
  const block = (features: readonly number[] = []): Driver => new Driver(new VirtioBlock({ backing: memoryDisk() })).start({ features })

  test('wrap around many times', () => {
    const driver = block()
    for (let i = 0; i < 200; i++) {
      expect(driver.request(0, header(0, i % 64), 513)).toMatchObject({ length: 513 })
      driver.acknowledge()
    }
    expect(driver.interrupts).toBe(200)
  })

  test('VIRTIO_F_EVENT_IDX: an interrupt when the count is passed, and where the driver should notify', () => {
    const driver = block([EVENT_IDX]), { view } = driver.ram, { used, available } = driver.rings[0]!
    view.setUint16(available - RAM + 4 + 2 * 8, 2, true)
    const counts = [0, 1, 2, 3].map(() => {
      driver.request(0, header(0), 513)
      driver.acknowledge()
      return driver.interrupts
    })
    expect(counts).toEqual([0, 0, 1, 1])
    expect(view.getUint16(used - RAM + 4 + 8 * 8, true)).toBe(4)
  })

  test('VIRTQ_AVAIL_F_NO_INTERRUPT', () => {
    const driver = block()
    driver.ram.view.setUint16(driver.rings[0]!.available - RAM, 1, true)
    driver.request(0, header(0), 513)
    expect(driver.interrupts).toBe(0)
  })

  test('indirect descriptors', () => {
    const driver = block([INDIRECT]), table = RAM + 0x2_0000, { view } = driver.ram
    driver.ram.writeBytes(RAM + 0x3_0000, header(0, 3))
    const entry = (i: number, address: number, length: number, flags: number): void => {
      view.setBigUint64(table - RAM + 16 * i, BigInt(address), true)
      view.setUint32(table - RAM + 16 * i + 8, length, true)
      view.setUint16(table - RAM + 16 * i + 12, flags, true)
      view.setUint16(table - RAM + 16 * i + 14, i + 1, true)
    }
    entry(0, RAM + 0x3_0000, 16, 1)
    entry(1, RAM + 0x3_1000, 512, 3)
    entry(2, RAM + 0x3_2000, 1, 2)
    driver.descriptor(0, 5, table, 48, 4, 0)
    driver.offer(0, 5)
    driver.notify(0)
    expect(driver.used(0)).toEqual([{ head: 5, length: 513 }])
    expect(driver.ram.bytes[0x3_1000]).toBe(3 * 512 % 251)
  })

  const broken: readonly [string, (driver: Driver) => void, RegExp, (readonly number[])?][] = [
    ['a loop', driver => {
      driver.descriptor(0, 0, RAM + 0x2_0000, 16, 1, 1)
      driver.descriptor(0, 1, RAM + 0x2_0000, 16, 1, 0)
      driver.offer(0, 0)
    }, /without end/],
    ['a head outside the table', driver => { driver.offer(0, 8) }, /descriptor 8 in a queue of 8/],
    ['a next outside the table', driver => {
      driver.descriptor(0, 0, RAM + 0x2_0000, 16, 1, 9)
      driver.offer(0, 0)
    }, /descriptor 9/],
    ['a buffer outside RAM', driver => {
      driver.descriptor(0, 0, 0x900_0000, 16, 0, 0)
      driver.offer(0, 0)
    }, /0x9000000/],
    ['a length beyond RAM', driver => {
      driver.descriptor(0, 0, RAM, 0xffff_ffff, 0, 0)
      driver.offer(0, 0)
    }, /4294967295 bytes/],
    ['an address that wraps', driver => {
      driver.ram.view.setBigUint64(0, 0xffff_ffff_ffff_fff0n, true)
      driver.ram.view.setUint32(8, 0x20, true)
      driver.offer(0, 0)
    }, /not in memory/],
    ['a readable buffer after a writable one', driver => {
      driver.descriptor(0, 0, RAM + 0x2_0000, 16, 3, 1)
      driver.descriptor(0, 1, RAM + 0x2_0000, 16, 0, 0)
      driver.offer(0, 0)
    }, /after one to write/],
    ['an index that jumps', driver => { driver.ram.view.setUint16(driver.rings[0]!.available - RAM + 2, 100, true) }, /100 chains/],
    ['an indirect descriptor that was not agreed on', driver => {
      driver.descriptor(0, 0, RAM + 0x2_0000, 16, 4, 0)
      driver.offer(0, 0)
    }, /indirect descriptor/],
    ['an indirect table in an indirect table', driver => {
      driver.ram.view.setBigUint64(0x2_0000, BigInt(RAM + 0x2_0000), true)
      driver.ram.view.setUint32(0x2_0008, 16, true)
      driver.ram.view.setUint16(0x2_000c, 4, true)
      driver.descriptor(0, 0, RAM + 0x2_0000, 16, 4, 0)
      driver.offer(0, 0)
    }, /indirect descriptor/, [INDIRECT]],
    ['an indirect table of no whole descriptors', driver => {
      driver.descriptor(0, 0, RAM + 0x2_0000, 17, 4, 0)
      driver.offer(0, 0)
    }, /indirect table of 17 bytes/, [INDIRECT]],
    ['a request without status', driver => { driver.add(0, [{ bytes: header(0) }]) }, /without header or status/],
  ]
  test.each(broken)('%s: the device asks for a reset, says why, and works after it', (_, breakIt, why, features = []) => {
    const driver = block(features)
    breakIt(driver)
    driver.notify(0)
    expect(driver.needsReset).toBe(true)
    expect(driver.read(REGISTER.interruptStatus) & 2).toBe(2)
    expect(driver.complaints).toHaveLength(1)
    expect(driver.complaints[0]).toMatch(why)
    driver.notify(0)
    expect(driver.complaints).toHaveLength(1)
    driver.start()
    expect(driver.request(0, header(0), 513).length).toBe(513)
  })

  test.each([['available', 0x900_0000], ['used', 0x900_0000], ['descriptors', 0]] as const)('%s ring outside RAM', (part, address) => {
    const driver = block()
    driver.write(REGISTER.queueReady, 0)
    driver.write(REGISTER[part], address)
    driver.write(REGISTER.queueReady, 1)
    driver.add(0, [{ bytes: header(0) }, { room: 513 }])
    driver.notify(0)
    expect(driver.needsReset).toBe(true)
  })

  test('rings that lie over each other end', () => {
    const driver = block()
    driver.write(REGISTER.queueReady, 0)
    // What is given back becomes available.
    driver.write(REGISTER.used, driver.rings[0]!.available)
    driver.write(REGISTER.queueReady, 1)
    driver.add(0, [{ bytes: header(0) }, { room: 1 }])
    driver.notify(0)
    expect(driver.ram.view.getUint16(driver.rings[0]!.available - RAM + 2, true)).toBe(1)
  })

  test('a size that is no power of 2', () => {
    const driver = block()
    driver.write(REGISTER.queueReady, 0)
    driver.write(REGISTER.queueSize, 6)
    driver.write(REGISTER.queueReady, 1)
    expect(driver.needsReset).toBe(true)
  })

  test('a state that is saved goes on', () => {
    const one = block(), two = block()
    for (let i = 0; i < 5; i++) one.request(0, header(0), 513)
    two.mmio.restore(JSON.parse(JSON.stringify(one.mmio.save())))
    two.ram.bytes.set(one.ram.bytes)
    Object.assign(two.rings[0]!, one.rings[0])
    expect(two.irq).toBe(true)
    expect(two.request(0, header(0), 513).length).toBe(513)
  })
})

describe('virtio-blk', () => {
  const request = (disk: BlockBacking, bytes: Uint8Array, room: number) => new Driver(new VirtioBlock({ backing: disk, serial: 'a-disk' })).start().request(0, bytes, room)
  const status = (answer: Uint8Array): number => answer.at(-1)!

  test('reads', () => {
    const disk = memoryDisk(), { length, answer } = request(disk, header(0, 2), 1025)
    expect([length, status(answer)]).toEqual([1025, 0])
    expect(answer.subarray(0, 1024)).toEqual(disk.bytes.subarray(1024, 2048))
  })
  test('writes', () => {
    const disk = memoryDisk(), { length, answer } = request(disk, header(1, 63, new Uint8Array(512).fill(7)), 1)
    expect([length, status(answer)]).toEqual([1, 0])
    expect(disk.bytes.subarray(63 * 512)).toEqual(new Uint8Array(512).fill(7))
  })
  test('flushes and names itself', () => {
    const disk = memoryDisk()
    expect(status(request(disk, header(4), 1).answer)).toBe(0)
    expect(disk.flushes).toBe(1)
    const { answer } = request(disk, header(8), 21)
    expect(text(answer).replaceAll('\0', '')).toBe('a-disk')
  })
  test.each([
    ['beyond the end', header(0, 63), 1025, 1], ['at a sector that is none', header(0, 0xffff_ffff_ffff_ffffn), 513, 1], ['half a sector', header(0, 0), 257, 1],
    ['a write beyond the end', header(1, 64, new Uint8Array(512)), 1, 1], ['a type that is none', header(99), 1, 2],
  ] as const)('%s is answered by an error', (_, bytes, room, code) => {
    const disk = memoryDisk(), before = disk.bytes.slice()
    expect(status(request(disk, bytes, room).answer)).toBe(code)
    expect(disk.bytes).toEqual(before)
  })
  test('a read-only disk says so and is not written', () => {
    const disk = memoryDisk(64 * 512, true), driver = new Driver(new VirtioBlock({ backing: disk })).start()
    expect(driver.read(REGISTER.deviceFeatures) & 32).toBe(32)
    expect(status(driver.request(0, header(1, 0, new Uint8Array(512)), 1).answer)).toBe(1)
    expect(disk.bytes[1]).toBe(1)
  })
  test('an error of the file is an error of the disk', () => {
    const disk: BlockBacking = { size: 512, readOnly: false, read: () => false, write: () => false, flush: () => false }
    expect([header(0), header(4)].map((bytes, i) => status(request(disk, bytes, i === 0 ? 513 : 1).answer))).toEqual([1, 1])
  })
})

describe('an overlay', () => {
  test('reads what was written, and leaves what is below alone', () => {
    const below = memoryDisk(5 * 4096 + 512), before = below.bytes.slice(), overlay = new OverlayBacking(below), model = below.bytes.slice()
    let random = 12345
    const next = (limit: number): number => (random = Math.imul(random, 1103515245) + 12345 >>> 0) % limit
    for (let i = 0; i < 400; i++) {
      const offset = next(below.size / 512) * 512, length = Math.min(below.size - offset, (1 + next(20)) * 512)
      if (i % 2 === 0) {
        const bytes = new Uint8Array(length).fill(i & 0xff)
        overlay.write(offset, bytes)
        model.set(bytes, offset)
      }
      const got = new Uint8Array(length)
      expect(overlay.read(offset, got)).toBe(true)
      expect(got).toEqual(model.subarray(offset, offset + length))
    }
    expect(below.bytes).toEqual(before)
    const copy = new OverlayBacking(below), whole = new Uint8Array(below.size)
    copy.restore(JSON.parse(JSON.stringify(overlay.save())))
    copy.read(0, whole)
    expect(whole).toEqual(model)
  })
})

describe('virtio-console', () => {
  test('prints, and takes what is typed when there is room', () => {
    let printed = ''
    const driver = new Driver(new VirtioConsole(bytes => { printed += text(bytes) })).start()
    driver.request(1, ascii('hello'), 0)
    expect(printed).toBe('hello')
    driver.outside('data', ascii('abcdef'))
    const places = [driver.add(0, [{ room: 4 }])[0]!, driver.add(0, [{ room: 4 }])[0]!]
    driver.notify(0)
    expect(driver.used(0).map(({ length }) => length)).toEqual([4, 2])
    expect(text(driver.ram.bytes.subarray(places[0]!.address - RAM, places[0]!.address - RAM + 4))).toBe('abcd')
    driver.add(0, [{ room: 4 }])
    driver.notify(0)
    driver.outside('data', ascii('g'))
    expect(driver.used(0)).toMatchObject([{ length: 1 }])
  })
})

describe('virtio-rng', () => {
  const stream = (seed: number): Uint8Array => new Driver(new VirtioEntropy(seed)).start().request(0, new Uint8Array(0), 64).answer
  test('the stream of a seed', () => {
    expect(stream(1)).toEqual(stream(1))
    expect(new Set([0, 1, 2, 2 ** 32, Number.MAX_SAFE_INTEGER].map(seed => stream(seed).join())).size).toBe(5)
  })
  test('bits are balanced', () => {
    const bytes = new Driver(new VirtioEntropy(5)).start().request(0, new Uint8Array(0), 4096).answer
    const ones = bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
    expect(Math.abs(ones - 4096 * 4)).toBeLessThan(400)
  })
})
