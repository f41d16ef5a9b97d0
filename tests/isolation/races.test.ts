/**
 * TLB maintenance of L1 against running vCPUs of L2, on four vCPUs (`guests/races`): L1 moves a page from under three of them 300 times, and each of
 * them would notice a translation that survives. L0 moves L1's memory meanwhile.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { ProfileName } from '../../src/arch/features.ts'
import type { L0 } from '../../src/hypervisor/run.ts'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import { Random } from '../assembler.ts'

const image = new Uint8Array(readFileSync(new URL('../../guests/built/races', import.meta.url)))
const MEGABYTE = 1 << 20, PAGE = 4096, RAM = 0x4000_0000, MACHINE = 40 * MEGABYTE, VM_MEMORY = 16 * MEGABYTE
/** The program and its tables. */
const IMAGE = { base: RAM + 2 * MEGABYTE, pages: 10 } as const
const ALL = process.env['NIDUS_ISOLATION'] === 'all'

interface Plan { readonly profile: ProfileName, readonly gic: 2 | 3, readonly policy: 'split' | 'lazy', readonly pes: number, readonly quantum: number, readonly moves: boolean }

function run({ profile, gic, policy, pes, quantum, moves }: Plan) {
  let text = '', l0: L0 | undefined, faults = 0, moved = 0
  const random = new Random(quantum)
  const machine = new Machine({
    gic, profile, smp: pes, memBytes: MACHINE, reservedBytes: 8 * MEGABYTE, quantum, hash: false, onEvent: event => { if (event.kind === 'exit' && event.level === 'L2' && event.action === 'inject to vEL2') faults++ },
    l0: environment => l0 = createL0({ policy, vms: [{ image, memBytes: VM_MEMORY, smp: 4, el2: 'nvhe-or-vhe', console: byte => { text += String.fromCharCode(byte) } }] })(environment) as L0,
  })
  const free = Array.from({ length: 64 }, (_, n) => RAM + 2 * MEGABYTE + n * PAGE)
  let outcome = 'limit'
  while (outcome === 'limit' && machine.instructions < 60e6) {
    outcome = machine.run({ maxInstructions: moves ? 1 + random.below(20_000) : 60e6 }).kind
    if (!moves || outcome !== 'limit') continue
    const vm = l0!.vms[0]!, ipa = IMAGE.base + PAGE * random.below(IMAGE.pages), old = vm.memory.ramAt(ipa, PAGE)!
    expect(l0!.moveMemory(vm, machine.hostPorts[machine.cpu.core.pe.index]!, ipa, PAGE, free.shift()!)).toBe(true)
    machine.memory.fill(old, PAGE, 0xee)
    free.push(old)
    moved++
  }
  return { text, outcome, faults, moved }
}

const plans: readonly Plan[] = [
  { profile: 'v8.3', gic: 2, policy: 'lazy', pes: 4, quantum: 100, moves: false },
  { profile: 'v8.4', gic: 3, policy: 'lazy', pes: 4, quantum: 37, moves: true },
  { profile: 'neve', gic: 2, policy: 'split', pes: 4, quantum: 1000, moves: true },
  // Two vCPUs to a PE: L0's list of what is loaded where matters.
  { profile: 'v8.4', gic: 2, policy: 'lazy', pes: 2, quantum: 250, moves: true },
  { profile: 'v8.3', gic: 3, policy: 'split', pes: 4, quantum: 13, moves: false },
]

test.each(ALL ? plans : plans.slice(0, 2))('$profile, GICv$gic, $policy, $pes PEs, turns of $quantum, memory moves: $moves', { timeout: 120_000 }, plan => {
  const { text, outcome, faults, moved } = run(plan)
  expect(text).toBe('races: done\n')
  expect(outcome).toBe('off')
  // The races were there.
  expect(faults).toBeGreaterThan(100)
  if (plan.moves) expect(moved).toBeGreaterThan(50)
})
