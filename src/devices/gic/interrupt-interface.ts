/** What the physical and the virtual CPU interface have in common: the same registers act on either (IHI0069 12.2 and 12.3). */
import type { GicVersion, INTID } from '../../arch/gic.ts'
import type { ActivePriorities } from './active-priorities.ts'

export interface InterruptInterface {
  readonly version: GicVersion
  readonly priorityBits: number
  readonly active: ActivePriorities
  /** Bits 0 and 1: Group 0 and Group 1. */
  groupEnables: number
  /** CBPR. */
  commonBinaryPoint: boolean
  /** EOImode: EOIR only drops the priority, DIR deactivates. */
  split: boolean
  /** GICv2's AckCtl and FIQEn. */
  acknowledgeBoth: boolean
  fiqEnable: boolean
  /** GICv2's bypass disable bits, which have no effect; the virtual interface has none. */
  bypass: number
  readonly priorityMask: number
  readonly binaryPoint0: number
  readonly binaryPoint1: number
  setPriorityMask(value: number): void
  setBinaryPoint0(value: number): void
  setBinaryPoint1(value: number): void
  acknowledge(): INTID
  acknowledgeGroup(group: 0 | 1): INTID
  highestPendingAny(): INTID
  highestPendingOfGroup(group: 0 | 1): INTID
  endOfInterrupt(id: INTID, group: 0 | 1 | undefined): void
  deactivate(id: INTID): void
}
