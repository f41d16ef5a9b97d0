/**
 * Everything that reads what others made, against hostile input:
 *
 *   npm run suite -- fuzz [--count N] [--seed S] [--only NAME,..] [--list]
 *
 * N cases in all (default 100,000; issue-sized runs take 1,000,000), shared out by what a case costs. The targets are in tests/hostile/targets.ts, with the bounds
 * in docs/fuzzing.md. Exit code 1 if a target fails; its output names the case and how to run it again.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { formatTable, grouped } from '../src/cli/table.ts'
import { TARGETS } from '../tests/hostile/targets.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' }, only: { type: 'string' }, list: { type: 'boolean', default: false } } })
const count = Number(values.count), seed = Number(values.seed), names = values.only?.split(',')
const unknown = names?.find(name => !TARGETS.some(each => each.name === name))
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed) || unknown !== undefined) {
  process.stderr.write(`fuzz: --count and --seed are whole numbers, --only takes ${TARGETS.map(each => each.name).join(', ')}\n`)
  process.exit(2)
}
const chosen = TARGETS.filter(each => names === undefined || names.includes(each.name)), whole = chosen.reduce((sum, each) => sum + each.share, 0)
const casesOf = (share: number): number => Math.max(1, Math.round(count * share / whole))
if (values.list) {
  console.log(formatTable(['target', 'cases', 'what'], chosen.map(({ name, share, what }) => [name, grouped(casesOf(share)), what]), ['left', 'right', 'left']))
  process.exit(0)
}
let failed = 0
for (const { name, share, run, perCase, least = 1 } of chosen) {
  const cases = Math.max(least, casesOf(share)), times = Math.max(1, Math.round(cases / perCase)), from = performance.now()
  const { status } = spawnSync(process.execPath, ['--no-warnings', ...run(times, seed)], { stdio: 'inherit', env: { ...process.env, NIDUS_FUZZ: String(times), NIDUS_SEED: String(seed) } })
  if (status !== 0) failed++
  console.log(`${status === 0 ? 'ok' : 'FAILED'}: ${name}, ${grouped(cases)} cases, ${Math.round((performance.now() - from) / 1000)} s`)
}
process.exit(failed === 0 ? 0 : 1)
