/** Runs one configuration of the paper to the end of the benchmark and hands out what was measured. */
import { BadInput } from '../arch/bad-input.ts'
import type { CostModel } from '../arch/cost.ts'
import type { Feature } from '../arch/features.ts'
import { parseElf, type Elf } from '../arch/image/elf.ts'
import { isFromSystemInstruction } from '../arch/esr.ts'
import { createMachine } from '../machine/machine.ts'
import type { ExitEvent } from '../trace/event.ts'
import { createL0, type Paravirtualised } from '../vmm/index.ts'
import type { Benchmark } from './benchmarks.ts'
import { neve2017 } from './cost-models.ts'
import { kernelSymbols } from './kernel-symbols.ts'
import { LINUX_MEMORY, vmmBootargs, vmmInitramfs, whyItEnded, type LinuxHypervisor } from './linux.ts'
import { OperationCollector, type Summary } from './operations.ts'
import type { Configuration } from './paper.ts'

/** ELF files of the guests; `benchImage` is bench as an arm64 Image, which the guest hypervisor loads as its initrd. */
export interface Guests {
  readonly nvhe: Uint8Array
  readonly vhe: Uint8Array
  readonly bench: Uint8Array
  readonly benchImage: Uint8Array
}

export interface Measurement {
  readonly summary: (benchmark: Benchmark) => Summary | undefined
  /** Symbol of an address in the software that runs at `level`. */
  readonly symbolAt: (pc: bigint, level: ExitEvent['level'] | undefined) => string | undefined
  readonly traceHash: string | undefined
  /** What became of the guest hypervisor's binary on v8.0. */
  readonly rewriting: Paravirtualised | undefined
}

export interface MeasureOptions {
  readonly costs?: CostModel
  /** World-switch policy of L0. */
  readonly policy?: 'split' | 'lazy'
  readonly hash?: boolean
  /** Features that neither the machine nor the VM has. */
  readonly hide?: readonly Feature[]
  /** The guest hypervisor instead of mini-kvm. */
  readonly linux?: LinuxHypervisor
}

/** Operations of each benchmark that are measured, and run before without markers. */
const WARM = 16, MEASURED = 64
const VCPUS = 2
/** The paper's machine has eight. */
const PES = 8
const MEMORY = { machine: 192 * 2 ** 20, vm: 128 * 2 ** 20 }
/** Of the virtual IPI: no PE runs further ahead (design D9). */
const QUANTUM = 100
/** A run that needs more has gone wrong: the slowest needs about a tenth. */
const MOST_INSTRUCTIONS = 400_000_000
/** Linux needs about one thousand million to boot. */
const MOST_INSTRUCTIONS_LINUX = 8_000_000_000

export function measure(configuration: Configuration, guests: Guests, options: MeasureOptions = {}): Measurement {
  const { arch, level, guest, paravirt, gic } = configuration
  const collector = new OperationCollector()
  const printed: number[] = []
  let rewriting: Paravirtualised | undefined
  const nested = level === 'nested'
  const image = guest === null ? guests.bench : guests[guest]
  // Every character that the nested VM prints costs hundreds of traps.
  const arguments_ = `quiet=1 ops=${MEASURED} warm=${WARM}`
  const linux = nested ? options.linux : undefined
  const memory = linux === undefined ? MEMORY : { vm: LINUX_MEMORY, machine: LINUX_MEMORY + MEMORY.machine - MEMORY.vm }
  const machine = createMachine({
    board: gic === 2 ? 'moonshot' : 'virt', gic, smp: PES, memBytes: memory.machine, profile: arch, quantum: QUANTUM,
    costs: options.costs ?? neve2017, onEvent: collector.sink, hash: options.hash ?? false, hide: options.hide ?? [],
    l0: createL0({
      policy: options.policy ?? 'split',
      vms: [{
        image, memBytes: memory.vm, smp: VCPUS, gic, append: nested ? `vcpus=${VCPUS} -- ${arguments_}` : arguments_,
        ...(guest === null ? {} : { initrd: guests.benchImage, el2: guest }),
        ...(linux === undefined ? {} : {
          // Kernels write HCR_EL2 with E2H=0 first.
          image: linux.image, initrd: vmmInitramfs(linux.vmm, { kernel: guests.benchImage }), el2: guest === 'vhe' ? 'nvhe-or-vhe' : 'nvhe',
          append: vmmBootargs(linux.bootargs ?? '', VCPUS, arguments_),
        }),
        ...(paravirt === null ? {} : { paravirt, onRewritten: (result: Paravirtualised) => { rewriting = result } }),
        console: byte => { printed.push(byte) },
      }],
    }),
  })
  const outcome = machine.run({ maxInstructions: linux === undefined ? MOST_INSTRUCTIONS : MOST_INSTRUCTIONS_LINUX })
  const text = String.fromCharCode(...printed)
  // An image that is no kernel can print the same.
  if (outcome.kind !== 'off' || !text.includes('bench: done') || (linux !== undefined && !text.includes('vmm: '))) {
    if (linux?.supplied !== undefined) throw new BadInput('guest hypervisor', `${linux.supplied} did not come to the end of the benchmark as ${guest === 'vhe' ? 'VHE' : 'nVHE'} on ${arch}: ${whyItEnded(text, outcome.kind, machine.instructions)}`)
    throw new Error(`${JSON.stringify(configuration)} ended with ${JSON.stringify(outcome, (_, value: unknown) => typeof value === 'bigint' ? `0x${value.toString(16)}` : value)} after ${machine.instructions} instructions and printed:\n${text}`)
  }
  const symbols = new Map<Uint8Array, Elf>()
  let kernel: ((pc: bigint) => string | undefined) | undefined
  /** Of Linux: from its own table, at the first use. */
  const kernelAt = (pc: bigint, { image: kernelImage }: LinuxHypervisor): string | undefined => {
    kernel ??= kernelSymbols(kernelImage, collector.operations.flatMap(({ traps }) => traps.filter(({ exception, exit }) => exit?.level !== 'L2' && exception.type === 'sync' && isFromSystemInstruction(exception.syndrome)).map(({ exception }) => exception.pc)))
    return kernel(pc)
  }
  const elf = (bytes: Uint8Array): Elf => symbols.get(bytes) ?? symbols.set(bytes, parseElf(bytes)).get(bytes)!
  return {
    summary: benchmark => collector.summary(benchmark, 0),
    symbolAt: (pc, running) => running === 'L2' || guest === null ? elf(guests.bench).symbolize(pc) : linux === undefined ? elf(image).symbolize(pc) : kernelAt(pc, linux),
    traceHash: machine.traceHash(),
    rewriting,
  }
}
