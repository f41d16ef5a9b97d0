/**
 * Stops a machine and lets it go on: breakpoints, watchpoints and single steps of any level. The machine runs as a whole: while one level
 * stands still, all do. What is debugged runs exactly as it would have run (engine/observer.ts).
 *
 * A page with a breakpoint is executed one instruction at a time, in the level that has the breakpoint; a page with a watchpoint is
 * accessed through the CPU's slow path. Everything else runs at full speed, and all of it without breakpoints.
 */
import type { DebugHooks } from '../cpu/debug-hooks.ts'
import { OBSERVE } from '../engine/observer.ts'
import type { Observer } from '../engine/observer.ts'
import type { Machine } from '../machine/machine.ts'
import type { RunLimits } from '../machine/options.ts'
import type { Outcome } from '../machine/outcome.ts'
import type { TraceSink } from '../trace/event.ts'
import { Addresses } from './address.ts'
import { Breakpoints } from './breakpoints.ts'
import type { Watchpoint } from './breakpoints.ts'
import { History } from './history.ts'
import type { Place } from './history.ts'
import { Levels } from './levels.ts'
import type { Thread } from './levels.ts'
import { TrapLog } from './trap-log.ts'

const FREELY = 0x7fff_ffff

export type Stop =
  | { readonly kind: 'breakpoint', readonly thread: Thread, readonly hardware: boolean }
  | { readonly kind: 'watchpoint', readonly thread: Thread, readonly watchpoint: Watchpoint, readonly address: bigint }
  | { readonly kind: 'step', readonly thread: Thread }
  /** The machine has reached the instruction count of `runTo`. */
  | { readonly kind: 'reached', readonly thread: Thread }
  /** Going back: nothing is remembered of before. */
  | { readonly kind: 'beginning', readonly thread: Thread }
  /** The machine has ended, waits for input, or was interrupted from outside. */
  | { readonly kind: 'outcome', readonly outcome: Outcome }

/** [from, to): stepping goes on while PC is in it. */
export interface StepRequest { readonly thread: Thread, readonly from?: bigint, readonly to?: bigint }

/** Something that would have stopped the machine, or (going back by one instruction) the last instruction of a thread. */
export interface Hit { readonly place: Place, readonly stop: Stop }

interface Scan {
  readonly thread: Thread | undefined
  readonly hits: Hit[]
  /** The thread has the PE, and the first instruction that is its. */
  inside: boolean
  since: number
}

interface Step extends StepRequest {
  /** One instruction of the thread was let go, from `pc`; the PE may have gone elsewhere since. */
  granted: boolean
  pc: bigint
  left: boolean
}

export class Debugger {
  readonly machine: Machine
  readonly levels: Levels
  readonly addresses: Addresses
  readonly breakpoints: Breakpoints
  readonly traps: TrapLog
  #step: Step | undefined
  #stop: Stop | undefined
  #watch: { readonly thread: Thread, readonly watchpoint: Watchpoint, readonly address: bigint } | undefined
  /** Pages that were entered for fetching while stepping: halves of an address in each. */
  readonly #entered: number[] = []
  #stepping = false
  /** Where the last breakpoint was reported: another level's at the same instruction does not stop again. */
  #reported: { readonly pe: number, readonly instructions: number, readonly level: number } | undefined
  /** Stop before PE `pe` executes its instruction number `instructions`. */
  #goal: Place | undefined
  /** On the way to the goal: what is met is noted and stops nothing; with a thread, where it executes. */
  #scan: Scan | undefined
  /** What was noted last: it is passed. */
  #passed: (Place & { readonly pc: bigint }) | undefined
  readonly history: History
  #onEvent: TraceSink | undefined
  #attached = false

  constructor(machine: Machine) {
    this.machine = machine
    this.levels = new Levels(machine)
    this.addresses = new Addresses(this.levels)
    const { tlb } = machine.cpu.engine
    this.breakpoints = new Breakpoints(this.levels.hardware, (hi, lo) => { tlb.invalidatePage(() => true, hi, lo) })
    this.history = new History(this)
    this.traps = new TrapLog(this.levels.l0 !== undefined, pe => this.levels.threadOn(pe).level.name)
  }

  /** From here on the machine asks. */
  attach(): void {
    if (this.#attached) return
    this.#attached = true
    const { core, engine } = this.machine.cpu
    engine.observer = this.#observer
    core.debug = this.#hooks
    const before = this.#onEvent = core.onEvent
    core.onEvent = before === undefined ? this.traps.sink : (event, cycles) => {
      if (!this.history.replaying) before(event, cycles)
      this.traps.sink(event)
    }
    this.history.note()
  }

  /** The machine runs on as if there had been no debugger. */
  detach(): void {
    if (!this.#attached) return
    this.#attached = false
    this.breakpoints.clear()
    this.#step = undefined
    this.#dropEntered()
    const { core, engine } = this.machine.cpu
    engine.observer = undefined
    core.debug = undefined
    core.onEvent = this.#onEvent
  }

  /** What the next `run` does: a step of one thread, or (undefined) whatever comes. */
  resume(step?: StepRequest): void {
    this.#step = step === undefined ? undefined : { ...step, granted: false, pc: 0n, left: false }
    this.#stop = undefined
    this.#watch = undefined
    this.#goal = this.#scan = this.#passed = undefined
  }

  /** Runs on until something stops it; `limits` as for `Machine.run`. Calling it again goes on. */
  run(limits: RunLimits = {}): Stop {
    const outcome = this.machine.run(limits)
    if (outcome.kind === 'stopped' && this.#stop !== undefined) return this.#stop
    this.history.note()
    return { kind: 'outcome', outcome }
  }

  /** The next `run` stops before PE `pe` executes the instruction with this number, breakpoints or not. */
  runTo(pe: number, instructions: number): void {
    this.resume()
    this.#goal = { pe, instructions }
  }

  /** As `runTo`, noting breakpoints and watchpoints on the way, or where `thread` executes. */
  scanTo(pe: number, instructions: number, thread: Thread | undefined): void {
    this.runTo(pe, instructions)
    this.#scan = { thread, hits: [], inside: thread !== undefined && this.#isThread(thread, this.levels.running()), since: 0 }
  }

  takeHits(): readonly Hit[] { return this.#scan?.hits.splice(0) ?? [] }

  /** Where the PE in the engine stands. */
  get here(): Place {
    const { core, engine } = this.machine.cpu
    return { pe: core.pe.index, instructions: engine.instructions(core.pe.index) }
  }

  placeOf(thread: Thread): Place | undefined {
    const pe = this.levels.peOf(thread)
    return pe === undefined ? undefined : { pe, instructions: this.machine.cpu.engine.instructions(pe) }
  }

  /** The thread to report when no breakpoint says which. */
  get current(): Thread { return this.levels.threadOn(this.machine.cpu.core.pe.index) }

  // ---- engine ----

  readonly #observer: Observer = { next: () => this.#next() }

  #next(): number {
    const { levels, breakpoints } = this, { core, engine } = this.machine.cpu, { state } = engine
    const running = levels.running(), goal = this.#goal
    if (this.#watch !== undefined) {
      const { thread, watchpoint, address } = this.#watch
      this.#watch = undefined
      // Going back GDB wants to be behind the access, which it then undoes.
      const { pe, instructions } = this.here
      if (!this.#note({ kind: 'watchpoint', thread, watchpoint, address }, { pe, instructions: instructions + 1 })) return this.#halt({ kind: 'watchpoint', thread, watchpoint, address })
    }
    let most = FREELY
    if (goal !== undefined && goal.pe === core.pe.index) {
      const left = goal.instructions - engine.instructions(goal.pe)
      if (left <= 0) return this.#halt({ kind: 'reached', thread: this.current })
      if (left <= 2 * BLOCK && this.#scan?.thread !== undefined && this.#isThread(this.#scan.thread, running)) this.#executes(this.#scan.thread, this.here)
      // A slice may run past its size to the end of a block, at most a page.
      if (left <= 2 * BLOCK) most = OBSERVE.STEP
      else most = left - BLOCK
    }
    if (this.#isBlind) return most
    const step = this.#step, stepped = step !== undefined && this.#isThread(step.thread, running)
    if (step !== undefined && stepped && step.granted) {
      const { pc } = state
      const done = pc !== step.pc || !step.left
      if (done && (step.from === undefined || pc < step.from || pc >= step.to!)) return this.#halt({ kind: 'step', thread: step.thread })
    }
    if (breakpoints.hasCode) {
      const hi = state.pcHigh, lo = state.pcLow, breakpoint = breakpoints.at(running?.level, hi, lo)
      const thread = running === undefined || breakpoint?.level === levels.hardware ? levels.hardware.threads[core.pe.index]! : running
      // An instruction that cannot be fetched yet comes before its breakpoint: it is an Instruction Abort (Arm ARM, "Synchronous exception prioritization").
      if (breakpoint !== undefined && !this.#wasReported(breakpoint.level.id) && this.addresses.locate(running ?? thread, state.pc) !== undefined) {
        if (!this.#note({ kind: 'breakpoint', thread, hardware: breakpoint.hardware }, this.here)) {
          this.#reported = { ...this.here, level: breakpoint.level.id }
          return this.#halt({ kind: 'breakpoint', thread, hardware: breakpoint.hardware })
        }
      }
      if (breakpoint !== undefined || breakpoints.breaksIn(running?.level, hi, lo)) {
        if (stepped) this.#begin(step!)
        return this.#grant()
      }
    }
    if (stepped) {
      this.#begin(step!)
      return this.#grant()
    }
    if (most === OBSERVE.STEP) return this.#grant()
    this.#stepping = false
    this.#dropEntered()
    return most
  }

  /** On a scan: keeps it, and lets the instruction pass. */
  #note(stop: Stop, place: Place): boolean {
    if (this.#scan === undefined) return false
    const { here } = this, passed = this.#passed, { pc } = this.machine.cpu.engine.state
    // A fetch for which L0 had to fill its shadow table first is one fetch.
    const isSame = passed !== undefined && passed.pe === here.pe && passed.instructions === here.instructions - 1 && passed.pc === pc
    if (!isSame) this.#scan.hits.push({ stop, place })
    this.#passed = { ...here, pc }
    return true
  }

  /** The thread executes this instruction: only its last before the goal matters. */
  #executes(thread: Thread, place: Place): void {
    const { hits } = this.#scan!
    hits.length = 0
    hits.push({ stop: { kind: 'step', thread }, place })
  }

  /** On the way to a goal that no breakpoint and no watchpoint concerns. */
  get #isBlind(): boolean { return this.#goal !== undefined && (this.#scan === undefined || this.#scan.thread !== undefined) }

  #begin(step: Step): void {
    step.granted = true
    step.left = false
    step.pc = this.machine.cpu.engine.state.pc
  }

  #grant(): number {
    this.#stepping = true
    return OBSERVE.STEP
  }

  #halt(stop: Stop): number {
    this.#stop = stop
    this.#stepping = false
    this.#dropEntered()
    return OBSERVE.STOP
  }

  #isThread(thread: Thread, running: Thread | undefined): boolean {
    return thread.level.kind === 'machine' ? thread.pe === this.machine.cpu.core.pe.index : thread === running
  }

  /** Two levels have a breakpoint at the same instruction: the second does not stop again what the first has stopped. */
  #wasReported(level: number): boolean {
    const reported = this.#reported, { core, engine } = this.machine.cpu
    return reported !== undefined && reported.pe === core.pe.index && reported.level !== level && reported.instructions === engine.instructions(reported.pe)
  }

  #dropEntered(): void {
    const { tlb } = this.machine.cpu.engine, list = this.#entered
    for (let i = 0; i < list.length; i += 2) tlb.invalidatePage(() => true, list[i]!, list[i + 1]!)
    list.length = 0
  }

  // ---- CPU ----

  readonly #hooks: DebugHooks = {
    holdsFetch: (hi, lo) => {
      if (!this.breakpoints.hasCode || !this.breakpoints.breaksIn(this.levels.running()?.level, hi, lo)) return false
      if (!this.#stepping && !this.#isBlind) return true
      this.#entered.push(hi, lo)
      return false
    },
    holdsData: (hi, lo) => this.breakpoints.hasData && this.breakpoints.watchesIn(this.levels.running()?.level, hi, lo),
    access: (hi, lo, size, kinds) => {
      if (!this.breakpoints.hasData || this.#isBlind) return false
      const passed = this.#passed, { pe, instructions } = this.here
      if (passed !== undefined && passed.pe === pe && passed.instructions === instructions) return false
      const running = this.levels.running(), met = this.breakpoints.watched(running?.level, hi, lo, size, kinds)
      if (met === undefined) return false
      this.#watch = { ...met, thread: met.watchpoint.level === this.levels.hardware || running === undefined ? this.levels.hardware.threads[this.machine.cpu.core.pe.index]! : running }
      return true
    },
    leaving: pc => {
      // L0's own ERET: the software has been left before.
      if (this.levels.l0 !== undefined && this.machine.cpu.core.el === 2) return
      this.levels.leaving(pc)
      const step = this.#step, scan = this.#scan
      if (scan?.thread !== undefined && this.#isThread(scan.thread, this.levels.running())) {
        const { pe, instructions } = this.here
        if (this.machine.cpu.engine.isRunning) this.#executes(scan.thread, { pe, instructions })
        // An interrupt comes between two instructions, and may come before the first.
        else if (instructions > scan.since) this.#executes(scan.thread, { pe, instructions: instructions - 1 })
        scan.inside = false
      }
      if (step?.granted === true && this.#isThread(step.thread, this.levels.running())) step.left = true
    },
    contextChanged: () => {
      const now = this.levels.arrived(), step = this.#step, scan = this.#scan
      if (scan !== undefined && !scan.inside && now !== undefined && now === scan.thread) {
        scan.inside = true
        scan.since = this.here.instructions + (this.machine.cpu.engine.isRunning ? 1 : 0)
      }
      // Back in the thread that is stepped: it may be done.
      if (step?.granted === true && now === step.thread) this.machine.cpu.engine.pause('after')
    },
  }
}

/** Instructions of a page. */
const BLOCK = 1024
