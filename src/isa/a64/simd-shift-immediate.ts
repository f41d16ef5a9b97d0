/** Advanced SIMD shift by immediate, vector and scalar. The conversions to and from fixed point are in simd-fp.ts. */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import {
  double, keepLow, type LaneBits, type Lanes, LETTER, type Narrow, narrowSaturating, type Opcode5, setNarrow, shiftLeftSaturating, shiftRight, shiftRightRounding, splat, unzip,
} from './lanes.ts'
import { BHSD, D, mnemonic } from './simd-three-same.ts'

/** immh:immb: the leading one says the element size, the rest is the amount (to the left) or what it is less than the size (to the right). */
const SIZES = [
  { bits: 8, immediate: '0001 immshift:3' }, { bits: 16, immediate: '001 immshift:4' }, { bits: 32, immediate: '01 immshift:5' }, { bits: 64, immediate: '1 immshift:6' },
] as const

/** `amount` is the left shift, or the right shift minus one. */
type Shift = <V>(l: Lanes<V>, n: V, amount: V) => V
interface Family { readonly name: string, readonly U: 0 | 1, readonly opcode: Opcode5, readonly left: boolean, readonly scalar: readonly LaneBits[], readonly of: Shift }

const right = (opcode: Opcode5, names: readonly [string, string], of: (signed: boolean) => Shift): readonly Family[] =>
  names.map((name, U) => ({ name, U: U as 0 | 1, opcode, left: false, scalar: D, of: of(U === 0) }))
const accumulated = (of: (signed: boolean) => Shift) => (signed: boolean): Shift => (l, n, amount) => l.s.vAdd(l.bits, l.s.Q('Vd'), of(signed)(l, n, amount))
const plain = (signed: boolean): Shift => ({ s, bits }, n, amount) => shiftRight(s, bits, signed, n, amount)
const rounded = (signed: boolean): Shift => ({ s, bits }, n, amount) => shiftRightRounding(s, bits, signed, n, amount)
/** Bits of Vd that the shifted value does not reach are kept. */
const inserted = (shift: <V>(l: Lanes<V>, value: V, amount: V) => V): Shift => (l, n, amount) => {
  const { s, bits } = l
  return s.vSelect(shift(l, splat(s, bits, -1n), amount), shift(l, n, amount), s.Q('Vd'))
}
const leftwards: Shift = ({ s, bits }, n, amount) => s.vShl(bits, n, amount)

const FAMILIES: readonly Family[] = [
  ...right('00000', ['SSHR', 'USHR'], plain),
  ...right('00010', ['SSRA', 'USRA'], accumulated(plain)),
  ...right('00100', ['SRSHR', 'URSHR'], rounded),
  ...right('00110', ['SRSRA', 'URSRA'], accumulated(rounded)),
  { name: 'SRI', U: 1, opcode: '01000', left: false, scalar: D, of: inserted(plain(false)) },
  { name: 'SHL', U: 0, opcode: '01010', left: true, scalar: D, of: leftwards },
  { name: 'SLI', U: 1, opcode: '01010', left: true, scalar: D, of: inserted(leftwards) },
  { name: 'SQSHLU', U: 1, opcode: '01100', left: true, scalar: BHSD, of: (l, n, amount) => shiftLeftSaturating(l, true, false, n, amount) },
  { name: 'SQSHL (immediate)', U: 0, opcode: '01110', left: true, scalar: BHSD, of: (l, n, amount) => shiftLeftSaturating(l, true, true, n, amount) },
  { name: 'UQSHL (immediate)', U: 1, opcode: '01110', left: true, scalar: BHSD, of: (l, n, amount) => shiftLeftSaturating(l, false, false, n, amount) },
]

const imm = { width: 32 } as const
type F = { readonly immshift: number }
/** Immediates of a shift: what the body needs, and what the assembler says. */
const immediates = (bits: number, left: boolean) => ({
  amount: { ...imm, of: (f: F) => left ? f.immshift : bits - 1 - f.immshift },
  shift: { ...imm, of: (f: F) => left ? f.immshift : bits - f.immshift },
})
const vectorOf = (bits: LaneBits): string => `<T${LETTER[bits]}>`

const rows: Row[] = FAMILIES.flatMap(({ name, U, opcode, left, scalar, of }) => SIZES.flatMap(({ bits, immediate }) => [
  instruction(`${name}, ${LETTER[bits]} (vector)`, `${mnemonic(name)} <Vd>.${vectorOf(bits)}, <Vn>.${vectorOf(bits)}, <#shift>`, `0 Q:1 ${U} 011110 ${immediate} ${opcode} 1 Vn:5 Vd:5`,
    { rare: true, valid: f => bits !== 64 || f.Q === 1, immediates: immediates(bits, left) }, ({ Q }, s) => {
      s.checkFPEnabled()
      const used = Q ? 128 : 64
      s.setQ('Vd', keepLow(s, used, of({ s, bits, used, upper: false }, s.Q('Vn'), s.imm('amount', 32))))
    }),
  ...(scalar.includes(bits) ? [
    instruction(`${name}, ${LETTER[bits]} (scalar)`, `${mnemonic(name)} <${LETTER[bits]}d>, <${LETTER[bits]}n>, <#shift>`, `01 ${U} 111110 ${immediate} ${opcode} 1 Vn:5 Vd:5`,
      { rare: true, immediates: immediates(bits, left) }, (_, s) => {
        s.checkFPEnabled()
        s.setQ('Vd', keepLow(s, bits, of({ s, bits, used: bits, upper: false }, s.Q('Vn'), s.imm('amount', 32))))
      }),
  ] : []),
]))

/** Signedness of source and result; absent where the result is cut off. */
const NARROWING = [
  ['SHRN', 0, '10000', false, undefined], ['RSHRN', 0, '10001', true, undefined],
  ['SQSHRN', 0, '10010', false, { from: true, to: true }], ['SQRSHRN', 0, '10011', true, { from: true, to: true }],
  ['SQSHRUN', 1, '10000', false, { from: true, to: false }], ['SQRSHRUN', 1, '10001', true, { from: true, to: false }],
  ['UQSHRN', 1, '10010', false, { from: false, to: false }], ['UQRSHRN', 1, '10011', true, { from: false, to: false }],
] as const

function narrowed<V>(l: Lanes<V>, rounding: boolean, saturation: { readonly from: boolean, readonly to: boolean } | undefined, s: Semantics<V>): V {
  const bits = l.bits as Narrow, wide = double(bits), signed = saturation?.from ?? false, amount = s.imm('amount', 32)
  const shifted = (rounding ? shiftRightRounding : shiftRight)(s, wide, signed, s.Q('Vn'), amount)
  return saturation ? narrowSaturating(l, saturation.from, saturation.to, shifted) : unzip(s, bits, 128, shifted, shifted, 0)
}

const narrowing: Row[] = NARROWING.flatMap(([name, U, opcode, rounding, saturation]) => SIZES.slice(0, 3).flatMap(({ bits, immediate }) => [
  instruction(`${name}, ${LETTER[bits]}${saturation ? ' (vector)' : ''}`, `${name}<Q=|2> <Vd>.${vectorOf(bits)}, <Vn>.${{ 8: '8h', 16: '4s', 32: '2d', 64: '' }[bits]}, <#shift>`,
    `0 Q:1 ${U} 011110 ${immediate} ${opcode} 1 Vn:5 Vd:5`, { rare: true, immediates: immediates(bits, false) }, ({ Q }, s) => {
      s.checkFPEnabled()
      const l = { s, bits, used: 64, upper: Q === 1 } as const
      setNarrow(l, narrowed(l, rounding, saturation, s))
    }),
  ...(saturation ? [
    instruction(`${name}, ${LETTER[bits]} (scalar)`, `${name} <${LETTER[bits]}d>, <${LETTER[(2 * bits) as LaneBits]}n>, <#shift>`, `01 ${U} 111110 ${immediate} ${opcode} 1 Vn:5 Vd:5`,
      { rare: true, immediates: immediates(bits, false) }, (_, s) => {
        s.checkFPEnabled()
        const l = { s, bits, used: bits, upper: false } as const
        setNarrow(l, narrowed(l, rounding, saturation, s))
      }),
  ] : []),
]))

const widening: Row[] = ([['SSHLL', 0], ['USHLL', 1]] as const).flatMap(([name, U]) => SIZES.slice(0, 3).map(({ bits, immediate }) =>
  instruction(`${name}, ${LETTER[bits]}`, `${name}<Q=|2> <Vd>.${{ 8: '8h', 16: '4s', 32: '2d', 64: '' }[bits]}, <Vn>.${vectorOf(bits)}, <#shift>`,
    `0 Q:1 ${U} 011110 ${immediate} 10100 1 Vn:5 Vd:5`, { rare: true, immediates: immediates(bits, true) }, ({ Q }, s) => {
      s.checkFPEnabled()
      const narrow = bits as Narrow
      s.setQ('Vd', s.vShl(double(narrow), s.vWiden(narrow, U === 0, Q === 1, s.Q('Vn')), s.imm('amount', 32)))
    })))

export const simdShiftImmediate: readonly Row[] = [...rows, ...narrowing, ...widening]
