/**
 * The library: a machine, the host hypervisor that runs virtual machines on it, and what counts and explains their traps.
 *
 * ```js
 * import { readFileSync } from 'node:fs'
 * import { createL0, createMachine, ExitStatistics } from 'nidus'
 *
 * const guest = name => readFileSync(new URL(import.meta.resolve(`nidus/guests/${name}`)))
 * const exits = new ExitStatistics()
 * const l0 = createL0({ vms: [{ image: guest('mini-kvm-vhe'), initrd: guest('bench'), append: 'vcpus=2', el2: 'vhe', smp: 2, memBytes: 2 ** 27 }] })
 * const machine = createMachine({ profile: 'v8.4', smp: 2, l0, onEvent: exits.sink, console: byte => process.stdout.write(String.fromCharCode(byte)) })
 * console.log(machine.run(), exits.byLevel())
 * ```
 *
 * Nothing here reads a file, a clock or the network: images and devices are handed in as bytes and as objects, so that the same run gives the
 * same counts in Node and in a browser. Input that cannot be used throws `BadInput`; what a guest does never throws.
 *
 * @module nidus
 */

// The machine.
export { createMachine } from './machine/machine.ts'
export type { Machine } from './machine/machine.ts'
export type { FirmwareDevices, MachineOptions, Position, RunLimits } from './machine/options.ts'
export type { Outcome, Unimplemented } from './machine/outcome.ts'
export { FEATURES, profile, PROFILE_NAMES } from './arch/features.ts'
export type { Feature, Profile, ProfileName } from './arch/features.ts'
export { BadInput } from './arch/bad-input.ts'

// What it runs.
export { parseElf, isElf } from './arch/image/elf.ts'
export type { Elf, ElfSegment, ElfSymbol } from './arch/image/elf.ts'
export { imageFormat, unwrapImage } from './arch/image/compressed.ts'
export type { Decompress, ImageFormat } from './arch/image/compressed.ts'
export type { LoadPlan, LoadRequest } from './arch/image/load.ts'

// Its devices.
export type { BlockBacking, BlockPlug, ConsolePlug, EntropyPlug, HostNetwork, HostRequest, NetworkPlug, OutsideEvent, Plug, ShareFiles, SharePlug } from './devices/plug.ts'
export { OverlayBacking } from './devices/virtio/overlay.ts'

// Virtual machines on it.
export { createL0 } from './vmm/index.ts'
export type { L0Options, Paravirtualised, VirtualEL2, VmDescription, VmEnd } from './vmm/index.ts'

// What happened.
export type { EntryEvent, ExceptionEvent, ExitEvent, InterruptEvent, Level, MarkerEvent, MmioEvent, NestedExceptionEvent, NestedReturnEvent, ReturnEvent, TraceEvent, TraceSink } from './trace/event.ts'
export { ExitStatistics } from './trace/exit-statistics.ts'
export type { ExitRow } from './trace/exit-statistics.ts'
export { PerfettoTrace } from './trace/perfetto.ts'
export type { PerfettoOptions } from './trace/perfetto.ts'
export { TextTrace } from './trace/text.ts'
export type { EventName, TextTraceOptions } from './trace/text.ts'

// The paper's experiments: operations that a guest marks, what each costs.
export { BENCHMARKS } from './lab/benchmarks.ts'
export type { Benchmark } from './lab/benchmarks.ts'
export { OperationCollector, whyLines } from './lab/operations.ts'
export type { Operation, Summary, Trap, WhyLine } from './lab/operations.ts'
export { measure } from './lab/experiment.ts'
export type { Guests, Measurement, MeasureOptions } from './lab/experiment.ts'
export type { Configuration } from './lab/paper.ts'
export { neve2017 } from './lab/cost-models.ts'
export type { CostModel } from './arch/cost.ts'

// What an access does, and why.
export { explain } from './sysreg/explain.ts'
export type { Explanation, ExplainOptions } from './sysreg/explain.ts'
export { matrix } from './sysreg/matrix.ts'
export type { MatrixOptions } from './sysreg/matrix.ts'

// Snapshots as files.
export { readSnapshotFile, recipeOf, restoreMachine, writeSnapshot } from './snapshot/index.ts'
export type { Attachments, Packing, SnapshotFile } from './snapshot/index.ts'
