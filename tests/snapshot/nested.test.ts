/**
 * A snapshot taken anywhere in a nested run goes on as if there had been none: after a while, and to the end, with equal trace hash. 25
 * places of each of the 8 runs with NIDUS_ALL=1, as CI runs it; a few otherwise. NIDUS_SEED chooses other places.
 */
import { describe, expect, test } from 'vitest'
import type { Machine } from '../../src/machine/machine.ts'
import type { Snapshot } from '../../src/machine/snapshot.ts'
import { readSnapshotFile, recipeOf, restoreMachine } from '../../src/snapshot/index.ts'
import { PACKING } from '../../src/cli/packing.ts'
import { fileOf, NESTED_RUNS, nameOf, nestedMachine, nestedOptions } from './nested-runs.ts'

const all = process.env['NIDUS_ALL'] === '1'
const PLACES = all ? 25 : 2
const runs = all ? NESTED_RUNS : NESTED_RUNS.filter(({ profile }) => profile === 'neve')
const SEED = Number(process.env['NIDUS_SEED'] ?? 1)
/** Instructions after which a restored machine is compared. */
const WHILE = 60_000

const runTo = (machine: Machine, instructions: number): void => { machine.run({ maxInstructions: instructions - machine.instructions }) }
const random = (seed: number) => (): number => (seed = Math.imul(seed ^ seed >>> 15, 0x2c1b_3c6d) + 0x9e37_79b9 | 0, (seed >>> 0) / 2 ** 32)

describe('snapshots of nested runs', { timeout: 300_000 }, () => {
  test.each(runs.map(run => [nameOf(run), run] as const))('%s', async (name, run) => {
    const straight = nestedMachine(run)
    straight.run()
    const end = straight.traceHash(), total = straight.instructions

    const next = random(SEED + NESTED_RUNS.indexOf(run)), places = Array.from({ length: PLACES }, () => Math.floor(next() * (total - WHILE))).sort((a, b) => a - b)
    const stops = [...places, ...places.map(place => place + WHILE)].sort((a, b) => a - b)
    const saved = nestedMachine(run), snapshots = new Map<number, Snapshot>(), hashes = new Map<number, string | undefined>()
    for (const stop of stops) {
      runTo(saved, stop)
      if (places.includes(stop)) snapshots.set(stop, saved.save())
      hashes.set(stop, saved.traceHash())
    }
    saved.run()
    expect(saved.traceHash(), 'saving was seen').toBe(end)

    const restored = nestedMachine(run, { translate: false }), translated = nestedMachine(run, { translate: true, translateAfter: 64 }), { machine: options, l0 } = nestedOptions(run)
    for (const [i, place] of places.entries()) {
      const repeat = `NIDUS_SEED=${SEED} NIDUS_ALL=${all ? 1 : 0} npx vitest run tests/snapshot/nested.test.ts -t '${name}'; at instruction ${place}`
      const snapshot = snapshots.get(place)!
      // From memory, from memory into a machine that translates, from a file.
      const machine = i % 3 === 2 ? restored : i % 3 === 1 ? translated : restoreMachine(await readSnapshotFile(await fileOf({ recipe: recipeOf(options, l0), snapshot }), PACKING))
      if (i % 3 !== 0) machine.restore(snapshot)
      expect(machine.traceHash(), repeat).toBe(hashes.get(place))
      runTo(machine, place + WHILE)
      expect(machine.traceHash(), repeat).toBe(hashes.get(place + WHILE))
      if (i % 8 !== 0) continue
      machine.run()
      expect([machine.instructions, machine.traceHash()], repeat).toEqual([total, end])
    }
  })

  test('a fork goes its own way', () => {
    const run = NESTED_RUNS[2]!, machine = nestedMachine(run)
    runTo(machine, 1_000_000)
    const fork = machine.fork()
    fork.run()
    const apart = fork.traceHash()
    expect(machine.instructions).toBeLessThan(1_001_000)
    machine.run()
    expect(machine.traceHash()).toBe(apart)
  })
})
