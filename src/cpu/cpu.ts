/**
 * The CPU: PEs over one engine. Implements the engine's callbacks on the PE that runs now; the machine's run loop decides which one that is
 * and for how long.
 */
import { EC, syndrome } from '../arch/esr.ts'
import type { GicCpuInterface } from '../arch/gic.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import { ACCESS } from '../engine/callbacks.ts'
import type { Callbacks } from '../engine/callbacks.ts'
import type { EngineApi } from '../engine/engine.ts'
import { decode } from '../isa/decode.ts'
import type { ExceptionKind, PstateField, WaitKind } from '../isa/semantics.ts'
import { SLOT, brkTarget, daifTrap, eretTrap, fpTrap, hvcAvailability, pauthEnabled, pauthTrap, smcTrap, svcTarget, wfxTrap } from '../sysreg/index.ts'
import type { Resolution } from '../sysreg/index.ts'
import { Core } from './core.ts'
import type { CoreOptions } from './core.ts'
import { Exceptions } from './exception.ts'
import { InlineAccess } from './inline-access.ts'
import { Interrupts } from './interrupts.ts'
import { Maintenance } from './maintenance.ts'
import { PointerAuthentication } from './pauth.ts'
import { PE } from './pe.ts'
import { Pmu } from './pmu.ts'
import { SelfHostedDebug } from './self-hosted-debug.ts'
import { SystemAccess } from './system-access.ts'
import { SystemRegisters } from './system-registers.ts'
import { Timers } from './timers.ts'
import { HASHED } from './trace-hash.ts'
import { MemoryAccess } from './translation.ts'
import { PEViews, ViewRegistry } from './views.ts'

const SCTLR_SA = 1 << 3, SCTLR_SA0 = 1 << 4
/** The immediate of HLT that makes it a call to the host (Arm's semihosting specification, 2.1). */
const SEMIHOSTING = 0xf000
/** A WFE that nobody answers ends after this many cycles: events of plain stores to a monitored line are not delivered. */
const WFE_PATIENCE = 2000

export interface CpuOptions extends Omit<CoreOptions, 'registry'> {
  readonly pes: number
  /** Makes the engine from the callbacks. */
  readonly engine: (callbacks: Callbacks) => EngineApi
  readonly gic: readonly GicCpuInterface[]
  /** A timer's line to the distributor. */
  readonly setPpiLevel: (pe: number, intid: number, level: boolean) => void
}

/** Of a Software Step exception: EX is valid; the stepped instruction was a Load-Exclusive. */
const ISS_ISV = 1 << 24, ISS_EX = 1 << 6
const isLoadExclusive = (word: number): boolean => (word & 0x3fc0_0000) === 0x0840_0000

export class Cpu {
  readonly core: Core
  readonly engine: EngineApi
  readonly pes: readonly PE[]
  readonly exceptions: Exceptions
  readonly interrupts: Interrupts
  readonly memory: MemoryAccess
  readonly maintenance: Maintenance
  readonly system: SystemAccess
  readonly pmu: Pmu
  readonly pauth: PointerAuthentication
  readonly inlineAccess: InlineAccess
  readonly selfHosted: SelfHostedDebug

  constructor(options: CpuOptions) {
    const core = this.core = new Core({ ...options, registry: new ViewRegistry() })
    const stateChanged = (): void => this.stateChanged()
    this.exceptions = new Exceptions(core, stateChanged)
    this.selfHosted = core.selfHosted = new SelfHostedDebug(core, this.exceptions)
    this.interrupts = new Interrupts(core, this.exceptions)
    this.memory = new MemoryAccess(core, this.exceptions)
    this.maintenance = new Maintenance(core, this.exceptions, this.memory)
    this.pmu = new Pmu(core, options.pes, options.setPpiLevel)
    const registers = new SystemRegisters(core, this.exceptions, this.interrupts, this.pmu, stateChanged)
    this.system = new SystemAccess({
      core, exceptions: this.exceptions, interrupts: this.interrupts, memory: this.memory, maintenance: this.maintenance, registers, stateChanged,
    })
    this.inlineAccess = new InlineAccess(core)
    this.engine = core.engine = options.engine(this.#callbacks())
    this.pauth = new PointerAuthentication(this.engine.pointerCodes)
    this.engine.inline.setCosts(options.costs.systemRegisterRead, options.costs.systemRegisterWrite)
    this.pes = core.pes = options.gic.slice(0, options.pes).map((gic, index) => {
      const file = this.engine.registerFile(index)
      const timers = new Timers(file, options.features, options.el2, (intid, level) => options.setPpiLevel(index, intid, level))
      const pe = new PE(index, file, gic, timers, new PEViews(index, file, options.features, core.registry))
      gic.onChange = () => {
        pe.linesChanged = true
        if (pe === core.pe) this.engine.inline.pending = true
        if (pe.waiting !== 'none') pe.changedAt = core.cycles(core.pe)
      }
      return pe
    })
    core.switchTo(this.pes[0]!)
  }

  /** Brings contexts, the FP trap and the SP check in line with EL, PSTATE and registers. */
  stateChanged(): void {
    const core = this.core, { pe } = core, { state } = this.engine, el = elOf(state.pstate)
    this.memory.select()
    this.inlineAccess.select()
    this.engine.inline.pending = true
    state.fpTrap = fpTrap(el, core.controls) !== undefined
    this.pauth.select(this.memory.view, pe, pauthTrap(el, core.controls) !== undefined)
    const sctlr = pe.file.i32[2 * (el === 2 || (el === 0 && core.host(pe)) ? SLOT.SCTLR_EL2 : SLOT.SCTLR_EL1)]!
    state.spAlignmentCheck = (sctlr & (el === 0 ? SCTLR_SA0 : SCTLR_SA)) !== 0
  }

  /** PC of the instruction after the current one. */
  #next(): bigint { return BigInt.asUintN(64, this.engine.state.pc + 4n) }

  /** Takes a trap that a decision of sysreg/ names; `esr` is the syndrome of the instruction's own class. */
  #trap(resolution: Resolution, esr: number): void {
    if (resolution.kind === 'trap') this.exceptions.take(resolution.to, 'sync', resolution.ec === EC.Unknown ? syndrome.unknown() : esr, this.engine.state.pc)
    else this.exceptions.undefinedInstruction()
  }

  #callbacks(): Callbacks {
    const { core, exceptions, memory } = this
    return {
      fetch: (hi, lo) => memory.fetch(hi, lo),
      read: (hi, lo, size, flags) => memory.read(hi, lo, size, flags),
      write: (hi, lo, size, flags) => memory.write(hi, lo, size, flags),
      translateExclusive: (hi, lo, size, flags) => memory.translateExclusive(hi, lo, size, flags | ACCESS.ATOMIC),
      spAlignment: () => exceptions.synchronous(syndrome.spAlignment()),
      fpAccess: () => {
        const trap = fpTrap(core.el, core.controls)
        if (trap !== undefined) this.#trap(trap, syndrome.fpAdvSimd())
        else exceptions.undefinedInstruction()
      },
      system: word => this.system.execute(word),
      writePstate: (field, value) => this.#writePstate(field, value),
      exception: (kind, immediate) => this.#exception(kind, immediate),
      exceptionReturn: key => this.#exceptionReturn(key),
      undefined: () => exceptions.undefinedInstruction(),
      unimplemented: word => {
        const row = decode(word)?.row
        core.unimplemented('instruction', `${row?.name ?? 'instruction'} (0x${(word >>> 0).toString(16).padStart(8, '0')})`, row?.feature)
      },
      wait: kind => this.#wait(kind),
      sendEvent: local => {
        core.pe.event = true
        if (local) return
        for (const pe of core.pes) {
          pe.event = true
          if (pe.waiting === 'WFE') pe.changedAt = core.cycles(core.pe)
        }
        if (core.pes.length > 1) core.endTurn()
      },
      marker: () => {
        const value = Number(this.engine.state.x(0) & 0xffff_ffffn), { pe } = core, instructions = this.engine.instructions(pe.index)
        core.hash?.add(HASHED.marker)
        core.hash?.add(value)
        const cycles = core.cycles(pe)
        core.onEvent?.({ kind: 'marker', pe: pe.index, value, instructions, cycles }, cycles)
      },
      barrier: () => {},
      pauthTrap: () => { this.#trap(pauthTrap(core.el, core.controls)!, syndrome.pauth()) },
    }
  }

  #writePstate(field: PstateField, value: number): void {
    const core = this.core, { state } = this.engine, el = core.el
    if (el === 0) {
      // DAIFSet and DAIFClr are EL0's if SCTLR_ELx.UMA allows them; their ISS is that of an MSR with Rt = 31.
      const trap = field === 'DAIFSet' || field === 'DAIFClr' ? daifTrap(el, core.controls) : undefined
      if (trap !== undefined) {
        this.#trap(trap, syndrome.systemRegister((this.engine.word >>> 5) & 0xffff, 31, false))
        return
      }
      if (field === 'SPSel' || field === 'PAN' || field === 'UAO') {
        this.exceptions.undefinedInstruction()
        return
      }
    }
    switch (field) {
      case 'DAIFSet': state.pstate |= (value & 15) << 6; return
      case 'DAIFClr':
        state.pstate &= ~((value & 15) << 6)
        this.interrupts.check()
        return
      case 'SPSel': {
        const from = state.pstate, next = (from & ~1) | (value & 1)
        this.exceptions.switchStack(from, next)
        state.pstate = next
        this.inlineAccess.select()
        return
      }
      case 'PAN':
        state.pstate = (state.pstate & ~PSTATE.PAN) | ((value & 1) !== 0 ? PSTATE.PAN : 0)
        this.memory.select()
        return
      case 'UAO':
        state.pstate = (state.pstate & ~PSTATE.UAO) | ((value & 1) !== 0 ? PSTATE.UAO : 0)
        this.memory.select()
        return
      default:
        // DIT, SSBS and TCO belong to features of no profile: unallocated.
        this.exceptions.undefinedInstruction()
    }
  }

  #exception(kind: ExceptionKind, immediate: number): void {
    const core = this.core, el = core.el
    switch (kind) {
      case 'SVC': {
        const resolution = svcTarget(el, core.controls)
        // A fine-grained trap returns to the SVC itself, the SVC exception to the next instruction; both have EC 0x15.
        if (resolution.kind !== 'trap') return
        const trapped = resolution.rule.startsWith('HFGITR')
        if (!trapped) this.exceptions.stepAdvance()
        this.exceptions.take(resolution.to, 'sync', syndrome.svc(immediate), trapped ? this.engine.state.pc : this.#next())
        return
      }
      case 'HVC': {
        if (!core.el2) {
          if (el === 0) this.exceptions.undefinedInstruction()
          else core.environment.firmware(core.pe)
          return
        }
        const resolution = hvcAvailability(el, core.controls)
        if (resolution.kind === 'trap') {
          this.exceptions.stepAdvance()
          this.exceptions.take(2, 'sync', syndrome.hvc(immediate), this.#next())
        } else this.exceptions.undefinedInstruction()
        return
      }
      case 'SMC': {
        const trap = smcTrap(el, core.controls)
        if (trap !== undefined) this.#trap(trap, syndrome.smc(immediate))
        // There is no EL3. With EL2 for software the machine's firmware answers, where EL3 would.
        else if (core.el2 && core.environment.enterEL2 === undefined) core.environment.firmware(core.pe)
        else this.exceptions.undefinedInstruction()
        return
      }
      case 'BRK': {
        const resolution = brkTarget(el, core.controls)
        if (resolution.kind === 'trap') this.exceptions.take(resolution.to, 'sync', syndrome.brk(immediate), this.engine.state.pc)
        return
      }
      case 'HLT':
        // Otherwise: halting debug is not enabled, so UNDEFINED.
        if (immediate !== SEMIHOSTING || core.environment.semihosting?.(core.pe) !== true) this.exceptions.undefinedInstruction()
    }
  }

  #exceptionReturn(key: 'IA' | 'IB' | undefined): void {
    const core = this.core, el = core.el
    const trap = eretTrap(el, core.controls)
    if (trap !== undefined) {
      this.#trap(trap, syndrome.eret(key === undefined ? 0 : key === 'IA' ? 2 : 3))
      return
    }
    let address = core.pe.file.u64[el === 2 ? SLOT.ELR_EL2 : SLOT.ELR_EL1]!
    if (key !== undefined) {
      const pacTrap = pauthEnabled(`AP${key}`, el, core.controls) ? pauthTrap(el, core.controls) : undefined
      if (pacTrap !== undefined) {
        this.#trap(pacTrap, syndrome.pauth())
        return
      }
      address = this.engine.authenticate(key, address, this.engine.state.sp)
    }
    this.returnFromException(address)
  }

  /** ERET to `address`, and the Illegal Execution State exception that may follow at once. */
  returnFromException(address: bigint): void {
    this.exceptions.exceptionReturn(address)
    const { state } = this.engine
    // A fault of the fetch at the target comes first (Arm ARM, synchronous exception prioritization).
    // So do a pending Software Step exception and a breakpoint, which the run loop takes.
    if ((state.pstate & PSTATE.IL) !== 0 && !(this.isStepping() && this.stepPending) && this.memory.fetchPage(state.pcHigh, state.pcLow) >= 0) {
      if (this.selfHosted.breaksHere()) this.selfHosted.takeBreakpoint()
      else this.exceptions.illegalState()
    }
    if (this.isStepping()) this.core.endTurn()
    else this.interrupts.check()
  }

  #wait(kind: WaitKind): void {
    const core = this.core, { pe } = core
    if (kind === 'WFE' && pe.event) {
      pe.event = false
      return
    }
    if (this.interrupts.wakes(pe)) return
    const trap = wfxTrap(kind, core.el, core.controls)
    if (trap !== undefined) {
      this.#trap(trap, syndrome.wfx(kind === 'WFI' ? 0 : 1))
      return
    }
    pe.waiting = kind
    pe.waitUntil = kind === 'WFE' ? core.cycles(pe) + WFE_PATIENCE : Infinity
    core.endTurn()
  }

  // ---- debug exceptions before an instruction: software step (Arm ARM D2.10) and breakpoints ----

  /** MDSCR_EL1.SS is set and debug exceptions are enabled here. */
  isStepping(): boolean { return this.selfHosted.isStepping() }

  /** PSTATE.SS = 0 while stepping: the Software Step exception is pending. */
  get stepPending(): boolean { return (this.engine.state.pstate & PSTATE.SS) === 0 }

  /** The next instruction must be executed by `stepAlone`. */
  get mustStepAlone(): boolean { return this.isStepping() || this.selfHosted.holdsPc() }

  /** Between instructions: takes what comes before the instruction at PC, also a fault of its fetch. False: there is nothing, it can be executed. */
  takeDebugException(): boolean {
    if (this.isStepping() && this.stepPending) {
      this.#softwareStep(0)
      return true
    }
    if (!this.selfHosted.breaksHere()) return false
    // AArch64.CheckDebug comes after translation.
    const { state } = this.engine
    if (this.memory.fetchPage(state.pcHigh, state.pcLow) >= 0) this.selfHosted.takeBreakpoint()
    return true
  }

  /** Executes one instruction; a Software Step exception that it completes is taken at once. Returns 0 if a debugger did not let it. */
  stepAlone(): number {
    const { core, exceptions, engine } = this, stepping = this.isStepping(), before = exceptions.taken, { pcLow } = engine.state
    const executed = this.selfHosted.alone(() => core.step())
    if (executed === 0 || !stepping) return executed
    // SSAdvance. A turn of L0 may have ended in between: then the state is another one's.
    if (exceptions.taken !== before) return executed
    engine.state.pstate &= ~PSTATE.SS
    const wentOn = engine.state.pcLow === ((pcLow + 4) | 0)
    if (this.isStepping()) this.#softwareStep(ISS_ISV | (wentOn && isLoadExclusive(engine.stepped(pcLow)) ? ISS_EX : 0))
    return executed
  }

  #softwareStep(iss: number): void {
    const target = this.core.el === 2 ? 2 : this.selfHosted.target()
    this.exceptions.take(target, 'sync', ((this.core.el === target ? EC.SoftwareStepSame : EC.SoftwareStepLower) << 26 | 1 << 25 | iss | 0x22) >>> 0, this.engine.state.pc)
  }
}
