/** Advanced SIMD load/store multiple structures and single structures (LD1 to LD4, ST1 to ST4, LD1R to LD4R). */
import { instruction, type Row } from '../instruction.ts'
import type { MemoryOptions, Semantics } from '../semantics.ts'
import { baseAddress } from './load-store-simd.ts'
import { ELEMENTS, indexOf, inserted, element, positionOf } from './simd-move.ts'

type Count = 1 | 2 | 3 | 4
const REGISTERS = [0, 1, 2, 3] as const
const DIRECTIONS = [['ST', 0], ['LD', 1]] as const

/** Bytes `wanted` (absent: any) of a chain of sources, each of `length` bytes in the low part of a vector. */
function gather<V>(s: Semantics<V>, sources: readonly V[], length: number, wanted: readonly number[]): V {
  let result = sources[0] as V
  const from = (i: number): number => Math.floor(wanted[i]! / length)
  if (sources.length === 1) return s.vShuffle(result, result, Array.from({ length: 16 }, (_, i) => (wanted[i] ?? 0) % length))
  for (let n = 1; n < sources.length; n++) {
    const bytes = Array.from({ length: 16 }, (_, i) => {
      if (wanted[i] === undefined) return 0
      if (from(i) === n) return 16 + wanted[i]! % length
      return n === 1 && from(i) === 0 ? wanted[i]! : i
    })
    result = s.vShuffle(result, sources[n] as V, bytes)
  }
  return result
}

/** Byte `at` of the structures in memory is byte `at` of this list of registers: element by element, register by register. */
const interleaved = (count: number, length: number, size: number): readonly number[] => Array.from({ length: count * length }, (_, at) => {
  const item = Math.floor(at / size), register = item % count, lane = Math.floor(item / count)
  return register * length + lane * size + at % size
})

/** As 64 bits where the registers are only half used. */
const stored = <V>(s: Semantics<V>, length: 8 | 16, value: V): V => length === 16 ? value : s.lane(value, 64, 0)
const loaded = <V>(s: Semantics<V>, length: 8 | 16, value: V): V => length === 16 ? value : s.withLane(s.zeroVector(), 64, 0, value)

/** `selem` registers per structure, `rpt` times; LD1 and ST1 of several registers are structures of one, repeated. */
function moveMultiple<V>(s: Semantics<V>, load: 0 | 1, selem: Count, rpt: Count, Q: number, size: number, offset: (base: V) => V | undefined): void {
  const length = Q ? 16 : 8, bytes = 1 << size, total = selem * rpt, base = baseAddress(s), next = offset(base)
  const options: MemoryOptions = { elements: bytes as 1 | 2 | 4 | 8 }
  const addressOf = (n: number): V => n ? s.add(64, base, s.constant(64, n * length)) : base
  const order = interleaved(selem, length, bytes), registers = REGISTERS.slice(0, total)
  if (load) {
    const chunks = registers.map(n => loaded(s, length, s.load(addressOf(n), length, options)))
    if (next !== undefined) s.setXSP('Rn', 64, next)
    for (const n of registers) {
      if (selem === 1) {
        s.setQ('Vt', chunks[n]!, n)
        continue
      }
      // Where each byte of register n stands in memory.
      const wanted = Array.from({ length }, (_, i) => order.indexOf(n * length + i))
      const value = gather(s, chunks, length, wanted)
      s.setQ('Vt', length === 16 ? value : s.withLane(value, 64, 1, s.constant(64, 0)), n)
    }
    return
  }
  const values = registers.map(n => s.Q('Vt', n))
  for (const n of registers) {
    const value = selem === 1 ? values[n]! : gather(s, values, length, order.slice(n * length, (n + 1) * length))
    s.store(addressOf(n), length, stored(s, length, value), options)
  }
  if (next !== undefined) s.setXSP('Rn', 64, next)
}

/** opcode, registers per structure, repetitions. */
const MULTIPLE = [['0000', 4, 1], ['0100', 3, 1], ['1000', 2, 1], ['0111', 1, 1], ['1010', 1, 2], ['0110', 1, 3], ['0010', 1, 4]] as const

const multiple: Row[] = DIRECTIONS.flatMap(([direction, L]) => MULTIPLE.flatMap(([opcode, selem, rpt]) => {
  const count = selem * rpt, name = `${direction}${selem} (multiple structures)${selem === 1 ? `, ${count}` : ''}`, assembly = `${direction}${selem} <list${count}>, [<Xn|SP>]`
  const valid = (f: { readonly Q: number, readonly size: number }): boolean => selem === 1 || f.Q === 1 || f.size !== 3
  return [
    instruction(name, assembly, `0 Q:1 001100 0 ${L} 000000 ${opcode} size:2 Rn:5 Vt:5`, { rare: true, valid }, ({ Q, size }, s) => {
      moveMultiple(s, L, selem, rpt, Q, size, () => undefined)
    }),
    instruction(`${name}, immediate post-index`, `${assembly}, <#bytes>`, `0 Q:1 001100 1 ${L} 0 11111 ${opcode} size:2 Rn:5 Vt:5`, {
      rare: true, valid, immediates: { bytes: { width: 32, of: f => count * (f.Q ? 16 : 8) } },
    }, ({ Q, size }, s) => {
      moveMultiple(s, L, selem, rpt, Q, size, base => s.add(64, base, s.constant(64, count * (Q ? 16 : 8))))
    }),
    instruction(`${name}, register post-index`, `${assembly}, <Xm>`, `0 Q:1 001100 1 ${L} 0 Rm:5 ${opcode} size:2 Rn:5 Vt:5`, { rare: true, valid }, ({ Q, size }, s) => {
      moveMultiple(s, L, selem, rpt, Q, size, base => s.add(64, base, s.X('Rm', 64)))
    }),
  ]
}))

/** The three addressing modes: fields of the pattern, operand, suffix of the name. */
const MODES = [['0', '00000', '', ''], ['1', '11111', ', <#bytes>', ', immediate post-index'], ['1', 'Rm:5', ', <Xm>', ', register post-index']] as const
const movedBase = <V>(s: Semantics<V>, mode: string, base: V, bytes: number): V | undefined =>
  mode === '00000' ? undefined : s.add(64, base, mode === 'Rm:5' ? s.X('Rm', 64) : s.constant(64, bytes))

/** opcode<2:1> and what is not index of S:size, by element; the index is the static half of the register and a dynamic position in it. */
const PLACES = [
  { e: ELEMENTS[0], scale: '00', index: 'immindex:3' }, { e: ELEMENTS[1], scale: '01', index: 'immindex:2 0' },
  { e: ELEMENTS[2], scale: '10', index: 'immindex:1 00' }, { e: ELEMENTS[3], scale: '10', index: '0 01' },
] as const

const single: Row[] = DIRECTIONS.flatMap(([direction, L]) => PLACES.flatMap(({ e, scale, index }) => ([1, 2, 3, 4] as const).flatMap(selem => MODES.map(([post, mode, operand, suffix]) => {
  const size = e.bits / 8, [R, low] = ([['0', '0'], ['1', '0'], ['0', '1'], ['1', '1']] as const)[selem - 1]!
  return instruction(`${direction}${selem} (single structure), ${e.letter}${suffix}`, `${direction}${selem} <elements${selem}${e.letter}>[<#index:n>], [<Xn|SP>]${operand}`,
    `0 half:1 001101 ${post} ${L} ${R} ${mode} ${scale}${low} ${index} Rn:5 Vt:5`, {
      rare: true,
      immediates: { position: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) }, bytes: { width: 32, of: () => selem * size } },
    }, ({ half }, s) => {
      const base = baseAddress(s), next = movedBase(s, mode, base, selem * size), registers = REGISTERS.slice(0, selem)
      const addressOf = (n: number): typeof base => n ? s.add(64, base, s.constant(64, n * size)) : base
      if (L) {
        const values = registers.map(n => s.load(addressOf(n), size as 1 | 2 | 4 | 8))
        if (next !== undefined) s.setXSP('Rn', 64, next)
        for (const n of registers) s.setQ('Vt', inserted(s, s.Q('Vt', n), e, half, 'position', values[n]!), n)
        return
      }
      for (const n of registers) s.store(addressOf(n), size as 1 | 2 | 4 | 8, element(s, 'Vt', e, half, n))
      if (next !== undefined) s.setXSP('Rn', 64, next)
    })
}))))

const replicating: Row[] = ([1, 2, 3, 4] as const).flatMap(selem => MODES.map(([post, mode, operand, suffix]) => {
  const [R, low] = ([['0', '0'], ['1', '0'], ['0', '1'], ['1', '1']] as const)[selem - 1]!
  return instruction(`LD${selem}R${suffix}`, `LD${selem}R <list${selem}>, [<Xn|SP>]${operand}`, `0 Q:1 001101 ${post} 1 ${R} ${mode} 11${low} 0 size:2 Rn:5 Vt:5`, {
    rare: true, immediates: { bytes: { width: 32, of: f => selem << f.size } },
  }, ({ Q, size }, s) => {
    const bytes = 1 << size, base = baseAddress(s), next = movedBase(s, mode, base, selem * bytes), registers = REGISTERS.slice(0, selem)
    const values = registers.map(n => s.load(n ? s.add(64, base, s.constant(64, n * bytes)) : base, bytes as 1 | 2 | 4 | 8))
    if (next !== undefined) s.setXSP('Rn', 64, next)
    for (const n of registers) {
      const all = s.duplicate((8 * bytes) as 8 | 16 | 32 | 64, values[n]!)
      s.setQ('Vt', Q ? all : s.withLane(all, 64, 1, s.constant(64, 0)), n)
    }
  })
}))

export const loadStoreStructures: readonly Row[] = [...multiple, ...single, ...replicating]
