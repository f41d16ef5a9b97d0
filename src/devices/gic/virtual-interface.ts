/**
 * The virtual CPU interface of one PE: the hypervisor fills list registers, the VM acknowledges and ends virtual interrupts without
 * any exit, and the maintenance interrupt tells the hypervisor what it asked to know (IHI0069 chapter 5 and 12.4, IHI0048B chapter 5).
 */
import type { GicVersion, INTID } from '../../arch/gic.ts'
import { SPURIOUS } from '../../arch/gic.ts'
import { fieldsOf, integerIn, integersIn } from '../saved-state.ts'
import { ActivePriorities, group1Mask, groupMask, IDLE_PRIORITY, preempts } from './active-priorities.ts'
import type { InterruptInterface } from './interrupt-interface.ts'
import { ListRegisters } from './list-registers.ts'
import { isSpecial, OTHER_GROUP } from './physical-interface.ts'

export const HCR = { En: 1 << 0, UIE: 1 << 1, LRENPIE: 1 << 2, NPIE: 1 << 3, VGrp0EIE: 1 << 4, VGrp0DIE: 1 << 5, VGrp1EIE: 1 << 6, VGrp1DIE: 1 << 7 } as const
const HCR_EOICOUNT = 27
const LAST_SPI = 1019, FIRST_LPI = 8192
/** Writable: the enables, EOIcount, and the trap bits TC, TALL0, TALL1, TSEI, TDIR, which GICv2 does not have. */
const HCR_MASK: Readonly<Record<GicVersion, number>> = { 2: 0xf800_00ff | 0, 3: 0xf800_7cff | 0 }

const VMCR = { VENG0: 1 << 0, VENG1: 1 << 1, VAckCtl: 1 << 2, VFIQEn: 1 << 3, VCBPR: 1 << 4, VEOIM: 1 << 9 } as const
export const MISR = { EOI: 1 << 0, U: 1 << 1, LRENP: 1 << 2, NP: 1 << 3, VGrp0E: 1 << 4, VGrp0D: 1 << 5, VGrp1E: 1 << 6, VGrp1D: 1 << 7 } as const

export interface VirtualInterfaceOptions {
  readonly version: GicVersion
  readonly listRegisters: number
  readonly priorityBits: number
  /** EOI or DIR of a list register with HW = 1. */
  readonly deactivatePhysical: (intid: INTID) => void
  readonly maintenance: (level: boolean) => void
}

export class VirtualInterface implements InterruptInterface {
  readonly version: GicVersion
  readonly priorityBits: number
  readonly lists: ListRegisters
  /** GICv2 keeps the levels of both groups in GICH_APR: all of them are in Group 0's half here. */
  readonly active: ActivePriorities
  irq = false
  fiq = false
  hcr = 0
  groupEnables = 0
  acknowledgeBoth = false
  fiqEnable = false
  /** GICV_CTLR has no bypass bits. */
  get bypass(): number { return 0 }
  set bypass(_bits: number) {}
  commonBinaryPoint = false
  split = false
  priorityMask = 0
  binaryPoint0 = 0
  binaryPoint1 = 0
  #maintenanceLevel = false
  readonly #options: VirtualInterfaceOptions

  constructor(options: VirtualInterfaceOptions) {
    this.version = options.version
    this.priorityBits = options.priorityBits
    this.lists = new ListRegisters(options.listRegisters, options.version, options.priorityBits)
    this.active = new ActivePriorities(Math.min(options.priorityBits, 7))
    this.#options = options
    this.reset()
  }

  reset(): void {
    this.lists.reset()
    this.active.reset()
    this.hcr = 0
    this.writeVmcr(0)
    this.refresh()
  }

  /** Recomputes the lines and the maintenance interrupt; true if a line has changed. */
  refresh(): boolean {
    const maintenance = (this.hcr & HCR.En) !== 0 && this.maintenanceStatus() !== 0
    if (maintenance !== this.#maintenanceLevel) {
      this.#maintenanceLevel = maintenance
      this.#options.maintenance(maintenance)
    }
    const n = this.#signalled()
    const fiq = n >= 0 && this.lists.group(n) === 0 && this.fiqEnable
    const irq = n >= 0 && !fiq
    if (irq === this.irq && fiq === this.fiq) return false
    this.irq = irq
    this.fiq = fiq
    return true
  }

  /** Index of the list register with the highest-priority pending interrupt of an enabled group, -1 if there is none. */
  #highestPending(): number {
    let best = -1, bestPriority = 256
    for (let n = 0; n < this.lists.count; n++) {
      if (!this.lists.isPendingOnly(n) || (this.groupEnables >>> this.lists.group(n) & 1) === 0) continue
      const priority = this.lists.priority(n)
      if (priority < bestPriority) { bestPriority = priority; best = n }
    }
    return best
  }

  #signalled(): number {
    if ((this.hcr & HCR.En) === 0) return -1
    const n = this.#highestPending()
    if (n < 0 || this.lists.priority(n) >= this.priorityMask) return -1
    return preempts(this.lists.priority(n), this.active.running(), this.#groupMask(this.lists.group(n))) ? n : -1
  }

  /** ICV_IAR0_EL1, ICV_IAR1_EL1, GICV_AIAR. */
  acknowledgeGroup(group: 0 | 1): number {
    const n = this.#signalled()
    return n < 0 || this.lists.group(n) !== group ? SPURIOUS : this.#activate(n)
  }

  /** GICV_IAR. */
  acknowledge(): number {
    const n = this.#signalled()
    if (n < 0) return SPURIOUS
    return this.lists.group(n) === 1 && !this.acknowledgeBoth ? OTHER_GROUP : this.#activate(n)
  }

  #activate(n: number): number {
    const { lists } = this
    if (isSpecial(lists.virtualIntid(n))) {
      // A special INTID cannot become active; the bogus number is what the guest gets.
      lists.dropPending(n)
    } else {
      const group = lists.group(n)
      this.active.activate(this.version === 2 ? 0 : group, lists.priority(n) & this.#groupMask(group))
      lists.acknowledge(n)
    }
    return lists.acknowledgedId(n)
  }

  highestPendingOfGroup(group: 0 | 1): number {
    const n = this.#highestPending()
    return n < 0 || this.lists.group(n) !== group ? SPURIOUS : this.lists.acknowledgedId(n)
  }

  /** GICV_HPPIR. */
  highestPendingAny(): number {
    const n = this.#highestPending()
    if (n < 0) return SPURIOUS
    return this.lists.group(n) === 1 && !this.acknowledgeBoth ? OTHER_GROUP : this.lists.acknowledgedId(n)
  }

  /**
   * EOIR: priority drop and, with EOImode 0, deactivation. The drop comes before the checks, which is allowed (IMPLEMENTATION DEFINED);
   * an EOI that clears no active priority does nothing else, not even count. `group` undefined: GICV_EOIR.
   */
  endOfInterrupt(id: number, group: 0 | 1 | undefined): void {
    if (isSpecial(id)) return
    const dropped = this.active.drop()
    // LPIs have no active state: nothing else will deactivate them, and none is missed.
    if (dropped === IDLE_PRIORITY || (this.split && id < FIRST_LPI)) return
    const n = this.#findActive(id)
    if (n < 0) {
      if (id < FIRST_LPI) this.#countEoi()
      return
    }
    // An EOI that does not belong to the interrupt that was running is a guest's mistake and deactivates nothing.
    const own = this.lists.group(n)
    if ((group !== undefined && own !== group) || (this.lists.priority(n) & this.#groupMask(own)) !== dropped) return
    this.#deactivate(n)
  }

  /** DIR. With EOImode 0 the write is UNPREDICTABLE and ignored here. */
  deactivate(id: number): void {
    // GICv2 has the CPUID of an SGI above its INTID.
    if (!this.split || isSpecial(id) || (this.version === 3 && id > LAST_SPI)) return
    const n = this.#findActive(id)
    if (n < 0) this.#countEoi()
    else this.#deactivate(n)
  }

  #findActive(id: number): number {
    for (let n = 0; n < this.lists.count; n++) {
      if (this.lists.isActive(n) && this.lists.acknowledgedId(n) === id) return n
    }
    return -1
  }

  #deactivate(n: number): void {
    const physical = this.lists.isHardware(n) ? this.lists.physicalIntid(n) : -1
    this.lists.dropActive(n)
    // pINTID of an SGI is UNPREDICTABLE.
    if (physical >= 16 && !isSpecial(physical)) this.#options.deactivatePhysical(physical)
  }

  /** ICH_HCR_EL2.EOIcount wraps. */
  #countEoi(): void { this.hcr = this.hcr + (1 << HCR_EOICOUNT) | 0 }

  setPriorityMask(value: number): void { this.priorityMask = value & 0xff00 >>> this.priorityBits & 0xff }
  setBinaryPoint0(value: number): void { this.binaryPoint0 = Math.max(value & 7, this.active.minimumBinaryPoint) }
  setBinaryPoint1(value: number): void { this.binaryPoint1 = Math.max(value & 7, this.active.minimumBinaryPoint + 1) }

  #groupMask(group: 0 | 1): number { return group === 0 || this.commonBinaryPoint ? groupMask(this.binaryPoint0) : group1Mask(this.binaryPoint1) }

  /** ICH_HCR_EL2, GICH_HCR. */
  readHcr(): number { return this.hcr >>> 0 }
  writeHcr(value: number): void { this.hcr = value & HCR_MASK[this.version] }

  /** ICH_VTR_EL2 has ListRegs 4:0, TDS 19, nV4 20, A3V 21, IDbits 25:23 (0: 16 bits), PREbits 28:26, PRIbits 31:29; GICH_VTR the outer fields. */
  readVtr(): number {
    const common = (this.lists.count - 1) | (this.active.preemptionBits - 1) << 26 | (this.priorityBits - 1) << 29
    return (this.version === 2 ? common : common | 1 << 19 | 1 << 20 | 1 << 21) >>> 0
  }

  /** ICH_VMCR_EL2 and GICH_VMCR: the fields stand at the same bits, with 5 bits of priority mask in GICv2. */
  readVmcr(): number {
    return (this.groupEnables | (this.acknowledgeBoth ? VMCR.VAckCtl : 0) | (this.fiqEnable ? VMCR.VFIQEn : 0) | (this.commonBinaryPoint ? VMCR.VCBPR : 0) | (this.split ? VMCR.VEOIM : 0)
      | this.binaryPoint1 << 18 | this.binaryPoint0 << 21 | this.priorityMask << 24) >>> 0
  }

  writeVmcr(value: number): void {
    this.groupEnables = value & 3
    // With system registers (SRE = 1) VAckCtl is RES0 and VFIQEn RES1.
    this.acknowledgeBoth = this.version === 2 && (value & VMCR.VAckCtl) !== 0
    this.fiqEnable = this.version === 3 || (value & VMCR.VFIQEn) !== 0
    this.commonBinaryPoint = (value & VMCR.VCBPR) !== 0
    this.split = (value & VMCR.VEOIM) !== 0
    this.setBinaryPoint1(value >>> 18)
    this.setBinaryPoint0(value >>> 21)
    this.setPriorityMask(value >>> 24)
  }

  /** ICH_MISR_EL2, GICH_MISR; the interrupt itself also needs HCR.En. */
  maintenanceStatus(): number {
    const { hcr, lists } = this
    let valid = 0, pending = false, ended = false
    for (let n = 0; n < lists.count; n++) {
      if (lists.state(n) !== 0) valid++
      pending ||= lists.isPendingOnly(n)
      ended ||= lists.hasEnded(n)
    }
    let status = ended ? MISR.EOI : 0
    if ((hcr & HCR.UIE) !== 0 && valid <= 1) status |= MISR.U
    if ((hcr & HCR.LRENPIE) !== 0 && hcr >>> HCR_EOICOUNT !== 0) status |= MISR.LRENP
    if ((hcr & HCR.NPIE) !== 0 && !pending) status |= MISR.NP
    if ((hcr & HCR.VGrp0EIE) !== 0 && (this.groupEnables & 1) !== 0) status |= MISR.VGrp0E
    if ((hcr & HCR.VGrp0DIE) !== 0 && (this.groupEnables & 1) === 0) status |= MISR.VGrp0D
    if ((hcr & HCR.VGrp1EIE) !== 0 && (this.groupEnables & 2) !== 0) status |= MISR.VGrp1E
    if ((hcr & HCR.VGrp1DIE) !== 0 && (this.groupEnables & 2) === 0) status |= MISR.VGrp1D
    return status
  }

  /** EISR and ELRSR, 32 list registers to a word. */
  ended(word: number): number { return this.#bitmap(word, n => this.lists.hasEnded(n)) }
  empty(word: number): number { return this.#bitmap(word, n => this.lists.isEmpty(n)) }

  #bitmap(word: number, has: (n: number) => boolean): number {
    let bits = 0
    for (let n = 32 * word; n < Math.min(32 * word + 32, this.lists.count); n++) if (has(n)) bits |= 1 << (n & 31)
    return bits >>> 0
  }

  save(): unknown { return { hcr: this.readHcr(), vmcr: this.readVmcr(), active: this.active.save(), lists: this.lists.save() } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'GIC virtual interface')
    const lists = fieldsOf(fields['lists'], 'GIC list registers')
    this.lists.load(integersIn(lists, 'low', this.lists.count), integersIn(lists, 'high', this.lists.count))
    this.active.restore(integersIn(fields, 'active', 8))
    this.writeHcr(integerIn(fields, 'hcr', 0xffff_ffff))
    this.writeVmcr(integerIn(fields, 'vmcr', 0xffff_ffff))
    this.refresh()
  }
}
