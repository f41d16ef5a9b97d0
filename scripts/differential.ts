/**
 * Every instruction row against the oracle: node scripts/differential.ts [--on qemu|t0] [--count N] [--seed N] [--row TEXT] [--part I/N].
 * Subjects are qemu-aarch64 (absent: it) and our interpreter. `--row` is a regular expression; `--part 1/2` runs every second row. Exits with 1 on differences.
 */
import { parseArgs } from 'node:util'
import { EngineCpu } from '../tests/differential/engine-cpu.ts'
import { exclusionOf } from '../tests/differential/exclusions.ts'
import { qemuSubject, qemuVersion } from '../tests/differential/qemu-subject.ts'
import { runDifferential, runnableRows } from '../tests/differential/runner.ts'
import { subjectOf } from '../tests/differential/subject.ts'
import { ROWS } from '../src/isa/table.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, row: { type: 'string', default: '' }, on: { type: 'string', default: 'qemu' }, part: { type: 'string', default: '1/1' } } })
const version = values.on === 't0' ? 'our interpreter' : qemuVersion()
if (version === undefined) {
  console.error('qemu-aarch64 is not installed (Debian: apt-get install qemu-user)')
  process.exit(2)
}
const [part, parts] = values.part.split('/').map(Number) as [number, number]
const rows = runnableRows().filter((row, i) => i % parts === part - 1 && new RegExp(values.row).test(row.name))
const summary = runDifferential({ subject: values.on === 't0' ? subjectOf('t0', new EngineCpu()) : qemuSubject, count: Number(values.count), seed: Number(values.seed), rows })
for (const failure of summary.failures.slice(0, 20)) console.log(failure)
console.log(`${summary.cases} cases of ${summary.rows} rows against ${version}: ${summary.failures.length} differ`)
const excluded = ROWS.filter(row => row.implemented && exclusionOf(row) !== undefined)
console.log(`not run: ${excluded.map(row => row.name).join(', ')}; without semantics yet: ${ROWS.filter(row => !row.implemented).length} rows`)
process.exit(summary.failures.length ? 1 : 0)
