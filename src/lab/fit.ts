/**
 * Fits the cost model `neve-2017` to single-level figures of the paper's machine (design D8). Nothing nested enters: this file may not
 * import data/published.ts (a test looks).
 *
 * Every figure is a linear function of the costs, because a run charges count x cost. The counts are measured by running the plain VM
 * with one group of costs at a time. Five free parameters, six figures:
 *   scale      of the published breakdown of a world switch: system registers, general registers, FP, GICH frame
 *   runLoop    cycles of the host part's run loop around one exit
 *   device     MMIO decode and emulation of a GIC register
 *   interrupt  the host's handling of the kick and the flush of a list register
 *   frameWrite a write to the GIC's CPU interface
 * Exception entry and return are published raw and used as they are.
 */
import { UNIT_COSTS, type CostModel } from '../arch/cost.ts'
import { WORK } from '../hypervisor/work.ts'
import { BENCHMARKS, type Benchmark } from './benchmarks.ts'
import { BREAKDOWN_ACCESSES, ISCA, PLAIN_VM, SWITCH_BREAKDOWN, TRAP, type Figure } from './data/single-level.ts'

export const PARAMETERS = ['scale', 'runLoop', 'device', 'interrupt', 'frameWrite'] as const
export type Parameter = (typeof PARAMETERS)[number]
export type Parameters = Readonly<Record<Parameter, number>>

/** Mean cycles of each benchmark in a plain VM under these costs. */
export type MeasurePlainVm = (costs: CostModel) => Readonly<Record<Benchmark, number>>

export interface FittedFigure { readonly figure: Figure, readonly modelled: number, readonly fitted: boolean }
export interface Fit {
  readonly model: CostModel
  readonly parameters: Parameters
  readonly figures: readonly FittedFigure[]
}

/** One 64-bit load or store that hits the first-level cache. */
const MEMORY_ACCESS = 2
/** ISCA's kernel is older: its figures count less than those of the kernel that is imitated. */
const WEIGHT = { plainVm: 1, isca: 0.3 }

const group = (name: (typeof SWITCH_BREAKDOWN)[number]['group']) => SWITCH_BREAKDOWN.find(each => each.group === name)!
const ZERO_FRAMES = { GICD: 0, GICR: 0, GICC: 0, GICH: 0, GICV: 0, device: 0 }
const ZERO: CostModel = {
  ...UNIT_COSTS, name: 'zero', exceptionEntry: TRAP.exceptionEntry.cycles, exceptionReturn: TRAP.exceptionReturn.cycles,
  systemRegisterRead: 0, systemRegisterWrite: 0, gicRegisterRead: 0, gicRegisterWrite: 0, memoryAccess: 0, tlbi: 0, at: 0, barrier: 0, fpSave: 0, fpRestore: 0,
  frameRead: ZERO_FRAMES, frameWrite: ZERO_FRAMES,
  // The crossing between the hypervisor and the host part is one return and one exception.
  work: { ...Object.fromEntries(Object.values(WORK).map(name => [name, 0])), [WORK.toHostPart]: TRAP.exceptionReturn.cycles, [WORK.fromHostPart]: TRAP.exceptionEntry.cycles },
}

/** Register accesses of one exit and entry, by running. */
interface SwitchCounts { readonly reads: number, readonly writes: number }

/** Costs at these parameter values; not rounded. */
function costsAt(p: Parameters, counts: SwitchCounts): CostModel {
  const general = group('general registers'), fp = group('FP registers'), vgic = group('VGIC registers')
  const others = ['EL1 system registers', 'timer registers', 'EL2 configuration registers', 'EL2 virtual memory registers'] as const
  const saves = others.reduce((sum, name) => sum + group(name).save, 0), restores = others.reduce((sum, name) => sum + group(name).restore, 0)
  const read = Math.max(0, saves / counts.reads - MEMORY_ACCESS), write = Math.max(0, restores / counts.writes - MEMORY_ACCESS)
  const frameWrite = vgic.restore / BREAKDOWN_ACCESSES.vgicWritesOnRestore
  const frameRead = (vgic.save - BREAKDOWN_ACCESSES.vgicWritesOnSave * frameWrite) / BREAKDOWN_ACCESSES.vgicReads
  const s = p.scale
  return {
    ...ZERO, name: 'neve-2017/1',
    systemRegisterRead: s * read, systemRegisterWrite: s * write, gicRegisterRead: s * read, gicRegisterWrite: s * write, memoryAccess: s * MEMORY_ACCESS,
    tlbi: s * write, at: s * write, fpSave: s * fp.save, fpRestore: s * fp.restore,
    frameRead: { GICD: s * frameRead, GICR: s * frameRead, GICC: s * frameRead, GICH: s * frameRead, GICV: s * frameRead, device: s * frameRead },
    frameWrite: { GICD: p.frameWrite, GICR: p.frameWrite, GICC: p.frameWrite, GICH: s * frameWrite, GICV: p.frameWrite, device: p.frameWrite },
    work: {
      ...ZERO.work, [WORK.saveGeneral]: s * general.save, [WORK.restoreGeneral]: s * general.restore, [WORK.runLoop]: p.runLoop,
      // In-kernel emulation of a device register; leaving to the VMM is not among the figures.
      [WORK.mmio]: p.device / 2, [WORK.vgicMmio]: p.device / 2,
      [WORK.hostInterrupt]: p.interrupt / 2, [WORK.vgicFlush]: p.interrupt / 2,
      // What a single-level figure cannot tell is priced like what it resembles: emulating a register is a memory access or two.
      [WORK.walk]: s * MEMORY_ACCESS, [WORK.copyRegister]: 2 * s * MEMORY_ACCESS,
    },
  }
}

/** Steps of the numerical derivative: large beside the rounding, small beside a timer period. */
const STEP: Parameters = { scale: 0.25, runLoop: 400, device: 400, interrupt: 400, frameWrite: 50 }
const ROUNDS = 3

/** What the kernel of ISCA 2016 does on top in one exit and entry: FP both ways, and the whole GICH frame. */
function eagerExtra(costs: CostModel): number {
  const { vgicReads, vgicWritesOnSave, vgicWritesOnRestore } = BREAKDOWN_ACCESSES
  return costs.fpSave + costs.fpRestore + (vgicReads - 1) * costs.frameRead.GICH + (vgicWritesOnSave + vgicWritesOnRestore - 1) * costs.frameWrite.GICH
}

export function fit(measure: MeasurePlainVm): Fit {
  const none: Parameters = { scale: 0, runLoop: 0, device: 0, interrupt: 0, frameWrite: 0 }
  const base = measure(ZERO)
  const counts: SwitchCounts = {
    reads: measure({ ...ZERO, systemRegisterRead: 1000 }).hypercall / 1000 - base.hypercall / 1000,
    writes: measure({ ...ZERO, systemRegisterWrite: 1000 }).hypercall / 1000 - base.hypercall / 1000,
  }
  const rows = [
    ...BENCHMARKS.map(benchmark => ({ figure: PLAIN_VM[benchmark] as Figure, benchmark, extra: 0, weight: WEIGHT.plainVm })),
    ...(['hypercall', 'deviceIo'] as const).map(benchmark => ({ figure: ISCA[benchmark] as Figure, benchmark: benchmark as Benchmark, extra: 1, weight: WEIGHT.isca })),
  ]
  const extraPerScale = eagerExtra(costsAt({ ...none, scale: 1 }, counts))
  // Gauss-Newton: a virtual IPI is not quite linear, because its sender polls.
  let parameters: Parameters = { scale: 1, runLoop: 500, device: 500, interrupt: 2000, frameWrite: 50 }
  for (let round = 0; round < ROUNDS; round++) {
    const here = measure(costsAt(parameters, counts))
    const slopes = PARAMETERS.map(name => {
      const moved = measure(costsAt({ ...parameters, [name]: parameters[name] + STEP[name] }, counts))
      return (benchmark: Benchmark) => (moved[benchmark] - here[benchmark]) / STEP[name]
    })
    const matrix = rows.map(({ benchmark, extra, weight, figure }) =>
      slopes.map((slope, i) => (slope(benchmark) + (PARAMETERS[i] === 'scale' ? extra * extraPerScale : 0)) * weight / figure.cycles))
    const target = rows.map(({ benchmark, extra, weight, figure }) => (figure.cycles - here[benchmark] - extra * extraPerScale * parameters.scale) * weight / figure.cycles)
    const step = leastSquares(matrix, target)
    parameters = Object.fromEntries(PARAMETERS.map((name, i) => [name, Math.max(0, Math.round((parameters[name] + step[i]!) * 1000) / 1000)])) as Record<Parameter, number>
  }
  const model = rounded(costsAt(parameters, counts))
  const final = measure(model)
  const figures = [
    ...rows.map(({ figure, benchmark, extra }) => ({ figure, modelled: final[benchmark] + extra * eagerExtra(model), fitted: true })),
    // One eager switch on each side; not fitted, because the recalled difference between the kernels is smaller than one switch.
    { figure: ISCA.virtualIpi as Figure, modelled: final.virtualIpi + 2 * eagerExtra(model), fitted: false },
  ]
  return { model, parameters, figures }
}

const roundAll = <T extends Readonly<Record<string, number>>>(values: T): T => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Math.round(value)])) as unknown as T

/** Integer cycles, as CostModel promises. */
function rounded(model: CostModel): CostModel {
  const { name, frameRead, frameWrite, work, ...numbers } = model
  return { name, ...roundAll(numbers), frameRead: roundAll(frameRead), frameWrite: roundAll(frameWrite), work: roundAll(work) }
}

/** Solves the normal equations by elimination with pivoting; the systems here have five unknowns. */
function leastSquares(A: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = A[0]!.length
  const M = Array.from({ length: n }, (_, i) => [...Array.from({ length: n }, (_, j) => A.reduce((sum, row) => sum + row[i]! * row[j]!, 0)), A.reduce((sum, row, k) => sum + row[i]! * b[k]!, 0)])
  for (let i = 0; i < n; i++) {
    let pivot = i
    for (let k = i + 1; k < n; k++) if (Math.abs(M[k]![i]!) > Math.abs(M[pivot]![i]!)) pivot = k
    if (Math.abs(M[pivot]![i]!) < 1e-12) throw new Error(`parameter ${PARAMETERS[i]} is not determined by the figures`)
    ;[M[i], M[pivot]] = [M[pivot]!, M[i]!]
    for (let k = 0; k < n; k++) {
      if (k === i) continue
      const factor = M[k]![i]! / M[i]![i]!
      for (let j = i; j <= n; j++) M[k]![j]! -= factor * M[i]![j]!
    }
  }
  return M.map((row, i) => row[n]! / row[i]!)
}
