/**
 * Hypervisors that no one here wrote, in a VM of L0: Debian's kernels with KVM and Xen, with `guests/bench`, a Debian kernel to a shell, or
 * further hypervisors below; and Debian's kernel in L0's place. One row per run, as a Markdown table.
 *
 *   npm run suite -- nested [--l1 5.10,xen-4.20] [--mode VHE,nVHE,protected,nested,Xen] [--arch v8.3,v8.4] [--below bench,shell,"levels 3"] [--bare] [--gic 2,3] [--no-translate] [--log FOLDER] [--watch] [--json]
 *   npm run suite -- nested --sample TEXT [--most N]   a sample in which every pair of values occurs, or its first N, chosen by TEXT (a commit)
 *   npm run suite -- nested --only "6.12 VHE v8.4 shell 4"  the row of this name (or several, separated by commas)
 *   npm run suite -- nested --depth 3 [--bare] [--svg FILE]    what one operation costs in the deepest VM, by depth from 1 (without L0: of this depth alone)
 *   npm run suite -- nested --depth 2 --bare --why hypercall      the traps of one operation at this depth alone, in order
 *   npm run suite -- nested --identification                     ID registers as an L1 with EL2 reads them, below our L0 and below Debian's 7.x in its place
 *   npm run suite -- nested --list                     names of the rows, none is run
 *
 * --watch says on standard error, every 250 million instructions, where each PE is and what was trapped.
 * Kernels are those of `nidus fetch debian:X`. Exit status 1 if a row is not as it should be.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BENCHMARKS } from '../src/lab/benchmarks.ts'
import { measureDepth, whyDepth } from './nested/depth.ts'
import type { Depth } from './nested/depth.ts'
import { DEPTH_HEADER, depthChart, depthRow } from './nested/depth-output.ts'
import { identificationTable } from './nested/identification.ts'
import { nameOf, ROWS } from './nested/rows.ts'
import type { Row } from './nested/rows.ts'
import { runRow } from './nested/run.ts'
import { watcher } from './nested/watch.ts'
import { pairwiseSample } from './pairwise.ts'

const { values } = parseArgs({
  options: {
    l1: { type: 'string' }, mode: { type: 'string' }, arch: { type: 'string' }, below: { type: 'string' }, bare: { type: 'boolean', default: false }, sample: { type: 'string' }, most: { type: 'string', default: '1000' },
    list: { type: 'boolean', default: false }, log: { type: 'string' }, gic: { type: 'string' }, only: { type: 'string' }, watch: { type: 'boolean', default: false }, depth: { type: 'string' }, why: { type: 'string' }, identification: { type: 'boolean', default: false }, svg: { type: 'string' }, json: { type: 'boolean', default: false }, 'no-translate': { type: 'boolean', default: false },
  },
})

/** Each word must be the value of some row. */
function wanted(option: string, text: string | undefined, of: (row: Row) => string): (row: Row) => boolean {
  if (text === undefined) return () => true
  const words = text.split(','), known = new Set(ROWS.map(of))
  for (const word of words) {
    if (known.has(word)) continue
    process.stderr.write(`suite nested: --${option} ${word}: there are ${[...known].join(', ')}\n`)
    process.exit(2)
  }
  return row => words.includes(of(row))
}

if (values.identification) {
  process.stdout.write(await identificationTable())
  process.exit(0)
}
if (values.depth !== undefined) {
  const most = Number(values.depth)
  if (!(most >= 1 && most <= 6 && Number.isInteger(most))) {
    process.stderr.write(`suite nested: --depth ${values.depth}: it is a number from 1 to 6\n`)
    process.exit(2)
  }
  const why = BENCHMARKS.find(each => each === values.why)
  if (values.why !== undefined && why === undefined) {
    process.stderr.write(`suite nested: --why ${values.why}: there are ${BENCHMARKS.join(', ')}\n`)
    process.exit(2)
  }
  if (why !== undefined) {
    const lines = await whyDepth(await measureDepth(most, values.bare), why)
    process.stdout.write(values.json ? `${JSON.stringify(lines)}\n` : `| # | EL | what | function | done |\n|---|---|---|---|---|\n${lines.map(({ el, register, direction, symbol, pc, action }, i) => `| ${i + 1} | ${el} | ${register}${direction === null ? '' : ` ${direction}`} | ${symbol ?? pc} | ${action} |\n`).join('')}`)
    process.exit(0)
  }
  const depths: Depth[] = []
  if (!values.json) process.stdout.write(DEPTH_HEADER)
  for (let depth = values.bare ? most : 1; depth <= most; depth++) {
    const measured = await measureDepth(depth, values.bare, values.watch ? text => process.stderr.write(text) : undefined)
    depths.push(measured)
    process.stdout.write(values.json ? `${JSON.stringify(measured)}\n` : depthRow(measured))
    if (values.svg !== undefined) writeFileSync(values.svg, depthChart(depths))
  }
  process.exit(0)
}

const filters = [wanted('l1', values.l1, row => row.l1), wanted('mode', values.mode, row => row.mode), wanted('arch', values.arch, row => row.arch), wanted('below', values.below, row => row.below),
  wanted('gic', values.gic, row => String(row.gic ?? 3)), wanted('only', values.only, nameOf)]
const rows = ROWS.filter(row => filters.every(filter => filter(row)) && (!values.bare || row.bare === true))
const valuesOf = ({ l1, mode, arch, below, bare, gic, paravirt }: Row): string[] => [`L1 ${l1}`, mode, paravirt === undefined ? arch : `${arch} ${paravirt}`, below, bare === true ? 'bare' : 'L0', `GICv${gic ?? 3}`]
const chosen = values.sample === undefined ? rows : pairwiseSample(rows, valuesOf, values.sample).slice(0, Number(values.most))
if (values.list) {
  process.stdout.write(chosen.map(row => `${nameOf(row)}\n`).join(''))
  process.exit(0)
}
if (values.log !== undefined) mkdirSync(values.log, { recursive: true })
if (!values.json) process.stdout.write('| L0 | L1 | mode | machine | below | CPUs | instructions | traps to EL2 | cycles | CPU s | result |\n|---|---|---|---|---|---|---|---|---|---|---|\n')
let bad = 0
for (const row of chosen) {
  const log = values.log === undefined ? {} : { log: join(values.log, `${nameOf(row).replaceAll(' ', '_')}.log`) }
  const { wrong, instructions, traps, cycles, seconds } = await runRow(row, { translate: !values['no-translate'], ...log, ...(values.watch ? { look: watcher(text => process.stderr.write(text)) } : {}) }), { l1, mode, arch, below, bare, smp, gic, paravirt } = row
  if (wrong.length > 0) bad++
  const result = wrong.length === 0 ? 'ok' : `**${wrong.join('; ')}**`
  process.stdout.write(values.json ? `${JSON.stringify({ ...row, wrong, instructions, traps, cycles, seconds })}\n`
    : `| ${bare === true ? '7 (bare)' : 'ours'} | ${l1} | ${mode} | ${arch}${paravirt === undefined ? '' : `, ${paravirt}`}${gic === undefined ? '' : `, GICv${gic}`} | ${below} | ${smp} | ${(instructions / 1e9).toFixed(2)} G | ${traps} | ${(cycles / 1e9).toFixed(2)} G | ${seconds.toFixed(1)} | ${result} |\n`)
}
if (!values.json) process.stdout.write(`\n${chosen.length - bad} of ${chosen.length} rows are as they should be.\n`)
process.exit(bad === 0 ? 0 : 1)
