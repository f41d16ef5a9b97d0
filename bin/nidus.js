#!/usr/bin/env node
// Plain JavaScript that any Node since 18 can parse: finds a Node that runs Nidus, and starts it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
// The published package has dist/; a checkout builds the same when its sources have changed, or runs them as they are (Node 26 strips types).
const built = join(here, '..', 'dist', 'cli.js')
const source = join(here, '..', 'src', 'cli', 'main.ts')
const fromSource = existsSync(source)
const isNewEnough = fromSource ? major >= 26 : major > 22 || (major === 22 && minor >= 12)

if (isNewEnough) {
  // Compiled code is kept from run to run.
  module.enableCompileCache?.()
  const { main } = await import(pathToFileURL(fromSource ? await builtOfSource() ?? source : built).href)
  await main(process.argv.slice(2))
} else {
  const node = newerNode()
  if (node === undefined) {
    process.stderr.write(`nidus: this is Node ${process.versions.node}; Nidus needs ${fromSource ? 'Node 26, which `npm install` brings' : 'Node 22.12 or newer'}\n`)
    process.exit(2)
  }
  const child = spawnSync(node, ['--no-warnings', fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exit(child.status ?? (child.signal === 'SIGINT' ? 130 : 5))
}

/** scripts/ is not in the package. */
async function builtOfSource() {
  const scripts = await import('../scripts/built.js')
  return (await scripts.built(['src/cli/main.ts']))?.[0]
}

/** The `node` package's binary, if it is installed. */
function newerNode() {
  try {
    const folder = dirname(module.createRequire(import.meta.url).resolve('node/package.json'))
    const node = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(node) ? node : undefined
  } catch { return undefined }
}
