import { describe, expect, test } from 'vitest'
import { PPI } from '../arch/gic.ts'
import { MODE } from '../arch/pstate.ts'
import { createMachine } from './machine.ts'
import { BASE, Program, run } from './program.test-support.ts'

const GICD = 0x0800_0000, GICC = 0x0801_0000, GICR = 0x080a_0000, SGI_BASE = GICR + 0x1_0000

/** Group 1 enabled, `intid` (an SGI or PPI) enabled with priority 0x80, PMR open. Uses X1, X2. */
function enableV3(p: Program, intid: number, pe = 0): Program {
  const sgi = SGI_BASE + pe * 0x2_0000
  p.mov(1, GICD).mov(2, 0x37).str(2, 1, 0, 0)
  p.mov(1, sgi + 0x80).mov(2, 0xffff_ffff).str(2, 1, 0, 0).mov(1, sgi + 0x100).mov(2, 1 << intid).str(2, 1, 0, 0)
  return p.set('ICC_PMR_EL1', 0xff).set('ICC_IGRPEN1_EL1', 1).insn('ISB', { CRm: 15 })
}
function enableV2(p: Program, intid: number): Program {
  p.mov(1, GICD).mov(2, 1).str(2, 1, 0, 0).mov(1, GICD + 0x100).mov(2, 1 << intid).str(2, 1, 0, 0)
  return p.mov(1, GICC).mov(2, 0xff).str(2, 1, 4, 0).mov(2, 1).str(2, 1, 0, 0)
}

describe('the virtual timer at EL1', () => {
  test('GICv3: WFI sleeps until it fires, the interrupt is taken, acknowledged and ended', () => {
    const p = new Program().setLabel('VBAR_EL1', 'vectors')
    enableV3(p, PPI.virtualTimer).set('CNTV_TVAL_EL0', 5000).set('CNTV_CTL_EL0', 1).mrs(10, 'CNTVCT_EL0').insn('MSR (immediate), DAIFClr', { CRm: 2 })
    p.label('again').insn('WFI').cbz(20, 'again').off('hvc')
    p.vectors(0x800, 'vectors', { 0x280: 'irq' }).label('irq').mrs(11, 'CNTVCT_EL0').mrs(20, 'ICC_IAR1_EL1').mrs(21, 'ISR_EL1')
    p.set('CNTV_CTL_EL0', 0).msr('ICC_EOIR1_EL1', 20).mrs(22, 'ICC_RPR_EL1').eret()
    const { x, outcome, machine } = run(p)
    expect(outcome.kind).toBe('off')
    expect(x(20)).toBe(BigInt(PPI.virtualTimer))
    const waited = Number(x(11) - x(10))
    expect(waited).toBeGreaterThanOrEqual(4990)
    expect(waited).toBeLessThan(5100)
    // Acknowledged: not pending any more; ended: idle priority.
    expect([x(21), x(22)]).toEqual([0n, 0xffn])
    // The wait was skipped, not executed.
    expect(machine.instructions).toBeLessThan(300)
  })

  test('GICv2: the same over GICC', () => {
    const p = new Program().setLabel('VBAR_EL1', 'vectors')
    enableV2(p, PPI.virtualTimer).set('CNTV_TVAL_EL0', 100).set('CNTV_CTL_EL0', 1).insn('MSR (immediate), DAIFClr', { CRm: 2 })
    p.label('again').insn('WFI').cbz(20, 'again').off('hvc')
    p.vectors(0x800, 'vectors', { 0x280: 'irq' }).label('irq').mov(1, GICC).ldr(20, 1, 12, 0).set('CNTV_CTL_EL0', 0).str(20, 1, 16, 0).eret()
    const { x, outcome } = run(p, { gic: 2 })
    expect(outcome.kind).toBe('off')
    expect(x(20)).toBe(BigInt(PPI.virtualTimer))
  })

  test('a masked interrupt ends WFI without being taken', () => {
    const p = new Program()
    enableV3(p, PPI.virtualTimer).set('CNTV_TVAL_EL0', 10).set('CNTV_CTL_EL0', 1).insn('WFI').mrs(5, 'ISR_EL1').off('hvc')
    expect(run(p).x(5)).toBe(0x80n)
  })

  test('an event of the future: idle time passes until its cycle, and no longer', () => {
    const machine = createMachine({ memBytes: 16 << 20 })
    machine.memory.writeBytes(BASE, new Program().insn('WFI').bytes())
    machine.startAt(BigInt(BASE), 0n)
    const received: [string, number][] = [], { uart } = machine.wiring
    uart.receive = bytes => { received.push([String.fromCharCode(...bytes), machine.nanoseconds]) }
    for (const [text, at] of [['b', 7000.5], ['a', 3000], ['c', 7000.2]] as const) expect(machine.schedule({ device: 'uart0', kind: 'data', id: 0, bytes: Uint8Array.of(text.charCodeAt(0)) }, at)).toBe(true)
    expect(machine.schedule({ device: 'nobody', kind: 'data', id: 0, bytes: new Uint8Array(0) }, 1)).toBe(false)
    expect(machine.run({ maxInstructions: 1000 }).kind).toBe('idle')
    expect(received).toEqual([['a', 3000], ['b', 7001], ['c', 7001]])
  })

  test('nothing to wait for: the run ends as idle', () => {
    expect(run(new Program().insn('WFI')).outcome).toEqual({ kind: 'idle' })
  })
})

describe('several PEs', () => {
  const MPIDR_PE1 = 1

  test('CPU_ON starts a PE with its context; it is counted and can switch itself off', () => {
    const p = new Program().mov(0, 0xc400_0003n).mov(1, MPIDR_PE1).adr(2, 'second').mov(3, 0x77).hvc().copy(19, 0)
    p.label('wait').mov(1, BASE + 0x8000).ldr(4, 1).cbz(4, 'wait').mov(0, 0xc400_0004n).mov(1, 1).mov(2, 0).label('poll').mov(0, 0xc400_0004n).hvc().cbz(0, 'poll').copy(20, 0).off('hvc')
    p.label('second').copy(10, 0).mrs(11, 'MPIDR_EL1').mrs(12, 'CurrentEL').mov(1, BASE + 0x8000).mov(2, 1).str(2, 1).mov(0, 0x8400_0002n).hvc()
    const { x, outcome } = run(p, { smp: 2 })
    expect(outcome.kind).toBe('off')
    expect([x(19), x(20)]).toEqual([0n, 1n])
    expect([x(10, 1), x(11, 1), x(12, 1)]).toEqual([0x77n, 0x8000_0001n, 4n])
  })

  test('an SGI wakes another PE, which sees the sender\'s time', () => {
    const p = new Program().mov(0, 0xc400_0003n).mov(1, MPIDR_PE1).adr(2, 'second').hvc()
    p.label('ready').mov(1, BASE + 0x8000).ldr(4, 1).cbz(4, 'ready')
    // Let the other sleep for a while, then send SGI 3.
    p.mov(5, 5000).label('spin').sub(5, 5, 1).cbnz(5, 'spin').mrs(10, 'CNTVCT_EL0').set('ICC_SGI1R_EL1', (3n << 24n) | 2n).label('done').ldr(4, 1, 8).cbz(4, 'done').off('hvc')
    p.label('second').setLabel('VBAR_EL1', 'vectors')
    enableV3(p, 3, 1).insn('MSR (immediate), DAIFClr', { CRm: 2 }).mov(1, BASE + 0x8000).mov(2, 1).str(2, 1)
    p.label('sleep').insn('WFI').b('sleep')
    p.vectors(0x800, 'vectors', { 0x280: 'irq' }).label('irq').mrs(20, 'ICC_IAR1_EL1').mrs(11, 'CNTVCT_EL0').msr('ICC_EOIR1_EL1', 20).str(2, 1, 8).eret()
    const { x, outcome } = run(p, { smp: 2, quantum: 100 })
    expect(outcome.kind).toBe('off')
    expect(x(20, 1)).toBe(3n)
    const latency = Number(x(11, 1) - x(10, 0))
    expect(latency).toBeGreaterThanOrEqual(0)
    expect(latency).toBeLessThan(40)
  })

  test('each PE has its own pointer authentication keys, whoever ran before', () => {
    const KEY = 0x1111
    const sign = (p: Program, key: number, label: string) => p.set('SCTLR_EL1', 1n << 31n).set('APIAKeyLo_EL1', key).mov(7, 0x1000).mov(6, 500)
      .label(label).copy(1, 7).insn('PACIA', { Rn: 31, Rd: 1 }).insn('AUTIA', { Rn: 31, Rd: 1 }).insn('SUB (shifted register), LSL #0', { sf: 1, Rm: 7, Rn: 1, Rd: 2 })
      .insn('ORR (shifted register)', { sf: 1, shift: 0, Rm: 2, imm6: 0, Rn: 20, Rd: 20 }).sub(6, 6, 1).cbnz(6, label)
    const p = new Program().mov(0, 0xc400_0003n).mov(1, MPIDR_PE1).adr(2, 'second').hvc()
    sign(p, KEY, 'one').copy(1, 7).insn('PACIA', { Rn: 31, Rd: 1 }).mov(3, BASE + 0x8000).label('wait').ldr(4, 3).cbz(4, 'wait').off('hvc')
    p.label('second')
    sign(p, KEY + 1, 'two').copy(1, 7).insn('PACIA', { Rn: 31, Rd: 1 }).mov(3, BASE + 0x8000).mov(4, 1).str(4, 3).insn('WFI')
    const { x, outcome } = run(p, { smp: 2, quantum: 7, profile: 'v8.3' })
    expect(outcome.kind).toBe('off')
    // PSCI's X1 is the signed pointer of PE 0.
    expect([x(20, 0), x(20, 1)]).toEqual([0n, 0n])
    expect(x(1, 0)).not.toBe(x(1, 1))
  })

  test('SEV ends WFE of another PE; a counter read is never less than what another PE has read', () => {
    const p = new Program().mov(0, 0xc400_0003n).mov(1, MPIDR_PE1).adr(2, 'second').hvc().mov(5, 300).label('spin').sub(5, 5, 1).cbnz(5, 'spin')
    p.mrs(10, 'CNTVCT_EL0').mov(1, BASE + 0x8000).str(10, 1).insn('SEV').label('wait').ldr(4, 1, 8).cbz(4, 'wait').off('hvc')
    p.label('second').mov(1, BASE + 0x8000).insn('WFE').label('look').insn('WFE').ldr(3, 1).cbz(3, 'look').mrs(11, 'CNTVCT_EL0').mov(2, 1).str(2, 1, 8).insn('WFI')
    const { x, outcome } = run(p, { smp: 2 })
    expect(outcome.kind).toBe('off')
    expect(x(11, 1) >= x(10, 0)).toBe(true)
  })
})

/** From EL2 into a guest at EL1 that spins with IRQs open; its vector entry 0x280 goes to 'virq'. */
const spinning = (p: Program): Program => p.setLabel('VBAR_EL1', 'vectors1').enter('guest', MODE.EL1h, 2).label('guest').b('guest').vectors(0x1000, 'vectors1', { 0x280: 'virq' }).label('virq')

describe('virtual interrupts', () => {
  const HCR = (1n << 31n) | (3n << 40n)
  test('HCR_EL2.VI with IMO', () => {
    const p = new Program().set('HCR_EL2', HCR | (1n << 7n) | (1n << 4n))
    spinning(p).mov(20, 1).mrs(21, 'ISR_EL1').off('smc')
    const { x } = run(p, { el2: true })
    expect([x(20), x(21)]).toEqual([1n, 0x80n])
  })

  test('a list register: taken as virtual IRQ, acknowledged and ended through ICC names', () => {
    const p = new Program().set('HCR_EL2', HCR | (1n << 4n) | (1n << 3n)).set('ICH_HCR_EL2', 1).set('ICH_VMCR_EL2', (0xffn << 24n) | 2n).set('ICH_LR0_EL2', (1n << 62n) | (1n << 60n) | (0x80n << 48n) | 45n)
    spinning(p).mrs(20, 'ICC_IAR1_EL1').msr('ICC_EOIR1_EL1', 20).mrs(21, 'ISR_EL1').off('smc')
    const { x } = run(p, { el2: true })
    expect([x(20), x(21)]).toEqual([45n, 0n])
  })

  test('a physical interrupt leaves the guest for EL2 whatever its PSTATE masks', () => {
    const p = new Program().setLabel('VBAR_EL2', 'vectors2').set('HCR_EL2', HCR | (1n << 4n))
    enableV3(p, PPI.hypPhysicalTimer).set('CNTHP_TVAL_EL2', 20).set('CNTHP_CTL_EL2', 1).enter('guest', MODE.EL1h | 0x3c0, 2).label('guest').add(5, 5, 1).b('guest')
    p.vectors(0x1000, 'vectors2', { 0x480: 'irq' }).label('irq').mrs(20, 'ICC_IAR1_EL1').off('smc')
    const { x } = run(p, { el2: true })
    expect(x(20)).toBe(BigInt(PPI.hypPhysicalTimer))
    expect(x(5)).toBeGreaterThan(50n)
  })
})

test('software step: one instruction at EL1, then the exception', () => {
  // EL1 steps itself: KDE, PSTATE.D clear, SPSR.SS set on the way in.
  const p = new Program().setLabel('VBAR_EL1', 'vectors').set('OSLAR_EL1', 0).set('MDSCR_EL1', (1n << 13n) | 1n)
  p.enter('stepped', MODE.EL0t | (1 << 21), 1).label('stepped').mov(5, 1).mov(5, 2).svc()
  p.vectors(0x800, 'vectors', { 0x400: 'sync' }).label('sync').mrs(20, 'ESR_EL1').mrs(21, 'ELR_EL1').off('hvc')
  const { x } = run(p)
  expect(Number(x(20)) >>> 26).toBe(0x32)
  expect([x(5), x(21)]).toEqual([1n, p.addressOf('stepped') + 4n])
})

test.each(['DAIFClr', 'MSR DAIF'])('software step at EL1 itself begins where %s clears PSTATE.D', way => {
  const p = new Program().setLabel('VBAR_EL1', 'vectors').set('OSLAR_EL1', 0).set('MDSCR_EL1', (1n << 13n) | 1n)
  if (way === 'DAIFClr') p.insn('MSR (immediate), DAIFClr', { CRm: 8 })
  else p.set('DAIF', 7 << 6)
  p.label('stepped').mov(5, 1).mov(5, 2).off('hvc')
  p.vectors(0x800, 'vectors', { 0x200: 'sync' }).label('sync').mrs(20, 'ESR_EL1').mrs(21, 'ELR_EL1').off('hvc')
  const { x } = run(p)
  expect([Number(x(20)) >>> 26, x(21), x(5)]).toEqual([0x33, p.addressOf('stepped'), 0n])
})

test('a PMU counter that overflows interrupts at its cycle (PPI 23), and the line is low again when the flag is cleared', () => {
  const CYCLE = 1n << 31n, period = 200n
  const p = new Program().setLabel('VBAR_EL1', 'vectors')
  enableV3(p, PPI.pmu).set('PMCR_EL0', 0x41n).set('PMCCNTR_EL0', (1n << 64n) - period).set('PMINTENSET_EL1', CYCLE).set('PMCNTENSET_EL0', CYCLE)
  p.insn('MSR (immediate), DAIFClr', { CRm: 2 }).label('again').add(5, 5, 1).b('again')
  p.vectors(0x800, 'vectors', { 0x280: 'irq' }).label('irq').mrs(20, 'ICC_IAR1_EL1').mrs(21, 'PMOVSSET_EL0').mrs(23, 'PMCCNTR_EL0').set('PMOVSCLR_EL0', CYCLE).msr('ICC_EOIR1_EL1', 20).mrs(22, 'ISR_EL1').off('hvc')
  const { x } = run(p)
  expect([x(20), x(21), x(22)]).toEqual([BigInt(PPI.pmu), CYCLE, 0n])
  // It has been some instructions since: not a turn of the run loop.
  expect(x(23)).toBeLessThan(200n)
})
