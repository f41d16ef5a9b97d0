import { expect, test } from 'vitest'
import type { TraceEvent } from '../trace/event.ts'
import { OperationCollector, whyLines } from './operations.ts'

const marker = (pe: number, value: number, cycles: number): TraceEvent => ({ kind: 'marker', pe, value, cycles, instructions: 0 })
const exception = (pe: number, pc: bigint, to: 1 | 2 = 2): TraceEvent =>
  ({ kind: 'exception', pe, type: 'sync', from: 1, to, pc, syndrome: 0x5a00_0000, far: 0n, pstate: 5, instructions: 0 })
const exit = (pe: number, subject: string): TraceEvent =>
  ({ kind: 'exit', pe, vm: 0, vcpu: pe, level: 'L2', pc: 0n, syndrome: 0, subject, direction: 'read', action: 'emulate', ipa: 0 })

test('counts exceptions to EL2 between the markers, on every PE, and leaves the rest out', () => {
  const collector = new OperationCollector()
  const events = [
    exception(0, 1n), marker(0, 0x103, 0),
    marker(0, 0x101, 10), exception(0, 2n), exit(0, 'HVC'), marker(0, 0x102, 30), // warm-up
    exception(0, 3n),
    marker(0, 0x101, 100), exception(0, 4n), exit(0, 'HCR_EL2'), exception(0, 5n, 1), exception(1, 6n), marker(0, 0x102, 150),
    marker(0, 0x101, 200), exception(0, 7n), exit(0, 'HCR_EL2'), exception(0, 8n), marker(1, 0x102, 1), marker(0, 0x102, 250),
  ]
  for (const event of events) collector.sink(event)
  const summary = collector.summary('hypercall', 1)!
  expect(summary).toMatchObject({ operations: 2, traps: 2, cycles: 50 })
  expect(whyLines(summary.typical!, pc => pc === 4n ? 'vcpu_run' : undefined)).toEqual([
    { el: 1, pc: '0x4', symbol: 'vcpu_run', register: 'HCR_EL2', direction: 'read', action: 'emulate' },
    { el: 1, pc: '0x6', symbol: null, register: 'HVC64', direction: null, action: 'taken by software at EL2' },
  ])
  expect(collector.summary('virtualIpi', 0)).toBeUndefined()
})
