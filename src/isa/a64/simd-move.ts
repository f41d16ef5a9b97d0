/** The SIMD&FP instructions that only move bits: copies, immediates, bitwise logic, FMOV. */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics } from '../semantics.ts'
import { setScalar } from './lanes.ts'

/** V[d] of `Q ? 128 : 64` bits: the upper half of a 64-bit result is zero. */
function setV<V>(s: Semantics<V>, Q: number, value: V): void {
  s.setQ('Vd', Q ? value : s.withLane(value, 64, 1, s.constant(64, 0)))
}

/**
 * An element index is the static half of the register and a dynamic position in it: 16 indices of B would make 16 variants.
 * `suffix` is the part of imm5 below the index.
 */
export const ELEMENTS = [
  { letter: 'B', bits: 8, index: 'half:1 immindex:3', suffix: '1' }, { letter: 'H', bits: 16, index: 'half:1 immindex:2', suffix: '10' },
  { letter: 'S', bits: 32, index: 'half:1 immindex:1', suffix: '100' }, { letter: 'D', bits: 64, index: 'half:1', suffix: '1000' },
] as const
export type Element = (typeof ELEMENTS)[number]

export const positionOf = (f: { readonly immindex?: number }, bits: number): number => (f.immindex ?? 0) * bits
export const indexOf = (f: { readonly half: number, readonly immindex?: number }, bits: number): number => f.half * (64 / bits) + (f.immindex ?? 0)

/** The element as 64 bits, zero-extended; the immediate `position` is its first bit in the half. */
export function element<V>(s: Semantics<V>, register: string, e: Element, half: number, plus: 0 | 1 | 2 | 3 = 0): V {
  const all = s.lane(s.Q(register, plus), 64, half)
  if (e.bits === 64) return all
  return s.zeroExtendBits(64, e.bits, s.shr(64, all, s.imm('position', 64)))
}

const copies: Row[] = ELEMENTS.flatMap(e => [
  instruction(`DUP (element, vector), ${e.letter}`, `DUP <Vd>.<T${e.letter}>, <Vn>.${e.letter}[<#index:n>]`, `0 Q:1 0 01110000 ${e.index} ${e.suffix} 0 0000 1 Vn:5 Vd:5`, {
    valid: f => e.bits !== 64 || f.Q === 1,
    immediates: { position: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) } },
  }, ({ Q, half }, s) => {
    s.checkFPEnabled()
    setV(s, Q, s.duplicate(e.bits, element(s, 'Vn', e, half)))
  }),
  instruction(`DUP (element, scalar), ${e.letter}`, `DUP <${e.letter}d>, <Vn>.${e.letter}[<#index:n>]`, `01 0 11110000 ${e.index} ${e.suffix} 0 0000 1 Vn:5 Vd:5`, {
    immediates: { position: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) } },
  }, ({ half }, s) => {
    s.checkFPEnabled()
    setScalar(s, element(s, 'Vn', e, half))
  }),
  instruction(`DUP (general), ${e.letter}`, `DUP <Vd>.<T${e.letter}>, <${e.bits === 64 ? 'X' : 'W'}n>`, `0 Q:1 0 01110000 immunused:${5 - e.suffix.length as 4 | 3 | 2 | 1} ${e.suffix} 0 0001 1 Rn:5 Vd:5`, {
    valid: f => e.bits !== 64 || f.Q === 1,
  }, ({ Q }, s) => {
    s.checkFPEnabled()
    setV(s, Q, s.duplicate(e.bits, s.X('Rn', 64)))
  }),
  instruction(`INS (general), ${e.letter}`, `INS <Vd>.${e.letter}[<#index:n>], <${e.bits === 64 ? 'X' : 'W'}n>`, `0 1 0 01110000 ${e.index} ${e.suffix} 0 0011 1 Rn:5 Vd:5`, {
    immediates: { position: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) } },
  }, ({ half }, s) => {
    s.checkFPEnabled()
    const value = s.X('Rn', 64)
    insert(s, e, half, 'position', e.bits === 64 ? value : s.zeroExtendBits(64, e.bits, value))
  }),
  instruction(`UMOV, ${e.letter}`, `UMOV <${e.bits === 64 ? 'X' : 'W'}d>, <Vn>.${e.letter}[<#index:n>]`,
    `0 ${e.bits === 64 ? 1 : 0} 0 01110000 ${e.index} ${e.suffix} 0 0111 1 Vn:5 Rd:5`, {
      immediates: { position: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) } },
    }, ({ half }, s) => {
      s.checkFPEnabled()
      s.setX('Rd', 64, element(s, 'Vn', e, half))
    }),
  ...(e.bits === 64 ? [] : [instruction(`SMOV, ${e.letter}`, `SMOV <Q=<Wd>|<Xd>>, <Vn>.${e.letter}[<#index:n>]`, `0 Q:1 0 01110000 ${e.index} ${e.suffix} 0 0101 1 Vn:5 Rd:5`, {
    valid: f => e.bits !== 32 || f.Q === 1,
    immediates: { position: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) } },
  }, ({ Q, half }, s) => {
    s.checkFPEnabled()
    const value = s.signExtendBits(64, e.bits, element(s, 'Vn', e, half))
    if (Q) s.setX('Rd', 64, value)
    else s.setX('Rd', 32, s.truncate(value))
  })]),
])

/** Replaces the element of Vd at the immediate `position` in `half`; `value` is zero-extended from the element's size. */
function insert<V>(s: Semantics<V>, e: Element, half: number, position: string, value: V): void {
  s.setQ('Vd', inserted(s, s.Q('Vd'), e, half, position, value))
}
export function inserted<V>(s: Semantics<V>, destination: V, e: Element, half: number, position: string, value: V): V {
  if (e.bits === 64) return s.withLane(destination, 64, half, value)
  const amount = s.imm(position, 64)
  const mask = s.shl(64, s.constant(64, (1n << BigInt(e.bits)) - 1n), amount)
  const kept = s.and(64, s.lane(destination, 64, half), s.not(64, mask))
  return s.withLane(destination, 64, half, s.or(64, kept, s.shl(64, value, amount)))
}

const insertElements: Row[] = ([
  { e: ELEMENTS[0], to: 'half:1 immindex:3 1', from: 'fromhalf:1 immfrom:3', unused: '' },
  { e: ELEMENTS[1], to: 'half:1 immindex:2 10', from: 'fromhalf:1 immfrom:2', unused: ' immunused:1' },
  { e: ELEMENTS[2], to: 'half:1 immindex:1 100', from: 'fromhalf:1 immfrom:1', unused: ' immunused:2' },
  { e: ELEMENTS[3], to: 'half:1 1000', from: 'fromhalf:1', unused: ' immunused:3' },
] as const).map(({ e, to, from, unused }) => instruction(`INS (element), ${e.letter}`, `INS <Vd>.${e.letter}[<#index:n>], <Vn>.${e.letter}[<#fromindex:n>]`,
  `0 1 1 01110000 ${to} 0 ${from}${unused} 1 Vn:5 Vd:5`, {
    immediates: {
      to: { width: 32, of: f => positionOf(f, e.bits) }, index: { width: 32, of: f => indexOf(f, e.bits) },
      position: { width: 32, of: f => (f.immfrom ?? 0) * e.bits }, fromindex: { width: 32, of: f => f.fromhalf * (64 / e.bits) + (f.immfrom ?? 0) },
    },
  }, ({ half, fromhalf }, s) => {
    s.checkFPEnabled()
    insert(s, e, half, 'to', element(s, 'Vn', e, fromhalf))
  }))

type Imm8 = { readonly immabc: number, readonly immdefgh: number }
const imm8Of = (f: Imm8): bigint => BigInt((f.immabc << 5) | f.immdefgh)
const replicate = (value: bigint, size: number): bigint => {
  let result = 0n
  for (let i = 0; i < 64; i += size) result |= value << BigInt(i)
  return result
}
/** VFPExpandImm() to N bits, 32 or 64. */
export function expandFloat(imm8: number, N: 32 | 64): bigint {
  const E = N === 32 ? 8 : 11, F = N - E - 1
  const sign = BigInt(imm8 >>> 7), b6 = (imm8 >>> 6) & 1
  const exponent = (BigInt(b6 ^ 1) << BigInt(E - 1)) | ((b6 ? (1n << BigInt(E - 3)) - 1n : 0n) << 2n) | BigInt((imm8 >>> 4) & 3)
  return (sign << BigInt(N - 1)) | (exponent << BigInt(F)) | (BigInt(imm8 & 15) << BigInt(F - 4))
}

/** The shapes of AdvSIMDExpandImm() that MOVI, MVNI, ORR and BIC have in common: the start of `cmode` and the 64-bit value. */
const SHIFTED = [
  { lanes: 'S', cmode: '0 shift:2', of: (f: Imm8 & { readonly shift: number }) => replicate(imm8Of(f) << BigInt(8 * f.shift), 32) },
  { lanes: 'H', cmode: '10 shift:1', of: (f: Imm8 & { readonly shift: number }) => replicate(imm8Of(f) << BigInt(8 * f.shift), 16) },
] as const

const immediates: Row[] = [
  ...SHIFTED.flatMap(shape => [
    ...([['MOVI', '0'], ['MVNI', '1']] as const).map(([name, op]) =>
      instruction(`${name}, ${shape.lanes} shifted`, `${name} <Vd>.<T${shape.lanes}>, <#imm8:x><?shift:, LSL #<shift=0|8|16|24>>`, `0 Q:1 ${op} 0111100000 immabc:3 ${shape.cmode} 0 01 immdefgh:5 Vd:5`, {
        dynamic: ['shift'],
        immediates: { imm8: { width: 32, of: f => Number(imm8Of(f)) }, imm: { width: 64, of: f => (name === 'MVNI' ? ~shape.of(f) : shape.of(f)) } },
      }, ({ Q }, s) => {
        s.checkFPEnabled()
        setV(s, Q, s.duplicate(64, s.imm('imm', 64)))
      })),
    ...([['ORR', '0'], ['BIC', '1']] as const).map(([name, op]) =>
      instruction(`${name} (vector, immediate), ${shape.lanes}`, `${name} <Vd>.<T${shape.lanes}>, <#imm8:x><?shift:, LSL #<shift=0|8|16|24>>`, `0 Q:1 ${op} 0111100000 immabc:3 ${shape.cmode} 1 01 immdefgh:5 Vd:5`, {
        dynamic: ['shift'],
        immediates: { imm8: { width: 32, of: f => Number(imm8Of(f)) }, imm: { width: 64, of: f => (name === 'BIC' ? ~shape.of(f) : shape.of(f)) } },
      }, ({ Q }, s) => {
        s.checkFPEnabled()
        const operand = s.duplicate(64, s.imm('imm', 64))
        setV(s, Q, name === 'BIC' ? s.vAnd(s.Q('Vd'), operand) : s.vOr(s.Q('Vd'), operand))
      })),
  ]),
  ...([['MOVI', '0'], ['MVNI', '1']] as const).map(([name, op]) =>
    instruction(`${name}, S shifting ones`, `${name} <Vd>.<TS>, <#imm8:x>, MSL #<shift=8|16>`, `0 Q:1 ${op} 0111100000 immabc:3 110 shift:1 01 immdefgh:5 Vd:5`, {
      dynamic: ['shift'],
      immediates: { imm8: { width: 32, of: f => Number(imm8Of(f)) }, imm: { width: 64, of: f => {
        const value = replicate((imm8Of(f) << BigInt(8 + 8 * f.shift)) | ((1n << BigInt(8 + 8 * f.shift)) - 1n), 32)
        return name === 'MVNI' ? ~value : value
      } } },
    }, ({ Q }, s) => {
      s.checkFPEnabled()
      setV(s, Q, s.duplicate(64, s.imm('imm', 64)))
    })),
  instruction('MOVI, B', 'MOVI <Vd>.<TB>, <#imm8:x>', '0 Q:1 0 0111100000 immabc:3 1110 01 immdefgh:5 Vd:5', {
    immediates: { imm8: { width: 32, of: f => Number(imm8Of(f)) }, imm: { width: 64, of: f => replicate(imm8Of(f), 8) } },
  }, ({ Q }, s) => {
    s.checkFPEnabled()
    setV(s, Q, s.duplicate(64, s.imm('imm', 64)))
  }),
  instruction('MOVI, D', 'MOVI <Q=<Dd>|<Vd>.2D>, <#imm:x>', '0 Q:1 1 0111100000 immabc:3 1110 01 immdefgh:5 Vd:5', {
    immediates: { imm: { width: 64, of: f => {
      let value = 0n
      for (let i = 0; i < 8; i++) if ((imm8Of(f) >> BigInt(i)) & 1n) value |= 0xffn << BigInt(8 * i)
      return value
    } } },
  }, ({ Q }, s) => {
    s.checkFPEnabled()
    setV(s, Q, s.duplicate(64, s.imm('imm', 64)))
  }),
  ...([['S', '0', 32], ['D', '1', 64]] as const).map(([letter, op, N]) =>
    instruction(`FMOV (vector, immediate), ${letter}`, `FMOV <Vd>.<T${letter}>, <float>`, `0 Q:1 ${op} 0111100000 immabc:3 1111 01 immdefgh:5 Vd:5`, {
      valid: f => N === 32 || f.Q === 1,
      immediates: { imm8: { width: 32, of: f => Number(imm8Of(f)) }, imm: { width: 64, of: f => replicate(expandFloat(Number(imm8Of(f)), N), N) } },
    }, ({ Q }, s) => {
      s.checkFPEnabled()
      setV(s, Q, s.duplicate(64, s.imm('imm', 64)))
    })),
]

const logical: Row[] = [
  ...([['AND', 0, '00'], ['BIC', 0, '01'], ['ORR', 0, '10'], ['ORN', 0, '11'], ['EOR', 1, '00'], ['BSL', 1, '01'], ['BIT', 1, '10'], ['BIF', 1, '11']] as const)
    .map(([name, U, size]) => instruction(`${name} (vector)`, `${name} <Vd>.<TB>, <Vn>.<TB>, <Vm>.<TB>`, `0 Q:1 ${U} 01110 ${size} 1 Vm:5 00011 1 Vn:5 Vd:5`, {}, ({ Q }, s) => {
      s.checkFPEnabled()
      const operand1 = s.Q('Vn'), operand2 = s.Q('Vm')
      /** The bits of `chosen` where `mask` is set, else those of `other`. */
      const merge = (mask: typeof operand1, chosen: typeof operand1, other: typeof operand1) => s.vXor(other, s.vAnd(s.vXor(other, chosen), mask))
      switch (name) {
        case 'AND': return setV(s, Q, s.vAnd(operand1, operand2))
        case 'BIC': return setV(s, Q, s.vAnd(operand1, s.vNot(operand2)))
        case 'ORR': return setV(s, Q, s.vOr(operand1, operand2))
        case 'ORN': return setV(s, Q, s.vOr(operand1, s.vNot(operand2)))
        case 'EOR': return setV(s, Q, s.vXor(operand1, operand2))
        case 'BSL': return setV(s, Q, merge(s.Q('Vd'), operand1, operand2))
        case 'BIT': return setV(s, Q, merge(operand2, operand1, s.Q('Vd')))
        case 'BIF': return setV(s, Q, merge(s.vNot(operand2), operand1, s.Q('Vd')))
      }
    })),
  instruction('NOT (vector)', 'NOT <Vd>.<TB>, <Vn>.<TB>', '0 Q:1 1 01110 00 10000 00101 10 Vn:5 Vd:5', {}, ({ Q }, s) => {
    s.checkFPEnabled()
    setV(s, Q, s.vNot(s.Q('Vn')))
  }),
]

const fmov: Row[] = [
  instruction('FMOV (general), W from S', 'FMOV <Wd>, <Sn>', '0 0 0 11110 00 1 00 110 000000 Vn:5 Rd:5', {}, (_, s) => {
    s.checkFPEnabled()
    s.setX('Rd', 32, s.truncate(s.lane(s.Q('Vn'), 32, 0)))
  }),
  instruction('FMOV (general), S from W', 'FMOV <Sd>, <Wn>', '0 0 0 11110 00 1 00 111 000000 Rn:5 Vd:5', {}, (_, s) => {
    s.checkFPEnabled()
    setScalar(s, s.zeroExtend(s.X('Rn', 32)))
  }),
  instruction('FMOV (general), X from D', 'FMOV <Xd>, <Dn>', '1 0 0 11110 01 1 00 110 000000 Vn:5 Rd:5', {}, (_, s) => {
    s.checkFPEnabled()
    s.setX('Rd', 64, s.lane(s.Q('Vn'), 64, 0))
  }),
  instruction('FMOV (general), D from X', 'FMOV <Dd>, <Xn>', '1 0 0 11110 01 1 00 111 000000 Rn:5 Vd:5', {}, (_, s) => {
    s.checkFPEnabled()
    setScalar(s, s.X('Rn', 64))
  }),
  instruction('FMOV (general), X from upper D', 'FMOV <Xd>, <Vn>.D[1]', '1 0 0 11110 10 1 01 110 000000 Vn:5 Rd:5', {}, (_, s) => {
    s.checkFPEnabled()
    s.setX('Rd', 64, s.lane(s.Q('Vn'), 64, 1))
  }),
  instruction('FMOV (general), upper D from X', 'FMOV <Vd>.D[1], <Xn>', '1 0 0 11110 10 1 01 111 000000 Rn:5 Vd:5', {}, (_, s) => {
    s.checkFPEnabled()
    s.setQ('Vd', s.withLane(s.Q('Vd'), 64, 1, s.X('Rn', 64)))
  }),
  ...([['S', '00', 32], ['D', '01', 64]] as const).flatMap(([letter, ftype, N]) => [
    instruction(`FMOV (register), ${letter}`, `FMOV <${letter}d>, <${letter}n>`, `0 0 0 11110 ${ftype} 1 0000 00 10000 Vn:5 Vd:5`, {}, (_, s) => {
      s.checkFPEnabled()
      setScalar(s, s.lane(s.Q('Vn'), N, 0))
    }),
    instruction(`FMOV (scalar, immediate), ${letter}`, `FMOV <${letter}d>, <float>`, `0 0 0 11110 ${ftype} 1 imm8:8 100 00000 Vd:5`, {
      immediates: { imm: { width: 64, of: f => expandFloat(f.imm8, N) } },
    }, (_, s) => {
      s.checkFPEnabled()
      setScalar(s, s.imm('imm', 64))
    }),
  ]),
]

export const simdMove: readonly Row[] = [...copies, ...insertElements, ...immediates, ...logical, ...fmov]
