/** How a run of the machine ends. `cli/` maps these to exit codes (design section 5). */
import type { EL } from '../arch/el.ts'
import type { Feature } from '../arch/features.ts'

/** Something the guest asked for that is not built: said by name, never skipped silently (design D11). */
export interface Unimplemented {
  readonly pe: number
  /** 'instruction', 'register', 'device' ... */
  readonly what: 'instruction' | 'register' | 'system instruction' | 'device access' | 'feature' | 'firmware call'
  /** Register or instruction name, or the encoding where there is no name. */
  readonly name: string
  readonly pc: bigint
  readonly el: EL
  readonly feature?: Feature | undefined
}

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
  /** All PEs wait, and no timer will wake one: only input from outside can. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'unimplemented', readonly detail: Unimplemented }
  /** The guest cannot go on: `detail` says why (no PE is on, an exception at an unmapped vector that repeats without end ...). */
  | { readonly kind: 'died', readonly detail: string }
