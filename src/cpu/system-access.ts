/**
 * MRS, MSR and SYS: asks sysreg.resolve and does what it says. What a write changes elsewhere (views, FP trap, timers, interrupts)
 * follows from the row's `effect`.
 */
import { EC, syndrome } from '../arch/esr.ts'
import { SLOT, rowByKey, sanitise } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import type { Exceptions } from './exception.ts'
import type { Interrupts } from './interrupts.ts'
import type { Maintenance } from './maintenance.ts'
import { decidesAccesses } from './resolutions.ts'
import type { SystemRegisters } from './system-registers.ts'
import type { MemoryAccess } from './translation.ts'

const READ = 1 << 21
/** Registers of the EL1&0 regime; others with the effect 'translation' belong to EL2's. VTTBR and VTCR are stage 2 of EL1&0. */
const EL1_TRANSLATION = new Set<number>([SLOT.SCTLR_EL1, SLOT.TCR_EL1, SLOT.TTBR0_EL1, SLOT.TTBR1_EL1, SLOT.MAIR_EL1, SLOT.VTTBR_EL2, SLOT.VTCR_EL2])
export const belongsToEL1Regime = (row: Row): boolean => EL1_TRANSLATION.has(row.slot)

export class SystemAccess {
  readonly #core: Core
  readonly #exceptions: Exceptions
  readonly #interrupts: Interrupts
  readonly #memory: MemoryAccess
  readonly #maintenance: Maintenance
  readonly #registers: SystemRegisters
  /** Contexts, FP trap and SP checks follow the registers. */
  readonly #stateChanged: () => void

  constructor(parts: { core: Core, exceptions: Exceptions, interrupts: Interrupts, memory: MemoryAccess, maintenance: Maintenance, registers: SystemRegisters, stateChanged: () => void }) {
    this.#core = parts.core
    this.#exceptions = parts.exceptions
    this.#interrupts = parts.interrupts
    this.#memory = parts.memory
    this.#maintenance = parts.maintenance
    this.#registers = parts.registers
    this.#stateChanged = parts.stateChanged
  }

  /** Executes the MRS, MSR, SYS or SYSL with this word. */
  execute(word: number): void {
    const core = this.#core, read = (word & READ) !== 0, Rt = word & 31
    const resolution = core.pe.resolutions.of(word, core.el, core.controls)
    switch (resolution.kind) {
      case 'register':
        if (read) this.#read(resolution.row, Rt)
        else this.#write(resolution.row, Rt)
        return
      case 'memory':
        this.#redirect(resolution.offset, Rt, read)
        return
      case 'trap':
        this.#trap(resolution.to, resolution.ec, (word >>> 5) & 0xffff, Rt, read)
        return
      case 'undefined':
        // CNTFRQ_EL0 is written from the highest EL that there is.
        if (!read && core.el === 1 && !core.el2) {
          const row = rowByKey((word >>> 5) & 0xffff)
          if (row !== undefined && row.writeMinimumEL === 2 && row.minimumEL < 2) {
            this.#write(row, Rt)
            return
          }
        }
        core.pe.undefinedAccess = { word, pc: core.engine.state.pc, el: core.el }
        this.#exceptions.undefinedInstruction()
    }
  }

  #trap(to: 1 | 2, ec: number, key: number, Rt: number, read: boolean): void {
    const esr = ec === EC.SystemRegister ? syndrome.systemRegister(key, Rt, read) : ec === EC.FPAdvSIMD ? syndrome.fpAdvSimd() : syndrome.unknown()
    this.#exceptions.take(to, 'sync', esr, this.#core.engine.state.pc)
  }

  /** A register that lives in the VNCR_EL2 page: raw 64 bits, no RES0 or RES1. */
  #redirect(offset: number, Rt: number, read: boolean): void {
    const core = this.#core, { state, ram } = core.engine
    const pa = this.#memory.vncr(offset, !read)
    if (pa < 0) return
    if (read) state.setX(Rt, ram.read64(pa))
    else ram.write64(pa, state.x(Rt))
    core.charge(core.costs.memoryAccess)
  }

  #read(row: Row, Rt: number): void {
    const core = this.#core, { state } = core.engine
    if (row.kind === 'instruction') {
      // SYSL of something that is not there.
      this.#exceptions.undefinedInstruction()
      return
    }
    if (row.slot === SLOT.SP_EL0 && (state.pstate & 1) === 0) {
      this.#exceptions.undefinedInstruction()
      return
    }
    if (row.storage === 'slot') {
      const { i32 } = core.pe.file
      state.setXHalves(Rt, i32[2 * row.slot + 1]!, i32[2 * row.slot]!)
      core.charge(core.costs.systemRegisterRead)
      return
    }
    const special = this.#registers.of(row)
    if (special.read === undefined) {
      core.unimplemented('register', `MRS ${row.name}`)
      return
    }
    state.setX(Rt, special.read())
    core.charge(row.effect === 'interrupt' ? core.costs.gicRegisterRead : core.costs.systemRegisterRead)
    if ((row.effect === 'interrupt' || row.effect === 'pmu') && core.pe.linesChanged) this.#interrupts.check()
  }

  #write(row: Row, Rt: number): void {
    const core = this.#core, { state } = core.engine
    if (row.kind === 'instruction') {
      if (!this.#maintenance.execute(row, state.x(Rt))) core.unimplemented('system instruction', row.name)
      return
    }
    if (row.slot === SLOT.SP_EL0 && (state.pstate & 1) === 0) {
      this.#exceptions.undefinedInstruction()
      return
    }
    if (!this.store(row, state.x(Rt))) {
      core.unimplemented('register', `MSR ${row.name}`)
      return
    }
    core.charge(row.effect === 'interrupt' ? core.costs.gicRegisterWrite : core.costs.systemRegisterWrite)
  }

  /** Reads a register by its row without traps: what MRS at EL2 would return. Undefined: not built. */
  load(row: Row): bigint | undefined {
    return row.storage === 'slot' ? this.#core.pe.file.u64[row.slot]! : this.#registers.of(row).read?.()
  }

  /**
   * Writes a register by its row, with everything that follows from it. False: not built. `quiet`: EL2 software in TypeScript writes, which
   * neither runs on the PE's contexts nor is interrupted; its return from EL2 brings them in line.
   */
  store(row: Row, value: bigint, quiet = false): boolean {
    const core = this.#core, { pe } = core, { u64 } = pe.file, before = row.slot >= 0 ? u64[row.slot]! : 0n
    if (row.storage === 'special') {
      const special = this.#registers.of(row)
      if (special.write === undefined) return false
      special.write(sanitise(row, value, core.controls, before))
    } else u64[row.slot] = sanitise(row, value, core.controls, before)
    if (decidesAccesses(row.slot)) {
      // ICH_HCR_EL2 lives in the GIC; its trap bits are looked up in the register file.
      if (row.storage === 'special') u64[row.slot] = sanitise(row, value, core.controls, before)
      if (u64[row.slot] !== before) {
        pe.resolutions.forget()
        if (!quiet) this.#stateChanged()
      }
    }
    switch (row.effect) {
      case 'translation':
        if (belongsToEL1Regime(row)) pe.views.changedEL1()
        else pe.views.changedEL2()
        pe.vncrPage = -1
        if (!quiet) this.#stateChanged()
        break
      case 'control':
        pe.views.changedAll()
        pe.vncrPage = -1
        if (quiet) break
        this.#stateChanged()
        this.#interrupts.check()
        break
      case 'fp':
        if (!quiet) this.#stateChanged()
        break
      case 'pstate':
        this.#stateChanged()
        this.#interrupts.check()
        break
      case 'timer':
        if (row.storage === 'slot') this.#registers.timersChanged()
        if (pe.linesChanged && !quiet) this.#interrupts.check()
        break
      case 'interrupt':
      case 'pmu':
        if (pe.linesChanged && !quiet) this.#interrupts.check()
        break
      case 'debug':
        // MDSCR_EL1.SS: the run loop steps.
        if (((row.slot === SLOT.MDSCR_EL1 ? before : 0n) | u64[SLOT.MDSCR_EL1]!) & 1n) core.endTurn()
        core.selfHosted.changed(pe)
        break
    }
    return true
  }
}
