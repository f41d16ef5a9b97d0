/**
 * The exception vectors of hostile programs, which bring them back: at virtual EL2 a faulting instruction is skipped, or the program goes on at
 * its next block; an exception from below is answered as a hypervisor would for a while, then the next block follows. At EL1 of a nested
 * VM it is reported by HVC or skipped.
 *
 * X27 to X30 are the handlers'. Each vCPU has 64 bytes of state at 'state': where to go on, returns to the nested VM that are left, exceptions.
 */
import { rowByName } from '../../src/sysreg/index.ts'
import type { Assembler, Random } from '../assembler.ts'
import type { Plan } from './plan.ts'
import { STAGE2 } from './tables.ts'

export const key = (name: string): number => rowByName(name)!.key

export const STATE = { next: 0, returns: 1, exceptions: 2 } as const
/** EL2h and EL1h with interrupts masked. */
export const SPSR_EL2H = 0x3c9n, SPSR_EL1H = 0x3c5n
const EC = { hvc: 0x16, fetchLower: 0x20, fetchSame: 0x21, dataLower: 0x24 } as const
const GICC = 0x0801_0000n, GICH = 0x0803_0000n

/** X28: this vCPU's state. Uses X29. */
export function statePointer(a: Assembler): void {
  a.adr(28, 'state')
  a.mrs(key('MPIDR_EL1'), 29)
  a.low(29, 29, 3)
  a.addShifted(28, 28, 29, 6)
}

export function vectors(a: Assembler, r: Random, plan: Plan): void {
  vectorTable(a, 'vectors', ['same sync', 'interrupt', 'next block', 'next block', 'same sync', 'interrupt', 'next block', 'next block', 'lower sync', 'interrupt', 'interrupt', 'next block', 'next block', 'next block', 'next block', 'next block'])

  a.label('same sync')
  statePointer(a)
  a.load(29, 28, 3, STATE.exceptions)
  a.addImmediate(29, 29, 1)
  a.store(29, 28, 3, STATE.exceptions)
  a.low(30, 29, 4)
  a.cbz(30, 'next block')
  a.mrs(key('ESR_EL2'), 29)
  a.shiftRight(29, 29, 26)
  a.subImmediate(30, 29, EC.fetchSame)
  a.cbz(30, 'next block')
  a.subImmediate(30, 29, EC.hvc)
  a.cbz(30, 'return to vEL2')
  a.mrs(key('ELR_EL2'), 30)
  a.addImmediate(30, 30, 4)
  a.msr(key('ELR_EL2'), 30)
  a.b('return to vEL2')

  a.label('next block')
  statePointer(a)
  a.load(30, 28, 3, STATE.next)
  a.msr(key('ELR_EL2'), 30)
  a.label('return to vEL2')
  a.mov(29, SPSR_EL2H)
  a.msr(key('SPSR_EL2'), 29)
  a.eret()

  a.label('lower sync')
  statePointer(a)
  a.load(29, 28, 3, STATE.returns)
  a.cbz(29, 'next block')
  a.subImmediate(29, 29, 1)
  a.store(29, 28, 3, STATE.returns)
  a.mrs(key('ESR_EL2'), 29)
  a.shiftRight(29, 29, 26)
  a.subImmediate(30, 29, EC.hvc)
  a.cbz(30, 'return below')
  a.subImmediate(30, 29, EC.fetchLower)
  a.cbz(30, 'fill')
  a.subImmediate(30, 29, EC.dataLower)
  a.cbz(30, 'fill')
  a.label('skip below')
  a.mrs(key('ELR_EL2'), 30)
  a.addImmediate(30, 30, 4)
  a.msr(key('ELR_EL2'), 30)
  a.label('return below')
  a.eret()

  // Stage 2 of 'lazy': the 2 MiB around an address of the second GiB.
  a.label('fill')
  a.mrs(key('HPFAR_EL2'), 29)
  a.shiftLeft(29, 29, 8)
  a.shiftRight(30, 29, 30)
  a.subImmediate(30, 30, 1)
  a.cbnz(30, 'skip below')
  a.shiftRight(29, 29, 21)
  a.low(30, 29, 9)
  a.shiftLeft(29, 29, 21)
  a.adr(28, 'demand')
  a.addShifted(28, 28, 30, 3)
  a.load(30, 28, 3)
  // There already: the fault is about something else.
  a.cbnz(30, 'skip below')
  a.mov(30, STAGE2.normal | 1n)
  a.or(29, 29, 30)
  a.store(29, 28, 3)
  a.dsb()
  if (r.chance(50)) a.msr(key('TLBI VMALLS12E1IS'), 31)
  a.b('return below')

  // Takes it, silences what may have raised it, and goes on at the next block: a handler cannot trust its own ELR_EL2 after an access that may fault.
  a.label('interrupt')
  acknowledge(a, r, plan)
  a.b('next block')

  vectorTable(a, 'vectors below', Array.from({ length: 16 }, (_, entry) => r.chance(50) ? `hvc below ${entry}` : 'skip at EL1'))
  for (let entry = 0; entry < 16; entry++) {
    a.label(`hvc below ${entry}`)
    a.hvc(entry)
    a.b('skip at EL1')
  }
  a.label('skip at EL1')
  a.mrs(key('ELR_EL1'), 28)
  a.addImmediate(28, 28, 4)
  a.msr(key('ELR_EL1'), 28)
  a.mov(28, SPSR_EL1H)
  a.msr(key('SPSR_EL1'), 28)
  a.eret()

  watchdog(a, plan)
}

/** 16 entries that branch away. */
function vectorTable(a: Assembler, name: string, entries: readonly string[]): void {
  a.align(2048)
  a.label(name)
  for (const entry of entries) {
    const start = a.size
    a.b(entry)
    while (a.size < start + 128) a.nop()
  }
}

function acknowledge(a: Assembler, r: Random, { gic }: Plan): void {
  const polite = r.chance(93)
  if (gic === 3) {
    a.mrs(key('ICC_IAR1_EL1'), 29)
    if (polite) {
      a.msr(key('ICC_EOIR1_EL1'), 29)
      a.msr(key('ICC_DIR_EL1'), 29)
    }
    a.msr(key('ICH_HCR_EL2'), 31)
  } else {
    a.mov(28, GICC)
    a.load(29, 28, 2, 3)
    if (polite) {
      a.store(29, 28, 2, 4)
      a.addImmediate(28, 28, 0xff0)
      a.store(29, 28, 2, 4) // GICC_DIR
    }
    a.mov(28, GICH)
    a.store(31, 28, 2)
  }
  for (const timer of ['CNTHP_CTL_EL2', 'CNTV_CTL_EL0', 'CNTP_CTL_EL0']) a.msr(key(timer), 31)
}

/** Called with BL: L1's interrupt controller on, and an EL2 timer that ends whatever the nested VM does. Uses X0 and X1. */
function watchdog(a: Assembler, { gic }: Plan): void {
  const write = (frame: bigint, value: bigint): void => {
    a.mov(1, frame)
    a.mov(0, value)
    a.store(0, 1, 2)
  }
  a.label('watchdog')
  // All enabled; of INTIDs 24 to 31.
  const PPIS = 0xffff_ffffn, PRIORITIES = 0x8080_8080n
  if (gic === 3) {
    write(0x0800_0000n, 0x13n)
    write(0x080b_0080n, 0xffff_ffffn)
    write(0x080b_0100n, PPIS)
    write(0x080b_0418n, PRIORITIES)
    write(0x080b_041cn, PRIORITIES)
    for (const [name, value] of [['ICC_SRE_EL2', 0xfn], ['ICC_PMR_EL1', 0xf0n], ['ICC_IGRPEN1_EL1', 1n]] as const) {
      a.mov(0, value)
      a.msr(key(name), 0)
    }
  } else {
    write(0x0800_0000n, 3n)
    write(0x0800_0100n, PPIS)
    write(0x0800_0418n, PRIORITIES)
    write(0x0800_041cn, PRIORITIES)
    write(0x0801_0004n, 0xf0n)
    write(0x0801_0000n, 0x203n)
  }
  a.mov(0, 1500n)
  a.msr(key('CNTHP_TVAL_EL2'), 0)
  a.mov(0, 1n)
  a.msr(key('CNTHP_CTL_EL2'), 0)
  a.op('RET', { Rn: 30 })
}
