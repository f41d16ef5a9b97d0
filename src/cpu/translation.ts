/**
 * The memory side of the engine's callbacks: what the fast TLB cannot answer. Translates, fills TLB entries, performs device accesses and
 * accesses that are misaligned or cross a page, and takes precise aborts.
 */
import { FSC, syndrome } from '../arch/esr.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import { ACCESS as ENGINE, alignmentOf } from '../engine/callbacks.ts'
import { ENTRY_FLAGS, KIND } from '../engine/tlb.ts'
import type { AccessSize } from '../isa/semantics.ts'
import { ACCESS, PERM, Translation, translate, withPan } from '../mmu/index.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { HCR } from './core.ts'
import type { Exceptions } from './exception.ts'
import type { View } from './views.ts'
import { WalkMemory } from './walk-memory.ts'

const PAGE = 4096
const LOG2 = { 1: 0, 2: 1, 4: 2, 8: 3, 16: 4 } as const
const toVa = (hi: number, lo: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)

export class MemoryAccess {
  readonly #core: Core
  readonly #exceptions: Exceptions
  readonly memory: WalkMemory
  readonly #out = new Translation()
  /** Second page of an access that crosses one. */
  readonly #second = new Translation()
  readonly #lse2: boolean
  /** The view whose contexts are selected. */
  #view!: View
  /** The last access found memory that is not RAM: its writes are not for the fast path. */
  #readOnly = false
  #zeroPage = -1
  #zeroHi = 0
  #zeroLo = 0

  constructor(core: Core, exceptions: Exceptions) {
    this.#core = core
    this.#exceptions = exceptions
    this.memory = new WalkMemory(core)
    this.#lse2 = core.features.has('FEAT_LSE2')
  }

  /** The view of the current EL. */
  get view(): View { return this.#view }

  /** Selects the TLB contexts for the current EL, PSTATE.PAN and register values. */
  select(): void {
    const core = this.#core, { pe } = core, pstate = core.engine.state.pstate, el = elOf(pstate), { tlb } = core.engine
    const view = el === 2 || (el === 0 && core.host(pe)) ? pe.views.el2() : pe.views.el1()
    this.#view = view
    this.forgetPages()
    core.debug?.contextChanged()
    if (el === 0) {
      const unprivileged = tlb.context(view.unprivileged)
      tlb.select(unprivileged, unprivileged, unprivileged)
      return
    }
    const fetch = tlb.context(view.privileged)
    const data = (pstate & PSTATE.PAN) !== 0 ? tlb.context(view.privilegedPAN) : fetch
    tlb.select(data, this.#isUnprivileged(ENGINE.UNPRIVILEGED) ? tlb.context(view.unprivileged) : data, fetch)
  }

  /** Whether an access with these engine flags is made with EL0's permissions (AArch64.AccessUsesEL, IsUnprivilegedAccessPriv). */
  #isUnprivileged(flags: number): boolean {
    const core = this.#core, pstate = core.engine.state.pstate, el = elOf(pstate)
    if (el === 0) return true
    if ((flags & ENGINE.UNPRIVILEGED) === 0 || (pstate & PSTATE.UAO) !== 0) return false
    // LDTR and STTR at EL2 are unprivileged only for a host; at EL1 they are not where {NV,NV1} = {1,1} acts as UAO = 1.
    return el === 2 ? core.host(core.pe) : !this.#view.stage1.nv1
  }

  // ---- fetch ----

  fetch(vaHi: number, vaLo: number): void {
    const core = this.#core, { stage1 } = this.#view, upper = (vaHi & 0x80_0000) !== 0 && stage1.upper !== undefined
    // AArch64.BranchAddr: an ignored tag does not reach the PC. Tagged addresses have no entry in the TLB, so every branch to one comes here.
    if ((upper ? stage1.upper! : stage1.lower).topByteIgnoredForFetch && vaHi >> 24 !== (upper ? -1 : 0)) {
      vaHi = upper ? vaHi | 0xff00_0000 : vaHi & 0x00ff_ffff
      core.engine.state.pc = toVa(vaHi, vaLo)
    }
    if ((vaLo & 3) === 0 && core.debug !== undefined && core.debug.holdsFetch(vaHi, vaLo)) {
      core.engine.pause('before')
      return
    }
    if (core.selfHosted.holdsFetch(vaHi, vaLo)) {
      core.endTurnBefore()
      return
    }
    const page = this.fetchPage(vaHi, vaLo)
    if (page < 0) return
    this.#noteGlobal(this.#view, vaHi, this.#out)
    core.engine.fillFetch(vaHi, vaLo, page, this.#out.pageShift)
  }

  /** Physical address of the page that an instruction at this address is in; -1 after taking the exception that its fetch causes. */
  fetchPage(vaHi: number, vaLo: number): number {
    const core = this.#core, out = this.#out
    if ((vaLo & 3) !== 0) {
      this.#exceptions.synchronous(syndrome.pcAlignment(), { far: toVa(vaHi, vaLo) })
      return -1
    }
    const view = this.#view
    if (!translate(view.stage1, view.stage2, vaHi, vaLo, ACCESS.execute | (core.el === 0 ? ACCESS.unprivileged : 0), this.memory, out)) {
      this.#instructionAbort(out, vaHi, vaLo)
      return -1
    }
    const page = core.place(out.pa - out.pa % PAGE, false)
    if (core.engine.ram.contains(page, PAGE)) return page
    out.status = FSC.SyncExternal
    out.stage = 1
    out.s1ptw = false
    this.#instructionAbort(out, vaHi, vaLo)
    return -1
  }

  #instructionAbort(out: Translation, vaHi: number, vaLo: number): void {
    const el = this.#core.el, target = this.#abortTarget(out)
    this.#exceptions.take(target, 'sync', syndrome.instructionAbort(el === target, out.status, out.s1ptw), this.#core.engine.state.pc, this.#fault(out, vaHi, vaLo))
  }

  /** Stage 2 faults go to EL2, External aborts also under HCR_EL2.TEA, the rest where synchronous exceptions go. */
  #abortTarget(out: Translation): 1 | 2 {
    const core = this.#core
    if (out.stage === 2) return 2
    const external = out.status === FSC.SyncExternal || (out.status & 0x3c) === FSC.SyncExternalOnWalk
    if (external && core.el !== 2 && (core.hcrHigh(core.pe) & HCR.TEA_HIGH) !== 0) return 2
    return this.#exceptions.synchronousTarget()
  }

  #fault(out: Translation, vaHi: number, vaLo: number): { far: bigint, ipa?: number } {
    return out.stage === 2 ? { far: toVa(vaHi, vaLo), ipa: out.ipa } : { far: toVa(vaHi, vaLo) }
  }

  #dataAbort(out: Translation, vaHi: number, vaLo: number, size: AccessSize, flags: number, write: boolean): void {
    const core = this.#core, el = core.el, target = this.#abortTarget(out)
    const isv = out.stage === 2 && !out.s1ptw && (flags & ENGINE.ISV) !== 0
      ? { sas: LOG2[size], sse: (flags & ENGINE.SSE) !== 0, srt: core.engine.word & 31, sf: (flags & ENGINE.SF) !== 0, ar: (flags & ENGINE.AR) !== 0 } : undefined
    this.#exceptions.take(target, 'sync', syndrome.dataAbort(el === target, { dfsc: out.status, write, s1ptw: out.s1ptw, ...(isv ? { isv } : {}) }),
      core.engine.state.pc, this.#fault(out, vaHi, vaLo))
  }

  #alignmentFault(vaHi: number, vaLo: number, write: boolean): void {
    const target = this.#exceptions.synchronousTarget()
    this.#exceptions.take(target, 'sync', syndrome.dataAbort(this.#core.el === target, { dfsc: FSC.Alignment, write }), this.#core.engine.state.pc, { far: toVa(vaHi, vaLo) })
  }

  // ---- data ----

  read(vaHi: number, vaLo: number, size: AccessSize, flags: number): void {
    const core = this.#core, forUpdate = (flags & ENGINE.FOR_UPDATE) !== 0
    if (this.#isWatched(vaHi, vaLo, size, forUpdate ? ACCESS.read | ACCESS.write : ACCESS.read)) return
    const kinds = forUpdate ? ACCESS.read | ACCESS.write : ACCESS.read
    if (!this.#translateAccess(vaHi, vaLo, size, flags, kinds) || core.selfHosted.watches(vaHi, vaLo, size, kinds, this.#isUnprivileged(flags))) return
    const out = this.#out, { state, ram } = core.engine
    state.data64[1] = 0n
    if (this.#crosses(vaLo, size)) {
      this.#crossingRead(vaLo, size)
      return
    }
    const { pa } = out
    if (!ram.contains(pa, size)) {
      this.#deviceRead(vaHi, vaLo, pa, size, flags)
      return
    }
    this.#fill(vaHi, vaLo, flags, out)
    switch (size) {
      case 1: state.data64[0] = BigInt(ram.read8(pa)); break
      case 2: state.data64[0] = BigInt(ram.read16(pa)); break
      case 4: state.data64[0] = BigInt(ram.read32(pa)); break
      case 8: state.data64[0] = ram.read64(pa); break
      case 16:
        state.data64[0] = ram.read64(pa)
        state.data64[1] = ram.read64(pa + 8)
    }
  }

  write(vaHi: number, vaLo: number, size: AccessSize, flags: number): void {
    if (this.#isWatched(vaHi, vaLo, size, ACCESS.write)) return
    const core = this.#core
    if (!this.#translateAccess(vaHi, vaLo, size, flags, ACCESS.write) || core.selfHosted.watches(vaHi, vaLo, size, ACCESS.write, this.#isUnprivileged(flags))) return
    const out = this.#out, { state, ram } = core.engine
    if (this.#crosses(vaLo, size)) {
      this.#crossingWrite(vaLo, size)
      return
    }
    const { pa } = out
    if (!ram.contains(pa, size)) {
      this.#deviceWrite(vaHi, vaLo, pa, size, flags)
      return
    }
    this.#fill(vaHi, vaLo, flags, out)
    switch (size) {
      case 1: ram.write8(pa, state.data[0]! & 0xff); break
      case 2: ram.write16(pa, state.data[0]! & 0xffff); break
      case 4: ram.write32(pa, state.data[0]! >>> 0); break
      case 8: ram.write64(pa, state.data64[0]!); break
      case 16:
        ram.write64(pa, state.data64[0]!)
        ram.write64(pa + 8, state.data64[1]!)
    }
  }

  /** For the engine's monitor (a load) and store-exclusive (`FOR_UPDATE`): PA in RAM; -1 after an exception, -2 where there is no RAM. */
  translateExclusive(vaHi: number, vaLo: number, size: AccessSize, flags: number): number {
    const store = (flags & ENGINE.FOR_UPDATE) !== 0
    if ((vaLo & (size - 1)) !== 0) {
      this.#alignmentFault(vaHi, vaLo, store)
      return -1
    }
    if (store && this.#isWatched(vaHi, vaLo, size, ACCESS.write)) return -1
    if (!this.#translateAccess(vaHi, vaLo, size, flags, store ? ACCESS.write : ACCESS.read)) return -1
    if (store && this.#core.selfHosted.watches(vaHi, vaLo, size, ACCESS.write, this.#isUnprivileged(flags))) return -1
    const { pa } = this.#out
    if (!this.#core.engine.ram.contains(pa, size)) return -2
    this.#fill(vaHi, vaLo, flags, this.#out)
    return pa
  }

  /** True: a debugger stops before the instruction. */
  #isWatched(vaHi: number, vaLo: number, size: number, kinds: number): boolean {
    const core = this.#core
    if (core.debug === undefined || !core.debug.access(vaHi, vaLo, size, kinds)) return false
    core.engine.pause('abandon')
    return true
  }

  /** Translates all of the access; false after an exception. */
  #translateAccess(vaHi: number, vaLo: number, size: AccessSize, flags: number, kind: number): boolean {
    const view = this.#view, out = this.#out, write = (kind & ACCESS.write) !== 0
    const misaligned = (vaLo & (alignmentOf(size, flags) - 1)) !== 0
    if (misaligned && this.#mustBeAligned(vaLo, size, flags, view)) {
      this.#alignmentFault(vaHi, vaLo, kind === ACCESS.write)
      return false
    }
    const unprivileged = this.#isUnprivileged(flags)
    const access = kind | (unprivileged ? ACCESS.unprivileged : (this.#core.engine.state.pstate & PSTATE.PAN) !== 0 ? ACCESS.pan : 0) | (misaligned ? ACCESS.unaligned : 0)
    if (!translate(view.stage1, view.stage2, vaHi, vaLo, access, this.memory, out)) {
      this.#dataAbort(out, vaHi, vaLo, size, flags, write ? out.wnr : false)
      return false
    }
    this.#placed(out, write)
    if (this.#crosses(vaLo, size)) {
      const nextLo = ((vaLo & ~(PAGE - 1)) + PAGE) | 0, nextHi = nextLo === 0 ? (vaHi + 1) | 0 : vaHi
      if (!translate(view.stage1, view.stage2, nextHi, nextLo, access, this.memory, this.#second)) {
        this.#dataAbort(this.#second, nextHi, nextLo, size, flags, write ? this.#second.wnr : false)
        return false
      }
      this.#placed(this.#second, write)
      const { ram } = this.#core.engine, first = PAGE - (vaLo & (PAGE - 1))
      for (const [pa, bytes, hi, lo, t] of [[out.pa, first, vaHi, vaLo, out], [this.#second.pa, size - first, nextHi, nextLo, this.#second]] as const) {
        if (ram.contains(pa, bytes)) continue
        this.#externalAbort(t, hi, lo, size, flags, write)
        return false
      }
    }
    return true
  }

  /** Puts the address where the engine has the memory: see `Environment.place`. */
  #placed(out: Translation, write: boolean): void {
    const pa = this.#core.place(out.pa, write)
    this.#readOnly = pa !== out.pa
    out.pa = pa
  }

  #mustBeAligned(vaLo: number, size: AccessSize, flags: number, view: View): boolean {
    if (view.alignmentCheck) return true
    if ((flags & (ENGINE.ATOMIC | ENGINE.ORDERED)) === 0) return false
    // FEAT_LSE2: within an aligned 16 bytes, atomics and ordered accesses may be misaligned; SCTLR_ELx.nAA frees the ordered ones.
    const within = (vaLo & 15) + size <= 16
    if (!this.#lse2) return true
    return !within && !((flags & ENGINE.ATOMIC) === 0 && view.nAA)
  }

  #crosses(vaLo: number, size: AccessSize): boolean { return (vaLo & (PAGE - 1)) + size > PAGE }

  #noteGlobal(view: View, vaHi: number, out: Translation): void {
    if (out.global && (vaHi & (1 << 23)) === 0) view.lowerGlobal = true
  }

  /** Enters the page into the context that the access used. */
  #fill(vaHi: number, vaLo: number, flags: number, out: Translation): void {
    const core = this.#core, view = this.#view, { tlb } = core.engine
    const unprivileged = this.#isUnprivileged(flags)
    const pan = !unprivileged && (core.engine.state.pstate & PSTATE.PAN) !== 0
    const perms = pan && !view.stage1.nv1 ? withPan(out.perms) : out.perms
    let kinds = 0
    if ((perms & (unprivileged ? PERM.UR : PERM.PR)) !== 0) {
      kinds = KIND.READ
      if (!this.#readOnly && (perms & (unprivileged ? PERM.UW : PERM.PW)) !== 0) kinds |= KIND.WRITE
    }
    if (kinds === 0 || core.debug?.holdsData(vaHi, vaLo) === true || core.selfHosted.holdsData(vaHi, vaLo)) return
    this.#noteGlobal(view, vaHi, out)
    const context = (flags & ENGINE.UNPRIVILEGED) !== 0 ? tlb.unprivileged : tlb.data
    tlb.fill(context, kinds, vaHi, vaLo, out.pa - out.pa % PAGE, out.pageShift, !out.device && !view.alignmentCheck ? ENTRY_FLAGS.MISALIGNED : 0)
  }

  #crossingRead(vaLo: number, size: AccessSize): void {
    const { state, ram } = this.#core.engine, first = PAGE - (vaLo & (PAGE - 1))
    let low = 0n, high = 0n
    for (let i = 0; i < size; i++) {
      const byte = BigInt(ram.read8(i < first ? this.#out.pa + i : this.#second.pa + i - first))
      if (i < 8) low |= byte << BigInt(8 * i)
      else high |= byte << BigInt(8 * (i - 8))
    }
    state.data64[0] = low
    state.data64[1] = high
  }

  #crossingWrite(vaLo: number, size: AccessSize): void {
    const { state, ram } = this.#core.engine, first = PAGE - (vaLo & (PAGE - 1))
    for (let i = 0; i < size; i++) {
      const byte = (state.data[i >> 2]! >>> (8 * (i & 3))) & 0xff
      ram.write8(i < first ? this.#out.pa + i : this.#second.pa + i - first, byte)
    }
  }

  // ---- devices ----

  #externalAbort(out: Translation, vaHi: number, vaLo: number, size: AccessSize, flags: number, write: boolean): void {
    out.status = FSC.SyncExternal
    out.stage = 1
    out.s1ptw = false
    this.#dataAbort(out, vaHi, vaLo, size, flags, write)
  }

  #deviceRead(vaHi: number, vaLo: number, pa: number, size: AccessSize, flags: number): void {
    const { state } = this.#core.engine
    if (size === 16) {
      const low = this.#deviceWord(vaHi, vaLo, pa, 8, flags)
      const high = low === undefined ? undefined : this.#deviceWord(vaHi, vaLo, pa + 8, 8, flags)
      if (low === undefined || high === undefined) return
      state.data64[0] = BigInt(low)
      state.data64[1] = BigInt(high)
      return
    }
    // A device that is narrower than the access is asked twice.
    if (size === 8 && this.#isNarrow(pa)) {
      const low = this.#deviceWord(vaHi, vaLo, pa, 4, flags), high = low === undefined ? undefined : this.#deviceWord(vaHi, vaLo, pa + 4, 4, flags)
      if (low !== undefined && high !== undefined) state.data64[0] = (BigInt(high) << 32n) | BigInt(low)
      return
    }
    const value = this.#deviceWord(vaHi, vaLo, pa, size, flags)
    if (value !== undefined) state.data64[0] = BigInt(value)
  }

  #isNarrow(pa: number): boolean { return this.#core.environment.bus.isNarrow?.(pa) === true }

  #deviceWord(vaHi: number, vaLo: number, pa: number, size: 1 | 2 | 4 | 8, flags: number): number | undefined {
    const core = this.#core, result = core.environment.bus.read(core.pe.index, pa, size)
    if (result.kind === 'value') {
      this.#deviceDone(core.costs.frameRead[result.frame])
      return result.value
    }
    this.#deviceFailed(result, vaHi, vaLo, size, flags, false)
    return undefined
  }

  #deviceWrite(vaHi: number, vaLo: number, pa: number, size: AccessSize, flags: number): void {
    const core = this.#core, { state } = core.engine
    for (let i = 0; i < (size === 16 ? 2 : 1); i++) {
      const word = size === 16 ? 8 : size
      const value = word === 8 ? Number(state.data64[i]!) : word === 4 ? state.data[0]! >>> 0 : state.data[0]! & (word === 2 ? 0xffff : 0xff)
      const result = core.environment.bus.write(core.pe.index, pa + 8 * i, word, value)
      if (result.kind !== 'value') {
        this.#deviceFailed(result, vaHi, vaLo, size, flags, true)
        return
      }
      this.#deviceDone(core.costs.frameWrite[result.frame])
    }
  }

  /** A device access ends the turn where other PEs may look at what it changed, or where it raised a line of this PE. */
  #deviceDone(cost: number): void {
    const core = this.#core
    core.pe.counters.mmio++
    core.charge(cost)
    if (core.pes.length > 1 || core.pe.linesChanged) core.endTurn()
  }

  #deviceFailed(result: { readonly kind: 'nothing' } | { readonly kind: 'absent', readonly region: string, readonly offset: number }, vaHi: number, vaLo: number, size: AccessSize, flags: number, write: boolean): void {
    if (result.kind === 'nothing') {
      this.#externalAbort(this.#out, vaHi, vaLo, size, flags, write)
      return
    }
    this.#core.unimplemented('device access', `${result.region} +0x${result.offset.toString(16)} (${write ? 'write' : 'read'} of ${size} bytes)`)
  }

  // ---- VNCR_EL2 ----

  /**
   * PA of a 64-bit access to the VNCR_EL2 page, or -1 after the fault has been taken: an EL2 data access, stage 1 only, without PAN, that
   * faults to EL2 with EC 0x25 and ISS.VNCR through the lower-EL vector (nested-arch.md a.5). The paper's page is a physical address.
   */
  vncr(offset: number, write: boolean): number {
    const core = this.#core, { pe } = core, neve = !core.features.has('FEAT_NV2')
    const { i32 } = pe.file, lo = (i32[2 * SLOT.VNCR_EL2]! & ~0xfff) | offset, high = i32[2 * SLOT.VNCR_EL2 + 1]!
    const out = this.#out
    let pa: number
    if (neve) pa = core.place((high & 0xf_ffff) * 0x1_0000_0000 + (lo >>> 0), true)
    else if (pe.vncrPage >= 0 && (!write || pe.vncrWritable)) pa = pe.vncrPage + offset
    else {
      // BADDR is 56:12; the bits above repeat its top bit.
      const hi = (high << 7) >> 7
      const view = pe.views.el2()
      if (!translate(view.stage1, undefined, hi, lo, write ? ACCESS.write : ACCESS.read, this.memory, out)) {
        this.#vncrFault(out.status, hi, lo, write)
        return -1
      }
      pa = core.place(out.pa, true)
      pe.vncrPage = pa - pa % PAGE
      pe.vncrWritable = (out.perms & PERM.PW) !== 0
    }
    if (core.engine.ram.contains(pa, 8)) return pa
    pe.vncrPage = -1
    this.#vncrFault(FSC.SyncExternal, high, lo, write)
    return -1
  }

  #vncrFault(status: number, hi: number, lo: number, write: boolean): void {
    this.#exceptions.take(2, 'sync', syndrome.dataAbort(true, { dfsc: status, write, vncr: true }), this.#core.engine.state.pc, { far: toVa(hi, lo) })
  }

  // ---- maintenance ----

  /** PA of the block that DC ZVA zeroes, or -1 after the abort. The page of the last one is remembered while the view is. */
  translateForZero(vaHi: number, vaLo: number): number {
    if (this.#isWatched(vaHi, vaLo, 64, ACCESS.write)) return -1
    if (this.#zeroPage >= 0 && vaHi === this.#zeroHi && (vaLo & -PAGE) === this.#zeroLo) return this.#zeroPage + (vaLo & (PAGE - 1))
    const pa = this.translateForMaintenance(vaHi, vaLo, ACCESS.write, false)
    if (pa >= 0 && this.#core.selfHosted.watches(vaHi, vaLo & -64, 64, ACCESS.write, this.#core.el === 0)) return -1
    if (pa >= 0 && !this.#core.selfHosted.holdsData(vaHi, vaLo)) {
      this.#zeroHi = vaHi
      this.#zeroLo = vaLo & -PAGE
      this.#zeroPage = pa - (pa & (PAGE - 1))
      if (this.#core.engine.ram.contains(pa, 1)) this.#fill(vaHi, vaLo, 0, this.#out)
    }
    return pa
  }

  /** After TLB maintenance and whenever the view changes. */
  forgetPages(): void { this.#zeroPage = -1 }

  /** Translation for DC ZVA and DC/IC by VA: PA, or -1 after the abort (ISS.CM for maintenance). */
  translateForMaintenance(vaHi: number, vaLo: number, kind: number, cm: boolean): number {
    const core = this.#core, view = this.#view, out = this.#out, pan = (core.engine.state.pstate & PSTATE.PAN) !== 0 && !cm
    const access = kind | (core.el === 0 ? ACCESS.unprivileged : pan ? ACCESS.pan : 0) | (cm ? 0 : ACCESS.unaligned)
    if (translate(view.stage1, view.stage2, vaHi, vaLo, access, this.memory, out)) return core.place(out.pa, true)
    const el = core.el, target = this.#abortTarget(out)
    this.#exceptions.take(target, 'sync', syndrome.dataAbort(el === target, { dfsc: out.status, write: true, cm, s1ptw: out.s1ptw }), core.engine.state.pc, this.#fault(out, vaHi, vaLo))
    return -1
  }
}
