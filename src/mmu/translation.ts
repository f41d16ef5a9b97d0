/**
 * What goes into a translation and what comes out of it. One `Translation` is allocated by the caller and filled again by every walk:
 * a walk allocates nothing.
 */
import { FSC } from '../arch/esr.ts'

/** An access as bits, ORed. `read | write` is an atomic read-modify-write: it needs both permissions. */
export const ACCESS = {
  read: 1, write: 2, execute: 4,
  /** Made with EL0's permissions: from EL0, or LDTR/STTR with UAO clear (the caller evaluates UAO and NV1). */
  unprivileged: 8,
  /** PSTATE.PAN is 1 and applies (the caller leaves it out for DC, AT S1E1R/W and VNCR accesses). Ignored under HCR_EL2.{NV,NV1} = {1,1}. */
  pan: 16,
  /** A data access that is not aligned to its size, or DC ZVA: an Alignment fault if the memory is Device. */
  unaligned: 32,
  /** An AT instruction: never updates descriptors. */
  at: 64,
} as const

/** Permissions as bits. Unprivileged (EL0) in bits 2:0, privileged in bits 5:3. Stage 2 permissions use the low three alone. */
export const PERM = { UR: 1, UW: 2, UX: 4, PR: 8, PW: 16, PX: 32 } as const
export const PERM_ALL = 0x3f

/** Memory as a table walk sees it: aligned little-endian 64-bit descriptors by physical address (for stage 2 of L1's tables: by L1's "physical" address). */
export interface DescriptorMemory {
  /** The descriptor that the last successful `read` found, bits 31:0 and 63:32, as int32 or uint32. */
  lo: number
  hi: number
  /** Fills `lo` and `hi`; false is a synchronous External abort (no memory there). */
  read(pa: number): boolean
  /** Writes the new descriptor if the old one still stands there. False: it does not (the walk starts again). */
  compareAndSwap(pa: number, oldLo: number, oldHi: number, newLo: number, newHi: number): boolean
}

export class Translation {
  // --- success ---
  /** Output address of the byte: a PA, or of a stage-1-only walk whatever the table says. */
  pa = 0
  /** Output of stage 1: the IPA if there is a stage 2 (else equal to `pa`). On a stage 2 fault the faulting IPA: bits 47:12 belong in HPFAR_EL2. */
  ipa = 0
  /** log2 of the smaller of the two stages' block or page: 12 to 39; 48 where nothing is translated. TLBI by VA anywhere in the block concerns all of it. */
  pageShift = 12
  /** PERM bits of both stages, without PAN. Write bits are absent while a descriptor is writable-clean (DBM): the first store must walk again. */
  perms = 0
  /** Memory type in MAIR_ELx format, stages combined: the high nibble is 0 for Device. */
  attr = 0
  /** Shareability as in descriptors: 0 non-shareable, 2 outer, 3 inner. */
  sh = 0
  /** Not tagged with an ASID. */
  global = false
  /** Level of the leaf of stage 1 (of stage 2 for `walkStage2`); 0 if that stage is off. */
  level = 0

  // --- fault ---
  /** 6-bit DFSC / IFSC, level included; meaningful when the walk returned false. */
  status = 0
  /** The stage that faulted. */
  stage: 1 | 2 = 1
  /** A stage 2 fault on a stage 1 table access (ESR_ELx.S1PTW). */
  s1ptw = false
  /** ESR_ELx.WnR for this access: of an atomic, 0 when the read alone would have faulted. */
  wnr = false

  get device(): boolean { return (this.attr & 0xf0) === 0 }
}

/** Whether a status code is of the given kind: `isFault(out.status, FSC.Permission)`. */
export const isFault = (status: number, kind: number): boolean => (kind >= FSC.SyncExternal ? status === kind : (status & 0x3c) === kind)
export const faultLevel = (status: number): number => status & 3

/**
 * The permissions of `perms` that privileged software has: with PAN (already cleared under {NV,NV1}={1,1}) it loses data access to
 * what EL0 can read or write.
 */
export function withPan(perms: number): number {
  return perms & (PERM.UR | PERM.UW) ? perms & ~(PERM.PR | PERM.PW) : perms
}
