/** Data processing, immediate (Arm ARM C4.1 "Data Processing -- Immediate"). */
import { instruction, type Row } from '../instruction.ts'
import { bitfieldMask, datasize, logicalImmediate, signed } from './common.ts'

const pcRelative: Row[] = [
  instruction('ADR', 'ADR <Xd>, <@imm>', '0 immlo:2 10000 immhi:19 Rd:5', {
    immediates: { imm: { width: 64, of: f => signed((f.immhi << 2) | f.immlo, 21) } },
  }, (_, s) => {
    s.setX('Rd', 64, s.add(64, s.PC(), s.imm('imm', 64)))
  }),
  instruction('ADRP', 'ADRP <Xd>, <@page>', '1 immlo:2 10000 immhi:19 Rd:5', {
    immediates: { page: { width: 64, of: f => signed((f.immhi << 2) | f.immlo, 21) * 4096 } },
  }, (_, s) => {
    const base = s.and(64, s.PC(), s.constant(64, -4096))
    s.setX('Rd', 64, s.add(64, base, s.imm('page', 64)))
  }),
]

const addSubtract: Row[] = ([['ADD', 0, 0], ['ADDS', 0, 1], ['SUB', 1, 0], ['SUBS', 1, 1]] as const).map(([name, op, S]) =>
  instruction(`${name} (immediate)`, `${name} <Rd${S ? '' : '|SP'}>, <Rn|SP>, <#imm12:x><?sh:, LSL #12>`,
    `sf:1 ${op}${S} 100010 sh:1 imm12:12 Rn:5 Rd:5`, {
      dynamic: ['sh'],
      immediates: { imm: { width: 32, of: f => f.imm12 << (f.sh ? 12 : 0) } },
    }, ({ sf }, s) => {
      const width = datasize(sf)
      const operand1 = s.XSP('Rn', width), operand2 = s.imm('imm', width)
      if (S) s.setX('Rd', width, op ? s.subSettingFlags(width, operand1, operand2) : s.addSettingFlags(width, operand1, operand2))
      else s.setXSP('Rd', width, op ? s.sub(width, operand1, operand2) : s.add(width, operand1, operand2))
    }))

const logical: Row[] = ([['AND', '00'], ['ORR', '01'], ['EOR', '10'], ['ANDS', '11']] as const).map(([name, opc]) =>
  instruction(`${name} (immediate)`, `${name} <Rd${name === 'ANDS' ? '' : '|SP'}>, <Rn>, <bitmask>`,
    `sf:1 ${opc} 100100 N:1 immr:6 imms:6 Rn:5 Rd:5`, {
      dynamic: ['N'],
      defined: f => (f.sf === 1 || f.N === 0) && logicalImmediate(f.N, f.immr, f.imms) !== undefined,
      immediates: { imm: { width: 64, of: f => logicalImmediate(f.N, f.immr, f.imms)! } },
    }, ({ sf }, s) => {
      const width = datasize(sf)
      const operand1 = s.X('Rn', width), operand2 = s.imm('imm', width)
      switch (name) {
        case 'AND': return s.setXSP('Rd', width, s.and(width, operand1, operand2))
        case 'ORR': return s.setXSP('Rd', width, s.or(width, operand1, operand2))
        case 'EOR': return s.setXSP('Rd', width, s.xor(width, operand1, operand2))
        case 'ANDS': {
          const result = s.and(width, operand1, operand2)
          s.setFlagsLogical(width, result)
          s.setX('Rd', width, result)
        }
      }
    }))

const moveWideTemplate = '<Rd>, <#imm16:x><?hw:, LSL #<hw=0|16|32|48>>'

const moveWide: Row[] = [
  ...([['MOVN', '00'], ['MOVZ', '10']] as const).map(([name, opc]) =>
    instruction(name, `${name} ${moveWideTemplate}`, `sf:1 ${opc} 100101 hw:2 imm16:16 Rd:5`, {
      dynamic: ['hw'],
      defined: f => f.sf === 1 || f.hw < 2,
      immediates: { imm: { width: 64, of: f => {
        const value = BigInt(f.imm16) << BigInt(f.hw * 16)
        return name === 'MOVN' ? ~value : value
      } } },
    }, ({ sf }, s) => {
      const width = datasize(sf)
      s.setX('Rd', width, s.imm('imm', width))
    })),
  instruction('MOVK', `MOVK ${moveWideTemplate}`, 'sf:1 11 100101 hw:2 imm16:16 Rd:5', {
    valid: f => f.sf === 1 || f.hw < 2,
    immediates: { imm: { width: 64, of: f => BigInt(f.imm16) << BigInt(f.hw * 16) } },
  }, ({ sf, hw }, s) => {
    const width = datasize(sf)
    const kept = s.and(width, s.X('Rd', width), s.constant(width, ~(0xffffn << BigInt(hw * 16))))
    s.setX('Rd', width, s.or(width, kept, s.imm('imm', width)))
  }),
]

/**
 * SBFM and UBFM cover both directions with two shifts: up until bit imms is the top bit, then down until the field is in place
 * (bit imms-immr for imms >= immr, else bit imms+width-immr, always the result's top bit).
 */
const shiftUp = (f: { readonly sf: number, readonly imms: number }): number => datasize(f.sf) - 1 - f.imms
const shiftDown = (f: { readonly sf: number, readonly immr: number, readonly imms: number }): number =>
  f.imms >= f.immr ? shiftUp(f) + f.immr : f.immr - f.imms - 1

const bitfield: Row[] = [
  ...([['SBFM', '00'], ['UBFM', '10']] as const).map(([name, opc]) =>
    instruction(name, `${name} <Rd>, <Rn>, <#immr>, <#imms>`, `sf:1 ${opc} 100110 N:1 immr:6 imms:6 Rn:5 Rd:5`, {
      dynamic: ['N'],
      defined: f => f.N === f.sf && (f.sf === 1 || (f.immr < 32 && f.imms < 32)),
      immediates: { up: { width: 32, of: shiftUp }, down: { width: 32, of: shiftDown } },
    }, ({ sf }, s) => {
      const width = datasize(sf)
      const field = s.shl(width, s.X('Rn', width), s.imm('up', width))
      const down = s.imm('down', width)
      s.setX('Rd', width, name === 'SBFM' ? s.sar(width, field, down) : s.shr(width, field, down))
    })),
  instruction('BFM', 'BFM <Rd>, <Rn>, <#immr>, <#imms>', 'sf:1 01 100110 N:1 immr:6 imms:6 Rn:5 Rd:5', {
    dynamic: ['N'],
    defined: f => f.N === f.sf && (f.sf === 1 || (f.immr < 32 && f.imms < 32)),
    immediates: {
      R: { width: 32, of: f => f.immr },
      mask: { width: 64, of: f => bitfieldMask(f.immr, f.imms, datasize(f.sf)) },
    },
  }, ({ sf }, s) => {
    const width = datasize(sf)
    const destination = s.X('Rd', width), mask = s.imm('mask', width)
    const source = s.and(width, s.ror(width, s.X('Rn', width), s.imm('R', width)), mask)
    s.setX('Rd', width, s.or(width, s.and(width, destination, s.not(width, mask)), source))
  }),
]

const extract: Row[] = [
  instruction('EXTR', 'EXTR <Rd>, <Rn>, <Rm>, <#imms>', 'sf:1 00 100111 N:1 0 Rm:5 imms:6 Rn:5 Rd:5', {
    dynamic: ['N'],
    defined: f => f.N === f.sf && (f.sf === 1 || f.imms < 32),
    immediates: { lsb: { width: 32, of: f => f.imms }, up: { width: 32, of: f => datasize(f.sf) - 1 - f.imms } },
  }, ({ sf }, s) => {
    const width = datasize(sf)
    const low = s.shr(width, s.X('Rm', width), s.imm('lsb', width))
    // Rn << (width - lsb) as two steps, because lsb may be 0.
    const high = s.shl(width, s.shl(width, s.X('Rn', width), s.constant(width, 1)), s.imm('up', width))
    s.setX('Rd', width, s.or(width, high, low))
  }),
]

export const dpImmediate: readonly Row[] = [...pcRelative, ...addSubtract, ...logical, ...moveWide, ...bitfield, ...extract]
