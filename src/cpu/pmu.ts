/**
 * PMUv3, small: a cycle counter and a few event counters that count cycles, retired instructions and software increments, at every EL (the
 * filters of PMEVTYPER<n>_EL0 and PMCCFILTR_EL0 are kept and not applied). Counters that are on are computed from the PE's clocks when they
 * are read; the time of the next overflow is known before, so that the interrupt (PPI 23) comes at its cycle. Sleeping PEs do not count.
 */
import { PPI } from '../arch/gic.ts'
import { each, FLAG, objectOf, TIME } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import type { PE } from './pe.ts'

const PMCR = { E: 1, P: 2, C: 4, D: 8, LC: 64 } as const
const EVENT = { SW_INCR: 0x00, INST_RETIRED: 0x08, CPU_CYCLES: 0x11 } as const
const CYCLE = 31
const COUNTER_SLOTS = [SLOT.PMEVCNTR0_EL0, SLOT.PMEVCNTR1_EL0, SLOT.PMEVCNTR2_EL0, SLOT.PMEVCNTR3_EL0] as const
const COUNTERS = [0, 1, 2, 3, CYCLE] as const
/** Nothing that counts depends on them. */
const PLAIN: ReadonlySet<string> = new Set(['PMSELR_EL0', 'PMUSERENR_EL0'])
const TYPE_SLOTS = [SLOT.PMEVTYPER0_EL0, SLOT.PMEVTYPER1_EL0, SLOT.PMEVTYPER2_EL0, SLOT.PMEVTYPER3_EL0] as const

/** What a counter counts, read at the moments when it starts, stops or is looked at. */
type Source = (pe: PE) => number

const SINCE = each(each(TIME)), LEVELS = each(FLAG)

/** State of one PE's counters beside its registers: the source's value up to which each register is up to date. */
export class Pmu {
  readonly #core: Core
  readonly #since: number[][]
  readonly #level: boolean[]
  readonly #setLevel: (pe: number, intid: number, level: boolean) => void

  constructor(core: Core, pes: number, setLevel: (pe: number, intid: number, level: boolean) => void) {
    this.#core = core
    this.#setLevel = setLevel
    this.#level = Array.from({ length: pes }, () => false)
    this.#since = Array.from({ length: pes }, () => Array.from({ length: 32 }, () => 0))
  }

  #source(pe: PE, n: number): Source {
    if (n === CYCLE) return each => this.#core.awakeCycles(each)
    const event = pe.file.i32[2 * TYPE_SLOTS[n]!]! & 0xffff
    if (event === EVENT.CPU_CYCLES) return each => this.#core.awakeCycles(each)
    if (event === EVENT.INST_RETIRED) return each => this.#core.engine.instructions(each.index)
    return () => 0
  }

  #slot(n: number): number { return n === CYCLE ? SLOT.PMCCNTR_EL0 : COUNTER_SLOTS[n]! }

  #isOn(pe: PE, n: number): boolean {
    return (pe.file.i32[2 * SLOT.PMCR_EL0]! & PMCR.E) !== 0 && (pe.file.i32[2 * SLOT.PMCNTENSET_EL0]! & (1 << n)) !== 0
  }

  /** Brings the registers up to date; called before anything that reads or changes a counter or its controls. */
  #catchUp(pe: PE): void {
    if ((pe.file.i32[2 * SLOT.PMCR_EL0]! & PMCR.E) === 0) return
    for (const n of COUNTERS) {
      const now = this.#source(pe, n)(pe), since = this.#since[pe.index]!
      if (this.#isOn(pe, n)) {
        const slot = this.#slot(n), wide = this.#isWide(pe, n)
        const before = pe.file.u64[slot]!, after = BigInt.asUintN(n === CYCLE ? 64 : 32, before + BigInt(now - since[n]!))
        if (after < before || (!wide && (after >> 32n) !== (before >> 32n))) pe.file.i32[2 * SLOT.PMOVSSET_EL0]! |= 1 << n
        pe.file.u64[slot] = after
      }
      since[n] = now
    }
  }

  #isWide(pe: PE, n: number): boolean { return n === CYCLE && (pe.file.i32[2 * SLOT.PMCR_EL0]! & PMCR.LC) !== 0 }

  /** Counters, the interrupt line and the time of the next overflow, as of now. */
  update(pe: PE): void {
    this.#catchUp(pe)
    const { i32, u64 } = pe.file, on = (i32[2 * SLOT.PMCR_EL0]! & PMCR.E) !== 0
    const level = on && (i32[2 * SLOT.PMOVSSET_EL0]! & i32[2 * SLOT.PMINTENSET_EL1]!) !== 0
    if (level !== this.#level[pe.index]) {
      this.#level[pe.index] = level
      this.#setLevel(pe.index, PPI.pmu, level)
    }
    pe.overflowAt = Infinity
    // A counter whose overflow is pending already changes nothing.
    const waiting = on ? i32[2 * SLOT.PMINTENSET_EL1]! & ~i32[2 * SLOT.PMOVSSET_EL0]! : 0
    if (waiting === 0) return
    for (const n of COUNTERS) {
      if ((waiting & (1 << n)) === 0 || !this.#isOn(pe, n) || !this.#ticks(pe, n)) continue
      const bits = this.#isWide(pe, n) ? 64 : 32, left = (1n << BigInt(bits)) - BigInt.asUintN(bits, u64[this.#slot(n)]!)
      // No instruction takes less than its cycle: one that is retired counts at this time or later, and is then looked at again.
      if (left < 1n << 52n) pe.overflowAt = Math.min(pe.overflowAt, this.#core.awakeCycles(pe) + Number(left))
    }
  }

  /** Counts with time, rather than with instructions that write PMSWINC_EL0. */
  #ticks(pe: PE, n: number): boolean {
    const event = pe.file.i32[2 * (TYPE_SLOTS[n] ?? 0)]! & 0xffff
    return n === CYCLE || event === EVENT.CPU_CYCLES || event === EVENT.INST_RETIRED
  }

  read(pe: PE, name: string): bigint {
    if (!PLAIN.has(name)) this.update(pe)
    const { u64 } = pe.file
    switch (name) {
      case 'PMCNTENCLR_EL0': return u64[SLOT.PMCNTENSET_EL0]!
      case 'PMOVSCLR_EL0': return u64[SLOT.PMOVSSET_EL0]!
      case 'PMINTENCLR_EL1': return u64[SLOT.PMINTENSET_EL1]!
      case 'PMXEVTYPER_EL0': return this.#selected(pe, TYPE_SLOTS)
      case 'PMXEVCNTR_EL0': return this.#selected(pe, COUNTER_SLOTS)
      default: return u64[SLOT[name as 'PMCR_EL0']]!
    }
  }

  /** `value` has its RES0 bits cleared; what is written to a register with plain storage. */
  write(pe: PE, name: string, value: bigint): void {
    if (PLAIN.has(name)) {
      pe.file.u64[SLOT[name as 'PMSELR_EL0']] = value
      return
    }
    this.#catchUp(pe)
    this.#write(pe, name, value)
    if ((pe.file.i32[2 * SLOT.PMCR_EL0]! & PMCR.E) !== 0) for (const n of COUNTERS) this.#since[pe.index]![n] = this.#source(pe, n)(pe)
    this.update(pe)
    if (pe === this.#core.pe) this.#core.deadlineAt(pe.overflowAt + pe.slept)
  }

  #write(pe: PE, name: string, value: bigint): void {
    const { u64 } = pe.file, implemented = 0x8000_000fn
    switch (name) {
      case 'PMCR_EL0': {
        const control = Number(value & 0xffn)
        u64[SLOT.PMCR_EL0] = value & ~BigInt(PMCR.P | PMCR.C)
        if ((control & PMCR.P) !== 0) for (const slot of COUNTER_SLOTS) u64[slot] = 0n
        if ((control & PMCR.C) !== 0) u64[SLOT.PMCCNTR_EL0] = 0n
        break
      }
      case 'PMCNTENSET_EL0': u64[SLOT.PMCNTENSET_EL0]! |= value & implemented; break
      case 'PMCNTENCLR_EL0': u64[SLOT.PMCNTENSET_EL0]! &= ~value; break
      case 'PMOVSSET_EL0': u64[SLOT.PMOVSSET_EL0]! |= value & implemented; break
      case 'PMOVSCLR_EL0': u64[SLOT.PMOVSSET_EL0]! &= ~value; break
      case 'PMINTENSET_EL1': u64[SLOT.PMINTENSET_EL1]! |= value & implemented; break
      case 'PMINTENCLR_EL1': u64[SLOT.PMINTENSET_EL1]! &= ~value; break
      case 'PMSWINC_EL0':
        for (let n = 0; n < COUNTER_SLOTS.length; n++) {
          if ((value >> BigInt(n) & 1n) !== 0n && this.#isOn(pe, n) && (pe.file.i32[2 * TYPE_SLOTS[n]!]! & 0xffff) === EVENT.SW_INCR) {
            const next = u64[COUNTER_SLOTS[n]!] = BigInt.asUintN(32, u64[COUNTER_SLOTS[n]!]! + 1n)
            if (next === 0n) pe.file.i32[2 * SLOT.PMOVSSET_EL0]! |= 1 << n
          }
        }
        break
      case 'PMXEVTYPER_EL0': this.#select(pe, TYPE_SLOTS, value); break
      case 'PMXEVCNTR_EL0': this.#select(pe, COUNTER_SLOTS, value); break
      default: u64[SLOT[name as 'PMCCNTR_EL0']] = value
    }
  }

  #selected(pe: PE, slots: readonly number[]): bigint {
    const n = pe.file.i32[2 * SLOT.PMSELR_EL0]! & 31
    return n < slots.length ? pe.file.u64[slots[n]!]! : n === CYCLE && slots === TYPE_SLOTS ? pe.file.u64[SLOT.PMCCFILTR_EL0]! : 0n
  }

  #select(pe: PE, slots: readonly number[], value: bigint): void {
    const n = pe.file.i32[2 * SLOT.PMSELR_EL0]! & 31
    if (n < slots.length) pe.file.u64[slots[n]!] = value
    else if (n === CYCLE && slots === TYPE_SLOTS) pe.file.u64[SLOT.PMCCFILTR_EL0] = value
  }

  saveState(): Saved { return { since: SINCE.save(this.#since), level: LEVELS.save(this.#level) } }

  restoreState(saved: Saved): void {
    const { since, level } = objectOf(saved, 'PMU')
    SINCE.restore(since, 'PMU.since', this.#since)
    LEVELS.restore(level, 'PMU.level', this.#level)
  }
}
