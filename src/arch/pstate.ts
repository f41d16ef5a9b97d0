/**
 * PSTATE as one 32-bit integer in SPSR_ELx format (Arm ARM C5.2.19 "SPSR_EL1"), AArch64 only.
 * NZCV are kept elsewhere while instructions run; `NZCV_MASK` marks their place here.
 */
import type { EL } from './el.ts'

export const PSTATE = {
  N: 1 << 31, Z: 1 << 30, C: 1 << 29, V: 1 << 28,
  UAO: 1 << 23, PAN: 1 << 22, SS: 1 << 21, IL: 1 << 20,
  D: 1 << 9, A: 1 << 8, I: 1 << 7, F: 1 << 6,
  nRW: 1 << 4,
} as const
export const NZCV_MASK = 0xf000_0000 | 0
export const DAIF_MASK = 0x3c0

/** Values of M[3:0] for AArch64. */
export const MODE = { EL0t: 0, EL1t: 4, EL1h: 5, EL2t: 8, EL2h: 9 } as const

export const elOf = (pstate: number): EL => ((pstate >>> 2) & 3) as EL
/** PSTATE.SP: 1 when SP_ELx of the current EL is in use. */
export const spselOf = (pstate: number): 0 | 1 => (pstate & 1) as 0 | 1
export const modeOf = (pstate: number): number => pstate & 0xf
