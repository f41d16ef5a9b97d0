/**
 * Snapshot files from anywhere: damaged ones are refused, forged ones (whole, with right checksums) are restored or refused; nothing else is thrown,
 * and no more memory is used than the file's machine has. NIDUS_FUZZ is the number of files, NIDUS_SEED the seed.
 */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { BadInput } from '../../src/arch/bad-input.ts'
import type { Saved } from '../../src/arch/saved-state.ts'
import { PACKING } from '../../src/cli/packing.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { Snapshot } from '../../src/machine/snapshot.ts'
import { createMachine } from '../../src/machine/machine.ts'
import { decode, encode } from '../../src/snapshot/codec.ts'
import { readSnapshotFile, recipeOf, restoreMachine } from '../../src/snapshot/index.ts'
import type { SnapshotFile } from '../../src/snapshot/index.ts'
import { fileOf, NESTED_RUNS, nestedMachine, nestedOptions } from './nested-runs.ts'

const RUNS = Number(process.env['NIDUS_FUZZ'] ?? 300), seed = Number(process.env['NIDUS_SEED'] ?? 1)
const options = { seed, numRuns: RUNS }

const leaf: fc.Arbitrary<Saved> = fc.oneof(
  fc.constant(undefined), fc.constant(null), fc.boolean(), fc.maxSafeInteger(), fc.nat(300), fc.double({ noNaN: true }), fc.bigInt({ min: -0xffff_ffff_ffff_ffffn, max: 0xffff_ffff_ffff_ffffn }), fc.string(), fc.uint8Array({ maxLength: 40 }),
)
const tree: fc.Arbitrary<Saved> = fc.letrec<{ any: Saved }>(tie => ({
  any: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, fc.array(tie('any'), { maxLength: 5 }), fc.dictionary(fc.string(), tie('any'), { maxKeys: 5 })),
})).any

const refusedOr = async <T>(what: () => T | Promise<T>): Promise<T | undefined> => {
  try { return await what() } catch (error) {
    if (error instanceof BadInput) return undefined
    throw error
  }
}

describe('plain data as bytes', () => {
  test('comes back as it was', () => {
    fc.assert(fc.property(tree, value => { expect(decode(encode(value), 'test')).toEqual(value) }), options)
  })

  test('any bytes are data or BadInput, and cost no more than they are', () => {
    fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => { await refusedOr(() => decode(bytes, 'test')) }), options)
    for (const bytes of [[11, 0xff, 0xff, 0xff, 0xff, 0x0f], [10, 0xff, 0xff, 0xff, 0x7f], [9, 2, 0xff, 0xff], [...Array.from({ length: 100 }, () => [11, 1]).flat(), 0], [4, ...Array.from({ length: 9 }, () => 0xff), 1], [0, 0], []]) {
      expect(() => decode(Uint8Array.from(bytes), 'test')).toThrow(BadInput)
    }
  })
})

describe('snapshot files', { timeout: 900_000 }, () => {
  const bases: { readonly name: string, readonly file: SnapshotFile, readonly bytes: Uint8Array, readonly machine: Machine }[] = []
  const base = async (name: string, file: SnapshotFile): Promise<void> => { bases.push({ name, file, bytes: await fileOf(file), machine: restoreMachine(file) }) }

  beforeAll(async () => {
    const bare = { memBytes: 16 << 20, smp: 2, gic: 2, plugs: [{ kind: 'entropy', seed: 1 }] } as const, { plugs: _, ...plain } = bare
    const machine = createMachine(plain)
    machine.startAt(0x4000_0000n, 0n)
    machine.run({ maxInstructions: 1000 })
    await base('bare', { recipe: recipeOf(plain), snapshot: machine.save() })
    for (const run of [NESTED_RUNS[0]!, NESTED_RUNS[5]!]) {
      const { machine: made, l0 } = nestedOptions(run), nested = nestedMachine(run)
      // With an L2 running.
      nested.run({ maxInstructions: 4_000_000 })
      await base(`nested ${run.profile}`, { recipe: recipeOf(made, l0), snapshot: nested.save() })
    }
  }, 120_000)

  test('damaged: bytes flipped, cut, repeated, mixed', async () => {
    const damage = fc.oneof(
      fc.record({ kind: fc.constant('flip' as const), at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), by: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ kind: fc.constant('cut' as const), at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), by: fc.nat() }),
      fc.record({ kind: fc.constant('splice' as const), at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), by: fc.integer({ min: 1, max: 5000 }) }),
    )
    await fc.assert(fc.asyncProperty(fc.nat(bases.length - 1), fc.array(damage, { minLength: 1, maxLength: 3 }), async (which, damages) => {
      const { bytes: good } = bases[which]!
      let bytes: Uint8Array = good.slice()
      for (const { kind, at, by } of damages) {
        const offset = Math.floor(at * bytes.length)
        if (kind === 'flip' && offset < bytes.length) bytes[offset]! ^= by
        else if (kind === 'cut') bytes = bytes.slice(0, offset)
        else if (kind === 'splice') bytes = Uint8Array.from([...bytes.subarray(0, offset), ...bytes.subarray(Math.max(0, offset - by))])
      }
      if (Buffer.compare(bytes, good) === 0) return
      await expect(readSnapshotFile(bytes, PACKING)).rejects.toBeInstanceOf(BadInput)
    }), options)
  })

  test('not a snapshot at all', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async bytes => { await expect(readSnapshotFile(bytes, PACKING)).rejects.toBeInstanceOf(BadInput) }), options)
  })

  /** `value` with another leaf at one place, chosen by numbers. */
  function forge(value: Saved, path: readonly number[], other: Saved): Saved {
    if (path.length === 0 || typeof value !== 'object' || value === null || value instanceof Uint8Array) {
      // Bytes of the right length get further.
      if (value instanceof Uint8Array && other instanceof Uint8Array && value.length > 0) return value.map((byte, i) => byte ^ (other[i % Math.max(1, other.length)] ?? 1))
      return other
    }
    const [first = 0, ...rest] = path
    if (Array.isArray(value)) return value.length === 0 ? other : value.map((each: Saved, i) => i === first % value.length ? forge(each, rest, other) : each)
    const names = Object.keys(value)
    if (names.length === 0) return other
    const chosen = names[first % names.length]!, fields = value as Readonly<Record<string, Saved>>
    return { ...fields, [chosen]: forge(fields[chosen], rest, other) }
  }
  const path = fc.array(fc.nat(1000), { minLength: 1, maxLength: 9 })

  test('forged: another value anywhere in the state', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(bases.length - 1), path, fc.oneof(leaf, tree), async (which, where, other) => {
      const { file: { snapshot }, machine } = bases[which]!
      const forged: Snapshot = { ...snapshot, state: decode(encode(forge(snapshot.state, where, other)), 'forged') }
      await refusedOr(() => { machine.restore(forged) })
    }), options)
    // The machines are as good as before.
    for (const { file: { snapshot }, machine } of bases) {
      machine.restore(snapshot)
      const before = machine.traceHash()
      machine.run({ maxInstructions: 1000 })
      machine.restore(snapshot)
      expect(machine.traceHash()).toBe(before)
    }
  })

  test('forged: another machine in the recipe', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(bases.length - 1), path, fc.oneof(leaf, tree), async (which, where, other) => {
      const { file: { recipe, snapshot } } = bases[which]!
      await refusedOr(() => restoreMachine({ recipe: forge(recipe, where, other), snapshot }))
    }), { ...options, numRuns: Math.ceil(RUNS / 20) })
  })

  test('a bomb is refused before it is unpacked', async () => {
    const { file } = bases[0]!, pages = new Map(Array.from({ length: 4096 }, (_, i) => [i, new Uint8Array(4096).fill(1)] as const))
    // 16 MiB of RAM have 4096 pages: twice as many fit into a few bytes.
    const bytes = await fileOf({ recipe: file.recipe, snapshot: { ...file.snapshot, pages: new Map([...pages, ...[...pages].map(([number, page]) => [number + 4096, page] as const)]) } })
    expect(bytes.length).toBeLessThan(1 << 20)
    await expect(readSnapshotFile(bytes, PACKING)).rejects.toMatchObject({ name: 'BadInput', message: expect.stringContaining('more pages than its machine has') as string })
  })

  test('another version of a field is refused by its name', () => {
    const { file: { recipe, snapshot } } = bases[1]!, state = snapshot.state as Readonly<Record<string, Saved>>
    expect(() => restoreMachine({ recipe, snapshot: { ...snapshot, state: { ...state, later: 1 } } })).toThrow('state.later is not known')
    expect(() => restoreMachine({ recipe, snapshot: { ...snapshot, state: { ...state, l0: { ...state['l0'] as object, vmids: 'x' } } } })).toThrow('L0.vmids is not an integer')
    expect(() => restoreMachine({ recipe: { ...recipe as object, registers: 7 }, snapshot })).toThrow('other system registers')
  })
})
