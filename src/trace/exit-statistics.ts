/** Exits by VM, vCPU, level and reason: how many, how long L0 worked on them, and how long until the level went on. `nidus stat`. */
import type { TraceSink } from './event.ts'
import { classOf, reasonOf, Timeline } from './timeline.ts'
import type { Handled, Listener } from './timeline.ts'

export interface ExitRow {
  readonly vm: number
  readonly vcpu: number
  readonly level: Handled['place']['level']
  readonly reason: string
  /** Exception class, as perf's kvm tools for arm64 call them: SYS64, HVC64, ERET, DABT_LOW, IRQ. */
  readonly class: string
  count: number
  /** Modelled cycles of L0 from the exception to the return or to sleep. */
  cycles: number
  min: number
  max: number
  /** Milliseconds of the host, where a clock was given. */
  hostMs: number
  /** Exits after which the level has run again, and the cycles until then: L1's work and sleep included. */
  resumed: number
  resumedCycles: number
}

export class ExitStatistics implements Listener {
  readonly sink: TraceSink
  readonly #rows = new Map<string, ExitRow>()

  /** `clock`: milliseconds of the host. */
  constructor(clock?: () => number) { this.sink = new Timeline(this, clock).sink }

  handled(exit: Handled): void {
    const row = this.#rowOf(exit), cycles = exit.until - exit.from
    row.count++
    row.cycles += cycles
    row.min = Math.min(row.min, cycles)
    row.max = Math.max(row.max, cycles)
    row.hostMs += exit.hostUntil - exit.hostFrom
  }

  resumed(exit: Handled, cycles: number): void {
    const row = this.#rowOf(exit)
    row.resumed++
    row.resumedCycles += cycles - exit.from
  }

  #rowOf(exit: Handled): ExitRow {
    const { vm, vcpu, level } = exit.place, reason = reasonOf(exit), exitClass = classOf(exit), key = `${vm} ${vcpu} ${level} ${reason} ${exitClass}`
    let row = this.#rows.get(key)
    if (row === undefined) this.#rows.set(key, row = { vm, vcpu, level, reason, class: exitClass, count: 0, cycles: 0, min: Infinity, max: 0, hostMs: 0, resumed: 0, resumedCycles: 0 })
    return row
  }

  /** Commonest first; equal counts by name, so that the order is always the same. */
  rows(): ExitRow[] { return sorted(this.#rows.values()) }

  /** Rows that agree in `key` as one. */
  rowsBy(key: (row: ExitRow) => string): ExitRow[] {
    const merged = new Map<string, ExitRow>()
    for (const row of this.rows()) {
      const name = key(row), into = merged.get(name)
      if (into === undefined) merged.set(name, { ...row })
      else {
        into.count += row.count
        into.cycles += row.cycles
        into.min = Math.min(into.min, row.min)
        into.max = Math.max(into.max, row.max)
        into.hostMs += row.hostMs
        into.resumed += row.resumed
        into.resumedCycles += row.resumedCycles
      }
    }
    return sorted(merged.values())
  }

  /** Counts by level and reason. */
  byLevel(): Record<string, Record<string, number>> {
    const result: Record<string, Record<string, number>> = {}
    for (const { level, reason, count } of this.rowsBy(row => `${row.level} ${row.reason}`)) (result[level] ??= {})[reason] = count
    return result
  }
}

const nameOf = ({ level, reason, class: exitClass, vm, vcpu }: ExitRow): string => `${level}${reason} ${vm} ${vcpu} ${exitClass}`
const sorted = (rows: Iterable<ExitRow>): ExitRow[] => [...rows].sort((a, b) => b.count - a.count || (nameOf(a) < nameOf(b) ? -1 : 1))
