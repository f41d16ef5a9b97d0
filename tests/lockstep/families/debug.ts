/** Debug exceptions: BRK, Software Step, breakpoints and watchpoints of the PE at EL0, EL1 and EL2, with MDSCR_EL1, MDCR_EL2.TDE, HCR_EL2.TGE, PSTATE.D and the OS lock. */
import { PSTATE, elOf } from '../../../src/arch/pstate.ts'
import { rowByName } from '../../../src/sysreg/index.ts'
import type { Assembler, Random } from '../../assembler.ts'
import { DATA } from '../program.ts'
import type { ProgramBuilder } from '../program.ts'
import { anyPstate, call } from './traps.ts'

const key = (name: string): number => rowByName(name)!.key
const SNIPPETS = 12, CONTEXT = 0x1234n
const MDE = 1n << 15n, KDE = 1n << 13n, SS = 1n

/** PxC, HMC and SSC of a control register: combinations that are not reserved. */
function state(r: Random): bigint {
  const [HMC, SSC, PxC] = r.pick([[0n, 0n, 1n], [0n, 0n, 2n], [0n, 0n, 3n], [0n, 0n, 3n], [0n, 1n, 3n], [1n, 0n, 1n], [1n, 0n, 3n], [1n, 0n, 3n], [1n, 1n, 3n]] as const)
  return (PxC << 1n) | (HMC << 13n) | (SSC << 14n)
}

function watchpoint(r: Random): readonly [value: bigint, control: bigint] {
  const address = BigInt(DATA + 0x100 * r.below(4)), loadStore = BigInt(1 + r.below(3)) << 3n, linked = r.chance(10) ? (1n << 20n) | (BigInt(4 + r.below(2)) << 16n) : 0n
  const control = (r.chance(90) ? 1n : 0n) | state(r) | loadStore | linked
  if (r.chance(20)) {
    const mask = BigInt(r.pick([3, 4, 8, 12, 13]))
    return [address & ~((1n << mask) - 1n), control | (0xffn << 5n) | (mask << 24n)]
  }
  if (r.chance(20)) return [address + 4n, control | (BigInt(r.pick([0xf, 1, 2, 0xc])) << 5n)]
  return [address, control | (BigInt(r.pick([0xff, 0xff, 1, 2, 0xf, 0xf0, 0x80])) << 5n)]
}

function operation(a: Assembler, b: ProgramBuilder): void {
  const { r } = b, stepping = (b.get('MDSCR_EL1') & SS) !== 0n, kind = r.below(100), rt = r.below(8), base = 8 + r.below(8)
  const address = BigInt(DATA + 0x100 * r.below(4) + r.pick([0, 0, 0, 1, 4, 7, 8, 0x10, 0xfff]))
  if (kind < 60) a.mov(base, address)
  if (kind < 18) a.load(rt, base, r.below(4))
  else if (kind < 36) a.store(rt, base, r.below(4))
  else if (kind < 44) a.op(r.chance(50) ? 'LDTR' : 'STTR', { sf: 1, imm9: 0, Rn: base, Rt: rt })
  else if (kind < 49) {
    a.mov(base, address & ~7n)
    a.op('LDXR', { sf: 1, Rn: base, Rt: rt })
  } else if (kind < 55 && b.target.features.has('FEAT_LSE')) {
    a.mov(base, address & ~7n)
    a.op('LDADD', { sf: 1, Rs: rt, Rn: base, Rt: (rt + 1) & 7 })
  } else if (kind < 60) a.op('LDR (immediate, post-index)', { sf: 1, imm9: 8, Rn: base, Rt: rt })
  else if (kind < 64) a.op('BRK', { imm16: r.below(0x700) })
  else if (kind < 67) a.op('SVC', { imm16: r.below(0x700) })
  else if (kind < 70) call(a, b)
  // QEMU 10 takes the exception of a step also where the stepped instruction has ended stepping (MDSCR_EL1.SS, PSTATE.D): that is not done.
  else if (kind < 75) a.op(`MSR (immediate), ${stepping || r.chance(60) ? 'DAIFClr' : 'DAIFSet'}`, { CRm: 8 })
  else if (kind < 82) {
    a.mov(rt, b.legal('MDSCR_EL1', (r.chance(80) ? MDE : 0n) | (stepping ? b.get('MDSCR_EL1') & (KDE | SS) : r.chance(50) ? KDE : 0n)))
    a.msr(key('MDSCR_EL1'), rt)
    a.isb()
  } else if (kind < 86) {
    const [value, control] = watchpoint(r), n = r.below(4)
    a.mov(rt, value)
    a.msr(key(`DBGWVR${n}_EL1`), rt)
    a.mov(rt, b.legal('DBGWCR0_EL1', control))
    a.msr(key(`DBGWCR${n}_EL1`), rt)
    a.isb()
  } else if (kind < 92) a.mrs(key(r.pick(['MDSCR_EL1', 'DBGBCR0_EL1', 'DBGWCR1_EL1', 'DBGBVR2_EL1', 'OSLSR_EL1', 'DAIF', 'SPSR_EL1'])), rt)
  else if (kind < 96) {
    // Returns to the rest of the snippet, with or without PSTATE.SS.
    a.mov(rt, BigInt((b.pstate & ~PSTATE.SS) >>> 0) | (r.chance(50) ? BigInt(PSTATE.SS) : 0n))
    a.msr(key('SPSR_EL1'), rt)
    a.msr(key('ELR_EL1'), 27)
    a.eret()
  } else a.addImmediate(rt, rt, 1)
}

export function debug(b: ProgramBuilder): void {
  const { r } = b, vhe = b.target.features.has('FEAT_VHE'), stepping = r.chance(45)
  const start = anyPstate(b, [0, 1, 1, 1, 2])
  b.set('HCR_EL2', (1n << 31n) | (elOf(start) !== 1 && r.chance(25) ? 1n << 27n : 0n) | (vhe && r.chance(30) ? 1n << 34n : 0n))
  b.set('MDCR_EL2', 6n | (r.chance(30) ? 1n << 8n : 0n))
  b.set('MDSCR_EL1', (r.chance(85) ? MDE : 0n) | (r.chance(55) ? KDE : 0n) | (stepping ? SS : 0n))
  b.set('CONTEXTIDR_EL1', r.chance(70) ? CONTEXT : 7n)
  if (vhe) b.set('CONTEXTIDR_EL2', r.chance(70) ? CONTEXT : 7n)
  for (const el of [1, 2]) b.set(`SCTLR_EL${el}`, 1n << 23n)
  b.pstate = (start & ~(r.chance(60) ? PSTATE.D : 0)) | (r.chance(60) ? PSTATE.SS : 0)
  b.debugs = true
  const where = Array.from({ length: 4 }, () => r.below(SNIPPETS))
  b.preamble(a => {
    // Unlocked: QEMU 10 looks at the wrong bit of OSLSR_EL1, and has debug exceptions while the OS lock is set.
    a.mov(0, 0n)
    a.msr(key('OSLAR_EL1'), 0)
    where.forEach((snippet, n) => {
      a.adr(0, `inside ${snippet}`)
      a.msr(key(`DBGBVR${n}_EL1`), 0)
      // Not linked, or linked to one of the two that compare CONTEXTIDR_EL1.
      a.mov(0, b.legal('DBGBCR0_EL1', (r.chance(90) ? 1n : 0n) | state(r) | (0xfn << 5n) | (r.chance(20) ? (1n << 20n) | (BigInt(4 + r.below(2)) << 16n) : 0n)))
      a.msr(key(`DBGBCR${n}_EL1`), 0)
    })
    for (const n of [4, 5]) {
      a.mov(0, CONTEXT)
      a.msr(key(`DBGBVR${n}_EL1`), 0)
      a.mov(0, b.legal('DBGBCR0_EL1', (r.chance(80) ? 1n : 0n) | (3n << 20n) | (0xfn << 5n) | (1n << 13n) | (3n << 1n)))
      a.msr(key(`DBGBCR${n}_EL1`), 0)
    }
    for (let n = 0; n < 4; n++) {
      const [value, control] = watchpoint(r)
      a.mov(0, value)
      a.msr(key(`DBGWVR${n}_EL1`), 0)
      a.mov(0, b.legal('DBGWCR0_EL1', control))
      a.msr(key(`DBGWCR${n}_EL1`), 0)
    }
    a.isb()
    a.mov(0, BigInt(r.next()))
  })
  for (let n = 0; n < SNIPPETS; n++) b.snippet(a => {
    a.label(`inside ${n}`)
    b.breaks(`inside ${n}`)
    operation(a, b)
  })
  b.readAtEnd('MDSCR_EL1', 'OSLSR_EL1')
}
