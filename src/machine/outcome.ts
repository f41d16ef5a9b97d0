/** How a run of the machine ends. `cli/` maps these to exit codes (design section 5). */
import type { Unimplemented } from '../cpu/core.ts'

export type { Unimplemented }

export type Outcome =
  /** PSCI SYSTEM_OFF, or L0 put the last PE off. */
  | { readonly kind: 'off' }
  /** PSCI SYSTEM_RESET. */
  | { readonly kind: 'reset' }
  /** The console printed the text that was waited for. */
  | { readonly kind: 'until', readonly text: string }
  /** `maxInstructions` is used up, or `interrupt()` was called; the machine can go on. */
  | { readonly kind: 'limit' }
  | { readonly kind: 'interrupted' }
  /** The engine's observer (a debugger) has suspended a turn; the next run goes on in the middle of it. */
  | { readonly kind: 'stopped' }
  /** All PEs wait, the first wakes in so many nanoseconds of virtual time, and `RunLimits.waits` wanted to know. */
  | { readonly kind: 'waiting', readonly nanoseconds: number }
  /** All PEs wait, and no timer will wake one: only input from outside can. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'unimplemented', readonly detail: Unimplemented }
  /** The guest cannot go on: `detail` says why (no PE is on, an exception at an unmapped vector that repeats without end ...). */
  | { readonly kind: 'died', readonly detail: string }
