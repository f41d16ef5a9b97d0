/**
 * Registers whose value is not (only) their slot: PSTATE fields, counters and timers, the GIC, PMU, debug, cache geometry. One reader
 * and one writer per row; the rest of the table reads and writes its slot.
 */
import { PSTATE, DAIF_MASK, NZCV_MASK } from '../arch/pstate.ts'
import { SLOT, ccsidr, currentEL, dczid } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import type { Exceptions } from './exception.ts'
import type { Interrupts } from './interrupts.ts'
import type { Pmu } from './pmu.ts'
import { CYCLES_PER_COUNT } from './timers.ts'
import type { TimerName } from './timers.ts'

export interface SpecialRegister {
  readonly read?: () => bigint
  /** `value` has been through `sanitise`. */
  readonly write?: (value: bigint) => void
}

const TIMER_REGISTER = /^(CNTP|CNTV|CNTHP|CNTHV)_(TVAL|CTL|CVAL)_EL[02]$/
const GIC_REGISTER = /^(ICC|ICV|ICH)_/
const OSLSR_OSLK = 1n << 1n

export class SystemRegisters {
  readonly #core: Core
  readonly #exceptions: Exceptions
  readonly #interrupts: Interrupts
  readonly #pmu: Pmu
  readonly #stateChanged: () => void
  readonly #byRow: (SpecialRegister | undefined)[] = []

  constructor(core: Core, exceptions: Exceptions, interrupts: Interrupts, pmu: Pmu, stateChanged: () => void) {
    this.#stateChanged = stateChanged
    this.#core = core
    this.#exceptions = exceptions
    this.#interrupts = interrupts
    this.#pmu = pmu
  }

  /** How a row with special storage is accessed; empty for one that is not built. */
  of(row: Row): SpecialRegister { return this.#byRow[row.index] ??= this.#build(row) }

  #build(row: Row): SpecialRegister {
    const core = this.#core, name = row.aliasOf ?? row.name
    const timer = TIMER_REGISTER.exec(name)
    if (timer !== null) return this.#timer(timer[1] as TimerName, timer[2] as 'TVAL' | 'CTL' | 'CVAL')
    if (GIC_REGISTER.test(name)) {
      const gicName = row.viewOf ?? name, virtual = row.viewOf !== undefined, isSgi = /_A?SGI[01]R_/.test(gicName)
      return {
        read: () => core.pe.gic.readRegister(gicName, virtual),
        write: value => {
          core.pe.gic.writeRegister(gicName, value, virtual)
          if (isSgi && core.pes.length > 1) core.endTurn()
        },
      }
    }
    if (row.effect === 'pmu') return { read: () => this.#pmu.read(core.pe, name), write: value => this.#pmu.write(core.pe, name, value) }
    return this.#others(name)
  }

  #timer(name: TimerName, part: 'TVAL' | 'CTL' | 'CVAL'): SpecialRegister {
    const core = this.#core, timers = () => core.pe.timers, now = () => core.readCount(core.pe)
    const write = (store: (value: bigint) => void) => (value: bigint): void => {
      store(value)
      this.timersChanged()
    }
    switch (part) {
      case 'TVAL': return { read: () => timers().readTimerValue(name, now()), write: write(value => timers().writeTimerValue(name, value, now())) }
      case 'CTL': return { read: () => timers().readControl(name, now()), write: write(value => timers().writeControl(name, value)) }
      case 'CVAL': return { read: () => timers().compare(name), write: write(value => timers().writeCompare(name, value)) }
    }
  }

  /** After a timer or an offset has changed. Levels follow the PE's own clock, and the run must not pass the new deadline. */
  timersChanged(): void {
    const core = this.#core, { timers } = core.pe
    timers.update(core.count(core.pe))
    core.deadlineAt(timers.deadline * CYCLES_PER_COUNT)
  }

  #others(name: string): SpecialRegister {
    const core = this.#core, state = () => core.engine.state
    const physical = (): bigint => BigInt.asUintN(64, BigInt(core.readCount(core.pe)) - (core.el === 2 ? 0n : core.pe.timers.physicalOffset()))
    const virtual = (): bigint => {
      // A host reads its own counter: no offset at EL2 with E2H, nor in its EL0.
      const el = core.el, host = el === 2 ? core.e2h(core.pe) : el === 0 && core.host(core.pe)
      return BigInt.asUintN(64, BigInt(core.readCount(core.pe)) - (host ? 0n : core.pe.timers.offset('CNTV')))
    }
    const field = (mask: number): SpecialRegister => ({
      read: () => BigInt(state().pstate & mask), write: value => { state().pstate = (state().pstate & ~mask) | (Number(value) & mask) },
    })
    switch (name) {
      case 'CNTPCT_EL0': case 'CNTPCTSS_EL0': return { read: physical }
      case 'CNTVCT_EL0': case 'CNTVCTSS_EL0': return { read: virtual }
      case 'CurrentEL': return { read: () => currentEL(core.el, core.controls) }
      case 'DAIF': return field(DAIF_MASK)
      case 'PAN': return field(PSTATE.PAN)
      case 'UAO': return field(PSTATE.UAO)
      case 'NZCV': return { read: () => BigInt((state().nzcv << 28) >>> 0), write: value => { state().nzcv = (Number(value) & NZCV_MASK) >>> 28 } }
      case 'SPSel': return { read: () => BigInt(state().pstate & 1), write: value => this.selectStack(Number(value) & 1) }
      case 'ISR_EL1': return { read: () => BigInt(this.#interrupts.isr()) }
      case 'CCSIDR_EL1': return { read: () => ccsidr(core.pe.file.i32[2 * SLOT.CSSELR_EL1]!, core.features) }
      case 'DCZID_EL0': return { read: () => dczid(core.el, core.controls) }
      case 'OSLAR_EL1': return { write: value => {
        const { u64 } = core.pe.file
        u64[SLOT.OSLSR_EL1] = (u64[SLOT.OSLSR_EL1]! & ~OSLSR_OSLK) | (value & 1n) << 1n
      } }
      // No external debugger: the DCC is empty, and what is written to it is lost.
      case 'DBGDTR_EL0': case 'DBGDTRRX_EL0': return { read: () => 0n, write: () => {} }
      case 'DBGCLAIMSET_EL1': return { read: () => 0xffn, write: value => { core.pe.file.u64[SLOT.DBGCLAIMCLR_EL1]! |= value & 0xffn } }
      case 'DBGCLAIMCLR_EL1': return { read: () => core.pe.file.u64[SLOT.DBGCLAIMCLR_EL1]!, write: value => { core.pe.file.u64[SLOT.DBGCLAIMCLR_EL1]! &= ~value } }
    }
    return {}
  }

  selectStack(sp: number): void {
    const state = this.#core.engine.state, from = state.pstate, next = (from & ~1) | sp
    this.#exceptions.switchStack(from, next)
    state.pstate = next
    this.#stateChanged()
  }
}
