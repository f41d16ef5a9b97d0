/** Advanced SIMD three same and three same extra, vector and scalar: integers. Bitwise operations are in simd-move.ts. */
import type { Feature } from '../../arch/features.ts'
import { instruction, type Row } from '../instruction.ts'
import {
  absoluteDifference, accumulateHighProduct, addSaturating, andNot, dotProduct, doubledHighProduct, keepLow, type LaneBits, type Lanes, LANE_BITS, type Opcode5, polynomialProduct,
  shiftByRegister, unzip,
} from './lanes.ts'

/** The operation on the lanes of Vn and Vm. */
export type Binary = <V>(l: Lanes<V>, n: V, m: V) => V

/** Element sizes that exist. */
export const BHS: readonly LaneBits[] = [8, 16, 32], BHSD: readonly LaneBits[] = LANE_BITS, HS: readonly LaneBits[] = [16, 32], D: readonly LaneBits[] = [64], NONE: readonly LaneBits[] = []

interface Family { readonly name: string, readonly U: 0 | 1, readonly opcode: Opcode5, readonly vector: readonly LaneBits[], readonly scalar: readonly LaneBits[], readonly of: Binary }

const family = (opcode: Opcode5, names: readonly [string | undefined, string | undefined], vector: readonly LaneBits[], scalar: readonly LaneBits[], of: (signed: boolean) => Binary): readonly Family[] =>
  names.flatMap((name, U) => name === undefined ? [] : [{ name, U: U as 0 | 1, opcode, vector, scalar, of: of(U === 0) }])

const halved = (signed: boolean, rounding: boolean): Binary => ({ s, bits }, n, m) => {
  const one = s.constant(32, 1), differ = s.vXor(n, m), half = signed ? s.vSar(bits, differ, one) : s.vShr(bits, differ, one)
  return rounding ? s.vSub(bits, s.vOr(n, m), half) : s.vAdd(bits, s.vAnd(n, m), half)
}
const halvedDifference = (signed: boolean): Binary => ({ s, bits }, n, m) => {
  const one = s.constant(32, 1), differ = s.vXor(n, m), half = signed ? s.vSar(bits, differ, one) : s.vShr(bits, differ, one)
  return s.vSub(bits, half, andNot(s, m, n))
}
const pairwise = (of: Binary): Binary => (l, n, m) => of(l, unzip(l.s, l.bits, l.used, n, m, 0), unzip(l.s, l.bits, l.used, n, m, 1))
const minimum = (signed: boolean): Binary => ({ s, bits }, n, m) => s.vMin(bits, signed, n, m)
const maximum = (signed: boolean): Binary => ({ s, bits }, n, m) => s.vMax(bits, signed, n, m)

const FAMILIES: readonly Family[] = [
  ...family('00000', ['SHADD', 'UHADD'], BHS, NONE, signed => halved(signed, false)),
  ...family('00001', ['SQADD', 'UQADD'], BHSD, BHSD, signed => (l, n, m) => addSaturating(l, signed, false, n, m)),
  ...family('00010', ['SRHADD', 'URHADD'], BHS, NONE, signed => halved(signed, true)),
  ...family('00100', ['SHSUB', 'UHSUB'], BHS, NONE, signed => halvedDifference(signed)),
  ...family('00101', ['SQSUB', 'UQSUB'], BHSD, BHSD, signed => (l, n, m) => addSaturating(l, signed, true, n, m)),
  ...family('00110', ['CMGT (register)', 'CMHI (register)'], BHSD, D, signed => ({ s, bits }, n, m) => s.vLess(bits, signed, m, n)),
  ...family('00111', ['CMGE (register)', 'CMHS (register)'], BHSD, D, signed => ({ s, bits }, n, m) => s.vNot(s.vLess(bits, signed, n, m))),
  ...family('01000', ['SSHL', 'USHL'], BHSD, D, signed => (l, n, m) => shiftByRegister(l, signed, false, false, n, m)),
  ...family('01001', ['SQSHL (register)', 'UQSHL (register)'], BHSD, BHSD, signed => (l, n, m) => shiftByRegister(l, signed, true, false, n, m)),
  ...family('01010', ['SRSHL', 'URSHL'], BHSD, D, signed => (l, n, m) => shiftByRegister(l, signed, false, true, n, m)),
  ...family('01011', ['SQRSHL', 'UQRSHL'], BHSD, BHSD, signed => (l, n, m) => shiftByRegister(l, signed, true, true, n, m)),
  ...family('01100', ['SMAX', 'UMAX'], BHS, NONE, maximum),
  ...family('01101', ['SMIN', 'UMIN'], BHS, NONE, minimum),
  ...family('01110', ['SABD', 'UABD'], BHS, NONE, signed => ({ s, bits }, n, m) => absoluteDifference(s, bits, signed, n, m)),
  ...family('01111', ['SABA', 'UABA'], BHS, NONE, signed => ({ s, bits }, n, m) => s.vAdd(bits, s.Q('Vd'), absoluteDifference(s, bits, signed, n, m))),
  ...family('10000', ['ADD', undefined], BHSD, D, () => ({ s, bits }, n, m) => s.vAdd(bits, n, m)),
  ...family('10000', [undefined, 'SUB'], BHSD, D, () => ({ s, bits }, n, m) => s.vSub(bits, n, m)),
  ...family('10001', ['CMTST', undefined], BHSD, D, () => ({ s, bits }, n, m) => s.vNot(s.vEqual(bits, s.vAnd(n, m), s.zeroVector()))),
  ...family('10001', [undefined, 'CMEQ (register)'], BHSD, D, () => ({ s, bits }, n, m) => s.vEqual(bits, n, m)),
  ...family('10010', ['MLA', undefined], BHS, NONE, () => ({ s, bits }, n, m) => s.vAdd(bits, s.Q('Vd'), s.vMul(bits, n, m))),
  ...family('10010', [undefined, 'MLS'], BHS, NONE, () => ({ s, bits }, n, m) => s.vSub(bits, s.Q('Vd'), s.vMul(bits, n, m))),
  ...family('10011', ['MUL', undefined], BHS, NONE, () => ({ s, bits }, n, m) => s.vMul(bits, n, m)),
  ...family('10011', [undefined, 'PMUL'], [8], NONE, () => ({ s }, n, m) => polynomialProduct(s, n, m)),
  ...family('10100', ['SMAXP', 'UMAXP'], BHS, NONE, signed => pairwise(maximum(signed))),
  ...family('10101', ['SMINP', 'UMINP'], BHS, NONE, signed => pairwise(minimum(signed))),
  ...family('10110', ['SQDMULH', undefined], HS, HS, () => (l, n, m) => doubledHighProduct(l, false, n, m)),
  ...family('10110', [undefined, 'SQRDMULH'], HS, HS, () => (l, n, m) => doubledHighProduct(l, true, n, m)),
  ...family('10111', ['ADDP', undefined], BHSD, NONE, () => pairwise(({ s, bits }, n, m) => s.vAdd(bits, n, m))),
]

/** The mnemonic of a name such as 'CMGT (register)'. */
export const mnemonic = (name: string): string => name.replace(/ \(.*/, '')
/** The name of a form: 'CMGT (register, vector)'. */
export const formName = (name: string, form: string): string => name.endsWith(')') ? `${name.slice(0, -1)}, ${form})` : `${name} (${form})`

/** Arrangement of a vector, and name of a scalar register, by the fields `size` and Q. */
export const ARRANGEMENT = '<size=<TB>|<TH>|<TS>|<TD>>'
export const scalar = (register: string): string => `<size=<B${register}>|<H${register}>|<S${register}>|<D${register}>>`
/** Vectors of 1D do not exist. */
export const exists = (sizes: readonly LaneBits[]) => (f: { readonly size: number, readonly Q?: number }): boolean =>
  sizes.includes((8 << f.size) as LaneBits) && !(f.size === 3 && f.Q === 0)

const vectorRow = ({ name, U, opcode, vector, of }: Family): Row =>
  instruction(formName(name, 'vector'), `${mnemonic(name)} <Vd>.${ARRANGEMENT}, <Vn>.${ARRANGEMENT}, <Vm>.${ARRANGEMENT}`,
    `0 Q:1 ${U} 01110 size:2 1 Vm:5 ${opcode} 1 Vn:5 Vd:5`, { rare: true, valid: exists(vector) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const used = Q ? 128 : 64
      s.setQ('Vd', keepLow(s, used, of({ s, bits: (8 << size) as LaneBits, used, upper: false }, s.Q('Vn'), s.Q('Vm'))))
    })

const scalarRow = ({ name, U, opcode, scalar: sizes, of }: Family): Row =>
  instruction(formName(name, 'scalar'), `${mnemonic(name)} ${scalar('d')}, ${scalar('n')}, ${scalar('m')}`,
    `01 ${U} 11110 size:2 1 Vm:5 ${opcode} 1 Vn:5 Vd:5`, { rare: true, valid: exists(sizes) }, ({ size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as LaneBits
      s.setQ('Vd', keepLow(s, bits, of({ s, bits, used: bits, upper: false }, s.Q('Vn'), s.Q('Vm'))))
    })

const RDM = { feature: 'FEAT_RDM' as Feature, rare: true }
const accumulatingHalves: Row[] = ([['SQRDMLAH', '0000'], ['SQRDMLSH', '0001']] as const).flatMap(([name, opcode], i) => [
  instruction(`${name} (vector)`, `${name} <Vd>.${ARRANGEMENT}, <Vn>.${ARRANGEMENT}, <Vm>.${ARRANGEMENT}`, `0 Q:1 1 01110 size:2 0 Vm:5 1 ${opcode} 1 Vn:5 Vd:5`,
    { ...RDM, valid: exists(HS) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const used = Q ? 128 : 64
      s.setQ('Vd', keepLow(s, used, accumulateHighProduct({ s, bits: (8 << size) as LaneBits, used, upper: false }, i === 1, s.Q('Vd'), s.Q('Vn'), s.Q('Vm'))))
    }),
  instruction(`${name} (scalar)`, `${name} ${scalar('d')}, ${scalar('n')}, ${scalar('m')}`, `01 1 11110 size:2 0 Vm:5 1 ${opcode} 1 Vn:5 Vd:5`,
    { ...RDM, valid: exists(HS) }, ({ size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as LaneBits
      s.setQ('Vd', keepLow(s, bits, accumulateHighProduct({ s, bits, used: bits, upper: false }, i === 1, s.Q('Vd'), s.Q('Vn'), s.Q('Vm'))))
    }),
])

const dotProducts: Row[] = ([['SDOT', 0], ['UDOT', 1]] as const).map(([name, U]) =>
  instruction(`${name} (vector)`, `${name} <Vd>.<TS>, <Vn>.<TB>, <Vm>.<TB>`, `0 Q:1 ${U} 01110 10 0 Vm:5 1 0010 1 Vn:5 Vd:5`, { feature: 'FEAT_DotProd', rare: true }, ({ Q }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, s.vAdd(32, s.Q('Vd'), dotProduct(s, U === 0, s.Q('Vn'), s.Q('Vm')))))
  }))

export const simdThreeSame: readonly Row[] = [
  ...FAMILIES.map(vectorRow), ...FAMILIES.filter(f => f.scalar.length > 0).map(scalarRow), ...accumulatingHalves, ...dotProducts,
]
