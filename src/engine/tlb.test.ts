import { describe, expect, it } from 'vitest'
import { HOT, TLB, layoutFor } from './layout.ts'
import { KIND, Tlb } from './tlb.ts'

const RAM_PA = 0x4000_0000
const layout = layoutFor(0x10_0000, 4)

function create(): { tlb: Tlb, hit: (context: number, part: number, vaHi: number, vaLo: number) => boolean, words: Int32Array } {
  const buffer = new ArrayBuffer(layout.bytes)
  const words = new Int32Array(buffer)
  const hit = (context: number, part: number, vaHi: number, vaLo: number): boolean => {
    const entries = part === TLB.FETCH ? TLB.FETCH_ENTRIES : TLB.DATA_ENTRIES
    const entry = (context + part) / 4 + ((vaLo >>> 12) & (entries - 1)) * 4
    return words[entry] === (vaLo & -4096) && words[entry + 1] === vaHi
  }
  return { tlb: new Tlb(buffer, layout, RAM_PA), hit, words }
}

const all = (): boolean => true

describe('contexts', () => {
  it('are empty at first and kept by key', () => {
    const { tlb, hit } = create()
    const a = tlb.context(7)
    expect(hit(a, TLB.READ, 0, 0)).toBe(false)
    tlb.fill(a, KIND.READ, 0, 0x5000, RAM_PA, 12, 0)
    expect(tlb.context(7)).toBe(a)
    expect(hit(a, TLB.READ, 0, 0x5000)).toBe(true)
    expect(hit(a, TLB.WRITE, 0, 0x5000)).toBe(false)
  })
  it('are recycled by age, but not while a PE has them selected', () => {
    const { tlb, words } = create()
    const first = tlb.context(0), second = tlb.context(1), third = tlb.context(2)
    tlb.select(first, first, first)
    words[0x1000 / 4 + HOT.DATA_TLB / 4] = second
    for (let key = 3; key < TLB.CONTEXTS - 1; key++) tlb.context(key)
    const recycled = tlb.context(1000)
    expect(recycled).toBe(third)
    expect(tlb.context(0)).toBe(first)
    expect(tlb.context(1)).toBe(second)
  })
})

describe('invalidation', () => {
  it('drops one page in the chosen contexts, whatever the tag byte', () => {
    const { tlb, hit } = create()
    const a = tlb.context(1), b = tlb.context(2)
    for (const c of [a, b]) tlb.fill(c, KIND.READ | KIND.WRITE, 0x5500_0000, 0x7000, RAM_PA, 12, 0)
    tlb.fill(a, KIND.READ, 0, 0x8000, RAM_PA, 12, 0)
    tlb.invalidatePage(key => key === 1, 0, 0x7000)
    expect([hit(a, TLB.READ, 0x5500_0000, 0x7000), hit(a, TLB.WRITE, 0x5500_0000, 0x7000), hit(b, TLB.READ, 0x5500_0000, 0x7000)]).toEqual([false, false, true])
    expect(hit(a, TLB.READ, 0, 0x8000)).toBe(true)
  })
  it.each([[16, 0x1_2000, 0x1_f000], [21, 0x40_0000, 0x5f_f000], [30, 0x4000_0000, 0x7fff_f000]])('drops all pages of a translation of 2^%d bytes', (shift, one, other) => {
    const { tlb, hit } = create()
    const c = tlb.context(1)
    tlb.fill(c, KIND.READ, 0, one, RAM_PA, shift, 0)
    tlb.fill(c, KIND.READ, 0, other, RAM_PA, shift, 0)
    tlb.fillFetch(c, 0, one, layout.recordPages, shift)
    tlb.fill(c, KIND.READ, 1, one - 0x1000, RAM_PA, 12, 0)
    tlb.invalidatePage(all, 0, other)
    expect([hit(c, TLB.READ, 0, one), hit(c, TLB.READ, 0, other), hit(c, TLB.FETCH, 0, one)]).toEqual([false, false, false])
    expect(hit(c, TLB.READ, 1, one - 0x1000)).toBe(true)
  })
  it('drops the write entries of a RAM page in every context', () => {
    const { tlb, hit } = create()
    const a = tlb.context(1), b = tlb.context(2)
    tlb.fill(a, KIND.READ | KIND.WRITE, -1, 0x7000, RAM_PA + 0x3000, 12, 0)
    tlb.fill(b, KIND.READ | KIND.WRITE, 0, 0x9000, RAM_PA + 0x3000, 12, 0)
    tlb.fill(b, KIND.READ | KIND.WRITE, 0, 0xa000, RAM_PA + 0x4000, 12, 0)
    tlb.dropWritesTo(layout.ramBase + 0x3000)
    expect([hit(a, TLB.WRITE, -1, 0x7000), hit(b, TLB.WRITE, 0, 0x9000), hit(b, TLB.WRITE, 0, 0xa000)]).toEqual([false, false, true])
    expect(hit(a, TLB.READ, -1, 0x7000)).toBe(true)
  })
})
