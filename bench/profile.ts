/**
 * `npm run bench -- profile`: where the main thread is while Debian 6.12 boots: shares of T0, T1's regions, making regions, table walks and slow
 * accesses, system registers, devices and the rest. From V8's sampling profiler, by the function on top of the stack and who called it.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debianFiles } from './boot.ts'
import { NODE_ENVIRONMENT } from './process-time.ts'
import { programSource } from './program.ts'
import type { BenchResult, BenchRow } from './result.ts'

interface Node { readonly id: number, readonly callFrame: { readonly functionName: string, readonly url: string }, readonly children?: readonly number[] }
interface Profile { readonly nodes: readonly Node[], readonly samples: readonly number[], readonly timeDeltas: readonly number[] }

/** The first that matches a frame, from the innermost frame outwards, names the share. */
const SHARES: readonly (readonly [string, (node: Node) => boolean])[] = [
  ['garbage collection', node => node.callFrame.functionName === '(garbage collector)'],
  ['idle', node => node.callFrame.functionName === '(idle)'],
  ['making regions', node => /engine\/translator\//.test(node.callFrame.url)],
  ['decoding', node => /engine\/(code-pages|record|late)\.ts/.test(node.callFrame.url) && !/written|forget/.test(node.callFrame.functionName)],
  ['system registers and TLB maintenance', node => /cpu\/(system-|maintenance)/.test(node.callFrame.url)],
  ['walks and slow accesses', node => /(cpu\/(translation|walk-memory|views)|mmu\/)/.test(node.callFrame.url)],
  ['exceptions and interrupts', node => /cpu\/(exception|interrupts|timers)/.test(node.callFrame.url)],
  ['devices', node => /\/devices\//.test(node.callFrame.url)],
  ['floating point in JavaScript', node => /engine\/floating-point|softfloat/.test(node.callFrame.url)],
  ['loading the image', node => /loadImage|copyIn|readFileSync/.test(node.callFrame.functionName)],
]

function shareOf(id: number, nodes: ReadonlyMap<number, Node>, parents: ReadonlyMap<number, number>, interpreters: ReadonlySet<string>): string {
  const top = nodes.get(id)!
  if (top.callFrame.url.startsWith('wasm:')) return interpreters.has(top.callFrame.url) ? 'T0' : 'T1 and handlers of their own'
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
    const node = nodes.get(at)!
    const share = SHARES.find(([, matches]) => matches(node))
    if (share !== undefined) return share[0]
    if (/engine\/engine\.ts/.test(node.callFrame.url) && node.callFrame.functionName === 'execute') return 'run loop and callbacks'
  }
  return 'start-up and the rest'
}

export function profileBench(): BenchResult {
  const folder = mkdtempSync(join(tmpdir(), 'nidus-profile-'))
  try {
    const { kernel, initramfs } = debianFiles('debian:6.12')
    const program = programSource('debian-run')
    const run = spawnSync(process.execPath, ['--no-warnings', '--cpu-prof', '--cpu-prof-interval', '500', `--cpu-prof-dir=${folder}`, program, kernel, initramfs, 'v8.0', 'console=ttyAMA0 earlycon do=boot', '', 'on'], { encoding: 'utf8', maxBuffer: 2 ** 28, env: NODE_ENVIRONMENT })
    if (run.status !== 0) throw new Error(run.stderr)
    const { translation } = JSON.parse(run.stdout) as { readonly translation: Readonly<Record<string, number>> }
    const profile = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')) as Profile
    const nodes = new Map(profile.nodes.map(node => [node.id, node]))
    const parents = new Map(profile.nodes.flatMap(node => (node.children ?? []).map(child => [child, node.id] as const)))
    // The interpreter is what no other WebAssembly has called.
    const isWasm = (id: number | undefined): boolean => id !== undefined && (nodes.get(id)!.callFrame.url.startsWith('wasm:') || isWasm(parents.get(id)))
    const interpreters = new Set(profile.nodes.filter(node => node.callFrame.url.startsWith('wasm:') && !isWasm(parents.get(node.id))).map(node => node.callFrame.url))
    const times = new Map<string, number>()
    profile.samples.forEach((id, i) => {
      const share = shareOf(id, nodes, parents, interpreters)
      times.set(share, (times.get(share) ?? 0) + profile.timeDeltas[i]!)
    })
    const total = [...times].reduce((sum, [share, time]) => share === 'idle' ? sum : sum + time, 0)
    const rows = [...times].filter(([share]) => share !== 'idle').sort((a, b) => b[1] - a[1]).map(([name, time]): BenchRow => ({ name, nidusCpuS: time / 1e6, qemuCpuS: null, ratio: null, spread: 0, percent: Math.round(time / total * 1000) / 10 }))
    return { what: 'profile', rows: [...rows, { name: 'regions made', nidusCpuS: total / 1e6, qemuCpuS: null, ratio: null, spread: 0, ...translation }], ratio: null }
  } finally { rmSync(folder, { recursive: true }) }
}
