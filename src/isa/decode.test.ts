import { describe, expect, test } from 'vitest'
import { profile, type Feature, type ProfileName } from '../arch/features.ts'
import { createDecoder, decode } from './decode.ts'

const nameIn = (name: ProfileName, word: number, hide: readonly Feature[] = []): string | undefined => createDecoder(profile(name, hide).features).decode(word)?.row.name

describe('decode', () => {
  test.each([
    [0xd65f03c0, 'RET'],
    [0xaa0103e0, 'ORR (shifted register), LSL #0'],
    [0xaa0107e0, 'ORR (shifted register)'],
    [0xd503201f, 'NOP'],
    [0xd5032fdf, 'HINT, marker'],
    [0xd503205f, 'WFE'],
    [0xd5033fdf, 'ISB'],
    [0x00000000, 'UDF'],
    [0x4e083c00, 'UMOV, D'],
    [0x1e202820, 'FADD (scalar)'],
  ])('%#x', (word, name) => { expect(decode(word)?.row.name).toBe(name) })

  test.each([
    ['32-bit shift by 32', 0x4b018020],
    ['logical immediate of all ones', 0x9240fc20],
    ['MOVZ of a 32-bit register, LSL #32', 0x52c00000],
    ['extend by 5', 0x8b201400],
    ['CASP with an odd register', 0x48217c82],
    ['unallocated', 0x02000000],
    ['SVE', 0x25208000],
  ])('UNDEFINED: %s', (_, word) => { expect(decode(word)).toBeUndefined() })

  test.each([
    ['LSE', 'v8.0', 'v8.1', 0xb8200041, 'LDADD'],
    ['PAuth', 'v8.1', 'v8.3', 0xdac10041, 'PACIA'],
    ['LRCPC', 'v8.1', 'v8.3', 0xf8bfc041, 'LDAPR'],
    ['LRCPC2', 'v8.3', 'v8.4', 0xd9400041, 'LDAPUR'],
    ['FlagM', 'v8.3', 'v8.4', 0xd500401f, 'CFINV'],
    ['PAN', 'v8.0', 'v8.1', 0xd500419f, 'MSR (immediate), PAN'],
    ['UAO', 'v8.1', 'v8.3', 0xd500417f, 'MSR (immediate), UAO'],
  ] as const)('%s is UNDEFINED in %s and exists in %s', (_, without, withIt, word, name) => {
    expect(nameIn(without, word)).toBeUndefined()
    expect(nameIn(withIt, word)).toBe(name)
  })

  test('pointer authentication in the hint space is a NOP without the feature', () => {
    expect(nameIn('v8.1', 0xd503233f)).toBe('HINT')
    expect(nameIn('v8.4', 0xd503233f)).toBe('PACIASP')
    expect(nameIn('v8.4', 0xd503233f, ['FEAT_PAuth'])).toBe('HINT')
  })
})
