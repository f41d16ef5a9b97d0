import { describe, expect, test } from 'vitest'
import { addPAC, authenticate, computePAC, genericPAC, type PointerLayout, strip } from './pauth-algorithm.ts'

const key = { low: 0x0123_4567_89ab_cdefn, high: 0xfedc_ba98_7654_3210n }
const kernel: PointerLayout = { tbi: [true, false], bottom: [48, 48], twoRanges: true }
const hyp: PointerLayout = { tbi: [false, false], bottom: [39, 39], twoRanges: false }

const POINTERS: readonly (readonly [string, bigint, PointerLayout])[] = [
  ['lower range, TBI', 0x0000_aaaa_1234_5678n, kernel], ['lower range, tagged', 0x5a00_aaaa_1234_5678n, kernel],
  ['upper range', 0xffff_8000_1234_5678n, kernel], ['one range, 39 bits', 0x0000_0040_1234_5678n & 0x7f_ffff_ffffn, hyp],
]

describe('pointer authentication', () => {
  test.each(POINTERS)('a signed pointer authenticates: %s', (_, pointer, layout) => {
    const signed = addPAC(pointer, 99n, key, layout)
    expect(authenticate(signed, 99n, key, 0, layout)).toBe(pointer)
    expect(strip(signed, layout)).toBe(pointer)
  })

  test('the PAC stands between the address and bit 55, and in the top byte without TBI', () => {
    const lower = addPAC(0x5a00_aaaa_1234_5678n, 1n, key, kernel)
    expect(lower & 0xff80_ffff_ffff_ffffn).toBe(0x5a00_aaaa_1234_5678n)
    const upper = addPAC(0xffff_8000_1234_5678n, 1n, key, kernel)
    expect(upper & 0x0080_ffff_ffff_ffffn).toBe(0x0080_8000_1234_5678n)
  })

  test.each([
    ['key A, no TBI: bits 62:61 are 01', 0xffff_8000_1234_5678n, 0, 0xbfff_8000_1234_5678n],
    ['key B, no TBI: bits 62:61 are 10', 0xffff_8000_1234_5678n, 1, 0xdfff_8000_1234_5678n],
    ['key A, TBI: bits 54:53 are 01', 0x5a00_aaaa_1234_5678n, 0, 0x5a20_aaaa_1234_5678n],
    ['key B, TBI: bits 54:53 are 10', 0x5a00_aaaa_1234_5678n, 1, 0x5a40_aaaa_1234_5678n],
  ] as const)('a wrong PAC leaves an error code: %s', (_, pointer, keyNumber, result) => {
    const bad = addPAC(pointer, 1n, key, kernel) ^ (1n << 50n)
    // Of the error code's two bits, the pseudocode replaces both.
    expect(authenticate(bad, 1n, key, keyNumber, kernel)).toBe(result)
  })

  test('a pointer that was not canonical does not authenticate', () => {
    const signed = addPAC(0x0012_aaaa_1234_5678n, 1n, key, kernel)
    expect(authenticate(signed, 1n, key, 0, kernel)).toBe(0x0020_aaaa_1234_5678n)
  })

  test('hash and generic code depend on every input', () => {
    const base = computePAC(1n, 2n, key)
    for (const other of [computePAC(3n, 2n, key), computePAC(1n, 3n, key), computePAC(1n, 2n, { ...key, low: 0n }), computePAC(1n, 2n, { ...key, high: 0n })]) expect(other).not.toBe(base)
    expect(genericPAC(1n, 2n, key) & 0xffff_ffffn).toBe(0n)
    expect(genericPAC(1n, 2n, key) >> 32n).toBe(base >> 32n)
  })
})
