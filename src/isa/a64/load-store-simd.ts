/** Loads and stores of SIMD&FP registers. */
import { instruction, type Row } from '../instruction.ts'
import type { AccessSize, Semantics } from '../semantics.ts'
import { signed } from './common.ts'
import { registerOffset } from './load-store.ts'

export function baseAddress<V>(s: Semantics<V>): V {
  s.checkFPEnabled()
  s.checkSPAlignment('Rn')
  return s.XSP('Rn', 64)
}

/** Zeroes the bits above `bytes`; `value` is 64 bits, or 128 when `bytes` is 16. */
function loadRegister<V>(s: Semantics<V>, address: V, bytes: AccessSize): V {
  const value = s.load(address, bytes)
  return bytes === 16 ? value : s.withLane(s.zeroVector(), 64, 0, value)
}

const storedRegister = <V>(s: Semantics<V>, name: string, bytes: AccessSize): V => bytes === 16 ? s.Q(name) : s.lane(s.Q(name), bytes * 8 as 8 | 16 | 32 | 64, 0)

/** `scale` = opc<1>:size selects B, H, S, D or Q. */
const bytesOf = (f: { readonly size: number, readonly opc1: number }): AccessSize => (1 << ((f.opc1 << 2) | f.size)) as AccessSize
const valid = (f: { readonly size: number, readonly opc1: number }): boolean => f.opc1 === 0 || f.size === 0

function transfer<V>(s: Semantics<V>, load: 0 | 1, address: V, bytes: AccessSize, writeback?: () => void): void {
  if (load) {
    const value = loadRegister(s, address, bytes)
    writeback?.()
    s.setQ('Vt', value)
  } else {
    s.store(address, bytes, storedRegister(s, 'Vt', bytes))
    writeback?.()
  }
}

const singles: Row[] = ([['STR', 'STUR', 0], ['LDR', 'LDUR', 1]] as const).flatMap(([name, unscaledName, L]) => [
  instruction(`${name} (immediate, SIMD&FP, unsigned offset)`, `${name} <Ft>, [<Xn|SP><?imm12:, <#offset>>]`,
    `size:2 111 1 01 opc1:1 ${L} imm12:12 Rn:5 Vt:5`, {
      valid, immediates: { offset: { width: 32, of: f => f.imm12 * bytesOf(f) } },
    }, (f, s) => { transfer(s, L, s.add(64, baseAddress(s), s.imm('offset', 64)), bytesOf(f)) }),
  instruction(`${unscaledName} (SIMD&FP)`, `${unscaledName} <Ft>, [<Xn|SP><?imm9:, <#offset>>]`,
    `size:2 111 1 00 opc1:1 ${L} 0 imm9:9 00 Rn:5 Vt:5`, {
      valid, immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
    }, (f, s) => { transfer(s, L, s.add(64, baseAddress(s), s.imm('offset', 64)), bytesOf(f)) }),
  ...(['post', 'pre'] as const).map(mode =>
    instruction(`${name} (immediate, SIMD&FP, ${mode}-index)`, `${name} <Ft>, ${mode === 'post' ? '[<Xn|SP>], <#offset>' : '[<Xn|SP>, <#offset>]!'}`,
      `size:2 111 1 00 opc1:1 ${L} 0 imm9:9 ${mode === 'post' ? '01' : '11'} Rn:5 Vt:5`, {
        valid, immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
      }, (f, s) => {
        const base = baseAddress(s), moved = s.add(64, base, s.imm('offset', 64))
        transfer(s, L, mode === 'post' ? base : moved, bytesOf(f), () => { s.setXSP('Rn', 64, moved) })
      })),
  instruction(`${name} (register, SIMD&FP)`, `${name} <Ft>, [<Xn|SP>, <offset>]`, `size:2 111 1 00 opc1:1 ${L} 1 Rm:5 option:3 S:1 10 Rn:5 Vt:5`, {
    valid: f => valid(f) && (f.option & 2) !== 0,
  }, (f, s) => {
    const bytes = bytesOf(f)
    transfer(s, L, s.add(64, baseAddress(s), registerOffset(s, f.option, f.S, Math.log2(bytes))), bytes)
  }),
])

const literal: Row = instruction('LDR (literal, SIMD&FP)', 'LDR <opc=<St>|<Dt>|<Qt>>, <@offset>', 'opc:2 011 1 00 imm19:19 Vt:5', {
  valid: f => f.opc !== 3,
  immediates: { offset: { width: 32, of: f => signed(f.imm19, 19) * 4 } },
}, ({ opc }, s) => {
  s.checkFPEnabled()
  s.setQ('Vt', loadRegister(s, s.add(64, s.PC(), s.imm('offset', 64)), (4 << opc) as 4 | 8 | 16))
})

const PAIR_MODES = [
  ['no-allocate', '000', '[<Xn|SP><?imm7:, <#offset>>]'], ['post-index', '001', '[<Xn|SP>], <#offset>'],
  ['signed offset', '010', '[<Xn|SP><?imm7:, <#offset>>]'], ['pre-index', '011', '[<Xn|SP>, <#offset>]!'],
] as const

const pairs: Row[] = PAIR_MODES.flatMap(([mode, bits, operand]) => ([0, 1] as const).map(L => {
  const name = `${L ? 'LD' : 'ST'}${mode === 'no-allocate' ? 'N' : ''}P`
  const registers = '<opc=<St>, <St2>|<Dt>, <Dt2>|<Qt>, <Qt2>>'
  return instruction(`${name} (SIMD&FP${mode === 'no-allocate' ? '' : `, ${mode}`})`, `${name} ${registers}, ${operand}`,
    `opc:2 101 1 ${bits} ${L} imm7:7 Vt2:5 Rn:5 Vt:5`, {
      valid: f => f.opc !== 3,
      immediates: { offset: { width: 32, of: f => signed(f.imm7, 7) * (4 << f.opc) } },
      unpredictable: f => L === 1 && f.Vt === f.Vt2,
    }, ({ opc }, s) => {
      const bytes = (4 << opc) as 4 | 8 | 16
      const base = baseAddress(s), moved = s.add(64, base, s.imm('offset', 64))
      const first = mode === 'post-index' ? base : moved, second = s.add(64, first, s.constant(64, bytes))
      const writeback = (): void => { if (mode === 'post-index' || mode === 'pre-index') s.setXSP('Rn', 64, moved) }
      if (L) {
        const low = loadRegister(s, first, bytes), high = loadRegister(s, second, bytes)
        writeback()
        s.setQ('Vt', low)
        s.setQ('Vt2', high)
      } else {
        s.store(first, bytes, storedRegister(s, 'Vt', bytes))
        s.store(second, bytes, storedRegister(s, 'Vt2', bytes))
        writeback()
      }
    })
}))

export const loadStoreSimd: readonly Row[] = [...singles, literal, ...pairs]
