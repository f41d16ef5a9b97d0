/**
 * Address sizes. Physical addresses and IPAs are plain numbers (48 bits, exact in a double); virtual addresses are a bigint at API
 * level and two int32 halves inside `mmu/`.
 */

/** ID_AA64MMFR0_EL1.PARange = 0b0101. FEAT_LPA and FEAT_LVA are in no profile. */
export const PA_BITS = 48

export const PAGE_SHIFT = 12
export const PAGE_SIZE = 1 << PAGE_SHIFT

/** The low 48 bits of a value given as two int32 halves. */
export const addressOf = (lo: number, hi: number): number => (hi & 0xffff) * 0x1_0000_0000 + (lo >>> 0)
