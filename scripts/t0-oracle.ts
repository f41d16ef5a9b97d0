/**
 * The interpreter (tier T0) against the oracle on random programs: node scripts/t0-oracle.ts [--count N] [--seed N] [--row TEXT].
 * Half of the instructions run on the exact interpreter, a quarter on the ordinary one, a quarter without the data TLB.
 * Exits with 1 on differences.
 */
import { parseArgs } from 'node:util'
import { compareWithOracle } from '../src/engine/testing/compare.ts'
import { runnable } from '../src/engine/testing/random-program.ts'
import { ROWS, VARIANTS } from '../src/isa/table.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' }, row: { type: 'string', default: '' } } })
const count = Number(values.count), seed = Number(values.seed)
const variants = VARIANTS.filter(variant => runnable(variant) && variant.row.name.includes(values.row))
const covered = new Map<string, number>()
let executed = 0, programs = 0, failed = false
for (const { share, exact, slow } of [{ share: 0.5, exact: true, slow: false }, { share: 0.25, exact: false, slow: false }, { share: 0.25, exact: true, slow: true }]) {
  const result = compareWithOracle({ count: Math.ceil(count * share), seed, exact, slow, variants })
  executed += result.executed
  programs += result.programs
  for (const [name, times] of result.coverage) covered.set(name, (covered.get(name) ?? 0) + times)
  for (const difference of result.differences) {
    failed = true
    console.log(difference)
  }
}
const missed = ROWS.filter(row => row.implemented && row.name.includes(values.row) && !covered.has(row.name))
console.log(`${executed} instructions in ${programs} programs, ${covered.size} rows; not executed: ${missed.map(row => row.name).join('; ') || 'none'}`)
process.exit(failed ? 1 : 0)
