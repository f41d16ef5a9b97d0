/** Data processing, register (Arm ARM C4.1 "Data Processing -- Register"); CRC32, pointer authentication and flag manipulation stand in their own files. */
import { instruction, type Row } from '../instruction.ts'
import type { Semantics, Width } from '../semantics.ts'
import { datasize, extendReg, shiftReg } from './common.ts'

const shiftTemplate = ', <shift=LSL|LSR|ASR|ROR> <#imm6>'

const LOGICAL = [
  ['AND', '00', 0], ['BIC', '00', 1], ['ORR', '01', 0], ['ORN', '01', 1], ['EOR', '10', 0], ['EON', '10', 1], ['ANDS', '11', 0], ['BICS', '11', 1],
] as const

function logicalOperation<V>(s: Semantics<V>, name: (typeof LOGICAL)[number][0], width: Width, shifted: V): void {
  const operand1 = s.X('Rn', width)
  switch (name) {
    case 'AND': return s.setX('Rd', width, s.and(width, operand1, shifted))
    case 'BIC': return s.setX('Rd', width, s.and(width, operand1, s.not(width, shifted)))
    case 'ORR': return s.setX('Rd', width, s.or(width, operand1, shifted))
    case 'ORN': return s.setX('Rd', width, s.or(width, operand1, s.not(width, shifted)))
    case 'EOR': return s.setX('Rd', width, s.xor(width, operand1, shifted))
    case 'EON': return s.setX('Rd', width, s.xor(width, operand1, s.not(width, shifted)))
    case 'ANDS': case 'BICS': {
      const result = s.and(width, operand1, name === 'ANDS' ? shifted : s.not(width, shifted))
      s.setFlagsLogical(width, result)
      s.setX('Rd', width, result)
    }
  }
}

// The forms without a shift are rows of their own, so that the most frequent instructions of all have the shortest handlers.
const logical: Row[] = LOGICAL.flatMap(([name, opc, N]) => [
  instruction(`${name} (shifted register), LSL #0`, `${name} <Rd>, <Rn>, <Rm>`, `sf:1 ${opc} 01010 00 ${N} Rm:5 000000 Rn:5 Rd:5`, {},
    ({ sf }, s) => { logicalOperation(s, name, datasize(sf), s.X('Rm', datasize(sf))) }),
  instruction(`${name} (shifted register)`, `${name} <Rd>, <Rn>, <Rm>${shiftTemplate}`, `sf:1 ${opc} 01010 shift:2 ${N} Rm:5 imm6:6 Rn:5 Rd:5`, {
    defined: f => f.sf === 1 || f.imm6 < 32,
    immediates: { amount: { width: 32, of: f => f.imm6 } },
  }, ({ sf, shift }, s) => {
    const width = datasize(sf)
    logicalOperation(s, name, width, shiftReg(s, width, shift, s.X('Rm', width), s.imm('amount', width)))
  }),
])

const ADD_SUBTRACT = [['ADD', 0, 0], ['ADDS', 0, 1], ['SUB', 1, 0], ['SUBS', 1, 1]] as const

function addOrSubtract<V>(s: Semantics<V>, width: Width, op: 0 | 1, S: 0 | 1, operand1: V, operand2: V): V {
  if (S) return op ? s.subSettingFlags(width, operand1, operand2) : s.addSettingFlags(width, operand1, operand2)
  return op ? s.sub(width, operand1, operand2) : s.add(width, operand1, operand2)
}

const addSubtract: Row[] = ADD_SUBTRACT.flatMap(([name, op, S]) => [
  instruction(`${name} (shifted register), LSL #0`, `${name} <Rd>, <Rn>, <Rm>`, `sf:1 ${op}${S} 01011 00 0 Rm:5 000000 Rn:5 Rd:5`, {}, ({ sf }, s) => {
    const width = datasize(sf)
    s.setX('Rd', width, addOrSubtract(s, width, op, S, s.X('Rn', width), s.X('Rm', width)))
  }),
  instruction(`${name} (shifted register)`, `${name} <Rd>, <Rn>, <Rm>${shiftTemplate}`, `sf:1 ${op}${S} 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5`, {
    valid: f => f.shift !== 3,
    defined: f => f.sf === 1 || f.imm6 < 32,
    immediates: { amount: { width: 32, of: f => f.imm6 } },
  }, ({ sf, shift }, s) => {
    const width = datasize(sf)
    const operand1 = s.X('Rn', width), operand2 = shiftReg(s, width, shift, s.X('Rm', width), s.imm('amount', width))
    s.setX('Rd', width, addOrSubtract(s, width, op, S, operand1, operand2))
  }),
  instruction(`${name} (extended register)`, `${name} <Rd${S ? '' : '|SP'}>, <Rn|SP>, <extended>`,
    `sf:1 ${op}${S} 01011 00 1 Rm:5 option:3 imm3:3 Rn:5 Rd:5`, {
      defined: f => f.imm3 <= 4,
      immediates: { amount: { width: 32, of: f => f.imm3 } },
    }, ({ sf, option }, s) => {
      const width = datasize(sf)
      const operand1 = s.XSP('Rn', width), operand2 = s.shl(width, extendReg(s, width, option, 'Rm'), s.imm('amount', width))
      const result = addOrSubtract(s, width, op, S, operand1, operand2)
      if (S) s.setX('Rd', width, result)
      else s.setXSP('Rd', width, result)
    }),
])

const addWithCarry: Row[] = ([['ADC', 0, 0], ['ADCS', 0, 1], ['SBC', 1, 0], ['SBCS', 1, 1]] as const).map(([name, op, S]) =>
  instruction(name, `${name} <Rd>, <Rn>, <Rm>`, `sf:1 ${op}${S} 11010000 Rm:5 000000 Rn:5 Rd:5`, {}, ({ sf }, s) => {
    const width = datasize(sf)
    const operand1 = s.X('Rn', width)
    const operand2 = op ? s.not(width, s.X('Rm', width)) : s.X('Rm', width)
    const carry = width === 64 ? s.zeroExtend(s.carry()) : s.carry()
    if (S) s.setX('Rd', width, s.addWithCarrySettingFlags(width, operand1, operand2, carry))
    else s.setX('Rd', width, s.add(width, s.add(width, operand1, operand2), carry))
  }))

/** The comparison is always made; its flags are replaced by the immediate when the condition did not hold before it. */
function conditionalCompare<V>(s: Semantics<V>, width: Width, op: 0 | 1, cond: number, operand2: V): void {
  const holds = s.condition(cond)
  const operand1 = s.X('Rn', width)
  if (op) s.subSettingFlags(width, operand1, operand2)
  else s.addSettingFlags(width, operand1, operand2)
  s.setNZCV(s.select(32, holds, s.nzcv(), s.imm('flags', 32)))
}

const conditionalCompares: Row[] = ([['CCMN', 0], ['CCMP', 1]] as const).flatMap(([name, op]) => [
  instruction(`${name} (immediate)`, `${name} <Rn>, <#imm5:x>, <#nzcv:x>, <cond>`, `sf:1 ${op}1 11010010 imm5:5 cond:4 1 0 Rn:5 0 nzcv:4`, {
    dynamic: ['nzcv'],
    immediates: { imm: { width: 32, of: f => f.imm5 }, flags: { width: 32, of: f => f.nzcv } },
  }, ({ sf, cond }, s) => { conditionalCompare(s, datasize(sf), op, cond, s.imm('imm', datasize(sf))) }),
  instruction(`${name} (register)`, `${name} <Rn>, <Rm>, <#nzcv:x>, <cond>`, `sf:1 ${op}1 11010010 Rm:5 cond:4 0 0 Rn:5 0 nzcv:4`, {
    dynamic: ['nzcv'],
    immediates: { flags: { width: 32, of: f => f.nzcv } },
  }, ({ sf, cond }, s) => { conditionalCompare(s, datasize(sf), op, cond, s.X('Rm', datasize(sf))) }),
])

const conditionalSelect: Row[] = ([['CSEL', 0, '00'], ['CSINC', 0, '01'], ['CSINV', 1, '00'], ['CSNEG', 1, '01']] as const).map(([name, op, op2]) =>
  instruction(name, `${name} <Rd>, <Rn>, <Rm>, <cond>`, `sf:1 ${op}0 11010100 Rm:5 cond:4 ${op2} Rn:5 Rd:5`, {}, ({ sf, cond }, s) => {
    const width = datasize(sf)
    const operand2 = s.X('Rm', width)
    const otherwise = name === 'CSEL' ? operand2
      : name === 'CSINC' ? s.add(width, operand2, s.constant(width, 1))
      : name === 'CSINV' ? s.not(width, operand2)
      : s.sub(width, s.constant(width, 0), operand2)
    s.setX('Rd', width, s.select(width, s.condition(cond), s.X('Rn', width), otherwise))
  }))

const oneSource: Row[] = [
  instruction('RBIT', 'RBIT <Rd>, <Rn>', 'sf:1 1 0 11010110 00000 000000 Rn:5 Rd:5', {},
    ({ sf }, s) => { s.setX('Rd', datasize(sf), s.rbit(datasize(sf), s.X('Rn', datasize(sf)))) }),
  instruction('REV16', 'REV16 <Rd>, <Rn>', 'sf:1 1 0 11010110 00000 000001 Rn:5 Rd:5', {},
    ({ sf }, s) => { s.setX('Rd', datasize(sf), s.reverseBytes(datasize(sf), 16, s.X('Rn', datasize(sf)))) }),
  instruction('REV, 32 bits', 'REV <Wd>, <Wn>', '0 1 0 11010110 00000 000010 Rn:5 Rd:5', {},
    (_, s) => { s.setX('Rd', 32, s.reverseBytes(32, 32, s.X('Rn', 32))) }),
  instruction('REV32', 'REV32 <Xd>, <Xn>', '1 1 0 11010110 00000 000010 Rn:5 Rd:5', {},
    (_, s) => { s.setX('Rd', 64, s.reverseBytes(64, 32, s.X('Rn', 64))) }),
  instruction('REV, 64 bits', 'REV <Xd>, <Xn>', '1 1 0 11010110 00000 000011 Rn:5 Rd:5', {},
    (_, s) => { s.setX('Rd', 64, s.reverseBytes(64, 64, s.X('Rn', 64))) }),
  instruction('CLZ', 'CLZ <Rd>, <Rn>', 'sf:1 1 0 11010110 00000 000100 Rn:5 Rd:5', {},
    ({ sf }, s) => { s.setX('Rd', datasize(sf), s.clz(datasize(sf), s.X('Rn', datasize(sf)))) }),
  instruction('CLS', 'CLS <Rd>, <Rn>', 'sf:1 1 0 11010110 00000 000101 Rn:5 Rd:5', {}, ({ sf }, s) => {
    const width = datasize(sf)
    const operand = s.X('Rn', width)
    // Leading bits that equal the sign bit become leading zeros, the sign bit itself being one of them.
    const differences = s.xor(width, operand, s.sar(width, operand, s.constant(width, 1)))
    s.setX('Rd', width, s.sub(width, s.clz(width, differences), s.constant(width, 1)))
  }),
]

const twoSource: Row[] = [
  instruction('UDIV', 'UDIV <Rd>, <Rn>, <Rm>', 'sf:1 0 0 11010110 Rm:5 000010 Rn:5 Rd:5', {},
    ({ sf }, s) => { s.setX('Rd', datasize(sf), s.udiv(datasize(sf), s.X('Rn', datasize(sf)), s.X('Rm', datasize(sf)))) }),
  instruction('SDIV', 'SDIV <Rd>, <Rn>, <Rm>', 'sf:1 0 0 11010110 Rm:5 000011 Rn:5 Rd:5', {},
    ({ sf }, s) => { s.setX('Rd', datasize(sf), s.sdiv(datasize(sf), s.X('Rn', datasize(sf)), s.X('Rm', datasize(sf)))) }),
  ...([['LSLV', '00', 0], ['LSRV', '01', 1], ['ASRV', '10', 2], ['RORV', '11', 3]] as const).map(([name, op2, shift]) =>
    instruction(name, `${name} <Rd>, <Rn>, <Rm>`, `sf:1 0 0 11010110 Rm:5 0010 ${op2} Rn:5 Rd:5`, {},
      ({ sf }, s) => { s.setX('Rd', datasize(sf), shiftReg(s, datasize(sf), shift, s.X('Rn', datasize(sf)), s.X('Rm', datasize(sf)))) })),
]

const threeSource: Row[] = [
  ...([['MADD', 0], ['MSUB', 1]] as const).map(([name, o0]) =>
    instruction(name, `${name} <Rd>, <Rn>, <Rm>, <Ra>`, `sf:1 00 11011 000 Rm:5 ${o0} Ra:5 Rn:5 Rd:5`, {}, ({ sf }, s) => {
      const width = datasize(sf)
      const product = s.mul(width, s.X('Rn', width), s.X('Rm', width)), addend = s.X('Ra', width)
      s.setX('Rd', width, o0 ? s.sub(width, addend, product) : s.add(width, addend, product))
    })),
  ...([['SMADDL', 0, 0], ['SMSUBL', 0, 1], ['UMADDL', 1, 0], ['UMSUBL', 1, 1]] as const).map(([name, U, o0]) =>
    instruction(name, `${name} <Xd>, <Wn>, <Wm>, <Xa>`, `1 00 11011 ${U}01 Rm:5 ${o0} Ra:5 Rn:5 Rd:5`, {}, (_, s) => {
      const operand1 = U ? s.zeroExtend(s.X('Rn', 32)) : s.signExtend(s.X('Rn', 32))
      const operand2 = U ? s.zeroExtend(s.X('Rm', 32)) : s.signExtend(s.X('Rm', 32))
      const product = s.mul(64, operand1, operand2), addend = s.X('Ra', 64)
      s.setX('Rd', 64, o0 ? s.sub(64, addend, product) : s.add(64, addend, product))
    })),
  // Ra is (1)(1)(1)(1)(1) and without effect.
  instruction('SMULH', 'SMULH <Xd>, <Xn>, <Xm>', '1 00 11011 010 Rm:5 0 Ra:5 Rn:5 Rd:5', { unpredictable: f => f.Ra !== 31 },
    (_, s) => { s.setX('Rd', 64, s.smulh(s.X('Rn', 64), s.X('Rm', 64))) }),
  instruction('UMULH', 'UMULH <Xd>, <Xn>, <Xm>', '1 00 11011 110 Rm:5 0 Ra:5 Rn:5 Rd:5', { unpredictable: f => f.Ra !== 31 },
    (_, s) => { s.setX('Rd', 64, s.umulh(s.X('Rn', 64), s.X('Rm', 64))) }),
]

export const dpRegister: readonly Row[] = [
  ...logical, ...addSubtract, ...addWithCarry, ...conditionalCompares, ...conditionalSelect, ...oneSource, ...twoSource, ...threeSource,
]
