/** What a vCPU with a virtual EL2 has beside its register files. */
import { FLAG, objectOf, optional, restoreFields, saveFields, WORD32, WORD64 } from '../../arch/saved-state.ts'
import type { Fields, Saved } from '../../arch/saved-state.ts'
import { SLOT } from '../../sysreg/index.ts'
import { Translation } from '../../mmu/index.ts'
import { GuestDescriptors } from '../guest-memory.ts'
import type { PhysicalMemory } from '../host.ts'
import type { Stage2Table } from '../stage2.ts'
import { HCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import { OneStep } from './one-step.ts'
import type { NestedGic } from './nested-gic.ts'
import type { PageKind, PageLayout } from './page.ts'

/** VNCR_EL2.Enable of the paper. */
const NEVE_ENABLE = 1n
/** HCR_EL2.E2H in the high word. */
const HCR_E2H_HIGH = 1 << 2

const FIELDS: Fields<NestedVcpu> = {
  e2h: FLAG, settled: FLAG, checkedTables: optional(WORD64), pageLive: FLAG, vncrBelow: WORD64, vncrStatus: WORD32, vncrStale: FLAG,
}

export class NestedVcpu {
  readonly #vcpu: Vcpu
  readonly #memory: PhysicalMemory
  /** The page while it is copied. */
  readonly #bytes: Uint8Array
  readonly #words: BigUint64Array
  readonly gic: NestedGic
  /** Layout of the page that this machine has for the vCPU, or undefined (plain FEAT_NV). */
  readonly layout: PageLayout | undefined
  readonly page: number
  /** VMID of vEL2's own regime. */
  readonly vmid: number
  /** A stage 2 of this vCPU's vEL2 alone (the NEVE profile's read-only GICH frame differs per vCPU). */
  readonly ownStage2: Stage2Table | undefined
  /** E2H as the shadow file was made for. */
  e2h = false
  /**
   * The page is not used before L1 has chosen E2H by its first write of HCR_EL2: a deferred write would not be seen, and the first EL1
   * name after it has another meaning. Until then every access traps, as on v8.3.
   */
  settled: boolean
  /** TTBR0_EL2 whose tables were found to work at EL1 (rewritten guest hypervisors). */
  checkedTables: bigint | undefined
  /** L1 runs at virtual EL2 with the page on. */
  pageLive = false
  /** Recursion: the machine's VNCR_EL2 below virtual EL2, the status of an abort if it leads nowhere, and whether L1 may have changed it. */
  vncrBelow = 0n
  vncrStatus = 0
  vncrStale = false
  /** Walks of L1's tables; `walk` is the result of the last one. */
  readonly walk = new Translation()
  readonly descriptors: GuestDescriptors
  /** Of a rewritten guest hypervisor. */
  readonly oneStep = new OneStep()

  constructor(vcpu: Vcpu, memory: PhysicalMemory, gic: NestedGic, layout: PageLayout | undefined, page: number, vmid: number, ownStage2: Stage2Table | undefined) {
    this.#vcpu = vcpu
    this.#memory = memory
    this.gic = gic
    this.layout = layout
    this.page = page
    this.#bytes = new Uint8Array(layout?.size ?? 0)
    this.#words = new BigUint64Array(this.#bytes.buffer)
    this.vmid = vmid
    this.ownStage2 = ownStage2
    this.settled = false
    this.descriptors = new GuestDescriptors(vcpu.vm.memory)
  }

  reset(): void {
    const { el2, features } = this.#vcpu.vm.config
    this.settled = el2 !== 'nvhe-or-vhe' || !features.has('FEAT_VHE')
    this.pageLive = false
    // `vhe`: E2H is RES1.
    if (el2 === 'vhe') this.#vcpu.virtual.u64[SLOT.HCR_EL2] = this.#vcpu.virtual.u64[SLOT.HCR_EL2]! | HCR.E2H
    this.e2h = this.virtualE2H
    this.gic.reset()
  }

  saveState(): Saved { return { ...saveFields(this, FIELDS), gic: this.gic.saveState(), oneStep: this.oneStep.saveState(), ownStage2: this.ownStage2?.saveState() } }

  restoreState(saved: Saved, path: string): void {
    const { gic, oneStep, ownStage2 } = objectOf(saved, path)
    restoreFields(this, FIELDS, saved, path)
    this.gic.restoreState(gic, `${path}.gic`)
    this.oneStep.restoreState(oneStep, `${path}.oneStep`)
    this.ownStage2?.restoreState(ownStage2, `${path}.ownStage2`)
  }

  /** The kind of page in use at virtual EL2 now. */
  get pageKind(): PageKind | undefined { return this.settled ? this.layout?.kind : undefined }
  pageHolds(slot: number): boolean { return this.pageKind !== undefined && this.layout!.bySlot[slot] !== undefined }

  /** VNCR_EL2 for the machine at virtual EL2. */
  get vncrValue(): bigint {
    const kind = this.pageKind
    // Rewritten instructions reach the page through L1's memory: the machine has no VNCR_EL2.
    return kind === undefined || this.#vcpu.vm.config.rewritten !== undefined ? 0n : kind === 'NEVE' ? BigInt(this.page) | NEVE_ENABLE : BigInt(this.page)
  }

  /** A virtual register, wherever it is stored. The hardware stores raw values in the page: RES0 and RES1 are applied here. */
  get(slot: number): bigint {
    if (this.pageLive) {
      const entry = this.layout!.bySlot[slot]
      if (entry !== undefined) return (this.#memory.read64(this.page + entry.offset)! & entry.kept) | entry.res1
    }
    return this.#vcpu.virtual.u64[slot]!
  }

  set(slot: number, value: bigint): void {
    if (this.pageLive) {
      const entry = this.layout!.bySlot[slot]
      if (entry !== undefined) this.#memory.write64(this.page + entry.offset, value)
    }
    this.#vcpu.virtual.u64[slot] = value
  }

  /** Entering virtual EL2: the page becomes the storage. */
  pushPage(): void {
    if (this.pageKind === undefined) return
    const { u64 } = this.#vcpu.virtual
    this.#memory.readBytes(this.page, this.#bytes)
    for (const { slot, offset } of this.layout!.entries) this.#words[offset / 8] = u64[slot]!
    this.#memory.writeBytes(this.page, this.#bytes)
    this.pageLive = true
  }

  /** Leaving virtual EL2: the virtual file becomes the storage. */
  pullPage(): void {
    this.copyPage()
    this.pageLive = false
  }

  /** The page's values into the virtual file, for code that reads the file as a whole. */
  copyPage(): void {
    if (!this.pageLive) return
    const { u64 } = this.#vcpu.virtual
    this.#memory.readBytes(this.page, this.#bytes)
    for (const { slot, offset, kept, res1 } of this.layout!.entries) u64[slot] = (this.#words[offset / 8]! & kept) | res1
  }

  /** E2H as L1 has it now. `vhe`: it is RES1. */
  get virtualE2H(): boolean {
    const { el2, features } = this.#vcpu.vm.config
    if (!features.has('FEAT_VHE')) return false
    if (el2 === 'vhe') return true
    const entry = this.pageLive ? this.layout!.bySlot[SLOT.HCR_EL2] : undefined
    // Asked at every trap: one word, and no BigInt.
    return ((entry === undefined ? this.#vcpu.virtual.i32[2 * SLOT.HCR_EL2 + 1]! : this.#memory.read32(this.page + entry.offset + 4)!) & HCR_E2H_HIGH) !== 0
  }

  /** Host context: E2H and TGE are both set, and EL0 is the EL0 of EL2. */
  get virtualHost(): boolean { return this.virtualE2H && (this.get(SLOT.HCR_EL2) & HCR.TGE) !== 0n }
}
