import { describe, expect, test } from 'vitest'
import { findKallsyms } from './kallsyms.ts'

const COUNT = 700, START = 0x4000
/** Every third symbol has another one at its place. */
const symbols = Array.from({ length: COUNT }, (_, i) => ({ name: `T${i % 50 === 7 ? 'vcpu_long_'.repeat(16) : 'kvm_vcpu_'}${i}`, offset: i === 0 ? 0 : 16 * (i - (i % 3 === 0 ? 1 : 0)) }))

/** The tables of `layout` at START of an Image, written from the description of the format. */
function image(layout: 'offsets first' | 'sequence numbers' | 'offsets last' | 'relative to their places'): Uint8Array {
  const out: number[] = []
  const align = (to: number): void => { while (out.length % to !== 0) out.push(0) }
  const u16 = (value: number): void => { out.push(value & 0xff, value >>> 8) }
  const u32 = (value: number): void => { out.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24) }
  const offsets = (): void => {
    align(8)
    for (const { offset } of symbols) u32(layout === 'relative to their places' ? offset - (START + out.length) : offset)
    align(8)
  }
  const relativeBase = (): void => { for (let i = 0; i < 2; i++) u32(0) }
  // Characters are their own tokens, and two others are abbreviations.
  const tokens = Array.from({ length: 256 }, (_, i) => i === 1 ? 'kvm_' : i === 2 ? 'vcpu_' : String.fromCharCode(i >= 0x20 && i < 0x7f ? i : 0x7e))
  const encode = (name: string): number[] => [...name.replaceAll('kvm_', '\x01').replaceAll('vcpu_', '\x02')].map(character => character.charCodeAt(0))
  if (layout === 'offsets first') {
    offsets()
    relativeBase()
  }
  u32(COUNT)
  align(8)
  const names = out.length, markers: number[] = []
  symbols.forEach(({ name }, i) => {
    if (i % 256 === 0) markers.push(out.length - names)
    const bytes = encode(name.replaceAll('vcpu_long_', 'Vcpu-long-'))
    if (bytes.length > 127) out.push(0x80 | (bytes.length & 0x7f), bytes.length >>> 7)
    else out.push(bytes.length)
    out.push(...bytes)
  })
  align(8)
  markers.forEach(u32)
  align(8)
  if (layout === 'sequence numbers') for (let i = 0; i < COUNT; i++) out.push(0, (i * 7) & 0xff, i & 0xff)
  align(8)
  const index: number[] = [], table = out.length
  for (const token of tokens) {
    index.push(out.length - table)
    out.push(...[...token].map(character => character.charCodeAt(0)), 0)
  }
  align(8)
  index.forEach(u16)
  if (layout === 'sequence numbers') return withTables(out, symbols.map(({ offset }) => offset))
  if (layout !== 'offsets first') {
    offsets()
    relativeBase()
  }
  return withTables(out)
}

function withTables(tables: readonly number[], before: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(START + tables.length + 64), view = new DataView(bytes.buffer)
  bytes.set(tables, START)
  // The first layout, with sequence numbers: offsets and the address they are relative to stand right before the count.
  before.forEach((offset, i) => { view.setUint32(START - 8 - 4 * before.length + 4 * i, offset, true) })
  return bytes
}

const nameOf = (i: number): string => symbols[i]!.name.slice(1).replaceAll('vcpu_long_', 'Vcpu-long-')

describe.each(['offsets first', 'sequence numbers', 'offsets last', 'relative to their places'] as const)('%s', layout => {
  test('every symbol, by every byte that it covers', () => {
    const found = findKallsyms(image(layout))!
    expect(found.count).toBe(COUNT)
    expect(found.at(0)).toEqual({ name: nameOf(0), offset: 0 })
    for (let i = 1; i < COUNT - 2; i++) {
      // Of two at one place the first.
      const first = i % 3 === 0 ? i - 1 : i
      if (i % 3 === 2 && i + 1 < COUNT) expect(found.at(16 * i + 31)).toEqual({ name: nameOf(i), offset: 16 * i })
      expect(found.at(symbols[i]!.offset)).toEqual({ name: nameOf(first), offset: symbols[i]!.offset })
    }
    expect(found.at(16 * COUNT + 64)).toBeUndefined()
    expect([0, 300, COUNT - 1].map(i => found.has(nameOf(i)))).toEqual([true, true, true])
    expect(found.has(nameOf(0).slice(1))).toBe(false)
  })

  test('damage is noticed or gives other names, and nothing throws', () => {
    const whole = image(layout)
    for (let at = START; at < whole.length; at += 97) {
      const found = findKallsyms(Uint8Array.from(whole, (byte, i) => i === at ? byte ^ 0xff : byte))
      for (const offset of [0, 160, 5000]) found?.at(offset)
    }
  })
})

test('an Image without', () => {
  expect(findKallsyms(new Uint8Array(1 << 16))).toBeUndefined()
})
