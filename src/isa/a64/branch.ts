/** Branches (Arm ARM C4.1 "Branches, Exception Generating and System instructions"); pointer authentication forms stand in pauth.ts. */
import { instruction, type Row } from '../instruction.ts'
import { datasize, signed } from './common.ts'

const unconditionalImmediate: Row[] = [
  instruction('B', 'B <@offset>', '000101 imm26:26', { immediates: { offset: { width: 32, of: f => signed(f.imm26, 26) * 4 } } },
    (_, s) => { s.branch('offset') }),
  instruction('BL', 'BL <@offset>', '100101 imm26:26', { immediates: { offset: { width: 32, of: f => signed(f.imm26, 26) * 4 } } }, (_, s) => {
    s.link()
    s.branch('offset')
  }),
]

const conditional: Row[] = [
  instruction('B.cond', 'B.<cond> <@offset>', '0101010 0 imm19:19 0 cond:4', {
    immediates: { offset: { width: 32, of: f => signed(f.imm19, 19) * 4 } },
  }, ({ cond }, s) => { s.branchIf(s.condition(cond), 'offset') }),
  ...([['CBZ', 0], ['CBNZ', 1]] as const).map(([name, op]) =>
    instruction(name, `${name} <Rt>, <@offset>`, `sf:1 011010 ${op} imm19:19 Rt:5`, {
      immediates: { offset: { width: 32, of: f => signed(f.imm19, 19) * 4 } },
    }, ({ sf }, s) => {
      const zero = s.isZero(datasize(sf), s.X('Rt', datasize(sf)))
      s.branchIf(op ? s.isZero(32, zero) : zero, 'offset')
    })),
  ...([['TBZ', 0], ['TBNZ', 1]] as const).map(([name, op]) =>
    instruction(name, `${name} <b5=<Wt>|<Xt>>, <#bit>, <@offset>`, `b5:1 011011 ${op} b40:5 imm14:14 Rt:5`, {
      dynamic: ['b5', 'b40'],
      immediates: { bit: { width: 32, of: f => (f.b5 << 5) | f.b40 }, offset: { width: 32, of: f => signed(f.imm14, 14) * 4 } },
    }, (_, s) => {
      const bit = s.and(64, s.shr(64, s.X('Rt', 64), s.imm('bit', 64)), s.constant(64, 1))
      const zero = s.isZero(64, bit)
      s.branchIf(op ? s.isZero(32, zero) : zero, 'offset')
    })),
]

const register: Row[] = [
  instruction('BR', 'BR <Xn>', '1101011 0000 11111 000000 Rn:5 00000', {}, (_, s) => { s.branchTo(s.X('Rn', 64), 'jump') }),
  instruction('BLR', 'BLR <Xn>', '1101011 0001 11111 000000 Rn:5 00000', {}, (_, s) => {
    const target = s.X('Rn', 64)
    s.link()
    s.branchTo(target, 'call')
  }),
  instruction('RET', 'RET<ret>', '1101011 0010 11111 000000 Rn:5 00000', {}, (_, s) => { s.branchTo(s.X('Rn', 64), 'return') }),
  instruction('ERET', 'ERET', '1101011 0100 11111 000000 11111 00000', {}, (_, s) => { s.exceptionReturn() }),
  instruction('DRPS', 'DRPS', '1101011 0101 11111 000000 11111 00000', { rare: true }, (_, s) => { s.undefined() }),
]

export const branch: readonly Row[] = [...unconditionalImmediate, ...conditional, ...register]
