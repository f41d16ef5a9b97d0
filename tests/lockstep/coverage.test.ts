/** The generators alone, without QEMU: what a run of 100 programs of each family sets and clears. */
import { expect, test } from 'vitest'
import { profile } from '../../src/arch/features.ts'
import { Coverage } from './coverage.ts'
import { FAMILIES, generate } from './families/index.ts'

test('100 programs of each family set and clear every field of the registers with traps that v8.4 has', () => {
  const coverage = new Coverage(), { features } = profile('v8.4')
  for (const family of Object.keys(FAMILIES)) for (let seed = 0; seed < 100; seed++) coverage.program(generate(family, seed, { features, gicVersion: 3 }).controls)
  expect(coverage.report().unexplained).toEqual([])
}, 60_000)
