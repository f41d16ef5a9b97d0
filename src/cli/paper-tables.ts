/** The rows of `nidus paper` as text: one table of traps, one of cycles, and the list of `--why`. */
import { BENCHMARKS, type Benchmark } from '../lab/benchmarks.ts'
import type { PaperRow } from '../lab/paper.ts'
import { formatTable, grouped } from './table.ts'

const TITLES: Readonly<Record<Benchmark, string>> = { hypercall: 'Hypercall', deviceIo: 'Device I/O', virtualIpi: 'Virtual IPI', virtualEoi: 'Virtual EOI' }

function columnName({ arch, level, guest, paravirt, method }: PaperRow): string {
  if (arch === 'x86') return `x86 ${level === 'vm' ? 'VM' : 'nested'}`
  if (level === 'vm') return 'VM'
  return `${arch}${method === 'paravirtual' ? ` paravirtual ${paravirt}` : ''} nested, ${guest === 'nvhe' ? 'nVHE' : 'VHE'}`
}

const deviation = (measured: number, published: number): string => {
  const percent = (measured / published - 1) * 100
  return `${percent >= 0 ? '+' : ''}${percent.toFixed(1)} %`
}
/** Published figures that are recalled and not read carry a mark. */
const publishedText = (value: number, row: PaperRow): string => `${grouped(value)}${row.published?.provenance === 'recalled' ? '*' : ''}`
const number = (value: number): string => Number.isInteger(value) ? grouped(value) : value.toFixed(2)

export function paperTables(rows: readonly PaperRow[], costModel: string): string {
  const sections = BENCHMARKS.filter(benchmark => rows.some(row => row.benchmark === benchmark)).map(benchmark => {
    const own = rows.filter(row => row.benchmark === benchmark)
    const vm = own.find(row => row.level === 'vm' && row.arch !== 'x86')?.cycles ?? null
    const vmPublished = own.find(row => row.level === 'vm' && row.arch !== 'x86')?.published?.cycles ?? null
    const x86Vm = own.find(row => row.level === 'vm' && row.arch === 'x86')?.published?.cycles ?? null
    const lines = own.map(row => {
      const base = row.arch === 'x86' ? x86Vm : vmPublished
      const { traps, cycles } = row.published ?? { traps: null, cycles: null }
      return [
        columnName(row),
        row.traps === null ? '' : number(row.traps), traps === null ? '' : publishedText(traps, row),
        row.traps === null || traps === null || traps === 0 ? '' : deviation(row.traps, traps),
        row.cycles === null ? '' : grouped(row.cycles), row.cycles === null || vm === null ? '' : `${(row.cycles / vm).toFixed(1)}x`,
        cycles === null ? '' : publishedText(cycles, row), cycles === null || base === null ? '' : `${(cycles / base).toFixed(1)}x`,
        row.cycles === null || cycles === null ? '' : deviation(row.cycles, cycles),
      ]
    })
    const header = [TITLES[benchmark], 'traps', 'published', 'deviation', 'cycles', 'to VM', 'published', 'to VM', 'deviation']
    return formatTable(header, lines, ['left', ...Array.from({ length: 8 }, () => 'right' as const)])
  })
  return [
    'Traps to the host hypervisor per operation (counted) and cycles per operation (modelled), beside NEVE (SOSP 2017) Tables 1, 6 and 7.', '',
    sections.join('\n\n'), '',
    `Cycles: cost model ${costModel}, fitted to single-level figures; nested cycles are predictions.  * recalled, not read (docs/paper.md).`,
  ].join('\n')
}

export function whyTable(row: PaperRow, configuration: string): string {
  const why = row.why ?? []
  const lines = why.map((line, i) => [String(i + 1), `EL${line.el}`, line.pc, line.symbol ?? '', line.register, line.direction ?? '', line.action])
  return [
    `One ${TITLES[row.benchmark].toLowerCase()} on ${configuration}: ${why.length} traps to the host hypervisor, in order (mean of ${row.operations ?? 0} operations: ${row.traps === null ? 'none' : number(row.traps)}).`, '',
    formatTable(['#', 'EL', 'PC', 'symbol', 'register or event', 'access', 'what L0 did'], lines, ['right']),
  ].join('\n')
}
