import { describe, expect, test } from 'vitest'
import { EC, ecOf, parseDataAbort, parseSystemRegister } from '../arch/esr.ts'
import { MODE, PSTATE } from '../arch/pstate.ts'
import { rowByName } from '../sysreg/index.ts'
import { BASE, Program, run } from './program.test-support.ts'

const el1 = (program: Program) => run(program, { el2: false })
const esr = (value: bigint) => ({ ec: ecOf(Number(value)), iss: Number(value) & 0x1ff_ffff })

/** EL1 program with a handler for synchronous exceptions from `offset` that leaves ESR in X20, ELR in X21, FAR in X22, SPSR in X23. */
function withHandler(offset: number, body: (p: Program) => void): Program {
  const p = new Program().setLabel('VBAR_EL1', 'vectors')
  body(p)
  p.vectors(0x800, 'vectors', { [offset]: 'handler' })
  return p.label('handler').mrs(20, 'ESR_EL1').mrs(21, 'ELR_EL1').mrs(22, 'FAR_EL1').mrs(23, 'SPSR_EL1').off('hvc')
}

describe('exceptions to EL1', () => {
  test('SVC from EL0: vector 0x400, immediate, return address behind the instruction', () => {
    const p = withHandler(0x400, q => q.enter('user', MODE.EL0t, 1).label('user').svc(0x1234))
    const { outcome, x } = el1(p)
    expect(outcome.kind).toBe('off')
    expect(esr(x(20))).toEqual({ ec: EC.SVC64, iss: 0x1234 })
    expect(x(21)).toBe(p.addressOf('user') + 4n)
    expect(Number(x(23)) & 0xf).toBe(MODE.EL0t)
  })

  test('an UNDEFINED word at EL1 returns to itself', () => {
    const p = withHandler(0x200, q => q.label('bad').word(0))
    const { x } = el1(p)
    expect(esr(x(20))).toEqual({ ec: EC.Unknown, iss: 0 })
    expect(x(21)).toBe(p.addressOf('bad'))
  })

  test('EL2 registers are UNDEFINED at EL1 without NV', () => {
    const { x } = el1(withHandler(0x200, q => q.mrs(0, 'HCR_EL2')))
    expect(esr(x(20)).ec).toBe(EC.Unknown)
  })

  test('CNTFRQ_EL0 is written from EL1 where that is the highest EL', () => {
    const body = (q: Program): Program => q.mov(0, 1000).msr('CNTFRQ_EL0', 0).mrs(1, 'CNTFRQ_EL0').off('hvc')
    expect(el1(withHandler(0x200, body)).x(1)).toBe(1000n)
  })

  test('a load from nothing is an External abort with FAR', () => {
    const { x } = el1(withHandler(0x200, q => q.mov(1, 0x5000_0000).ldr(2, 1)))
    expect(esr(x(20)).ec).toBe(EC.DataAbortSame)
    expect(parseDataAbort(Number(x(20)))).toMatchObject({ dfsc: 0x10, write: false })
    expect(x(22)).toBe(0x5000_0000n)
  })

  test('a misaligned access with the MMU off is an Alignment fault (Device memory)', () => {
    const { x } = el1(withHandler(0x200, q => q.mov(1, BASE + 0x4001).str(2, 1)))
    expect(parseDataAbort(Number(x(20)))).toMatchObject({ dfsc: 0x21, write: true })
  })

  test('PC alignment: FAR and ELR are the target', () => {
    const { x } = el1(withHandler(0x200, q => q.mov(1, BASE + 2).insn('BR', { Rn: 1 })))
    expect(esr(x(20)).ec).toBe(EC.PCAlignment)
    expect([x(21), x(22)]).toEqual([BigInt(BASE + 2), BigInt(BASE + 2)])
  })

  test('SP alignment when SCTLR_EL1.SA is set', () => {
    const p = withHandler(0x200, q => q.set('SCTLR_EL1', 1 << 3).mov(1, BASE + 0x4008).insn('ADD (immediate)', { sf: 1, sh: 0, imm12: 0, Rn: 1, Rd: 31 }).label('load').ldr(2, 31))
    const { x } = el1(p)
    expect(esr(x(20)).ec).toBe(EC.SPAlignment)
    expect(x(21)).toBe(p.addressOf('load'))
  })

  test('BRK returns to itself', () => {
    const p = withHandler(0x200, q => q.label('brk').insn('BRK', { imm16: 7 }))
    const { x } = el1(p)
    expect(esr(x(20))).toEqual({ ec: EC.BRK64, iss: 7 })
    expect(x(21)).toBe(p.addressOf('brk'))
  })

  test('an illegal return sets PSTATE.IL and faults at the target', () => {
    const p = withHandler(0x200, q => q.enter('target', MODE.EL2h, 1).label('target').nop())
    const { x } = el1(p)
    expect(esr(x(20)).ec).toBe(EC.IllegalState)
    expect(x(21)).toBe(p.addressOf('target'))
    expect(Number(x(23)) & PSTATE.IL).toBe(PSTATE.IL)
  })

  test('a fault of the fetch comes before the Illegal Execution state exception of an illegal return', () => {
    const p = withHandler(0x200, q => q.set('SPSR_EL1', MODE.EL2h).set('ELR_EL1', BASE + 0x1002).eret())
    const { x } = el1(p)
    expect(esr(x(20)).ec).toBe(EC.PCAlignment)
    expect(x(21)).toBe(BigInt(BASE + 0x1002))
    expect(Number(x(23)) & PSTATE.IL).toBe(PSTATE.IL)
  })

  test('FP is disabled by CPACR_EL1', () => {
    const { x } = el1(withHandler(0x200, q => q.insn('LDR (immediate, SIMD&FP, unsigned offset)', { size: 0, opc1: 1, Rn: 1 })))
    expect(esr(x(20)).ec).toBe(EC.FPAdvSIMD)
  })

  test('stack pointers are banked: EL0 has its own', () => {
    const p = withHandler(0x400, q => q.set('SP_EL0', 0x1230).mov(1, 0x4560).insn('ADD (immediate)', { sf: 1, sh: 0, imm12: 0, Rn: 1, Rd: 31 })
      .enter('user', MODE.EL0t, 1).label('user').insn('ADD (immediate)', { sf: 1, sh: 0, imm12: 0, Rn: 31, Rd: 5 }).svc())
    p.insn('ADD (immediate)', { sf: 1, sh: 0, imm12: 0, Rn: 31, Rd: 6 })
    const { x } = el1(p)
    expect(x(5)).toBe(0x1230n)
  })

  test('a vector that cannot be fetched ends the run by name', () => {
    const { outcome } = el1(new Program().set('VBAR_EL1', 0x1000_0000).word(0))
    expect(outcome).toMatchObject({ kind: 'died' })
  })

  test('MSR to SP_EL0 while it is in use is UNDEFINED', () => {
    const { x } = el1(withHandler(0x000, q => q.insn('MSR (immediate), SPSel', { CRm: 0 }).msr('SP_EL0', 1)))
    expect(esr(x(20)).ec).toBe(EC.Unknown)
  })
})

// ---- EL2 ----------------------------------------------------------------------------------------------------------------

const HCR = { RW: 1n << 31n, E2H: 1n << 34n, TGE: 1n << 27n, NV: 1n << 42n, NV1: 1n << 43n, NV2: 1n << 45n, API: 3n << 40n, TSC: 1n << 19n, TWI: 1n << 13n, HCD: 1n << 29n, VSE: 1n << 8n, AMO: 1n << 5n }
const PAGE = 0x4010_0000

/** Starts in EL2, sets HCR_EL2, runs `guest` at EL1h; any exception to EL2 from below leaves ESR in X20, ELR in X21, FAR in X22, SPSR in X23. */
function guestAtEL1(hcr: bigint, guest: (p: Program) => void, before: (p: Program) => void = () => {}): Program {
  const p = new Program().setLabel('VBAR_EL2', 'vectors2').setLabel('VBAR_EL1', 'vectors1').set('HCR_EL2', hcr | HCR.RW | HCR.API)
  before(p)
  p.enter('guest', MODE.EL1h | 0x3c0, 2).label('guest')
  guest(p)
  p.hvc(0x7fff)
  p.vectors(0x1000, 'vectors1', { 0x200: 'undefined', 0x400: 'undefined' })
  p.label('undefined').mrs(24, 'ESR_EL1').mrs(25, 'SPSR_EL1').hvc(0x7ffe)
  p.vectors(0x2000, 'vectors2', { 0x400: 'trap', 0x200: 'own', 0x480: 'irq' })
  p.label('trap').mrs(20, 'ESR_EL2').mrs(21, 'ELR_EL2').mrs(22, 'FAR_EL2').mrs(23, 'SPSR_EL2').mrs(19, 'HPFAR_EL2').off('smc')
  p.label('own').mrs(26, 'ESR_EL2').off('smc')
  p.label('irq').mov(27, 1).off('smc')
  return p
}
const onEl2 = (p: Program, profile: 'v8.0' | 'v8.1' | 'v8.3' | 'neve' | 'v8.4' = 'v8.4') => run(p, { el2: true, profile })

describe('nested virtualization at EL1', () => {
  test('v8.3 NV: an EL2 register traps with its name, direction and Rt', () => {
    const { x } = onEl2(guestAtEL1(HCR.NV, p => p.mrs(7, 'VTTBR_EL2')), 'v8.3')
    expect(esr(x(20)).ec).toBe(EC.SystemRegister)
    expect(parseSystemRegister(esr(x(20)).iss)).toEqual({ key: rowByName('VTTBR_EL2')!.key, Rt: 7, read: true })
  })

  test('CurrentEL says EL2, ERET traps', () => {
    const { x } = onEl2(guestAtEL1(HCR.NV, p => p.mrs(5, 'CurrentEL').eret()), 'v8.3')
    expect(x(5)).toBe(8n)
    expect(esr(x(20))).toEqual({ ec: EC.ERET, iss: 0 })
  })

  test('SPSR_EL1 reports EL2 to a VHE guest hypervisor (NV1=0) and EL1 with plain NV1', () => {
    expect(Number(onEl2(guestAtEL1(HCR.NV, p => p.word(0)), 'v8.3').x(25)) & 0xf).toBe(MODE.EL2h)
    // SPSR_EL1 itself traps with NV1: look at it from EL2.
    const p = guestAtEL1(HCR.NV | HCR.NV1, q => q.word(0), q => q)
    const { x } = onEl2(p, 'v8.3')
    expect(parseSystemRegister(esr(x(20)).iss).key).toBe(rowByName('SPSR_EL1')!.key)
  })

  test('NV2: an EL2 register is the VNCR_EL2 page, ELR_EL2 is ELR_EL1', () => {
    const { x, machine } = onEl2(guestAtEL1(HCR.NV | HCR.NV2, p => p.mov(1, 0x123456789abcdef0n).msr('VTTBR_EL2', 1).mrs(2, 'VTTBR_EL2').mov(3, 0x4444).msr('ELR_EL2', 3).mrs(4, 'ELR_EL1'),
      p => p.set('VNCR_EL2', PAGE)))
    expect(esr(x(20))).toEqual({ ec: EC.HVC64, iss: 0x7fff })
    // Raw 64 bits, RES0 or not.
    expect(machine.memory.read64(PAGE + 0x20)).toBe(0x123456789abcdef0n)
    expect(x(2)).toBe(0x123456789abcdef0n)
    expect(x(4)).toBe(0x4444n)
  })

  test('NV2 with NV1=1: EL1 names are memory, with NV1=0 the _EL12 names are', () => {
    const one = onEl2(guestAtEL1(HCR.NV | HCR.NV2 | HCR.NV1, p => p.mov(1, 0xabc).msr('TTBR0_EL1', 1), p => p.set('VNCR_EL2', PAGE)))
    expect(one.machine.memory.read64(PAGE + 0x200)).toBe(0xabcn)
    const zero = onEl2(guestAtEL1(HCR.NV | HCR.NV2, p => p.mov(1, 0xdef).msr('TTBR0_EL12', 1), p => p.set('VNCR_EL2', PAGE)))
    expect(zero.machine.memory.read64(PAGE + 0x200)).toBe(0xdefn)
  })

  test('a VNCR_EL2 address without memory: EC 0x25 with ISS.VNCR through the lower-EL vector, FAR, ELR', () => {
    const p = guestAtEL1(HCR.NV | HCR.NV2, q => q.label('access').msr('HCR_EL2', 1), q => q.set('VNCR_EL2', 0x3000_0000))
    const { x } = onEl2(p)
    expect(esr(x(20)).ec).toBe(EC.DataAbortSame)
    expect(parseDataAbort(Number(x(20)))).toMatchObject({ vncr: true, write: true, dfsc: 0x10 })
    expect(x(22)).toBe(0x3000_0078n)
    expect(x(21)).toBe(p.addressOf('access'))
  })

  test('neve: the page is at a physical address; cached copies trap on write and read from memory', () => {
    const { x } = onEl2(guestAtEL1(HCR.NV, p => p.mov(1, 0x77).msr('VTTBR_EL2', 1).mrs(2, 'VTTBR_EL2').mrs(3, 'MDCR_EL2').msr('MDCR_EL2', 1),
      p => p.set('VNCR_EL2', PAGE | 1).mov(1, PAGE).mov(2, 0x55).str(2, 1, 0xc00)), 'neve')
    expect(x(2)).toBe(0x77n)
    expect(x(3)).toBe(0x55n)
    expect(parseSystemRegister(esr(x(20)).iss)).toMatchObject({ key: rowByName('MDCR_EL2')!.key, read: false })
  })

  test('without NV the same accesses are UNDEFINED at EL1', () => {
    const { x } = onEl2(guestAtEL1(0n, p => p.mrs(7, 'VTTBR_EL2')))
    expect(esr(x(24)).ec).toBe(EC.Unknown)
    expect(esr(x(20))).toEqual({ ec: EC.HVC64, iss: 0x7ffe })
  })
})

describe('EL2', () => {
  test('VHE: EL1 names mean EL2 registers, _EL12 names the EL1 ones', () => {
    const p = new Program().set('HCR_EL2', HCR.RW | HCR.E2H)
    p.mov(1, 0x1000).msr('VBAR_EL1', 1).mov(2, 0x2000).msr('VBAR_EL12', 2).mrs(3, 'VBAR_EL2').set('HCR_EL2', HCR.RW).mrs(4, 'VBAR_EL1').off('smc')
    const { x } = onEl2(p, 'v8.1')
    expect([x(3), x(4)]).toEqual([0x1000n, 0x2000n])
  })

  test('_EL12 is UNDEFINED while E2H is 0', () => {
    const p = guestAtEL1(0n, q => q, q => q.mrs(1, 'VBAR_EL12'))
    expect(esr(onEl2(p, 'v8.1').x(26)).ec).toBe(EC.Unknown)
  })

  test('TGE sends the exceptions of EL0 to EL2', () => {
    const p = new Program().setLabel('VBAR_EL2', 'vectors').set('HCR_EL2', HCR.RW | HCR.TGE | HCR.E2H).enter('user', MODE.EL0t, 2).label('user').svc(5)
    p.vectors(0x800, 'vectors', { 0x400: 'handler' }).label('handler').mrs(20, 'ESR_EL2').off('smc')
    expect(esr(onEl2(p).x(20))).toEqual({ ec: EC.SVC64, iss: 5 })
  })

  test('SMC is trapped by HCR_EL2.TSC, HVC is UNDEFINED under HCD, WFI is trapped by TWI', () => {
    expect(esr(onEl2(guestAtEL1(HCR.TSC, p => p.smc(3))).x(20))).toEqual({ ec: EC.SMC64, iss: 3 })
    const hcd = guestAtEL1(HCR.HCD | HCR.TSC, p => p.hvc(3))
    // The handler at EL1 cannot HVC either: it comes back to itself until the limit.
    expect(onEl2(hcd).x(24)).toBe(BigInt(1 << 25))
    expect(esr(onEl2(guestAtEL1(HCR.TWI, p => p.insn('WFI'))).x(20)).ec).toBe(EC.WFx)
  })

  test('traps follow their controls at once: ICH_HCR_EL2.TALL1, CNTHCTL_EL2, TVM, and back', () => {
    const program = (before: (p: Program) => void, access: (p: Program) => void) => guestAtEL1(0n, access, before)
    const trapped = (p: Program) => parseSystemRegister(esr(onEl2(p).x(20)).iss)
    expect(trapped(program(p => p.set('ICH_HCR_EL2', 1 << 12), p => p.mrs(1, 'ICC_IAR1_EL1')))).toEqual({ key: rowByName('ICC_IAR1_EL1')!.key, Rt: 1, read: true })
    expect(trapped(program(p => p.set('CNTHCTL_EL2', 0), p => p.mrs(2, 'CNTPCT_EL0'))).key).toBe(rowByName('CNTPCT_EL0')!.key)
    // The handler at EL2 counts traps in X15, clears TVM and returns: the second write goes through.
    const p = new Program().setLabel('VBAR_EL2', 'vectors2').set('HCR_EL2', HCR.RW | (1n << 26n)).enter('guest', MODE.EL1h | 0x3c0, 2)
    p.label('guest').mov(1, 0xff).msr('MAIR_EL1', 1).mov(1, 0x44).msr('MAIR_EL1', 1).mrs(5, 'MAIR_EL1').hvc(1)
    p.vectors(0x2000, 'vectors2', { 0x400: 'trap' }).label('trap').mrs(20, 'ESR_EL2').insn('UBFM', { sf: 1, N: 1, immr: 26, imms: 31, Rn: 20, Rd: 21 }).sub(21, 21, EC.SystemRegister).cbnz(21, 'end')
    p.add(15, 15, 1).set('HCR_EL2', HCR.RW).eret().label('end').off('smc')
    const { x } = onEl2(p)
    expect([x(15), x(5)]).toEqual([1n, 0x44n])
  })

  test('HCR_EL2.API = 0 traps an enabled key', () => {
    const p = new Program().setLabel('VBAR_EL2', 'vectors2').set('HCR_EL2', HCR.RW).set('SCTLR_EL1', 1n << 31n).enter('guest', MODE.EL1h | 0x3c0, 2)
    p.label('guest').insn('PACIB', { Rn: 1, Rd: 2 }).insn('PACIA', { Rn: 1, Rd: 2 }).hvc(1)
    p.vectors(0x2000, 'vectors2', { 0x400: 'trap' }).label('trap').mrs(20, 'ESR_EL2').mrs(21, 'ELR_EL2').off('smc')
    const { x } = onEl2(p, 'v8.3')
    expect([esr(x(20)).ec, x(21)]).toEqual([EC.PAuth, p.addressOf('guest') + 4n])
  })

  test('a virtual SError is taken to EL1 once', () => {
    const p = guestAtEL1(HCR.AMO | HCR.VSE, q => q.insn('MSR (immediate), DAIFClr', { CRm: 4 }).label('spin').b('spin'))
    p.org(0x1380).mrs(24, 'ESR_EL1').hvc(0x7ffe)
    const { x } = onEl2(p)
    expect(esr(x(24)).ec).toBe(EC.SError)
    expect(esr(x(20)).iss).toBe(0x7ffe)
  })
})
