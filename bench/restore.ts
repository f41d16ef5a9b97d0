/**
 * `npm run bench -- restore`: how soon one is back in a nested run. Debian 6.12 in a VM of L0 with Debian 6.12 as its nested VM, booted to L2's
 * shell and kept in a file once; then
 *
 *   restore   a new process from that file, until L2's shell has answered a typed line
 *   fork      a machine with 64 MB of written pages becomes two, within one process
 *
 * CPU seconds of the whole process, and seconds of the clock beside them.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unwrapImage } from '../src/arch/image/compressed.ts'
import { debianImage } from '../src/cli/debian/image.ts'
import { BOOT_MARK } from '../src/cli/debian/init.ts'
import { decompress } from '../src/cli/decompress.ts'
import { loadVmm } from '../src/cli/guest-images.ts'
import { vmmInitramfs } from '../src/lab/linux.ts'
import { childrenSeconds, NODE_ENVIRONMENT } from './process-time.ts'
import { programOf } from './program.ts'
import { median, spreadOf, type BenchResult, type BenchRow } from './result.ts'

const nidus = fileURLToPath(new URL('../bin/nidus.js', import.meta.url))
const KERNEL = 'debian:6.12', QUIET = 'quiet cryptomgr.notests'
const TYPED = 'echo answer-$((6 * 7))\n', ANSWER = 'answer-42'
const FORKED_MEGABYTES = 64

interface Time { readonly cpu: number, readonly wall: number }

function command(args: readonly string[], input: string): Time {
  const cpu = childrenSeconds(), wall = performance.now()
  const { status, stderr } = spawnSync(process.execPath, ['--no-warnings', nidus, ...args], { input, encoding: 'latin1', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`nidus ${args[0]} ended with ${status}: ${stderr}`)
  return { cpu: childrenSeconds() - cpu, wall: (performance.now() - wall) / 1000 }
}

const row = (name: string, times: readonly Time[], more: Readonly<Record<string, number>> = {}): BenchRow => {
  const cpu = times.map(time => time.cpu)
  return { name, nidusCpuS: median(cpu), qemuCpuS: null, ratio: null, spread: spreadOf(cpu), wallS: median(times.map(time => time.wall)), ...more }
}

export async function restoreBench(repeat: number): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'nidus-bench-'))
  try {
    const { image, initrd } = await debianImage(KERNEL), kernel = await unwrapImage(image, decompress)
    const [imageFile, initrdFile, kept] = ['image', 'initrd', 'nested.nidus'].map(name => join(folder, name)) as [string, string, string]
    writeFileSync(imageFile, kernel)
    writeFileSync(initrdFile, vmmInitramfs(loadVmm(), { kernel, initrd }))
    const l2 = `${QUIET} do=shell`.split(' ').map(word => `append=${word}`).join(' ')
    const saved = command(['snapshot', imageFile, '--on', 'vm', '--el2', '--arch', 'v8.4', '--mem', '1G', '--initrd', initrdFile, '--append', `${QUIET} -- memory=256 initrd=/initrd ${l2}`, '--until', BOOT_MARK, '--output', kept], '')
    process.stderr.write(`bench restore: booted and kept in ${saved.cpu.toFixed(1)} CPU s\n`)
    const restored = Array.from({ length: repeat }, () => command(['run', '--snapshot', kept, '--until', ANSWER], TYPED))
    const forked = Array.from({ length: repeat }, (): Time => {
      const run = spawnSync(process.execPath, ['--no-warnings', programOf('fork-run'), String(FORKED_MEGABYTES)], { encoding: 'utf8', env: NODE_ENVIRONMENT })
      if (run.status !== 0) throw new Error(run.stderr)
      return JSON.parse(run.stdout) as Time
    })
    return { what: 'restore', rows: [row('restore L1 and L2 of Debian, to an answer of L2', restored, { megabytes: Math.round(statSync(kept).size / 1e6) }), row(`fork with ${FORKED_MEGABYTES} MB written`, forked)], ratio: null }
  } finally { rmSync(folder, { recursive: true, force: true }) }
}
