/** Counts exceptions to EL2 by the level that ran and the reason: the sink behind `--stat` and `--json`. */
import { ecName, ecOf } from '../arch/esr.ts'
import type { Level, TraceEvent } from './event.ts'

export interface TrapCount { readonly level: Level, readonly reason: string, readonly count: number }

export class TrapCounters {
  readonly #counts = new Map<Level, Map<string, number>>()
  /** Exceptions to EL2 without an exit event yet, by PE: real software at EL2 gives none. */
  readonly #open = new Map<number, string>()

  readonly sink = (event: TraceEvent): void => {
    if (event.kind === 'exception' && event.to === 2) {
      this.#settle(event.pe)
      this.#open.set(event.pe, event.type === 'sync' ? ecName(ecOf(event.syndrome)) : event.type.toUpperCase())
    } else if (event.kind === 'exit') {
      this.#open.delete(event.pe)
      this.#add(event.level, event.direction === null ? event.subject : `${event.subject} ${event.direction}`)
    }
  }

  #settle(pe: number): void {
    const reason = this.#open.get(pe)
    if (reason !== undefined) this.#add('machine', reason)
    this.#open.delete(pe)
  }

  #add(level: Level, reason: string): void {
    let reasons = this.#counts.get(level)
    if (reasons === undefined) this.#counts.set(level, reasons = new Map())
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }

  /** Commonest first; equal counts by name, so that the order is always the same. */
  rows(): TrapCount[] {
    for (const pe of this.#open.keys()) this.#settle(pe)
    return [...this.#counts].flatMap(([level, reasons]) => [...reasons].map(([reason, count]) => ({ level, reason, count })))
      .sort((a, b) => b.count - a.count || (a.level + a.reason < b.level + b.reason ? -1 : 1))
  }

  byLevel(): Record<string, Record<string, number>> {
    const result: Record<string, Record<string, number>> = {}
    for (const { level, reason, count } of this.rows()) (result[level] ??= {})[reason] = count
    return result
  }
}
