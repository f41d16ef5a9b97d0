/** The trace hash does not depend on the tier (design D9): guests with and without the region translator. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createMachine } from '../../src/machine/machine.ts'
import type { MachineOptions } from '../../src/machine/options.ts'
import { createL0 } from '../../src/vmm/index.ts'

const image = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))

function boot(name: string, options: MachineOptions, initrd: string | undefined): { readonly hash: string | undefined, readonly regions: number } {
  const machine = createMachine({ memBytes: 128 << 20, ...options })
  machine.loadImage({ image: image(name), bootargs: 'vcpus=2', ...(initrd === undefined ? {} : { initrd: image(initrd) }) })
  expect(machine.run({ maxInstructions: 100e6 })).toEqual({ kind: 'off' })
  return { hash: machine.traceHash(), regions: machine.cpu.engine.translation?.regions ?? 0 }
}

test.each<[string, string, string | undefined, MachineOptions]>([
  ['bench, GICv3, EL1', 'bench', undefined, { profile: 'v8.0' }],
  ['bench, four PEs, EL2', 'bench', undefined, { smp: 4, el2: true, profile: 'v8.4' }],
  ['mini-kvm, nVHE, moonshot', 'mini-kvm-nvhe', 'bench', { board: 'moonshot', smp: 2, profile: 'v8.0', el2: true }],
  ['mini-kvm, VHE, GICv3', 'mini-kvm-vhe', 'bench', { smp: 2, profile: 'v8.1', el2: true }],
])('%s', { timeout: 120_000 }, (_, name, initrd, options) => {
  const interpreted = boot(name, { ...options, translate: false }, initrd)
  for (const translateAfter of [1, 50]) {
    const translated = boot(name, { ...options, translate: true, translateAfter }, initrd)
    expect(translated.hash).toBe(interpreted.hash)
    expect(translated.regions).toBeGreaterThan(10)
  }
})

test.each<[string, MachineOptions, 'nvhe' | 'vhe']>([
  ['neve, nVHE, GICv2', { profile: 'neve', gic: 2 }, 'nvhe'],
  ['v8.4, VHE, GICv3', { profile: 'v8.4', gic: 3 }, 'vhe'],
])('nested under L0: %s', { timeout: 120_000 }, (_, options, guest) => {
  const run = (translation: Partial<MachineOptions>): string | undefined => {
    const machine = createMachine({
      ...options, board: 'virt', smp: 2, memBytes: 160 << 20, quantum: 100, ...translation,
      l0: createL0({ policy: 'lazy', vms: [{ image: image(`mini-kvm-${guest}`), initrd: image('bench'), append: 'vcpus=2 -- ops=16 warm=4', smp: 2, el2: 'nvhe-or-vhe', memBytes: 128 << 20, console: () => {} }] }),
    })
    expect(machine.run({ maxInstructions: 400e6 }).kind).toBe('off')
    return machine.traceHash()
  }
  expect(run({ translate: true, translateAfter: 1 })).toBe(run({ translate: false }))
})
