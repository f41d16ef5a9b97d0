/** Same inputs, same trace hash (design D9). Every configuration of the paper with NIDUS_ALL=1, as CI runs it; a sample otherwise. */
import { describe, expect, test } from 'vitest'
import { loadGuests } from '../../src/cli/guest-images.ts'
import { measure } from '../../src/lab/experiment.ts'
import { configurationName, configurations } from '../../src/lab/paper.ts'

const guests = loadGuests()
const all = ([2, 3] as const).flatMap(gic => configurations({ gic }))
const chosen = process.env['NIDUS_ALL'] === '1' ? all : all.filter(({ arch, level, guest }) => level === 'vm' || (arch === 'neve' && guest === 'vhe'))

describe('two runs are the same run', { timeout: 120_000 }, () => {
  test.each(chosen.map(configuration => [configurationName(configuration), configuration] as const))('%s', (_, configuration) => {
    const [first, second] = [measure(configuration, guests, { hash: true }), measure(configuration, guests, { hash: true })]
    expect(first.traceHash).toMatch(/^[0-9a-f]{16}$/)
    expect(second.traceHash).toBe(first.traceHash)
    for (const benchmark of ['hypercall', 'virtualIpi'] as const) {
      expect(second.summary(benchmark)!.cycles).toBe(first.summary(benchmark)!.cycles)
    }
  })

  test('different work has a different hash', () => {
    const hashes = all.slice(0, 3).map(configuration => measure(configuration, guests, { hash: true }).traceHash)
    expect(new Set(hashes).size).toBe(3)
  })
})
