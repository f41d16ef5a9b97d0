/**
 * What a debugger is asked by the CPU, where something rare happens anyway: a page that is not in the TLB, an access that the TLB cannot
 * answer, a change of EL. Without a debugger each place costs one comparison. A debugger keeps the pages it cares about out of the TLB.
 */
export interface DebugHooks {
  /** The page of this address must not be entered for fetching: the run is suspended before the instruction, and the observer asked. */
  holdsFetch(vaHi: number, vaLo: number): boolean
  /** Accesses to the page of this address must be seen: it is not entered into the TLB. */
  holdsData(vaHi: number, vaLo: number): boolean
  /** The current instruction is about to make this access; true: it does not, and the observer is asked. `kinds` are ACCESS.read and write of mmu/. */
  access(vaHi: number, vaLo: number, size: number, kinds: number): boolean
  /** An exception to EL2 is taken, or returned from at EL2: the registers are still those of the software at `pc`. */
  leaving(pc: bigint): void
  /** EL, or a register that translation depends on, has changed. */
  contextChanged(): void
}
