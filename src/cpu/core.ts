/**
 * What the parts of the CPU share: the engine, the PEs and what the machine lends. Everything that acts on "the PE that runs now" goes
 * through here; parts do not know each other's state.
 */
import type { CostFrame, CostModel } from '../arch/cost.ts'
import type { EL } from '../arch/el.ts'
import type { Feature } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import type { EngineApi } from '../engine/engine.ts'
import { SLOT, spsrShowsEL2 } from '../sysreg/index.ts'
import type { Controls } from '../sysreg/index.ts'
import type { TraceSink } from '../trace/event.ts'
import type { DebugHooks } from './debug-hooks.ts'
import type { RoutingControls } from './routing.ts'
import type { PE } from './pe.ts'
import type { SelfHostedDebug } from './self-hosted-debug.ts'
import type { ViewRegistry } from './views.ts'
import { CYCLES_PER_COUNT } from './timers.ts'

export type BusResult =
  | { readonly kind: 'value', readonly value: number, readonly frame: CostFrame }
  /** Nothing there: a synchronous External abort. */
  | { readonly kind: 'nothing' }
  /** A device without this register: the machine stops and says so. */
  | { readonly kind: 'absent', readonly region: string, readonly offset: number }

/** Physical addresses outside RAM. */
export interface Bus {
  /** The device there takes at most 32 bits at once. */
  isNarrow?(pa: number): boolean
  read(pe: number, pa: number, size: 1 | 2 | 4 | 8): BusResult
  write(pe: number, pa: number, size: 1 | 2 | 4 | 8, value: number): BusResult
}

/** Something the guest asked for that is not built (design D11). */
export interface Unimplemented {
  readonly pe: number
  readonly what: 'instruction' | 'register' | 'system instruction' | 'device access' | 'feature' | 'firmware call'
  readonly name: string
  readonly pc: bigint
  readonly el: EL
  readonly feature?: string | undefined
  /** Symbol at `pc`, where the machine knows one. */
  readonly symbol?: string | undefined
}

export type EL2Entry = 'sync' | 'irq' | 'fiq' | 'serror'

/** An order-dependent hash of what happens; see trace-hash.ts. */
export interface EventHash {
  add(value: number): void
  addCount(value: number): void
  add64(value: bigint): void
}

export interface Environment {
  readonly bus: Bus
  /**
   * Where the engine has what the guest reads, fetches or writes at a physical address: memory besides RAM (flash in read mode) lies behind the
   * guest's RAM, where the guest itself finds nothing. Undefined: RAM is all there is.
   */
  readonly place?: ((pa: number, write: boolean) => number) | undefined
  /** HLT #0xF000: true if it was a semihosting call, which has been made; false where there is none. */
  readonly semihosting?: ((pe: PE) => boolean) | undefined
  /** HVC without EL2, SMC that is not trapped: PSCI. Changes X0, or the power state of PEs. */
  firmware(pe: PE): void
  /** Called after an exception to EL2 has been taken when EL2 software in TypeScript is attached. Leaves the PE ready to run, waiting, or off. */
  readonly enterEL2: ((pe: PE, kind: EL2Entry) => void) | undefined
  /** Ends the run at the current instruction. */
  unimplemented(detail: Unimplemented): void
  /** The guest cannot go on: ends the run. */
  died(detail: string): void
  /** Symbol at an address, for messages. */
  readonly symbolAt?: ((pc: bigint) => string | undefined) | undefined
  /** EL1 takes the same exception for ever, which software at EL2 does not see: true if there is some in TypeScript that has been told. */
  stuck(pe: PE, vector: bigint, syndrome: number): boolean
}

/** HCR_EL2 bits by name, as masks over the low and high word. */
export const HCR = {
  FMO: 1 << 3, IMO: 1 << 4, AMO: 1 << 5, VF: 1 << 6, VI: 1 << 7, VSE: 1 << 8, FB: 1 << 9, TGE: 1 << 27, HCD: 1 << 29,
  E2H_HIGH: 1 << 2, NV_HIGH: 1 << 10, NV1_HIGH: 1 << 11, NV2_HIGH: 1 << 13, TEA_HIGH: 1 << 5,
} as const
/** Fits 32 bits. */
const MOST_GRANTED = 2 ** 30
const HCR_LOW_WORD = 2 * SLOT.HCR_EL2, HCR_HIGH_WORD = 2 * SLOT.HCR_EL2 + 1

export interface CoreOptions {
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  /** EL2 is implemented: software boots in it, or EL2 software is attached. */
  readonly el2: boolean
  readonly costs: CostModel
  readonly environment: Environment
  readonly registry: ViewRegistry
}

export class Core {
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly el2: boolean
  readonly vhe: boolean
  readonly costs: CostModel
  readonly environment: Environment
  readonly registry: ViewRegistry
  /** Set once, right after construction: the engine needs the callbacks that need this object. */
  engine!: EngineApi
  /** Breakpoints and watchpoints of the guest's own. */
  selfHosted!: SelfHostedDebug
  pes: readonly PE[] = []
  pe!: PE
  /** Controls of the PE that runs now, for sysreg.resolve. */
  controls!: Controls
  onEvent: TraceSink | undefined
  hash: EventHash | undefined
  debug: DebugHooks | undefined
  /** Largest count any PE has read: no PE reads less (design D9). */
  lastCount = 0
  /** Cycles that may be charged in this run before its budget must shrink. */
  #slack = Infinity
  /** What of it the generated code may charge itself (engine/inline-system.ts): what is missing there has been charged. */
  #granted = 0
  #running = false
  /** The turn ends before the budget of its run: for another PE, an interrupt or a deadline. Cleared by the run loop. */
  turnEnded = false

  constructor(options: CoreOptions) {
    this.features = options.features
    this.gicVersion = options.gicVersion
    this.el2 = options.el2
    this.vhe = options.features.has('FEAT_VHE')
    this.costs = options.costs
    this.environment = options.environment
    this.registry = options.registry
  }

  /** Makes `pe` the PE that runs. */
  switchTo(pe: PE): void {
    this.engine.switchTo(pe.index)
    this.pe = pe
    this.controls = this.controlsOf(pe)
  }

  readonly #controls: Controls[] = []
  controlsOf(pe: PE): Controls {
    return this.#controls[pe.index] ??= { file: pe.file, features: this.features, gicVersion: this.gicVersion }
  }

  /** See `Environment.place`. */
  place(pa: number, write: boolean): number { return this.environment.place === undefined ? pa : this.environment.place(pa, write) }

  get el(): EL { return elOf(this.engine.state.pstate) }

  // ---- time ----

  /** The PE's clock. */
  cycles(pe: PE): number {
    return this.awakeCycles(pe) + pe.slept
  }

  /** Its cycles without those slept. */
  awakeCycles(pe: PE): number {
    const cycles = this.engine.instructions(pe.index) * this.costs.instruction + pe.charged
    return pe === this.pe ? cycles + this.#granted - this.engine.inline.slack : cycles
  }

  /** System counter as this PE's clock has it. */
  count(pe: PE): number { return Math.floor(this.cycles(pe) / CYCLES_PER_COUNT) }

  /** System counter as software reads it: never less than what any PE has read. */
  readCount(pe: PE): number {
    const count = this.count(pe)
    return count > this.lastCount ? (this.lastCount = count) : this.lastCount
  }

  /** Charges cycles to the PE that runs now, and ends its run when its deadline comes nearer than its budget. */
  charge(cycles: number): void {
    // What has been granted to generated code is enough, most of the time: then it is as if that had charged.
    const { inline } = this.engine, left = inline.slack - cycles
    if (left >= 0 && Number.isInteger(left)) {
      inline.slack = left
      return
    }
    this.#settle()
    this.pe.charged += cycles
    this.#slack -= cycles
    if (this.#slack < 0) {
      if (this.#running) this.#limit(this.engine.left + Math.floor(this.#slack / this.costs.instruction))
      this.#slack = 0
    }
    this.#grant()
  }

  /** Takes over what the generated code has charged. */
  #settle(): void {
    const cycles = this.#granted - this.engine.inline.slack
    this.#granted -= cycles
    this.#slack -= cycles
    this.pe.charged += cycles
  }

  #grant(): void { this.engine.inline.slack = this.#granted = this.#running ? Math.floor(Math.min(this.#slack, MOST_GRANTED)) : 0 }

  /** One instruction of the current PE. */
  step(): number {
    const executed = this.engine.step()
    this.#settle()
    return executed
  }

  /** Runs the current PE for `budget` instructions; `room` is what may pass on its clock until something else must happen. */
  run(budget: number, room: number): void {
    this.#slack = room - budget * this.costs.instruction
    this.#running = true
    this.#grant()
    this.engine.run(budget)
    this.#running = false
    this.#settle()
    this.#grant()
  }

  /** Goes on with a run that the engine's observer has suspended; nothing may have been charged since. */
  resume(): void {
    this.#running = true
    this.#grant()
    this.engine.resume()
    this.#running = false
    this.#settle()
    this.#grant()
  }

  /** A deadline of the current PE moved to `cycles` on its clock. */
  deadlineAt(cycles: number): void {
    if (!this.#running) return
    this.#settle()
    // What may follow the current instruction.
    const room = cycles - this.cycles(this.pe) - this.costs.instruction, spare = room - this.engine.left * this.costs.instruction
    if (spare < 0) this.#limit(Math.floor(room / this.costs.instruction))
    this.#slack = Math.min(this.#slack, Math.max(0, spare))
    this.#grant()
  }

  /** Ends the current run after this instruction. */
  endTurn(): void {
    this.turnEnded = true
    if (this.#running) this.engine.limit(0)
  }

  /** From `Callbacks.fetch`: the turn ends before the instruction at PC. */
  endTurnBefore(): void {
    this.turnEnded = true
    this.engine.endBefore()
  }

  #limit(instructions: number): void {
    this.turnEnded = true
    this.engine.limit(Math.max(0, instructions))
  }

  // ---- controls ----

  hcrLow(pe: PE): number { return this.el2 ? pe.file.i32[HCR_LOW_WORD]! : 0 }
  hcrHigh(pe: PE): number { return this.el2 ? pe.file.i32[HCR_HIGH_WORD]! : 0 }
  e2h(pe: PE): boolean { return this.vhe && (this.hcrHigh(pe) & HCR.E2H_HIGH) !== 0 }
  tge(pe: PE): boolean { return (this.hcrLow(pe) & HCR.TGE) !== 0 }
  /** HCR_EL2.{E2H,TGE} = {1,1}: EL0 is a host's user space. */
  host(pe: PE): boolean { return this.tge(pe) && this.e2h(pe) }

  readonly #routing: RoutingControls[] = Array.from({ length: 64 }, (_, bits) => ({
    el2: (bits & 1) !== 0, E2H: (bits & 2) !== 0, TGE: (bits & 4) !== 0, AMO: (bits & 8) !== 0, IMO: (bits & 16) !== 0, FMO: (bits & 32) !== 0,
  }))
  routing(pe: PE): RoutingControls {
    if (!this.el2) return this.#routing[0]!
    const low = pe.file.i32[HCR_LOW_WORD]!
    return this.#routing[1 | (this.e2h(pe) ? 2 : 0) | (low & HCR.TGE ? 4 : 0) | (low & HCR.AMO ? 8 : 0) | (low & HCR.IMO ? 16 : 0) | (low & HCR.FMO ? 32 : 0)]!
  }

  /** SPSR_EL1 shows EL2 for exceptions from EL1 to EL1. */
  reportsEL2(): boolean { return this.el2 && spsrShowsEL2(this.controls) }

  pstate(): number {
    const state = this.engine.state
    return state.pstate | (state.nzcv << 28)
  }
  setPstate(pstate: number): void {
    const state = this.engine.state
    state.pstate = pstate & ~(PSTATE.N | PSTATE.Z | PSTATE.C | PSTATE.V)
    state.nzcv = pstate >>> 28
  }

  unimplemented(what: Unimplemented['what'], name: string, feature?: string): void {
    this.environment.unimplemented({ pe: this.pe.index, what, name, pc: this.engine.state.pc, el: this.el, feature })
    this.endTurn()
  }
}
