/**
 * One processing element: what is not in the engine's memory. General registers, PC, PSTATE and V registers are in the engine's hot block
 * (of this PE only while `engine.pe` is its index); system registers are in `file`, a view of the engine's memory.
 */
import type { GicCpuInterface } from '../arch/gic.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { choice, COUNT, each, FLAG, integer, objectOf, optional, record, REGISTERS, restoreFields, saveFields, TIME, value, WORD32, WORD64 } from '../arch/saved-state.ts'
import type { Fields, Saved } from '../arch/saved-state.ts'
import type { Timers } from './timers.ts'
import { Resolutions } from './resolutions.ts'
import type { PEViews } from './views.ts'

export type PowerState = 'on' | 'off' | 'on-pending'
/** What the PE waits for: WFI, WFE, or `idle` of the EL2 software in TypeScript. */
export type Waiting = 'none' | 'WFI' | 'WFE' | 'EL2'

export interface PECounters {
  /** Synchronous exceptions by exception class, by target EL. */
  readonly syncToEL1: number[]
  readonly syncToEL2: number[]
  /** IRQ, FIQ, SError by target EL (index 1 and 2). */
  readonly irq: number[]
  readonly fiq: number[]
  readonly serror: number[]
  eret: number
  mmio: number
}

export const createCounters = (): PECounters => ({
  syncToEL1: Array.from({ length: 64 }, () => 0), syncToEL2: Array.from({ length: 64 }, () => 0), irq: [0, 0, 0], fiq: [0, 0, 0], serror: [0, 0, 0], eret: 0, mmio: 0,
})

const COUNTERS = record<PECounters>({ syncToEL1: each(COUNT), syncToEL2: each(COUNT), irq: each(COUNT), fiq: each(COUNT), serror: each(COUNT), eret: COUNT, mmio: COUNT })
const FIELDS: Fields<PE> = {
  file: REGISTERS, counters: COUNTERS, power: choice('on', 'off', 'on-pending'), start: optional(value<NonNullable<PE['start']>>({ entry: WORD64, context: WORD64 })),
  waiting: choice('none', 'WFI', 'WFE', 'EL2'), waitUntil: TIME, event: FLAG, charged: TIME, slept: TIME, overflowAt: TIME, irq: FLAG, fiq: FLAG, virtualIrq: FLAG, virtualFiq: FLAG, linesChanged: FLAG,
  changedAt: TIME, undefinedAccess: optional(value<NonNullable<PE['undefinedAccess']>>({ word: WORD32, pc: WORD64, el: integer(0, 2) })), vectorFailures: COUNT,
}

export class PE {
  readonly index: number
  readonly file: RegisterFile
  readonly gic: GicCpuInterface
  readonly timers: Timers
  readonly views: PEViews
  readonly resolutions = new Resolutions()
  counters: PECounters = createCounters()

  power: PowerState = 'off'
  /** Where CPU_ON starts it; performed at the PE's next turn. */
  start: { readonly entry: bigint, readonly context: bigint } | undefined
  waiting: Waiting = 'none'
  /** A WFE that nobody answers ends here (cycles). */
  waitUntil = Infinity
  /** The event register of WFE. */
  event = false

  /** Cycles charged by the cost model, and cycles slept. The clock is instructions + charged + slept. */
  charged = 0
  slept = 0
  /** A PMU counter with an interrupt overflows at this many cycles without those slept. */
  overflowAt = Infinity

  /** The interrupt lines as last asked from the GIC; `linesChanged` says that they are stale. */
  irq = false
  fiq = false
  virtualIrq = false
  virtualFiq = false
  linesChanged = true
  /** Time of the change that may wake it, on the clock of the PE that made it. */
  changedAt = 0

  /** The last system-register access that was UNDEFINED, for naming it when the guest dies of it. */
  undefinedAccess: { readonly word: number, readonly pc: bigint, readonly el: number } | undefined

  /** Exceptions in a row that found a vector which cannot be executed. */
  vectorFailures = 0

  /** Physical address of the VNCR_EL2 page as translated, -1 when not known. */
  vncrPage = -1
  vncrWritable = false

  constructor(index: number, file: RegisterFile, gic: GicCpuInterface, timers: Timers, views: PEViews) {
    this.index = index
    this.file = file
    this.gic = gic
    this.timers = timers
    this.views = views
  }

  /** General registers are the engine's; timers have a part of their own. */
  saveState(): Saved { return { ...saveFields<PE>(this, FIELDS), timers: this.timers.saveState() } }

  restoreState(saved: Saved, path: string): void {
    this.registersReplaced()
    restoreFields<PE>(this, FIELDS, saved, path)
    this.timers.restoreState(objectOf(saved, path)['timers'], `${path}.timers`)
  }

  /** All registers may have changed: reset, snapshot. */
  registersReplaced(): void {
    this.views.changedAll()
    this.resolutions.forget()
    this.vncrPage = -1
    this.linesChanged = true
  }

  refreshLines(): void {
    if (!this.linesChanged) return
    this.linesChanged = false
    this.irq = this.gic.irqLine()
    this.fiq = this.gic.fiqLine()
    this.virtualIrq = this.gic.virtualIrqLine()
    this.virtualFiq = this.gic.virtualFiqLine()
  }
}
