/** Advanced SIMD three different, vector and scalar: long, wide and narrowing forms. */
import { instruction, type Row } from '../instruction.ts'
import {
  absoluteDifference, addSaturating, double, doubledProduct, halves, keepLow, type Lanes, type Narrow, type Opcode4, polynomialProductLong, setNarrow, splat, widen,
} from './lanes.ts'
import { ARRANGEMENT, BHS, exists, HS, NONE, scalar } from './simd-three-same.ts'
import type { LaneBits } from '../semantics.ts'

/** The long result, in lanes of twice the size. */
type Long = <V>(l: Lanes<V>, n: V, m: V) => V
interface Family { readonly name: string, readonly U: 0 | 1, readonly opcode: Opcode4, readonly sizes: readonly LaneBits[], readonly scalar: readonly LaneBits[], readonly of: Long }

const both = (opcode: Opcode4, names: readonly [string, string], of: (signed: boolean) => Long): readonly Family[] =>
  names.map((name, U) => ({ name, U: U as 0 | 1, opcode, sizes: BHS, scalar: NONE, of: of(U === 0) }))
const doubling = (opcode: Opcode4, name: string, of: Long): Family => ({ name, U: 0, opcode, sizes: HS, scalar: HS, of })

const wideOf = (bits: LaneBits): 16 | 32 | 64 => double(bits as Narrow)
export const multiplyLong = (signed: boolean): Long => ({ s, bits, upper }, n, m) => s.vMultiplyWide(bits as Narrow, signed, upper, n, m)
export const accumulateLong = (signed: boolean, subtract: boolean): Long => (l, n, m) => {
  const { s, bits } = l, product = multiplyLong(signed)(l, n, m)
  return subtract ? s.vSub(wideOf(bits), s.Q('Vd'), product) : s.vAdd(wideOf(bits), s.Q('Vd'), product)
}
export const accumulateDoubled = (subtract: boolean): Long => (l, n, m) =>
  addSaturating({ ...l, bits: wideOf(l.bits) }, true, subtract, l.s.Q('Vd'), doubledProduct(l, n, m))
const sumLong = (signed: boolean, subtract: boolean): Long => (l, n, m) => {
  const { s, bits } = l, a = widen(l, signed, n), b = widen(l, signed, m)
  return subtract ? s.vSub(wideOf(bits), a, b) : s.vAdd(wideOf(bits), a, b)
}
const differenceLong = (signed: boolean): Long => (l, n, m) => absoluteDifference(l.s, wideOf(l.bits), signed, widen(l, signed, n), widen(l, signed, m))

const LONG: readonly Family[] = [
  ...both('0000', ['SADDL', 'UADDL'], signed => sumLong(signed, false)),
  ...both('0010', ['SSUBL', 'USUBL'], signed => sumLong(signed, true)),
  ...both('0101', ['SABAL', 'UABAL'], signed => (l, n, m) => l.s.vAdd(wideOf(l.bits), l.s.Q('Vd'), differenceLong(signed)(l, n, m))),
  ...both('0111', ['SABDL', 'UABDL'], differenceLong),
  ...both('1000', ['SMLAL', 'UMLAL'], signed => accumulateLong(signed, false)),
  ...both('1010', ['SMLSL', 'UMLSL'], signed => accumulateLong(signed, true)),
  ...both('1100', ['SMULL', 'UMULL'], multiplyLong),
  doubling('1001', 'SQDMLAL', accumulateDoubled(false)),
  doubling('1011', 'SQDMLSL', accumulateDoubled(true)),
  doubling('1101', 'SQDMULL', doubledProduct),
  { name: 'PMULL', U: 0, opcode: '1110', sizes: [8], scalar: NONE, of: polynomialProductLong },
]

/** Arrangement of the long vector by the size of the short elements. */
export const LONG_ARRANGEMENT = '<size=8h|4s|2d|1q>'

const longRows: Row[] = LONG.flatMap(({ name, U, opcode, sizes, scalar: scalarSizes, of }) => [
  instruction(`${name} (vector)`, `${name}<Q=|2> <Vd>.${LONG_ARRANGEMENT}, <Vn>.${ARRANGEMENT}, <Vm>.${ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 1 Vm:5 ${opcode} 00 Vn:5 Vd:5`,
    { rare: true, valid: exists(sizes) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      s.setQ('Vd', of({ s, bits: (8 << size) as LaneBits, used: 128, upper: Q === 1 }, s.Q('Vn'), s.Q('Vm')))
    }),
  ...(scalarSizes.length === 0 ? [] : [
    instruction(`${name} (scalar)`, `${name} <size=|<Sd>|<Dd>>, ${scalar('n')}, ${scalar('m')}`, `01 ${U} 11110 size:2 1 Vm:5 ${opcode} 00 Vn:5 Vd:5`,
      { rare: true, valid: exists(scalarSizes) }, ({ size }, s) => {
        s.checkFPEnabled()
        const used = (16 << size) as 32 | 64
        s.setQ('Vd', keepLow(s, used, of({ s, bits: (8 << size) as LaneBits, used, upper: false }, s.Q('Vn'), s.Q('Vm'))))
      }),
  ]),
])

const polynomialRow: Row = instruction('PMULL (1Q)', 'PMULL<Q=|2> <Vd>.1q, <Vn>.<TD>, <Vm>.<TD>', '0 Q:1 0 01110 11 1 Vm:5 1110 00 Vn:5 Vd:5', { feature: 'FEAT_PMULL', rare: true },
  ({ Q }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', s.carrylessMultiply(s.lane(s.Q('Vn'), 64, Q), s.lane(s.Q('Vm'), 64, Q)))
  })

const wideRows: Row[] = ([['SADDW', 0, '0001'], ['UADDW', 1, '0001'], ['SSUBW', 0, '0011'], ['USUBW', 1, '0011']] as const).map(([name, U, opcode]) =>
  instruction(name, `${name}<Q=|2> <Vd>.${LONG_ARRANGEMENT}, <Vn>.${LONG_ARRANGEMENT}, <Vm>.${ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 1 Vm:5 ${opcode} 00 Vn:5 Vd:5`,
    { rare: true, valid: exists(BHS) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as Narrow, n = s.Q('Vn'), m = s.vWiden(bits, U === 0, Q === 1, s.Q('Vm'))
      s.setQ('Vd', opcode === '0001' ? s.vAdd(double(bits), n, m) : s.vSub(double(bits), n, m))
    }))

/** High halves of sums and differences. */
const narrowRows: Row[] = ([['ADDHN', 0, '0100'], ['RADDHN', 1, '0100'], ['SUBHN', 0, '0110'], ['RSUBHN', 1, '0110']] as const).map(([name, U, opcode]) =>
  instruction(name, `${name}<Q=|2> <Vd>.${ARRANGEMENT}, <Vn>.${LONG_ARRANGEMENT}, <Vm>.${LONG_ARRANGEMENT}`, `0 Q:1 ${U} 01110 size:2 1 Vm:5 ${opcode} 00 Vn:5 Vd:5`,
    { rare: true, valid: exists(BHS) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as Narrow, wide = double(bits), n = s.Q('Vn'), m = s.Q('Vm')
      let sum = opcode === '0100' ? s.vAdd(wide, n, m) : s.vSub(wide, n, m)
      if (U) sum = s.vAdd(wide, sum, splat(s, wide, 1n << BigInt(bits - 1)))
      setNarrow({ s, bits, used: 64, upper: Q === 1 }, halves(s, bits, sum, sum, 1))
    }))

export const simdThreeDifferent: readonly Row[] = [...longRows, polynomialRow, ...wideRows, ...narrowRows]
