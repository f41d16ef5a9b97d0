/** The instructions that take the place of others, as words. */
import { encode } from '../../isa/encode.ts'

const PAGE = 4096

export const nop = encode('NOP', {})
export const hvc = (imm16: number): number => encode('HVC', { imm16 })
export const branch = (from: number, to: number): number => encode('B', { imm26: ((to - from) / 4) & 0x3ff_ffff })
export const movz = (Rd: number, value: number): number => encode('MOVZ', { sf: 1, hw: 0, imm16: value, Rd })
export const ldrLiteral = (Rt: number, from: number, to: number): number => encode('LDR (literal)', { sf: 1, imm19: ((to - from) / 4) & 0x7_ffff, Rt })
export function adrp(Rd: number, from: number, to: number): number {
  const pages = Math.floor(to / PAGE) - Math.floor(from / PAGE)
  return encode('ADRP', { immlo: pages & 3, immhi: (pages >> 2) & 0x7_ffff, Rd })
}
export const ldr = (Rt: number, Rn: number, offset: number): number => encode('LDR (immediate, unsigned offset)', { sf: 1, imm12: offset / 8, Rn, Rt })
export const str = (Rt: number, Rn: number, offset: number): number => encode('STR (immediate, unsigned offset)', { sf: 1, imm12: offset / 8, Rn, Rt })
export const pushOne = (Rt: number): number => encode('STR (immediate, pre-index)', { sf: 1, imm9: -16 & 0x1ff, Rn: 31, Rt })
export const popOne = (Rt: number): number => encode('LDR (immediate, post-index)', { sf: 1, imm9: 16, Rn: 31, Rt })
