// `npm run suite -- boots|nested ...`: sets up what is missing, then runs a suite of scripts/suite-*.ts with Node 26.
import { runNode, setUp } from './setup.js'

const SUITES = ['boots', 'nested']
const [name, ...options] = process.argv.slice(2)
if (!SUITES.includes(name)) {
  process.stderr.write(`usage: npm run suite -- ${SUITES.join('|')} [options]; the options stand at the head of scripts/suite-NAME.ts\n`)
  process.exit(2)
}
setUp()
process.exit(runNode([`scripts/suite-${name}.ts`, ...options]))
