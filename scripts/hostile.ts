/**
 * Hostile guest hypervisors in number: node scripts/hostile.ts [--count N] [--seed S]. Prints what they reached and which functions of
 * L0's exit handlers and of nested/ were never executed. Ends with 1 when an invariant broke or the programs were too tame.
 */
import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runHostile } from '../tests/hostile/harness.ts'
import { describePlan, planOf } from '../tests/hostile/plan.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '500' }, seed: { type: 'string', default: '0' } } })
const count = Number(values.count), first = Number(values.seed)
if (!(count >= 1) || !(first >= 0)) {
  process.stderr.write('usage: node scripts/hostile.ts [--count N] [--seed S]\n')
  process.exit(2)
}
const neighbour = readFileSync(new URL('../guests/built/bench', import.meta.url))
/** CPU seconds of each program: the machine of CI is shared. */
const MOST_SECONDS = 10
const ENOUGH = { vEL2: 1000, busy: 0.8, nested: 0.5 }

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

let busy = 0, nested = 0, slowest = 0, broken = 0
const outcomes = new Map<string, number>()
for (let seed = first; seed < first + count; seed++) {
  const plan = planOf(seed), start = process.cpuUsage()
  const problems: string[] = []
  try {
    const report = runHostile(plan, neighbour)
    if (report.vEL2 >= ENOUGH.vEL2) busy++
    if (report.entries > 0) nested++
    outcomes.set(report.outcome, (outcomes.get(report.outcome) ?? 0) + 1)
    problems.push(...report.violations)
    if (report.neighbour === 'lost') problems.push('the neighbour did not finish')
  } catch (error) {
    problems.push(`threw ${error instanceof Error ? error.stack ?? error.message : String(error)}`)
  }
  const { user, system } = process.cpuUsage(start), seconds = (user + system) / 1e6
  slowest = Math.max(slowest, seconds)
  if (seconds > MOST_SECONDS) problems.push(`took ${seconds.toFixed(1)} s`)
  if (problems.length > 0) {
    broken++
    process.stdout.write(`program ${seed} (${describePlan(plan)}):\n${problems.map(problem => `  ${problem}\n`).join('')}`)
  }
}

const { result } = await session.post('Profiler.takePreciseCoverage')
const covered = result.filter(({ url }) => /\/src\/hypervisor\/(?:exits|mmio|inject|psci|system-registers|nested\/[\w-]+)\.ts$/.test(url))
let silent = 0
for (const { url, functions } of covered.toSorted((a, b) => (a.url < b.url ? -1 : 1))) {
  const named = functions.filter(each => each.functionName !== '')
  const never = named.filter(each => each.ranges[0]!.count === 0).map(each => each.functionName)
  if (never.length === named.length && named.length > 0) silent++
  process.stdout.write(`${fileURLToPath(url).replace(/^.*\/src\//, 'src/').padEnd(48)} ${String(named.length - never.length).padStart(3)} of ${String(named.length).padStart(3)} functions${never.length > 0 ? `, never: ${never.join(', ')}` : ''}\n`)
}
const ofAll = (part: number): string => `${(part / count * 100).toFixed(0)} %`
process.stdout.write(`${count} programs: ${ofAll(busy)} ran ${ENOUGH.vEL2} instructions at virtual EL2, ${ofAll(nested)} entered an L2; slowest ${slowest.toFixed(1)} s; ended ${[...outcomes].map(([outcome, n]) => `${outcome} ${n}`).join(', ')}\n`)
const tame = busy / count < ENOUGH.busy || nested / count < ENOUGH.nested || silent > 0
process.stdout.write(`${count - broken} passed, ${broken} failed\n`)
process.exit(broken > 0 || (count >= 500 && tame) ? 1 : 0)
