import { expect, test } from 'vitest'
import { syndrome } from '../arch/esr.ts'
import { rowByName } from '../sysreg/index.ts'
import type { ExitEvent, Level, TraceEvent } from './event.ts'
import { ExitStatistics } from './exit-statistics.ts'

const exception = (pe: number, esr: number, type: 'sync' | 'irq' = 'sync'): TraceEvent => ({ kind: 'exception', pe, type, from: 1, to: 2, pc: 0x1000n, syndrome: esr, far: 0n, pstate: 5, instructions: 0 })
const exit = (pe: number, level: Level, subject: string, direction: ExitEvent['direction'] = null): TraceEvent => ({ kind: 'exit', pe, vm: 0, vcpu: pe, level, pc: 0x1000n, syndrome: 0, subject, direction, action: 'emulate', ipa: 0 })
const entry = (pe: number, level: Level): TraceEvent => ({ kind: 'entry', pe, vm: 0, vcpu: pe, level, pc: 0x1000n })
const eret = (pe: number): TraceEvent => ({ kind: 'eret', pe, from: 2, to: 1, pc: 0x1000n, pstate: 5, instructions: 0 })

/** Events of two PEs, mixed; the numbers are the clocks of the PEs. */
const EVENTS: readonly (readonly [number, TraceEvent])[] = [
  [0, entry(0, 'L2')], [0, eret(0)],
  // A hypercall of L2: L1 handles it with one trapped access, and returns.
  [100, exception(0, syndrome.hvc(0))], [130, entry(0, 'vEL2')], [130, exit(0, 'L2', 'HVC')], [150, eret(0)],
  [160, exception(0, 1)], [165, entry(0, 'vEL2')], [170, exit(0, 'vEL2', 'HCR_EL2', 'write')], [180, eret(0)],
  [200, exception(0, 1)], [220, entry(0, 'L2')], [225, exit(0, 'vEL2', 'ERET')], [240, eret(0)],
  // L1's neighbour sleeps until 900; its own clock.
  [10, entry(1, 'L1')], [10, eret(1)], [20, exception(1, 1)], [30, { kind: 'idle', pe: 1 }], [30, exit(1, 'L1', 'WFI')], [900, entry(1, 'L1')], [905, eret(1)],
  // The same access twice more.
  [300, exception(0, 1)], [310, entry(0, 'L2')], [310, exit(0, 'L2', 'IRQ')], [320, eret(0)],
]

test('counts, cycles of L0, and the time until the level went on', () => {
  let host = 0
  const statistics = new ExitStatistics(() => host += 2)
  for (const [cycles, event] of EVENTS) statistics.sink(event, cycles)
  expect(statistics.rows().map(({ level, vcpu, reason, count, cycles, resumed, resumedCycles }) => [level, vcpu, reason, count, cycles, resumed, resumedCycles])).toEqual([
    ['L1', 1, 'WFI', 1, 10, 1, 885],
    ['L2', 0, 'HVC', 1, 50, 1, 140],
    ['L2', 0, 'IRQ', 1, 20, 1, 20],
    ['vEL2', 0, 'ERET', 1, 40, 0, 0],
    ['vEL2', 0, 'HCR_EL2 write', 1, 20, 1, 20],
  ])
  // The clock is read at each exception and at the end of its handling.
  expect(statistics.rows().every(row => row.hostMs === 2)).toBe(true)
  expect(statistics.byLevel()).toEqual({ L1: { WFI: 1 }, L2: { HVC: 1, IRQ: 1 }, vEL2: { ERET: 1, 'HCR_EL2 write': 1 } })
  expect(statistics.rowsBy(row => row.level).map(({ level, count, min, max }) => [level, count, min, max])).toEqual([['L2', 2, 20, 50], ['vEL2', 2, 20, 40], ['L1', 1, 10, 10]])
})

test('classes are those of perf kvm stat', () => {
  const statistics = new ExitStatistics(), { key } = rowByName('HCR_EL2')!
  const exits = [syndrome.systemRegister(key, 1, true), syndrome.systemRegister(key, 1, false), syndrome.wfx(0), syndrome.hvc(0), syndrome.eret(0), syndrome.dataAbort(false, { dfsc: 7, write: true })]
  exits.forEach((esr, i) => {
    statistics.sink(exception(0, esr), 10 * i)
    statistics.sink(eret(0), 10 * i + 5)
  })
  statistics.sink(exception(0, 0, 'irq'), 100)
  statistics.sink(eret(0), 105)
  expect(statistics.rowsBy(row => row.class).map(({ class: name, count }) => `${name} ${count}`)).toEqual(['SYS64 2', 'DABT_LOW 1', 'ERET 1', 'HVC64 1', 'IRQ 1', 'WFx 1'])
})

test('software at EL2 that is not L0: the reason is in the syndrome', () => {
  const statistics = new ExitStatistics()
  const { key } = rowByName('VTCR_EL2')!
  for (const [cycles, event] of [[5, exception(3, syndrome.systemRegister(key, 1, true))], [50, eret(3)], [60, exception(3, 0, 'irq')], [75, eret(3)]] as const) statistics.sink(event, cycles)
  expect(statistics.rows().map(({ level, vcpu, reason, cycles }) => [level, vcpu, reason, cycles])).toEqual([['machine', 3, 'IRQ', 15], ['machine', 3, 'VTCR_EL2 read', 45]])
})
