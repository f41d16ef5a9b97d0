/** Nested runs of our own guests, on every kind of machine, as snapshots and recordings are tested with. */
import { readFileSync } from 'node:fs'
import type { ProfileName } from '../../src/arch/features.ts'
import { PACKING } from '../../src/cli/packing.ts'
import { Machine } from '../../src/machine/machine.ts'
import type { MachineOptions } from '../../src/machine/options.ts'
import { writeSnapshot } from '../../src/snapshot/index.ts'
import type { SnapshotFile } from '../../src/snapshot/index.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { L0Options } from '../../src/vmm/index.ts'

export interface NestedRun {
  readonly profile: ProfileName
  /** L0 rewrites the guest hypervisor. */
  readonly paravirt?: 'nv' | 'neve'
  readonly guest: 'nvhe' | 'vhe'
  readonly gic: 2 | 3
  readonly vcpus: number
  readonly pes: number
  readonly policy: 'split' | 'lazy'
}

export const NESTED_RUNS: readonly NestedRun[] = [
  { profile: 'v8.3', guest: 'nvhe', gic: 2, vcpus: 2, pes: 2, policy: 'lazy' },
  { profile: 'v8.3', guest: 'vhe', gic: 3, vcpus: 2, pes: 2, policy: 'split' },
  { profile: 'neve', guest: 'vhe', gic: 2, vcpus: 2, pes: 2, policy: 'lazy' },
  { profile: 'neve', guest: 'nvhe', gic: 3, vcpus: 1, pes: 1, policy: 'split' },
  { profile: 'v8.4', guest: 'nvhe', gic: 2, vcpus: 2, pes: 2, policy: 'split' },
  { profile: 'v8.4', guest: 'vhe', gic: 3, vcpus: 2, pes: 2, policy: 'lazy' },
  // Two vCPUs of L1 take turns on one PE; four on four.
  { profile: 'v8.4', guest: 'nvhe', gic: 3, vcpus: 2, pes: 1, policy: 'lazy' },
  { profile: 'v8.3', guest: 'vhe', gic: 2, vcpus: 4, pes: 4, policy: 'lazy' },
  { profile: 'v8.0', paravirt: 'nv', guest: 'nvhe', gic: 2, vcpus: 2, pes: 2, policy: 'lazy' },
  { profile: 'v8.0', paravirt: 'neve', guest: 'vhe', gic: 3, vcpus: 2, pes: 2, policy: 'split' },
]

export const nameOf = ({ profile, paravirt, guest, gic, vcpus, pes, policy }: NestedRun): string => `${profile}${paravirt === undefined ? '' : ` paravirtual ${paravirt}`} ${guest} GICv${gic} ${policy}, ${vcpus} vCPUs on ${pes} PEs`

const built = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const MEGABYTE = 1 << 20

export interface NestedOptions { readonly machine: MachineOptions, readonly l0: L0Options }

export function nestedOptions({ profile, paravirt, guest, gic, vcpus, pes, policy }: NestedRun): NestedOptions {
  return {
    machine: { gic, profile, smp: pes, memBytes: 160 * MEGABYTE, quantum: 100 },
    // Trampolines need symbols.
    l0: { policy, vms: [{ image: built(`mini-kvm-${guest}${paravirt === 'neve' ? '.elf' : ''}`), ...(paravirt === undefined ? {} : { paravirt }), initrd: built('bench'), append: `vcpus=${vcpus} -- ops=16 warm=4`, smp: vcpus, el2: 'nvhe-or-vhe', memBytes: 128 * MEGABYTE }] },
  }
}

export function nestedMachine(run: NestedRun, more: Partial<MachineOptions> = {}): Machine {
  const { machine, l0 } = nestedOptions(run)
  return new Machine({ ...machine, l0: createL0(l0), ...more })
}

export async function fileOf(file: SnapshotFile): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of writeSnapshot(file, PACKING)) parts.push(part)
  return new Uint8Array(Buffer.concat(parts))
}
