/**
 * The virtual interface control that L1 is given, and the shadow list registers that go to the hardware while software runs below
 * virtual EL2 (neve-paper.md 4.5). L1's registers are plain values: the GICH frame of GICv2 is emulated MMIO, ICH_*_EL2 of GICv3
 * are virtual registers (in the page, where there is one). MISR, EISR and ELRSR are computed.
 */
import { PPI } from '../../arch/gic.ts'
import { each, FLAG, integer, list, objectOf, restoreFields, saveFields, WORD32 } from '../../arch/saved-state.ts'
import type { Fields, Saved } from '../../arch/saved-state.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { SLOT } from '../../sysreg/index.ts'
import type { Host, PhysicalMemory } from '../host.ts'
import {
  copyListRegister, decodeLrV2, decodeLrV3, emptyListRegister, emptyMask, encodeLrV2, encodeLrV3, endedMask, GICH_HCR, LR_STATE, maintenanceStatus, SAVED_LIST_REGISTER,
} from '../list-register.ts'
import type { ListRegister } from '../list-register.ts'
import { ICH_LR_SLOTS } from '../physical-gic.ts'
import type { Vcpu } from '../vcpu.ts'
import { VirtualInterface } from '../vgic.ts'
import { WORK } from '../work.ts'

const GICH = { HCR: 0, VTR: 4, VMCR: 8, MISR: 0x10, EISR0: 0x20, ELRSR0: 0x30, APR: 0xf0, LR: 0x100 } as const
const HCR_V2_MASK = 0xf800_00ff
/** UIE to VGrp1DIE. */
const MAINTENANCE_CAUSES = 0xfe

const FIELDS: Fields<NestedGic> = { hcr: WORD32, vmcr: WORD32, apr: each(WORD32), lrs: each(SAVED_LIST_REGISTER) }

export class NestedGic {
  readonly #vcpu: Vcpu
  readonly #version: GicVersion
  /** What the hardware runs below virtual EL2. */
  readonly shadow: VirtualInterface
  /** L1's index of each shadow list register. */
  readonly #index: number[] = []
  /** State of each shadow list register when it was built. */
  readonly #built: number[] = []

  // L1's registers; for GICv3 copies of the ICH_ registers while software runs below virtual EL2.
  hcr = 0
  vmcr = 0
  readonly apr: number[] = [0, 0]
  readonly lrs: ListRegister[]
  readonly vtr: number
  /** NEVE profile, GICv2: the page that L1 reads as its GICH frame. */
  readonly framePage: number | undefined
  readonly #memory: PhysicalMemory
  /** The line of L1's maintenance interrupt. */
  #raised = false

  constructor(vcpu: Vcpu, version: GicVersion, listRegisters: number, vtr: number, memory: PhysicalMemory, framePage: number | undefined) {
    this.#vcpu = vcpu
    this.#version = version
    this.#memory = memory
    this.shadow = new VirtualInterface(listRegisters)
    this.lrs = Array.from({ length: listRegisters }, emptyListRegister)
    this.vtr = vtr
    this.framePage = framePage
  }

  reset(): void {
    this.hcr = this.vmcr = this.apr[0] = this.apr[1] = 0
    this.#raised = false
    for (const lr of this.lrs) copyListRegister(emptyListRegister(), lr)
    this.shadow.reset()
    this.#publish()
  }

  saveState(): Saved {
    return { ...saveFields(this, FIELDS), shadow: this.shadow.saveState(), index: [...this.#index], built: [...this.#built], raised: this.#raised }
  }

  restoreState(saved: Saved, path: string): void {
    const { shadow, index, built, raised } = objectOf(saved, path), { length } = this.lrs
    restoreFields(this, FIELDS, saved, path)
    this.shadow.restoreState(shadow, `${path}.shadow`)
    list(integer(0, length - 1), length).restore(index, `${path}.index`, this.#index)
    list(integer(0, 3), length).restore(built, `${path}.built`, this.#built)
    this.#raised = FLAG.restore(raised, `${path}.raised`, false)
  }

  /** Below virtual EL2 with L1's IMO=1 (the context is set already): L1's list registers in use, compacted, for the hardware. */
  build(host: Host): void {
    if (this.#version === 3) this.#pull()
    const { shadow } = this, { timers } = this.#vcpu
    let used = 0
    for (let i = 0; i < this.lrs.length; i++) {
      const lr = this.lrs[i]!
      if (lr.state === LR_STATE.invalid) continue
      const copy = shadow.lrs[used]!
      copyListRegister(lr, copy)
      if (lr.hw) {
        // L1's physical interrupt is one of its virtual ones: hardware deactivates the machine's interrupt behind it, if there is one.
        const physical = timers.physicalOf(lr.physical)
        copy.hw = physical !== undefined
        copy.physical = physical ?? 0
        // Otherwise L0 must see the end of it.
        copy.eoi = physical === undefined
      }
      this.#index[used] = i
      this.#built[used] = copy.state
      used++
      host.charge(WORK.shadowVgic)
    }
    for (let i = used; i < shadow.used; i++) shadow.lrs[i]!.state = LR_STATE.invalid
    shadow.used = used
    shadow.vmcr = this.vmcr
    shadow.apr[0] = this.apr[0]!
    shadow.apr[1] = this.apr[1]!
    this.update()
    this.#silence()
  }

  /**
   * While L1's maintenance interrupt is high the hardware must not raise its own again: L1 may have it disabled, and then the nested VM runs on.
   * What else comes up meanwhile changes nothing for L1. An end that L0 or L1 asked to see has been seen.
   */
  #silence(): void {
    const { shadow } = this
    shadow.counts = (this.hcr & GICH_HCR.LRENPIE) !== 0
    shadow.hcr = this.#raised ? (this.hcr & ~MAINTENANCE_CAUSES) >>> 0 : this.hcr
    for (let i = 0; i < shadow.used; i++) if (shadow.lrs[i]!.state === LR_STATE.invalid) shadow.lrs[i]!.eoi = false
  }

  /** After an exit: what the nested VM did, into L1's list registers at L1's own indices. */
  fold(): void {
    const { shadow } = this, vcpu = this.#vcpu
    for (let i = 0; i < shadow.used; i++) {
      const copy = shadow.lrs[i]!, lr = this.lrs[this.#index[i]!]!
      if (copy.state === this.#built[i]) continue
      this.#built[i] = copy.state
      lr.state = copy.state
      if (copy.hw && (copy.state & LR_STATE.active) === 0) vcpu.timers.physicalDeactivated()
      // The HW bit, one level up: L1's interrupt is deactivated with the nested VM's.
      if (lr.hw && copy.state === LR_STATE.invalid) vcpu.vm.distributor.deactivate(vcpu.index, lr.physical, 0)
    }
    this.vmcr = shadow.vmcr
    this.apr[0] = shadow.apr[0]!
    this.apr[1] = shadow.apr[1]!
    this.hcr = ((this.hcr & 0x07ff_ffff) | (shadow.hcr & 0xf800_0000)) >>> 0
    if (this.#version === 3) this.#push()
    this.update()
    this.#silence()
  }

  /** The maintenance interrupt of L1, and copies that L1 may read without a trap. */
  update(): void {
    const vcpu = this.#vcpu
    this.#raised = (this.hcr & GICH_HCR.En) !== 0 && this.misr !== 0
    vcpu.vm.distributor.setPpiLevel(vcpu.index, PPI.maintenance, this.#raised)
    this.#publish()
  }

  /** At virtual EL2, before entry: in a page L1 ends the cause of its maintenance interrupt without a trap (ICH_HCR_EL2.En = 0, as Linux does). */
  resample(): void {
    if (this.#raised) this.registersWritten()
  }

  /** Without regard to En, which the interrupt itself needs. */
  get misr(): number {
    return maintenanceStatus(this.hcr, this.lrs, endedMask(this.lrs), (this.vmcr & 1) !== 0, (this.vmcr & 2) !== 0)
  }

  // --- GICv2: the GICH frame

  readFrame(offset: number): number {
    if (offset >= GICH.LR && offset < GICH.LR + 4 * this.lrs.length) return encodeLrV2(this.lrs[(offset - GICH.LR) >>> 2]!)
    switch (offset) {
      case GICH.HCR: return this.hcr
      case GICH.VTR: return this.vtr
      case GICH.VMCR: return this.vmcr
      case GICH.MISR: return this.misr
      case GICH.EISR0: return endedMask(this.lrs)
      case GICH.ELRSR0: return emptyMask(this.lrs)
      case GICH.APR: return this.apr[0]!
      default: return 0
    }
  }

  writeFrame(offset: number, value: number): void {
    if (offset >= GICH.LR && offset < GICH.LR + 4 * this.lrs.length) decodeLrV2(value >>> 0, this.lrs[(offset - GICH.LR) >>> 2]!)
    else if (offset === GICH.HCR) this.hcr = (value & HCR_V2_MASK) >>> 0
    else if (offset === GICH.VMCR) this.vmcr = (value & 0xf8fc_021f) >>> 0
    else if (offset === GICH.APR) this.apr[0] = value >>> 0
    this.update()
  }

  // --- GICv3: ICH_*_EL2 are virtual registers

  /** A virtual ICH_ register was written at virtual EL2. */
  registersWritten(): void {
    if (this.#version === 3) this.#pull()
    this.update()
  }

  /** MISR, EISR or ELRSR as L1 reads it; L1 may have changed list registers in the page without a trap. */
  readComputed(slot: number): bigint {
    this.#pull()
    return BigInt(slot === SLOT.ICH_MISR_EL2 ? this.misr : slot === SLOT.ICH_EISR_EL2 ? endedMask(this.lrs) : emptyMask(this.lrs))
  }

  #pull(): void {
    const nested = this.#vcpu.nested!
    this.hcr = Number(nested.get(SLOT.ICH_HCR_EL2) & 0xffff_ffffn)
    this.vmcr = Number(nested.get(SLOT.ICH_VMCR_EL2) & 0xffff_ffffn)
    this.apr[0] = Number(nested.get(SLOT.ICH_AP0R0_EL2) & 0xffff_ffffn)
    this.apr[1] = Number(nested.get(SLOT.ICH_AP1R0_EL2) & 0xffff_ffffn)
    for (let i = 0; i < this.lrs.length; i++) decodeLrV3(nested.get(ICH_LR_SLOTS[i]!), this.lrs[i]!)
  }

  #push(): void {
    const nested = this.#vcpu.nested!
    nested.set(SLOT.ICH_HCR_EL2, BigInt(this.hcr >>> 0))
    nested.set(SLOT.ICH_VMCR_EL2, BigInt(this.vmcr >>> 0))
    nested.set(SLOT.ICH_AP0R0_EL2, BigInt(this.apr[0]! >>> 0))
    nested.set(SLOT.ICH_AP1R0_EL2, BigInt(this.apr[1]! >>> 0))
    for (let i = 0; i < this.lrs.length; i++) nested.set(ICH_LR_SLOTS[i]!, encodeLrV3(this.lrs[i]!))
  }

  /** Computed registers where L1 reads copies of them: the page of GICv3 registers, the read-only GICH frame of GICv2. */
  #publish(): void {
    if (this.#version === 3) {
      const nested = this.#vcpu.nested!
      nested.set(SLOT.ICH_VTR_EL2, BigInt(this.vtr >>> 0))
      nested.set(SLOT.ICH_MISR_EL2, BigInt(this.misr))
      nested.set(SLOT.ICH_EISR_EL2, BigInt(endedMask(this.lrs)))
      nested.set(SLOT.ICH_ELRSR_EL2, BigInt(emptyMask(this.lrs)))
      return
    }
    if (this.framePage === undefined) return
    for (const offset of [GICH.HCR, GICH.VTR, GICH.VMCR, GICH.MISR, GICH.EISR0, GICH.ELRSR0, GICH.APR]) this.#memory.write32(this.framePage + offset, this.readFrame(offset))
    for (let i = 0; i < this.lrs.length; i++) this.#memory.write32(this.framePage + GICH.LR + 4 * i, encodeLrV2(this.lrs[i]!))
  }
}
