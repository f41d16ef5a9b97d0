/**
 * Who runs next, and for how long (design D9). The PE with the least time runs; a PE that waits takes part with the time at which it will
 * wake; idle time is skipped. Nothing here depends on the host.
 */
import { COUNT, integer, objectOf, optional, value } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Cpu } from '../cpu/cpu.ts'
import type { PE } from '../cpu/pe.ts'
import { CYCLES_PER_COUNT } from '../cpu/timers.ts'

/** Most instructions of one turn, whether another PE waits for its own or not: bounds how long `interrupted` and snapshots wait. */
const ALONE = 200_000
/** The same for its cycles: a guest that does nothing but trap executes few instructions. */
const ALONE_CYCLES = 1_000_000
/** Interrupts taken in a row before one instruction runs: EL2 software that leaves a line up must not hang the host. */
const INTERRUPTS_IN_A_ROW = 64

export interface RunLoopOptions {
  readonly cpu: Cpu
  readonly quantum: number
  /** Performs CPU_ON's start of the PE that has been switched to. */
  readonly start: (pe: PE) => void
  /** L0's `idle` has ended: an interrupt is pending. */
  readonly wakeEL2: (pe: PE) => void
  /** Cycles at which a device must be polled next, on any PE's clock. */
  readonly deviceDeadline: () => number
  readonly pollDevices: () => void
}

const CUT = optional(value<{ pe: number, instructions: number }>({ pe: integer(0, 7), instructions: COUNT }))

/** A turn as it began. */
interface Turn {
  readonly pe: PE
  readonly instructions: number
  readonly before: number
  /** Cycles at which it ends. */
  readonly end: number
  /** The guest's software step: one instruction. */
  readonly step: boolean
}

export class RunLoop {
  readonly #options: RunLoopOptions
  readonly #cpu: Cpu
  /** A turn that the limit of a run cut short: it goes on first, so that interleavings do not depend on how often `run` is called. */
  #cut: { readonly pe: PE, readonly instructions: number } | undefined

  #suspended: Turn | undefined
  /** Turns since the last that executed an instruction: they let time pass, and something from outside may come between them. */
  idleTurns = 0

  constructor(options: RunLoopOptions) {
    this.#options = options
    this.#cpu = options.cpu
  }

  /** The engine's observer has suspended a turn: the next one goes on with it. */
  get isSuspended(): boolean { return this.#suspended !== undefined }

  /**
   * One turn of one PE, at most `most` instructions. Undefined: no PE can run, now or later. Nanoseconds: every PE waits for so long, and `waits`
   * wants that to be known; nothing has happened.
   */
  turn(most: number, waits?: (nanoseconds: number) => boolean): PE | number | undefined {
    if (this.#suspended !== undefined) return this.#continue(this.#suspended)
    const { pes } = this.#cpu
    const cut = this.#cut
    this.#cut = undefined
    this.idleTurns++
    if (cut !== undefined && cut.pe.power === 'on' && cut.pe.waiting === 'none') {
      let rival = Infinity
      for (const each of pes) if (each !== cut.pe) rival = Math.min(rival, this.#nextTime(each))
      this.#switchTo(cut.pe)
      this.#prepare(cut.pe, 0)
      this.#execute(cut.pe, most, rival, cut.instructions)
      return cut.pe
    }
    let pe: PE | undefined, time = Infinity, rival = Infinity
    for (const each of pes) {
      const at = this.#nextTime(each)
      if (at < time) {
        rival = time
        time = at
        pe = each
      } else if (at < rival) rival = at
    }
    if (pe === undefined) {
      this.idleTurns--
      return undefined
    }
    if (waits !== undefined && pe.power === 'on' && pe.waiting !== 'none' && !this.#isAwake(pe)) {
      const idle = time - this.#front()
      if (idle > 0 && waits(idle)) {
        this.idleTurns--
        return idle
      }
    }
    this.#switchTo(pe)
    this.#prepare(pe, time)
    if (pe.power === 'on' && pe.waiting === 'none') this.#execute(pe, most, rival, ALONE)
    return pe
  }

  saveState(): Saved { return { cut: CUT.save(this.#cut && { pe: this.#cut.pe.index, instructions: this.#cut.instructions }), idleTurns: this.idleTurns } }

  restoreState(saved: Saved): void {
    const values = objectOf(saved, 'turn'), cut = CUT.restore(values['cut'], 'turn.cut', undefined), pe = cut && this.#cpu.pes[cut.pe]
    this.#suspended = undefined
    this.#cut = cut === undefined || pe === undefined ? undefined : { pe, instructions: cut.instructions }
    this.idleTurns = COUNT.restore(values['idleTurns'], 'turn.idleTurns', 0)
  }

  #switchTo(pe: PE): void {
    if (this.#cpu.core.pe === pe) return
    this.#cpu.core.switchTo(pe)
    // Contexts, and what the CPU keeps of the PE that runs.
    this.#cpu.stateChanged()
  }

  /** The clock of the PE that is furthest. */
  #front(): number { return this.#cpu.pes.reduce((front, pe) => pe.power === 'off' ? front : Math.max(front, this.#cpu.core.cycles(pe)), 0) }

  /** The cycle at which this PE has something to do; Infinity if nothing of its own will wake it. */
  #nextTime(pe: PE): number {
    if (pe.power === 'off') return Infinity
    const now = this.#cpu.core.cycles(pe)
    if (pe.power === 'on-pending' || pe.waiting === 'none') return Math.max(now, pe.power === 'on-pending' ? pe.changedAt : 0)
    if (this.#isAwake(pe)) return Math.max(now, pe.changedAt)
    return Math.max(now, Math.min(pe.timers.deadline * CYCLES_PER_COUNT, pe.waitUntil, this.#options.deviceDeadline()))
  }

  #isAwake(pe: PE): boolean {
    if (pe.waiting === 'WFE' && pe.event) return true
    if (pe.waiting === 'EL2') {
      pe.refreshLines()
      return pe.irq || pe.fiq
    }
    return this.#cpu.interrupts.wakes(pe)
  }

  /** Lets the PE's clock reach `time`, its timers and the devices see it, and ends a wait that is over. */
  #prepare(pe: PE, time: number): void {
    const { core } = this.#cpu
    const now = core.cycles(pe)
    if (time > now) pe.slept += time - now
    if (core.count(pe) >= pe.timers.deadline) pe.timers.update(core.count(pe))
    if (core.awakeCycles(pe) >= pe.overflowAt) this.#cpu.pmu.update(pe)
    if (core.cycles(pe) >= this.#options.deviceDeadline()) this.#options.pollDevices()
    if (pe.power === 'on-pending') {
      this.#options.start(pe)
      return
    }
    if (pe.waiting === 'none') return
    if (pe.waiting === 'WFE' && (pe.event || core.cycles(pe) >= pe.waitUntil)) pe.event = false
    else if (!this.#isAwake(pe)) return
    const was = pe.waiting
    pe.waiting = 'none'
    pe.waitUntil = Infinity
    if (was === 'EL2') this.#options.wakeEL2(pe)
  }

  #execute(pe: PE, most: number, rival: number, turn: number): void {
    const cpu = this.#cpu, { core } = cpu
    for (let i = 0; i < INTERRUPTS_IN_A_ROW; i++) {
      const delivery = cpu.interrupts.deliverable()
      if (delivery === undefined) break
      cpu.interrupts.take(delivery)
      if (pe.power !== 'on' || pe.waiting !== 'none') return
    }
    if (cpu.mustStepAlone) {
      if (cpu.takeDebugException()) this.idleTurns = 0
      else this.#stepAlone({ pe, instructions: 1, before: 0, end: 0, step: true })
      return
    }
    const now = core.cycles(pe), perInstruction = core.costs.instruction
    let room = Math.min(pe.timers.deadline * CYCLES_PER_COUNT - now, this.#options.deviceDeadline() - now, pe.overflowAt - core.awakeCycles(pe), ALONE_CYCLES)
    // Ahead of the next PE by at most the quantum, charges included.
    if (cpu.pes.length > 1) room = Math.min(room, rival - now + this.#options.quantum * perInstruction)
    const before = cpu.engine.instructions(pe.index)
    core.turnEnded = false
    core.run(Math.max(1, Math.min(turn, most, Math.ceil(room / perInstruction))), room)
    this.#end({ pe, instructions: turn, before, end: now + room, step: false })
  }

  #end(turn: Turn): void {
    const { core, engine, pes } = this.#cpu, { pe } = turn
    if (engine.isStopped) {
      this.#suspended = turn
      return
    }
    const done = engine.instructions(pe.index) - turn.before, left = turn.instructions - done
    if (done > 0) this.idleTurns = 0
    if (pes.length > 1 && left > 0 && !core.turnEnded && core.cycles(pe) < turn.end) this.#cut = { pe, instructions: left }
  }

  #continue(turn: Turn): PE {
    const { pe, step } = turn, cpu = this.#cpu
    this.#suspended = undefined
    this.#switchTo(pe)
    if (!step) {
      cpu.core.resume()
      this.#end(turn)
    } else this.#stepAlone(turn)
    return pe
  }

  #stepAlone(turn: Turn): void {
    if (this.#cpu.stepAlone() === 0) this.#suspended = turn
    else this.idleTurns = 0
  }
}
