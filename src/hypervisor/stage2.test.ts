import { describe, expect, test } from 'vitest'
import { FakeMemory, RAM, RESERVED } from './fake-host.test-support.ts'
import { PAGE, PageAllocator } from './page-allocator.ts'
import { NORMAL_RWX, Stage2Table } from './stage2.ts'

const setUp = (size = RESERVED.size) => {
  const memory = new FakeMemory(), pages = new PageAllocator(memory, { base: RESERVED.base, size })
  return { memory, pages, table: new Stage2Table(memory, pages) }
}

describe('stage 2 tables', () => {
  test.each([[12, 0x4123_4000], [21, 0x4120_0000], [30, 0x4000_0000]] as const)('a leaf of 2^%i bytes translates its whole range', (shift, pa) => {
    const { table } = setUp(), ipa = 5 * 2 ** 30
    expect(table.map(ipa, pa, shift, NORMAL_RWX)).toBe('mapped')
    expect(table.lookup(ipa + 2 ** shift - 1)?.shift).toBe(shift)
    expect(Number(table.lookup(ipa)!.descriptor & 0xffff_ffff_f000n)).toBe(pa)
    expect(table.lookup(ipa + 2 ** shift)).toBeUndefined()
  })

  test('IPAs above 512 GiB are in the second concatenated table', () => {
    const { table, memory } = setUp(), ipa = 600 * 2 ** 30
    table.map(ipa, RAM, 30, NORMAL_RWX)
    expect(memory.read64(table.root + 8 * 600)! & 1n).toBe(1n)
    expect(table.map(2 ** 40, RAM, 12, NORMAL_RWX)).toBeUndefined()
  })

  test('a page takes the place of the block around it, and a block that of pages, and says that something went', () => {
    const { table } = setUp()
    table.map(0x4000_0000, 0x4020_0000, 21, NORMAL_RWX)
    expect(table.map(0x4000_3000, 0x4100_0000, 12, NORMAL_RWX)).toBe('replaced')
    expect(table.lookup(0x4000_0000)).toBeUndefined()
    expect(table.map(0x4000_0000, 0x4020_0000, 21, NORMAL_RWX)).toBe('replaced')
    expect(table.lookup(0x4000_3000)?.shift).toBe(21)
    expect(table.map(0x4000_0000, 0x4020_0000, 21, NORMAL_RWX)).toBe('mapped')
  })

  test('unmapping takes whole blocks, gives tables back, and knows when there was nothing', () => {
    const { table, pages } = setUp(), before = pages.available
    table.map(0x4000_0000, RAM, 12, NORMAL_RWX)
    table.map(0x4020_0000, RAM, 21, NORMAL_RWX)
    expect(table.unmap(0x4030_0000, 0x4030_1000)).toBe(true)
    expect(table.lookup(0x4020_0000)).toBeUndefined()
    expect(table.unmap(0x5000_0000, 0x6000_0000)).toBe(false)
    expect(table.unmap(0, 2 ** 40)).toBe(true)
    table.clear()
    expect(pages.available).toBe(before)
  })

  test('running out of pages is an answer, not a crash', () => {
    const { table } = setUp(4 * PAGE)
    expect(table.map(0x4000_0000, RAM, 12, NORMAL_RWX)).toBe('mapped')
    expect(table.map(0x8000_0000, RAM, 12, NORMAL_RWX)).toBeUndefined()
    table.clear()
    expect(table.map(0x8000_0000, RAM, 12, NORMAL_RWX)).toBe('mapped')
  })
})
