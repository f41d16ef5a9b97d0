// `npm test`: set up what is missing, then types, lint and all tests that need only npm packages.
import { runNode, setUp } from './setup.js'

setUp()
const args = process.argv.slice(2)
const steps = args.length > 0 ? [['node_modules/vitest/vitest.mjs', 'run', ...args]] : [
  ['node_modules/typescript/bin/tsc', '-p', '.'],
  ['node_modules/oxlint/bin/oxlint', '--deny-warnings', 'src', 'scripts', 'tests', 'bin'],
  ['node_modules/vitest/vitest.mjs', 'run'],
]
for (const step of steps) {
  const code = runNode(step)
  if (code !== 0) process.exit(code)
}
