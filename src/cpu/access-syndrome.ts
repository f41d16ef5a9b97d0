/**
 * The instruction-specific part of a stage 2 data abort's syndrome (ISS[23:14]) from the instruction word: valid for loads and stores of
 * one general register without writeback that are not exclusive, atomic or a pair (Arm ARM "ISS encoding for an exception from a Data
 * Abort", ISV).
 */
import type { DataAbortIss } from '../arch/esr.ts'

export type InstructionSyndrome = NonNullable<DataAbortIss['isv']>

const describe = (size: number, opc: number, Rt: number, ar: boolean): InstructionSyndrome => ({
  sas: size, sse: opc >= 2, srt: Rt, sf: opc === 2 || (opc < 2 && size === 3), ar,
})

/** Undefined where the architecture gives ISV = 0. */
export function instructionSyndrome(word: number): InstructionSyndrome | undefined {
  const Rt = word & 31, size = word >>> 30, opc = (word >>> 22) & 3
  switch ((word >>> 24) & 0x3f) {
    // Load register (literal): opc in bits 31:30 is W, X, SW, PRFM.
    case 0b011000:
      return size === 3 ? undefined : { sas: size === 1 ? 3 : 2, sse: size === 2, srt: Rt, sf: size !== 0, ar: false }
    // Unsigned immediate.
    case 0b111001:
      return size === 3 && opc === 2 ? undefined : describe(size, opc, Rt, false)
    case 0b111000: {
      const form = (word >>> 10) & 3
      if ((word & (1 << 21)) === 0) return (form === 0 || form === 2) && !(size === 3 && opc === 2) ? describe(size, opc, Rt, false) : undefined
      if (form === 2) return size === 3 && opc === 2 ? undefined : describe(size, opc, Rt, false)
      // LDAPR stands among the atomics.
      return (word & 0x3fff_fc00) === 0x38bf_c000 ? describe(size, 1, Rt, true) : undefined
    }
    // LDAPUR, STLUR.
    case 0b011001:
      return (word & 0x0020_0c00) === 0 ? describe(size, opc, Rt, true) : undefined
    // LDAR, STLR, LDLAR, STLLR.
    case 0b001000:
      return (word & 0x00a0_0000) === 0x0080_0000 ? describe(size, (word >>> 22) & 1, Rt, true) : undefined
  }
  return undefined
}
