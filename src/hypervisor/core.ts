/** What L0 is made of, handed to every part that needs more than its arguments. */
import type { PhysicalMemory } from './host.ts'
import type { Pe } from './pe.ts'
import type { PhysicalGic } from './physical-gic.ts'
import type { SwitchPolicy } from './switch.ts'
import type { Vm } from './vm.ts'
import type { VmidAllocator } from './vmid.ts'

export interface Core {
  readonly policy: SwitchPolicy
  readonly gic: PhysicalGic
  readonly memory: PhysicalMemory
  readonly vmids: VmidAllocator
  readonly pes: readonly Pe[]
  readonly vms: readonly Vm[]
  /** The PE whose exit is being handled; undefined while no code of L0 runs. */
  busy: Pe | undefined
}
