/**
 * Runs the examples of every command's --help and of README as they stand there, in an empty folder that has `guests/` alone.
 *
 *   node scripts/examples.ts [--all] [--only TEXT]
 *
 * Without `--all` only those that are quick and need nothing beside the repository: no Debian kernel, no file of the user's, nothing that waits for
 * somebody.
 * Exit status 1 if one does not end with 0.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { node, root } from './setup.js'

const { values: { all, only } } = parseArgs({ options: { all: { type: 'boolean', default: false }, only: { type: 'string', default: '' } } })
const COMMANDS = ['', ...readdirSync(join(root, 'src/cli/commands')).map(file => file.replace('.ts', ''))]
/** What the repository does not have. */
const ELSEWHERE = /debian:|\bImage\b|xen-4|\.deb\b|session\.log|booted\.nidus|-bios|pflash|test\.elf|program\.bin|\bgdb\b|\bdoctor\b|--apps/
/** What other tests print anyway. */
const SLOW = /paper(?!.*--why)/
/** In the first lines of a help. */
const USAGE = /^ +nidus [a-z]* ?(?:[[(<]|--help|--version|-[hv]$)/
/** Seconds. */
const PATIENCE = 240

const nidus = (args: readonly string[]): string => spawnSync(node, ['--no-warnings', join(root, 'bin/nidus.js'), ...args], { encoding: 'utf8' }).stdout
const helps = COMMANDS.flatMap(command => nidus([...(command === '' ? [] : [command]), '--help']).split('\n').filter(line => /^ +nidus \S/.test(line) && !USAGE.test(line)))
const readme = readFileSync(join(root, 'README.md'), 'utf8').split('\n').filter(line => line.startsWith('nidus ') || line.startsWith('$ nidus '))
/** Without what stands behind to explain. */
const lines = [...helps, ...readme].map(line => line.trim().replace(/^\$ /, '').replace(/ +# .*$| {3,}.*$/, ''))
const chosen = [...new Set(lines)].filter(line => line.includes(only) && (all || !ELSEWHERE.test(line) && !SLOW.test(line)))

const folder = mkdtempSync(join(tmpdir(), 'nidus-examples-'))
let failed = 0
try {
  symlinkSync(join(root, 'guests'), join(folder, 'guests'))
  writeFileSync(join(folder, 'nidus'), `#!/bin/sh\nexec '${node}' --no-warnings '${join(root, 'bin/nidus.js')}' "$@"\n`)
  chmodSync(join(folder, 'nidus'), 0o755)
  for (const line of chosen) {
    const start = performance.now(), child = spawnSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8', timeout: PATIENCE * 1000, maxBuffer: 2 ** 28, input: '', env: { ...process.env, PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` } })
    const ok = child.status === 0
    process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s  ${line}\n`)
    if (ok) continue
    failed++
    process.stdout.write(`exit code ${child.status ?? child.signal}\n${(child.stdout + child.stderr).trimEnd().slice(-1500)}\n`)
  }
} finally { rmSync(folder, { recursive: true, force: true }) }

process.stdout.write(`${chosen.length - failed} of ${chosen.length} examples\n`)
process.exit(failed === 0 && chosen.length > 10 || only !== '' && failed === 0 ? 0 : 1)
