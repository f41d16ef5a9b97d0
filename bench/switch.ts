/** `npm run bench -- switch`: trapped register accesses (L1 to L0 and back) per CPU second of the whole process, by L0's policy. */
import { spawnSync } from 'node:child_process'
import { NODE_ENVIRONMENT } from './process-time.ts'
import { programOf } from './program.ts'
import { median, spreadOf, type BenchResult, type BenchRow } from './result.ts'

export function switchBench(operations: number, repeat: number): BenchResult {
  const rows = (['lazy', 'split'] as const).map((policy): BenchRow => {
    const runs = Array.from({ length: repeat }, () => {
      const run = spawnSync(process.execPath, ['--no-warnings', programOf('switch-run'), policy, String(operations)], { encoding: 'utf8', env: NODE_ENVIRONMENT })
      if (run.status !== 0) throw new Error(run.stderr)
      return JSON.parse(run.stdout) as { traps: number, cpuSeconds: number }
    })
    const times = runs.map(run => run.cpuSeconds)
    return { name: `v8.3 nVHE hypercall, ${policy}`, nidusCpuS: median(times), qemuCpuS: null, ratio: null, spread: spreadOf(times), traps: runs[0]!.traps, trapsPerCpuSecond: Math.round(runs[0]!.traps / median(times)) }
  })
  // QEMU has no FEAT_NV without FEAT_NV2 and no hypervisor of ours: nothing to compare with.
  return { what: 'switch', rows, ratio: null }
}
