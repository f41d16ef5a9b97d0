/** `nidus fit` (`npm run fit`): regenerates the cost model from the single-level figures. */
import { buildCommand } from '@stricli/core'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { BadInput } from '../../arch/bad-input.ts'
import { BENCHMARKS, type Benchmark } from '../../lab/benchmarks.ts'
import { measure } from '../../lab/experiment.ts'
import { fit } from '../../lab/fit.ts'
import { EXIT } from '../exit-codes.ts'
import { loadGuests } from '../guest-images.ts'
import { packageFile } from '../package-files.ts'
import { createProgress } from '../progress.ts'
import { formatTable, grouped } from '../table.ts'

const FILE = packageFile('src/lab/data/neve-2017.json')

interface Flags { readonly check: boolean }

export const fitCommand = buildCommand({
  docs: {
    brief: 'Regenerate the cost model neve-2017 from single-level figures',
    fullDescription: 'Fits the cost model to the single-level figures of the papers (src/lab/data/single-level.ts), writes src/lab/data/neve-2017.json and prints how well each figure is met. With --check it writes nothing and ends with 1 if the file differs.\n\nExamples:\n  npm run fit\n  nidus fit --check',
  },
  parameters: { flags: { check: { kind: 'boolean', brief: 'Compare with the file instead of writing it', default: false, withNegated: false } } },
  func({ check }: Flags) {
    if (!existsSync(FILE)) throw new BadInput('nidus fit', 'the cost model is regenerated in a checkout of Nidus; there is no src/lab/data/neve-2017.json here')
    const guests = loadGuests(), progress = createProgress()
    let runs = 0
    const result = fit(costs => {
      progress.update(`plain VM, run ${++runs}`)
      const { summary } = measure({ arch: 'v8.0', level: 'vm', guest: null, paravirt: null, gic: 2 }, guests, { costs })
      return Object.fromEntries(BENCHMARKS.map(benchmark => [benchmark, summary(benchmark)!.cycles])) as Record<Benchmark, number>
    })
    progress.clear()
    const rows = result.figures.map(({ figure, modelled, fitted }) =>
      [figure.name, grouped(figure.cycles), grouped(modelled), `${((modelled / figure.cycles - 1) * 100).toFixed(1)} %`, fitted ? 'fitted' : 'not fitted', figure.provenance, figure.source])
    process.stdout.write(`${formatTable(['figure', 'published', 'model', 'deviation', '', 'provenance', 'source'], rows, ['left', 'right', 'right', 'right'])}\n\n`)
    process.stdout.write(`${formatTable(['parameter', 'value'], Object.entries(result.parameters).map(([name, value]) => [name, String(value)]), ['left', 'right'])}\n`)
    const text = `${JSON.stringify(result.model, null, 2)}\n`
    if (!check) writeFileSync(FILE, text)
    else if (readFileSync(FILE, 'utf8') !== text) {
      process.stderr.write('nidus: src/lab/data/neve-2017.json is not what the figures give; run npm run fit\n')
      process.exitCode = EXIT.guestFailed
    }
  },
})
