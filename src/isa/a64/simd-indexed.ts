/** Advanced SIMD vector x indexed element and scalar x indexed element: integers. */
import type { Feature } from '../../arch/features.ts'
import { instruction, type Row } from '../instruction.ts'
import { accumulateHighProduct, dotProduct, doubledHighProduct, doubledProduct, keepLow, type Lanes, type Opcode4 } from './lanes.ts'
import { accumulateDoubled, accumulateLong, multiplyLong } from './simd-three-different.ts'
import type { Binary } from './simd-three-same.ts'

/** Vm of H is one of V0 to V15, as one bit of its number is in the index. */
const ELEMENTS = [
  { letter: 'H', bits: 16, size: '01', element: 'immL:1 immM:1 Vm:4', of: (f: { readonly immH: number, readonly immL: number, readonly immM?: number }) => f.immH * 4 + f.immL * 2 + (f.immM ?? 0) },
  { letter: 'S', bits: 32, size: '10', element: 'immL:1 Vm:5', of: (f: { readonly immH: number, readonly immL: number }) => f.immH * 2 + f.immL },
] as const

interface Family { readonly name: string, readonly U: 0 | 1, readonly opcode: Opcode4, readonly long: boolean, readonly scalar: boolean, readonly feature?: Feature, readonly of: Binary }

const long = (opcode: Opcode4, names: readonly [string, string], of: (signed: boolean) => Binary): readonly Family[] =>
  names.map((name, U) => ({ name, U: U as 0 | 1, opcode, long: true, scalar: false, of: of(U === 0) }))

const FAMILIES: readonly Family[] = [
  { name: 'MUL', U: 0, opcode: '1000', long: false, scalar: false, of: ({ s, bits }, n, m) => s.vMul(bits, n, m) },
  { name: 'MLA', U: 1, opcode: '0000', long: false, scalar: false, of: ({ s, bits }, n, m) => s.vAdd(bits, s.Q('Vd'), s.vMul(bits, n, m)) },
  { name: 'MLS', U: 1, opcode: '0100', long: false, scalar: false, of: ({ s, bits }, n, m) => s.vSub(bits, s.Q('Vd'), s.vMul(bits, n, m)) },
  ...long('0010', ['SMLAL', 'UMLAL'], signed => accumulateLong(signed, false)),
  ...long('0110', ['SMLSL', 'UMLSL'], signed => accumulateLong(signed, true)),
  ...long('1010', ['SMULL', 'UMULL'], multiplyLong),
  { name: 'SQDMLAL', U: 0, opcode: '0011', long: true, scalar: true, of: accumulateDoubled(false) },
  { name: 'SQDMLSL', U: 0, opcode: '0111', long: true, scalar: true, of: accumulateDoubled(true) },
  { name: 'SQDMULL', U: 0, opcode: '1011', long: true, scalar: true, of: doubledProduct },
  { name: 'SQDMULH', U: 0, opcode: '1100', long: false, scalar: true, of: (l, n, m) => doubledHighProduct(l, false, n, m) },
  { name: 'SQRDMULH', U: 0, opcode: '1101', long: false, scalar: true, of: (l, n, m) => doubledHighProduct(l, true, n, m) },
  { name: 'SQRDMLAH', U: 1, opcode: '1101', long: false, scalar: true, feature: 'FEAT_RDM', of: (l, n, m) => accumulateHighProduct(l, false, l.s.Q('Vd'), n, m) },
  { name: 'SQRDMLSH', U: 1, opcode: '1111', long: false, scalar: true, feature: 'FEAT_RDM', of: (l, n, m) => accumulateHighProduct(l, true, l.s.Q('Vd'), n, m) },
]

const withFeature = (feature: Feature | undefined) => feature === undefined ? { rare: true } : { rare: true, feature }

const rows: Row[] = FAMILIES.flatMap(family => ELEMENTS.flatMap(({ letter, bits, size, element, of: indexOf }) => {
  const { name, U, opcode, long: isLong, scalar, feature, of } = family
  const operands = `<Vn>.<T${letter}>, <Vm>.${letter.toLowerCase()}[<#index:n>]`, wide = bits === 16 ? '4s' : '2d', wideLetter = bits === 16 ? 'S' : 'D'
  const body = <V>(l: Lanes<V>): V => of(l, l.s.Q('Vn'), l.s.vElement(bits, l.s.Q('Vm'), l.s.imm('index', 32)))
  const options = { ...withFeature(feature), immediates: { index: { width: 32 as const, of: indexOf } } }
  return [
    instruction(`${name} (by element), ${letter}`, isLong ? `${name}<Q=|2> <Vd>.${wide}, ${operands}` : `${name} <Vd>.<T${letter}>, ${operands}`,
      `0 Q:1 ${U} 01111 ${size} ${element} ${opcode} immH:1 0 Vn:5 Vd:5`, options, ({ Q }, s) => {
        s.checkFPEnabled()
        const used = isLong || Q ? 128 : 64
        s.setQ('Vd', keepLow(s, used, body({ s, bits, used, upper: isLong && Q === 1 })))
      }),
    ...(scalar ? [
      instruction(`${name} (by element, scalar), ${letter}`, `${name} <${isLong ? wideLetter : letter}d>, <${letter}n>, <Vm>.${letter.toLowerCase()}[<#index:n>]`,
        `01 ${U} 11111 ${size} ${element} ${opcode} immH:1 0 Vn:5 Vd:5`, options, (_, s) => {
          s.checkFPEnabled()
          const used = (isLong ? 2 * bits : bits) as 16 | 32 | 64
          s.setQ('Vd', keepLow(s, used, body({ s, bits, used, upper: false })))
        }),
    ] : []),
  ]
}))

const dotProducts: Row[] = ([['SDOT', 0], ['UDOT', 1]] as const).map(([name, U]) =>
  instruction(`${name} (by element)`, `${name} <Vd>.<TS>, <Vn>.<TB>, <Vm>.4b[<#index:n>]`, `0 Q:1 ${U} 01111 10 immL:1 Vm:5 1110 immH:1 0 Vn:5 Vd:5`, {
    feature: 'FEAT_DotProd', rare: true, immediates: { index: { width: 32, of: f => f.immH * 2 + f.immL } },
  }, ({ Q }, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, s.vAdd(32, s.Q('Vd'), dotProduct(s, U === 0, s.Q('Vn'), s.vElement(32, s.Q('Vm'), s.imm('index', 32))))))
  }))

export const simdIndexed: readonly Row[] = [...rows, ...dotProducts]
