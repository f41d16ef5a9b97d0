/**
 * What the engine leaves to the CPU. Addresses come as two int32 halves, data goes through `State.data`, so that no callback
 * needs a BigInt.
 *
 * While a callback runs `state.pc` is the address of the current instruction and `engine.instructions` the number of instructions
 * before it. A callback that takes an exception (or otherwise changes the flow) calls `state.redirect(pc)`: the instruction is
 * abandoned, nothing more of it is performed, and execution continues at `pc` in whatever state and TLB contexts are then selected.
 * An abandoned instruction counts as one instruction. A callback that does not redirect lets the instruction complete.
 *
 * `engine.limit(n)` shortens the current run: with 0 it ends after this instruction (at once for everything except `read`, `write` and
 * exclusives, where it ends at the next taken branch).
 */
import type { AccessSize, BarrierKind, ExceptionKind, PstateField, WaitKind } from '../isa/semantics.ts'

/** Bits of the `flags` of an access: `MemoryOptions` of isa/semantics.ts, and the ISS of a data abort. */
export const ACCESS = {
  UNPRIVILEGED: 1,
  ORDERED: 2,
  /** Exclusive or atomic: alignment fault when misaligned (within 16 bytes with FEAT_LSE2: CPU decides). */
  ATOMIC: 4,
  /** A load whose store follows: check write permission, report as a write. */
  FOR_UPDATE: 8,
  /** ISS.ISV; SRT is bits 4:0 of the instruction word. The rest of the ISS: */
  ISV: 0x10,
  SSE: 0x20,
  SF: 0x40,
  AR: 0x80,
  /** SP is misaligned while SP alignment checking is on. Never reaches `read` or `write`. */
  SP_MISALIGNED: 0x100,
  /** Three bits: 0, or 1 + log2 of the size of elements that need to be aligned, instead of the whole access. */
  ELEMENTS_SHIFT: 9,
} as const

/** Bytes to which an access must be aligned where alignment is checked. */
export function alignmentOf(size: number, flags: number): number {
  const elements = flags >>> ACCESS.ELEMENTS_SHIFT
  return elements === 0 ? size : 1 << (elements - 1)
}

export interface Callbacks {
  /**
   * No fetch TLB entry for PC, or PC is misaligned. Either calls `engine.fillFetch` for the page and returns, or redirects.
   * Counts one instruction when it redirects.
   */
  fetch(vaHi: number, vaLo: number): void
  /** Performs the whole load of `size` bytes and leaves it, zero-extended, in `state.data`; may fill the TLB. */
  read(vaHi: number, vaLo: number, size: AccessSize, flags: number): void
  /** Performs the whole store of the low `size` bytes of `state.data`. RAM is written through `engine.ram`. */
  write(vaHi: number, vaLo: number, size: AccessSize, flags: number): void
  /** Translates for the store of a store-exclusive whose monitor check will be made by the engine: PA in RAM, or -1 after redirecting; -2 when the address is not RAM (the store-exclusive then fails). */
  translateExclusive(vaHi: number, vaLo: number, size: AccessSize, flags: number): number
  /** SP alignment fault; must redirect. */
  spAlignment(): void
  /** A SIMD&FP instruction while `state.fpTrap` is set; must redirect. */
  fpAccess(): void

  /** MRS, MSR (register), SYS, SYSL. Performs it, including the write of Xt. */
  system(word: number): void
  writePstate(field: PstateField, value: number): void
  exception(kind: ExceptionKind, immediate: number): void
  exceptionReturn(key: 'IA' | 'IB' | undefined): void
  undefined(word: number): void
  /** An instruction that the profile has and this program lacks (design D11). */
  unimplemented(word: number): void
  wait(kind: WaitKind): void
  sendEvent(local: boolean): void
  /** HINT #126 (marker). */
  marker(): void
  /** Only when `EngineOptions.barriers` is set. */
  barrier(kind: BarrierKind): void

  /** An instruction with a key that traps (`PointerCodes.trapped`). Redirects. */
  pauthTrap(): void
}
