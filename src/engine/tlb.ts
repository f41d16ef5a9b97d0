/**
 * The software TLB. A *context* holds the translations of one view of memory (regime, VMID, ASID, privilege, PAN ...): a read, a write
 * and a fetch part, direct-mapped. A world switch selects other contexts and flushes nothing (design D3).
 *
 * Contexts are named by a number key that the CPU makes; the least recently selected one is recycled when all are taken.
 * Tags hold all of VA[63:12], so that an address with a tag byte (TBI) has an entry of its own; invalidation ignores VA[63:56].
 */
import { HOT, PAGE_FLAGS, PAGE_SHIFT, TLB } from './layout.ts'
import type { Layout } from './layout.ts'

/** Address of a context in the memory. */
export type Context = number

/** Parts of a context that `fill` fills. */
export const KIND = { READ: 1, WRITE: 2 } as const

export const ENTRY_FLAGS = {
  /** Misaligned accesses within the page are allowed (Normal memory, SCTLR_ELx.A = 0). */
  MISALIGNED: 1,
} as const

export interface Tlb {
  /** Contexts in use: data, data of LDTR/STTR, fetch. */
  readonly data: Context
  readonly unprivileged: Context
  readonly fetch: Context
  /** The context of `key`; an empty one the first time. */
  context(key: number): Context
  /** Contexts that loads and stores, LDTR/STTR and instruction fetch use from now on. */
  select(data: Context, unprivileged: Context, fetch: Context): void
  /**
   * Enters the 4 KiB page of RAM at `pa` for the page of `va`. `shift` is the log2 size of the translation it comes from (12 and more).
   * Ignored for writes to a page that has decoded instructions: those stores stay with `Callbacks.write`.
   * A page may be entered for writing only if it is also readable. `pa` must be in RAM.
   */
  fill(context: Context, kinds: number, vaHi: number, vaLo: number, pa: number, shift: number, flags: number): void
  clear(context: Context): void
  /** Drops all entries of the contexts whose key satisfies `chosen`. */
  invalidate(chosen: (key: number) => boolean): void
  /** Drops what comes from a translation that covers `va`, in the contexts whose key satisfies `chosen`. */
  invalidatePage(chosen: (key: number) => boolean, vaHi: number, vaLo: number): void
  /** All write entries of all contexts: before dirty pages are collected. */
  clearWrites(): void
}
