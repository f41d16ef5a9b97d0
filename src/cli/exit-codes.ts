/** Exit codes of every command (design section 5). */
export const EXIT = { done: 0, guestFailed: 1, badInput: 2, guestDied: 3, timeout: 4, ourBug: 5, interrupted: 130 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
