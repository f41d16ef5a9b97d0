/**
 * Idle time is skipped, and nobody outside can answer in no time: while a network is in use, a machine whose every CPU waits goes on when the host's
 * clock has come to where its own will be, or something arrives. What is in the machine does not depend on it; when events arrive does.
 */
import type { NodeNetwork } from './network.ts'

/** Keys and Ctrl-C are looked at so often. */
const MOST_MS = 20
const BUSY_SLICE = 5

export class Pace {
  readonly #networks: readonly NodeNetwork[]
  /** When the wait that is under way is over, on the host's clock. */
  #until: number | undefined
  /** Instructions of the machine when it began. */
  #since = -1
  #over = false

  constructor(networks: readonly NodeNetwork[]) { this.#networks = networks }

  get isBusy(): boolean { return this.#networks.some(network => network.isBusy) }

  /** Milliseconds between looks at the host. */
  slice(usual: number): number { return this.isBusy ? BUSY_SLICE : usual }

  /** For `RunLimits.waits`. */
  readonly waits = (): boolean => {
    if (this.#over || !this.isBusy) {
      this.#over = false
      return false
    }
    return true
  }

  /** The machine, after so many instructions, waits for so long: some of that time passes, or something arrives. */
  async wait(nanoseconds: number, instructions: number): Promise<void> {
    const now = performance.now()
    if (instructions !== this.#since) this.#until = undefined
    this.#since = instructions
    this.#until ??= now + nanoseconds / 1e6
    const left = this.#until - now
    if (left > 0 && await Promise.race(this.#networks.map(async network => network.wait(Math.min(left, MOST_MS))))) {
      // Something has arrived: the guest gets on, and waits anew.
      this.#until = undefined
      return
    }
    if (performance.now() < this.#until) return
    this.#over = true
    this.#until = undefined
  }
}
