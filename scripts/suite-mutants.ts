/**
 * Reseeded bugs (tests/mutants): each patch is applied in a copy of the sources, type-checked, and the suite that is to find it runs there:
 *
 *   npm run suite -- mutants [--only NAME,..] [--sample COMMIT --most N] [--no-types]
 *
 * Prints killed or survived, by what and in how many seconds; exit code 1 if a mutant survives, does not apply, or does not type-check.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { MUTANTS } from '../tests/mutants/mutants.ts'
import type { SeededBug } from '../tests/mutants/mutants.ts'

const { values } = parseArgs({ options: { only: { type: 'string' }, sample: { type: 'string' }, most: { type: 'string', default: '4' }, types: { type: 'boolean', default: true } }, allowNegative: true })
const root = fileURLToPath(new URL('..', import.meta.url))
const unknown = values.only?.split(',').find(name => !MUTANTS.some(each => each.name === name))
if (unknown !== undefined) {
  process.stderr.write(`mutants: no mutant ${unknown}: ${MUTANTS.map(each => each.name).join(', ')}\n`)
  process.exit(2)
}

const rank = (name: string): string => createHash('sha256').update(`${values.sample} ${name}`).digest('hex')
const chosen: readonly SeededBug[] = values.only !== undefined ? MUTANTS.filter(each => values.only!.split(',').includes(each.name))
  : values.sample !== undefined ? MUTANTS.toSorted((a, b) => rank(a.name) < rank(b.name) ? -1 : 1).slice(0, Number(values.most)) : MUTANTS

const folder = mkdtempSync(join(tmpdir(), 'nidus-mutants-'))
const run = (command: string, ...more: readonly string[]) => spawnSync(command, more, { cwd: folder, encoding: 'utf8', env: { ...process.env, NIDUS_GIC_RUNS: '2000', ...only } })
let failed = 0, only: Readonly<Record<string, string>> = {}
try {
  for (const name of ['src', 'tests', 'scripts', 'bin', 'bench', 'package.json', 'tsconfig.json']) cpSync(join(root, name), join(folder, name), { recursive: true })
  cpSync(join(root, 'guests/built'), join(folder, 'guests/built'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  // A repository of its own: `git apply` says where a patch does not fit.
  run('git', 'init', '-q')
  for (const { name, killedBy, test } of chosen) {
    const patch = join(root, `tests/mutants/${name}.patch`), from = performance.now()
    const applied = run('git', 'apply', patch)
    let verdict: string | undefined
    if (applied.status !== 0) verdict = `does not apply: ${applied.stderr.trim()}`
    else {
      const types = values.types ? run(process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', '.') : undefined
      if (types !== undefined && types.status !== 0) verdict = `does not type-check: ${types.stdout.split('\n')[0]}`
    }
    if (verdict === undefined) {
      // More programs than `npm test` runs; the others at their own counts.
      only = test === undefined ? {} : { NIDUS_ONLY_TEST: test, NIDUS_FUZZ: '25' }
      const { status, stdout } = run('sh', '-c', 'ulimit -t 300; exec "$0" "$@"', process.execPath, '--no-warnings', 'scripts/mutation/worker.ts', killedBy)
      const why = /^FAILED ([^\n]*)/m.exec(stdout)?.[1]
      // A file that cannot be loaded tests nothing; the table of system registers refuses to be loaded when it contradicts itself.
      if (status === 0) verdict = 'SURVIVED'
      else console.log(`killed   ${name} (${Math.round((performance.now() - from) / 1000)} s): ${killedBy}: ${(why ?? 'CPU time').slice(0, 160)}`)
    }
    if (verdict !== undefined) {
      failed++
      console.log(`${name}: ${verdict} (${killedBy})`)
    }
    if (applied.status === 0) run('git', 'apply', '-R', patch)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${chosen.length - failed} of ${chosen.length} killed`)
process.exit(failed === 0 ? 0 : 1)
