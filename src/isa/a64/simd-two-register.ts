/** Advanced SIMD two-register miscellaneous, vector and scalar, scalar pairwise and across lanes: integers. NOT is in simd-move.ts. */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import {
  absolute, addPairsLong, addSaturating, double, keepLow, type LaneBits, type Lanes, leadingZeros, minimumOf, type Narrow, narrowSaturating, negate, negative,
  type Opcode5, saturates, setNarrow, shuffleLanes, splat, unzip,
} from './lanes.ts'
import { LONG_ARRANGEMENT } from './simd-three-different.ts'
import { ARRANGEMENT, BHS, BHSD, D, exists, formName, mnemonic, NONE, scalar } from './simd-three-same.ts'

type Unary = <V>(l: Lanes<V>, n: V) => V
interface Family { readonly name: string, readonly U: 0 | 1, readonly opcode: Opcode5, readonly vector: readonly LaneBits[], readonly scalar: readonly LaneBits[], readonly of: Unary, readonly zero?: true }

/** Reverses the lanes within each container. */
const reversed = (container: 16 | 32 | 64): Unary => ({ s, bits }, n) => {
  const count = container / bits
  return shuffleLanes(s, bits, n, n, Array.from({ length: 128 / bits }, (_, i) => i - (i % count) + (count - 1 - (i % count))))
}
const reversedBits: Unary = ({ s }, n) => {
  const table = s.vConstant(0x0f07_0b03_0d05_0901_0e06_0a02_0c04_0800n), four = s.constant(32, 4)
  return s.vOr(s.vShl(8, s.vTable(table, s.vAnd(n, splat(s, 8, 15n))), four), s.vTable(table, s.vShr(8, n, four)))
}
/** SUQADD: signed Vd plus unsigned. With an offset, both are unsigned and the sum is too large when it carries. */
const addUnsignedToSigned: Unary = (l, n) => {
  const { s, bits } = l, offset = minimumOf(s, bits), d = s.vXor(s.Q('Vd'), offset), sum = s.vAdd(bits, d, n), overflow = s.vLess(bits, false, sum, d)
  saturates(l, overflow)
  return s.vXor(s.vOr(sum, overflow), offset)
}
/** USQADD: unsigned Vd plus signed. */
const addSignedToUnsigned: Unary = (l, n) => {
  const { s, bits } = l, d = s.Q('Vd'), sum = s.vAdd(bits, d, n), down = negative(s, bits, n)
  const overflow = s.vSelect(down, s.vLess(bits, false, d, sum), s.vLess(bits, false, sum, d))
  saturates(l, overflow)
  return s.vSelect(overflow, s.vNot(down), sum)
}
const compareZero = (of: <V>(s: Semantics<V>, bits: LaneBits, n: V, zero: V) => V): Unary => ({ s, bits }, n) => of(s, bits, n, s.zeroVector())

const FAMILIES: readonly Family[] = [
  { name: 'REV64', U: 0, opcode: '00000', vector: BHS, scalar: NONE, of: reversed(64) },
  { name: 'REV32 (vector)', U: 1, opcode: '00000', vector: [8, 16], scalar: NONE, of: reversed(32) },
  { name: 'REV16 (vector)', U: 0, opcode: '00001', vector: [8], scalar: NONE, of: reversed(16) },
  { name: 'SUQADD', U: 0, opcode: '00011', vector: BHSD, scalar: BHSD, of: addUnsignedToSigned },
  { name: 'USQADD', U: 1, opcode: '00011', vector: BHSD, scalar: BHSD, of: addSignedToUnsigned },
  // Leading sign bits: the bits that equal their right neighbour.
  { name: 'CLS (vector)', U: 0, opcode: '00100', vector: BHS, scalar: NONE, of: ({ s, bits }, n) =>
    s.vSub(bits, leadingZeros(s, bits as Narrow, s.vXor(n, s.vSar(bits, n, s.constant(32, 1)))), splat(s, bits, 1n)) },
  { name: 'CLZ (vector)', U: 1, opcode: '00100', vector: BHS, scalar: NONE, of: ({ s, bits }, n) => leadingZeros(s, bits as Narrow, n) },
  { name: 'CNT', U: 0, opcode: '00101', vector: [8], scalar: NONE, of: ({ s }, n) => s.vPopulation(n) },
  { name: 'SQABS', U: 0, opcode: '00111', vector: BHSD, scalar: BHSD, of: (l, n) => {
    const overflow = l.s.vEqual(l.bits, n, minimumOf(l.s, l.bits))
    saturates(l, overflow)
    return l.s.vXor(absolute(l.s, l.bits, n), overflow)
  } },
  { name: 'SQNEG', U: 1, opcode: '00111', vector: BHSD, scalar: BHSD, of: (l, n) => addSaturating(l, true, true, l.s.zeroVector(), n) },
  { name: 'CMGT (zero)', U: 0, opcode: '01000', vector: BHSD, scalar: D, zero: true, of: compareZero((s, bits, n, zero) => s.vLess(bits, true, zero, n)) },
  { name: 'CMGE (zero)', U: 1, opcode: '01000', vector: BHSD, scalar: D, zero: true, of: compareZero((s, bits, n, zero) => s.vNot(s.vLess(bits, true, n, zero))) },
  { name: 'CMEQ (zero)', U: 0, opcode: '01001', vector: BHSD, scalar: D, zero: true, of: compareZero((s, bits, n, zero) => s.vEqual(bits, n, zero)) },
  { name: 'CMLE (zero)', U: 1, opcode: '01001', vector: BHSD, scalar: D, zero: true, of: compareZero((s, bits, n, zero) => s.vNot(s.vLess(bits, true, zero, n))) },
  { name: 'CMLT (zero)', U: 0, opcode: '01010', vector: BHSD, scalar: D, zero: true, of: compareZero((s, bits, n, zero) => s.vLess(bits, true, n, zero)) },
  { name: 'ABS', U: 0, opcode: '01011', vector: BHSD, scalar: D, of: ({ s, bits }, n) => absolute(s, bits, n) },
  { name: 'NEG', U: 1, opcode: '01011', vector: BHSD, scalar: D, of: ({ s, bits }, n) => negate(s, bits, n) },
]

const rows: Row[] = FAMILIES.flatMap(({ name, U, opcode, vector, scalar: sizes, of, zero }) => [
  instruction(formName(name, 'vector').replace('(vector, vector)', '(vector)'), `${mnemonic(name)} <Vd>.${ARRANGEMENT}, <Vn>.${ARRANGEMENT}${zero ? ', #0' : ''}`,
    `0 Q:1 ${U} 01110 size:2 10000 ${opcode} 10 Vn:5 Vd:5`, { rare: true, valid: exists(vector) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const used = Q ? 128 : 64
      s.setQ('Vd', keepLow(s, used, of({ s, bits: (8 << size) as LaneBits, used, upper: false }, s.Q('Vn'))))
    }),
  ...(sizes.length === 0 ? [] : [
    instruction(formName(name, 'scalar'), `${mnemonic(name)} ${scalar('d')}, ${scalar('n')}${zero ? ', #0' : ''}`,
      `01 ${U} 11110 size:2 10000 ${opcode} 10 Vn:5 Vd:5`, { rare: true, valid: exists(sizes) }, ({ size }, s) => {
        s.checkFPEnabled()
        const bits = (8 << size) as LaneBits
        s.setQ('Vd', keepLow(s, bits, of({ s, bits, used: bits, upper: false }, s.Q('Vn'))))
      }),
  ]),
])

const reverseBits: Row = instruction('RBIT (vector)', 'RBIT <Vd>.<TB>, <Vn>.<TB>', '0 Q:1 1 01110 01 10000 00101 10 Vn:5 Vd:5', { rare: true }, ({ Q }, s) => {
  s.checkFPEnabled()
  s.setQ('Vd', keepLow(s, Q ? 128 : 64, reversedBits({ s, bits: 8, used: 128, upper: false }, s.Q('Vn'))))
})

/** Half as many lanes of twice the size. */
const LONG_PAIRS = '<size=<Q=4h|8h>|<Q=2s|4s>|<Q=1d|2d>>'
const pairsLong: Row[] = ([['SADDLP', 0, '00010'], ['UADDLP', 1, '00010'], ['SADALP', 0, '00110'], ['UADALP', 1, '00110']] as const).map(([name, U, opcode]) =>
  instruction(name, `${name} <Vd>.${LONG_PAIRS}, <Vn>.${ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 10000 ${opcode} 10 Vn:5 Vd:5`, { rare: true, valid: f => f.size !== 3 }, ({ Q, size }, s) => {
    s.checkFPEnabled()
    const bits = (8 << size) as Narrow, sums = addPairsLong(s, bits, U === 0, s.Q('Vn'))
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, opcode === '00110' ? s.vAdd(double(bits), s.Q('Vd'), sums) : sums))
  }))

/** `from` and `to`: whether source and result are signed; XTN does not saturate. */
const NARROWING = [
  ['XTN', 0, '10010', undefined], ['SQXTUN', 1, '10010', { from: true, to: false }], ['SQXTN', 0, '10100', { from: true, to: true }], ['UQXTN', 1, '10100', { from: false, to: false }],
] as const
const narrowing: Row[] = NARROWING.flatMap(([name, U, opcode, saturation]) => [
  instruction(saturation ? `${name} (vector)` : name, `${name}<Q=|2> <Vd>.${ARRANGEMENT}, <Vn>.${LONG_ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 10000 ${opcode} 10 Vn:5 Vd:5`,
    { rare: true, valid: f => f.size !== 3 }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as Narrow, l = { s, bits, used: 64, upper: Q === 1 } as const, n = s.Q('Vn')
      setNarrow(l, saturation ? narrowSaturating(l, saturation.from, saturation.to, n) : unzip(s, bits, 128, n, n, 0))
    }),
  ...(saturation === undefined ? [] : [
    instruction(`${name} (scalar)`, `${name} ${scalar('d')}, <size=<Hn>|<Sn>|<Dn>|>`, `01 ${U} 11110 size:2 10000 ${opcode} 10 Vn:5 Vd:5`, { rare: true, valid: f => f.size !== 3 }, ({ size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as Narrow, l = { s, bits, used: bits, upper: false } as const
      setNarrow(l, narrowSaturating(l, saturation.from, saturation.to, s.Q('Vn')))
    }),
  ]),
])

const shiftLong: Row = instruction('SHLL', `SHLL<Q=|2> <Vd>.${LONG_ARRANGEMENT}, <Vn>.${ARRANGEMENT}, #<size=8|16|32>`, '0 Q:1 1 01110 size:2 10000 10011 10 Vn:5 Vd:5',
  { rare: true, valid: f => f.size !== 3 }, ({ Q, size }, s) => {
    s.checkFPEnabled()
    const bits = (8 << size) as Narrow
    s.setQ('Vd', s.vShl(double(bits), s.vWiden(bits, false, Q === 1, s.Q('Vn')), s.constant(32, bits)))
  })

const pairwise: Row = instruction('ADDP (scalar)', 'ADDP <Dd>, <Vn>.2d', '01 0 11110 11 11000 11011 10 Vn:5 Vd:5', { rare: true }, (_, s) => {
  s.checkFPEnabled()
  const n = s.Q('Vn')
  s.setQ('Vd', keepLow(s, 64, s.vAdd(64, n, s.vShuffle(n, n, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]))))
})

/** All lanes folded into lane 0: the upper half onto the lower one and so on. */
function reduce<V>(s: Semantics<V>, bits: LaneBits, length: number, value: V, of: (a: V, b: V) => V): V {
  let result = value
  for (let distance = length / 16; distance >= bits / 8; distance /= 2) {
    const at = distance
    result = of(result, s.vShuffle(result, result, Array.from({ length: 16 }, (_, i) => (i + at) & 15)))
  }
  return result
}
const reducible = (f: { readonly Q: number, readonly size: number }): boolean => f.size < 2 || (f.size === 2 && f.Q === 1)
const ACROSS = [['ADDV', 0, '11011'], ['SMAXV', 0, '01010'], ['UMAXV', 1, '01010'], ['SMINV', 0, '11010'], ['UMINV', 1, '11010']] as const
const across: Row[] = [
  ...ACROSS.map(([name, U, opcode]) =>
    instruction(name, `${name} ${scalar('d')}, <Vn>.${ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 11000 ${opcode} 10 Vn:5 Vd:5`, { rare: true, valid: reducible }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as LaneBits
      s.setQ('Vd', keepLow(s, bits, reduce(s, bits, Q ? 128 : 64, s.Q('Vn'), (a, b) =>
        opcode === '11011' ? s.vAdd(bits, a, b) : opcode === '01010' ? s.vMax(bits, U === 0, a, b) : s.vMin(bits, U === 0, a, b))))
    })),
  ...([['SADDLV', 0], ['UADDLV', 1]] as const).map(([name, U]) =>
    instruction(name, `${name} <size=<Hd>|<Sd>|<Dd>|>, <Vn>.${ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 11000 00011 10 Vn:5 Vd:5`, { rare: true, valid: reducible }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as Narrow, wide = double(bits)
      s.setQ('Vd', keepLow(s, wide, reduce(s, wide, Q ? 128 : 64, addPairsLong(s, bits, U === 0, s.Q('Vn')), (a, b) => s.vAdd(wide, a, b))))
    })),
]

export const simdTwoRegister: readonly Row[] = [...rows, reverseBits, ...pairsLong, ...narrowing, shiftLong, pairwise, ...across]
