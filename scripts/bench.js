// `npm run bench -- WHAT`: sets up what is missing, then runs the benchmark with Node 26.
import { runNode, setUp } from './setup.js'

setUp()
process.exit(runNode(['bench/main.ts', ...process.argv.slice(2)]))
