/**
 * Drivers that break the rules: any registers, descriptors, rings and addresses. No device throws, reaches outside RAM or works without end, and
 * each works after a reset. NIDUS_DEVICE_CASES: number of generated drivers.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { VirtioBlock } from '../../src/devices/virtio/block.ts'
import { VirtioConsole } from '../../src/devices/virtio/console.ts'
import { Driver, RAM, REGISTER } from '../../src/devices/virtio/driver.test-support.ts'
import { VirtioEntropy } from '../../src/devices/virtio/entropy.ts'
import type { VirtioModel } from '../../src/devices/virtio/model.ts'
import { VirtioShare } from '../../src/devices/virtio/share.ts'
import type { BlockBacking, ShareFiles } from '../../src/devices/index.ts'

const CASES = Number(process.env['NIDUS_DEVICE_CASES'] ?? process.env['NIDUS_FUZZ'] ?? 400)
const SIZE = 8
const DISK = 64 * 512
const FEATURES = [28, 29]

const disk: BlockBacking = {
  size: DISK, readOnly: false,
  read: (offset, into) => {
    expect(offset >= 0 && offset + into.length <= DISK).toBe(true)
    return true
  },
  write: (offset, from) => {
    expect(offset >= 0 && offset + from.length <= DISK).toBe(true)
    return true
  },
  flush: () => true,
}
const EPERM = 1
const files: ShareFiles = {
  readOnly: true, attributes: () => EPERM, change: () => EPERM, open: () => EPERM, create: () => EPERM, list: () => EPERM, makeFolder: () => EPERM, makeLink: () => EPERM, makeHardLink: () => EPERM,
  readLink: () => EPERM, rename: () => EPERM, remove: () => EPERM, status: () => EPERM,
}
export const MODELS: readonly (() => VirtioModel)[] = [
  () => new VirtioBlock({ backing: disk }), () => new VirtioConsole(() => {}), () => new VirtioEntropy(1), () => new VirtioShare('tag', files),
]

/** Mostly in RAM and near the rings, so that structures lie over each other. */
const address = fc.oneof(
  { weight: 4, arbitrary: fc.nat(0x8000).map(offset => RAM + offset) }, { weight: 2, arbitrary: fc.nat(0xf_ffff).map(offset => RAM + offset) },
  { weight: 1, arbitrary: fc.constantFrom(0, RAM - 1, RAM + 0xf_ffff, RAM + 0x10_0000, 0xffff_ffff, 2 ** 52, Number.MAX_SAFE_INTEGER) },
)
const length = fc.oneof(fc.nat(64), fc.constantFrom(0, 1, 16, 512, 513, 4096, 0x8000, 0xf_ffff, 0x7fff_ffff, 0xffff_ffff))
const u16 = fc.oneof(fc.nat(SIZE), fc.nat(0xffff))
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('descriptor' as const), queue: fc.nat(1), index: fc.nat(SIZE - 1), address, length, flags: fc.nat(7), next: u16 }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer' as const), queue: fc.nat(1), head: u16 }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('good' as const), queue: fc.nat(1), bytes: fc.uint8Array({ maxLength: 40 }), room: fc.nat(600) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('index' as const), queue: fc.nat(1), value: u16 }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('bytes' as const), address: fc.nat(0x8000), bytes: fc.uint8Array({ minLength: 1, maxLength: 32 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('register' as const), offset: fc.oneof(fc.constantFrom(...Object.values(REGISTER)), fc.nat(0x1ff)), size: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const), value: fc.oneof(fc.nat(16), fc.nat(0xff), address.map(at => at % 2 ** 32)) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('notify' as const), queue: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('outside' as const), bytes: fc.uint8Array({ maxLength: 100 }) }) },
)

test('generated drivers', { timeout: 600_000 }, () => {
  fc.assert(fc.property(fc.nat(MODELS.length - 1), fc.subarray(FEATURES), fc.array(step, { minLength: 4, maxLength: 40, size: 'max' }), (kind, features, steps) => {
    const driver = new Driver(MODELS[kind]!()).start({ size: SIZE, features }), queues = driver.rings.length
    for (const each of steps) {
      switch (each.kind) {
        case 'descriptor': driver.descriptor(each.queue % queues, each.index, each.address, each.length, each.flags, each.next); break
        case 'offer': driver.offer(each.queue % queues, each.head); break
        case 'good': driver.add(each.queue % queues, [{ bytes: each.bytes }, { room: each.room }]); break
        case 'index': driver.ram.view.setUint16(driver.rings[each.queue % queues]!.available - RAM + 2, each.value, true); break
        case 'bytes': driver.ram.bytes.set(each.bytes, each.address); break
        case 'register': {
          const read = driver.mmio.read(each.offset & ~(each.size - 1), each.size)
          expect(Number.isSafeInteger(read) && read >= 0).toBe(true)
          driver.mmio.write(each.offset & ~(each.size - 1), each.size, each.value % 2 ** (8 * Math.min(each.size, 6)))
          break
        }
        case 'notify': driver.notify(each.queue); break
        case 'outside': driver.outside('data', each.bytes)
      }
      if (driver.needsReset) expect(driver.mmio.device.queues.every(queue => !queue.ready)).toBe(true)
    }
    // Saving and restoring any state it can get into.
    const copy = new Driver(MODELS[kind]!())
    copy.mmio.restore(JSON.parse(JSON.stringify(driver.mmio.save())))
    expect(copy.mmio.save()).toEqual(driver.mmio.save())
    driver.start({ size: SIZE })
    expect(driver.read(REGISTER.status)).toBe(15)
    const last = driver.model.queueSizes.length - 1
    driver.request(last, new Uint8Array(16), 600)
    // A request of zeros is none of 9p's.
    expect(driver.needsReset).toBe(kind === 3)
    if (kind !== 3) expect(driver.rings[last]!.seen + driver.used(last).length).toBeGreaterThan(0)
  }), { numRuns: CASES })
})
