/**
 * The npm package as its users get it: packed, checked, installed into an empty project and used there, with the pinned Node and with the
 * oldest that package.json promises.
 *
 *   node scripts/suite-package.ts [--keep]
 *
 * `--keep` leaves the project. Exit status 1 if something is wrong.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { install, node, root } from './setup.js'

/** What belongs to a user's package; nothing else may be in it. */
const CONTENTS = [/^package\.json$/, /^(?:README|CHANGELOG)\.md$/, /^LICENSE$/, /^bin\/nidus[\w-]*\.js$/, /^dist\/(?:cli|index)\.js$/, /^dist\/chunks\/[\w-]+\.js$/, /^dist\/types\/[\w/-]+\.d\.ts$/, /^guests\/built\/[\w.-]+$/]
const NEEDED = ['bin/nidus.js', 'dist/cli.js', 'dist/index.js', 'dist/types/index.d.ts', 'guests/built/bench', 'guests/built/mini-kvm-vhe', 'LICENSE', 'README.md']
/** engines of package.json. */
const OLDEST = '22.12.0'
const MOST_BYTES = 2_000_000

const failures: string[] = []
const folder = mkdtempSync(join(tmpdir(), 'nidus-package-')), project = join(folder, 'project')

interface Ran { readonly code: number | null, readonly out: string, readonly all: string }
/** Runs in the project, with `bin` first on PATH. */
function run(command: string, args: readonly string[], { cwd = project, bin = dirname(node) } = {}): Ran {
  const child = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26, env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` } })
  return { code: child.status, out: child.stdout, all: child.stdout + child.stderr }
}

function check(what: string, holds: boolean, detail = ''): void {
  process.stdout.write(`${holds ? 'ok  ' : 'FAIL'} ${what}\n`)
  if (holds) return
  failures.push(what)
  process.stdout.write(`${detail.trimEnd().slice(-4000)}\n`)
}

function ends(what: string, ran: Ran, expect?: RegExp): Ran {
  check(what, ran.code === 0 && (expect === undefined || expect.test(ran.all)), `exit code ${ran.code}${expect === undefined ? '' : `, expected ${expect}`}\n${ran.all}`)
  return ran
}

/** The first block of code of a page, which is what users copy. */
const example = /```js\n([^]*?)```/.exec(readFileSync(join(root, 'docs/library.md'), 'utf8'))![1]!

function pack(): string {
  const packed = ends('npm pack', run('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', folder], { cwd: root }))
  const [{ filename, size, files }] = JSON.parse(packed.out.slice(packed.out.indexOf('['))) as [{ readonly filename: string, readonly size: number, readonly files: readonly { readonly path: string }[] }]
  const paths = files.map(({ path }) => path)
  const foreign = paths.filter(path => !CONTENTS.some(pattern => pattern.test(path))), missing = NEEDED.filter(path => !paths.includes(path))
  check(`${paths.length} files, ${Math.ceil(size / 1000)} kB packed: what a user needs and nothing else`, foreign.length === 0 && missing.length === 0 && size < MOST_BYTES, `not for users: ${foreign.join(', ')}\nmissing: ${missing.join(', ')}`)
  return join(folder, filename)
}

function lint(tarball: string): void {
  const tools = join(root, 'tools')
  install(tools)
  ends('publint', run(node, [join(tools, 'node_modules/publint/src/cli.js'), 'run', tarball, '--strict'], { cwd: root }))
  // What is here are ES modules, and images have no types.
  ends('attw', run(node, [join(tools, 'node_modules/@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji', '--exclude-entrypoints', 'package.json'], { cwd: root }))
}

/** A program with types, checked with all that a careful user switches on. */
const TYPED = `
import { BadInput, createL0, createMachine, ExitStatistics, explain, matrix, type ExitRow, type Outcome, type VmDescription } from 'nidus'
const exits = new ExitStatistics()
const vm: VmDescription = { image: new Uint8Array(), memBytes: 2 ** 27, el2: 'vhe' }
const machine = createMachine({ profile: 'v8.4', onEvent: exits.sink, l0: createL0({ vms: [vm] }) })
const outcome: Outcome = machine.run({ maxInstructions: 1 })
export const rows: ExitRow[] = exits.rows()
export const text: string = outcome.kind === 'until' ? outcome.text : matrix('v8.3', { filter: 'vbar' })
export const why = explain('mrs x0, vtcr_el2', { at: 'vEL2', profile: 'v8.3', gicVersion: 3 })
// @ts-expect-error there is no such profile
createMachine({ profile: 'v8.9' })
export const isBad = (error: unknown): boolean => error instanceof BadInput
`

function use(bin: string): void {
  const version = run(join(bin, 'node'), ['--version']).out.trim()
  const started = ends(`the example, Node ${version}`, run(join(bin, 'node'), ['example.js']), /bench: done[^]*kind: 'off'[^]*vEL2: {[^]*ERET: \d{3,}[^]*L2: {/)
  const count = Number(/HVC: (\d+)/.exec(started.out)?.[1])
  check(`it counts the nested VM's hypercalls: ${count}`, count >= 80 && count < 200)
  const npx = (what: string, args: readonly string[], expect: RegExp): Ran => ends(`npx nidus ${what}, Node ${version}`, run('npx', ['--no-install', 'nidus', ...args], { bin }), expect)
  npx('--version', ['--version'], new RegExp(`^${(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version.replaceAll('.', '\\.')}\n$`))
  npx('paper --only hypercall', ['paper', '--only', 'hypercall'], /^v8\.3 nested, nVHE +127 /m)
  npx('explain', ['explain', 'mrs x0, vtcr_el2', '--at', 'vEL2', '--arch', 'v8.3'], /^Result: exception to EL2, .*HCR_EL2\.NV/m)
}

try {
  const tarball = pack()
  lint(tarball)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module", "allowScripts": { "node": true } }\n')
  writeFileSync(join(project, 'example.js'), example)
  check('the example has at most ten lines, in the documentation of the source too', example.trim().split('\n').filter(line => line !== '').length <= 10
    && readFileSync(join(root, 'src/index.ts'), 'utf8').replaceAll(/^ \* ?/gm, '').includes(example))
  ends('npm install in an empty project', run('npm', ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']))
  use(dirname(node))
  writeFileSync(join(project, 'typed.ts'), TYPED)
  ends('types, without those of the DOM and of Node', run(node, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--skipLibCheck', 'false', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--target', 'es2024', '--module', 'nodenext', '--types', '', 'typed.ts']))
  ends(`npm install node@${OLDEST}`, run('npm', ['install', `node@${OLDEST}`, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']))
  use(join(project, 'node_modules/node/bin'))
} finally { if (!process.argv.includes('--keep')) rmSync(folder, { recursive: true, force: true }) }

if (failures.length > 0) {
  process.stdout.write(`${failures.length} failed: ${failures.join('; ')}\n`)
  process.exit(1)
}
