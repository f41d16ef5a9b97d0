/** Flag manipulation (FEAT_FlagM). FEAT_FlagM2 (AXFLAG, XAFLAG) is in no profile. */
import { instruction, type Row } from '../instruction.ts'

export const flags: readonly Row[] = [
  instruction('CFINV', 'CFINV', '1101010100 0 00 000 0100 imm4:4 000 11111', { feature: 'FEAT_FlagM', rare: true, unpredictable: f => f.imm4 !== 0 },
    (_, s) => { s.setNZCV(s.xor(32, s.nzcv(), s.constant(32, 0b0010))) }),
  instruction('RMIF', 'RMIF <Xn>, <#imm6>, <#mask:x>', '1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4', {
    feature: 'FEAT_FlagM', rare: true, dynamic: ['mask'],
    immediates: { amount: { width: 32, of: f => f.imm6 }, mask: { width: 32, of: f => f.mask } },
  }, (_, s) => {
    const rotated = s.truncate(s.ror(64, s.X('Rn', 64), s.imm('amount', 64)))
    const mask = s.imm('mask', 32)
    s.setNZCV(s.or(32, s.and(32, rotated, mask), s.and(32, s.nzcv(), s.not(32, mask))))
  }),
  ...([['SETF8', 0, 8], ['SETF16', 1, 16]] as const).map(([name, sz, bits]) =>
    instruction(name, `${name} <Wn>`, `0 0 1 11010000 0 00000 ${sz} 0010 Rn:5 0 1101`, { feature: 'FEAT_FlagM', rare: true }, (_, s) => {
      const value = s.X('Rn', 32)
      const bit = (n: number) => s.and(32, s.shr(32, value, s.constant(32, n)), s.constant(32, 1))
      const sign = bit(bits - 1)
      const N = s.shl(32, sign, s.constant(32, 3))
      const Z = s.shl(32, s.isZero(32, s.zeroExtendBits(32, bits, value)), s.constant(32, 2))
      const C = s.and(32, s.nzcv(), s.constant(32, 0b0010))
      const overflow = s.xor(32, bit(bits), sign)
      s.setNZCV(s.or(32, s.or(32, N, Z), s.or(32, C, overflow)))
    })),
]
