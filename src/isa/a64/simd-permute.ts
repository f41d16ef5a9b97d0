/** Advanced SIMD permute, extract and table lookup. */
import { instruction, type Row } from '../instruction.ts'
import { keepLow, type LaneBits, shuffleLanes, splat } from './lanes.ts'
import { ARRANGEMENT, BHSD, exists } from './simd-three-same.ts'

/** Lanes of Vn (from 0) and Vm (from `n`, the number of lanes in use) that make lane i of the result. */
const PERMUTATIONS = [
  ['UZP', '01', (i: number, n: number, part: number) => 2 * i + part],
  ['TRN', '10', (i: number, n: number, part: number) => (i & 1) * n + (i & ~1) + part],
  ['ZIP', '11', (i: number, n: number, part: number) => (i & 1) * n + (i >> 1) + part * (n / 2)],
] as const

const permutes: Row[] = PERMUTATIONS.flatMap(([name, opcode, source]) => ([0, 1] as const).map(part =>
  instruction(`${name}${part + 1}`, `${name}${part + 1} <Vd>.${ARRANGEMENT}, <Vn>.${ARRANGEMENT}, <Vm>.${ARRANGEMENT}`, `0 Q:1 001110 size:2 0 Vm:5 0 ${part} ${opcode} 10 Vn:5 Vd:5`,
    { rare: true, valid: exists(BHSD) }, ({ Q, size }, s) => {
      s.checkFPEnabled()
      const bits = (8 << size) as LaneBits, all = 128 / bits, used = Q ? 128 : 64, n = used / bits
      const lanes = Array.from({ length: all }, (_, i) => {
        const lane = source(i % n, n, part)
        return lane < n ? lane : all + lane - n
      })
      s.setQ('Vd', keepLow(s, used, shuffleLanes(s, bits, s.Q('Vn'), s.Q('Vm'), lanes)))
    })))

const extract: Row = instruction('EXT', 'EXT <Vd>.<TB>, <Vn>.<TB>, <Vm>.<TB>, <#index>', '0 Q:1 101110 00 0 Vm:5 0 index:4 0 Vn:5 Vd:5', { rare: true, valid: f => f.Q === 1 || f.index < 8 }, ({ Q, index }, s) => {
  s.checkFPEnabled()
  const length = Q ? 16 : 8
  const bytes = Array.from({ length: 16 }, (_, i) => {
    const n = index + (i % length)
    return n < length ? n : 16 + n - length
  })
  s.setQ('Vd', keepLow(s, 8 * length, s.vShuffle(s.Q('Vn'), s.Q('Vm'), bytes)))
})

const lookups: Row[] = ([['TBL', 0], ['TBX', 1]] as const).flatMap(([name, op]) => ([1, 2, 3, 4] as const).map(count =>
  instruction(`${name}, ${count}`, `${name} <Vd>.<TB>, <table${count}>, <Vm>.<TB>`, `0 Q:1 001110 00 0 Vm:5 0 ${(['00', '01', '10', '11'] as const)[count - 1]!} ${op} 00 Vn:5 Vd:5`, { rare: true }, ({ Q }, s) => {
    s.checkFPEnabled()
    const indices = s.Q('Vm')
    let result = s.zeroVector()
    // An index below 16 * i wraps to one that is too large.
    for (const i of ([0, 1, 2, 3] as const).slice(0, count)) result = s.vOr(result, s.vTable(s.Q('Vn', i), i ? s.vSub(8, indices, splat(s, 8, BigInt(16 * i))) : indices))
    if (op) result = s.vSelect(s.vLess(8, false, indices, splat(s, 8, BigInt(16 * count))), result, s.Q('Vd'))
    s.setQ('Vd', keepLow(s, Q ? 128 : 64, result))
  })))

export const simdPermute: readonly Row[] = [...permutes, extract, ...lookups]
