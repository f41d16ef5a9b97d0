/**
 * From single events to what happened: stretches in which a guest ran, and exits with their beginning, their end and, where something else
 * ran in between, the moment at which the same level went on. What statistics, text and Perfetto have in common.
 */
import { EC, ecName, ecOf, issOf, parseSystemRegister } from '../arch/esr.ts'
import { rowByKey } from '../sysreg/index.ts'
import type { ExceptionEvent, ExitEvent, Level, TraceEvent } from './event.ts'

/** Software at EL2 that is not L0: a vCPU is the PE. */
export const NO_VM = -1

export interface Place { readonly vm: number, readonly vcpu: number, readonly level: Level }

export interface Handled {
  readonly pe: number
  readonly place: Place
  /** Register, instruction or class of the exit, and the direction of an access. */
  readonly subject: string
  readonly direction: 'read' | 'write' | null
  /** What L0 did, in words; null when software at EL2 is not L0. */
  readonly action: string | null
  readonly exception: ExceptionEvent | undefined
  /** Cycles of the PE at the exception and at the end of the handling, and the host's clock at both. */
  readonly from: number
  readonly until: number
  readonly hostFrom: number
  readonly hostUntil: number
}

export interface Listener {
  /** `place` begins to run. */
  entered?(place: Place, pe: number, cycles: number, pc: bigint): void
  left?(place: Place, pe: number, cycles: number): void
  handled?(exit: Handled): void
  /** The level of an exit runs again: at once, or after L1 has dealt with it. */
  resumed?(exit: Handled, cycles: number): void
}

interface Open { readonly exception: ExceptionEvent | undefined, readonly from: number, readonly host: number, exit: ExitEvent | undefined }

export const reasonOf = ({ subject, direction }: { readonly subject: string, readonly direction: 'read' | 'write' | null }): string => direction === null ? subject : `${subject} ${direction}`

/** Names of the kernel's `kvm_arm_exception_class`, which `perf kvm stat` shows, where they are not ours. */
const CLASS_NAMES: Readonly<Record<number, string>> = {
  [EC.WFx]: 'WFx', [EC.FPAdvSIMD]: 'FP_ASIMD', [EC.SystemRegister]: 'SYS64', [EC.DataAbortLower]: 'DABT_LOW', [EC.InstructionAbortLower]: 'IABT_LOW',
}

/** The class of an exit: of its syndrome, or that of an interrupt; one that L0 was woken by has none. */
export const classOf = ({ exception }: Pick<Handled, 'exception'>): string => exception === undefined ? 'woken' : exception.type !== 'sync' ? exception.type.toUpperCase() : CLASS_NAMES[ecOf(exception.syndrome)] ?? ecName(ecOf(exception.syndrome))

/** Of an exception that L0 says nothing about. */
export function describeException({ type, syndrome }: ExceptionEvent): { readonly subject: string, readonly direction: 'read' | 'write' | null } {
  if (type !== 'sync') return { subject: type.toUpperCase(), direction: null }
  if (ecOf(syndrome) !== EC.SystemRegister) return { subject: ecName(ecOf(syndrome)), direction: null }
  const { key, read } = parseSystemRegister(issOf(syndrome)), row = rowByKey(key)
  return { subject: row?.name ?? `encoding 0x${key.toString(16)}`, direction: row?.kind === 'instruction' ? null : read ? 'read' : 'write' }
}

const keyOf = ({ vm, vcpu, level }: Place): string => `${vm} ${vcpu} ${level}`

export class Timeline {
  readonly #listener: Listener
  readonly #clock: () => number
  readonly #running = new Map<number, Place>()
  readonly #open = new Map<number, Open>()
  /** What ran before the exit, what runs after it, and since when a PE sleeps at EL2. */
  readonly #left = new Map<number, Place>()
  readonly #next = new Map<number, Place>()
  readonly #idle = new Map<number, number>()
  /** Exits whose level has not run since. */
  readonly #waiting = new Map<string, Handled>()

  /** `clock`: the host's time; without one it is 0. */
  constructor(listener: Listener, clock: () => number = () => 0) {
    this.#listener = listener
    this.#clock = clock
  }

  readonly sink = (event: TraceEvent, cycles: number): void => {
    switch (event.kind) {
      case 'exception':
        // From EL2 to itself: part of the handling of another.
        if (event.to === 2 && event.from < 2) this.#leave(event, cycles)
        break
      case 'exit': {
        const open = this.#open.get(event.pe)
        // Without an exception: L0 was woken.
        if (open === undefined) this.#open.set(event.pe, { exception: undefined, from: cycles, host: this.#clock(), exit: event })
        else open.exit = event
        // What L0 has entered runs when its ERET has been performed; an idle PE has none.
        if (!this.#next.has(event.pe)) this.#settle(event.pe, cycles)
        break
      }
      case 'idle':
        this.#idle.set(event.pe, cycles)
        break
      case 'entry':
        this.#next.set(event.pe, { vm: event.vm, vcpu: event.vcpu, level: event.level })
        break
      case 'eret': {
        if (event.from !== 2 || event.to === 2) break
        this.#settle(event.pe, cycles)
        const place = this.#next.get(event.pe) ?? { vm: NO_VM, vcpu: event.pe, level: 'machine' }
        this.#next.delete(event.pe)
        this.#enter(place, event.pe, cycles, event.pc)
        break
      }
      default:
    }
  }

  /** What runs on a PE now. */
  placeOn(pe: number): Place | undefined { return this.#running.get(pe) }

  /** The end of the trace: whoever runs has run until now. */
  finish(cycles: (pe: number) => number): void {
    for (const [pe, place] of this.#running) this.#listener.left?.(place, pe, cycles(pe))
    this.#running.clear()
  }

  #leave(exception: ExceptionEvent, cycles: number): void {
    const { pe } = exception, place = this.#running.get(pe)
    if (place !== undefined) this.#listener.left?.(place, pe, cycles)
    this.#running.delete(pe)
    this.#next.delete(pe)
    this.#idle.delete(pe)
    this.#left.set(pe, place ?? { vm: NO_VM, vcpu: pe, level: 'machine' })
    this.#open.set(pe, { exception, from: cycles, host: this.#clock(), exit: undefined })
  }

  #settle(pe: number, cycles: number): void {
    const open = this.#open.get(pe)
    if (open === undefined) return
    const until = this.#idle.get(pe) ?? cycles
    this.#open.delete(pe)
    this.#idle.delete(pe)
    const { exception, exit, from, host } = open
    // L0 says nothing when the VM has ended on another PE.
    const { subject, direction } = exit ?? describeException(exception!)
    const handled: Handled = {
      pe, place: exit ?? this.#left.get(pe)!, subject, direction, action: exit?.action ?? null, exception, from, until, hostFrom: host, hostUntil: this.#clock(),
    }
    this.#listener.handled?.(handled)
    // What follows a return is no part of it.
    if (subject !== 'ERET') this.#waiting.set(keyOf(handled.place), handled)
  }

  #enter(place: Place, pe: number, cycles: number, pc: bigint): void {
    this.#running.set(pe, place)
    this.#listener.entered?.(place, pe, cycles, pc)
    const key = keyOf(place), exit = this.#waiting.get(key)
    if (exit === undefined) return
    this.#waiting.delete(key)
    this.#listener.resumed?.(exit, cycles)
  }
}
