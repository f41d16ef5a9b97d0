/** Breakpoints and watchpoints that a guest sets for itself, in the run loop with hot code; all the rest of them is compared with QEMU (tests/lockstep, family `debug`). */
import { describe, expect, test } from 'vitest'
import { Program, run } from '../machine/program.test-support.ts'

const MDE = 1n << 15n, KDE = 1n << 13n
const CONTROL = 1n | (3n << 1n) | (0xfn << 5n)
const DATA = 0x4010_0000

/** A loop of 12,000 rounds with a store; in round 11,000 `arm` runs. X10: rounds left, X20: exceptions, X21: syndrome, X22: return address, X23: FAR, X24: rounds left then. */
function program(arm: (p: Program) => Program, disarm: (p: Program) => Program): Program {
  const p = new Program().setLabel('VBAR_EL1', 'vectors').set('OSLAR_EL1', 0).set('MDSCR_EL1', MDE | KDE).insn('MSR (immediate), DAIFClr', { CRm: 8 })
    .mov(20, 0).mov(1, DATA).mov(11, 1000).mov(10, 12_000)
    .label('loop').sub(10, 10, 1).str(10, 1).insn('SUB (shifted register)', { sf: 1, shift: 0, imm6: 0, Rm: 11, Rn: 10, Rd: 12 }).cbz(12, 'arm').label('armed').add(2, 2, 1).cbnz(10, 'loop').off('hvc').label('arm')
  return disarm(arm(p).b('armed').vectors(0x800, 'vectors', { 0x200: 'handler' }).label('handler').add(20, 20, 1).mrs(21, 'ESR_EL1').mrs(22, 'ELR_EL1').mrs(23, 'FAR_EL1').copy(24, 10)).eret()
}

describe.each([false, true])('translate: %s', translate => {
  const finish = (p: Program) => {
    const ran = run(p, { el2: false, translate }, { maxInstructions: 300_000 })
    expect([ran.outcome.kind, ran.x(2), ran.x(10)]).toEqual(['off', 12_000n, 0n])
    return ran
  }

  test('a breakpoint in a hot loop is taken before its instruction, every round until it is disabled', () => {
    const p = program(p => p.setLabel('DBGBVR2_EL1', 'armed').set('DBGBCR2_EL1', CONTROL), p => p.sub(13, 20, 3).cbnz(13, 'on').set('DBGBCR2_EL1', 0).label('on'))
    // Returning to it would meet it again: the handler steps over the instruction.
    const over = (() => {
      const q = program(p => p.setLabel('DBGBVR2_EL1', 'armed').set('DBGBCR2_EL1', CONTROL), p => p.sub(13, 20, 3).cbnz(13, 'on').set('DBGBCR2_EL1', 0).label('on').add(2, 2, 1).add(22, 22, 4).msr('ELR_EL1', 22))
      return q
    })()
    const same = finish(p), each = finish(over)
    // Three times the same instruction; or three rounds.
    expect([same.x(20), same.x(21), same.x(22), same.x(24)]).toEqual([3n, 0xc600_0022n, p.addressOf('armed'), 1000n])
    expect([each.x(20), each.x(24)]).toEqual([3n, 998n])
  })

  test('a watchpoint in a hot loop is taken before the store', () => {
    const { x, machine } = finish(program(p => p.set('DBGWVR1_EL1', DATA).set('DBGWCR1_EL1', CONTROL | (2n << 3n) | (0xffn << 5n)), p => p.ldr(25, 1).set('DBGWCR1_EL1', 0)))
    expect([x(20), x(21), x(23), x(24), x(25)]).toEqual([1n, 0xd600_0062n, BigInt(DATA), 999n, 1000n])
    expect(machine.memory.read64(DATA)).toBe(0n)
  })

  test('other bytes, loads only, another EL, or a locked OS lock: nothing', () => {
    for (const arm of [
      (p: Program) => p.set('DBGWVR1_EL1', DATA + 8).set('DBGWCR1_EL1', CONTROL | (3n << 3n) | (0xffn << 5n)), (p: Program) => p.set('DBGWVR1_EL1', DATA).set('DBGWCR1_EL1', CONTROL | (1n << 3n) | (0xffn << 5n)),
      (p: Program) => p.setLabel('DBGBVR2_EL1', 'armed').set('DBGBCR2_EL1', 1n | (2n << 1n) | (0xfn << 5n)), (p: Program) => p.setLabel('DBGBVR2_EL1', 'armed').set('DBGBCR2_EL1', CONTROL).set('OSLAR_EL1', 1),
    ]) expect(finish(program(arm, p => p)).x(20)).toBe(0n)
  })
})
