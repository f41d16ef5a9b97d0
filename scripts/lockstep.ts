/**
 * Generated programs of privileged code in lockstep with qemu-system-aarch64:
 *
 *   node scripts/lockstep.ts [--count N] [--coverage] [--seed S] [--family traps,..] [--on v8.4,..] [--show N]
 *
 * N programs of each family on each profile that QEMU has a CPU for. Prints the first divergence of each program that has one; exit status 1. `--coverage`: which bits
 * of the registers with traps were set in some program and clear in another, and which traps were taken; from 100 programs of each family on, a bit that is missing must have a reason.
 */
import { parseArgs } from 'node:util'
import { profile } from '../src/arch/features.ts'
import { Qemu } from '../src/cli/lockstep/qemu.ts'
import { Coverage } from '../tests/lockstep/coverage.ts'
import { FAMILIES, generate } from '../tests/lockstep/families/index.ts'
import { RAM_BYTES } from '../tests/lockstep/program.ts'
import { describeDivergence, Lockstep } from '../tests/lockstep/run.ts'
import { PAIRS } from '../tests/lockstep/pairs.ts'

const { values } = parseArgs({ options: {
  count: { type: 'string', default: '100' }, seed: { type: 'string', default: '0' }, family: { type: 'string', default: Object.keys(FAMILIES).join() },
  on: { type: 'string', default: PAIRS.map(({ name }) => name).join() }, show: { type: 'string', default: '10' }, coverage: { type: 'boolean', default: false },
} })
const count = Number(values.count), first = Number(values.seed), show = Number(values.show)
/** So many programs of each family set and clear all that can be (tests/lockstep/coverage.test.ts). */
const ENOUGH = 100
const coverage = new Coverage()
const known = new Map<string, number>()
let programs = 0, steps = 0, finished = 0, exceptions = 0, differ = 0
for (const name of values.on.split(',')) {
  const pair = PAIRS.find(each => each.name === name)
  if (pair === undefined) throw new Error(`no pair of machines ${name}: ${PAIRS.map(each => each.name).join(', ')}`)
  const qemu = await Qemu.start({ cpu: pair.cpu, gic: pair.gic, el2: pair.withoutEL2 !== true, megabytes: RAM_BYTES >> 20 })
  const target = { features: profile(pair.profile).features, gicVersion: pair.gic, withoutEL2: pair.withoutEL2 === true }
  const lockstep = new Lockstep(qemu, pair.profile, pair.gic, pair.withoutEL2 !== true)
  try {
    for (const family of values.family.split(',')) {
      const { needs, gic, el2 } = FAMILIES[family]!
      if ((el2 === true && pair.withoutEL2 === true) || (needs !== undefined && !target.features.has(needs)) || (gic !== undefined && gic !== pair.gic)) continue
      for (let seed = first; seed < first + count; seed++) {
        const program = generate(family, seed, target), result = await lockstep.run(program)
        programs++
        coverage.program(program.controls)
        steps += result.steps
        exceptions += result.exceptions
        if (result.finished) finished++
        if (result.stopped !== undefined) {
          const reason = `our machine stopped: ${result.stopped.kind === 'unimplemented' ? result.stopped.detail.name : result.stopped.kind}`
          known.set(reason, (known.get(reason) ?? 0) + 1)
        }
        if (result.divergence !== undefined && ++differ <= show) process.stdout.write(`${name} ${describeDivergence(program, result.divergence)}\n`)
      }
    }
  } finally {
    coverage.traps(lockstep.trapped)
    for (const [reason, times] of lockstep.known) known.set(reason, (known.get(reason) ?? 0) + times)
    qemu.end()
  }
}
const missing: string[] = []
if (values.coverage) {
  const { text, unexplained } = coverage.report()
  process.stdout.write(text)
  if (count >= ENOUGH) missing.push(...unexplained)
}
for (const [reason, times] of known) process.stdout.write(`known, ${times} times: ${reason}\n`)
process.stdout.write(`${programs} programs, ${steps} steps, ${exceptions} exceptions, ${finished} ran to their end; ${differ} differ\n`)
if (missing.length > 0) process.stdout.write(`not covered, and without a reason in tests/lockstep/coverage.ts: ${missing.join(', ')}\n`)
process.exit(differ === 0 && missing.length === 0 ? 0 : 1)
