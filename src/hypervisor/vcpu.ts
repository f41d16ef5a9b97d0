/**
 * One virtual CPU: two register files and what L0 knows of it beside them.
 *
 * `virtual` holds the registers that the architecture gives this CPU: its EL1 slots are KVM's `sys_regs`, its EL2 slots the
 * `el2_regs` of nested virtualization. `shadow` holds the values that the machine's EL1 registers take while the guest hypervisor
 * runs at virtual EL2. `active` is the one in use: it decides which values a world switch moves.
 */
import type { EL } from '../arch/el.ts'
import { elOf, MODE, PSTATE } from '../arch/pstate.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import { choice, FLAG, memory, objectOf, record, REGISTERS, restoreFields, saveFields, WORD32, WORD64 } from '../arch/saved-state.ts'
import type { Fields, Saved } from '../arch/saved-state.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import type { Level } from '../trace/event.ts'
import type { Controls } from '../sysreg/index.ts'
import { SLOT, SLOTS } from '../sysreg/index.ts'
import type { NestedVcpu } from './nested/nested-vcpu.ts'
import type { ShadowStage2 } from './nested/shadow-stage2.ts'
import type { Pe } from './pe.ts'
import type { TrapControls } from './traps.ts'
import type { VcpuTimers } from './vtimer.ts'
import type { VcpuGic } from './vgic.ts'
import type { Vm } from './vm.ts'

/**
 * Whose code runs, as a value: a VM without EL2; the guest hypervisor at virtual EL2 (or the EL0 of a VHE one); below virtual EL2 with
 * L1's stage 2 off (L1's own kernel) or on (L2). `nested/enter.ts` and `nested/eret.ts` are the only places that change it.
 */
export type Context =
  | { readonly kind: 'guest' }
  | { readonly kind: 'vEL2' }
  | { readonly kind: 'vEL1' }
  | { readonly kind: 'L2', readonly shadow: ShadowStage2 }

export const GUEST: Context = { kind: 'guest' }
export const VIRTUAL_EL2: Context = { kind: 'vEL2' }
export const VIRTUAL_EL1: Context = { kind: 'vEL1' }
/** Those that need no shadow table. */
const CONTEXTS = { guest: GUEST, vEL2: VIRTUAL_EL2, vEL1: VIRTUAL_EL1 } as const
const CONTEXT_KINDS = ['guest', 'vEL2', 'vEL1'] as const

const EL1_CONTROLS = [SLOT.CPACR_EL1, SLOT.CNTKCTL_EL1, SLOT.SCTLR_EL1] as const

export type VcpuState = 'off' | 'runnable' | 'blocked'

const LEVELS: Readonly<Record<Context['kind'], Level>> = { guest: 'vm', vEL2: 'vEL2', vEL1: 'L1', L2: 'L2' }

const FIELDS: Fields<Vcpu> = {
  virtual: REGISTERS, shadow: REGISTERS, x: memory(), fp: memory(), pc: WORD64, pstate: WORD32, state: choice('off', 'runnable', 'blocked'), loaded: FLAG, kicked: FLAG,
  traps: record<TrapControls & { stale: boolean }>({ hcr: WORD64, cptr: WORD64, mdcr: WORD64, cnthctl: WORD64, stale: FLAG }),
}

export class Vcpu {
  readonly vm: Vm
  readonly index: number
  /** The PE this vCPU is pinned to. */
  readonly pe: Pe
  readonly virtual: RegisterFile = createRegisterFile(SLOTS)
  readonly shadow: RegisterFile = createRegisterFile(SLOTS)
  readonly controls: Controls
  /** General registers while the vCPU is not the one its PE runs. */
  readonly x = new BigUint64Array(31)
  readonly fp = new Uint8Array(528)
  pc = 0n
  /** With the virtual EL in M: EL2h at vEL2, although the hardware runs EL1h. */
  pstate = 0
  context: Context = GUEST
  state: VcpuState = 'off'
  /** EL1, timer, trap and GIC state stand in the machine's registers, not in the files (policy `lazy`). */
  loaded = false
  /** A kick is on its way and not yet seen. */
  kicked = false
  /** The trap controls of its context, worked out when they are needed (switch.ts). */
  readonly traps: TrapControls & { stale: boolean } = { hcr: 0n, cptr: 0n, mdcr: 0n, cnthctl: 0n, stale: true }
  gic!: VcpuGic
  timers!: VcpuTimers
  nested: NestedVcpu | undefined

  constructor(vm: Vm, index: number, pe: Pe) {
    this.vm = vm
    this.index = index
    this.pe = pe
    this.controls = { file: this.virtual, features: vm.config.features, gicVersion: vm.config.gicVersion }
  }

  saveState(): Saved {
    const { context } = this
    return {
      ...saveFields(this, FIELDS), context: context.kind === 'L2' ? this.vm.shadows!.all.indexOf(context.shadow) : context.kind,
      gic: this.gic.saveState(), timers: this.timers.saveState(), nested: this.nested?.saveState(),
    }
  }

  restoreState(saved: Saved, path: string): void {
    const { context, gic, timers, nested } = objectOf(saved, path), shadow = this.vm.shadows?.all[context as number]
    restoreFields(this, FIELDS, saved, path)
    this.context = shadow === undefined ? CONTEXTS[choice(...CONTEXT_KINDS).restore(context, `${path}.context`, 'guest')] : { kind: 'L2', shadow }
    this.gic.restoreState(gic, `${path}.gic`)
    this.timers.restoreState(timers, `${path}.timers`)
    this.nested?.restoreState(nested, `${path}.nested`)
  }

  get active(): RegisterFile { return this.context.kind === 'vEL2' ? this.shadow : this.virtual }
  get level(): Level { return LEVELS[this.context.kind] }
  /** EL as the guest sees it. */
  get el(): EL { return elOf(this.pstate) }
  /** Runs below virtual EL2: exits may belong to L1. */
  get isNested(): boolean { return this.context.kind === 'vEL1' || this.context.kind === 'L2' }

  /** An EL1 (or EL0) register of what runs, wherever it is now. */
  readEL1(slot: number): bigint {
    return this.loaded ? this.pe.host.mrs(slot) : this.active.u64[slot]!
  }

  writeEL1(slot: number, value: bigint): void {
    if (this.loaded) this.pe.host.msr(slot, value)
    else this.active.u64[slot] = value
  }

  /**
   * The virtual file's EL1 controls of EL0 and of FP, which the PE may hold: they come first in the decisions of `sysreg/`, and did so on
   * the machine before the exit. Not at virtual EL2, where the machine's EL1 registers are others.
   */
  refreshControls(): void {
    if (!this.loaded || this.context.kind === 'vEL2') return
    for (const slot of EL1_CONTROLS) this.virtual.u64[slot] = this.pe.host.mrs(slot)
  }

  /** Registers of the PE's guest: on the PE while this vCPU is its current one. */
  getX(n: number): bigint {
    return n === 31 ? 0n : this.pe.current === this ? this.pe.host.x(n) : this.x[n]!
  }

  setX(n: number, value: bigint): void {
    if (n === 31) return
    if (this.pe.current === this) this.pe.host.setX(n, value)
    else this.x[n] = value
  }

  /** An instruction that L0 has executed in its place; one that was stepped has been, and the step's exception comes next (PSTATE.SS). */
  nextInstruction(): void {
    this.pc = BigInt.asUintN(64, this.pc + 4n)
    this.pstate &= ~PSTATE.SS
  }
}

/** M of the hardware for a virtual PSTATE: virtual EL2 runs at EL1 with the same choice of stack pointer. */
export const hardwarePstate = (pstate: number, context: Context): number =>
  context.kind === 'vEL2' && elOf(pstate) === 2 ? (pstate & ~0xf) | ((pstate & 1) !== 0 ? MODE.EL1h : MODE.EL1t) : pstate
/** The mirror, after an exit. Not keyed on HCR_EL2.NV, which a nested hypervisor may use itself. */
export const virtualPstate = (pstate: number, context: Context): number =>
  context.kind === 'vEL2' && elOf(pstate) === 1 ? (pstate & ~0xf) | ((pstate & 1) !== 0 ? MODE.EL2h : MODE.EL2t) : pstate
