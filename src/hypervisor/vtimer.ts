/**
 * The timers of a vCPU. One of them can be on the machine's virtual timer (CNTV with CNTVOFF_EL2); the others are compared in
 * software and woken by L0's own timer (CNTHP). A VM without EL2 has V and P; virtual EL2 adds HP and, with FEAT_VHE, HV.
 *
 *   guest, vEL1, L2        CNTV is V, offset by CNTVOFF_EL2 of L0 and of L1
 *   vEL2, nVHE             CNTV is V, unless FEAT_NV2 keeps V in the VNCR page
 *   vEL2, VHE              CNTV is HV (what CNTV names mean there), no offset
 */
import type { INTID } from '../arch/gic.ts'
import { PPI } from '../arch/gic.ts'
import { FLAG, integer, objectOf, optional, record, WORD64 } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Host } from './host.ts'
import { NEVER } from './pe.ts'
import type { PhysicalGic } from './physical-gic.ts'
import type { Vcpu } from './vcpu.ts'

export const CTL = { ENABLE: 1n, IMASK: 2n, ISTATUS: 4n } as const

export type TimerName = 'V' | 'P' | 'HP' | 'HV'
export interface TimerRow { readonly name: TimerName, readonly ctl: number, readonly cval: number, readonly tval: number, readonly ppi: INTID, readonly virtualOffset: boolean }
const row = (name: TimerName, ctl: number, cval: number, tval: number, ppi: INTID, virtualOffset = false): TimerRow => ({ name, ctl, cval, tval, ppi, virtualOffset })

export const TIMERS: Readonly<Record<TimerName, TimerRow>> = {
  V: row('V', SLOT.CNTV_CTL_EL0, SLOT.CNTV_CVAL_EL0, SLOT.CNTV_TVAL_EL0, PPI.virtualTimer, true),
  P: row('P', SLOT.CNTP_CTL_EL0, SLOT.CNTP_CVAL_EL0, SLOT.CNTP_TVAL_EL0, PPI.physicalTimer),
  HP: row('HP', SLOT.CNTHP_CTL_EL2, SLOT.CNTHP_CVAL_EL2, SLOT.CNTHP_TVAL_EL2, PPI.hypPhysicalTimer),
  HV: row('HV', SLOT.CNTHV_CTL_EL2, SLOT.CNTHV_CVAL_EL2, SLOT.CNTHV_TVAL_EL2, PPI.hypVirtualTimer),
}
const BY_SLOT = new Map<number, { readonly timer: TimerRow, readonly field: 'ctl' | 'cval' | 'tval' }>(Object.values(TIMERS).flatMap(timer =>
  (['ctl', 'cval', 'tval'] as const).map(field => [timer[field], { timer, field }])))
/** The timer register with this slot. */
export const timerRegister = (slot: number): { readonly timer: TimerRow, readonly field: 'ctl' | 'cval' | 'tval' } | undefined => BY_SLOT.get(slot)

const LEVELS = record<Record<TimerName, boolean>>({ V: FLAG, P: FLAG, HP: FLAG, HV: FLAG })

export class VcpuTimers {
  readonly #vcpu: Vcpu
  readonly #all: readonly TimerRow[]
  readonly #level: Record<TimerName, boolean> = { V: false, P: false, HP: false, HV: false }
  /** The machine's virtual timer PPI is active because of this vCPU; undefined when the guest may have deactivated it. */
  #physicalActive: boolean | undefined = false
  /** Number of lines that are high. */
  #high = 0
  /** What is asked at every exit and entry, kept until a timer changes: some timer outside the hardware runs; when the next line rises. */
  #softRuns: boolean | undefined
  #nextSoftRise: bigint | undefined

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu
    const { hasEL2, config } = vcpu.vm
    this.#all = !hasEL2 ? [TIMERS.V, TIMERS.P] : config.features.has('FEAT_VHE') ? [TIMERS.V, TIMERS.P, TIMERS.HP, TIMERS.HV] : [TIMERS.V, TIMERS.P, TIMERS.HP]
  }

  /** Which timer is on the machine's CNTV in the vCPU's context. */
  get onHardware(): TimerRow | undefined {
    const { context, nested } = this.#vcpu
    if (context.kind !== 'vEL2' || nested === undefined) return TIMERS.V
    if (nested.e2h) return TIMERS.HV
    return nested.pageHolds(SLOT.CNTV_CTL_EL0) ? undefined : TIMERS.V
  }

  /** The machine's interrupt behind a virtual one. */
  physicalOf(intid: INTID): INTID | undefined {
    return intid === this.onHardware?.ppi ? PPI.virtualTimer : undefined
  }

  /** CNTVOFF_EL2 for the machine in the vCPU's context. */
  hardwareOffset(): bigint {
    const { vm, context, nested } = this.#vcpu
    if (nested === undefined) return vm.counterOffset
    return context.kind === 'vEL2' && nested.e2h ? 0n : nested.get(SLOT.CNTVOFF_EL2)
  }

  #offsetOf(timer: TimerRow): bigint {
    if (!timer.virtualOffset) return 0n
    const { vm, nested } = this.#vcpu
    return nested === undefined ? vm.counterOffset : nested.get(SLOT.CNTVOFF_EL2)
  }

  /** A timer, its offset or the context has changed. */
  changed(): void { this.#softRuns = this.#nextSoftRise = undefined }

  #get(slot: number): bigint { return this.#vcpu.nested?.get(slot) ?? this.#vcpu.virtual.u64[slot]! }
  #set(slot: number, value: bigint): void {
    this.changed()
    if (this.#vcpu.nested === undefined) this.#vcpu.virtual.u64[slot] = value
    else this.#vcpu.nested.set(slot, value)
  }

  /** Moves the timer on the hardware into the file and stops it (4.10's __timer_save_state). */
  saveHardware(host: Host): void {
    const timer = this.onHardware
    if (timer !== undefined) {
      this.#vcpu.virtual.u64[timer.ctl] = host.mrs(SLOT.CNTV_CTL_EL0) & 3n
      this.#vcpu.virtual.u64[timer.cval] = host.mrs(SLOT.CNTV_CVAL_EL0)
    }
    host.msr(SLOT.CNTV_CTL_EL0, 0n)
  }

  restoreHardware(host: Host): void {
    host.msr(SLOT.CNTVOFF_EL2, this.hardwareOffset())
    const timer = this.onHardware
    if (timer === undefined) return
    host.msr(SLOT.CNTV_CVAL_EL0, this.#vcpu.virtual.u64[timer.cval]!)
    host.msr(SLOT.CNTV_CTL_EL0, this.#vcpu.virtual.u64[timer.ctl]!)
  }

  #isMet(timer: TimerRow, now: bigint): boolean {
    return BigInt.asUintN(64, now - this.#offsetOf(timer)) >= this.#get(timer.cval)
  }

  /**
   * Recomputes the interrupt lines; true if one has risen. Values of the timer on the hardware must be in the file, or `loaded` says
   * to ask the machine.
   */
  sync(host: Host): boolean {
    const vcpu = this.#vcpu, onHardware = this.onHardware, high = this.#high
    let now: bigint | undefined
    for (const timer of this.#all) {
      const loaded = vcpu.loaded && timer === onHardware
      let ctl = loaded ? host.mrs(SLOT.CNTV_CTL_EL0) : this.#get(timer.ctl)
      if (!loaded && (ctl & CTL.ENABLE) !== 0n) {
        now ??= host.counter()
        ctl = (ctl & 3n) | (this.#isMet(timer, now) ? CTL.ISTATUS : 0n)
      }
      // L1 reads the control of a timer in the page without a trap.
      if (!loaded && vcpu.nested?.pageLive === true && vcpu.nested.pageHolds(timer.ctl)) vcpu.nested.set(timer.ctl, ctl & 7n)
      this.#setLevel(timer, (ctl & 7n) === (CTL.ENABLE | CTL.ISTATUS))
    }
    return this.#high > high
  }

  #setLevel(timer: TimerRow, level: boolean): void {
    if (this.#level[timer.name] === level) return
    this.changed()
    this.#level[timer.name] = level
    this.#high += level ? 1 : -1
    this.#vcpu.vm.distributor.setPpiLevel(this.#vcpu.index, timer.ppi, level)
  }

  /** Some line is high or some timer outside the hardware runs: `sync` is needed. */
  get needsSync(): boolean {
    if (this.#high > 0) return true
    // L1 writes timers in a page unseen.
    if (this.#softRuns === undefined || this.#vcpu.nested?.pageLive === true) {
      const onHardware = this.onHardware
      this.#softRuns = this.#all.some(timer => timer !== onHardware && (this.#get(timer.ctl) & CTL.ENABLE) !== 0n)
    }
    return this.#softRuns
  }

  /** The machine's virtual timer PPI was acknowledged and stays active until the guest deactivates the virtual one. */
  physicalAcknowledged(): void { this.#physicalActive = true }
  physicalDeactivated(): void { this.#physicalActive = undefined }

  /**
   * Before entry: while the guest has been told (or has not ended the interrupt) the physical interrupt stays active, so that it
   * does not exit again; otherwise it must be able to fire.
   */
  flushActive(host: Host, gic: PhysicalGic): void {
    const timer = this.onHardware
    const wanted = timer !== undefined && (this.#level[timer.name] || this.#vcpu.vm.distributor.isActive(this.#vcpu.index, timer.ppi))
    if (this.#physicalActive === wanted) return
    gic.setActive(host, PPI.virtualTimer, wanted)
    this.#physicalActive = wanted
  }

  /** Another vCPU, or nobody, is next on this PE: the physical interrupt must not stay active on its behalf. */
  releaseActive(host: Host, gic: PhysicalGic): void {
    if (this.#physicalActive !== false) gic.setActive(host, PPI.virtualTimer, false)
    this.#physicalActive = false
  }

  /** Count at which a line that L0 computes will rise; NEVER if none. `all`: the timer on the hardware as well (a vCPU that is not running). */
  nextRise(all: boolean): bigint {
    if (all) return this.#nextRise(true)
    if (this.#nextSoftRise === undefined || this.#vcpu.nested?.pageLive === true) this.#nextSoftRise = this.#nextRise(false)
    return this.#nextSoftRise
  }

  #nextRise(all: boolean): bigint {
    let next = NEVER
    const onHardware = this.onHardware
    for (const timer of this.#all) {
      if ((timer === onHardware && !all) || this.#level[timer.name]) continue
      if ((this.#get(timer.ctl) & 3n) !== CTL.ENABLE) continue
      const at = this.#get(timer.cval) + this.#offsetOf(timer)
      if (at < next) next = at
    }
    return next
  }

  /** The answers that are kept as well: when they are asked for again is part of what L0 does. */
  saveState(): Saved {
    return { level: LEVELS.save(this.#level), physicalActive: this.#physicalActive, high: this.#high, softRuns: this.#softRuns, nextSoftRise: this.#nextSoftRise }
  }

  restoreState(saved: Saved, path: string): void {
    const { level, physicalActive, high, softRuns, nextSoftRise } = objectOf(saved, path)
    LEVELS.restore(level, `${path}.level`, this.#level)
    this.#physicalActive = optional(FLAG).restore(physicalActive, `${path}.physicalActive`, undefined)
    this.#high = integer(0, 4).restore(high, `${path}.high`, 0)
    this.#softRuns = optional(FLAG).restore(softRuns, `${path}.softRuns`, undefined)
    this.#nextSoftRise = optional(WORD64).restore(nextSoftRise, `${path}.nextSoftRise`, undefined)
  }

  // --- registers of a timer that the guest reaches by a trap

  read(host: Host, slot: number): bigint {
    const { timer, field } = BY_SLOT.get(slot)!
    if (this.#vcpu.loaded && timer === this.onHardware) return host.mrs(field === 'ctl' ? SLOT.CNTV_CTL_EL0 : field === 'cval' ? SLOT.CNTV_CVAL_EL0 : SLOT.CNTV_TVAL_EL0)
    if (field === 'cval') return this.#get(timer.cval)
    const now = host.counter()
    if (field === 'tval') return BigInt.asUintN(32, this.#get(timer.cval) - (now - this.#offsetOf(timer)))
    const ctl = this.#get(timer.ctl) & 3n
    return (ctl & CTL.ENABLE) !== 0n && this.#isMet(timer, now) ? ctl | CTL.ISTATUS : ctl
  }

  write(host: Host, slot: number, value: bigint): void {
    const { timer, field } = BY_SLOT.get(slot)!
    if (this.#vcpu.loaded && timer === this.onHardware) host.msr(field === 'ctl' ? SLOT.CNTV_CTL_EL0 : field === 'cval' ? SLOT.CNTV_CVAL_EL0 : SLOT.CNTV_TVAL_EL0, value)
    else if (field === 'ctl') this.#set(timer.ctl, value & 3n)
    else if (field === 'cval') this.#set(timer.cval, value)
    else this.#set(timer.cval, BigInt.asUintN(64, host.counter() - this.#offsetOf(timer) + BigInt.asIntN(32, value)))
    this.sync(host)
  }
}
