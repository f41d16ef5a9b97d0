// `npm run docs`: sets up what is missing, then builds the site into docs/.vitepress/dist. `-- --serve` shows it as it is edited.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { install, node, root, runNode, setUp } from './setup.js'

const docs = join(root, 'docs'), vitepress = join(docs, 'node_modules/vitepress/bin/vitepress.js')
setUp()
install(docs)
const prepared = runNode(['scripts/docs.ts'])
if (prepared !== 0) process.exit(prepared)
const child = spawnSync(node, [vitepress, process.argv.includes('--serve') ? 'dev' : 'build', docs], { cwd: docs, stdio: 'inherit' })
process.exit(child.status ?? 1)
