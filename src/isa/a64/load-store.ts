/** Loads and stores of general registers (Arm ARM C4.1 "Loads and Stores"). */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import { signed } from './common.ts'
import { extendLoaded, isvOf, storedValue, transfer, TRANSFERS, type Transfer, type TransferFields } from './transfer.ts'

const mnemonic = (t: Transfer, letters: string): string => t.name.replace('*', letters)
const scaleOf = (t: Transfer, f: TransferFields): number => Math.log2(t.bytes(f))

function baseAddress<V>(s: Semantics<V>): V {
  s.checkSPAlignment('Rn')
  return s.XSP('Rn', 64)
}

const unsignedOffset: Row[] = TRANSFERS.map(t =>
  instruction(`${mnemonic(t, 'R')} (immediate, unsigned offset)`, `${mnemonic(t, 'R')} ${t.register}, [<Xn|SP><?imm12:, <#offset>>]`,
    `${t.size} 111 0 01 ${t.opc} imm12:12 Rn:5 Rt:5`, {
      immediates: { offset: { width: 32, of: f => f.imm12 * t.bytes(f) } },
    }, (f, s) => { transfer(s, t, f, s.add(64, baseAddress(s), s.imm('offset', 64)), { isv: isvOf(t, f) }) }))

const unscaled: Row[] = TRANSFERS.map(t =>
  instruction(mnemonic(t, 'UR'), `${mnemonic(t, 'UR')} ${t.register}, [<Xn|SP><?imm9:, <#offset>>]`, `${t.size} 111 0 00 ${t.opc} 0 imm9:9 00 Rn:5 Rt:5`, {
    immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
  }, (f, s) => { transfer(s, t, f, s.add(64, baseAddress(s), s.imm('offset', 64)), { isv: isvOf(t, f) }) }))

const unprivileged: Row[] = TRANSFERS.map(t =>
  instruction(mnemonic(t, 'TR'), `${mnemonic(t, 'TR')} ${t.register}, [<Xn|SP><?imm9:, <#offset>>]`, `${t.size} 111 0 00 ${t.opc} 0 imm9:9 10 Rn:5 Rt:5`, {
    immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
  }, (f, s) => { transfer(s, t, f, s.add(64, baseAddress(s), s.imm('offset', 64)), { unprivileged: true, isv: isvOf(t, f) }) }))

const writeback: Row[] = TRANSFERS.flatMap(t => (['post', 'pre'] as const).map(mode =>
  instruction(`${mnemonic(t, 'R')} (immediate, ${mode}-index)`,
    `${mnemonic(t, 'R')} ${t.register}, ${mode === 'post' ? '[<Xn|SP>], <#offset>' : '[<Xn|SP>, <#offset>]!'}`,
    `${t.size} 111 0 00 ${t.opc} 0 imm9:9 ${mode === 'post' ? '01' : '11'} Rn:5 Rt:5`, {
      immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
      unpredictable: f => f.Rn === f.Rt && f.Rn !== 31,
    }, (f, s) => {
      const base = baseAddress(s), moved = s.add(64, base, s.imm('offset', 64))
      transfer(s, t, f, mode === 'post' ? base : moved, {}, () => { s.setXSP('Rn', 64, moved) })
    })))

/** Offset of the register-offset forms: option is UXTW, LSL (UXTX), SXTW or SXTX; all values with option<1> = 0 are unallocated. */
export function registerOffset<V>(s: Semantics<V>, option: number, S: number, scale: number): V {
  const offset = option & 1 ? s.X('Rm', 64) : option === 2 ? s.zeroExtend(s.X('Rm', 32)) : s.signExtend(s.X('Rm', 32))
  return S && scale ? s.shl(64, offset, s.constant(64, scale)) : offset
}

const registerOffsets: Row[] = TRANSFERS.map(t =>
  instruction(`${mnemonic(t, 'R')} (register)`, `${mnemonic(t, 'R')} ${t.register}, [<Xn|SP>, <offset>]`,
    `${t.size} 111 0 00 ${t.opc} 1 Rm:5 option:3 S:1 10 Rn:5 Rt:5`, {
      valid: f => (f.option & 2) !== 0,
    }, (f, s) => {
      const address = s.add(64, baseAddress(s), registerOffset(s, f.option, f.S, scaleOf(t, f)))
      transfer(s, t, f, address, { isv: isvOf(t, f) })
    }))

const literal: Row[] = [
  instruction('LDR (literal)', 'LDR <Rt>, <@offset>', '0 sf:1 011 0 00 imm19:19 Rt:5', {
    immediates: { offset: { width: 32, of: f => signed(f.imm19, 19) * 4 } },
  }, ({ sf }, s) => {
    const address = s.add(64, s.PC(), s.imm('offset', 64)), width = sf ? 64 : 32
    s.setX('Rt', width, extendLoaded(s, s.load(address, sf ? 8 : 4, { isv: { sse: false, Rt: 'Rt', sf: sf === 1, ar: false } }), sf ? 8 : 4, width, false))
  }),
  instruction('LDRSW (literal)', 'LDRSW <Xt>, <@offset>', '10 011 0 00 imm19:19 Rt:5', {
    immediates: { offset: { width: 32, of: f => signed(f.imm19, 19) * 4 } },
  }, (_, s) => {
    const address = s.add(64, s.PC(), s.imm('offset', 64))
    s.setX('Rt', 64, extendLoaded(s, s.load(address, 4, { isv: { sse: true, Rt: 'Rt', sf: true, ar: false } }), 4, 64, true))
  }),
]

// Prefetches have no effect here: nothing is modelled that they could warm.
const prefetch: Row[] = [
  instruction('PRFM (literal)', 'PRFM <prfop>, <@offset>', '11 011 0 00 imm19:19 prfop:5', {
    dynamic: ['prfop'], immediates: { offset: { width: 32, of: f => signed(f.imm19, 19) * 4 } },
  }, () => {}),
  instruction('PRFM (immediate)', 'PRFM <prfop>, [<Xn|SP><?imm12:, <#offset>>]', '11 111 0 01 10 imm12:12 Rn:5 prfop:5', {
    dynamic: ['prfop'], immediates: { offset: { width: 32, of: f => f.imm12 * 8 } },
  }, () => {}),
  instruction('PRFUM', 'PRFUM <prfop>, [<Xn|SP><?imm9:, <#offset>>]', '11 111 0 00 10 0 imm9:9 00 Rn:5 prfop:5', {
    dynamic: ['prfop'], immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
  }, () => {}),
  instruction('PRFM (register)', 'PRFM <prfop>, [<Xn|SP>, <offset>]', '11 111 0 00 10 1 Rm:5 option:3 S:1 10 Rn:5 prfop:5', {
    dynamic: ['prfop', 'option', 'S'], defined: f => (f.option & 2) !== 0,
  }, () => {}),
]

const PAIR_MODES = [
  ['no-allocate', '000', '[<Xn|SP><?imm7:, <#offset>>]'], ['post-index', '001', '[<Xn|SP>], <#offset>'],
  ['signed offset', '010', '[<Xn|SP><?imm7:, <#offset>>]'], ['pre-index', '011', '[<Xn|SP>, <#offset>]!'],
] as const

const pairs: Row[] = PAIR_MODES.flatMap(([mode, bits, address]) => {
  const N = mode === 'no-allocate' ? 'N' : ''
  const name = (base: string): string => mode === 'no-allocate' ? base : `${base} (${mode})`
  const wback = mode === 'post-index' || mode === 'pre-index'
  /** The address of the transfer; the base register is written by `finish`, after the accesses. */
  const addressing = <V>(s: Semantics<V>): { readonly address: V, readonly finish: () => void } => {
    const base = baseAddress(s), moved = s.add(64, base, s.imm('offset', 64))
    return { address: mode === 'post-index' ? base : moved, finish: () => { if (wback) s.setXSP('Rn', 64, moved) } }
  }
  const overlaps = (f: { readonly Rt: number, readonly Rt2: number, readonly Rn: number }): boolean =>
    wback && f.Rn !== 31 && (f.Rt === f.Rn || f.Rt2 === f.Rn)
  return [
    instruction(name(`ST${N}P`), `ST${N}P <Rt>, <Rt2>, ${address}`, `sf:1 0 101 0 ${bits} 0 imm7:7 Rt2:5 Rn:5 Rt:5`, {
      immediates: { offset: { width: 32, of: f => signed(f.imm7, 7) * (f.sf ? 8 : 4) } },
      unpredictable: overlaps,
    }, ({ sf }, s) => {
      const { address, finish } = addressing(s), bytes = sf ? 8 : 4
      s.storePair(address, bytes, storedValue(s, 'Rt', bytes), storedValue(s, 'Rt2', bytes))
      finish()
    }),
    instruction(name(`LD${N}P`), `LD${N}P <Rt>, <Rt2>, ${address}`, `sf:1 0 101 0 ${bits} 1 imm7:7 Rt2:5 Rn:5 Rt:5`, {
      immediates: { offset: { width: 32, of: f => signed(f.imm7, 7) * (f.sf ? 8 : 4) } },
      unpredictable: f => f.Rt === f.Rt2 || overlaps(f),
    }, ({ sf }, s) => {
      const { address, finish } = addressing(s), bytes = sf ? 8 : 4, width = sf ? 64 : 32
      const [first, second] = s.loadPair(address, bytes)
      finish()
      s.setX('Rt', width, extendLoaded(s, first, bytes, width, false))
      s.setX('Rt2', width, extendLoaded(s, second, bytes, width, false))
    }),
    ...(mode === 'no-allocate' ? [] : [
      instruction(name('LDPSW'), `LDPSW <Xt>, <Xt2>, ${address}`, `01 101 0 ${bits} 1 imm7:7 Rt2:5 Rn:5 Rt:5`, {
        immediates: { offset: { width: 32, of: f => signed(f.imm7, 7) * 4 } },
        unpredictable: f => f.Rt === f.Rt2 || overlaps(f),
      }, (_, s) => {
        const { address, finish } = addressing(s)
        const [first, second] = s.loadPair(address, 4)
        finish()
        s.setX('Rt', 64, extendLoaded(s, first, 4, 64, true))
        s.setX('Rt2', 64, extendLoaded(s, second, 4, 64, true))
      }),
    ]),
  ]
})

export const loadStore: readonly Row[] = [
  ...unsignedOffset, ...unscaled, ...unprivileged, ...writeback, ...registerOffsets, ...literal, ...prefetch, ...pairs,
]
