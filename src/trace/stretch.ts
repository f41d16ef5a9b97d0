/** The stretches of a run between two markers: what a trace shows when it is not to show all. */
import type { TraceEvent, TraceSink } from './event.ts'

export class Stretches {
  readonly #from: number | undefined
  readonly #to: number | undefined
  open: boolean
  /** Stretches that have ended. */
  ended = 0

  /** Marker values; without `from` the first stretch begins with the run, without `to` it goes on to its end. */
  constructor(from: number | undefined, to: number | undefined) {
    this.#from = from
    this.#to = to
    this.open = from === undefined
  }

  /** Both markers belong to the stretch. */
  around(sink: TraceSink): TraceSink {
    return (event: TraceEvent, cycles: number) => {
      if (event.kind === 'marker' && event.value === this.#from) this.open = true
      sink(event, cycles)
      if (event.kind === 'marker' && event.value === this.#to && this.open) {
        this.open = false
        this.ended++
      }
    }
  }
}
