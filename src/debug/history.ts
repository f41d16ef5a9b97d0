/**
 * Going back: snapshots now and then, and running again from one of them up to where the answer is. A run from a snapshot is the same run
 * (design D9), with or without breakpoints (engine/observer.ts), so that a place in it has a name: a PE and its instruction count.
 */
import type { Snapshot } from '../machine/snapshot.ts'
import type { Debugger, Hit, Stop } from './debugger.ts'
import { Captured } from './levels.ts'
import type { Thread } from './levels.ts'

/** Instructions between snapshots, at least; and how many are kept. Every second one goes when there are too many, the first stays. */
const DISTANCE = 1 << 25
const MOST = 24
/** A search of fewer instructions needs no checkpoint on its way. */
const LEAST_DISTANCE = 100_000

interface Checkpoint {
  readonly snapshot: Snapshot
  readonly instructions: number
  /** Instruction counts of the PEs. */
  readonly counts: readonly number[]
  readonly captured: readonly (readonly [Thread, Captured])[]
}

export interface Place { readonly pe: number, readonly instructions: number }

export class History {
  readonly #debugger: Debugger
  #checkpoints: Checkpoint[] = []
  #distance = DISTANCE
  /** The machine runs again what it has run: it prints nothing, and nobody is told. */
  replaying = false

  constructor(debugger_: Debugger) { this.#debugger = debugger_ }

  /** Something came from outside: what was before it cannot be run again. The next `note` begins anew. */
  forget(): void {
    this.#checkpoints = []
    this.#distance = DISTANCE
  }

  /** Between two turns of the machine. */
  note(): void {
    const { machine } = this.#debugger, last = this.#checkpoints.at(-1)
    if (this.replaying || machine.isSuspended || machine.lastOutcome?.kind === 'off') return
    if (last !== undefined && machine.instructions - last.instructions < this.#distance) return
    this.#checkpoints.push(this.#checkpoint())
    if (this.#checkpoints.length <= MOST) return
    this.#checkpoints = this.#checkpoints.filter((_, i) => i % 2 === 0)
    this.#distance *= 2
  }

  #checkpoint(): Checkpoint {
    const { machine, levels } = this.#debugger
    const captured = levels.all.flatMap(level => level.threads).flatMap(thread => {
      if (thread.captured === undefined) return []
      const copy = new Captured()
      copy.copyFrom(thread.captured)
      return [[thread, copy] as const]
    })
    return { snapshot: machine.save(), instructions: machine.instructions, counts: machine.cpu.pes.map(pe => machine.cpu.engine.instructions(pe.index)), captured }
  }

  /** To the instruction that the thread executed before the one at which it stands. */
  stepBack(thread: Thread): Stop | string {
    const here = this.#debugger.placeOf(thread)
    if (here === undefined) return 'this thread does not run here: select the thread that has stopped'
    return this.#search(here, 'last instruction', thread)
  }

  /** To the last breakpoint or watchpoint before here. */
  continueBack(thread: Thread): Stop | string {
    return this.#search(this.#debugger.placeOf(thread) ?? this.#debugger.here, 'last hit', thread)
  }

  #search(here: Place, what: 'last instruction' | 'last hit', thread: Thread): Stop | string {
    const earlier = this.#checkpoints.filter(({ counts }) => counts[here.pe]! <= here.instructions)
    if (earlier.length === 0) return 'nothing is remembered of before (input from outside ends what can be run again)'
    this.replaying = true
    try {
      let end = here, total = this.#debugger.machine.instructions
      for (let i = earlier.length - 1; i >= 0; i--) {
        const hits = this.#scan(earlier[i]!, end, total, what === 'last instruction' ? thread : undefined), last = hits.at(-1)
        if (last !== undefined) return this.#goTo(earlier[i]!, last)
        // What this one has shown need not be looked at again.
        end = placeOf(earlier[i]!, here.pe)
        total = earlier[i]!.instructions
      }
      return this.#goTo(earlier[0]!, { place: placeOf(earlier[0]!, here.pe), stop: { kind: 'beginning', thread } })
    } finally { this.replaying = false }
  }

  /** Runs from the checkpoint to `end`, noting what is met on the way. A checkpoint half-way makes the next search from here shorter. */
  #scan(checkpoint: Checkpoint, end: Place, total: number, thread: Thread | undefined): readonly Hit[] {
    this.#restore(checkpoint)
    this.#debugger.scanTo(end.pe, end.instructions, thread)
    const { machine } = this.#debugger, distance = total - checkpoint.instructions
    if (distance > LEAST_DISTANCE && this.#run(Math.floor(distance / 2)) && !machine.isSuspended) {
      this.#checkpoints.splice(this.#checkpoints.indexOf(checkpoint) + 1, 0, this.#checkpoint())
      // One of those that are close together goes for it.
      if (this.#checkpoints.length > 2 * MOST) this.#checkpoints.splice(1, 1)
    }
    this.#run()
    return this.#debugger.takeHits()
  }

  #goTo(checkpoint: Checkpoint, { place, stop }: Hit): Stop {
    this.#restore(checkpoint)
    this.#debugger.runTo(place.pe, place.instructions)
    this.#run()
    return stop
  }

  /** To the goal; true if `most` instructions came first. */
  #run(most?: number): boolean {
    for (;;) {
      const stop = this.#debugger.run(most === undefined ? {} : { maxInstructions: most })
      if (stop.kind === 'outcome' && stop.outcome.kind === 'limit' && most !== undefined) return true
      // The end of the machine cannot come before a place where it has been.
      if (stop.kind !== 'outcome' || (stop.outcome.kind !== 'interrupted' && stop.outcome.kind !== 'limit')) return false
    }
  }

  #restore({ snapshot, captured }: Checkpoint): void {
    const { machine, levels, traps } = this.#debugger
    machine.restore(snapshot)
    traps.clear()
    for (const level of levels.all) for (const each of level.threads) each.captured = undefined
    for (const [thread, copy] of captured) (thread.captured = new Captured()).copyFrom(copy)
  }
}

const placeOf = ({ counts }: Checkpoint, pe: number): Place => ({ pe, instructions: counts[pe]! })
