/** Every instruction row against qemu-aarch64: node scripts/differential.ts [--count N] [--seed N] [--row TEXT]. Exits with 1 on differences. */
import { parseArgs } from 'node:util'
import { exclusionOf } from '../tests/differential/exclusions.ts'
import { qemuSubject, qemuVersion } from '../tests/differential/qemu-subject.ts'
import { runDifferential, runnableRows } from '../tests/differential/runner.ts'
import { ROWS } from '../src/isa/table.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, row: { type: 'string', default: '' } } })
const version = qemuVersion()
if (version === undefined) {
  console.error('qemu-aarch64 is not installed (Debian: apt-get install qemu-user)')
  process.exit(2)
}
const rows = runnableRows().filter(row => row.name.includes(values.row))
const summary = runDifferential({ subject: qemuSubject, count: Number(values.count), seed: Number(values.seed), rows })
for (const failure of summary.failures.slice(0, 20)) console.log(failure)
console.log(`${summary.cases} cases of ${summary.rows} rows against ${version}: ${summary.failures.length} differ`)
const excluded = ROWS.filter(row => row.implemented && exclusionOf(row) !== undefined)
console.log(`not run: ${excluded.map(row => row.name).join(', ')}; without semantics yet: ${ROWS.filter(row => !row.implemented).length} rows`)
process.exit(summary.failures.length ? 1 : 0)
