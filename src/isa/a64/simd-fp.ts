/** Floating-point instructions of Advanced SIMD: three same, two-register miscellaneous, fixed point, pairwise, across lanes, by element, complex. */
import type { FpName, FpOperation, Rounding } from '../fp-operation.ts'
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import { type Precision, precisionOf } from './fp-scalar.ts'
import { keepLow, type Opcode5, setNarrow, setScalar, shuffleLanes, splat, unzip } from './lanes.ts'

/** Arrangement and scalar register by the field sz. */
const T = '<sz=<TS>|<TD>>'
const E = (register: string): string => `<sz=<S${register}>|<D${register}>>`
const exists = (f: { readonly Q: number, readonly sz: number }): boolean => f.Q === 1 || f.sz === 0

const sign = <V>(s: Semantics<V>, bits: Precision): V => splat(s, bits, 1n << BigInt(bits - 1))
const negateLanes = <V>(s: Semantics<V>, bits: Precision, a: V): V => s.vXor(a, sign(s, bits))
const absoluteLanes = <V>(s: Semantics<V>, bits: Precision, a: V): V => s.vAnd(a, s.vNot(sign(s, bits)))

/** What an operation is made of; scalar forms compute it in 64 bits, vector forms in lanes. */
interface Arithmetic<V> {
  readonly s: Semantics<V>
  readonly bits: Precision
  fp(operation: Omit<FpOperation, 'bits'>, ...operands: readonly V[]): V
  negate(a: V): V
  absolute(a: V): V
  zero(): V
  d(): V
}
/** `Q` is 0 for 64 bits: they are computed twice, so that nothing else raises exceptions. */
const whole = <V>(s: Semantics<V>, Q: number, a: V): V => Q ? a : s.duplicate(64, s.lane(a, 64, 0))
const vectorArithmetic = <V>(s: Semantics<V>, bits: Precision, Q: number): Arithmetic<V> => ({
  s, bits,
  fp: (operation, ...operands) => s.fpLanes({ ...operation, bits }, ...operands),
  negate: a => negateLanes(s, bits, a), absolute: a => absoluteLanes(s, bits, a), zero: () => s.zeroVector(), d: () => whole(s, Q, s.Q('Vd')),
})
const scalarArithmetic = <V>(s: Semantics<V>, bits: Precision): Arithmetic<V> => ({
  s, bits,
  fp: (operation, ...operands) => s.fp({ ...operation, bits }, ...operands),
  negate: a => s.xor(64, a, s.constant(64, 1n << BigInt(bits - 1))), absolute: a => s.and(64, a, s.constant(64, (1n << BigInt(bits - 1)) - 1n)),
  zero: () => s.constant(64, 0), d: () => s.lane(s.Q('Vd'), bits, 0),
})

type Operation = <V>(a: Arithmetic<V>, n: V, m: V) => V
type Unary = <V>(a: Arithmetic<V>, n: V) => V
const binary = (name: FpName): Operation => (a, n, m) => a.fp({ name }, n, m)
const absolutes = (name: FpName): Operation => (a, n, m) => a.fp({ name }, a.absolute(n), a.absolute(m))
const multiplyAdd: Operation = (a, n, m) => a.fp({ name: 'FPMulAdd' }, a.d(), n, m)
const multiplySubtract: Operation = (a, n, m) => a.fp({ name: 'FPMulAdd' }, a.d(), a.negate(n), m)

/** name, U, o (bit 23), opcode, whether there is a scalar form. */
const THREE_SAME: readonly (readonly [string, 0 | 1, 0 | 1, Opcode5, boolean, Operation])[] = [
  ['FMAXNM', 0, 0, '11000', false, binary('FPMaxNum')], ['FMINNM', 0, 1, '11000', false, binary('FPMinNum')],
  ['FMLA', 0, 0, '11001', false, multiplyAdd], ['FMLS', 0, 1, '11001', false, multiplySubtract],
  ['FADD', 0, 0, '11010', false, binary('FPAdd')], ['FSUB', 0, 1, '11010', false, binary('FPSub')],
  ['FMULX', 0, 0, '11011', true, binary('FPMulX')], ['FMUL', 1, 0, '11011', false, binary('FPMul')],
  ['FCMEQ (register)', 0, 0, '11100', true, binary('FPCompareEQ')],
  ['FMAX', 0, 0, '11110', false, binary('FPMax')], ['FMIN', 0, 1, '11110', false, binary('FPMin')],
  ['FRECPS', 0, 0, '11111', true, binary('FPRecipStepFused')], ['FRSQRTS', 0, 1, '11111', true, binary('FPRSqrtStepFused')],
  ['FCMGE (register)', 1, 0, '11100', true, binary('FPCompareGE')], ['FACGE', 1, 0, '11101', true, absolutes('FPCompareGE')],
  ['FCMGT (register)', 1, 1, '11100', true, binary('FPCompareGT')], ['FACGT', 1, 1, '11101', true, absolutes('FPCompareGT')],
  ['FDIV', 1, 0, '11111', false, binary('FPDiv')],
  ['FABD', 1, 1, '11010', true, (a, n, m) => a.absolute(a.fp({ name: 'FPSub' }, n, m))],
]
const PAIRWISE: readonly (readonly [string, 0 | 1, Opcode5, FpName])[] = [
  ['FMAXNMP', 0, '11000', 'FPMaxNum'], ['FMINNMP', 1, '11000', 'FPMinNum'], ['FADDP', 0, '11010', 'FPAdd'], ['FMAXP', 0, '11110', 'FPMax'], ['FMINP', 1, '11110', 'FPMin'],
]
const mnemonic = (name: string): string => name.replace(/ \(.*/, '')

const threeSame: Row[] = THREE_SAME.flatMap(([name, U, o, opcode, scalar, of]) => [
  instruction(`${name} (vector)`.replace(') (', ', '), `${mnemonic(name)} <Vd>.${T}, <Vn>.${T}, <Vm>.${T}`, `0 Q:1 ${U} 01110 ${o} sz:1 1 Vm:5 ${opcode} 1 Vn:5 Vd:5`, { rare: true, valid: exists }, ({ Q, sz }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, of(vectorArithmetic(s, precisionOf(sz), Q), whole(s, Q, s.Q('Vn')), whole(s, Q, s.Q('Vm')))))
  }),
  ...(scalar ? [
    instruction(`${name} (vector, scalar)`.replace(') (', ', '), `${mnemonic(name)} ${E('d')}, ${E('n')}, ${E('m')}`, `01 ${U} 11110 ${o} sz:1 1 Vm:5 ${opcode} 1 Vn:5 Vd:5`, { rare: true }, ({ sz }, s) => {
      s.checkFPEnabled()
      const bits = precisionOf(sz)
      setScalar(s, of(scalarArithmetic(s, bits), s.lane(s.Q('Vn'), bits, 0), s.lane(s.Q('Vm'), bits, 0)))
    }),
  ] : []),
])

const pairwise: Row[] = PAIRWISE.flatMap(([name, o, opcode, operation]) => [
  instruction(`${name} (vector)`, `${name} <Vd>.${T}, <Vn>.${T}, <Vm>.${T}`, `0 Q:1 1 01110 ${o} sz:1 1 Vm:5 ${opcode} 1 Vn:5 Vd:5`, { rare: true, valid: exists }, ({ Q, sz }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(sz), used = Q ? 128 : 64, n = s.Q('Vn'), m = s.Q('Vm')
    const even = whole(s, Q, unzip(s, bits, used, n, m, 0)), odd = whole(s, Q, unzip(s, bits, used, n, m, 1))
    s.setQ('Vd', keepLow(s, used, s.fpLanes({ name: operation, bits }, even, odd)))
  }),
  instruction(`${name} (scalar)`, `${name} ${E('d')}, <Vn>.<sz=2s|2d>`, `01 1 11110 ${o} sz:1 11000 ${({ FMAXNMP: '01100', FMINNMP: '01100', FADDP: '01101' } as Record<string, '01100' | '01101'>)[name] ?? '01111'} 10 Vn:5 Vd:5`,
    { rare: true }, ({ sz }, s) => {
      s.checkFPEnabled()
      const bits = precisionOf(sz), n = s.Q('Vn')
      setScalar(s, s.fp({ name: operation, bits }, s.lane(n, bits, 0), s.lane(n, bits, 1)))
    }),
])

const across: Row[] = ([['FMAXNMV', 0, '01100', 'FPMaxNum'], ['FMINNMV', 1, '01100', 'FPMinNum'], ['FMAXV', 0, '01111', 'FPMax'], ['FMINV', 1, '01111', 'FPMin']] as const).map(([name, o, opcode, operation]) =>
  instruction(name, `${name} <Sd>, <Vn>.4s`, `0 1 1 01110 ${o} 0 11000 ${opcode} 10 Vn:5 Vd:5`, { rare: true }, (_, s) => {
    s.checkFPEnabled()
    const n = s.Q('Vn'), lane = (i: number) => s.lane(n, 32, i), reduce = (a: typeof n, b: typeof n) => s.fp({ name: operation, bits: 32 }, a, b)
    setScalar(s, reduce(reduce(lane(0), lane(1)), reduce(lane(2), lane(3))))
  }))

const toInteger = (rounding: Rounding, unsigned: boolean): Unary => (a, n) => a.fp({ name: 'FPToFixed', to: a.bits, rounding, unsigned }, n, a.zero())
const fromInteger = (unsigned: boolean): Unary => (a, n) => a.fp({ name: 'FixedToFP', from: a.bits, unsigned }, n, a.zero())
const roundInt = (rounding: Rounding, exact = false): Unary => (a, n) => a.fp({ name: 'FPRoundInt', rounding, exact }, n)
const unary = (name: FpName): Unary => (a, n) => a.fp({ name }, n)

type Forms = 'both' | 'vector' | 'scalar'
/** name, U, o, opcode, forms; the comparisons are with zero. */
const TWO_REGISTER: readonly (readonly [string, 0 | 1, 0 | 1, Opcode5, Forms, Unary, (', #0.0' | '')?])[] = [
  ['FRINTN', 0, 0, '11000', 'vector', roundInt('TIEEVEN')], ['FRINTM', 0, 0, '11001', 'vector', roundInt('NEGINF')],
  ['FRINTP', 0, 1, '11000', 'vector', roundInt('POSINF')], ['FRINTZ', 0, 1, '11001', 'vector', roundInt('ZERO')],
  ['FRINTA', 1, 0, '11000', 'vector', roundInt('TIEAWAY')], ['FRINTX', 1, 0, '11001', 'vector', roundInt('FPCR', true)], ['FRINTI', 1, 1, '11001', 'vector', roundInt('FPCR')],
  ...([['S', 0], ['U', 1]] as const).flatMap(([letter, U]) => [
    [`FCVTN${letter}`, U, 0, '11010', 'both', toInteger('TIEEVEN', U === 1)], [`FCVTM${letter}`, U, 0, '11011', 'both', toInteger('NEGINF', U === 1)],
    [`FCVTA${letter}`, U, 0, '11100', 'both', toInteger('TIEAWAY', U === 1)], [`${letter}CVTF`, U, 0, '11101', 'both', fromInteger(U === 1)],
    [`FCVTP${letter}`, U, 1, '11010', 'both', toInteger('POSINF', U === 1)], [`FCVTZ${letter}`, U, 1, '11011', 'both', toInteger('ZERO', U === 1)],
  ] as const),
  ['FCMGT (zero)', 0, 1, '01100', 'both', (a, n) => a.fp({ name: 'FPCompareGT' }, n, a.zero()), ', #0.0'],
  ['FCMEQ (zero)', 0, 1, '01101', 'both', (a, n) => a.fp({ name: 'FPCompareEQ' }, n, a.zero()), ', #0.0'],
  ['FCMLT (zero)', 0, 1, '01110', 'both', (a, n) => a.fp({ name: 'FPCompareGT' }, a.zero(), n), ', #0.0'],
  ['FCMGE (zero)', 1, 1, '01100', 'both', (a, n) => a.fp({ name: 'FPCompareGE' }, n, a.zero()), ', #0.0'],
  ['FCMLE (zero)', 1, 1, '01101', 'both', (a, n) => a.fp({ name: 'FPCompareGE' }, a.zero(), n), ', #0.0'],
  ['FABS', 0, 1, '01111', 'vector', (a, n) => a.absolute(n)], ['FNEG', 1, 1, '01111', 'vector', (a, n) => a.negate(n)],
  ['FRECPE', 0, 1, '11101', 'both', unary('FPRecipEstimate')], ['FRSQRTE', 1, 1, '11101', 'both', unary('FPRSqrtEstimate')],
  ['FRECPX', 0, 1, '11111', 'scalar', unary('FPRecpX')], ['FSQRT', 1, 1, '11111', 'vector', unary('FPSqrt')],
]

const twoRegister: Row[] = TWO_REGISTER.flatMap(([name, U, o, opcode, forms, of, operand = '']) => [
  ...(forms === 'scalar' ? [] : [
    instruction(`${name} (vector)`.replace(') (', ', '), `${mnemonic(name)} <Vd>.${T}, <Vn>.${T}${operand}`, `0 Q:1 ${U} 01110 ${o} sz:1 10000 ${opcode} 10 Vn:5 Vd:5`, { rare: true, valid: exists }, ({ Q, sz }, s) => {
      s.checkFPEnabled()
      s.setQ('Vd', keepLow(s, Q ? 128 : 64, of(vectorArithmetic(s, precisionOf(sz), Q), whole(s, Q, s.Q('Vn')))))
    }),
  ]),
  ...(forms === 'vector' ? [] : [
    instruction(`${name} (vector, scalar)`.replace(') (', ', '), `${mnemonic(name)} ${E('d')}, ${E('n')}${operand}`, `01 ${U} 11110 ${o} sz:1 10000 ${opcode} 10 Vn:5 Vd:5`, { rare: true }, ({ sz }, s) => {
      s.checkFPEnabled()
      const bits = precisionOf(sz)
      setScalar(s, of(scalarArithmetic(s, bits), s.lane(s.Q('Vn'), bits, 0)))
    }),
  ]),
])

const integerEstimates: Row[] = ([['URECPE', 0, 'UnsignedRecipEstimate'], ['URSQRTE', 1, 'UnsignedRSqrtEstimate']] as const).map(([name, U, operation]) =>
  instruction(name, `${name} <Vd>.<TS>, <Vn>.<TS>`, `0 Q:1 ${U} 01110 10 10000 11100 10 Vn:5 Vd:5`, { rare: true }, ({ Q }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, s.fpLanes({ name: operation, bits: 32 }, s.Q('Vn'))))
  }))

/** fbits is 2 * bits - immh:immb. */
const FIXED = [{ letter: 'S', bits: 32, immediate: '01 immshift:5' }, { letter: 'D', bits: 64, immediate: '1 immshift:6' }] as const
const fixedPoint: Row[] = ([['S', 0], ['U', 1]] as const).flatMap(([letter, U]) => ([[`${letter}CVTF`, '11100'], [`FCVTZ${letter}`, '11111']] as const).flatMap(([name, opcode]) =>
  FIXED.flatMap(({ letter: size, bits, immediate }) => {
    const immediates = { fbits: { width: 32 as const, of: (f: { readonly immshift: number }) => bits - f.immshift } }
    const operation: FpOperation = opcode === '11100' ? { name: 'FixedToFP', bits, from: bits, unsigned: U === 1 } : { name: 'FPToFixed', bits, to: bits, unsigned: U === 1, rounding: 'ZERO' }
    return [
      instruction(`${name} (vector, fixed-point), ${size}`, `${name} <Vd>.<T${size}>, <Vn>.<T${size}>, <#fbits>`, `0 Q:1 ${U} 011110 ${immediate} ${opcode} 1 Vn:5 Vd:5`,
        { rare: true, immediates, valid: f => bits === 32 || f.Q === 1 }, ({ Q }, s) => {
          s.checkFPEnabled()
          s.setQ('Vd', keepLow(s, Q ? 128 : 64, s.fpLanes(operation, whole(s, Q, s.Q('Vn')), s.duplicate(bits, s.imm('fbits', 64)))))
        }),
      instruction(`${name} (vector, fixed-point, scalar), ${size}`, `${name} <${size}d>, <${size}n>, <#fbits>`, `01 ${U} 111110 ${immediate} ${opcode} 1 Vn:5 Vd:5`,
        { rare: true, immediates }, (_, s) => {
          s.checkFPEnabled()
          setScalar(s, s.fp(operation, s.lane(s.Q('Vn'), bits, 0), s.imm('fbits', 64)))
        }),
    ]
  })))

/** FCVTL, FCVTN and FCVTXN; with sz = 0 between half and single. */
const lengthening: Row = instruction('FCVTL', 'FCVTL<Q=|2> <Vd>.<sz=4s|2d>, <Vn>.<sz=<TH>|<TS>>', '0 Q:1 0 01110 0 sz:1 10000 10111 10 Vn:5 Vd:5', { rare: true }, ({ Q, sz }, s) => {
  s.checkFPEnabled()
  const bits = sz ? 32 : 16, count = 64 / bits, n = s.Q('Vn')
  let result = s.zeroVector()
  for (let i = 0; i < count; i++) {
    result = s.withLane(result, (2 * bits) as 32 | 64, i, s.fp({ name: 'FPConvert', bits, to: (2 * bits) as 32 | 64 }, s.lane(n, bits, Q * count + i)))
  }
  s.setQ('Vd', result)
})
function narrowLanes<V>(s: Semantics<V>, from: Precision, rounding: Rounding): V {
  const to = (from / 2) as 16 | 32, n = s.Q('Vn')
  let result = s.zeroVector()
  for (let i = 0; i < 128 / from; i++) result = s.withLane(result, to, i, s.fp({ name: 'FPConvert', bits: from, to, rounding }, s.lane(n, from, i)))
  return result
}
const shortening: Row[] = [
  instruction('FCVTN', 'FCVTN<Q=|2> <Vd>.<sz=<TH>|<TS>>, <Vn>.<sz=4s|2d>', '0 Q:1 0 01110 0 sz:1 10000 10110 10 Vn:5 Vd:5', { rare: true }, ({ Q, sz }, s) => {
    s.checkFPEnabled()
    setNarrow({ s, bits: 32, used: 64, upper: Q === 1 }, narrowLanes(s, precisionOf(sz), 'FPCR'))
  }),
  instruction('FCVTXN (vector)', 'FCVTXN<Q=|2> <Vd>.<TS>, <Vn>.2d', '0 Q:1 1 01110 01 10000 10110 10 Vn:5 Vd:5', { rare: true }, ({ Q }, s) => {
    s.checkFPEnabled()
    setNarrow({ s, bits: 32, used: 64, upper: Q === 1 }, narrowLanes(s, 64, 'ODD'))
  }),
  instruction('FCVTXN (scalar)', 'FCVTXN <Sd>, <Dn>', '01 1 11110 01 10000 10110 10 Vn:5 Vd:5', { rare: true }, (_, s) => {
    s.checkFPEnabled()
    setScalar(s, s.fp({ name: 'FPConvert', bits: 64, to: 32, rounding: 'ODD' }, s.lane(s.Q('Vn'), 64, 0)))
  }),
]

const ELEMENTS = [
  { letter: 'S', bits: 32, size: '10', element: 'immL:1 Vm:5', of: (f: { readonly immH: number, readonly immL?: number }) => f.immH * 2 + (f.immL ?? 0) },
  { letter: 'D', bits: 64, size: '11', element: '0 Vm:5', of: (f: { readonly immH: number }) => f.immH },
] as const
const byElement: Row[] = ([['FMLA', 0, '0001', multiplyAdd], ['FMLS', 0, '0101', multiplySubtract], ['FMUL', 0, '1001', binary('FPMul')], ['FMULX', 1, '1001', binary('FPMulX')]] as const).flatMap(([name, U, opcode, of]) =>
  ELEMENTS.flatMap(({ letter, bits, size, element, of: indexOf }) => {
    const operand = `<Vm>.${letter.toLowerCase()}[<#index:n>]`, immediates = { index: { width: 32 as const, of: indexOf } }
    return [
      instruction(`${name} (by element), ${letter}`, `${name} <Vd>.<T${letter}>, <Vn>.<T${letter}>, ${operand}`, `0 Q:1 ${U} 01111 ${size} ${element} ${opcode} immH:1 0 Vn:5 Vd:5`,
        { rare: true, immediates, valid: f => bits === 32 || f.Q === 1 }, ({ Q }, s) => {
          s.checkFPEnabled()
          s.setQ('Vd', keepLow(s, Q ? 128 : 64, of(vectorArithmetic(s, bits, Q), whole(s, Q, s.Q('Vn')), s.vElement(bits, s.Q('Vm'), s.imm('index', 32)))))
        }),
      instruction(`${name} (by element, scalar), ${letter}`, `${name} <${letter}d>, <${letter}n>, ${operand}`, `01 ${U} 11111 ${size} ${element} ${opcode} immH:1 0 Vn:5 Vd:5`, { rare: true, immediates }, (_, s) => {
        s.checkFPEnabled()
        const m = s.lane(s.vElement(bits, s.Q('Vm'), s.imm('index', 32)), bits, 0)
        setScalar(s, of(scalarArithmetic(s, bits), s.lane(s.Q('Vn'), bits, 0), m))
      }),
    ]
  }))

/** Signs flipped in the even or the odd lanes. */
function negateOneOf<V>(s: Semantics<V>, bits: Precision, a: V, odd: 0 | 1): V {
  let signs = 0n
  for (let pair = 0; pair < 128; pair += 2 * bits) signs |= 1n << BigInt(pair + (odd + 1) * bits - 1)
  return s.vXor(a, s.vConstant(signs))
}
const exchanged = <V>(s: Semantics<V>, bits: Precision, a: V): V => shuffleLanes(s, bits, a, a, Array.from({ length: 128 / bits }, (_, i) => i ^ 1))
/** The even or odd lane in both places of each pair. */
const repeatedPart = <V>(s: Semantics<V>, bits: Precision, a: V, odd: number): V => shuffleLanes(s, bits, a, a, Array.from({ length: 128 / bits }, (_, i) => (i & ~1) + odd))

/** FCMLA: the real (rotation 0, 180) or imaginary (90, 270) part of Vn times Vm, rotated. */
function complexMultiplyAdd<V>(s: Semantics<V>, bits: Precision, rot: number, Q: number, m: V): V {
  const swap = rot & 1
  let other = swap ? exchanged(s, bits, m) : m
  if (rot === 1 || rot === 2) other = negateOneOf(s, bits, other, 0)
  if (rot === 2 || rot === 3) other = negateOneOf(s, bits, other, 1)
  return s.fpLanes({ name: 'FPMulAdd', bits }, whole(s, Q, s.Q('Vd')), repeatedPart(s, bits, whole(s, Q, s.Q('Vn')), swap), whole(s, Q, other))
}
const ROTATION = '<rot=#0|#90|#180|#270>'
const FCMA = { feature: 'FEAT_FCMA', rare: true } as const
const complex: Row[] = [
  instruction('FCADD', `FCADD <Vd>.${T}, <Vn>.${T}, <Vm>.${T}, <rot=#90|#270>`, '0 Q:1 1 01110 1 sz:1 0 Vm:5 1 11 rot:1 0 1 Vn:5 Vd:5', { ...FCMA, valid: exists }, ({ Q, sz, rot }, s) => {
    s.checkFPEnabled()
    const bits = precisionOf(sz), m = negateOneOf(s, bits, exchanged(s, bits, s.Q('Vm')), rot ? 1 : 0)
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, s.fpLanes({ name: 'FPAdd', bits }, whole(s, Q, s.Q('Vn')), whole(s, Q, m))))
  }),
  instruction('FCMLA', `FCMLA <Vd>.${T}, <Vn>.${T}, <Vm>.${T}, ${ROTATION}`, '0 Q:1 1 01110 1 sz:1 0 Vm:5 1 10 rot:2 1 Vn:5 Vd:5', { ...FCMA, valid: exists }, ({ Q, sz, rot }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, complexMultiplyAdd(s, precisionOf(sz), rot, Q, s.Q('Vm'))))
  }),
  // An element is a pair of singles: 64 bits.
  instruction('FCMLA (by element), S', `FCMLA <Vd>.4s, <Vn>.4s, <Vm>.s[<#index:n>], ${ROTATION}`, '0 1 1 01111 10 0 Vm:5 0 rot:2 1 immH:1 0 Vn:5 Vd:5', {
    ...FCMA, immediates: { index: { width: 32, of: f => f.immH } },
  }, ({ rot }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', complexMultiplyAdd(s, 32, rot, 1, s.vElement(64, s.Q('Vm'), s.imm('index', 32))))
  }),
]

export const simdFp: readonly Row[] = [
  ...threeSame, ...pairwise, ...across, ...twoRegister, ...integerEstimates, ...fixedPoint, lengthening, ...shortening, ...byElement, ...complex,
]
