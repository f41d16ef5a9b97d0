/**
 * Damaged guests: real images with bytes changed, cut or moved, and device trees likewise, loaded and run for a while in every way there is.
 * Loading may refuse them (BadInput, nothing else); what runs ends by name or goes on. `NIDUS_HOSTILE_IMAGES` sets how many.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { BadInput } from '../../src/arch/bad-input.ts'
import { createBoard } from '../../src/arch/board.ts'
import { deviceTreeOf } from '../../src/arch/device-tree.ts'
import { writeFdt } from '../../src/arch/fdt.ts'
import { unwrapImage } from '../../src/arch/image/compressed.ts'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { VmDescription } from '../../src/vmm/index.ts'
import { Random } from '../assembler.ts'

const IMAGES = Number(process.env['NIDUS_HOSTILE_IMAGES'] ?? 60), FIRST = Number(process.env['NIDUS_HOSTILE_FIRST'] ?? 0)
const MEGABYTE = 1 << 20
const guests = ['bench', 'bench.elf', 'mini-kvm-nvhe', 'mini-kvm-nvhe.elf', 'mini-kvm-vhe', 'mini-kvm-vhe.elf'].map(name => new Uint8Array(readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))))
const tree = writeFdt(deviceTreeOf(createBoard({ name: 'virt', gic: 3, memBytes: 32 * MEGABYTE, el2: true })))

function damage(r: Random, original: Uint8Array): Uint8Array {
  let bytes = original.slice()
  if (r.chance(15)) bytes = bytes.slice(0, r.below(bytes.length + 1))
  const times = r.chance(10) ? 0 : 1 << r.below(7)
  for (let i = 0; i < times && bytes.length > 0; i++) {
    // Headers more than the rest.
    const at = r.chance(50) ? r.below(Math.min(512, bytes.length)) : r.below(bytes.length)
    const length = 1 << r.below(4)
    for (let k = at; k < Math.min(at + length, bytes.length); k++) bytes[k] = r.pick([0, 0xff, 0x7f, 0x80, bytes[k]! ^ (1 << r.below(8)), r.below(256)])
  }
  if (r.chance(5)) bytes.copyWithin(r.below(bytes.length + 1), r.below(bytes.length + 1))
  return bytes
}

async function load(seed: number): Promise<string> {
  const r = new Random(seed ^ 0xdead), r2 = new Random(seed)
  const image = await unwrapImage(damage(r, r.pick(guests)), () => Promise.reject(new BadInput('image', 'cannot be unpacked')))
  const dtb = r.chance(30) ? damage(r, tree) : undefined, initrd = r.chance(40) ? damage(r, r.pick(guests)) : undefined
  const append = r.chance(50) ? String.fromCharCode(...Array.from({ length: r.below(200) }, () => 1 + r.below(255))) : 'vcpus=2 -- ops=1 warm=1'
  const common = { image, append, ...(dtb === undefined ? {} : { dtb }), ...(initrd === undefined ? {} : { initrd }) }
  const way = r2.below(6), profile = way === 4 || way === 5 ? 'v8.0' as const : r2.pick(['v8.3', 'neve', 'v8.4'] as const), gic = r2.pick([2, 3] as const), smp = r2.pick([1, 2])
  const limits = { maxInstructions: 30_000, interrupted: () => machine.nanoseconds > 5_000_000 }
  let machine: Machine
  if (way < 2) {
    machine = new Machine({ memBytes: 32 * MEGABYTE, profile, gic, smp, el2: way === 1 })
    const { append: bootargs, ...request } = common
    machine.loadImage({ ...request, bootargs })
  } else {
    const el2: Partial<VmDescription> = way === 2 ? {} : { el2: r2.pick(['nvhe', 'vhe', 'nvhe-or-vhe'] as const) }
    machine = new Machine({
      memBytes: 48 * MEGABYTE, reservedBytes: 4 * MEGABYTE, profile, gic, smp,
      l0: createL0({ policy: r2.pick(['split', 'lazy'] as const), vms: [{ ...common, memBytes: 32 * MEGABYTE, smp, ...el2, ...(way > 3 ? { paravirt: r2.pick(['nv', 'neve'] as const) } : {}) }] }),
    })
  }
  const outcome = machine.run(limits)
  return outcome.kind
}

test('damaged images, device trees, initrds and command lines', async () => {
  const ends = new Map<string, number>()
  for (let seed = FIRST; seed < FIRST + IMAGES; seed++) {
    const end = await load(seed).catch((error: unknown) => {
      if (error instanceof BadInput) return 'refused'
      throw new Error(`image ${seed}`, { cause: error })
    })
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
  // Some are refused, and most run.
  expect(ends.get('refused') ?? 0).toBeLessThan(0.7 * IMAGES)
  expect([...ends.keys()].filter(end => !['refused', 'limit', 'interrupted', 'idle', 'off', 'reset', 'unimplemented', 'died'].includes(end))).toEqual([])
}, 600_000)
