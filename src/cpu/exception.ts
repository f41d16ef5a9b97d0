/**
 * Taking an exception and returning from one: the only writers of ELR, SPSR, ESR, FAR and HPFAR outside MSR (Arm ARM D1.3, D1.4;
 * pseudocode AArch64.TakeException, AArch64.ExceptionReturn). Acts on the PE that runs now, in a callback or between runs.
 */
import { ecOf, syndrome } from '../arch/esr.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import { rowByKey, SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { VECTOR, entryPSTATE, isIllegalReturn, reportedPSTATE, returnPSTATE, vectorOffset } from './entry-state.ts'
import type { ExceptionType } from './entry-state.ts'
import type { PE } from './pe.ts'
import { routeSynchronous } from './routing.ts'
import { HASHED } from './trace-hash.ts'

const TARGET = [
  { ELR: 0, SPSR: 0, ESR: 0, FAR: 0, VBAR: 0, SCTLR: 0 },
  { ELR: SLOT.ELR_EL1, SPSR: SLOT.SPSR_EL1, ESR: SLOT.ESR_EL1, FAR: SLOT.FAR_EL1, VBAR: SLOT.VBAR_EL1, SCTLR: SLOT.SCTLR_EL1 },
  { ELR: SLOT.ELR_EL2, SPSR: SLOT.SPSR_EL2, ESR: SLOT.ESR_EL2, FAR: SLOT.FAR_EL2, VBAR: SLOT.VBAR_EL2, SCTLR: SLOT.SCTLR_EL2 },
] as const
const SP_SLOT = [SLOT.SP_EL0, SLOT.SP_EL1, SLOT.SP_EL2] as const
const SCTLR_SPAN = 1 << 23
const VECTOR_FAILURES_UNDER_EL2 = 100_000

/** What goes with a syndrome. */
export interface Fault {
  readonly far?: bigint
  /** Written to HPFAR_EL2 when the target is EL2. */
  readonly ipa?: number
}
const NO_FAULT: Fault = {}

export class Exceptions {
  readonly #core: Core
  /** Called after EL, PSTATE or SP have changed: contexts, FP traps, SP checks follow. */
  readonly #stateChanged: () => void
  readonly #pan: boolean
  readonly #uao: boolean
  /** How many exceptions have been taken. */
  taken = 0

  constructor(core: Core, stateChanged: () => void) {
    this.#core = core
    this.#stateChanged = stateChanged
    this.#pan = core.features.has('FEAT_PAN')
    this.#uao = core.features.has('FEAT_UAO')
  }

  /** Slot of the stack pointer that PSTATE selects. */
  static spSlot(pstate: number): number { return SP_SLOT[(pstate & 1) === 0 ? 0 : elOf(pstate)]! }

  /** Moves the stack pointer in use to its bank and loads the one that `next` selects. */
  switchStack(from: number, next: number): void {
    const a = Exceptions.spSlot(from), b = Exceptions.spSlot(next)
    if (a === b) return
    const { state } = this.#core.engine, { u64 } = this.#core.pe.file
    u64[a] = state.sp
    state.sp = u64[b]!
  }

  /** Where a synchronous exception without a trap of its own goes. */
  synchronousTarget(): 1 | 2 { return routeSynchronous(this.#core.el, this.#core.routing(this.#core.pe)) }

  /**
   * AArch64.TakeException. `returnAddress` is the preferred return address. Execution continues at the vector; with EL2 software in
   * TypeScript attached, an exception to EL2 has been handled when this returns.
   */
  take(target: 1 | 2, type: ExceptionType, esr: number, returnAddress: bigint, fault: Fault = NO_FAULT): void {
    const core = this.#core, pe = core.pe, { state } = core.engine, { u64, i32 } = pe.file, slots = TARGET[target]
    const pstate = core.pstate(), from = elOf(pstate)
    this.taken++
    if (target === 2 && from !== 2) core.debug?.leaving(returnAddress)

    // SPSR first: everything below changes PSTATE.
    const spsr = reportedPSTATE(pstate, target, core.reportsEL2())
    i32[2 * slots.SPSR] = spsr
    i32[2 * slots.SPSR + 1] = 0
    u64[slots.ELR] = returnAddress
    if (type === 'sync' || type === 'serror') {
      i32[2 * slots.ESR] = esr | 0
      i32[2 * slots.ESR + 1] = 0
    }
    if (fault.far !== undefined) u64[slots.FAR] = fault.far
    if (fault.ipa !== undefined && target === 2) u64[SLOT.HPFAR_EL2] = BigInt(Math.floor(fault.ipa / 4096) * 16)

    const SPAN = target === 2 && !core.host(pe) ? true : (i32[2 * slots.SCTLR]! & SCTLR_SPAN) !== 0
    const next = entryPSTATE(pstate, target, { PANimplemented: this.#pan, SPAN })
    this.switchStack(pstate, next)
    core.setPstate(next)
    const vector = u64[slots.VBAR]! + BigInt(vectorOffset(pstate, target, type))
    state.redirect(vector)
    state.clearExclusive()
    if (type === 'sync') this.#watchVector(pe, target, vector === returnAddress && next === (pstate & ~PSTATE.SS), vector, esr)

    this.#count(pe, target, type, esr)
    const { hash, onEvent } = core
    if (hash !== undefined) {
      hash.add(HASHED.exception)
      hash.add(pe.index | (target << 4) | (from << 8) | (VECTOR[type] << 12))
      hash.addCount(core.engine.instructions(pe.index))
      hash.add64(returnAddress)
      hash.add(esr)
      hash.add(spsr)
      if (fault.far !== undefined) hash.add64(fault.far)
    }
    onEvent?.({
      kind: 'exception', pe: pe.index, type, from, to: target, pc: returnAddress, syndrome: type === 'irq' || type === 'fiq' ? 0 : esr, far: fault.far ?? 0n, pstate,
      instructions: core.engine.instructions(pe.index),
    }, core.cycles(pe))
    core.charge(core.costs.exceptionEntry)
    if (target === 2 && core.environment.enterEL2 !== undefined) core.environment.enterEL2(pe, type)
    else this.#stateChanged()
  }

  /** A synchronous exception of the current instruction to the EL that handles it without a trap. */
  synchronous(esr: number, fault: Fault = NO_FAULT): void {
    this.take(this.synchronousTarget(), 'sync', esr, this.#core.engine.state.pc, fault)
  }

  undefinedInstruction(): void { this.synchronous(syndrome.unknown()) }

  /**
   * AArch64.ExceptionReturn from the current EL to what its SPSR says, at `address`. Returns false after an illegal return.
   */
  exceptionReturn(address: bigint): boolean {
    const core = this.#core, pe = core.pe, { state } = core.engine
    const pstate = core.pstate(), from = elOf(pstate)
    if (from === 2) core.debug?.leaving(state.pc)
    const spsr = pe.file.i32[2 * TARGET[from]!.SPSR]!
    const controls = { el2: core.el2, TGE: core.tge(pe), PANimplemented: this.#pan, UAOimplemented: this.#uao }
    const illegal = isIllegalReturn(from, spsr, controls)
    const restored = returnPSTATE(pstate, spsr, illegal, controls), next = restored | this.#stepAfterReturn(spsr, pstate, restored)
    this.switchStack(pstate, next)
    core.setPstate(next)
    state.clearExclusive()
    pe.event = true
    pe.counters.eret++
    state.redirect(address)
    const { hash, onEvent } = core
    if (hash !== undefined) {
      hash.add(HASHED.eret)
      hash.add(pe.index | (from << 4))
      hash.addCount(core.engine.instructions(pe.index))
      hash.add64(address)
      hash.add(spsr)
    }
    onEvent?.({ kind: 'eret', pe: pe.index, from, to: elOf(next), pc: address, pstate: next, instructions: core.engine.instructions(pe.index) }, core.cycles(pe))
    core.charge(core.costs.exceptionReturn)
    this.#stateChanged()
    return !illegal
  }

  /** PSTATE.IL: the next instruction is an Illegal Execution State exception (after an illegal return, or an SPSR with IL set). */
  illegalState(): void {
    this.take(this.synchronousTarget(), 'sync', syndrome.illegalState(), this.#core.engine.state.pc)
  }

  /** DebugExceptionReturnSS: SPSR.SS takes effect when debug exceptions are enabled at the target and were not at the source. */
  #stepAfterReturn(spsr: number, from: number, to: number): number {
    const core = this.#core
    if ((core.pe.file.i32[2 * SLOT.MDSCR_EL1]! & 1) === 0 || (spsr & PSTATE.SS) === 0) return 0
    return !core.selfHosted.enabledFrom(from) && core.selfHosted.enabledFrom(to) ? PSTATE.SS : 0
  }

  /** SSAdvance: SVC, HVC and SMC count as executed when their exceptions are taken. */
  stepAdvance(): void {
    const core = this.#core
    if ((core.pe.file.i32[2 * SLOT.MDSCR_EL1]! & 1) !== 0) core.engine.state.pstate &= ~PSTATE.SS
  }

  /**
   * The handler's first instruction has failed in the state that the exception leads to: it will fail for ever. Only software at EL2
   * can still do something about EL1.
   */
  #watchVector(pe: PE, target: 1 | 2, fails: boolean, vector: bigint, esr: number): void {
    if (!fails) {
      pe.vectorFailures = 0
      return
    }
    const { environment } = this.#core
    if (++pe.vectorFailures < (this.#core.el2 && target === 1 ? VECTOR_FAILURES_UNDER_EL2 : 1)) return
    pe.vectorFailures = 0
    if (target === 1 && environment.stuck(pe, vector, esr)) return
    environment.died(`PE ${pe.index}: the exception vector 0x${vector.toString(16)} at EL${target} cannot be executed (ESR_EL${target} 0x${esr.toString(16)})${this.#lastUndefined(pe)}`)
  }

  /** The access that most likely led here, by name. */
  #lastUndefined({ undefinedAccess }: PE): string {
    if (undefinedAccess === undefined) return ''
    const { word, pc, el } = undefinedAccess, key = (word >>> 5) & 0xffff, row = rowByKey(key), symbol = this.#core.environment.symbolAt?.(pc)
    const name = row?.name ?? `S${key >>> 14}_${(key >>> 11) & 7}_C${(key >>> 7) & 15}_C${(key >>> 3) & 15}_${key & 7}`
    const feature = row === undefined ? 'nothing is allocated there' : row.features.length > 0 ? row.features.join(' or ') : 'not accessible so'
    return `; before it ${(word & (1 << 21)) !== 0 ? 'MRS' : 'MSR'} ${name} (${feature}) at PC 0x${pc.toString(16)}${symbol === undefined ? '' : ` <${symbol}>`}, EL${el}, was UNDEFINED`
  }

  #count(pe: PE, target: 1 | 2, type: ExceptionType, esr: number): void {
    const { counters } = pe
    if (type === 'sync') {
      const list = target === 1 ? counters.syncToEL1 : counters.syncToEL2
      list[ecOf(esr)]!++
    } else counters[type][target]!++
  }
}
