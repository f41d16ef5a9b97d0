import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadGuests } from '../../src/cli/guest-images.ts'
import { BENCHMARKS } from '../../src/lab/benchmarks.ts'
import { measure, type Measurement } from '../../src/lab/experiment.ts'
import { configurationName, configurations, rowsOf, type Configuration, type PaperRow } from '../../src/lab/paper.ts'

const guests = loadGuests()
const known = new Map<string, Measurement>()
const measured = (configuration: Configuration): Measurement => {
  const name = configurationName(configuration)
  return known.get(name) ?? known.set(name, measure(configuration, guests)).get(name)!
}
const nested = (arch: Configuration['arch'], guest: 'nvhe' | 'vhe', paravirt: 'nv' | 'neve' | null = null): Configuration =>
  ({ arch, level: 'nested', guest, paravirt, gic: 2 })
const rows = (configuration: Configuration): Record<string, PaperRow> =>
  Object.fromEntries(rowsOf(configuration, measured(configuration), BENCHMARKS, true).map(row => [row.benchmark, row]))

describe('the gates of the paper, GICv2 on moonshot', { timeout: 120_000 }, () => {
  test.each([
    ['v8.3', 'nvhe', 126 * 0.9, 126 * 1.1], ['v8.3', 'vhe', 82 * 0.85, 82 * 1.15], ['neve', 'nvhe', 12, 18], ['neve', 'vhe', 12, 18],
  ] as const)('hypercall on %s, %s', (arch, guest, low, high) => {
    const { hypercall, virtualEoi } = rows(nested(arch, guest))
    expect(hypercall!.traps).toBeGreaterThanOrEqual(low)
    expect(hypercall!.traps).toBeLessThanOrEqual(high)
    expect(virtualEoi!.traps).toBe(0)
  })

  test.each([['v8.3', 'nvhe'], ['v8.3', 'vhe'], ['neve', 'nvhe'], ['neve', 'vhe'], ['v8.4', 'nvhe'], ['v8.4', 'vhe']] as const)('%s %s: --why lists exactly the traps that are counted, each with what L0 did', (arch, guest) => {
    for (const benchmark of ['hypercall', 'deviceIo'] as const) {
      const row = rows(nested(arch, guest))[benchmark]!
      expect(row.operations).toBe(64)
      expect(row.why).toHaveLength(row.traps!)
      for (const line of row.why!) {
        expect(line.action).not.toBe('taken by software at EL2')
        expect(line.symbol, `${line.pc} ${line.register}`).not.toBeNull()
      }
    }
  })

  test.each(['nvhe', 'vhe'] as const)('v8.0 paravirtual %s equals the hardware rows', guest => {
    for (const [form, arch] of [['nv', 'v8.3'], ['neve', 'neve']] as const) {
      const rewritten = rows(nested('v8.0', guest, form)), hardware = rows(nested(arch, guest))
      for (const benchmark of BENCHMARKS) expect(rewritten[benchmark]!.traps, `${benchmark} ${form}`).toBe(hardware[benchmark]!.traps)
      expect(measured(nested('v8.0', guest, form)).rewriting!.report!.left).toEqual([])
    }
  })

  test('the plain VM column is met within 5 %', () => {
    const [vm] = configurations({ gic: 2 })
    for (const row of Object.values(rows(vm!))) expect(Math.abs(row.cycles! / row.published!.cycles! - 1), row.benchmark).toBeLessThan(0.05)
  })
})

describe('what may enter the cost model', () => {
  test('the fitter and its data import no nested figure', () => {
    for (const file of ['fit.ts', 'data/single-level.ts']) expect(readFileSync(`src/lab/${file}`, 'utf8')).not.toMatch(/from '[^']*published/)
  })
})
