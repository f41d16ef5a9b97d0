/**
 * Atomic memory operations and compare-and-swap (FEAT_LSE). Acquire and release select nothing on this machine, so that
 * the bits are dynamic and all orderings of a size share one variant.
 */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics, Width } from '../semantics.ts'
import { datasize } from './common.ts'
import { extendLoaded, SIZES, storedValue } from './transfer.ts'

const LOAD = { atomic: true, ordered: true, forUpdate: true } as const
const STORE = { atomic: true, ordered: true } as const

const OPERATIONS = [
  ['LDADD', '0', '000'], ['LDCLR', '0', '001'], ['LDEOR', '0', '010'], ['LDSET', '0', '011'],
  ['LDSMAX', '0', '100'], ['LDSMIN', '0', '101'], ['LDUMAX', '0', '110'], ['LDUMIN', '0', '111'], ['SWP', '1', '000'],
] as const

/** The new value in memory; only its low `bytes` count. Both operands are 64 bits, zero-extended. */
function update<V>(s: Semantics<V>, name: (typeof OPERATIONS)[number][0], bytes: 1 | 2 | 4 | 8, old: V, operand: V): V {
  const asSigned = (value: V): V => bytes === 8 ? value : s.signExtendBits(64, bytes * 8 as 8 | 16 | 32, value)
  const asUnsigned = (value: V): V => bytes === 8 ? value : s.zeroExtendBits(64, bytes * 8 as 8 | 16 | 32, value)
  const signedLess = (): V => s.lessSigned(64, asSigned(old), asSigned(operand))
  const unsignedLess = (): V => s.lessUnsigned(64, old, asUnsigned(operand))
  switch (name) {
    case 'LDADD': return s.add(64, old, operand)
    case 'LDCLR': return s.and(64, old, s.not(64, operand))
    case 'LDEOR': return s.xor(64, old, operand)
    case 'LDSET': return s.or(64, old, operand)
    case 'LDSMAX': return s.select(64, signedLess(), operand, old)
    case 'LDSMIN': return s.select(64, signedLess(), old, operand)
    case 'LDUMAX': return s.select(64, unsignedLess(), operand, old)
    case 'LDUMIN': return s.select(64, unsignedLess(), old, operand)
    case 'SWP': return operand
  }
}

const operations: Row[] = SIZES.flatMap(({ suffix, letter, size, bytes: bytesOf }) => OPERATIONS.map(([name, o3, opc]) =>
  instruction(`${name}${suffix}`, `${name}<acq=|A><rel=|L>${suffix} <${letter}s>, <${letter}t>, [<Xn|SP>]`,
    `${size} 111 0 00 acq:1 rel:1 1 Rs:5 ${o3} ${opc} 00 Rn:5 Rt:5`, { feature: 'FEAT_LSE', dynamic: ['acq', 'rel'] }, (f, s) => {
      s.checkSPAlignment('Rn')
      const bytes = bytesOf(f), width: Width = bytes === 8 ? 64 : 32
      const address = s.XSP('Rn', 64), operand = storedValue(s, 'Rs', bytes)
      const old = s.load(address, bytes, LOAD)
      s.store(address, bytes, update(s, name, bytes, old, operand), STORE)
      s.setX('Rt', width, extendLoaded(s, old, bytes, width, false))
    })))

const compareAndSwap: Row[] = SIZES.map(({ suffix, letter, size, bytes: bytesOf }) =>
  instruction(`CAS${suffix}`, `CAS<acq=|A><rel=|L>${suffix} <${letter}s>, <${letter}t>, [<Xn|SP>]`,
    `${size} 001000 1 acq:1 1 Rs:5 rel:1 11111 Rn:5 Rt:5`, { feature: 'FEAT_LSE', dynamic: ['acq', 'rel'] }, (f, s) => {
      s.checkSPAlignment('Rn')
      const bytes = bytesOf(f), width: Width = bytes === 8 ? 64 : 32
      const address = s.XSP('Rn', 64), newValue = storedValue(s, 'Rt', bytes)
      const expected = bytes < 4 ? s.zeroExtendBits(64, bytes * 8 as 8 | 16, storedValue(s, 'Rs', bytes)) : storedValue(s, 'Rs', bytes)
      const old = s.load(address, bytes, LOAD)
      s.when(s.equal(64, old, expected), () => { s.store(address, bytes, newValue, STORE) })
      s.setX('Rs', width, extendLoaded(s, old, bytes, width, false))
    }))

const compareAndSwapPair: Row = instruction('CASP', 'CASP<acq=|A><rel=|L> <Rs>, <Rs+1>, <Rt>, <Rt+1>, [<Xn|SP>]',
  '0 sf:1 001000 0 acq:1 1 Rs:5 rel:1 11111 Rn:5 Rt:5', {
    feature: 'FEAT_LSE', dynamic: ['acq', 'rel'],
    // "if Rs<0> == '1' then UNDEFINED; if Rt<0> == '1' then UNDEFINED"
    defined: f => (f.Rs & 1) === 0 && (f.Rt & 1) === 0,
  }, ({ sf }, s) => {
    s.checkSPAlignment('Rn')
    const address = s.XSP('Rn', 64), width = datasize(sf)
    if (sf) {
      const old = s.load(address, 16, LOAD)
      const low = s.lane(old, 64, 0), high = s.lane(old, 64, 1)
      const same = s.and(32, s.equal(64, low, s.X('Rs', 64)), s.equal(64, high, s.X('Rs', 64, 1)))
      const newValue = s.withLane(s.withLane(s.zeroVector(), 64, 0, s.X('Rt', 64)), 64, 1, s.X('Rt', 64, 1))
      s.when(same, () => { s.store(address, 16, newValue, STORE) })
      s.setX('Rs', 64, low)
      s.setX('Rs', 64, high, 1)
    } else {
      const pair = (name: string) =>
        s.or(64, s.zeroExtend(s.X(name, 32)), s.shl(64, s.zeroExtend(s.X(name, 32, 1)), s.constant(64, 32)))
      const old = s.load(address, 8, LOAD)
      const newValue = pair('Rt')
      s.when(s.equal(64, old, pair('Rs')), () => { s.store(address, 8, newValue, STORE) })
      s.setX('Rs', width, s.truncate(old))
      s.setX('Rs', width, s.truncate(s.shr(64, old, s.constant(64, 32))), 1)
    }
  })

export const atomic: readonly Row[] = [...operations, ...compareAndSwap, compareAndSwapPair]
