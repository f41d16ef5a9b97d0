/** Exception generation, hints, barriers, PSTATE and system registers. What they mean for an EL is the CPU's business (sysreg/, cpu/). */
import { instruction, type Row } from '../instruction.ts'
import { MARKER_HINT } from '../../trace/event.ts'

const exceptions: Row[] = [
  ...([['SVC', '000', '01'], ['HVC', '000', '10'], ['SMC', '000', '11'], ['BRK', '001', '00'], ['HLT', '010', '00']] as const).map(([name, opc, LL]) =>
    instruction(name, `${name} <#imm16:x>`, `11010100 ${opc} imm16:16 000 ${LL}`, {
      immediates: { imm16: { width: 32, of: f => f.imm16 } },
    }, (_, s) => { s.exception(name) })),
  // Outside Debug state, which this machine does not have, DCPS is UNDEFINED.
  ...([1, 2, 3] as const).map(level =>
    instruction(`DCPS${level}`, `DCPS${level}<?imm16: <#imm16:x>>`, `11010100 101 imm16:16 000 ${level === 1 ? '01' : level === 2 ? '10' : '11'}`, { rare: true },
      (_, s) => { s.undefined() })),
  instruction('UDF', 'UDF <#imm16>', '0000000000000000 imm16:16', { rare: true }, (_, s) => { s.undefined() }),
]

const HINT = '1101010100 0 00 011 0010'
const bits = (value: number, width: number): string => value.toString(2).padStart(width, '0')

const hints: Row[] = [
  instruction('HINT', 'HINT <#imm7:x>', `${HINT} imm7:7 11111`, {}, (_, s) => { s.hint(false) }),
  instruction('HINT, marker', 'HINT <#imm:x>', `${HINT} ${bits(MARKER_HINT, 7)} 11111`, { immediates: { imm: { width: 32, of: () => MARKER_HINT } }, rare: true },
    (_, s) => { s.hint(true) }),
  // Hints that do nothing on a PE without what they hint at.
  ...([['NOP', 0], ['YIELD', 1], ['DGH', 6], ['ESB', 16], ['PSB CSYNC', 17], ['TSB CSYNC', 18], ['CLRBHB', 22]] as const).map(([name, op]) =>
    instruction(name, name, `${HINT} ${bits(op, 7)} 11111`, {}, (_, s) => { s.hint(false) })),
  instruction('BTI', 'BTI<target=| C| J| JC>', `${HINT} 0100 target:2 0 11111`, { dynamic: ['target'] }, (_, s) => { s.hint(false) }),
  instruction('WFE', 'WFE', `${HINT} ${bits(2, 7)} 11111`, {}, (_, s) => { s.wait('WFE') }),
  instruction('WFI', 'WFI', `${HINT} ${bits(3, 7)} 11111`, {}, (_, s) => { s.wait('WFI') }),
  instruction('SEV', 'SEV', `${HINT} ${bits(4, 7)} 11111`, {}, (_, s) => { s.sendEvent(false) }),
  instruction('SEVL', 'SEVL', `${HINT} ${bits(5, 7)} 11111`, {}, (_, s) => { s.sendEvent(true) }),
  instruction('CSDB', 'CSDB', `${HINT} ${bits(20, 7)} 11111`, {}, (_, s) => { s.barrier('CSDB') }),
]

const BARRIER = '1101010100 0 00 011 0011'

const barriers: Row[] = [
  instruction('CLREX', 'CLREX<clrex>', `${BARRIER} CRm:4 010 11111`, { dynamic: ['CRm'] }, (_, s) => { s.clearExclusive() }),
  instruction('DSB', 'DSB <barrier>', `${BARRIER} CRm:4 100 11111`, { dynamic: ['CRm'] }, (_, s) => { s.barrier('DSB') }),
  instruction('SSBB', 'SSBB', `${BARRIER} 0000 100 11111`, { rare: true }, (_, s) => { s.barrier('SSBB') }),
  instruction('PSSBB', 'PSSBB', `${BARRIER} 0100 100 11111`, { rare: true }, (_, s) => { s.barrier('PSSBB') }),
  instruction('DMB', 'DMB <barrier>', `${BARRIER} CRm:4 101 11111`, { dynamic: ['CRm'] }, (_, s) => { s.barrier('DMB') }),
  instruction('ISB', 'ISB<isb>', `${BARRIER} CRm:4 110 11111`, { dynamic: ['CRm'] }, (_, s) => { s.barrier('ISB') }),
  // FEAT_SB is no feature of the profiles' list; the instruction costs nothing and always exists, as ID_AA64ISAR1_EL1.SB allows from Armv8.0.
  instruction('SB', 'SB', `${BARRIER} 0000 111 11111`, { rare: true }, (_, s) => { s.barrier('SB') }),
]

const pstate: Row[] = ([
  ['UAO', '000', '011', 'FEAT_UAO'], ['PAN', '000', '100', 'FEAT_PAN'], ['SPSel', '000', '101', undefined],
  ['DAIFSet', '011', '110', undefined], ['DAIFClr', '011', '111', undefined],
] as const).map(([field, op1, op2, feature]) =>
  instruction(`MSR (immediate), ${field}`, `MSR ${field}, <#CRm:x>`, `1101010100 0 00 ${op1} 0100 CRm:4 ${op2} 11111`, {
    ...(feature ? { feature } : {}), dynamic: ['CRm'], immediates: { CRm: { width: 32, of: f => f.CRm } },
  }, (_, s) => { s.writePstate(field) }))

const registers: Row[] = [
  instruction('SYS', 'SYS <#op1>, <CRn>, <CRm>, <#op2><sysRt>', '1101010100 0 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { dynamic: ['op1', 'CRn', 'CRm', 'op2'] },
    (_, s) => { s.systemAccess() }),
  instruction('SYSL', 'SYSL <Xt>, <#op1>, <CRn>, <CRm>, <#op2>', '1101010100 1 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { dynamic: ['op1', 'CRn', 'CRm', 'op2'] },
    (_, s) => { s.systemAccess() }),
  instruction('MSR (register)', 'MSR <sysreg>, <Xt>', '1101010100 0 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { dynamic: ['o0', 'op1', 'CRn', 'CRm', 'op2'] },
    (_, s) => { s.systemAccess() }),
  instruction('MRS', 'MRS <Xt>, <sysreg>', '1101010100 1 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { dynamic: ['o0', 'op1', 'CRn', 'CRm', 'op2'] },
    (_, s) => { s.systemAccess() }),
]

export const system: readonly Row[] = [...exceptions, ...hints, ...barriers, ...pstate, ...registers]
