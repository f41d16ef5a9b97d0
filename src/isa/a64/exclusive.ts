/**
 * Load/store exclusive and ordered (Arm ARM C4.1 "Load/store exclusive", "Load/store ordered"). Rs and Rt2 are (1)(1)(1)(1)(1) in
 * the forms that do not use them: they read as "should be ones" and have no effect. */
import { instruction, type Row } from '../instruction.ts'
import { datasize } from './common.ts'
import { extendLoaded, SIZES, storedValue } from './transfer.ts'

type StatusOverlap = { readonly Rs: number, readonly Rt: number, readonly Rn: number }
const statusOverlaps = (f: StatusOverlap): boolean => f.Rs === f.Rt || (f.Rs === f.Rn && f.Rn !== 31)

const unusedNotOnes = (f: { readonly Rs: number, readonly Rt2: number }): boolean => f.Rs !== 31 || f.Rt2 !== 31

const singles: Row[] = SIZES.flatMap(({ suffix, letter, size, bytes: bytesOf }) => [
  ...([['STXR', 0], ['STLXR', 1]] as const).map(([name, o0]) =>
    instruction(`${name}${suffix}`, `${name}${suffix} <Ws>, <${letter}t>, [<Xn|SP>]`, `${size} 001000 0 0 0 Rs:5 ${o0} Rt2:5 Rn:5 Rt:5`, {
      unpredictable: f => statusOverlaps(f) || f.Rt2 !== 31,
    }, (f, s) => {
      s.checkSPAlignment('Rn')
      const bytes = bytesOf(f)
      const status = s.storeExclusive(s.XSP('Rn', 64), bytes, storedValue(s, 'Rt', bytes), undefined, { atomic: true, ordered: o0 === 1 })
      s.setX('Rs', 32, status)
    })),
  ...([['LDXR', 0], ['LDAXR', 1]] as const).map(([name, o0]) =>
    instruction(`${name}${suffix}`, `${name}${suffix} <${letter}t>, [<Xn|SP>]`, `${size} 001000 0 1 0 Rs:5 ${o0} Rt2:5 Rn:5 Rt:5`, { unpredictable: unusedNotOnes }, (f, s) => {
      s.checkSPAlignment('Rn')
      const bytes = bytesOf(f), width = bytes === 8 ? 64 : 32
      const address = s.XSP('Rn', 64)
      const value = s.load(address, bytes, { atomic: true, ordered: o0 === 1 })
      s.setExclusive(address, bytes)
      s.setX('Rt', width, extendLoaded(s, value, bytes, width, false))
    })),
  instruction(`STLR${suffix}`, `STLR${suffix} <${letter}t>, [<Xn|SP>]`, `${size} 001000 1 0 0 Rs:5 1 Rt2:5 Rn:5 Rt:5`, { unpredictable: unusedNotOnes }, (f, s) => {
    s.checkSPAlignment('Rn')
    const bytes = bytesOf(f)
    s.store(s.XSP('Rn', 64), bytes, storedValue(s, 'Rt', bytes), { ordered: true, isv: { sse: false, Rt: 'Rt', sf: bytes === 8, ar: true } })
  }),
  instruction(`LDAR${suffix}`, `LDAR${suffix} <${letter}t>, [<Xn|SP>]`, `${size} 001000 1 1 0 Rs:5 1 Rt2:5 Rn:5 Rt:5`, { unpredictable: unusedNotOnes }, (f, s) => {
    s.checkSPAlignment('Rn')
    const bytes = bytesOf(f), width = bytes === 8 ? 64 : 32
    const value = s.load(s.XSP('Rn', 64), bytes, { ordered: true, isv: { sse: false, Rt: 'Rt', sf: bytes === 8, ar: true } })
    s.setX('Rt', width, extendLoaded(s, value, bytes, width, false))
  }),
])

const pairs: Row[] = [
  ...([['STXP', 0], ['STLXP', 1]] as const).map(([name, o0]) =>
    instruction(name, `${name} <Ws>, <Rt>, <Rt2>, [<Xn|SP>]`, `1 sf:1 001000 0 0 1 Rs:5 ${o0} Rt2:5 Rn:5 Rt:5`, {
      unpredictable: f => statusOverlaps(f) || f.Rs === f.Rt2,
    }, ({ sf }, s) => {
      s.checkSPAlignment('Rn')
      const address = s.XSP('Rn', 64), options = { atomic: true, ordered: o0 === 1 }
      if (sf) {
        s.setX('Rs', 32, s.storeExclusive(address, 16, s.X('Rt', 64), s.X('Rt2', 64), options))
      } else {
        const high = s.shl(64, s.zeroExtend(s.X('Rt2', 32)), s.constant(64, 32))
        s.setX('Rs', 32, s.storeExclusive(address, 8, s.or(64, s.zeroExtend(s.X('Rt', 32)), high), undefined, options))
      }
    })),
  ...([['LDXP', 0], ['LDAXP', 1]] as const).map(([name, o0]) =>
    instruction(name, `${name} <Rt>, <Rt2>, [<Xn|SP>]`, `1 sf:1 001000 0 1 1 Rs:5 ${o0} Rt2:5 Rn:5 Rt:5`, {
      unpredictable: f => f.Rt === f.Rt2 || f.Rs !== 31,
    }, ({ sf }, s) => {
      s.checkSPAlignment('Rn')
      const address = s.XSP('Rn', 64), width = datasize(sf), bytes = sf ? 16 : 8
      const data = s.load(address, bytes, { atomic: true, ordered: o0 === 1 })
      s.setExclusive(address, bytes)
      s.setX('Rt', width, sf ? s.lane(data, 64, 0) : s.truncate(data))
      s.setX('Rt2', width, sf ? s.lane(data, 64, 1) : s.truncate(s.shr(64, data, s.constant(64, 32))))
    })),
]

export const exclusive: readonly Row[] = [...singles, ...pairs]
