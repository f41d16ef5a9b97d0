/**
 * Hostile guest hypervisors (tests/hostile): node scripts/hostile.ts [--count N] [--seed S] [--repeat N] [--no-coverage] [--json] [--trace]
 *
 * Runs programs S to S + N - 1, each in a VM of L0 beside a well-behaved one; every N-th of them twice (`--repeat`, default 5): the same seed
 * must give the same trace hash. Prints what they reached in L0. Exits with 1 when something did not hold. One program, with its exits:
 *
 *   node scripts/hostile.ts --seed 17 --count 1 --trace
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { missing, startCoverage, UNREACHABLE } from '../tests/hostile/coverage.ts'

const { values } = parseArgs({ options: {
  count: { type: 'string', default: '500' }, seed: { type: 'string', default: '0' }, repeat: { type: 'string', default: '5' }, 'no-coverage': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false }, trace: { type: 'boolean', default: false },
} })
const count = Number(values.count), first = Number(values.seed), repeat = Number(values.repeat)
if (![count, first, repeat].every(Number.isSafeInteger)) {
  process.stderr.write('hostile: --count, --seed and --repeat are whole numbers\n')
  process.exit(2)
}

// Before L0 is loaded.
const endCoverage = values['no-coverage'] ? undefined : startCoverage()
const { countHandlers, runHostile } = await import('../tests/hostile/harness.ts')
const { describePlan, planOf } = await import('../tests/hostile/plan.ts')
const { formatTable, grouped } = await import('../src/cli/table.ts')

const ENOUGH = 50, BUSY = 1000, LONGEST_MS = 10_000
const bench = readFileSync(new URL('../guests/built/bench', import.meta.url))
const handlers = countHandlers()
const failures: string[] = []
const ends = new Map<string, number>()
let busy = 0, nested = 0, exits = 0, instructions = 0, slowest = 0
const started = process.cpuUsage()

for (let seed = first; seed < first + count; seed++) {
  const plan = planOf(seed), from = process.cpuUsage()
  const fail = (what: string): void => { failures.push(`program ${seed} (${describePlan(plan)}): ${what}`) }
  try {
    const report = runHostile(plan, bench, undefined, values.trace ? event => { if (event.kind === 'exit') console.log(`${event.level} of VM ${event.vm}, 0x${event.pc.toString(16)}: ${event.subject} ${event.direction ?? ''}: ${event.action}`) } : undefined)
    const used = process.cpuUsage(from), ms = (used.user + used.system) / 1000
    slowest = Math.max(slowest, ms)
    if (ms > LONGEST_MS) fail(`took ${Math.round(ms)} ms of CPU`)
    for (const violation of report.violations) fail(violation)
    if (repeat > 0 && seed % repeat === 0) {
      const again = runHostile(plan, bench)
      if (again.traceHash !== report.traceHash) fail(`trace hash ${report.traceHash}, and ${again.traceHash} when run again`)
    }
    if (report.vEL2 >= BUSY) busy++
    if (report.L2 > 0) nested++
    exits += report.exits
    instructions += report.executed
    const end = report.detail === undefined ? report.outcome : `${report.outcome}: ${report.detail}`
    ends.set(end, (ends.get(end) ?? 0) + 1)
  } catch (error) {
    fail(`threw ${error instanceof Error ? error.stack : String(error)}`)
  }
}

const files = endCoverage?.() ?? []
// Fewer programs are for looking into one.
if (endCoverage !== undefined && count >= ENOUGH) failures.push(...missing(count, busy, nested, handlers, files))
const { user, system } = process.cpuUsage(started)
const summary = {
  programs: count, first, busy, nested, exits, instructions, cpuSeconds: Math.round((user + system) / 1e5) / 10, slowestMs: Math.round(slowest),
  ends: Object.fromEntries([...ends].sort((a, b) => b[1] - a[1])), handlers: Object.fromEntries(handlers), files, failures,
}
if (values.json) console.log(JSON.stringify(summary))
else {
  console.log(`${count} programs from seed ${first}: ${busy} execute ${grouped(BUSY)} instructions at virtual EL2, ${nested} enter an L2; ${grouped(exits)} exits, ${grouped(instructions)} instructions, ${summary.cpuSeconds} s of CPU, the slowest took ${summary.slowestMs} ms`)
  console.log(`They ended by: ${Object.entries(summary.ends).map(([end, times]) => `${end} (${times})`).join(', ')}\n`)
  console.log(formatTable(['exit handler', 'exits', ''], [...handlers].map(([name, times]) => [name, grouped(times), times === 0 ? UNREACHABLE[name] ?? 'NOT REACHED' : '']), ['left', 'right', 'left']))
  if (files.length > 0) console.log(`\n${formatTable(['src/hypervisor/', 'functions', 'reached', 'never'], files.map(({ file, functions, reached, missed }) => [file, String(functions), String(reached), missed.join(' ')]), ['left', 'right', 'right', 'left'])}`)
  for (const failure of failures) console.log(`\nFAILED ${failure}`)
}
process.exitCode = failures.length > 0 ? 1 : 0
