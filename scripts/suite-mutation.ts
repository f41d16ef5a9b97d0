/**
 * Mutation score of the folders that decide about nested virtualization:
 *
 *   node scripts/suite-mutation.ts [--only sysreg,mmu,gic,nested] [--count N] [--seed S] [--guests] [--json FILE] [--against FILE]
 *
 * N mutants of each folder (default 60), chosen by the seed. Each runs in a process of its own against the folder's unit tests, fastest first; `--guests`: against
 * the guests of tests/guests instead. A test that fails, a process that ends otherwise, and ten times the CPU time of the
 * tests all kill. `--json` writes the verdicts; `--against` runs the survivors of such a file again. docs/mutation.md has the result.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { mutantsOf } from './mutation/mutate.ts'
import type { Mutant } from './mutation/mutate.ts'

const { values } = parseArgs({ options: {
  only: { type: 'string', default: 'sysreg,mmu,gic,nested' }, count: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' },
  guests: { type: 'boolean', default: false }, json: { type: 'string' }, against: { type: 'string' },
} })

interface Area { readonly sources: readonly string[], readonly tests: readonly string[] }
const GUESTS = ['tests/guests/recursion.test.ts', 'tests/guests/nested.test.ts']
const AREAS: Readonly<Record<string, Area>> = {
  sysreg: { sources: ['src/sysreg', 'src/sysreg/rows'], tests: ['src/sysreg', 'src/hypervisor/nested/owner.test.ts', 'src/hypervisor/nested/virtual-el2.test.ts'] },
  mmu: { sources: ['src/mmu'], tests: ['src/mmu'] },
  gic: { sources: ['src/devices/gic'], tests: ['src/devices/gic'] },
  nested: { sources: ['src/hypervisor/nested'], tests: ['src/hypervisor/nested', 'src/hypervisor'] },
}
export interface Verdict extends Mutant { readonly area: string, readonly line: number, readonly was: string, readonly killedBy: string | undefined }

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
const filesIn = (path: string, wanted: (name: string) => boolean): string[] =>
  path.endsWith('.ts') ? [path] : readdirSync(path).filter(name => name.endsWith('.ts') && wanted(name)).sort().map(name => `${path}/${name}`)

/** mulberry32. */
function random(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = state + 0x6d2b_79f5 | 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return (t ^ t >>> 14) >>> 0
  }
}

function sample(area: Area, count: number, seed: number): Mutant[] {
  const all = area.sources.flatMap(folder => filesIn(folder, name => !name.includes('test') && name !== 'index.ts')).flatMap(file => mutantsOf(file, readFileSync(file, 'utf8')))
  const next = random(seed), chosen: Mutant[] = []
  while (chosen.length < count && all.length > 0) chosen.push(all.splice(next() % all.length, 1)[0]!)
  return chosen
}

function runTests(tests: readonly string[], mutant: Mutant | undefined, skip: readonly string[], seconds: number): { readonly status: number | null, readonly output: string } {
  const { status, stdout } = spawnSync('sh', ['-c', `ulimit -t ${seconds}; exec "$0" "$@"`, process.execPath, '--no-warnings', 'scripts/mutation/worker.ts', ...tests], {
    encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, NIDUS_TIMES: '1', NIDUS_SKIP_TESTS: JSON.stringify(skip), ...(mutant === undefined ? {} : { NIDUS_MUTANT: JSON.stringify(mutant) }) },
  })
  return { status, output: stdout }
}

/** Tests that pass here without a mutant, fastest file first; what needs vitest itself (snapshots in the source) is left out. */
function baseline(tests: readonly string[]): { readonly files: readonly string[], readonly skip: readonly string[], readonly seconds: number } {
  const skip: string[] = [], times: [string, number][] = []
  for (const file of tests) {
    for (let tries = 0; ; tries++) {
      const { status, output } = runTests([file], undefined, skip, 300)
      if (status === 0) {
        times.push([file, Number(/(\d+) ms/.exec(output)?.[1] ?? 0)])
        break
      }
      const failed = /^FAILED (.*?): /m.exec(output)?.[1]
      if (failed === undefined || tries > 4) throw new Error(`${file} does not pass: ${output}`)
      skip.push(failed)
    }
  }
  times.sort((a, b) => a[1] - b[1])
  return { files: times.map(([file]) => file), skip, seconds: 5 + Math.ceil(times.reduce((sum, [, ms]) => sum + ms, 0) / 100) }
}

const isTest = (name: string): boolean => name.endsWith('.test.ts')
const verdicts: Verdict[] = []
const before = values.against === undefined || !existsSync(values.against) ? undefined : JSON.parse(readFileSync(values.against, 'utf8')) as Verdict[]
for (const name of values.only.split(',')) {
  const area = AREAS[name]
  if (area === undefined) throw new Error(`no area ${name}: ${Object.keys(AREAS).join(', ')}`)
  const done = before?.filter(each => each.area === name)
  verdicts.push(...done?.filter(each => each.killedBy !== undefined) ?? [])
  const mutants: readonly Mutant[] = done?.filter(each => each.killedBy === undefined) ?? sample(area, Number(values.count), Number(values.seed))
  const { files, skip, seconds } = baseline(values.guests ? GUESTS : [...new Set(area.tests.flatMap(path => filesIn(path, isTest)))])
  let killed = 0
  for (const mutant of mutants) {
    const source = readFileSync(mutant.file, 'utf8'), line = source.slice(0, mutant.start).split('\n').length
    const { status, output } = runTests(files, mutant, skip, seconds)
    const killedBy = status === 0 ? undefined : /^FAILED (.*)$/m.exec(output)?.[1] ?? (status === null ? 'CPU time' : `exit code ${status}`)
    if (killedBy !== undefined) killed++
    verdicts.push({ ...mutant, area: name, line, was: source.slice(mutant.start, mutant.end), killedBy })
    if (killedBy === undefined) console.log(`survived ${mutant.file}:${line}: ${mutant.operator}: ${JSON.stringify(source.slice(mutant.start, mutant.end))} -> ${JSON.stringify(mutant.text)}    ${source.split('\n')[line - 1]!.trim().slice(0, 160)}`)
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(verdicts)}\n`)
  }
  console.log(`${name}: ${killed} of ${mutants.length} killed${before === undefined ? '' : ' of those that had survived'}`)
}
for (const name of values.only.split(',')) {
  const all = verdicts.filter(each => each.area === name)
  console.log(`${name}: mutation score ${(100 * all.filter(each => each.killedBy !== undefined).length / all.length).toFixed(0)} % of ${all.length}`)
}
