/** What a hostile guest hypervisor runs below virtual EL2: its nested VMs, hostile themselves. X0 to X20 are theirs. */
import { ROWS as INSTRUCTIONS } from '../../src/isa/table.ts'
import type { Assembler, Random } from '../assembler.ts'
import { encode } from '../../src/isa/encode.ts'
import { MEMORY, RAM_BASE } from './plan.ts'
import type { Plan } from './plan.ts'
import { anyAddress, anyRegister, anyValue, AT_ROWS, CACHE_ROWS, DEVICE_PAGES, hypervisorRegister, livelyRegister, registerBelow, TLBI_ROWS, valueFor } from './values.ts'
import { key } from './vectors.ts'

export const ROUTINES = 10

export function nestedCode(a: Assembler, r: Random, plan: Plan): void {
  for (let n = 0; n < ROUTINES; n++) {
    a.label(`nested ${n}`)
    const steps = 3 + r.below(14)
    for (let i = 0; i < steps; i++) step(a, r, plan, `${n}.${i}`)
    a.hvc(n)
    if (r.chance(30)) step(a, r, plan, `${n}.last`)
    a.hvc(0x100 + n)
    a.b(`nested ${n}`)
  }
  // A hypervisor that L1 runs: names of EL2, returns.
  a.label('nested hypervisor')
  for (let i = 0; i < 16; i++) {
    const row = r.chance(60) ? hypervisorRegister(r, 'write') : anyRegister(r, 'write')
    if (r.chance(50)) a.mrs((r.chance(60) ? hypervisorRegister(r, 'read') : anyRegister(r, 'read')).key, r.below(20))
    else {
      a.mov(0, valueFor(r, row))
      a.msr(row.key, 0)
    }
    if (r.chance(10)) step(a, r, plan, `hypervisor.${i}`)
  }
  a.eret()
  a.hvc(0x200)
  a.b('nested hypervisor')
  // EL0 of a nested VM, and of a host at virtual EL2.
  a.label('user')
  for (let i = 0; i < 6; i++) step(a, r, plan, `user.${i}`)
  a.op('SVC', { imm16: r.below(16) })
  a.b('user')
}

const IMPLEMENTED = INSTRUCTIONS.filter(row => row.implemented && !/^(HLT|DCPS|DRPS|HINT, marker)/.test(row.name))
/** Instructions that leave nothing but registers and memory changed; branches go anywhere. */
const STRAIGHT = IMPLEMENTED.filter(row => !/^(B|BL|BLR\w*|BR\w*|RET\w*|ERET\w*|CBN?Z|TBN?Z|WF[EI]|HVC|SMC|SVC)\b/.test(row.name) && !/^(MSR|SYS)/.test(row.name))

/** A valid instruction with random fields. */
export function anyInstruction(r: Random, kind: 'straight' | 'all'): number {
  const row = r.pick(kind === 'straight' ? STRAIGHT : IMPLEMENTED), fields: Record<string, number> = {}
  for (const { name, width } of row.fields) {
    const bits = r.next() % 2 ** width
    // Handlers' registers stay out of it most of the time.
    fields[name] = /^R[a-z]\d?$/.test(name) && r.chance(95) ? bits % 21 : bits
  }
  return row.valid(fields) ? encode(row, fields) : encode('NOP')
}

function step(a: Assembler, r: Random, plan: Plan, name: string): void {
  switch (r.below(20)) {
    case 0: case 1: case 2: return memoryAccess(a, r)
    case 3: return deviceAccess(a, r)
    case 4: case 5: {
      const row = r.chance(30) ? livelyRegister(r, 'write') : registerBelow(r, 'write')
      a.mov(0, valueFor(r, row))
      return a.msr(row.key, 0)
    }
    case 6: case 7: return a.mrs((r.chance(30) ? livelyRegister(r, 'read') : registerBelow(r, 'read')).key, r.below(20))
    case 8:
      a.mov(0, anyValue(r))
      return a.msr(r.pick(r.chance(60) ? TLBI_ROWS : r.chance(50) ? AT_ROWS : CACHE_ROWS).key, 0)
    case 9: return a.word(r.chance(90) ? anyInstruction(r, 'straight') : r.chance(50) ? anyInstruction(r, 'all') : r.next())
    case 10: return a.op(r.pick(['WFE', 'YIELD', 'SEV', 'SEVL']))
    case 11:
      a.mov(0, BigInt(r.below(200)))
      a.msr(key(r.pick(['CNTV_TVAL_EL0', 'CNTP_TVAL_EL0'])), 0)
      a.mov(0, 1n)
      a.msr(key(r.pick(['CNTV_CTL_EL0', 'CNTP_CTL_EL0'])), 0)
      return r.chance(60) ? a.op('WFI') : undefined
    case 12: return stage1(a, r)
    case 13:
      // FP and pointer authentication, each allowed by EL1 first.
      a.mov(0, 3n << 20n)
      a.msr(key('CPACR_EL1'), 0)
      a.mov(0, 0x30d0_0800n | (r.chance(40) ? 0xc800_2000n : 0n))
      a.msr(key('SCTLR_EL1'), 0)
      a.isb()
      a.op('PACIA', { Rn: r.below(20), Rd: r.below(20) })
      return a.op('FMOV (general), D from X', { Rn: r.below(20), Vd: r.below(32) })
    case 14:
      if (r.chance(50)) return a.op('BRK', { imm16: r.below(0x10000) })
      a.mov(0, BigInt(r.pick([0x8400_0000, 0x8400_0001, 0x8400_0002, 0x8400_0008, 0xc400_0003, 0, 0x1234])))
      return r.chance(70) ? a.hvc(r.below(0x10000)) : a.smc(r.below(0x10000))
    case 15: return selfModify(a, r, name)
    case 16: return interrupts(a, r, plan)
    case 17: return toUser(a, r, name)
    case 18: return a.op('MSR (immediate), DAIFClr', { CRm: r.below(16) })
    default: return a.op('SVC', { imm16: r.below(4) })
  }
}

const within = (r: Random): bigint => BigInt(RAM_BASE + r.below(MEMORY.hostile))
/** Away from the program's own pages: stores there end it too soon. */
const harmless = (r: Random): bigint => BigInt(RAM_BASE + 0x40_0000 + r.below(MEMORY.hostile - 0x40_0000))

export function memoryAccess(a: Assembler, r: Random): void {
  const load = r.chance(55)
  a.mov(1, load ? (r.chance(60) ? within(r) & ~15n : r.chance(50) ? within(r) : anyAddress(r)) : r.chance(80) ? harmless(r) & ~15n : anyAddress(r))
  a.mov(2, anyValue(r))
  if (load) {
    switch (r.below(5)) {
      case 0: return a.op('LDP (signed offset)', { sf: 1, imm7: 0, Rt2: 3, Rn: 1, Rt: 2 })
      case 1: return a.op('LDXR', { sf: 1, Rs: 31, Rt2: 31, Rn: 1, Rt: 2 })
      case 2: return a.op('PRFM (immediate)', { imm12: 0, Rn: 1, prfop: r.below(32) })
      default: return a.load(2, 1, r.below(4))
    }
  }
  switch (r.below(6)) {
    case 0: return a.op('STP (signed offset)', { sf: 1, imm7: 0, Rt2: 3, Rn: 1, Rt: 2 })
    case 1: return a.op('STXR', { sf: 1, Rs: 4, Rt2: 31, Rn: 1, Rt: 2 })
    case 2: return a.op('LDADD', { sf: 1, acq: 1, rel: 1, Rs: 2, Rn: 1, Rt: 3 })
    case 3: return a.msr(key('DC ZVA'), 1)
    default: return a.store(2, 1, r.below(4))
  }
}

/** A register of a device, or what should not be one. Syndromes with and without ISV. */
export function deviceAccess(a: Assembler, r: Random): void {
  const offset = r.chance(60) ? r.below(0x40) * 4 : r.chance(60) ? r.below(0x400) * 4 : r.below(0x1000)
  a.mov(1, BigInt(r.pick(DEVICE_PAGES)) + BigInt(offset))
  a.mov(2, anyValue(r))
  const size = r.chance(75) ? 2 : r.below(4)
  switch (r.below(12)) {
    case 0: return a.op('LDP (signed offset)', { sf: r.below(2), imm7: r.below(128), Rt2: 3, Rn: 1, Rt: 2 })
    case 1: return a.op('STP (pre-index)', { sf: r.below(2), imm7: r.below(4), Rt2: 3, Rn: 1, Rt: 2 })
    case 2: return a.op('LDRSW (immediate, unsigned offset)', { imm12: 0, Rn: 1, Rt: r.pick([2, 31]) })
    case 3: return a.op('SWP', { sf: r.below(2), acq: 0, rel: 0, Rs: 2, Rn: 1, Rt: 3 })
    case 4: return a.op('LDXR', { sf: r.below(2), Rs: 31, Rt2: 31, Rn: 1, Rt: 2 })
    case 5: return a.op('LDR (immediate, SIMD&FP, unsigned offset)', { size: r.below(4), opc1: 0, imm12: 0, Rn: 1, Vt: 1 })
    case 6: return a.msr(r.pick(CACHE_ROWS).key, 1)
    case 7: return a.op('STR (immediate, post-index)', { sf: 0, imm9: 4, Rn: 1, Rt: 2 })
    case 8: case 9: return a.load(r.pick([2, 31]), 1, size)
    default: return a.store(r.pick([2, 31]), 1, size)
  }
}

/** The MMU on with tables that work or do not, some accesses, and off again. */
function stage1(a: Assembler, r: Random): void {
  a.adr(0, r.chance(75) ? 'stage 1' : `random ${r.below(12)}`)
  a.msr(key('TTBR0_EL1'), 0)
  a.adr(0, `random ${r.below(12)}`)
  a.msr(key('TTBR1_EL1'), 0)
  a.mov(0, r.chance(85) ? 0x2_8000_3519n | (25n << 16n) | (0x35n << 24n) : r.u64())
  a.msr(key('TCR_EL1'), 0)
  a.mov(0, 0xffn)
  a.msr(key('MAIR_EL1'), 0)
  a.isb()
  a.mov(0, 0x30d0_0801n | (r.chance(30) ? 1n << 19n : 0n))
  a.msr(key('SCTLR_EL1'), 0)
  a.isb()
  for (let i = r.below(4); i >= 0; i--) {
    a.mov(1, r.chance(40) ? within(r) & ~7n : r.chance(60) ? BigInt(r.below(8)) * 0x4000_0000n + BigInt(r.next() & 0x3fff_fff8) : 0xffff_ff80_0000_0000n + BigInt(r.next()) * 8n)
    if (r.chance(70)) a.load(2, 1, r.below(4))
    else a.msr(r.pick(AT_ROWS).key, 1)
  }
  a.mov(0, 0x30d0_0800n)
  a.msr(key('SCTLR_EL1'), 0)
  a.isb()
}

/** An instruction that is written where it is executed next. */
export function selfModify(a: Assembler, r: Random, name: string): void {
  const word = r.pick([encode('NOP'), encode('HVC', { imm16: r.below(100) }), encode('MRS', { o0: 1, op1: 0, CRn: 0, CRm: 0, op2: 5, Rt: 3 }), encode('UDF', { imm16: 1 }), encode('ADD (immediate)', { sf: 1, imm12: 1, Rn: 4, Rd: 4 })])
  a.adr(1, `patch ${name}`)
  a.mov(2, BigInt(word))
  a.store(2, 1, 2)
  if (r.chance(70)) {
    a.msr(key('DC CVAU'), 1)
    a.dsb()
    a.msr(key('IC IVAU'), 1)
    a.dsb()
    a.isb()
  }
  a.label(`patch ${name}`)
  a.op('ADD (immediate)', { sf: 1, imm12: 2, Rn: 4, Rd: 4 })
}

/** The virtual CPU interface: acknowledge and end whatever is there, or is not. */
function interrupts(a: Assembler, r: Random, { gic }: Plan): void {
  if (gic === 3) {
    a.mrs(key(r.pick(['ICC_IAR1_EL1', 'ICC_IAR0_EL1', 'ICC_HPPIR1_EL1', 'ICC_RPR_EL1'])), 3)
    if (r.chance(30)) a.mov(3, BigInt(r.below(1100)))
    if (r.chance(70)) a.msr(key(r.pick(['ICC_EOIR1_EL1', 'ICC_EOIR0_EL1', 'ICC_DIR_EL1'])), 3)
    a.mov(0, r.u64() & 0xff_0fff_00ff_ffffn)
    if (r.chance(30)) a.msr(key(r.pick(['ICC_SGI1R_EL1', 'ICC_ASGI1R_EL1', 'ICC_SGI0R_EL1'])), 0)
    return
  }
  a.mov(1, r.pick([0x0801_0000n, 0x0804_0000n]))
  a.load(3, 1, 2, r.pick([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 0x34, 0x3f]))
  if (r.chance(60)) a.store(r.chance(70) ? 3 : 2, 1, 2, r.pick([0, 1, 2, 4, 8, 0x34]))
}

function toUser(a: Assembler, r: Random, name: string): void {
  a.adr(0, r.chance(80) ? 'user' : `resume ${name}`)
  a.msr(key('ELR_EL1'), 0)
  a.mov(0, r.chance(80) ? BigInt(r.below(16) << 6) : r.u64())
  a.msr(key('SPSR_EL1'), 0)
  if (r.chance(70)) a.eret()
  a.label(`resume ${name}`)
}
