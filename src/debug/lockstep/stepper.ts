/** Two implementations of one PE, stepped side by side: what they show after each step, and how they differ. */

/** General registers and PSTATE of a PE. */
export interface StepState {
  /** X0 to X30 and SP. */
  readonly x: BigUint64Array
  pc: bigint
  /** In the format of SPSR_ELx. */
  pstate: number
}

export interface Stepper {
  readonly name: string
  /** Executes one instruction, or takes one exception. The object returned is overwritten by the next step. */
  step(): StepState | Promise<StepState>
  state?(): StepState | Promise<StepState>
  setX(n: number, value: bigint): void | Promise<void>
  setPstate?(value: number): void | Promise<void>
}

export const SP = 31
export const createStepState = (): StepState => ({ x: new BigUint64Array(32), pc: 0n, pstate: 0 })

export interface Difference {
  /** `X3`, `SP`, `PC`, `PSTATE`. */
  readonly what: string
  readonly ours: bigint
  readonly theirs: bigint
}

/** PSTATE bits of features that no profile of ours has: DIT, TCO, SSBS, BTYPE, ALLINT. */
export const FOREIGN_PSTATE = (1 << 24) | (1 << 25) | (1 << 12) | (3 << 10) | (1 << 13)

export function differences(ours: StepState, theirs: StepState): Difference[] {
  const found: Difference[] = []
  for (let n = 0; n < 32; n++) if (ours.x[n] !== theirs.x[n]) found.push({ what: n === SP ? 'SP' : `X${n}`, ours: ours.x[n]!, theirs: theirs.x[n]! })
  if (ours.pc !== theirs.pc) found.push({ what: 'PC', ours: ours.pc, theirs: theirs.pc })
  if (((ours.pstate ^ theirs.pstate) & ~FOREIGN_PSTATE) !== 0) found.push({ what: 'PSTATE', ours: BigInt(ours.pstate >>> 0), theirs: BigInt((theirs.pstate & ~FOREIGN_PSTATE) >>> 0) })
  return found
}
