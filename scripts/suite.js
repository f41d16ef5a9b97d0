// `npm run suite -- boots|browser|fuzz|mutants|mutation|nested|qemu-l1|userland ...`: sets up what is missing, then runs a suite of scripts/suite-*.ts with Node 26.
import { runNode, setUp } from './setup.js'

const SUITES = { boots: 'boots', browser: 'browser', fuzz: 'fuzz', mutants: 'mutants', mutation: 'mutation', nested: 'nested', 'qemu-l1': 'qemu-in-l1', userland: 'userland' }
const [name, ...options] = process.argv.slice(2)
if (!Object.hasOwn(SUITES, name ?? '')) {
  process.stderr.write(`usage: npm run suite -- ${Object.keys(SUITES).join('|')} [options]; the options stand at the head of scripts/suite-*.ts\n`)
  process.exit(2)
}
setUp()
process.exit(runNode([`scripts/suite-${SUITES[name]}.ts`, ...options]))
