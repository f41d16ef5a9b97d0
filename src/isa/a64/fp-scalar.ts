/** Floating-point data-processing with 1, 2 and 3 sources, compare, conditional compare and select. FMOV is in simd-move.ts. */
import type { FpName, FpOperation, Rounding } from '../fp-operation.ts'
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import { setScalar } from './lanes.ts'

export type Precision = 32 | 64
export const precisionOf = (ftype: number): Precision => ftype ? 64 : 32
/** A register name by the field ftype. */
const F = (register: string): string => `<ftype=<S${register}>|<D${register}>>`
const valid = (f: { readonly ftype: number }): boolean => f.ftype < 2
const options = { rare: true, valid }

/** The low element of a register as 64 bits. */
export const scalarOperand = <V>(s: Semantics<V>, register: string, bits: 16 | 32 | 64): V => s.lane(s.Q(register), bits, 0)
const signBit = <V>(s: Semantics<V>, bits: Precision): V => s.constant(64, 1n << BigInt(bits - 1))
/** FPNeg() and FPAbs() of 64 bits. */
export const fpNegate = <V>(s: Semantics<V>, bits: Precision, a: V): V => s.xor(64, a, signBit(s, bits))
export const fpAbsolute = <V>(s: Semantics<V>, bits: Precision, a: V): V => s.and(64, a, s.constant(64, (1n << BigInt(bits - 1)) - 1n))

type Unary = <V>(s: Semantics<V>, bits: Precision, a: V) => V
const operation = (name: FpName, bits: Precision, more: Partial<FpOperation> = {}): FpOperation => ({ name, bits, ...more })

export const ROUND_TO_INTEGRAL = [
  ['FRINTN', '001000', 'TIEEVEN', false], ['FRINTP', '001001', 'POSINF', false], ['FRINTM', '001010', 'NEGINF', false], ['FRINTZ', '001011', 'ZERO', false],
  ['FRINTA', '001100', 'TIEAWAY', false], ['FRINTX', '001110', 'FPCR', true], ['FRINTI', '001111', 'FPCR', false],
] as const

const unary = ([
  ['FABS', '000001', fpAbsolute], ['FNEG', '000010', fpNegate], ['FSQRT', '000011', (s, bits, a) => s.fp(operation('FPSqrt', bits), a)],
  ...ROUND_TO_INTEGRAL.map(([name, opcode, rounding, exact]) =>
    [name, opcode, <V>(s: Semantics<V>, bits: Precision, a: V) => s.fp(operation('FPRoundInt', bits, { rounding, exact }), a)] as const),
] as const satisfies readonly (readonly [string, string, Unary])[]).map(([name, opcode, of]) =>
  instruction(`${name} (scalar)`, `${name} ${F('d')}, ${F('n')}`, `000 11110 ftype:2 1 ${opcode} 10000 Vn:5 Vd:5`, options, ({ ftype }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(ftype)
    setScalar(s, of(s, bits, scalarOperand(s, 'Vn', bits)))
  }))

const FORMATS = [{ letter: 'S', ftype: '00', opcode: '000100', bits: 32 }, { letter: 'D', ftype: '01', opcode: '000101', bits: 64 }, { letter: 'H', ftype: '11', opcode: '000111', bits: 16 }] as const
const convert = FORMATS.flatMap(from => FORMATS.filter(to => to !== from).map(to =>
  instruction(`FCVT, ${from.letter} to ${to.letter}`, `FCVT <${to.letter}d>, <${from.letter}n>`, `000 11110 ${from.ftype} 1 ${to.opcode} 10000 Vn:5 Vd:5`, { rare: true }, (_, s) => {
    s.checkFPEnabled()
    setScalar(s, s.fp({ name: 'FPConvert', bits: from.bits, to: to.bits }, scalarOperand(s, 'Vn', from.bits)))
  })))

const binary = ([
  ['FMUL', '0000', 'FPMul'], ['FDIV', '0001', 'FPDiv'], ['FADD', '0010', 'FPAdd'], ['FSUB', '0011', 'FPSub'], ['FMAX', '0100', 'FPMax'], ['FMIN', '0101', 'FPMin'],
  ['FMAXNM', '0110', 'FPMaxNum'], ['FMINNM', '0111', 'FPMinNum'], ['FNMUL', '1000', 'FPMul'],
] as const).map(([name, opcode, operationName]) =>
  instruction(`${name} (scalar)`, `${name} ${F('d')}, ${F('n')}, ${F('m')}`, `000 11110 ftype:2 1 Vm:5 ${opcode} 10 Vn:5 Vd:5`, options, ({ ftype }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(ftype), result = s.fp(operation(operationName, bits), scalarOperand(s, 'Vn', bits), scalarOperand(s, 'Vm', bits))
    setScalar(s, name === 'FNMUL' ? fpNegate(s, bits, result) : result)
  }))

/** FMSUB and FNMADD negate Vn, FNMADD and FNMSUB Va. */
const ternary = ([['FMADD', 0, 0, false, false], ['FMSUB', 0, 1, true, false], ['FNMADD', 1, 0, true, true], ['FNMSUB', 1, 1, false, true]] as const).map(([name, o1, o0, product, addend]) =>
  instruction(name, `${name} ${F('d')}, ${F('n')}, ${F('m')}, ${F('a')}`, `000 11111 ftype:2 ${o1} Vm:5 ${o0} Va:5 Vn:5 Vd:5`, options, ({ ftype }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(ftype), a = scalarOperand(s, 'Va', bits), n = scalarOperand(s, 'Vn', bits)
    setScalar(s, s.fp(operation('FPMulAdd', bits), addend ? fpNegate(s, bits, a) : a, product ? fpNegate(s, bits, n) : n, scalarOperand(s, 'Vm', bits)))
  }))

/** NZCV as 32 bits. */
const compare = <V>(s: Semantics<V>, bits: Precision, signalling: boolean, n: V, m: V): V =>
  s.truncate(s.fp(operation(signalling ? 'FPCompareSignalling' : 'FPCompare', bits), n, m))

const comparisons: Row[] = ([['FCMP', '0', false], ['FCMPE', '1', true]] as const).flatMap(([name, e, signalling]) => [
  instruction(name, `${name} ${F('n')}, ${F('m')}`, `000 11110 ftype:2 1 Vm:5 00 1000 Vn:5 ${e}0 000`, options, ({ ftype }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(ftype)
    s.setNZCV(compare(s, bits, signalling, scalarOperand(s, 'Vn', bits), scalarOperand(s, 'Vm', bits)))
  }),
  instruction(`${name} (zero)`, `${name} ${F('n')}, #0.0`, `000 11110 ftype:2 1 00000 00 1000 Vn:5 ${e}1 000`, options, ({ ftype }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(ftype)
    s.setNZCV(compare(s, bits, signalling, scalarOperand(s, 'Vn', bits), s.constant(64, 0)))
  }),
  instruction(signalling ? 'FCCMPE' : 'FCCMP', `${signalling ? 'FCCMPE' : 'FCCMP'} ${F('n')}, ${F('m')}, <#flags:x>, <cond>`, `000 11110 ftype:2 1 Vm:5 cond:4 01 Vn:5 ${e} immflags:4`, {
    ...options, immediates: { flags: { width: 32, of: f => f.immflags } },
  }, ({ ftype, cond }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(ftype), holds = s.condition(cond)
    // Zeros raise no exceptions: they take the place of operands that are not compared.
    const operand = (register: string): typeof holds => s.select(64, holds, scalarOperand(s, register, bits), s.constant(64, 0))
    s.setNZCV(s.select(32, holds, compare(s, bits, signalling, operand('Vn'), operand('Vm')), s.imm('flags', 32)))
  }),
])

const select: Row = instruction('FCSEL', `FCSEL ${F('d')}, ${F('n')}, ${F('m')}, <cond>`, '000 11110 ftype:2 1 Vm:5 cond:4 11 Vn:5 Vd:5', options, ({ ftype, cond }, s) => {
  s.checkFPEnabled()
  const bits = precisionOf(ftype)
  setScalar(s, s.select(64, s.condition(cond), scalarOperand(s, 'Vn', bits), scalarOperand(s, 'Vm', bits)))
})

/** FCVT<N|P|M|Z|A><S|U> by rmode and opcode of the conversions to general registers. */
export const CONVERSIONS: readonly { readonly letter: string, readonly rmode: '00' | '01' | '10' | '11', readonly opcode: '00' | '10', readonly rounding: Rounding }[] = [
  { letter: 'N', rmode: '00', opcode: '00', rounding: 'TIEEVEN' }, { letter: 'P', rmode: '01', opcode: '00', rounding: 'POSINF' }, { letter: 'M', rmode: '10', opcode: '00', rounding: 'NEGINF' },
  { letter: 'Z', rmode: '11', opcode: '00', rounding: 'ZERO' }, { letter: 'A', rmode: '00', opcode: '10', rounding: 'TIEAWAY' },
]
const SIGNS = [['S', 0], ['U', 1]] as const
const width = (sf: number): 32 | 64 => sf ? 64 : 32

function toGeneral<V>(s: Semantics<V>, sf: number, ftype: number, unsigned: boolean, rounding: Rounding, fbits: V): void {
  const bits = precisionOf(ftype)
  const value = s.fp(operation('FPToFixed', bits, { to: width(sf), unsigned, rounding }), scalarOperand(s, 'Vn', bits), fbits)
  if (sf) s.setX('Rd', 64, value)
  else s.setX('Rd', 32, s.truncate(value))
}
function fromGeneral<V>(s: Semantics<V>, sf: number, ftype: number, unsigned: boolean, fbits: V): void {
  const value = sf ? s.X('Rn', 64) : s.zeroExtend(s.X('Rn', 32))
  setScalar(s, s.fp(operation('FixedToFP', precisionOf(ftype), { from: width(sf), unsigned }), value, fbits))
}

const fractionBits = { fbits: { width: 32 as const, of: (f: { readonly immscale: number }) => 64 - f.immscale } }
const scaled = { ...options, immediates: fractionBits, defined: (f: { readonly sf: number, readonly immscale: number }): boolean => f.sf === 1 || f.immscale >= 32 }
const integers: Row[] = SIGNS.flatMap(([sign, U]) => [
  ...CONVERSIONS.map(({ letter, rmode, opcode, rounding }) =>
    instruction(`FCVT${letter}${sign} (scalar, integer)`, `FCVT${letter}${sign} <Rd>, ${F('n')}`, `sf:1 00 11110 ftype:2 1 ${rmode} ${opcode}${U} 000000 Vn:5 Rd:5`, options, ({ sf, ftype }, s) => {
      s.checkFPEnabled()
      toGeneral(s, sf, ftype, U === 1, rounding, s.constant(64, 0))
    })),
  instruction(`${sign}CVTF (scalar, integer)`, `${sign}CVTF ${F('d')}, <Rn>`, `sf:1 00 11110 ftype:2 1 00 01${U} 000000 Rn:5 Vd:5`, options, ({ sf, ftype }, s) => {
    s.checkFPEnabled()
    fromGeneral(s, sf, ftype, U === 1, s.constant(64, 0))
  }),
  instruction(`FCVTZ${sign} (scalar, fixed-point)`, `FCVTZ${sign} <Rd>, ${F('n')}, <#fbits>`, `sf:1 00 11110 ftype:2 0 11 00${U} immscale:6 Vn:5 Rd:5`, scaled, ({ sf, ftype }, s) => {
    s.checkFPEnabled()
    toGeneral(s, sf, ftype, U === 1, 'ZERO', s.imm('fbits', 64))
  }),
  instruction(`${sign}CVTF (scalar, fixed-point)`, `${sign}CVTF ${F('d')}, <Rn>, <#fbits>`, `sf:1 00 11110 ftype:2 0 00 01${U} immscale:6 Rn:5 Vd:5`, scaled, ({ sf, ftype }, s) => {
    s.checkFPEnabled()
    fromGeneral(s, sf, ftype, U === 1, s.imm('fbits', 64))
  }),
])

const javascript: Row = instruction('FJCVTZS', 'FJCVTZS <Wd>, <Dn>', '0 00 11110 01 1 11 110 000000 Vn:5 Rd:5', { feature: 'FEAT_JSCVT', rare: true }, (_, s) => {
  s.checkFPEnabled()
  const result = s.fp(operation('FPToFixedJS', 64), scalarOperand(s, 'Vn', 64))
  s.setX('Rd', 32, s.truncate(result))
  // Z is bit 32; N, C and V are 0.
  s.setNZCV(s.shl(32, s.truncate(s.shr(64, result, s.constant(64, 32))), s.constant(32, 2)))
})

export const fpScalar: readonly Row[] = [...unary, ...convert, ...binary, ...ternary, ...comparisons, select, ...integers, javascript]
