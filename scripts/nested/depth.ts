/**
 * What an operation of the deepest VM costs by depth: the microbenchmarks of `guests/bench` in a VM of L0 (depth 1), below Linux (2), below Linux
 * below Linux (3) and so on. Every hypervisor below L0 is Debian's 7.x, with `kvm-arm.mode=nested` where its VM is one as well. `bare`: the same
 * without our L0, whose place the outermost Linux takes.
 */
import { BENCHMARKS } from '../../src/lab/benchmarks.ts'
import type { Benchmark } from '../../src/lab/benchmarks.ts'
import { LINUX_QUIET } from '../../src/lab/linux.ts'
import { isFromSystemInstruction } from '../../src/arch/esr.ts'
import { kernelSymbols } from '../../src/lab/kernel-symbols.ts'
import { OperationCollector, whyLines } from '../../src/lab/operations.ts'
import type { Summary, WhyLine } from '../../src/lab/operations.ts'
import type { TraceEvent } from '../../src/trace/event.ts'
import { benchGuest, hypervisor, hypervisorGuest, kernel } from './levels.ts'
import { buildMachine } from './machine.ts'
import type { Boot } from './machine.ts'

const KERNEL = '7', VCPUS = 2
const NESTED = ' kvm-arm.mode=nested'
/** A run that needs more has gone wrong. */
const MOST_INSTRUCTIONS = 120_000_000_000

export interface Depth {
  readonly depth: number
  readonly bare: boolean
  readonly summaries: Readonly<Record<Benchmark, Summary | undefined>>
  /** Of the whole run, boots included. */
  readonly instructions: number
  readonly traps: number
  readonly seconds: number
}

/** The operations are the same at every depth, and fewer where each is a million traps. */
const operationsAt = (depth: number): { readonly measured: number, readonly warm: number } => depth < 4 ? { measured: 64, warm: 16 } : { measured: 16, warm: 4 }

async function bootOf(depth: number, bare: boolean): Promise<Boot> {
  const { measured, warm } = operationsAt(depth)
  let guest = benchGuest(VCPUS, 3, `quiet=1 ops=${measured} warm=${warm}`)
  // With L0 there is one Linux less than levels; without, Linux is level 0.
  const linuxes = bare ? depth : depth - 1
  if (linuxes === 0) return { image: guest.files['kernel']!, append: `quiet=1 ops=${measured} warm=${warm}`, megabytes: guest.megabytes }
  for (let n = 1; n < linuxes; n++) guest = await hypervisorGuest(KERNEL, guest, `${LINUX_QUIET}${n > 1 ? NESTED : ''}`, VCPUS)
  const { image, initrd, vmm, megabytes } = await hypervisor(KERNEL, guest)
  return { image, initrd, append: `${LINUX_QUIET}${linuxes > 1 ? NESTED : ''} -- ${vmm}`, megabytes }
}

/** Throws if it does not come to the end of the benchmark. */
export async function measureDepth(depth: number, bare: boolean, look?: (text: string) => void): Promise<Depth> {
  const collector = new OperationCollector()
  let traps = 0, printed = ''
  const machine = buildMachine(await bootOf(depth, bare), {
    bare, arch: 'v8.4', smp: VCPUS, el2: depth > 1, recursion: depth > 2, console: byte => { printed += String.fromCharCode(byte) },
    machine: {
      quantum: 100,
      onEvent: (event: TraceEvent) => {
        // What software at EL2 takes from itself is no trap.
        if (event.kind === 'exception' && event.to === 2) {
          if (event.from === 2) return
          traps++
        }
        collector.sink(event)
      },
    },
  })
  const before = process.cpuUsage()
  while (machine.instructions < MOST_INSTRUCTIONS && machine.run({ maxInstructions: 1_000_000_000 }).kind === 'limit') {
    look?.(`depth ${depth}: ${(machine.instructions / 1e9).toFixed(1)} G instructions, ${traps} traps, ${(machine.nanoseconds / 1e9).toFixed(2)} s of virtual time, ${collector.operations.length} operations\n`)
  }
  const { user, system } = process.cpuUsage(before)
  if (!printed.includes('bench: done')) throw new Error(`depth ${depth} printed:\n${printed}`)
  const summaries = Object.fromEntries(BENCHMARKS.map(each => [each, collector.summary(each, 0)])) as Record<Benchmark, Summary | undefined>
  return { depth, bare, summaries, instructions: machine.instructions, traps, seconds: (user + system) / 1e6 }
}

/** The traps of one operation with the commonest number of them, in order, with the functions of the outermost guest hypervisor. */
export async function whyDepth({ summaries }: Depth, benchmark: Benchmark): Promise<WhyLine[]> {
  const operation = summaries[benchmark]?.typical
  if (operation === undefined) return []
  // What a Linux executed at EL1: system instructions, by which its place is found.
  const trapped = operation.traps.filter(({ exception }) => exception.from === 1 && exception.type === 'sync' && isFromSystemInstruction(exception.syndrome)).map(({ exception }) => exception.pc)
  const symbolAt = kernelSymbols((await kernel(KERNEL)).image, trapped)
  return whyLines(operation, pc => symbolAt(pc))
}
