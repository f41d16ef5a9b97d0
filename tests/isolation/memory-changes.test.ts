/**
 * Two VMs with nested guests side by side, and L0 that takes memory of the running ones away and moves it, at places chosen by a seed. What a page was
 * before it moved is filled with a pattern: whoever still reached it would read the pattern or lose what was written. Both nests must end as if
 * nothing had happened, every table lead into the VM's own memory only, and memory that is nobody's stay as it is.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { ProfileName } from '../../src/arch/features.ts'
import type { L0 } from '../../src/hypervisor/run.ts'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { VmDescription } from '../../src/vmm/index.ts'
import { Random } from '../assembler.ts'
import { checkTables } from '../hostile/harness.ts'

const MEGABYTE = 1 << 20, RAM = 0x4000_0000, PAGE = 4096
const VM_MEMORY = 64 * MEGABYTE, VMS = 2, RESERVED = 8 * MEGABYTE, SPARE = 96 * MEGABYTE
const MACHINE = SPARE + VMS * VM_MEMORY + RESERVED
/** By what VM the place belonged to. */
const PATTERNS = [0x9d3c_5ae7, 0x7b1e_c4d3] as const
const MOST_INSTRUCTIONS = 400e6
/** CI runs all (`.ci/suites/55-isolation`). */
const ALL = process.env['NIDUS_ISOLATION'] === 'all'

const built = (name: string) => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const nest = (guest: 'nvhe' | 'vhe', vcpus: number): VmDescription =>
  ({ image: built(`mini-kvm-${guest}`), initrd: built('bench'), append: `vcpus=${vcpus} -- quiet=1 ops=8 warm=2`, smp: vcpus, el2: 'nvhe-or-vhe', memBytes: VM_MEMORY })

interface Plan { readonly seed: number, readonly profile: ProfileName, readonly gic: 2 | 3, readonly policy: 'split' | 'lazy', readonly paravirt?: 'nv' | 'neve', readonly guests: readonly ['nvhe' | 'vhe', 'nvhe' | 'vhe'], readonly pes?: number }

function run(plan: Plan): { readonly consoles: readonly string[], readonly outcome: string, readonly violations: readonly string[], readonly unmapped: number, readonly moved: number, readonly traceHash: string | undefined } {
  const random = new Random(plan.seed), violations: string[] = [], consoles = ['', '']
  const violated = (what: string): void => { if (violations.length < 8) violations.push(what) }
  let l0: L0 | undefined
  const machine = new Machine({
    gic: plan.gic, profile: plan.profile, smp: plan.pes ?? 4, memBytes: MACHINE, reservedBytes: RESERVED,
    l0: environment => l0 = createL0({
      policy: plan.policy,
      vms: plan.guests.map((guest, id) => ({ ...nest(guest, 2), ...(plan.paravirt === undefined ? {} : { paravirt: plan.paravirt }), console: byte => { consoles[id] += String.fromCharCode(byte) } })),
    })(environment) as L0,
  })
  const { ram } = machine.cpu.engine
  const words = (pa: number, size: number): Uint32Array => {
    const bytes = ram.bytes(pa, size)
    return new Uint32Array(bytes.buffer, bytes.byteOffset, size / 4)
  }
  /** Pages of machine memory that are nobody's, and what they hold. */
  const free: number[] = [], holds = new Map<number, number>()
  const poison = (pa: number, word: number): void => {
    machine.memory.writeBytes(pa, new Uint8Array(new Uint32Array(PAGE / 4).fill(word).buffer))
    machine.cpu.engine.invalidateInstructions(pa, PAGE)
    holds.set(pa, word)
    free.push(pa)
  }
  for (let n = 0; n < 512; n++) poison(RAM + 2 * MEGABYTE + n * PAGE, PATTERNS[n % 2]!)

  let outcome = 'limit', unmapped = 0, moved = 0
  while (outcome === 'limit' && machine.instructions < MOST_INSTRUCTIONS) {
    outcome = machine.run({ maxInstructions: 1 + random.below(40_000) }).kind
    if (outcome !== 'limit') break
    const host = machine.hostPorts[machine.cpu.core.pe.index]!
    for (let n = random.below(4); n > 0; n--) {
      const vm = l0!.vms[random.below(VMS)]!
      // Where the guests are: the first 40 MiB of RAM.
      const ipa = RAM + PAGE * random.below(40 * MEGABYTE / PAGE), kind = random.below(10)
      if (kind === 0) l0!.unmapMemory(vm, host, RAM, RAM + VM_MEMORY)
      else if (kind < 4) l0!.unmapMemory(vm, host, ipa, ipa + PAGE * (1 + random.below(600)))
      else {
        const pages = 1 + random.below(4)
        for (let page = 0; page < pages; page++) {
          const at = ipa + page * PAGE, old = vm.memory.ramAt(at, PAGE)!, to = free.splice(random.below(free.length), 1)[0]!
          holds.delete(to)
          if (!l0!.moveMemory(vm, host, at, PAGE, to)) violated(`0x${at.toString(16)} cannot be moved`)
          poison(old, PATTERNS[vm.id]!)
          moved++
        }
        continue
      }
      unmapped++
    }
    if (random.below(50) === 0) checkTables(l0!, violated)
  }
  checkTables(l0!, violated)
  for (const [pa, word] of holds) if (!words(pa, PAGE).every(each => each === word)) violated(`0x${pa.toString(16)}, which is nobody's, was written`)
  for (const vm of l0!.vms) {
    for (const slot of vm.memory.slots) {
      if (slot.kind !== 'ram') continue
      const { buffer, byteOffset } = ram.bytes(slot.pa, slot.size), bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, slot.size)
      for (const word of PATTERNS) {
        const at = bytes.indexOf(Uint8Array.of(word & 0xff, word >>> 8 & 0xff, word >>> 16 & 0xff, word >>> 24))
        if (at >= 0) violated(`VM ${vm.id} holds the pattern at IPA 0x${(slot.ipa + at).toString(16)}`)
      }
    }
    for (const vcpu of vm.vcpus) for (const value of vcpu.x) if (PATTERNS.includes(Number(value & 0xffff_ffffn) as never)) violated(`VM ${vm.id} has the pattern in a register`)
  }
  return { consoles, outcome, violations, unmapped, moved, traceHash: machine.traceHash() }
}

describe('L0 unmaps and moves memory under running nests', { timeout: 300_000 }, () => {
  const plans: readonly Plan[] = [
    { seed: 1, profile: 'v8.3', gic: 2, policy: 'lazy', guests: ['nvhe', 'vhe'] },
    { seed: 2, profile: 'v8.4', gic: 3, policy: 'lazy', guests: ['vhe', 'nvhe'] },
    { seed: 3, profile: 'neve', gic: 2, policy: 'split', guests: ['nvhe', 'vhe'] },
    { seed: 4, profile: 'v8.4', gic: 3, policy: 'lazy', guests: ['nvhe', 'vhe'], pes: 1 },
    { seed: 5, profile: 'v8.0', gic: 2, policy: 'lazy', paravirt: 'neve', guests: ['nvhe', 'vhe'] },
  ]
  for (const plan of ALL ? plans : plans.slice(0, 2)) {
    test(`seed ${plan.seed}: ${plan.profile}, GICv${plan.gic}, ${plan.policy}, ${plan.guests.join(' beside ')}${plan.paravirt === undefined ? '' : `, rewritten (${plan.paravirt})`}`, () => {
      const { consoles, outcome, violations, unmapped, moved } = run(plan)
      expect(violations).toEqual([])
      expect(outcome).toBe('off')
      for (const text of consoles) expect(text).toMatch(/bench: done[\s\S]*mini-kvm: done/)
      expect(unmapped).toBeGreaterThan(50)
      expect(moved).toBeGreaterThan(50)
    })
  }

  test.runIf(ALL)('the same seed is the same run', () => {
    const plan = { ...plans[1]!, seed: 9 }
    expect(run(plan).traceHash).toBe(run(plan).traceHash)
  })
})
