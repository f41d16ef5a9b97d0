/** Exits as text, in the shape of `perf kvm stat report`. */
import type { Level } from '../trace/event.ts'
import type { ExitRow, ExitStatistics } from '../trace/exit-statistics.ts'
import { NO_VM } from '../trace/timeline.ts'
import { formatTable, grouped } from './table.ts'

export const GROUPINGS = ['level', 'vm', 'vcpu'] as const
export type Grouping = (typeof GROUPINGS)[number]
/** What a row of a table is: a register with its direction, an address, an instruction; or the exception class. */
export const ROWS = ['reason', 'class'] as const
export type RowKind = (typeof ROWS)[number]

const LEVELS: readonly Level[] = ['machine', 'vm', 'vEL2', 'L1', 'L2', 'L3']
const LEVEL_TEXT: Readonly<Record<Level, string>> = {
  machine: 'below software at EL2 of the machine', L0: 'L0', vm: 'VM without EL2', vEL2: 'guest hypervisor at virtual EL2', L1: 'L1\'s kernel and processes', L2: 'nested VM', L3: 'VM of a nested VM',
}

const groupOf = ({ level, vm, vcpu }: ExitRow, by: Grouping): string => {
  const where = vm === NO_VM ? `CPU ${vcpu}` : `VM ${vm}, vCPU ${vcpu}`
  return by === 'level' ? level : by === 'vm' ? `${level}, ${vm === NO_VM ? 'machine' : `VM ${vm}`}` : `${level}, ${where}`
}
const percent = (part: number, whole: number): string => whole === 0 ? '' : `${(part / whole * 100).toFixed(2)}%`

export interface TableOptions {
  readonly by: Grouping
  readonly rows?: RowKind | undefined
  /** Name of the cost model of the run. */
  readonly costs: string
  /** Levels to show; all if undefined. */
  readonly levels?: readonly Level[] | undefined
  readonly vcpu?: number | undefined
  /** Most rows of each table. */
  readonly top?: number | undefined
}

/** One table per group: commonest exits first. */
export function exitTables(statistics: ExitStatistics, { by, rows: kind = 'reason', costs, levels, vcpu, top = Infinity }: TableOptions): string {
  const rows = statistics.rowsBy(row => `${groupOf(row, by)} ${kind === 'class' ? '' : row.reason} ${row.class}${vcpu === undefined ? '' : ` ${row.vcpu}`}`)
    .filter(row => (levels === undefined || levels.includes(row.level)) && (vcpu === undefined || row.vcpu === vcpu))
  if (rows.length === 0) return 'no exits to EL2'
  const groups = [...new Set(rows.map(row => groupOf(row, by)))].sort((a, b) => LEVELS.indexOf(a.split(',')[0] as Level) - LEVELS.indexOf(b.split(',')[0] as Level) || (a < b ? -1 : 1))
  const sum = (of: readonly ExitRow[], field: 'count' | 'cycles' | 'hostMs'): number => of.reduce((total, row) => total + row[field], 0)
  const tables = groups.map(group => {
    const own = rows.filter(row => groupOf(row, by) === group), count = sum(own, 'count'), cycles = sum(own, 'cycles')
    const lines = own.slice(0, top).map(row => [
      ...(kind === 'class' ? [] : [row.reason]), row.class, grouped(row.count), percent(row.count, count), percent(row.cycles, cycles), grouped(row.min), grouped(row.max), grouped(row.cycles / row.count),
      row.resumed === 0 ? '' : grouped(row.resumedCycles / row.resumed), row.hostMs.toFixed(1),
    ])
    const left = own.length - lines.length
    return [
      `${group} (${LEVEL_TEXT[own[0]!.level]}): ${grouped(count)} exits, ${grouped(cycles)} cycles in the host hypervisor, ${sum(own, 'hostMs').toFixed(1)} ms of host time`, '',
      formatTable([...(kind === 'class' ? [] : ['exit']), 'class', 'samples', 'samples%', 'time%', 'min', 'max', 'avg', 'until resumed', 'host ms'], lines, [...(kind === 'class' ? [] : ['left' as const]), 'left', ...Array.from({ length: 8 }, () => 'right' as const)]),
      ...(left > 0 ? [`... and ${left} more`] : []),
    ].join('\n')
  })
  return [
    ...tables.map(table => `${table}\n`),
    `min, max, avg: cycles (cost model ${costs}) from the exception to the return from EL2. until resumed: cycles, on average, until the same level ran`,
    'again, the guest hypervisor\'s work and sleep included.',
  ].join('\n')
}

/** For scripts: every VM, vCPU, level and reason. */
export const exitReport = (statistics: ExitStatistics) => statistics.rows().map(({ min, ...row }) => ({ ...row, min: Number.isFinite(min) ? min : 0, hostMs: Math.round(row.hostMs * 1000) / 1000 }))
