/**
 * A hostile guest hypervisor beside a good one: generated programs (tests/hostile) in one VM, mini-kvm with bench in its nested VM in the other. The
 * good nest runs to its end, and everything that tests/hostile looks at holds.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runHostile } from '../hostile/harness.ts'
import { describePlan, planOf } from '../hostile/plan.ts'

const built = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../../guests/built/${name}`, import.meta.url)))
/** CI runs more (`.ci/suites/55-isolation`). */
const PROGRAMS = process.env['NIDUS_ISOLATION'] === 'all' ? 40 : 3

test(`${PROGRAMS} hostile programs beside a good nest`, { timeout: 600_000 }, () => {
  const bench = built('bench'), nests = (['nvhe', 'vhe'] as const).map(kind => ({ hypervisor: built(`mini-kvm-${kind}`), nested: bench }))
  let nested = 0, executed = 0
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const plan = planOf(seed)
    // Rewriting is for one kind of guest hypervisor, and a VHE one needs FEAT_VHE.
    const report = runHostile(plan, nests[plan.paravirt !== undefined || plan.hide.includes('FEAT_VHE') ? 0 : seed % 2]!)
    expect(report.violations, `seed ${seed}: ${describePlan(plan)}`).toEqual([])
    // The machine itself ends with what it does not implement.
    expect(report.neighbour === 'done' || report.neighbour === 'stopped', `seed ${seed}: ${describePlan(plan)}: ${report.neighbour}`).toBe(true)
    if (report.neighbour === 'done') nested++
    executed += report.executed
  }
  expect(nested).toBeGreaterThan(PROGRAMS * 0.8)
  expect(executed).toBeGreaterThan(PROGRAMS * 1000)
})
