/**
 * The library in Chromium: the same runs in a web worker there and in Node, from the same built files, with equal trace hashes.
 *
 *   node scripts/suite-browser.ts [--only TEXT]   runs whose name has TEXT in it
 *
 * Needs Debian's package chromium. Exit status 1 if a run is another one in the browser.
 */
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { unwrapImage } from '../src/arch/image/compressed.ts'
import { debianImage } from '../src/cli/debian/image.ts'
import { decompress } from '../src/cli/decompress.ts'
import { GUEST_FILES, INITRAMFS, KERNEL, type RUNS } from '../tests/browser/runs.ts'
import type { Answer } from '../tests/browser/worker.ts'
import { bundle } from './bundle.js'
import { install, root } from './setup.js'

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } })
const CHROMIUM = '/usr/bin/chromium'
/** Nothing but the page; no sandbox, since CI runs as root. */
const CHROMIUM_ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.html': 'text/html' }
const PAGE = '<!doctype html><meta charset="utf-8"><title>nidus</title>'

/** As much of playwright-core as is used: it is installed apart, in tools/. */
interface Page { goto(url: string): Promise<unknown>, evaluate<T, A>(body: (argument: A) => T | Promise<T>, argument: A): Promise<T>, on(event: 'console' | 'pageerror', listener: (what: { toString(): string }) => void): void }
interface Browser { newPage(): Promise<Page>, version(): string, close(): Promise<void> }
interface Playwright { readonly chromium: { launch(options: { executablePath: string, args: readonly string[] }): Promise<Browser> } }

/** Serves `folder` on the loopback interface. */
function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url!, 'http://localhost').pathname.replace(/\/$/, '/index.html'))
    if (!existsSync(path)) { response.writeHead(404).end(); return }
    response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' })
    createReadStream(path).pipe(response)
  })
  return new Promise(resolve => { server.listen(0, '127.0.0.1', () => { resolve(server) }) })
}

/** In the page: one run in a worker of its own. */
const inWorker = (name: string): Promise<Answer> => new Promise((resolve, reject) => {
  const worker = new Worker('/worker.js', { type: 'module' })
  worker.onmessage = ({ data }: MessageEvent<Answer>) => { worker.terminate(); resolve(data) }
  worker.onerror = event => { reject(new Error(event.message)) }
  worker.postMessage(name)
})

const folder = mkdtempSync(join(tmpdir(), 'nidus-browser-'))
let server: Server | undefined, browser: Browser | undefined, bad = 0
try {
  await bundle({ folder, entries: { runs: join(root, 'tests/browser/runs.ts'), worker: join(root, 'tests/browser/worker.ts') } })
  writeFileSync(join(folder, 'index.html'), PAGE)
  const debian = await debianImage('debian:6.12')
  const files = new Map([[KERNEL, await unwrapImage(debian.image, decompress)], [INITRAMFS, debian.initrd]])
  for (const name of Object.values(GUEST_FILES)) files.set(name, readFileSync(join(root, 'guests/built', name)))
  mkdirSync(join(folder, 'files'))
  for (const [name, bytes] of files) writeFileSync(join(folder, 'files', name), bytes)

  install(join(root, 'tools'))
  const { chromium } = createRequire(join(root, 'tools', 'package.json'))('playwright-core') as Playwright
  server = await serve(folder)
  browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS })
  const page = await browser.newPage()
  page.on('pageerror', error => { process.stderr.write(`the page: ${error.toString()}\n`) })
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)

  const { RUNS: runs } = await import(pathToFileURL(join(folder, 'runs.js')).href) as { RUNS: typeof RUNS }
  process.stdout.write(`Node ${process.versions.node}, Chromium ${browser.version()}\n`)
  for (const { name, perform } of runs.filter(run => run.name.includes(values.only))) {
    const start = performance.now(), here = await perform(file => Promise.resolve(files.get(file)!)), milliseconds = performance.now() - start
    const there = await page.evaluate(inWorker, name)
    const same = 'result' in there && there.result.traceHash === here.traceHash
    if (!same) bad++
    const seconds = (value: number): string => (value / 1000).toFixed(1)
    process.stdout.write(`${same ? 'ok  ' : 'FAIL'} ${name}: ${here.seen}, trace hash ${here.traceHash}; ${seconds(milliseconds)} s in Node, ${
      'error' in there ? there.error : `${same ? '' : `${there.result.traceHash}, ${there.result.seen}, `}${seconds(there.milliseconds)} s in Chromium`}\n`)
  }
} finally {
  await browser?.close()
  server?.close()
  rmSync(folder, { recursive: true, force: true })
}
process.exit(bad === 0 ? 0 : 1)
