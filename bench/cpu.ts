/**
 * The engine alone on an integer mix, against QEMU's system emulator: `npm run bench -- cpu`; 10,000 rounds are 12.6 G instructions, about 10 s of QEMU.
 * CPU seconds of whole processes, background compilation included.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childrenSeconds, haveQemu } from './process-time.ts'
import { median, spreadOf, type BenchResult, type BenchRow } from './result.ts'

const image = fileURLToPath(new URL('../guests/yard/mix.bin', import.meta.url))
const guest = fileURLToPath(new URL('./cpu-guest.ts', import.meta.url))

/** CPU seconds of QEMU for the same image; null where it is not installed. */
function qemu(rounds: number): number | null {
  if (!haveQemu()) return null
  const directory = mkdtempSync(join(tmpdir(), 'nidus-bench-'))
  try {
    const bytes = readFileSync(image)
    bytes.writeBigUInt64LE(BigInt(rounds), 8)
    const kernel = join(directory, 'mix.bin')
    writeFileSync(kernel, bytes)
    const before = childrenSeconds()
    const run = spawnSync('qemu-system-aarch64', ['-M', 'virt', '-cpu', 'cortex-a72', '-m', '64', '-display', 'none', '-serial', 'none', '-monitor', 'none', '-nic', 'none', '-kernel', kernel])
    return run.status === 0 ? childrenSeconds() - before : null
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export function cpuBench(rounds: number, repeat: number): BenchResult {
  const runs = Array.from({ length: repeat }, () => {
    const run = spawnSync(process.execPath, [guest, image, String(rounds)], { encoding: 'utf8' })
    if (run.status !== 0) throw new Error(run.stderr)
    return JSON.parse(run.stdout) as { instructions: number, cpuSeconds: number }
  })
  const times = runs.map(run => run.cpuSeconds), nidusCpuS = median(times)
  const others = Array.from({ length: repeat }, () => qemu(rounds)).filter(time => time !== null)
  const qemuCpuS = others.length === 0 ? null : median(others)
  const ratio = qemuCpuS === null ? null : nidusCpuS / qemuCpuS
  const row: BenchRow = {
    name: 'integer mix', nidusCpuS, qemuCpuS, ratio, spread: spreadOf(times),
    mips: Math.round(runs[0]!.instructions / nidusCpuS / 1e6),
  }
  return { what: 'cpu', rows: [row], ratio }
}
