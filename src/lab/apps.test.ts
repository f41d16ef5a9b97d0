import { expect, test } from 'vitest'
import type { TraceEvent } from '../trace/event.ts'
import { appConfigurationName, appConfigurations, appRows, LoadTimer } from './apps.ts'
import { barChart } from './bar-chart.ts'

const marker = (value: number): TraceEvent => ({ kind: 'marker', pe: 0, value, cycles: 0, instructions: 0 })
const exception = (to: 1 | 2): TraceEvent => ({ kind: 'exception', pe: 1, type: 'sync', from: 1, to, pc: 0n, syndrome: 0, far: 0n, pstate: 5, instructions: 0 })

test('a load lasts from its first mark to its second; traps of every PE count, exceptions to EL1 do not', () => {
  const timer = new LoadTimer()
  for (const [cycles, event] of [[5, exception(2)], [10, marker(0x1001)], [20, exception(2)], [30, exception(1)], [110, marker(0x1002)], [200, marker(0x1101)], [201, marker(0x101)], [250, marker(0x1102)], [300, marker(0x1001)], [420, marker(0x1002)]] as const) timer.sink(event, cycles)
  expect(timer.results).toEqual([{ app: 'hackbench', cycles: 110, traps: 1, runs: 2, fastest: 100, slowest: 120, exits: [] }, { app: 'kernbench', cycles: 50, traps: 0, runs: 1, fastest: 50, slowest: 50, exits: [] }])
})

test('native and VM are always measured; rows are relative to native', () => {
  const configurations = appConfigurations({ arch: ['v8.4'], guest: 'vhe', gic: 2 })
  expect(configurations.map(appConfigurationName)).toEqual(['native', 'VM', 'v8.4 nested, VHE'])
  const rows = appRows(configurations.map((configuration, i) => ({ configuration, measurement: { printed: [], instructions: 0, results: [{ app: 'hackbench', cycles: [1000, 1100, 3000][i]!, traps: i, runs: 1, fastest: 0, slowest: 0, exits: [] }] } })))
  expect(rows.map(({ overhead }) => overhead)).toEqual([1, 1.1, 3])
})

test('the chart is well-formed, with a bar for each value at its height', () => {
  const svg = barChart({ title: 'a < b', unit: 'x', groups: ['one', 'two'], series: [{ name: 'first', values: [1, 2] }, { name: 'second', values: [4, null] }], notes: ['note & more'] })
  expect(svg).toMatch(/^<svg [^>]*>[\s\S]*<\/svg>\n$/)
  expect(svg).toContain('a &lt; b')
  expect(svg).toContain('note &amp; more')
  const heights = [...svg.matchAll(/height="([\d.]+)" fill="#(?:666666|9ecae1)"><title>/g)].map(match => Number(match[1]))
  expect(heights).toEqual([65, 260, 130])
  for (const tag of ['text', 'title']) expect(svg.split(`<${tag}`).length).toBe(svg.split(`</${tag}>`).length)
})
