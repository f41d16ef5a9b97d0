/** How a run of the machine ends. `cli/` maps these to exit codes (design section 5). */
import { choice, COUNT, integer, objectOf, optional, refuse, TEXT, value, WORD64 } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Unimplemented } from '../cpu/core.ts'

export type { Unimplemented }

export type Outcome =
  /** PSCI SYSTEM_OFF, or L0 put the last PE off. */
  | { readonly kind: 'off' }
  /** PSCI SYSTEM_RESET. */
  | { readonly kind: 'reset' }
  /** The guest asked for it by semihosting (SYS_EXIT). */
  | { readonly kind: 'exit', readonly code: number }
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

const UNIMPLEMENTED = value<Unimplemented>({
  pe: COUNT, what: choice('instruction', 'register', 'system instruction', 'device access', 'feature', 'firmware call'), name: TEXT, pc: WORD64, el: choice(0, 1, 2),
  feature: optional(TEXT) as never, symbol: optional(TEXT) as never,
})

/** An outcome after which the machine cannot go on, out of a snapshot. */
export function savedOutcome(saved: Saved): Outcome | undefined {
  if (saved === undefined) return undefined
  const { kind, detail, code } = objectOf(saved, 'outcome')
  switch (kind) {
    case 'off': case 'reset': return { kind }
    case 'exit': return { kind, code: integer(0, 0xff).restore(code, 'outcome.code', 0) }
    case 'died': return { kind, detail: TEXT.restore(detail, 'outcome.detail', '') }
    case 'unimplemented': return { kind, detail: UNIMPLEMENTED.restore(detail, 'outcome.detail', undefined as never) }
    default: return refuse('outcome.kind', 'is no end of a machine')
  }
}
