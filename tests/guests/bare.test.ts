import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../src/machine/machine.ts'
import type { MachineOptions } from '../../src/machine/options.ts'

const image = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))

/** Boots an image on the machine itself until it powers off; returns the console. */
function boot(name: string, options: MachineOptions, initrd?: string, bootargs = ''): { readonly console: string, readonly hash: string | undefined } {
  let text = ''
  const machine = createMachine({ memBytes: 128 << 20, ...options, console: byte => { text += String.fromCharCode(byte) } })
  machine.loadImage({ image: image(name), bootargs, ...(initrd === undefined ? {} : { initrd: image(initrd) }) })
  expect(machine.run({ maxInstructions: 100e6 })).toEqual({ kind: 'off' })
  return { console: text, hash: machine.traceHash() }
}

describe('bench on the machine', () => {
  test.each<[string, MachineOptions, number]>([
    ['virt, GICv3, one PE, EL1', { profile: 'v8.0' }, 1],
    ['virt, GICv2, two PEs, EL1', { gic: 2, smp: 2, profile: 'v8.0' }, 2],
    ['virt, GICv3, four PEs, EL2', { smp: 4, el2: true, profile: 'v8.4' }, 4],
    ['moonshot, GICv2, EL1', { board: 'moonshot', profile: 'v8.0' }, 8],
    ['moonshot, GICv2, EL2', { board: 'moonshot', smp: 2, el2: true, profile: 'v8.1' }, 2],
  ])('%s', (_name, options, cpus) => {
    const { console } = boot('bench', options)
    expect(console).toContain('bench: done')
    expect(console.match(/cpu \d+: 3 timer interrupts/g)).toHaveLength(cpus)
    expect(console).toMatch(cpus > 1 ? /virtualIpi: 64 operations/ : /virtualIpi: needs two CPUs/)
  })
})

describe('mini-kvm on the machine runs bench in a VM', () => {
  test.each<[string, string, MachineOptions]>([
    ['nVHE, moonshot, v8.0', 'mini-kvm-nvhe', { board: 'moonshot', smp: 2, profile: 'v8.0' }],
    ['nVHE, GICv3, v8.4', 'mini-kvm-nvhe', { smp: 2, profile: 'v8.4' }],
    ['VHE, GICv3, v8.1', 'mini-kvm-vhe', { smp: 2, profile: 'v8.1' }],
    ['VHE, moonshot, v8.3', 'mini-kvm-vhe', { board: 'moonshot', smp: 2, profile: 'v8.3' }],
  ])('%s', (_name, name, options) => {
    const { console } = boot(name, { ...options, el2: true }, 'bench', 'vcpus=2')
    expect(console).toContain('bench: done')
    expect(console).toContain('mini-kvm: done')
  })

  test('twice the same run has the same hash', () => {
    const once = (): string | undefined => boot('mini-kvm-nvhe', { board: 'moonshot', smp: 2, profile: 'v8.0', el2: true }, 'bench', 'vcpus=2').hash
    expect(once()).toBe(once())
  })
})
