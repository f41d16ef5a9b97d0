/** How a region ends, in the low bits of the address of the record where the interpreter goes on. */
export const EXIT = {
  /** A branch was taken: the budget is looked at. */
  TAKEN: 0,
  /** The instruction behind was reached. */
  FALL: 1,
  /** The interpreter executes this instruction, even where a region begins with it. */
  SIDE: 2,
  MASK: 3,
} as const
