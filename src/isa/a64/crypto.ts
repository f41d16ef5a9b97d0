/** Cryptographic AES, two-register and three-register SHA. PMULL is in simd-three-different.ts. */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import { setScalar, splat } from './lanes.ts'

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197). */
function product(a: number, b: number): number {
  let result = 0
  for (let x = a, y = b; y > 0; y >>= 1) {
    if (y & 1) result ^= x
    x = (x << 1) ^ (x & 0x80 ? 0x11b : 0)
  }
  return result
}

/** SubBytes() and its inverse as tables of 256 bytes: the inverse element, then an affine map of its bits. */
const SUBSTITUTION = Uint8Array.from({ length: 256 }, (_, a) => {
  let inverse = 0
  for (let b = 1; b < 256; b++) if (product(a, b) === 1) inverse = b
  let result = 0x63
  for (let turn = 0; turn < 5; turn++) result ^= (inverse << turn) | (inverse >> (8 - turn))
  return result & 0xff
})
const INVERSE = new Uint8Array(256)
SUBSTITUTION.forEach((to, from) => { INVERSE[to] = from })

/** Byte (row r, column c) of the state is byte 4c + r; row r is rotated by r columns to the left, or back. */
const SHIFT_ROWS = Array.from({ length: 16 }, (_, i) => (i + 4 * (i & 3)) & 15)
const SHIFT_ROWS_BACK = Array.from({ length: 16 }, (_, i) => (i - 4 * (i & 3)) & 15)

/** Every byte looked up in a table of 256: sixteen tables of sixteen, of which all but one give 0. */
function substitute<V>(s: Semantics<V>, table: Uint8Array, a: V): V {
  let result = s.zeroVector()
  for (let part = 0; part < 16; part++) {
    const bytes = table.subarray(16 * part, 16 * part + 16).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
    result = s.vOr(result, s.vTable(s.vConstant(bytes), part ? s.vSub(8, a, splat(s, 8, BigInt(16 * part))) : a))
  }
  return result
}

/** Every byte times x. */
function timesX<V>(s: Semantics<V>, a: V): V {
  return s.vXor(s.vShl(8, a, s.constant(32, 1)), s.vAnd(s.vSar(8, a, s.constant(32, 7)), splat(s, 8, 0x1bn)))
}
/** Bytes rotated by `n` within each column. */
const rotated = <V>(s: Semantics<V>, a: V, n: number): V => s.vShuffle(a, a, Array.from({ length: 16 }, (_, i) => (i & ~3) | ((i + n) & 3)))
/** MixColumns(): 2, 3, 1, 1 times a column's bytes. */
function mixColumns<V>(s: Semantics<V>, a: V): V {
  const next = rotated(s, a, 1)
  return s.vXor(s.vXor(timesX(s, s.vXor(a, next)), next), s.vXor(rotated(s, a, 2), rotated(s, a, 3)))
}
/** InvMixColumns(): 14, 11, 13, 9, which is MixColumns() of 5, 0, 4, 0. */
function inverseMixColumns<V>(s: Semantics<V>, a: V): V {
  const four = timesX(s, timesX(s, a))
  return mixColumns(s, s.vXor(a, s.vXor(four, rotated(s, four, 2))))
}

type Operation = <V>(s: Semantics<V>) => V
const AES: readonly (readonly [string, '00100' | '00101' | '00110' | '00111', Operation])[] = [
  ['AESE', '00100', s => {
    const state = s.vXor(s.Q('Vd'), s.Q('Vn'))
    return substitute(s, SUBSTITUTION, s.vShuffle(state, state, SHIFT_ROWS))
  }],
  ['AESD', '00101', s => {
    const state = s.vXor(s.Q('Vd'), s.Q('Vn'))
    return substitute(s, INVERSE, s.vShuffle(state, state, SHIFT_ROWS_BACK))
  }],
  ['AESMC', '00110', s => mixColumns(s, s.Q('Vn'))],
  ['AESIMC', '00111', s => inverseMixColumns(s, s.Q('Vn'))],
]
const aes: Row[] = AES.map(([name, opcode, of]) => instruction(name, `${name} <Vd>.16b, <Vn>.16b`, `01001110 00 10100 ${opcode} 10 Vn:5 Vd:5`, { feature: 'FEAT_AES', rare: true }, (_, s) => {
  s.checkFPEnabled()
  s.setQ('Vd', of(s))
}))

// SHA works on 32-bit words.
const word = <V>(s: Semantics<V>, vector: V, i: number): V => s.truncate(s.lane(vector, 32, i))
const wordsOf = <V>(s: Semantics<V>, vector: V): V[] => [0, 1, 2, 3].map(i => word(s, vector, i))
function fromWords<V>(s: Semantics<V>, words: readonly V[]): V {
  let result = s.zeroVector()
  words.forEach((value, i) => { result = s.withLane(result, 32, i, s.zeroExtend(value)) })
  return result
}
const sum = <V>(s: Semantics<V>, ...terms: readonly V[]): V => terms.reduce((a, b) => s.add(32, a, b))
const ror = <V>(s: Semantics<V>, a: V, n: number): V => s.ror(32, a, s.constant(32, n))
/** Rotated to the right by the amounts, exclusive-ored. */
const rotations = <V>(s: Semantics<V>, a: V, ...amounts: readonly number[]): V => amounts.map(n => ror(s, a, n)).reduce((x, y) => s.xor(32, x, y))
const choose = <V>(s: Semantics<V>, x: V, y: V, z: V): V => s.xor(32, s.and(32, s.xor(32, y, z), x), z)
const parity = <V>(s: Semantics<V>, x: V, y: V, z: V): V => s.xor(32, s.xor(32, x, y), z)
const majority = <V>(s: Semantics<V>, x: V, y: V, z: V): V => s.or(32, s.and(32, x, y), s.and(32, s.or(32, x, y), z))

/** Four rounds of SHA-1 on Vd, the fifth word in Vn. */
function sha1Rounds<V>(s: Semantics<V>, mix: typeof choose): V {
  let x = wordsOf(s, s.Q('Vd')), y = word(s, s.Q('Vn'), 0)
  const w = wordsOf(s, s.Q('Vm'))
  for (let e = 0; e < 4; e++) {
    const [a, b, c, d] = x as [V, V, V, V]
    const sumOfRound = sum(s, y, ror(s, a, 27), mix(s, b, c, d), w[e] as V)
    y = d
    x = [sumOfRound, a, ror(s, b, 2), c]
  }
  return fromWords(s, x)
}

/** SHA256hash(): four rounds on the words a to d and e to h. */
function sha256Rounds<V>(s: Semantics<V>, first: string, second: string, part1: boolean): V {
  let x = wordsOf(s, s.Q(first)), y = wordsOf(s, s.Q(second))
  const w = wordsOf(s, s.Q('Vm'))
  for (let round = 0; round < 4; round++) {
    const [a, b, c, d] = x as [V, V, V, V], [e, f, g, h] = y as [V, V, V, V]
    const t = sum(s, h, rotations(s, e, 6, 11, 25), choose(s, e, f, g), w[round] as V)
    x = [sum(s, t, rotations(s, a, 2, 13, 22), majority(s, a, b, c)), a, b, c]
    y = [s.add(32, t, d), e, f, g]
  }
  return fromWords(s, part1 ? x : y)
}

const THREE: readonly (readonly [string, '000' | '001' | '010' | '011' | '100' | '101' | '110', string, Operation])[] = [
  ['SHA1C', '000', '<Qd>, <Sn>, <Vm>.4s', s => sha1Rounds(s, choose)],
  ['SHA1P', '001', '<Qd>, <Sn>, <Vm>.4s', s => sha1Rounds(s, parity)],
  ['SHA1M', '010', '<Qd>, <Sn>, <Vm>.4s', s => sha1Rounds(s, majority)],
  ['SHA1SU0', '011', '<Vd>.4s, <Vn>.4s, <Vm>.4s', s => {
    const d = s.Q('Vd')
    return s.vXor(s.vXor(s.vShuffle(d, s.Q('Vn'), [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]), d), s.Q('Vm'))
  }],
  ['SHA256H', '100', '<Qd>, <Qn>, <Vm>.4s', s => sha256Rounds(s, 'Vd', 'Vn', true)],
  ['SHA256H2', '101', '<Qd>, <Qn>, <Vm>.4s', s => sha256Rounds(s, 'Vn', 'Vd', false)],
  ['SHA256SU1', '110', '<Vd>.4s, <Vn>.4s, <Vm>.4s', s => {
    const d = wordsOf(s, s.Q('Vd')), n = wordsOf(s, s.Q('Vn')), m = wordsOf(s, s.Q('Vm'))
    const added = [...n.slice(1), ...m.slice(0, 1)], result: typeof d = []
    for (let e = 0; e < 4; e++) {
      const from = (e < 2 ? m[2 + e] : result[e - 2]) as (typeof d)[number]
      result.push(sum(s, s.xor(32, rotations(s, from, 17, 19), s.shr(32, from, s.constant(32, 10))), d[e] as typeof from, added[e] as typeof from))
    }
    return fromWords(s, result)
  }],
]

const sha: Row[] = [
  ...THREE.map(([name, opcode, operands, of]) =>
    instruction(name, `${name} ${operands}`, `01011110 00 0 Vm:5 0 ${opcode} 00 Vn:5 Vd:5`, { feature: name.startsWith('SHA1') ? 'FEAT_SHA1' : 'FEAT_SHA256', rare: true }, (_, s) => {
      s.checkFPEnabled()
      s.setQ('Vd', of(s))
    })),
  instruction('SHA1H', 'SHA1H <Sd>, <Sn>', '01011110 00 10100 00000 10 Vn:5 Vd:5', { feature: 'FEAT_SHA1', rare: true }, (_, s) => {
    s.checkFPEnabled()
    setScalar(s, s.zeroExtend(ror(s, word(s, s.Q('Vn'), 0), 2)))
  }),
  instruction('SHA1SU1', 'SHA1SU1 <Vd>.4s, <Vn>.4s', '01011110 00 10100 00001 10 Vn:5 Vd:5', { feature: 'FEAT_SHA1', rare: true }, (_, s) => {
    s.checkFPEnabled()
    const d = wordsOf(s, s.Q('Vd')), n = wordsOf(s, s.Q('Vn'))
    const t = d.map((value, i) => i < 3 ? s.xor(32, value, n[i + 1] as typeof value) : value), rolled = t.map(value => ror(s, value, 31))
    const last = s.xor(32, rolled[3] as (typeof d)[number], ror(s, t[0] as (typeof d)[number], 30))
    s.setQ('Vd', fromWords(s, [...rolled.slice(0, 3), last]))
  }),
  instruction('SHA256SU0', 'SHA256SU0 <Vd>.4s, <Vn>.4s', '01011110 00 10100 00010 10 Vn:5 Vd:5', { feature: 'FEAT_SHA256', rare: true }, (_, s) => {
    s.checkFPEnabled()
    const d = wordsOf(s, s.Q('Vd')), following = [...d.slice(1), word(s, s.Q('Vn'), 0)]
    s.setQ('Vd', fromWords(s, d.map((value, i) => {
      const next = following[i] as typeof value
      return s.add(32, value, s.xor(32, rotations(s, next, 7, 18), s.shr(32, next, s.constant(32, 3))))
    })))
  }),
]

export const crypto: readonly Row[] = [...aes, ...sha]
