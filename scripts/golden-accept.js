// `npm run golden:accept`: writes the golden files anew from what the code says now. Read the diff: it is the meaning of the change.
import { spawnSync } from 'node:child_process'
import { node, root, setUp } from './setup.js'

setUp()
const files = process.argv.slice(2)
const run = spawnSync(node, ['--no-warnings', 'node_modules/vitest/vitest.mjs', 'run', ...(files.length > 0 ? files : ['src/sysreg/matrix.test.ts', 'src/cpu/routing.test.ts']), '-u'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, GOLDEN: 'accept' } })
process.exit(run.status ?? 5)
