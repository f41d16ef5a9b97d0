/** `--depth`: the table, and the chart (SVG) of traps and cycles by depth. */
import { barChart } from '../../src/lab/bar-chart.ts'
import { BENCHMARKS } from '../../src/lab/benchmarks.ts'
import type { Benchmark } from '../../src/lab/benchmarks.ts'
import type { Depth } from './depth.ts'

const TITLES: Readonly<Record<Benchmark, string>> = { hypercall: 'Hypercall', deviceIo: 'Device I/O', virtualIpi: 'Virtual IPI', virtualEoi: 'Virtual EOI' }
const rounded = (value: number): string => value < 100 ? String(Math.round(value * 10) / 10) : String(Math.round(value))

/** One row of Markdown: for each benchmark the mean, in brackets the commonest number of traps of one operation, and the mean of cycles. */
export function depthRow({ depth, bare, summaries, instructions, traps, seconds }: Depth): string {
  const cells = BENCHMARKS.map(each => {
    const summary = summaries[each]
    return summary === undefined ? '' : `${rounded(summary.traps)} (${summary.typical?.traps.length ?? 0}); ${rounded(summary.cycles)}`
  })
  return `| ${bare ? '7 (bare)' : 'ours'} | ${depth} | ${cells.join(' | ')} | ${(instructions / 1e9).toFixed(2)} G | ${traps} | ${seconds.toFixed(0)} |\n`
}

export const DEPTH_HEADER = `| L0 | depth | ${BENCHMARKS.map(each => `${TITLES[each].toLowerCase()}: traps; cycles`).join(' | ')} | instructions | traps | CPU s |\n|---|---|${BENCHMARKS.map(() => '---|').join('')}---|---|---|\n`

/** Two charts in one file. */
export function depthChart(depths: readonly Depth[]): string {
  const chart = (what: 'traps' | 'cycles'): string => barChart({
    title: `${what === 'traps' ? 'Traps to EL2' : 'Modelled cycles'} of one operation by depth`, unit: 'logarithmic; mean', logarithmic: true, groups: BENCHMARKS.map(each => TITLES[each]),
    series: depths.map(({ depth, summaries }) => ({ name: depth === 1 ? 'depth 1: a VM of L0' : `depth ${depth}: below ${depth - 1} Linux`, values: BENCHMARKS.map(each => summaries[each]?.[what] ?? null) })),
  })
  const charts = [chart('traps'), chart('cycles')], sizes = charts.map(text => ['width', 'height'].map(name => Number(new RegExp(`^<svg [^>]*${name}="(\\d+)"`).exec(text)![1])))
  const width = Math.max(...sizes.map(([w]) => w!)), height = sizes.reduce((sum, [, h]) => sum + h!, 0)
  let y = 0
  const placed = charts.map((text, n) => {
    const at = y
    y += sizes[n]![1]!
    return text.replace('<svg ', `<svg y="${at}" `)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">\n${placed.join('')}</svg>\n`
}
