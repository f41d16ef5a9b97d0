/** An observer that steps, stops and keeps pages out of the TLB changes nothing: not interleavings, counts or the trace hash. Reverse execution depends on it. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OBSERVE } from '../../src/engine/observer.ts'
import { createMachine } from '../../src/machine/machine.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { MachineOptions } from '../../src/machine/options.ts'
import { createL0 } from '../../src/vmm/index.ts'

const MEGABYTE = 1 << 20
const guest = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const append = 'ops=2 warm=1'

const CONFIGURATIONS: readonly (readonly [string, MachineOptions, Uint8Array | undefined])[] = [
  ['bare, one PE', { smp: 1, translate: false }, guest('bench')],
  ['bare, one PE, translated', { smp: 1, translate: true, translateAfter: 20 }, guest('bench')],
  ['bare, two PEs, a short quantum', { smp: 2, quantum: 100, gic: 2 }, guest('bench')],
  ['nested, v8.4 VHE', { smp: 2, profile: 'v8.4', l0: createL0({ vms: [{ image: guest('mini-kvm-vhe'), initrd: guest('bench'), memBytes: 96 * MEGABYTE, smp: 2, el2: 'vhe', append: `vcpus=2 -- ${append}` }] }) }, undefined],
  ['nested, neve nVHE, split, translated', { smp: 2, translate: true, translateAfter: 20, profile: 'neve', l0: createL0({ policy: 'split', vms: [{ image: guest('mini-kvm-nvhe'), initrd: guest('bench'), memBytes: 96 * MEGABYTE, smp: 2, el2: 'nvhe', append: `vcpus=2 -- ${append}` }] }) }, undefined],
]

/** A small generator of whole numbers below `n`, always the same. */
function numbers(seed: number): (n: number) => number {
  let state = seed
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 0x1_0000_0000 * n)
  }
}

interface Seen { stops: number, steps: number, abandoned: number }

/** Steps in runs of random length, stops now and then, abandons accesses, and lets go of what it held. */
function disturb(machine: Machine, seen: Seen): void {
  const random = numbers(1), { core, engine } = machine.cpu
  let stepping = 0, abandonedAt = -1n, held = -1
  engine.observer = {
    next: () => {
      if (random(40) === 0) {
        seen.stops++
        return OBSERVE.STOP
      }
      if (stepping > 0) {
        stepping--
        seen.steps++
        return OBSERVE.STEP
      }
      if (held >= 0) engine.tlb.invalidate(() => true)
      held = -1
      if (random(4) === 0) stepping = random(60)
      return 1 + random(3000)
    },
  }
  core.debug = {
    holdsFetch: (_, lo) => {
      if (stepping > 0) {
        held = lo
        return false
      }
      if (random(3) !== 0) return false
      stepping = 1 + random(20)
      return true
    },
    holdsData: () => random(2) === 0,
    access: () => {
      // The same access is let through the next time.
      const { pc } = engine.state
      if (pc === abandonedAt || random(10) !== 0) return false
      abandonedAt = pc
      seen.abandoned++
      return true
    },
    leaving: () => {},
    contextChanged: () => { if (random(5) === 0) engine.pause('after') },
  }
}

function run(options: MachineOptions, image: Uint8Array | undefined, prepare: (machine: Machine) => void): string {
  const machine = createMachine({ memBytes: 160 * MEGABYTE, ...options })
  if (image !== undefined) machine.loadImage({ image, bootargs: append })
  prepare(machine)
  for (;;) {
    const { kind } = machine.run()
    if (kind !== 'stopped') return `${kind} after ${machine.instructions} instructions and ${machine.nanoseconds} ns, ${machine.traceHash()}`
  }
}

describe('an observed run is the same run', { timeout: 120_000 }, () => {
  test.each(CONFIGURATIONS)('%s', (_, options, image) => {
    const whole = run(options, image, () => {})
    expect(whole).toMatch(/^off/)
    const seen: Seen = { stops: 0, steps: 0, abandoned: 0 }
    expect(run(options, image, machine => disturb(machine, seen))).toBe(whole)
    expect(seen.stops).toBeGreaterThan(100)
    expect(seen.steps).toBeGreaterThan(1000)
    expect(seen.abandoned).toBeGreaterThan(10)
  })
})
