/**
 * The physical CPU interface of one PE: acknowledge, priority drop, deactivation, and the IRQ and FIQ lines.
 * GICv2 shows it as the GICC frame, GICv3 as ICC_ system registers; both views are in `cpu-interface-registers.ts`.
 */
import type { GicVersion, INTID } from '../../arch/gic.ts'
import { SPURIOUS } from '../../arch/gic.ts'
import { fieldsOf, integerIn, integersIn } from '../saved-state.ts'
import { ActivePriorities, group1Mask, groupMask, preempts } from './active-priorities.ts'
import type { GicDistributor } from './distributor.ts'
import type { InterruptInterface } from './interrupt-interface.ts'
import type { Candidate } from './interrupt-state.ts'

/** GICv2: the interrupt is of Group 1 and GICC_CTLR.AckCtl is 0. */
export const OTHER_GROUP: INTID = 1022
/** INTIDs 1020 to 1023 name no interrupt. */
export const isSpecial = (intid: INTID): boolean => intid >= 1020 && intid <= 1023

export class PhysicalInterface implements InterruptInterface {
  readonly version: GicVersion
  readonly cpu: number
  readonly priorityBits: number
  readonly active: ActivePriorities
  irq = false
  fiq = false
  priorityMask = 0
  binaryPoint0 = 0
  binaryPoint1 = 0
  /** ICC_IGRPEN0_EL1 and ICC_IGRPEN1_EL1, GICC_CTLR.EnableGrp0 and EnableGrp1: bits 0 and 1. */
  groupEnables = 0
  commonBinaryPoint = false
  /** EOImode: EOIR only drops the priority, DIR deactivates. */
  split = false
  /** GICC_CTLR.AckCtl, FIQEn and the bypass bits, which GICv3 does not have. */
  acknowledgeBoth = false
  fiqEnable = false
  bypass = 0
  readonly #distributor: GicDistributor

  constructor(distributor: GicDistributor, cpu: number) {
    this.version = distributor.version
    this.cpu = cpu
    this.priorityBits = distributor.priorityBits
    this.#distributor = distributor
    this.active = new ActivePriorities(Math.min(this.priorityBits, 7))
    this.reset()
  }

  reset(): void {
    this.active.reset()
    this.priorityMask = 0
    this.binaryPoint0 = this.active.minimumBinaryPoint
    this.binaryPoint1 = this.active.minimumBinaryPoint + 1
    this.groupEnables = 0
    this.commonBinaryPoint = false
    this.split = false
    this.acknowledgeBoth = false
    this.fiqEnable = false
    this.bypass = 0
    this.refresh()
  }

  /** Recomputes the lines; true if one has changed. */
  refresh(): boolean {
    const signalled = this.signalled()
    const fiq = signalled !== undefined && signalled.group === 0 && (this.version === 3 || this.fiqEnable)
    const irq = signalled !== undefined && !fiq
    if (irq === this.irq && fiq === this.fiq) return false
    this.irq = irq
    this.fiq = fiq
    return true
  }

  /** Highest-priority pending interrupt of the groups that are enabled here, whether or not it may interrupt the PE now. */
  highestPending(): Candidate | undefined {
    const group0 = (this.groupEnables & 1) !== 0 ? this.#distributor.highestPendingOfGroup(this.cpu, 0) : undefined
    const group1 = (this.groupEnables & 2) !== 0 ? this.#distributor.highestPendingOfGroup(this.cpu, 1) : undefined
    if (group0 === undefined || group1 === undefined) return group0 ?? group1
    if (group0.priority !== group1.priority) return group0.priority < group1.priority ? group0 : group1
    return group0.intid < group1.intid ? group0 : group1
  }

  /** The interrupt that is signalled to the PE: above the priority mask, and of a group priority that preempts the running one. */
  signalled(): Candidate | undefined {
    const best = this.highestPending()
    if (best === undefined || best.priority >= this.priorityMask) return undefined
    return preempts(best.priority, this.active.running(), this.#groupMask(best.group)) ? best : undefined
  }

  /** ICC_IAR0_EL1, ICC_IAR1_EL1, GICC_AIAR. */
  acknowledgeGroup(group: 0 | 1): INTID {
    const best = this.signalled()
    if (best === undefined || best.group !== group) return SPURIOUS
    return this.#activate(best)
  }

  /** GICC_IAR, the view of a GIC with one security state. */
  acknowledge(): INTID {
    const best = this.signalled()
    if (best === undefined) return SPURIOUS
    if (best.group === 1 && !this.acknowledgeBoth) return OTHER_GROUP
    return this.#activate(best)
  }

  #activate(best: Candidate): INTID {
    this.active.activate(best.group, best.priority & this.#groupMask(best.group))
    this.#distributor.activate(this.cpu, best.intid, best.source)
    return this.version === 2 ? best.intid | best.source << 10 : best.intid
  }

  highestPendingOfGroup(group: 0 | 1): INTID {
    const best = this.highestPending()
    return best === undefined || best.group !== group ? SPURIOUS : this.#named(best)
  }

  /** GICC_HPPIR. */
  highestPendingAny(): INTID {
    const best = this.highestPending()
    if (best === undefined) return SPURIOUS
    return best.group === 1 && !this.acknowledgeBoth ? OTHER_GROUP : this.#named(best)
  }

  #named(best: Candidate): INTID { return this.version === 2 ? best.intid | best.source << 10 : best.intid }

  /**
   * EOIR. `group` undefined: GICC_EOIR, which takes either group. A write that does not match the running group, or comes with nothing
   * active, is UNPREDICTABLE and ignored here.
   */
  endOfInterrupt(id: INTID, group: 0 | 1 | undefined): void {
    if (isSpecial(id)) return
    const running = this.active.runningGroup()
    if (running === undefined || (group !== undefined && running !== group)) return
    this.active.drop()
    if (!this.split) this.#deactivate(id)
  }

  /** DIR. With EOImode 0 the write is UNPREDICTABLE and ignored here. */
  deactivate(id: INTID): void {
    if (this.split && !isSpecial(id)) this.#deactivate(id)
  }

  /** GICv2: the CPUID of a software-generated interrupt stands above its INTID. */
  #deactivate(id: INTID): void {
    if (this.version === 2) this.#distributor.deactivate(this.cpu, id & 0x3ff, id >>> 10)
    else this.#distributor.deactivate(this.cpu, id, 0)
  }

  setPriorityMask(value: number): void { this.priorityMask = value & 0xff00 >>> this.priorityBits & 0xff }
  setBinaryPoint0(value: number): void { this.binaryPoint0 = Math.max(value & 7, this.active.minimumBinaryPoint) }
  setBinaryPoint1(value: number): void { this.binaryPoint1 = Math.max(value & 7, this.active.minimumBinaryPoint + 1) }

  #groupMask(group: 0 | 1): number { return group === 0 || this.commonBinaryPoint ? groupMask(this.binaryPoint0) : group1Mask(this.binaryPoint1) }

  save(): unknown {
    return {
      active: this.active.save(), priorityMask: this.priorityMask, binaryPoint0: this.binaryPoint0, binaryPoint1: this.binaryPoint1, groupEnables: this.groupEnables,
      commonBinaryPoint: this.commonBinaryPoint, split: this.split, acknowledgeBoth: this.acknowledgeBoth, fiqEnable: this.fiqEnable, bypass: this.bypass,
    }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'GIC CPU interface')
    this.active.restore(integersIn(fields, 'active', 8))
    this.setPriorityMask(integerIn(fields, 'priorityMask', 0xff))
    this.setBinaryPoint0(integerIn(fields, 'binaryPoint0', 7))
    this.setBinaryPoint1(integerIn(fields, 'binaryPoint1', 7))
    this.groupEnables = integerIn(fields, 'groupEnables', 3)
    this.bypass = integerIn(fields, 'bypass', 0xffff_ffff)
    this.commonBinaryPoint = fields['commonBinaryPoint'] === true
    this.split = fields['split'] === true
    this.acknowledgeBoth = fields['acknowledgeBoth'] === true
    this.fiqEnable = fields['fiqEnable'] === true
    this.refresh()
  }
}
