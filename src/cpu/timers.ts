/**
 * The generic timer's view of one PE (Arm ARM D12): four timers over one counter. The counter is virtual time (design D9): it comes from
 * the PE's cycles, so a timer condition is a comparison and a deadline, never a tick.
 *
 * Counts are plain numbers (cycles / 16, exact in a double); offsets and compare values are 64-bit and wrap.
 */
import type { Feature } from '../arch/features.ts'
import { PPI } from '../arch/gic.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { each as elements, FLAG, objectOf, record, TIME } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import { SLOT } from '../sysreg/index.ts'

/** 1 GHz of cycles, 62.5 MHz of counter (CNTFRQ_EL0 of sysreg/). */
export const CYCLES_PER_COUNT = 16

const CTL = { ENABLE: 1, IMASK: 2, ISTATUS: 4 } as const
/** CNTHCTL_EL2.ECV: CNTPOFF_EL2 applies. */
const CNTHCTL_ECV = 1 << 12
/** HCR_EL2.TGE in the low word, E2H in the high word. */
const HCR_TGE = 1 << 27, HCR_E2H_HIGH = 1 << 2

export type TimerName = 'CNTP' | 'CNTV' | 'CNTHP' | 'CNTHV'
export const TIMER_NAMES: readonly TimerName[] = ['CNTP', 'CNTV', 'CNTHP', 'CNTHV']

interface Timer {
  readonly name: TimerName
  readonly ctl: number
  readonly cval: number
  readonly ppi: number
  /** The condition at the last update, and the count at which it changes next (Infinity: not within a double's exact range). */
  met: boolean
  nextChange: number
  level: boolean
}

const timer = (name: TimerName, ctl: number, cval: number, ppi: number): Timer => ({ name, ctl, cval, ppi, met: false, nextChange: Infinity, level: false })

const TIMERS = elements(record<Pick<Timer, 'met' | 'nextChange' | 'level'>>({ met: FLAG, nextChange: TIME, level: FLAG }))

export class Timers {
  readonly #file: RegisterFile
  readonly #timers: Timer[]
  readonly #setLevel: (intid: number, level: boolean) => void
  readonly #el2: boolean
  readonly #ecv: boolean
  /** The earliest count at which a level may change; Infinity when no enabled timer is waiting. */
  deadline = Infinity

  constructor(file: RegisterFile, features: ReadonlySet<Feature>, el2: boolean, setLevel: (intid: number, level: boolean) => void) {
    this.#file = file
    this.#el2 = el2
    this.#ecv = features.has('FEAT_ECV')
    this.#setLevel = setLevel
    this.#timers = [
      timer('CNTP', SLOT.CNTP_CTL_EL0, SLOT.CNTP_CVAL_EL0, PPI.physicalTimer),
      timer('CNTV', SLOT.CNTV_CTL_EL0, SLOT.CNTV_CVAL_EL0, PPI.virtualTimer),
      timer('CNTHP', SLOT.CNTHP_CTL_EL2, SLOT.CNTHP_CVAL_EL2, PPI.hypPhysicalTimer),
      timer('CNTHV', SLOT.CNTHV_CTL_EL2, SLOT.CNTHV_CVAL_EL2, PPI.hypVirtualTimer),
    ]
  }

  /** What is subtracted from the counter before the comparison of this timer. */
  offset(name: TimerName): bigint {
    if (!this.#el2) return 0n
    if (name === 'CNTV') return this.#file.u64[SLOT.CNTVOFF_EL2]!
    if (name === 'CNTP') return this.physicalOffset()
    return 0n
  }

  /** CNTPOFF_EL2 as it applies to EL0 and EL1 (FEAT_ECV): not in a host's own context. */
  physicalOffset(): bigint {
    if (!this.#ecv || !this.#el2 || (this.#file.i32[2 * SLOT.CNTHCTL_EL2]! & CNTHCTL_ECV) === 0) return 0n
    const hcrLow = this.#file.i32[2 * SLOT.HCR_EL2]!, hcrHigh = this.#file.i32[2 * SLOT.HCR_EL2 + 1]!
    if ((hcrLow & HCR_TGE) !== 0 && (hcrHigh & HCR_E2H_HIGH) !== 0) return 0n
    return this.#file.u64[SLOT.CNTPOFF_EL2]!
  }

  /** Recomputes conditions and levels at `count` and the next deadline. Call after time has passed `deadline` and after any timer write. */
  update(count: number): void {
    let deadline = Infinity
    for (const each of this.#timers) {
      const ctl = this.#file.i32[2 * each.ctl]!
      if ((ctl & CTL.ENABLE) === 0) {
        each.nextChange = Infinity
        each.met = false
      } else {
        const passed = BigInt.asUintN(64, BigInt(count) - this.offset(each.name)), cval = this.#file.u64[each.cval]!
        each.met = passed >= cval
        // A met condition ends when the (offset) count wraps.
        const left = each.met ? (1n << 64n) - passed : cval - passed
        each.nextChange = left < 1n << 52n ? count + Number(left) : Infinity
        if ((ctl & CTL.IMASK) === 0 && each.nextChange < deadline) deadline = each.nextChange
      }
      const level = each.met && (ctl & CTL.IMASK) === 0
      if (level !== each.level) {
        each.level = level
        this.#setLevel(each.ppi, level)
      }
    }
    this.deadline = deadline
  }

  /** CNTx_CTL as read: ISTATUS is live and 0 while the timer is off (UNKNOWN in the manual). */
  readControl(name: TimerName, count: number): bigint {
    const each = this.#timer(name), ctl = this.#file.i32[2 * each.ctl]! & (CTL.ENABLE | CTL.IMASK)
    if ((ctl & CTL.ENABLE) === 0) return BigInt(ctl)
    const met = BigInt.asUintN(64, BigInt(count) - this.offset(name)) >= this.#file.u64[each.cval]!
    return BigInt(ctl | (met ? CTL.ISTATUS : 0))
  }

  /** TimerValue: the low 32 bits of CVAL - count. */
  readTimerValue(name: TimerName, count: number): bigint {
    return BigInt.asUintN(32, this.#file.u64[this.#timer(name).cval]! - (BigInt(count) - this.offset(name)))
  }

  /** CVAL = count + the signed 32-bit TimerValue. Like every write, followed by `update`. */
  writeTimerValue(name: TimerName, value: bigint, count: number): void {
    this.#file.u64[this.#timer(name).cval] = BigInt.asUintN(64, BigInt(count) - this.offset(name) + BigInt.asIntN(32, value))
  }

  writeControl(name: TimerName, value: bigint): void { this.#file.u64[this.#timer(name).ctl] = value & BigInt(CTL.ENABLE | CTL.IMASK) }

  compare(name: TimerName): bigint { return this.#file.u64[this.#timer(name).cval]! }
  writeCompare(name: TimerName, value: bigint): void { this.#file.u64[this.#timer(name).cval] = value }

  /** Lines as the Distributor last saw them; the registers themselves are saved with the register file. */
  saveState(): Saved { return { timers: TIMERS.save(this.#timers), deadline: this.deadline } }

  restoreState(saved: Saved, path: string): void {
    const { timers, deadline } = objectOf(saved, path)
    TIMERS.restore(timers, `${path}.timers`, this.#timers)
    this.deadline = TIME.restore(deadline, `${path}.deadline`, 0)
  }

  #timer(name: TimerName): Timer { return this.#timers[TIMER_NAMES.indexOf(name)]! }
}
