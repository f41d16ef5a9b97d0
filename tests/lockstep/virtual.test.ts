/**
 * Programs of privileged code at a machine's EL2 and at the virtual EL2 of a VM, and at EL1 of a machine and of a VM that have no EL2: no difference after any instruction. NIDUS_FUZZ: programs of each
 * family on each pair (default 4; CI runs 40, `.ci/suites/26-virtual`). One family of one pair from a seed on:
 *
 *   NIDUS_SEED=17 NIDUS_FUZZ=1 npx vitest run tests/lockstep -t 'v8.4, GICv3, lazy, nvhe-or-vhe: gic'
 */
import { describe, expect, test } from 'vitest'
import { VirtualLockstep } from './virtual.ts'
import type { VirtualPair } from './virtual.ts'

const COUNT = Number(process.env['NIDUS_FUZZ'] ?? 4), FIRST = Number(process.env['NIDUS_SEED'] ?? 0)
const PAIRS: readonly VirtualPair[] = [
  { profile: 'v8.4', gic: 3, policy: 'lazy', el2: 'nvhe-or-vhe' },
  { profile: 'v8.4', gic: 2, policy: 'split', el2: 'nvhe' },
  { profile: 'v8.3', gic: 3, policy: 'split', el2: 'nvhe-or-vhe' },
  { profile: 'v8.3', gic: 2, policy: 'lazy', el2: 'nvhe' },
  { profile: 'neve', gic: 3, policy: 'lazy', el2: 'nvhe-or-vhe' },
  { profile: 'v8.4', gic: 3, policy: 'lazy', el2: 'none' },
  { profile: 'v8.0', gic: 2, policy: 'split', el2: 'none' },
]

describe.each(PAIRS.map(pair => [`${pair.profile}, GICv${pair.gic}, ${pair.policy}, ${pair.el2}`, pair] as const))('%s', (_, pair) => {
  const lockstep = new VirtualLockstep(pair)
  // The GIC's are about GICv3. Virtual EL2 has no debug exceptions.
  for (const family of pair.el2 === 'none' ? ['traps', 'returns', 'translation', 'timers', 'debug'] : pair.gic === 3 ? ['traps', 'returns', 'translation', 'gic'] : ['traps', 'returns', 'translation']) {
    test(family, () => {
      let steps = 0
      for (let seed = FIRST; seed < FIRST + COUNT; seed++) {
        const { steps: done, divergence } = lockstep.run(family, seed)
        expect(divergence).toBeUndefined()
        steps += done
      }
      // They run, and not only their prologues.
      expect(steps / COUNT).toBeGreaterThan(200)
    }, 600_000)
  }
})
