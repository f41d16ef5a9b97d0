/**
 * Cuts a machine's event stream into the operations that `guests/bench` marks: for each one the exceptions taken to EL2 on any PE
 * between its two markers, what L0 did with each, and the cycles that passed on the marking PE.
 */
import type { ExceptionEvent, ExitEvent, TraceEvent } from '../trace/event.ts'
import { describeException } from '../trace/timeline.ts'
import { parseMarker, PHASE, type Benchmark } from './benchmarks.ts'

/** One exception to EL2 with what L0 made of it (absent when real software runs at EL2). */
export interface Trap {
  readonly exception: ExceptionEvent
  exit: ExitEvent | undefined
}

export interface Operation {
  readonly benchmark: Benchmark
  readonly traps: Trap[]
  cycles: number
}

export interface Summary {
  readonly benchmark: Benchmark
  /** Operations measured, those of the warm-up left out. */
  readonly operations: number
  /** Means per operation. */
  readonly traps: number
  readonly cycles: number
  /** One operation with the commonest number of traps, the first such. */
  readonly typical: Operation | undefined
}

export class OperationCollector {
  readonly operations: Operation[] = []
  #open: Operation | undefined
  #openedAt = 0
  #openedOn = 0
  /** The last exception to EL2 of each PE, until its exit event comes. */
  readonly #waiting = new Map<number, Trap>()

  readonly sink = (event: TraceEvent): void => {
    if (event.kind === 'marker') this.#marker(event.pe, event.value, event.cycles)
    else if (event.kind === 'exception') {
      if (event.to !== 2 || this.#open === undefined) return
      const trap: Trap = { exception: event, exit: undefined }
      this.#open.traps.push(trap)
      this.#waiting.set(event.pe, trap)
    } else if (event.kind === 'exit') {
      const trap = this.#waiting.get(event.pe)
      if (trap === undefined) return
      trap.exit = event
      this.#waiting.delete(event.pe)
    }
  }

  #marker(pe: number, value: number, cycles: number): void {
    const marker = parseMarker(value)
    if (marker === undefined) return
    if (marker.phase === PHASE.begin) {
      this.#open = { benchmark: marker.benchmark, traps: [], cycles: 0 }
      this.#openedAt = cycles
      this.#openedOn = pe
    } else if (marker.phase === PHASE.end && this.#open?.benchmark === marker.benchmark && this.#openedOn === pe) {
      this.#open.cycles = cycles - this.#openedAt
      this.operations.push(this.#open)
      this.#open = undefined
      this.#waiting.clear()
    }
  }

  /** The operations of one benchmark after the first `warm`. undefined: it did not run. */
  summary(benchmark: Benchmark, warm: number): Summary | undefined {
    const all = this.operations.filter(operation => operation.benchmark === benchmark).slice(warm)
    if (all.length === 0) return undefined
    const mean = (of: (operation: Operation) => number) => all.reduce((sum, operation) => sum + of(operation), 0) / all.length
    const counts = new Map<number, number>()
    for (const { traps } of all) counts.set(traps.length, (counts.get(traps.length) ?? 0) + 1)
    const commonest = [...counts].sort(([, a], [, b]) => b - a)[0]![0]
    return {
      benchmark, operations: all.length, traps: mean(operation => operation.traps.length), cycles: mean(operation => operation.cycles),
      typical: all.find(operation => operation.traps.length === commonest),
    }
  }
}

/** One line of `--why` (design section 5). */
export interface WhyLine {
  readonly el: number
  readonly pc: string
  readonly symbol: string | null
  readonly register: string
  readonly direction: 'read' | 'write' | null
  readonly action: string
}

export function whyLines(operation: Operation, symbolAt: (pc: bigint, level: ExitEvent['level'] | undefined) => string | undefined): WhyLine[] {
  return operation.traps.map(({ exception, exit }) => {
    const { subject, direction } = exit ?? describeException(exception)
    return {
      el: exception.from,
      pc: `0x${exception.pc.toString(16)}`,
      symbol: symbolAt(exception.pc, exit?.level) ?? null,
      register: subject,
      direction,
      action: exit?.action ?? 'taken by software at EL2',
    }
  })
}
