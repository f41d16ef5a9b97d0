import { describe, expect, test } from 'vitest'
import { refuseTables } from './el2-tables.ts'

/** 39-bit VA: levels 1 to 3. */
const TCR = 25n
const LEAF = 0x743n // valid page, AF, inner shareable, AP[1]

function tables(leaf: bigint): (ipa: number) => bigint | undefined {
  const memory = new Map<number, bigint>([[0x1000 + 8 * 1, 0x2003n], [0x2000 + 8 * 2, 0x3003n], [0x3000 + 8 * 3, leaf]])
  return ipa => memory.get(ipa) ?? (ipa < 0x10_0000 ? 0n : undefined)
}

describe('EL2 tables at EL1 without NV1', () => {
  const va = (1n << 30n) | (2n << 21n) | (3n << 12n)
  test.each([
    ['read-only text', LEAF | (1n << 7n), undefined],
    ['data, never executed', LEAF | (1n << 54n), undefined],
    ['writable and executable', LEAF, `map 0x${va.toString(16)} both writable and executable`],
    ['bit 53', LEAF | (1n << 7n) | (1n << 53n), 'PXN at EL1'],
    ['invalid', 0n, undefined],
  ])('%s', (_, leaf, expected) => {
    const refusal = refuseTables(tables(leaf), 0x1000n, TCR)
    if (expected === undefined) expect(refusal).toBeUndefined()
    else expect(refusal).toContain(expected)
  })

  test('tables that point at themselves end, tables outside memory are skipped, other granules are refused', () => {
    const loop = (ipa: number): bigint | undefined => (ipa % 8 === 0 ? 0x1003n : undefined)
    expect(refuseTables(loop, 0x1000n, TCR)).toBeDefined()
    expect(refuseTables(() => undefined, 0x1000n, TCR)).toBeUndefined()
    expect(refuseTables(() => 0n, 0x1000n, TCR | (1n << 14n))).toContain('granule')
  })
})
