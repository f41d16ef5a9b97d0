/** Words that the bodies of several groups share, named as in the Arm ARM's pseudocode library. */
import type { Semantics, Width } from '../semantics.ts'

export const datasize = (sf: number): Width => (sf ? 64 : 32)

/** SInt(): the low `bits` of a field as a signed number. */
export const signed = (field: number, bits: number): number => (field << (32 - bits)) >> (32 - bits)

const ones = (n: number): bigint => (1n << BigInt(n)) - 1n

/** `count` copies of the low `size` bits of `element`. */
const replicate = (element: bigint, size: number, count: number): bigint => {
  let result = 0n
  for (let i = 0; i < count; i++) result |= element << BigInt(i * size)
  return result
}

const rotateRight = (value: bigint, size: number, amount: number): bigint =>
  ((value >> BigInt(amount)) | (value << BigInt(size - amount))) & ones(size)

/**
 * DecodeBitMasks() for logical immediates (`immediate` = TRUE): the 64-bit wmask, or undefined for a reserved encoding.
 * A 32-bit instruction uses the low half.
 */
export function logicalImmediate(N: number, immr: number, imms: number): bigint | undefined {
  const len = 31 - Math.clz32((N << 6) | (~imms & 0x3f))
  if (len < 1) return undefined
  const esize = 1 << len, levels = esize - 1
  const S = imms & levels, R = immr & levels
  if (S === levels) return undefined
  return replicate(rotateRight(ones(S + 1), esize, R), esize, 64 / esize)
}

/** wmask AND tmask of BFM: the destination bits that the source replaces. */
export function bitfieldMask(immr: number, imms: number, width: Width): bigint {
  const wmask = rotateRight(ones(imms + 1), width, immr)
  const tmask = ones(((imms - immr) & (width - 1)) + 1)
  return wmask & tmask
}

/** DecodeShift(): LSL, LSR, ASR, ROR. */
export function shiftReg<V>(s: Semantics<V>, width: Width, shift: number, value: V, amount: V): V {
  switch (shift) {
    case 0: return s.shl(width, value, amount)
    case 1: return s.shr(width, value, amount)
    case 2: return s.sar(width, value, amount)
    default: return s.ror(width, value, amount)
  }
}

/** ExtendReg() without its shift: UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW, SXTX of register `name` to `width`. */
export function extendReg<V>(s: Semantics<V>, width: Width, option: number, name: string): V {
  const unsigned = option < 4
  const length = option & 3
  if (length === 3 || (length === 2 && width === 32)) return s.X(name, width)
  if (length === 2) return unsigned ? s.zeroExtend(s.X(name, 32)) : s.signExtend(s.X(name, 32))
  const bits = length === 0 ? 8 : 16
  return unsigned ? s.zeroExtendBits(width, bits, s.X(name, width)) : s.signExtendBits(width, bits, s.X(name, width))
}
