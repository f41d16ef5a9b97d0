/**
 * PMUv3, small: a cycle counter and a few event counters that count cycles, retired instructions and software increments. Counters that
 * are on are computed from the PE's clocks when they are read; overflow sets no interrupt.
 */
import { SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import type { PE } from './pe.ts'

const PMCR = { E: 1, P: 2, C: 4, D: 8, LC: 64 } as const
const EVENT = { SW_INCR: 0x00, INST_RETIRED: 0x08, CPU_CYCLES: 0x11 } as const
const CYCLE = 31
const COUNTER_SLOTS = [SLOT.PMEVCNTR0_EL0, SLOT.PMEVCNTR1_EL0, SLOT.PMEVCNTR2_EL0, SLOT.PMEVCNTR3_EL0] as const
const TYPE_SLOTS = [SLOT.PMEVTYPER0_EL0, SLOT.PMEVTYPER1_EL0, SLOT.PMEVTYPER2_EL0, SLOT.PMEVTYPER3_EL0] as const

/** What a counter counts, read at the moments when it starts, stops or is looked at. */
type Source = (pe: PE) => number

/** State of one PE's counters beside its registers: the source's value up to which each register is up to date. */
export class Pmu {
  readonly #core: Core
  readonly #since: number[][]

  constructor(core: Core, pes: number) {
    this.#core = core
    this.#since = Array.from({ length: pes }, () => Array.from({ length: 32 }, () => 0))
  }

  #source(pe: PE, n: number): Source {
    if (n === CYCLE) return each => this.#core.cycles(each)
    const event = pe.file.i32[2 * TYPE_SLOTS[n]!]! & 0xffff
    if (event === EVENT.CPU_CYCLES) return each => this.#core.cycles(each)
    if (event === EVENT.INST_RETIRED) return each => this.#core.engine.instructions(each.index)
    return () => 0
  }

  #slot(n: number): number { return n === CYCLE ? SLOT.PMCCNTR_EL0 : COUNTER_SLOTS[n]! }

  #isOn(pe: PE, n: number): boolean {
    return (pe.file.i32[2 * SLOT.PMCR_EL0]! & PMCR.E) !== 0 && (pe.file.i32[2 * SLOT.PMCNTENSET_EL0]! & (1 << n)) !== 0
  }

  /** Brings the registers up to date; called before anything that reads or changes a counter or its controls. */
  #catchUp(pe: PE): void {
    for (const n of [0, 1, 2, 3, CYCLE]) {
      const now = this.#source(pe, n)(pe), since = this.#since[pe.index]!
      if (this.#isOn(pe, n)) {
        const slot = this.#slot(n), wide = n === CYCLE && (pe.file.i32[2 * SLOT.PMCR_EL0]! & PMCR.LC) !== 0
        const before = pe.file.u64[slot]!, after = BigInt.asUintN(n === CYCLE ? 64 : 32, before + BigInt(now - since[n]!))
        if (after < before || (!wide && (after >> 32n) !== (before >> 32n))) pe.file.i32[2 * SLOT.PMOVSSET_EL0]! |= 1 << n
        pe.file.u64[slot] = after
      }
      since[n] = now
    }
  }

  read(pe: PE, name: string): bigint {
    this.#catchUp(pe)
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
    this.#catchUp(pe)
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
            u64[COUNTER_SLOTS[n]!] = BigInt.asUintN(32, u64[COUNTER_SLOTS[n]!]! + 1n)
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

  save(): readonly (readonly number[])[] { return this.#since.map(each => [...each]) }
  restore(state: readonly (readonly number[])[]): void { state.forEach((each, pe) => { this.#since[pe] = [...each] }) }
}
