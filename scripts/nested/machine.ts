/** The machine of a run: with L0 and one VM, or with the image at the machine's own EL2. */
import type { Feature, ProfileName } from '../../src/arch/features.ts'
import type { GicVersion } from '../../src/arch/gic.ts'
import { createMachine } from '../../src/machine/machine.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { MachineOptions } from '../../src/machine/options.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { VmDescription } from '../../src/vmm/index.ts'

const MIB = 2 ** 20
const RESERVED = 32

/** What is loaded first. */
export interface Boot {
  readonly image: Uint8Array
  readonly initrd?: Uint8Array
  readonly modules?: VmDescription['modules']
  readonly append: string
  readonly megabytes: number
}

export interface Place {
  /** No L0 of ours: the image has the machine's EL2. */
  readonly bare: boolean
  readonly arch: ProfileName
  readonly smp: number
  readonly gic?: GicVersion
  readonly hide?: readonly Feature[]
  /** The VM has a virtual EL2; without it the image is a plain guest. */
  readonly el2: boolean
  readonly paravirt?: 'nv' | 'neve'
  readonly recursion?: boolean
  readonly policy?: 'split' | 'lazy'
  readonly console: (byte: number) => void
  readonly machine: Pick<MachineOptions, 'onEvent' | 'translate' | 'costs' | 'quantum'>
}

export function buildMachine({ image, initrd, modules, append, megabytes }: Boot, { bare, arch, smp, gic = 3, hide = [], el2, paravirt, recursion, policy, console, machine: options }: Place): Machine {
  const common = { smp, gic, hide } as const, files = { image, ...(initrd === undefined ? {} : { initrd }), ...(modules === undefined ? {} : { modules }) }
  const machine = createMachine({
    ...options, ...common, board: 'virt', profile: arch,
    ...(bare ? { el2: true, memBytes: megabytes * MIB, console } : {
      memBytes: (megabytes + RESERVED + 32) * MIB, reservedBytes: RESERVED * MIB,
      l0: createL0({
        ...(policy === undefined ? {} : { policy }),
        vms: [{ ...files, ...common, append, memBytes: megabytes * MIB, ...(el2 ? { el2: 'nvhe-or-vhe' } as const : {}), ...(paravirt === undefined ? {} : { paravirt }), recursion: recursion ?? false, console }],
      }),
    }),
  })
  if (bare) machine.loadImage({ ...files, bootargs: append })
  return machine
}
