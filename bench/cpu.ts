/**
 * `npm run bench -- cpu`: programs of our own against QEMU's system emulator. Six are bare Images (guests/yard/yard.c), three are about a
 * kernel: system calls, page faults and fork of a program that is the init process of Debian's 6.12 cloud kernel, the kernel's boot included.
 * One more row has no rival: the interpreter alone (`mips`). CPU seconds of whole processes, background compilation included. Sizes are such
 * that QEMU takes about 10 s for a row (`--size` percent).
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DebianFiles, debianFiles, nidusDebian, qemuDebian } from './boot.ts'
import { cpioOf } from './cpio.ts'
import { NODE_ENVIRONMENT, childrenSeconds, haveQemu } from './process-time.ts'
import { programOf } from './program.ts'
import { geometricMean, median, spreadOf, type BenchResult, type BenchRow } from './result.ts'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const ROW_OFFSET = 64, ROUNDS_OFFSET = 72

/** Name, number in yard.c, rounds for about 10 s of QEMU. */
const BARE = [['integer mix', 0, 9000], ['sha256', 1, 15_000], ['memory copies', 2, 3000], ['qsort', 3, 2400], ['interpreter loop', 4, 62_000], ['double matrix', 5, 3700]] as const
/** Name, first letter for linux.c, rounds. */
const LINUX = [['system calls', 's', 700], ['page faults', 'f', 1200], ['fork', 'c', 500]] as const

export interface Measured { readonly cpuSeconds: number, readonly mainSeconds: number, readonly instructions: number }

function bareImage(directory: string, row: number, rounds: number): string {
  const bytes = readFileSync(path('../guests/yard/yard.bin')), file = join(directory, `yard-${row}.bin`)
  bytes.writeBigUInt64LE(BigInt(row), ROW_OFFSET)
  bytes.writeBigUInt64LE(BigInt(rounds), ROUNDS_OFFSET)
  writeFileSync(file, bytes)
  return file
}

export function nidusBare(image: string, translate: boolean): Measured & { readonly checksum: string } {
  const run = spawnSync(process.execPath, ['--no-warnings', programOf('cpu-run'), image, translate ? 'on' : 'off'], { encoding: 'utf8', env: NODE_ENVIRONMENT })
  if (run.status !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as Measured & { readonly checksum: string }
}

/** CPU seconds of QEMU for the same image; undefined where it is not installed. */
function qemuBare(image: string): { readonly cpuSeconds: number } | undefined {
  if (!haveQemu()) return undefined
  const before = childrenSeconds()
  const run = spawnSync('qemu-system-aarch64', ['-M', 'virt', '-cpu', 'cortex-a57', '-m', '64', '-display', 'none', '-serial', 'none', '-monitor', 'none', '-nic', 'none', '-kernel', image])
  if (run.status !== 0) throw new Error(String(run.stderr))
  return { cpuSeconds: childrenSeconds() - before }
}

/** The row of `repeat` runs of both, in turns, so that they see the same load of the host. */
function measure(name: string, repeat: number, nidus: () => Measured, qemu: () => { readonly cpuSeconds: number } | undefined): BenchRow {
  const runs: Measured[] = [], others: number[] = []
  for (let i = 0; i < repeat; i++) {
    runs.push(nidus())
    const other = qemu()
    if (other !== undefined) others.push(other.cpuSeconds)
  }
  const times = runs.map(run => run.cpuSeconds), nidusCpuS = median(times), qemuCpuS = others.length === 0 ? null : median(others)
  process.stderr.write(`${name}: ${nidusCpuS.toFixed(2)} s, QEMU ${qemuCpuS?.toFixed(2) ?? '-'} s\n`)
  return {
    name, nidusCpuS, qemuCpuS, ratio: qemuCpuS === null ? null : nidusCpuS / qemuCpuS, spread: spreadOf(times),
    mainThreadS: median(runs.map(run => run.mainSeconds)), mips: Math.round(runs[0]!.instructions / nidusCpuS / 1e6),
  }
}

/** Files of a run of guests/yard/linux.c. */
export function yardInitramfs(directory: string): DebianFiles {
  const initramfs = join(directory, 'yard.cpio')
  writeFileSync(initramfs, cpioOf('init', readFileSync(path('../guests/yard/linux'))))
  return { kernel: debianFiles('debian:6.12').kernel, initramfs }
}

/** What the program has printed. */
const lineOf = (output: string): string => /YARD [0-9a-f]{16}/.exec(output)?.[0] ?? output

export function cpuBench(percent: number, repeat: number): BenchResult {
  const directory = mkdtempSync(join(tmpdir(), 'nidus-bench-'))
  const scaled = (rounds: number): number => Math.max(1, Math.round(rounds * percent / 100))
  try {
    const rows = BARE.map(([name, row, rounds]): BenchRow => {
      const image = bareImage(directory, row, scaled(rounds))
      return measure(name, repeat, () => nidusBare(image, true), () => qemuBare(image))
    })
    // What T0 promises is looked at alone, with a fifth of the rounds.
    const [name, row, rounds] = BARE[0], image = bareImage(directory, row, scaled(rounds / 5))
    const interpreted = measure(`${name}, T0 alone`, repeat, () => nidusBare(image, false), () => undefined)
    const files = yardInitramfs(directory)
    for (const [name, letter, rounds] of LINUX) {
      const bootargs = `console=ttyAMA0 quiet -- ${letter} ${scaled(rounds)}`
      const seen = new Set<string>()
      const noting = <R extends { readonly output: string }>(run: R | undefined): R | undefined => {
        if (run !== undefined) seen.add(lineOf(run.output))
        return run
      }
      rows.push(measure(name, repeat, () => noting(nidusDebian(files, 'v8.0', bootargs, true))!, () => noting(qemuDebian(files, 'cortex-a57', bootargs))))
      if (seen.size !== 1 || ![...seen][0]!.startsWith('YARD')) throw new Error(`${name}: results differ: ${[...seen].join('; ')}`)
    }
    return { what: 'cpu', rows: [...rows, interpreted], ratio: geometricMean(rows) }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
