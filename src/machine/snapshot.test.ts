import { expect, test } from 'vitest'
import { PPI } from '../arch/gic.ts'
import { createMachine } from './machine.ts'
import { BASE, Program } from './program.test-support.ts'

/** Two PEs that store counts in RAM, a timer that interrupts, some console output. */
function busy(): Uint8Array {
  const SGI_BASE = 0x080b_0000
  const p = new Program().mov(0, 0xc400_0003n).mov(1, 1).adr(2, 'second').hvc().setLabel('VBAR_EL1', 'vectors')
  p.mov(1, 0x0800_0000).mov(2, 0x37).str(2, 1, 0, 0).mov(1, SGI_BASE + 0x80).mov(2, 0xffff_ffff).str(2, 1, 0, 0).mov(1, SGI_BASE + 0x100).mov(2, 1 << PPI.virtualTimer).str(2, 1, 0, 0)
  p.set('ICC_PMR_EL1', 0xff).set('ICC_IGRPEN1_EL1', 1).set('CNTV_TVAL_EL0', 50).set('CNTV_CTL_EL0', 1).insn('MSR (immediate), DAIFClr', { CRm: 2 })
  p.mov(3, BASE + 0x1_0000).label('loop').add(4, 4, 1).str(4, 3).add(3, 3, 8).b('loop')
  p.label('second').mov(3, BASE + 0x20_3450).label('loop2').add(4, 4, 1).str(4, 3).add(3, 3, 16).b('loop2')
  p.vectors(0x800, 'vectors', { 0x280: 'irq' }).label('irq').mrs(20, 'ICC_IAR1_EL1').set('CNTV_TVAL_EL0', 70).msr('ICC_EOIR1_EL1', 20).mov(21, 0x0900_0000).mov(22, 0x2e).str(22, 21, 0, 0).eret()
  return p.bytes()
}

const machine = () => {
  const m = createMachine({ memBytes: 16 << 20, smp: 2 })
  m.memory.writeBytes(BASE, busy())
  m.startAt(BigInt(BASE), 0n)
  return m
}

test('a machine goes on from a snapshot as if it had not been interrupted, here and in another machine', () => {
  const straight = machine()
  straight.run({ maxInstructions: 20_345 })
  straight.run({ maxInstructions: 20_345 })

  const first = machine()
  first.run({ maxInstructions: 20_345 })
  const snapshot = first.save()
  first.run({ maxInstructions: 20_345 })
  expect(first.traceHash()).toBe(straight.traceHash())

  const other = createMachine({ memBytes: 16 << 20, smp: 2 })
  other.restore(snapshot)
  other.run({ maxInstructions: 20_345 })
  expect(other.traceHash()).toBe(straight.traceHash())

  // Back again, and forth.
  first.restore(snapshot)
  first.run({ maxInstructions: 20_345 })
  expect(first.traceHash()).toBe(straight.traceHash())
})

test('how a run is cut into calls makes no difference', () => {
  const whole = machine(), pieces = machine()
  whole.run({ maxInstructions: 40_000 })
  while (pieces.instructions < whole.instructions) pieces.run({ maxInstructions: Math.min(777, whole.instructions - pieces.instructions) })
  expect(pieces.instructions).toBe(whole.instructions)
  expect(pieces.traceHash()).toBe(whole.traceHash())
})

test('a second snapshot shares the pages that have not been written', () => {
  const m = machine()
  m.run({ maxInstructions: 30_000 })
  const a = m.save()
  m.run({ maxInstructions: 5_000 })
  const b = m.save()
  const shared = [...b.pages].filter(([page, bytes]) => a.pages.get(page) === bytes).length
  expect(b.pages.size - shared).toBeLessThan(8)
  expect(shared).toBeGreaterThan(20)
})

test('a snapshot of another machine is refused', () => {
  expect(() => createMachine({ memBytes: 32 << 20 }).restore(machine().save())).toThrow('snapshot')
})
