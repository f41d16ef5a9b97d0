/** The factory that `createMachine({ l0 })` takes: lays the VMs out in the machine's RAM and attaches L0. */
import { BadInput } from '../arch/bad-input.ts'
import type { L0Environment } from '../hypervisor/host.ts'
import type { EL2Software } from '../hypervisor/host.ts'
import { L0 } from '../hypervisor/run.ts'
import type { L0Options } from './options.ts'
import { createVirtualMachine } from './virtual-machine.ts'

const BLOCK = 2 ** 21
const NS_PER_COUNT = 16

/** Throws BadInput (when the machine is made) for an image that cannot be loaded or VMs that do not fit. */
export function createL0(options: L0Options): (environment: L0Environment) => EL2Software {
  return environment => {
    if (options.vms.length === 0) throw new BadInput('L0', 'it has no VM to run')
    // VMs fill RAM from the top down, so that no VM's addresses equal the machine's by chance.
    const { ram, reserved } = environment
    let top = reserved.base >= ram.base && reserved.base < ram.base + ram.size ? reserved.base : ram.base + ram.size
    let l0: L0 | undefined
    const machines = options.vms.map((description, id) => {
      if (!Number.isInteger(description.memBytes) || description.memBytes <= 0) throw new BadInput('memory size', `${description.memBytes} of VM ${id}`)
      const pa = Math.floor((top - description.memBytes) / BLOCK) * BLOCK
      if (pa < ram.base) throw new BadInput('memory size', `the machine's RAM (${ram.size} bytes, ${reserved.size} of them for L0) has no room for VM ${id} of ${description.memBytes} bytes`)
      top = pa
      return createVirtualMachine({
        id, description, environment, pa,
        nanoseconds: () => Number((l0?.busy ?? l0?.pes[0])?.host.counter() ?? 0n) * NS_PER_COUNT,
        ended: end => options.onEnd?.(id, end),
        wrote: (ipa, size) => { l0?.vms[id]?.codePages?.deviceWrote(ipa, size) },
      })
    })
    if (options.unloaded !== true) for (const machine of machines) machine.load()
    return (l0 = new L0(environment, options.policy ?? 'lazy', machines.map(({ config }) => config)))
  }
}
