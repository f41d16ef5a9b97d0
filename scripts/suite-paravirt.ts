/**
 * Debian's kernels as guest hypervisors that L0 rewrites for v8.0, beside the same kernels on v8.3: the commonest number of traps of each
 * operation, and whether the NV form traps on the same accesses as FEAT_NV, one by one.
 *
 *   node scripts/suite-paravirt.ts [--l1 5.10,6.12] [--gic 2,3] [--neve] [--json]
 *
 * `v8.3 as v8.0` is v8.3 without what v8.0 has not, but for FEAT_NV: what differs from it is L0's doing, and fails. What differs from v8.3
 * itself is the kernel's, which uses features that it finds; the accesses are listed. --neve runs the NEVE form as well and prints its share of
 * sites that need no trap.
 */
import { parseArgs } from 'node:util'
import { profile } from '../src/arch/features.ts'
import type { GicVersion } from '../src/arch/gic.ts'
import { unwrapImage } from '../src/arch/image/compressed.ts'
import { decompress } from '../src/cli/decompress.ts'
import { debianImage } from '../src/cli/debian/image.ts'
import { loadGuests, loadVmm } from '../src/cli/guest-images.ts'
import { executedText } from '../src/cli/rewriting-text.ts'
import { formatTable } from '../src/cli/table.ts'
import { BENCHMARKS, type Benchmark } from '../src/lab/benchmarks.ts'
import { measure, type Measurement } from '../src/lab/experiment.ts'
import { LINUX_QUIET } from '../src/lab/linux.ts'
import { whyLines } from '../src/lab/operations.ts'
import type { Configuration } from '../src/lab/paper.ts'

const { values } = parseArgs({ options: { l1: { type: 'string', default: '5.10,6.12' }, gic: { type: 'string', default: '2' }, neve: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } })
const guests = loadGuests(), vmm = loadVmm()
const v80 = profile('v8.0').features
const beyond = [...profile('v8.3').features].filter(feature => !v80.has(feature) && feature !== 'FEAT_NV')

/** One operation with the commonest number of traps, access by access. */
const accesses = (measurement: Measurement, benchmark: Benchmark): string[] =>
  whyLines(measurement.summary(benchmark)!.typical ?? { benchmark, traps: [], cycles: 0 }, () => undefined).map(({ register, direction, action }) => `${register}${direction === null ? '' : ` ${direction}`}: ${action}`)

/** Two vCPUs take turns in the IPI: their order is not compared. */
function difference(some: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const each of some) counts.set(each, (counts.get(each) ?? 0) + 1)
  for (const each of others) counts.set(each, (counts.get(each) ?? 0) - 1)
  return [...counts].filter(([, count]) => count !== 0).map(([what, count]) => `${count > 0 ? '+' : ''}${count} ${what}`)
}

let failed = 0
for (const name of values.l1.split(',')) {
  const image = await unwrapImage((await debianImage(`debian:${name}`)).image, decompress)
  for (const gic of values.gic.split(',').map(text => text === '3' ? 3 : 2) as GicVersion[]) {
    const run = (arch: 'v8.0' | 'v8.3', paravirt: Configuration['paravirt'], hide: typeof beyond = []): Measurement =>
      measure({ arch, level: 'nested', guest: 'nvhe', paravirt, gic }, guests, { linux: { image, vmm, bootargs: LINUX_QUIET }, hide })
    const nv = run('v8.0', 'nv'), like = run('v8.3', null, beyond), hardware = run('v8.3', null), neve = values.neve ? run('v8.0', 'neve') : undefined
    const rows = BENCHMARKS.map(benchmark => {
      const lists = [nv, like, hardware, ...(neve === undefined ? [] : [neve])].map(each => accesses(each, benchmark))
      const [rewritten, same, full] = lists as [string[], string[], string[]]
      return { benchmark, traps: lists.map(list => list.length), wrong: difference(rewritten, same), features: difference(rewritten, full) }
    })
    const wrong = rows.flatMap(row => row.wrong.map(each => `${row.benchmark}: ${each}`))
    if (wrong.length > 0) failed++
    const rewritings = [nv, ...(neve === undefined ? [] : [neve])].map(({ rewriting }) => rewriting!)
    if (values.json) console.log(JSON.stringify({ l1: name, gic, rows, rewritten: rewritings.map(({ form, executed }) => ({ form, ...executed() })) }))
    else {
      console.log(`${wrong.length === 0 ? 'ok    ' : 'FAILED'} L1 ${name}, nVHE, GICv${gic}`)
      console.log(formatTable(['traps', 'v8.0 nv', 'v8.3 as v8.0', 'v8.3', ...(neve === undefined ? [] : ['v8.0 neve'])], rows.map(({ benchmark, traps }) => [benchmark, ...traps.map(String)]), ['left', 'right', 'right', 'right', 'right']))
      for (const each of wrong) console.log(`  differs from v8.3 as v8.0: ${each}`)
      for (const row of rows) for (const each of row.features) console.log(`  differs from v8.3: ${row.benchmark}: ${each}`)
      for (const rewriting of rewritings) console.log(`  ${executedText(rewriting)}`)
    }
  }
}
process.exitCode = failed > 0 ? 1 : 0
