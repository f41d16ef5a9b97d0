import { describe, expect, test } from 'vitest'
import { Random } from './testing/random.ts'
import { decode } from './decode.ts'
import { encode } from './encode.ts'
import { fieldsOf, instruction, unimplemented } from './instruction.ts'
import { decodeOperands, factsOf, operandsOf } from './operands.ts'
import { ambiguities, GROUPS, overlap, ROWS, rowNamed, staticFields, strictStatics, VARIANTS, variantsOf } from './table.ts'

describe('table', () => {
  test('variants are numbered in order and belong to their rows', () => {
    VARIANTS.forEach((variant, i) => { expect(variant.index).toBe(i) })
    expect(ROWS.flatMap(variantsOf)).toEqual(VARIANTS)
  })

  test('conditions on static fields read only static fields', () => {
    for (const { row, statics } of VARIANTS) expect(row.valid(strictStatics(row, statics)), row.name).toBe(true)
  })

  test('every variant is reached by some word, in spite of more specific rows', () => {
    const r = new Random(1)
    for (const variant of VARIANTS) {
      const { row, statics } = variant
      const fixed = encode(row, statics), mask = staticFields(row).reduce((m, f) => m | ((2 ** f.width - 1) << f.lsb), row.mask)
      const reached = Array.from({ length: 400 }).some(() => decode(((r.bits() & ~mask) | fixed) >>> 0) === variant)
      expect(reached, `${row.name} ${JSON.stringify(statics)}`).toBe(true)
    }
  })

  test('the checks find what they look for', () => {
    const a = unimplemented('a', 'A', '1 x:30 0'), b = unimplemented('b', 'B', '1 x:29 0 y:1'), c = unimplemented('c', 'C', '0 x:30 1')
    expect(overlap(a, b)).toBe(true)
    expect(overlap(a, c)).toBe(false)
    expect(ambiguities([a, b, c])).toEqual([[a, b]])
    expect(() => instruction('short', '', '0101 Rd:5', {}, () => {})).toThrow('describes 9 bits')
    expect(() => instruction('twice', '', 'Rd:16 Rd:16', {}, () => {})).toThrow('twice')
    expect(() => rowNamed('FROB')).toThrow('FROB')
  })

  test('groups have the rows of the encoding index', () => {
    expect(Object.fromEntries(Object.entries(GROUPS).map(([name, rows]) => [name, rows.length]))).toMatchInlineSnapshot(`
      {
        "atomic": 31,
        "branch": 12,
        "crc32": 8,
        "crypto": 14,
        "dp-immediate": 17,
        "dp-register": 61,
        "exclusive": 22,
        "flags": 4,
        "fp-scalar": 53,
        "load-store": 71,
        "load-store-simd": 19,
        "load-store-structures": 150,
        "lrcpc": 12,
        "pauth": 48,
        "simd-fp": 132,
        "simd-indexed": 48,
        "simd-move": 60,
        "simd-permute": 15,
        "simd-shift-immediate": 127,
        "simd-three-different": 30,
        "simd-three-same": 73,
        "simd-two-register": 49,
        "system": 40,
      }
    `)
  })
})

describe('operands', () => {
  test('every body runs on every variant with declared fields and immediates', () => {
    for (const variant of VARIANTS) expect(() => factsOf(variant), variant.row.name).not.toThrow()
  })

  test('SIMD&FP registers are only used after the check that they may be', () => {
    for (const variant of VARIANTS) {
      if (variant.row.implemented && operandsOf(variant).some(o => o.mode === 'readQ' || o.mode === 'writeQ')) expect(factsOf(variant).fp, variant.row.name).toBe(true)
    }
  })

  test.each([
    ['STP (pre-index)', 0xa9bf7bfd, { 'readXSP Rn': 31, 'imm offset': -16, 'readX Rt': 29, 'readX Rt2': 30, 'writeXSP Rn': 31 }],
    ['ADD (immediate)', 0x91401420, { 'readXSP Rn': 1, 'imm imm': 0x5000, 'writeXSP Rd': 0 }],
    ['MOVN', 0x92800003, { 'imm imm': -1n, 'writeX Rd': 3 }],
    ['PACIASP', 0xd503233f, { 'readX X30': 30, 'readXSP SP': 31, 'writeX X30': 30 }],
    ['B', 0x17ffffff, { 'imm offset': -4 }],
  ])('slots of %s', (name, word, slots) => {
    const variant = decode(word)!
    expect(variant.row.name).toBe(name)
    const values = decodeOperands(variant, word)
    expect(Object.fromEntries(operandsOf(variant).map((o, i) => [`${o.mode} ${o.name}`, values[i]]))).toEqual(slots)
  })

  test('CASP has slots for the second registers', () => {
    const variant = decode(0x48207c82)!
    expect(variant.row.name).toBe('CASP')
    const values = decodeOperands(variant, 0x48207c82)
    expect(operandsOf(variant).map((o, i) => `${o.mode} ${values[i]}`)).toEqual(
      ['readXSP 4', 'readX 0', 'readX 1', 'readX 2', 'readX 3', 'writeX 0', 'writeX 1'])
  })
})

describe('encode', () => {
  test('is the inverse of fieldsOf for every row', () => {
    const r = new Random(2)
    for (const row of ROWS) {
      const word = ((r.bits() & ~row.mask) | row.value) >>> 0
      expect(encode(row, fieldsOf(row, word)), row.name).toBe(word)
    }
  })

  test('refuses fields that do not exist or do not fit', () => {
    expect(() => encode('RET', { Rd: 1 })).toThrow('no field Rd')
    expect(() => encode('RET', { Rn: 32 })).toThrow('does not fit')
  })
})
