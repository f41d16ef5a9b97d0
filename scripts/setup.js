// Sets up what a fresh clone lacks: the npm packages of package-lock.json, Node 26 among them.
// Plain JavaScript for Node 20 and newer. Does nothing when node_modules is what the lock file asks for.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const node = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

export function setUp() {
  install(root)
  if (existsSync(node)) return
  process.stderr.write('nidus: `npm install` did not bring node_modules/node/bin/node\n')
  process.exit(2)
}

/** Installs the packages of a folder's lock file, if they are not there. */
export function install(folder) {
  const lock = createHash('sha256').update(readFileSync(join(folder, 'package-lock.json'))).digest('hex')
  const stamp = join(folder, 'node_modules', '.nidus-setup')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  process.stderr.write('nidus: installing npm packages (once)\n')
  // Not `npm ci`: it refuses a lock file in which a registry's missing builds for other platforms do not stand. Versions are the lock file's.
  const npm = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (npm.status !== 0) {
    process.stderr.write('nidus: `npm install` failed; is the npm registry reachable?\n')
    process.exit(2)
  }
  writeFileSync(stamp, lock)
}

/** Runs `node ARGS` with Node 26 and this process's streams; returns the exit code. */
export function runNode(args) {
  const child = spawnSync(node, ['--no-warnings', ...args], { cwd: root, stdio: 'inherit' })
  return child.status ?? (child.signal === 'SIGINT' ? 130 : 5)
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) setUp()
