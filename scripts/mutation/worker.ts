/**
 * Runs test files in this process (NIDUS_ONLY_TEST: tests of this name alone), with one mutated source: node scripts/mutation/worker.ts FILE... The mutant is in NIDUS_MUTANT
 * (`Mutant` as JSON; none: the sources as they are). Prints `FAILED <test>: <message>` and exits with 1 at the first failure.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Mutant } from './mutate.ts'

const mutant = process.env['NIDUS_MUTANT'] === undefined ? undefined : JSON.parse(process.env['NIDUS_MUTANT']) as Mutant
const shim = new URL('shim.ts', import.meta.url).href
const target = mutant && pathToFileURL(mutant.file).href

registerHooks({
  resolve: (specifier, context, next) => specifier === 'vitest' ? { url: shim, shortCircuit: true } : next(specifier, context),
  load: (url, context, next) => {
    const loaded = next(url, context)
    if (mutant === undefined || url !== target) return loaded
    const source = readFileSync(mutant.file, 'utf8')
    return { ...loaded, source: source.slice(0, mutant.start) + mutant.text + source.slice(mutant.end) }
  },
})

const { runDeclared } = await import(shim) as typeof import('./shim.ts')
const skip = new Set(JSON.parse(process.env['NIDUS_SKIP_TESTS'] ?? '[]') as string[])
let name = 'loading'
try {
  for (const file of process.argv.slice(2)) {
    name = `loading ${file}`
    const from = process.cpuUsage()
    await import(pathToFileURL(file).href)
    await runDeclared(skip, started => { name = started }, process.env['NIDUS_ONLY_TEST'])
    const { user, system } = process.cpuUsage(from)
    if (process.env['NIDUS_TIMES'] !== undefined) console.log(`${Math.round((user + system) / 1000)} ms ${file}`)
  }
} catch (error) {
  console.log(`FAILED ${name}: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`)
  process.exit(1)
}
process.exit(0)
