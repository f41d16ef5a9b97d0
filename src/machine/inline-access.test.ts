/** System registers that generated code accesses itself: same values, same cycles, and left to the CPU where they are not plain. */
import { describe, expect, test } from 'vitest'
import { UNIT_COSTS } from '../arch/cost.ts'
import { MODE } from '../arch/pstate.ts'
import { BASE, Program, run } from './program.test-support.ts'

const TURNS = 400
/** A loop of TURNS turns around `body`; X19 counts. */
const loop = (body: (p: Program) => Program): Program => body(new Program().mov(19, TURNS).label('again')).sub(19, 19, 1).cbnz(19, 'again').off('hvc')

describe.each([[false], [true]])('translated: %s', translate => {
  const options = { translate, translateAfter: 1, profile: 'v8.0' } as const

  test('every access is charged', () => {
    const { machine } = run(loop(p => p.mrs(1, 'SP_EL0').add(1, 1, 1).msr('SP_EL0', 1).mrs(2, 'TPIDR_EL1').mrs(3, 'DAIF').msr('DAIF', 3).mrs(4, 'CurrentEL')), options)
    const { systemRegisterRead: read, systemRegisterWrite: write } = UNIT_COSTS
    expect(machine.nanoseconds).toBe(machine.instructions + TURNS * (4 * read + 2 * write))
  })

  test('values: what was written, PSTATE, the EL', () => {
    const { x } = run(loop(p => p.mrs(1, 'SP_EL0').add(1, 1, 1).msr('SP_EL0', 1).insn('MSR (immediate), DAIFClr', { CRm: 4 }).mrs(3, 'DAIF').insn('MSR (immediate), DAIFSet', { CRm: 4 }).mrs(4, 'DAIF').mrs(5, 'CurrentEL')), options)
    expect([x(1), x(3), x(4), x(5)]).toEqual([BigInt(TURNS), 0x2c0n, 0x3c0n, 4n])
  })

  test('SP_EL0 is UNDEFINED while it is the stack pointer in use', () => {
    const p = new Program().setLabel('VBAR_EL1', 'vectors').mov(19, TURNS).label('again').mrs(1, 'SP_EL0').sub(19, 19, 1).cbnz(19, 'again')
    p.insn('MSR (immediate), SPSel', { CRm: 0 }).mrs(1, 'SP_EL0').mov(20, 1).off('hvc')
    p.vectors(0x800, 'vectors', { 0: 'undefined' }).label('undefined').mrs(21, 'ESR_EL1').off('hvc')
    const { x } = run(p, options)
    expect([x(20), x(21) >> 26n]).toEqual([0n, 0n])
  })

  test('at EL0 what EL0 may not read is UNDEFINED, however often EL1 has read it', () => {
    const p = new Program().setLabel('VBAR_EL1', 'vectors').mov(19, TURNS).label('again').mrs(1, 'TPIDR_EL1').sub(19, 19, 1).cbnz(19, 'again').enter('user', MODE.EL0t, 1)
    p.label('user').mov(18, TURNS).label('more').mrs(2, 'TPIDR_EL0').sub(18, 18, 1).cbnz(18, 'more').mrs(3, 'TPIDR_EL1').mov(20, 1)
    p.vectors(0x800, 'vectors', { 0x400: 'trap' }).label('trap').mrs(21, 'ESR_EL1').off('hvc')
    const { x } = run(p, options)
    expect([x(20), x(21) >> 26n]).toEqual([0n, 0n])
  })

  test('DC ZVA zeroes 64 bytes and no more', () => {
    const data = BASE + 0x1_0000, table = BASE + 0x2_0000
    // Normal memory needs the MMU: one block of 1 GiB.
    const p = new Program().mov(1, table).mov(2, 0x4000_0701).str(2, 1, 8).set('MAIR_EL1', 0xff).set('TCR_EL1', 25 | 1 << 23).set('TTBR0_EL1', table).mrs(2, 'SCTLR_EL1')
    p.add(2, 2, 1).msr('SCTLR_EL1', 2).insn('ISB', { CRm: 15 }).mov(1, data).mov(2, -1)
    for (let at = 0; at < 256; at += 8) p.str(2, 1, at)
    p.mov(19, TURNS).label('again').mov(3, data + 64 + 13).sys('DC ZVA', 3).sub(19, 19, 1).cbnz(19, 'again').ldr(4, 1, 56).ldr(5, 1, 64).ldr(6, 1, 120).ldr(7, 1, 128).off('hvc')
    const { x } = run(p, options)
    expect([x(4), x(5), x(6), x(7)]).toEqual([0xffff_ffff_ffff_ffffn, 0n, 0n, 0xffff_ffff_ffff_ffffn])
  })
})
