/**
 * A virtual machine: what its vCPUs share. Configured by plain data (`VmConfig`), which `vmm/` makes from what the user said.
 */
import type { Feature } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { ListingDistributor } from '../arch/gic-listing.ts'
import { choice, listOf, objectOf, TEXT, WORD64 } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Controls } from '../sysreg/index.ts'
import type { PhysicalMemory } from './host.ts'
import { GuestMemory } from './guest-memory.ts'
import type { MemorySlot } from './guest-memory.ts'
import type { CodePages } from './nested/code-pages.ts'
import type { ShadowPool } from './nested/shadow-stage2.ts'
import type { PageAllocator } from './page-allocator.ts'
import { Stage2Table } from './stage2.ts'
import type { Vcpu } from './vcpu.ts'
import type { VmidAllocator } from './vmid.ts'

/** The EL2 that a VM is offered. */
export type VirtualEL2 = 'none' | 'nvhe' | 'vhe' | 'nvhe-or-vhe'

/** Frames of the interrupt controller in the VM's memory map; absent ones are undefined. */
export interface GicFrames {
  readonly gicd: number
  readonly gicc: number | undefined
  readonly gich: number | undefined
  readonly gicv: number | undefined
  readonly gicr: number | undefined
  /** Physical address of the machine's GICV frame. */
  readonly physicalGicv: number | undefined
}

export type VmEnd = { readonly kind: 'off' } | { readonly kind: 'reset' } | { readonly kind: 'died', readonly detail: string }

/** L0's user space, as KVM's file descriptors are to a VMM. */
export interface UserSpace {
  /** Undefined: nothing is there; the guest gets an External abort. */
  mmioRead(vcpu: number, ipa: number, size: 1 | 2 | 4 | 8): number | undefined
  mmioWrite(vcpu: number, ipa: number, size: 1 | 2 | 4 | 8, value: number): boolean
  ended(end: VmEnd): void
  /** Its devices, for snapshots. */
  saveState(): Saved
  restoreState(saved: Saved): void
}

/** What an `hvc` that stands in a rewritten page means. */
export type StandsFor =
  /** A trap with this syndrome; the preferred return address of a trap is the instruction, that of `hvc` the next one. */
  | { readonly kind: 'trap', readonly syndrome: number }
  /** An `hvc` of the guest hypervisor's own. */
  | { readonly kind: 'hvc', readonly syndrome: number }
  /** The literal load that stood there, of bytes that are rewritten. */
  | { readonly kind: 'load', readonly Rt: number, readonly value: bigint }

/**
 * A guest hypervisor whose code is rewritten for a machine without FEAT_NV (paravirt/). Its own pages stay as they are; rewritten copies are
 * seen in the vEL2 context alone (nested/code-pages.ts).
 */
export interface RewrittenGuest {
  readonly form: 'nv' | 'neve'
  /**
   * The 4 KiB page at `ipa` as virtual EL2 may execute it; undefined: as it is. 'void': nothing that was answered before holds any longer,
   * so that all copies must go before this is asked again.
   */
  readonly rewrite: (ipa: number, original: Uint8Array) => Uint8Array | undefined | 'void'
  /** Pages that others branch into: they become code and data with them. */
  readonly companions: () => readonly number[]
  /** The copy of a page is gone. */
  readonly withdrawn: (ipa: number) => void
  /** IPA at which L1 reaches the register page of its vCPU (NEVE form). */
  readonly registerPage: number | undefined
  /** Of an `hvc` exit from vEL2; undefined: it is what it says. */
  readonly standsFor: (syndrome: number) => StandsFor | undefined
  readonly saveState: () => Saved
  readonly restoreState: (saved: Saved, path: string) => void
  /** nVHE: why EL1 cannot run with L1's EL2 tables; undefined if it can. `read64` by IPA. */
  readonly refuseTables: (read64: (ipa: number) => bigint | undefined, ttbr0: bigint, tcr: bigint) => string | undefined
}

export interface VmConfig {
  readonly id: number
  /** What the guest sees; one set object, its identity matters to `resolve`. */
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly el2: VirtualEL2
  readonly cpus: number
  /** Changes when memory moves; the VMM looks at it for its devices. */
  readonly slots: MemorySlot[]
  readonly frames: GicFrames
  readonly entry: number
  /** X0 of the first vCPU: the device tree. */
  readonly argument: number
  readonly distributor: ListingDistributor
  readonly user: UserSpace
  /** MPIDR_EL1 affinity of a vCPU, without bit 31. */
  readonly affinity: (vcpu: number) => number
  readonly rewritten?: RewrittenGuest
  /** Reset and ID register values into a vCPU's file. */
  readonly resetRegisters: (vcpu: number, controls: Controls) => void
}

export class Vm {
  readonly config: VmConfig
  readonly id: number
  readonly memory: GuestMemory
  readonly distributor: ListingDistributor
  /** The VM's own stage 2, for everything but a nested VM. */
  readonly stage2: Stage2Table
  /** The VM's share of L0's reserved memory: no VM can use up another's. */
  readonly pages: PageAllocator
  /** EL1&0 of the guest (and of L1's kernel at vEL1), and of vEL2, whose stage 1 is another one under the same ASIDs. */
  readonly vmid: number
  readonly vmidOfVirtualEL2: number
  readonly vcpus: Vcpu[] = []
  /** CNTVOFF_EL2 of a VM without EL2: its virtual counter starts at 0. With EL2 the offset is L1's alone. */
  counterOffset = 0n
  shadows: ShadowPool | undefined
  /** Of a rewritten guest hypervisor. */
  codePages: CodePages | undefined
  end: VmEnd | undefined

  constructor(config: VmConfig, machine: PhysicalMemory, own: PhysicalMemory, pages: PageAllocator, vmids: VmidAllocator) {
    this.config = config
    this.id = config.id
    this.memory = new GuestMemory(machine, config.slots)
    this.distributor = config.distributor
    this.pages = pages
    this.stage2 = new Stage2Table(own, pages)
    this.vmid = vmids.allocate()
    this.vmidOfVirtualEL2 = config.el2 === 'none' ? this.vmid : vmids.allocate()
  }

  saveState(): Saved {
    return {
      counterOffset: this.counterOffset, end: this.end && { ...this.end }, slots: this.memory.saveState(), pages: this.pages.saveState(), stage2: this.stage2.saveState(), shadows: this.shadows?.saveState(), codePages: this.codePages?.saveState(),
      vcpus: this.vcpus.map(vcpu => vcpu.saveState()), distributor: this.distributor.save() as Saved, user: this.config.user.saveState(),
    }
  }

  /** Nobody must hear of the changes of lines: see L0.restoreState. */
  restoreState(saved: Saved, path: string): void {
    const { counterOffset, end, slots, pages, stage2, shadows, codePages, vcpus, distributor, user } = objectOf(saved, path)
    // Devices first: they raise and lower their lines, and the distributor knows what these were.
    this.config.user.restoreState(user)
    this.distributor.restore(distributor)
    this.counterOffset = WORD64.restore(counterOffset, `${path}.counterOffset`, 0n)
    this.end = end === undefined ? undefined : savedEnd(end, `${path}.end`)
    this.memory.restoreState(slots, `${path}.slots`)
    this.pages.restoreState(pages, `${path}.pages`)
    this.stage2.restoreState(stage2, `${path}.stage2`)
    this.shadows?.restoreState(shadows, `${path}.shadows`, this.config.features)
    this.codePages?.restoreState(codePages, `${path}.codePages`)
    const each = listOf(vcpus, `${path}.vcpus`, this.vcpus.length)
    this.vcpus.forEach((vcpu, i) => vcpu.restoreState(each[i], `${path}.vcpus[${i}]`))
    if (this.end !== undefined) this.config.user.ended(this.end)
  }

  get hasEL2(): boolean { return this.config.el2 !== 'none' }
}

function savedEnd(saved: Saved, path: string): VmEnd {
  const { kind, detail } = objectOf(saved, path)
  if (kind === 'died') return { kind, detail: TEXT.restore(detail, `${path}.detail`, '') }
  return { kind: choice('off', 'reset').restore(kind, `${path}.kind`, 'off') }
}
