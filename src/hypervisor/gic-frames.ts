/** The frames of the VM's interrupt controller that L0 emulates itself: GICD, GICR, and GICH for a VM with EL2. */
import type { Core } from './core.ts'
import type { Vcpu } from './vcpu.ts'
import { unloadGic } from './vgic.ts'

export interface EmulatedFrame { readonly name: 'GICD' | 'GICR' | 'GICH', readonly base: number, readonly size: number }

const GICR_STRIDE = 0x2_0000

export function affectsGic(vcpu: Vcpu, ipa: number): EmulatedFrame | undefined {
  const { frames, cpus } = vcpu.vm.config
  const within = (name: EmulatedFrame['name'], base: number | undefined, size: number): EmulatedFrame | undefined =>
    base !== undefined && ipa >= base && ipa < base + size ? { name, base, size } : undefined
  return within('GICD', frames.gicd, 0x1_0000) ?? within('GICR', frames.gicr, GICR_STRIDE * cpus) ?? within('GICH', frames.gich, 0x1000)
}

/** The value read (0 for writes); undefined: the model knows no such register or size. */
export function gicAccess(core: Core, vcpu: Vcpu, frame: EmulatedFrame, offset: number, size: number, write: boolean, value: number): number | undefined {
  const { distributor } = vcpu.vm, cpu = vcpu.index
  if (frame.name === 'GICH') {
    if (size !== 4 || vcpu.nested === undefined) return undefined
    if (!write) return vcpu.nested.gic.readFrame(offset)
    vcpu.nested.gic.writeFrame(offset, value)
    return 0
  }
  // What the guest has done with its list registers so far must be in the distributor.
  unloadGic(core, vcpu)
  if (frame.name === 'GICD') {
    if (!write) return distributor.readDistributor(cpu, offset, size)
    return distributor.writeDistributor(cpu, offset, size, value) ? 0 : undefined
  }
  const target = Math.floor(offset / GICR_STRIDE), inside = offset % GICR_STRIDE
  if (!write) return distributor.readRedistributor(target, inside, size)
  return distributor.writeRedistributor(target, inside, size, value) ? 0 : undefined
}
