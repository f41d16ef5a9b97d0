/**
 * A debugger's view of a run. Without one `Engine.run` asks nobody; with one the run is the same, instruction for instruction: it ends where
 * it would have ended, unless the observer stops it, and then it goes on as if it had not been stopped (`Engine.resume`).
 */
export interface Observer {
  /** Asked before the first instruction and whenever a slice is over: `OBSERVE.STOP`, `OBSERVE.STEP`, or the most instructions until it is asked again (a block may pass it). */
  next(): number
}

export const OBSERVE = {
  /** The run is suspended before the instruction at PC. */
  STOP: -1,
  /** Exactly one instruction. */
  STEP: 0,
} as const

/** How `Engine.pause` treats the current instruction. */
export type Pause =
  /** From `Callbacks.fetch`: it has not begun. */
  | 'before'
  /** From an access: nothing of it is performed, and it does not count. */
  | 'abandon'
  /** From a callback that redirects: it is complete. */
  | 'after'
