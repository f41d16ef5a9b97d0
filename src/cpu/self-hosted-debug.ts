/**
 * Breakpoints and watchpoints that the guest sets in DBGBCR<n>_EL1 and DBGWCR<n>_EL1 (Arm ARM D2.8, D2.9; pseudocode AArch64.BreakpointMatch,
 * AArch64.WatchpointMatch, AArch64.StateMatch) and when debug exceptions are enabled (AArch64.GenerateDebugExceptionsFrom).
 *
 * While MDSCR_EL1.MDE is 0 nothing here is looked at. While it is 1, the pages of enabled breakpoints and watchpoints are kept out of the TLB: the
 * run loop executes the former one instruction at a time, accesses to the latter are made by MemoryAccess. All else runs at full speed.
 */
import { EC } from '../arch/esr.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { ACCESS } from '../mmu/index.ts'
import { BREAKPOINTS, SLOT, WATCHPOINTS, rowByName } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import type { Exceptions } from './exception.ts'
import type { PE } from './pe.ts'

const slots = (name: string, count: number): readonly number[] => Array.from({ length: count }, (_, n) => rowByName(`${name}${n}_EL1`)!.slot)
const BCR = slots('DBGBCR', BREAKPOINTS), BVR = slots('DBGBVR', BREAKPOINTS), WCR = slots('DBGWCR', WATCHPOINTS), WVR = slots('DBGWVR', WATCHPOINTS)
/** The last two compare contexts (ID_AA64DFR0_EL1.CTX_CMPs). */
const FIRST_CONTEXT_AWARE = BREAKPOINTS - 2
const MDSCR_MDE = 1 << 15, MDSCR_KDE = 1 << 13, MDSCR_SS = 1, OSLSR_OSLK = 2, MDCR_TDE = 1 << 8
const PAGE = 4096
/** Address bits above 48 repeat it (RESS), or are a tag. */
const HIGH = 0x1_ffff
const pageOf = (hi: number, lo: number): number => (hi & HIGH) * 0x10_0000 + (lo >>> 12)
/** The fault status of all debug exceptions. */
const DEBUG = 0x22

/** What is set, while MDSCR_EL1.MDE is: numbers of breakpoints that match instruction addresses, and of watchpoints. */
interface Enabled { readonly code: readonly number[], readonly data: readonly number[] }

export class SelfHostedDebug {
  readonly #core: Core
  readonly #exceptions: Exceptions
  /** By PE. Undefined: nothing is set. */
  readonly #enabled: (Enabled | undefined)[] = []
  /** The instruction that is executed alone may be fetched from a page with a breakpoint. */
  #passing = false
  #entered = false

  constructor(core: Core, exceptions: Exceptions) {
    this.#core = core
    this.#exceptions = exceptions
  }

  /** After a write of a debug register, or of all registers. */
  changed(pe: PE): void {
    const { i32 } = pe.file, before = this.#enabled[pe.index]
    const on = (list: readonly number[]): number[] => [...list.keys()].filter(n => (i32[2 * list[n]!]! & 1) !== 0)
    let now: Enabled | undefined
    if ((i32[2 * SLOT.MDSCR_EL1]! & MDSCR_MDE) !== 0) {
      const code = on(BCR).filter(n => comparesAddress(i32[2 * BCR[n]!]!)), data = on(WCR)
      if (code.length > 0 || data.length > 0) now = { code, data }
    }
    if (now === undefined && before === undefined) return
    this.#enabled[pe.index] = now
    // Rare enough for the blunt way; what is fetched next is looked up again.
    this.#core.engine.tlb.invalidate(() => true)
    this.#core.endTurn()
  }

  // ---- when (AArch64.GenerateDebugExceptionsFrom, DebugTarget) ----

  target(): 1 | 2 {
    const core = this.#core, { pe } = core
    return core.el2 && ((pe.file.i32[2 * SLOT.MDCR_EL2]! & MDCR_TDE) !== 0 || core.tge(pe)) ? 2 : 1
  }

  /** Debug exceptions are enabled from an EL and PSTATE.D. */
  enabledFrom(pstate: number): boolean {
    const { i32 } = this.#core.pe.file, el = elOf(pstate), target = this.target()
    if ((i32[2 * SLOT.OSLSR_EL1]! & OSLSR_OSLK) !== 0) return false
    return el === target ? (i32[2 * SLOT.MDSCR_EL1]! & MDSCR_KDE) !== 0 && (pstate & PSTATE.D) === 0 : el < target
  }

  /** MDSCR_EL1.SS is set and debug exceptions are enabled where we are. */
  isStepping(): boolean { return (this.#core.pe.file.i32[2 * SLOT.MDSCR_EL1]! & MDSCR_SS) !== 0 && this.enabledFrom(this.#core.engine.state.pstate) }

  /** Stepping depends on PSTATE.D. */
  stepsOwnEL(): boolean { return (this.#core.pe.file.i32[2 * SLOT.MDSCR_EL1]! & (MDSCR_SS | MDSCR_KDE)) === (MDSCR_SS | MDSCR_KDE) }

  // ---- breakpoints ----

  /** The page of this address has a breakpoint, and may not be entered for fetching now. */
  holdsFetch(hi: number, lo: number): boolean {
    if (!this.#hasBreakpoint(hi, lo)) return false
    if (!this.#passing) return true
    this.#entered = true
    return false
  }

  /** The instruction at PC must be executed alone. */
  holdsPc(): boolean { return this.#enabled[this.#core.pe.index] !== undefined && this.#hasBreakpoint(this.#core.engine.state.pcHigh, this.#core.engine.state.pcLow) }

  #hasBreakpoint(hi: number, lo: number): boolean {
    const pe = this.#core.pe, enabled = this.#enabled[pe.index]
    if (enabled === undefined) return false
    const { i32 } = pe.file, page = pageOf(hi, lo)
    return enabled.code.some(n => pageOf(i32[2 * BVR[n]! + 1]!, i32[2 * BVR[n]!]!) === page)
  }

  /** Executes one instruction that may be in a page with a breakpoint. */
  alone(step: () => number): number {
    const { pcHigh, pcLow } = this.#core.engine.state
    this.#passing = true
    this.#entered = false
    const executed = step()
    this.#passing = false
    if (this.#entered) this.#core.engine.tlb.invalidatePage(() => true, pcHigh, pcLow)
    return executed
  }

  /** A breakpoint matches the instruction at PC. */
  breaksHere(): boolean {
    const core = this.#core, { pe } = core, enabled = this.#enabled[pe.index]
    if (enabled === undefined || !this.enabledFrom(core.engine.state.pstate)) return false
    const { i32 } = pe.file, { pcHigh, pcLow } = core.engine.state
    // DBGBCR<n>_EL1.BAS is RES1 where no EL is AArch32.
    return enabled.code.some(n => ((i32[2 * BVR[n]!]! ^ pcLow) & ~3) === 0 && ((i32[2 * BVR[n]! + 1]! ^ pcHigh) & HIGH) === 0
      && this.#stateMatches(i32[2 * BCR[n]!]!, (i32[2 * BCR[n]!]! & 1 << 20) !== 0, core.el))
  }

  takeBreakpoint(): void { this.#take(EC.BreakpointLower, DEBUG, 0n) }

  // ---- watchpoints ----

  holdsData(hi: number, lo: number): boolean {
    const pe = this.#core.pe, enabled = this.#enabled[pe.index]
    if (enabled === undefined) return false
    const { i32 } = pe.file, page = pageOf(hi, lo)
    return enabled.data.some(n => watchedPage(pe.file, n, page) && (i32[2 * WCR[n]!]! & 1) !== 0)
  }

  /** Takes the Watchpoint exception of an access that translation allows, if one matches. `kinds`: ACCESS.read, write or both. */
  watches(hi: number, lo: number, size: number, kinds: number, unprivileged: boolean): boolean {
    const core = this.#core, { pe } = core, enabled = this.#enabled[pe.index]
    if (enabled === undefined || enabled.data.length === 0 || !this.enabledFrom(core.engine.state.pstate)) return false
    const { i32 } = pe.file, el = unprivileged ? 0 : core.el
    let first = -1, firstRead = -1
    for (const n of enabled.data) {
      const control = i32[2 * WCR[n]!]!, loads = (control & 1 << 3) !== 0, stores = (control & 1 << 4) !== 0
      const read = loads && (kinds & ACCESS.read) !== 0, write = stores && (kinds & ACCESS.write) !== 0
      if (!(read || write) || !this.#stateMatches(control, (control & 1 << 20) !== 0, el)) continue
      for (let byte = 0; byte < size; byte++) {
        const at = (lo >>> 0) + byte, high = at > 0xffff_ffff ? hi + 1 : hi
        if (!watchedByte(pe.file, n, pageOf(high, at | 0), at & (PAGE - 1))) continue
        if (first < 0) first = at
        if (read && firstRead < 0) firstRead = at
        break
      }
    }
    if (first < 0) return false
    // WnR of an access that reads and writes: 0 if the read alone would have matched, which is then reported.
    this.#take(EC.WatchpointLower, DEBUG | (firstRead >= 0 ? 0 : 1 << 6), BigInt.asUintN(64, (BigInt(hi) << 32n) + BigInt(firstRead >= 0 ? firstRead : first)))
    return true
  }

  // ---- matching ----

  /** AArch64.StateMatch for an access of `el`. There is no EL3 and no Secure state. */
  #stateMatches(control: number, linked: boolean, el: number): boolean {
    const PxC = (control >>> 1) & 3, HMC = (control & 1 << 13) !== 0, SSC = (control >>> 14) & 3
    if (SSC === 2 || (SSC === 3 && !HMC)) return false
    const matches = el === 2 ? HMC : el === 1 ? (PxC & 1) !== 0 : (PxC & 2) !== 0
    return matches && (!linked || this.#contextMatches((control >>> 16) & 15))
  }

  /** AArch64.BreakpointValueMatch of the breakpoint that another is linked to. */
  #contextMatches(n: number): boolean {
    const core = this.#core, { pe } = core, { i32 } = pe.file, control = n < FIRST_CONTEXT_AWARE || n >= BREAKPOINTS ? 0 : i32[2 * BCR[n]!]!
    const type = (control >>> 20) & 15
    // Linked, and not an address; comparing with CONTEXTIDR_EL2 is FEAT_VHE's.
    if ((control & 1) === 0 || (type & 1) === 0 || (type & 10) === 0) return false
    if (!core.vhe && type >= 12) return false
    const value = i32[2 * BVR[n]!]!, upper = i32[2 * BVR[n]! + 1]!, el = core.el, inHost = el === 2 ? core.e2h(pe) : el === 0 && core.host(pe)
    const context = (slot: number, wanted: number): boolean => i32[2 * slot]! === wanted
    const guest = el < 2 && !inHost
    switch (type >>> 1) {
      case 1: return inHost ? context(SLOT.CONTEXTIDR_EL2, value) : el < 2 && context(SLOT.CONTEXTIDR_EL1, value)
      case 3: return guest && context(SLOT.CONTEXTIDR_EL1, value)
      case 4: return guest && this.#vmidMatches(upper)
      case 5: return guest && this.#vmidMatches(upper) && context(SLOT.CONTEXTIDR_EL1, value)
      case 6: return context(SLOT.CONTEXTIDR_EL2, upper)
      case 7: return guest && context(SLOT.CONTEXTIDR_EL2, upper) && context(SLOT.CONTEXTIDR_EL1, value)
      default: return false
    }
  }

  #vmidMatches(wanted: number): boolean {
    const core = this.#core, { i32 } = core.pe.file, wide = core.features.has('FEAT_VMID16') && (i32[2 * SLOT.VTCR_EL2]! & 1 << 19) !== 0
    return core.el2 && ((i32[2 * SLOT.VTTBR_EL2 + 1]! >>> 16) & (wide ? 0xffff : 0xff)) === (wanted & (wide ? 0xffff : 0xff))
  }

  // ---- taking ----

  /** `lower` is the class from a lower EL; the next one is that from the same. */
  #take(lower: number, iss: number, far: bigint): void {
    const core = this.#core, target = core.el === 2 ? 2 : this.target()
    this.#exceptions.take(target, 'sync', ((lower + (core.el === target ? 1 : 0)) << 26 | 1 << 25 | iss) >>> 0, core.engine.state.pc, { far })
  }
}

/** BT 0 and 1: an instruction address; the others compare contexts, alone (which is not built) or for a breakpoint linked to them. */
const comparesAddress = (control: number): boolean => ((control >>> 21) & 7) === 0

const maskOf = (file: RegisterFile, n: number): number => (file.i32[2 * WCR[n]!]! >>> 24) & 31
const watchedPage = (file: RegisterFile, n: number, page: number): boolean => {
  const own = pageOf(file.i32[2 * WVR[n]! + 1]!, file.i32[2 * WVR[n]!]!), size = 2 ** Math.max(0, maskOf(file, n) - 12)
  return Math.floor(own / size) === Math.floor(page / size)
}

/** AArch64.WatchpointByteMatch. */
function watchedByte(file: RegisterFile, n: number, page: number, offset: number): boolean {
  if (!watchedPage(file, n, page)) return false
  const mask = maskOf(file, n), own = file.i32[2 * WVR[n]!]! & (PAGE - 1)
  if (mask >= 12) return true
  if (mask > 2) return offset >>> mask === own >>> mask
  const bottom = (own & 4) !== 0 ? 2 : 3
  return offset >>> bottom === own >>> bottom && ((file.i32[2 * WCR[n]!]! >>> (5 + (offset & ((1 << bottom) - 1)))) & 1) !== 0
}
