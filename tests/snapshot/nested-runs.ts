/** Nested runs of our own guests, on every kind of machine, as snapshots and recordings are tested with. */
import { readFileSync } from 'node:fs'
import type { ProfileName } from '../../src/arch/features.ts'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'

export interface NestedRun {
  readonly profile: ProfileName
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
]

export const nameOf = ({ profile, guest, gic, vcpus, pes, policy }: NestedRun): string => `${profile} ${guest} GICv${gic} ${policy}, ${vcpus} vCPUs on ${pes} PEs`

const built = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const MEGABYTE = 1 << 20

export function nestedMachine({ profile, guest, gic, vcpus, pes, policy }: NestedRun, more: { readonly translate?: boolean, readonly console?: (byte: number) => void } = {}): Machine {
  return new Machine({
    gic, profile, smp: pes, memBytes: 160 * MEGABYTE, quantum: 100, ...(more.translate === true ? { translate: true, translateAfter: 64 } : {}),
    l0: createL0({
      policy, vms: [{
        image: built(`mini-kvm-${guest}`), initrd: built('bench'), append: `vcpus=${vcpus} -- ops=16 warm=4`, smp: vcpus, el2: 'nvhe-or-vhe', memBytes: 128 * MEGABYTE,
        ...(more.console === undefined ? {} : { console: more.console }),
      }],
    }),
  })
}
