/**
 * `npm run bench -- boot`: Debian's 6.12 cloud kernel from reset to a shell and power-off, against QEMU's `-M virt` with the same files and
 * command line. CPU seconds of whole processes, start-up and background compilation included. At EL1 on v8.0 (cortex-a57 there).
 */
import { spawnSync } from 'node:child_process'
import { cacheFolder } from '../src/cli/debian/cache.ts'
import { parseDebianName } from '../src/cli/debian/name.ts'
import { initramfsPath, kernelPath, storedKernel } from '../src/cli/debian/store.ts'
import { NODE_ENVIRONMENT, childrenSeconds, haveQemu } from './process-time.ts'
import { programOf } from './program.ts'
import { type BenchResult, type BenchRow, geometricMean, median, spreadOf } from './result.ts'

const BOOTARGS = 'console=ttyAMA0 earlycon do=boot'

export interface DebianFiles { readonly kernel: string, readonly initramfs: string }

/** Throws when the kernel has not been fetched. */
export function debianFiles(text: string): DebianFiles {
  const cache = cacheFolder(), manifest = storedKernel(parseDebianName(text), cache)
  if (manifest === undefined) throw new Error(`fetch the kernel first: nidus fetch ${text}`)
  return { kernel: kernelPath(manifest, cache), initramfs: initramfsPath(manifest, cache) }
}

export interface DebianRun { readonly cpuSeconds: number, readonly mainSeconds: number, readonly instructions: number, readonly megabytes: number, readonly touchedMegabytes: number, readonly output: string, readonly translation: Readonly<Record<string, number>> | undefined }

/** One process that boots and ends by power-off. */
export function nidusDebian({ kernel, initramfs }: DebianFiles, profile: string, bootargs: string, translate: boolean): DebianRun {
  const run = spawnSync(process.execPath, ['--no-warnings', programOf('debian-run'), kernel, initramfs, profile, bootargs, '', translate ? 'on' : 'off'], { encoding: 'utf8', maxBuffer: 2 ** 28, env: NODE_ENVIRONMENT })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as DebianRun
}

/** CPU seconds and console of QEMU for the same; undefined where it is not installed. */
export function qemuDebian({ kernel, initramfs }: DebianFiles, cpu: string, bootargs: string): { readonly cpuSeconds: number, readonly output: string } | undefined {
  if (!haveQemu()) return undefined
  const before = childrenSeconds()
  const run = spawnSync('qemu-system-aarch64', [
    '-M', 'virt,gic-version=3', '-cpu', cpu, '-smp', '1', '-m', '1024', '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio', '-monitor', 'none',
    '-kernel', kernel, '-initrd', initramfs, '-append', bootargs,
  ], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (run.status !== 0) throw new Error(run.stderr)
  return { cpuSeconds: childrenSeconds() - before, output: run.stdout }
}

export function bootBench(repeat: number): BenchResult {
  const files = debianFiles('debian:6.12')
  const rows = ([['v8.0', 'cortex-a57'], ['v8.4', 'neoverse-v1']] as const).map(([profile, cpu]): BenchRow => {
    // In turns, so that both see the same load of the host.
    const runs: DebianRun[] = [], others: number[] = []
    for (let i = 0; i < repeat; i++) {
      runs.push(nidusDebian(files, profile, BOOTARGS, true))
      const other = qemuDebian(files, cpu, BOOTARGS)
      if (other !== undefined) others.push(other.cpuSeconds)
    }
    const times = runs.map(run => run.cpuSeconds), nidusCpuS = median(times), qemuCpuS = others.length === 0 ? null : median(others)
    return {
      name: `Debian 6.12 cloud, EL1, ${profile}`, nidusCpuS, qemuCpuS, ratio: qemuCpuS === null ? null : nidusCpuS / qemuCpuS, spread: spreadOf(times),
      mainThreadS: median(runs.map(run => run.mainSeconds)), instructions: runs[0]!.instructions, megabytes: runs[0]!.megabytes, guestMegabytes: runs[0]!.touchedMegabytes,
    }
  })
  return { what: 'boot', rows, ratio: geometricMean(rows) }
}
