/**
 * The engine: runs A64 instructions of one PE at a time on the state in its memory. See layout.ts for the memory, callbacks.ts for
 * what it leaves to the CPU, tlb.ts for translations.
 */
import type { Feature } from '../arch/features.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import type { Callbacks } from './callbacks.ts'
import type { State } from './state.ts'
import type { Tlb } from './tlb.ts'

export interface EngineOptions {
  /** Bytes of guest RAM, up to about 3 GiB. */
  readonly ramSize: number
  /** Physical address of RAM. */
  readonly ramPa?: number
  readonly features: ReadonlySet<Feature>
  readonly callbacks: Callbacks
  /** Number of PEs, 1 to 8. */
  readonly pes?: number
  /** Slots of each PE's register file (`SLOTS` of sysreg/). */
  readonly registerSlots?: number
  /** `run` ends after exactly the budget, not at the next taken branch: lockstep, stepping, comparison. Slower. */
  readonly exact?: boolean
  /** Call `Callbacks.barrier`. */
  readonly barriers?: boolean
  /** Pages of decoded instructions kept (16 KiB each). */
  readonly codePages?: number
}

/** Guest RAM by physical address. Writes drop decoded instructions and mark pages dirty. Callers check `contains` first: outside RAM is a bug. */
export interface Ram {
  readonly pa: number
  readonly size: number
  contains(pa: number, size: number): boolean
  read8(pa: number): number
  read16(pa: number): number
  /** Unsigned. */
  read32(pa: number): number
  read64(pa: number): bigint
  write8(pa: number, value: number): void
  write16(pa: number, value: number): void
  write32(pa: number, value: number): void
  write64(pa: number, value: bigint): void
  /** Low and high word of the 8-byte aligned doubleword at `pa`, as int32: for table walks. */
  low(pa: number): number
  high(pa: number): number
  /** A view of the bytes, for reading. */
  bytes(pa: number, size: number): Uint8Array
  copyIn(pa: number, from: Uint8Array): void
  fill(pa: number, size: number, value: number): void
}

export interface EngineApi {
  readonly memory: WebAssembly.Memory
  readonly ram: Ram
  readonly state: State
  readonly tlb: Tlb
  /** The PE whose state is in the hot block. */
  readonly pe: number
  switchTo(pe: number): void
  /** Register file of a PE, in the engine's memory. */
  registerFile(pe: number): RegisterFile
  /**
   * Runs the current PE from `state.pc` until `budget` instructions are used up and a branch is taken (exact: until they are used up).
   * Returns the number of instructions executed. A run with budget 0 does nothing.
   */
  run(budget: number): number
  /** Executes exactly one instruction. */
  step(): void
  /** Instructions executed by PE `pe`; exact in callbacks. */
  instructions(pe: number): number
  /** From a callback: at most `n` more instructions after the current one; never lengthens the run. */
  limit(n: number): void
  /** Instructions of the current run that may follow the current one. */
  readonly left: number
  /** The instruction word at the current PC, in a callback. */
  readonly word: number
  /** From `Callbacks.fetch`: enters the page of RAM at `pa` for the page of `va` in the fetch context. `shift` as in `Tlb.fill`. */
  fillFetch(vaHi: number, vaLo: number, pa: number, shift: number): void
  /** Forgets decoded instructions in [pa, pa + size): only needed where RAM was changed otherwise than by the guest or by `ram`. */
  invalidateInstructions(pa: number, size: number): void
  /** Forgets all decoded instructions: after something that decoding depends on has changed. */
  invalidateAllInstructions(): void
}
