/**
 * Pointer authentication (FEAT_PAuth). The bodies say which key and modifier; SCTLR_ELx.EnIA and friends, HCR_EL2.API and CNTHCTL-like
 * traps belong to the CPU. The forms in the hint space are NOPs without the feature, because HINT matches then.
 */
import { instruction, type Row } from '../instruction.ts'
import type { PacKey, Semantics } from '../semantics.ts'
import { signed } from './common.ts'

const FEATURE = { feature: 'FEAT_PAuth' } as const

const OPERATIONS = [
  ['PACI', 'A', 'IA', '000', 'add'], ['PACI', 'B', 'IB', '001', 'add'], ['PACD', 'A', 'DA', '010', 'add'], ['PACD', 'B', 'DB', '011', 'add'],
  ['AUTI', 'A', 'IA', '100', 'authenticate'], ['AUTI', 'B', 'IB', '101', 'authenticate'],
  ['AUTD', 'A', 'DA', '110', 'authenticate'], ['AUTD', 'B', 'DB', '111', 'authenticate'],
] as const

const perform = <V>(s: Semantics<V>, operation: 'add' | 'authenticate', key: PacKey, pointer: V, modifier: V): V =>
  operation === 'add' ? s.addPAC(key, pointer, modifier) : s.authenticate(key, pointer, modifier)

const zero = <V>(s: Semantics<V>): V => s.constant(64, 0)

const dataProcessing: Row[] = [
  ...OPERATIONS.flatMap(([base, letter, key, opcode, operation]) => [
    instruction(`${base}${letter}`, `${base}${letter} <Xd>, <Xn|SP>`, `1 1 0 11010110 00001 000 ${opcode} Rn:5 Rd:5`, FEATURE,
      (_, s) => { s.setX('Rd', 64, perform(s, operation, key, s.X('Rd', 64), s.XSP('Rn', 64))) }),
    instruction(`${base}Z${letter}`, `${base}Z${letter} <Xd>`, `1 1 0 11010110 00001 001 ${opcode} 11111 Rd:5`, FEATURE,
      (_, s) => { s.setX('Rd', 64, perform(s, operation, key, s.X('Rd', 64), zero(s))) }),
  ]),
  instruction('XPACI', 'XPACI <Xd>', '1 1 0 11010110 00001 010000 11111 Rd:5', FEATURE, (_, s) => { s.setX('Rd', 64, s.strip(false, s.X('Rd', 64))) }),
  instruction('XPACD', 'XPACD <Xd>', '1 1 0 11010110 00001 010001 11111 Rd:5', FEATURE, (_, s) => { s.setX('Rd', 64, s.strip(true, s.X('Rd', 64))) }),
  instruction('PACGA', 'PACGA <Xd>, <Xn>, <Xm|SP>', '1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5', FEATURE,
    (_, s) => { s.setX('Rd', 64, s.genericPAC(s.X('Rn', 64), s.XSP('Rm', 64))) }),
]

const hint = (op: number): string => `1101010100 0 00 011 0010 ${op.toString(2).padStart(7, '0')} 11111`

const hintSpace: Row[] = [
  ...([['PACIA1716', 8, 'IA', 'add'], ['PACIB1716', 10, 'IB', 'add'], ['AUTIA1716', 12, 'IA', 'authenticate'], ['AUTIB1716', 14, 'IB', 'authenticate']] as const)
    .map(([name, op, key, operation]) => instruction(name, name, hint(op), FEATURE,
      (_, s) => { s.setX('X17', 64, perform(s, operation, key, s.X('X17', 64), s.X('X16', 64))) })),
  ...([['PACIAZ', 24, 'IA', 'add'], ['PACIBZ', 26, 'IB', 'add'], ['AUTIAZ', 28, 'IA', 'authenticate'], ['AUTIBZ', 30, 'IB', 'authenticate']] as const)
    .map(([name, op, key, operation]) => instruction(name, name, hint(op), FEATURE,
      (_, s) => { s.setX('X30', 64, perform(s, operation, key, s.X('X30', 64), zero(s))) })),
  ...([['PACIASP', 25, 'IA', 'add'], ['PACIBSP', 27, 'IB', 'add'], ['AUTIASP', 29, 'IA', 'authenticate'], ['AUTIBSP', 31, 'IB', 'authenticate']] as const)
    .map(([name, op, key, operation]) => instruction(name, name, hint(op), FEATURE,
      (_, s) => { s.setX('X30', 64, perform(s, operation, key, s.X('X30', 64), s.XSP('SP', 64))) })),
  instruction('XPACLRI', 'XPACLRI', hint(7), FEATURE, (_, s) => { s.setX('X30', 64, s.strip(false, s.X('X30', 64))) }),
]

const branches: Row[] = ([['A', 0, 'IA'], ['B', 1, 'IB']] as const).flatMap(([letter, M, key]) => [
  ...([['BRA', '00', 'jump'], ['BLRA', '01', 'call']] as const).flatMap(([base, op, kind]) => [
    instruction(`${base}${letter}`, `${base}${letter} <Xn>, <Xm|SP>`, `1101011 1 0 ${op} 11111 0000 1 ${M} Rn:5 Rm:5`, FEATURE, (_, s) => {
      const target = s.authenticate(key, s.X('Rn', 64), s.XSP('Rm', 64))
      if (kind === 'call') s.link()
      s.branchTo(target, kind)
    }),
    instruction(`${base}${letter}Z`, `${base}${letter}Z <Xn>`, `1101011 0 0 ${op} 11111 0000 1 ${M} Rn:5 11111`, FEATURE, (_, s) => {
      const target = s.authenticate(key, s.X('Rn', 64), zero(s))
      if (kind === 'call') s.link()
      s.branchTo(target, kind)
    }),
  ]),
  instruction(`RETA${letter}`, `RETA${letter}`, `1101011 0 0 10 11111 0000 1 ${M} 11111 11111`, FEATURE,
    (_, s) => { s.branchTo(s.authenticate(key, s.X('X30', 64), s.XSP('SP', 64)), 'return') }),
  instruction(`ERETA${letter}`, `ERETA${letter}`, `1101011 0100 11111 0000 1 ${M} 11111 11111`, FEATURE, (_, s) => { s.exceptionReturn(key) }),
])

const loads: Row[] = ([['A', 0, 'DA'], ['B', 1, 'DB']] as const).flatMap(([letter, M, key]) => ([0, 1] as const).map(W =>
  instruction(`LDRA${letter}${W ? ' (pre-index)' : ''}`, `LDRA${letter} <Xt>, [<Xn|SP>${W ? ', <#offset>]!' : '<?offset:, <#offset>>]'}`,
    `11 111 0 00 ${M} imm1:1 1 imm9:9 ${W} 1 Rn:5 Rt:5`, {
      ...FEATURE,
      immediates: { offset: { width: 32, of: f => signed((f.imm1 << 9) | f.imm9, 10) * 8 } },
      unpredictable: f => W === 1 && f.Rn === f.Rt && f.Rn !== 31,
    }, (_, s) => {
      s.checkSPAlignment('Rn')
      const base = s.authenticate(key, s.XSP('Rn', 64), zero(s))
      const address = s.add(64, base, s.imm('offset', 64))
      const value = s.load(address, 8)
      if (W) s.setXSP('Rn', 64, address)
      s.setX('Rt', 64, value)
    })))

export const pauth: readonly Row[] = [...dataProcessing, ...hintSpace, ...branches, ...loads]
