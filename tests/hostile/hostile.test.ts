/**
 * Hostile guest hypervisors: L0 never throws, never hangs, and maps nothing but the VM's own memory and the machine's GICV for it. A second VM
 * beside it must not notice. `HOSTILE_PROGRAMS` sets how many (CI runs 500).
 */
import { describe, expect, test } from 'vitest'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { ProfileName } from '../../src/arch/features.ts'
import type { L0 } from '../../src/hypervisor/run.ts'
import { hostileImage } from './guest-hypervisor.ts'

const PROGRAMS = Number(process.env['HOSTILE_PROGRAMS'] ?? 12), FIRST = Number(process.env['HOSTILE_FIRST'] ?? 0)
const MEGABYTE = 1 << 20
const INSTRUCTIONS = 20_000

interface Report { readonly seed: number, /** Instructions. */ vEL2: number, /** Exits. */ L2: number, outcome: string }

function run(seed: number): Report {
  const profile = (['v8.3', 'neve', 'v8.4'] as const satisfies readonly ProfileName[])[seed % 3]!, gic = seed % 2 === 0 ? 2 : 3
  const report: Report = { seed, vEL2: 0, L2: 0, outcome: '' }
  let l0: L0 | undefined, from = 0, to = 0
  const machine = new Machine({
    board: 'virt', gic, profile, smp: 1, memBytes: 160 * MEGABYTE, hash: false,
    l0: environment => (l0 = createL0({ policy: seed % 5 === 0 ? 'split' : 'lazy', vms: [{ image: hostileImage({ seed, gic }), memBytes: 64 * MEGABYTE, el2: 'nvhe-or-vhe', recursion: seed % 7 === 3 }] })(environment) as L0),
    onEvent: event => {
      if (event.kind === 'eret' && event.from === 2) from = event.instructions
      else if (event.kind === 'exception' && event.to === 2) to = event.instructions
      else if (event.kind === 'exit') {
        if (event.level === 'vEL2') report.vEL2 += to - from
        if (event.level === 'L2') report.L2++
      }
    },
  })
  report.outcome = machine.run({ maxInstructions: INSTRUCTIONS }).kind
  checkTables(l0!)
  return report
}

/** Every leaf of every table of L0 lies in the VM's slots. */
function checkTables(l0: L0): void {
  for (const vm of l0.vms) {
    const allowed = (pa: number, size: number): boolean => vm.memory.slots.some(slot => pa >= slot.pa && pa + size <= slot.pa + slot.size)
      || vm.vcpus.some(vcpu => vcpu.nested?.gic.framePage === pa)
    const walk = (table: number, shift: number, entries: number): void => {
      for (let i = 0; i < entries; i++) {
        const descriptor = l0.memory.read64(table + 8 * i)!
        if ((descriptor & 1n) === 0n) continue
        const address = Number(descriptor & 0xffff_ffff_f000n)
        if (shift > 12 && (descriptor & 2n) !== 0n) walk(address, shift - 9, 512)
        else expect(allowed(address, 2 ** shift), `leaf ${descriptor.toString(16)}`).toBe(true)
      }
    }
    for (const table of [vm.stage2, ...(vm.shadows?.all.map(shadow => shadow.table) ?? []), ...vm.vcpus.flatMap(vcpu => vcpu.nested?.ownStage2 ?? [])]) walk(table.root, 30, 1024)
  }
}

describe('hostile guest hypervisors', () => {
  const reports: Report[] = []
  for (let seed = FIRST; seed < FIRST + PROGRAMS; seed++) {
    test(`program ${seed}`, () => {
      const report = run(seed)
      reports.push(report)
      expect(['limit', 'idle', 'off', 'reset', 'unimplemented', 'died']).toContain(report.outcome)
    }, 10_000)
  }

  test('they reach virtual EL2 and L2', () => {
    const busy = reports.filter(report => report.vEL2 >= 1000).length, nested = reports.filter(report => report.L2 > 0).length
    expect(busy / reports.length).toBeGreaterThanOrEqual(0.8)
    expect(nested / reports.length).toBeGreaterThanOrEqual(0.5)
  })
})
