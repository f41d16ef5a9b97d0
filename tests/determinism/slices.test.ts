/** How often the caller takes control back (limits, a clock, a keyboard) changes nothing: not interleavings, counts or the trace hash (design D9). */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../src/machine/machine.ts'
import type { MachineOptions, RunLimits } from '../../src/machine/options.ts'
import { createL0 } from '../../src/vmm/index.ts'

const MEGABYTE = 1 << 20
const guest = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const append = 'ops=2 warm=1'

const CONFIGURATIONS: readonly (readonly [string, MachineOptions, Uint8Array | undefined])[] = [
  ['bare, one PE', { smp: 1 }, guest('bench')],
  ['bare, two PEs', { smp: 2 }, guest('bench')],
  ['bare, two PEs, a short quantum', { smp: 2, quantum: 100, gic: 2 }, guest('bench')],
  ['two VMs that share two PEs', { smp: 2, l0: createL0({ vms: [1, 2].map(smp => ({ image: guest('bench'), memBytes: 32 * MEGABYTE, smp, append })) }) }, undefined],
  ['nested, neve nVHE, split', { smp: 2, profile: 'neve', l0: createL0({ policy: 'split', vms: [{ image: guest('mini-kvm-nvhe'), initrd: guest('bench'), memBytes: 96 * MEGABYTE, smp: 2, el2: 'nvhe', append: `vcpus=2 -- ${append}` }] }) }, undefined],
  ['nested, v8.4 VHE, GICv2', { smp: 2, profile: 'v8.4', gic: 2, l0: createL0({ vms: [{ image: guest('mini-kvm-vhe'), initrd: guest('bench'), memBytes: 96 * MEGABYTE, smp: 2, el2: 'vhe', append: `vcpus=2 -- ${append}` }] }) }, undefined],
]

function run(options: MachineOptions, image: Uint8Array | undefined, limits: () => RunLimits): string {
  const machine = createMachine({ memBytes: 160 * MEGABYTE, ...options })
  if (image !== undefined) machine.loadImage({ image, bootargs: append })
  for (;;) {
    const { kind } = machine.run(limits())
    if (kind !== 'limit' && kind !== 'interrupted') return `${kind} after ${machine.instructions} instructions and ${machine.nanoseconds} ns, ${machine.traceHash()}`
  }
}

describe('how a run is cut is not seen', { timeout: 120_000 }, () => {
  test.each(CONFIGURATIONS)('%s', (_, options, image) => {
    const whole = run(options, image, () => ({}))
    expect(whole).toMatch(/^off/)
    expect(run(options, image, () => ({ maxInstructions: 7919 }))).toBe(whole)
    for (const tier of [{ translate: false }, { translateAfter: 20 }]) expect(run({ ...options, ...tier }, image, () => ({}))).toBe(whole)
    let slice = 1
    expect(run(options, image, () => ({ maxInstructions: slice = slice * 5 % 100_003 }))).toBe(whole)
    expect(run(options, image, () => ({ interrupted: () => true }))).toBe(whole)
  })
})
