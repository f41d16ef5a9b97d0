/**
 * Interrupts of the PE that runs now: physical lines from the GIC's CPU interface, virtual ones from HCR_EL2.{VI,VF,VSE} and the list
 * registers; which of them can be taken now, and which end a WFI (Arm ARM D1.3.6, D1.6.2).
 */
import { syndrome } from '../arch/esr.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import type { Core } from './core.ts'
import { HCR } from './core.ts'
import type { Exceptions } from './exception.ts'
import type { PE } from './pe.ts'
import { routePhysical, routeVirtual } from './routing.ts'
import type { Interrupt, InterruptRoute } from './routing.ts'
import { SLOT } from '../sysreg/index.ts'

const MASK = { IRQ: PSTATE.I, FIQ: PSTATE.F, SError: PSTATE.A } as const
const TYPE = { IRQ: 'irq', FIQ: 'fiq', SError: 'serror' } as const

const allowed = (route: InterruptRoute, kind: Interrupt, pstate: number): boolean =>
  route.mask === 'always' || (route.mask === 'pstate' && (pstate & MASK[kind]) === 0)

export interface Delivery { readonly kind: Interrupt, readonly target: 1 | 2, readonly virtual: boolean }

export class Interrupts {
  readonly #core: Core
  readonly #exceptions: Exceptions

  constructor(core: Core, exceptions: Exceptions) {
    this.#core = core
    this.#exceptions = exceptions
  }

  /** The interrupt that would be taken before the next instruction: physical ones first, FIQ before IRQ. */
  deliverable(): Delivery | undefined {
    const core = this.#core, pe = core.pe
    pe.refreshLines()
    const hcr = core.hcrLow(pe)
    if (!(pe.irq || pe.fiq || pe.virtualIrq || pe.virtualFiq || (hcr & (HCR.VI | HCR.VF | HCR.VSE)) !== 0)) {
      // Clearing PSTATE.D begins what MDSCR_EL1.{SS,KDE} = {1,1} asks for.
      core.engine.inline.pending = core.selfHosted.stepsOwnEL()
      return undefined
    }
    core.engine.inline.pending = true
    const pstate = core.engine.state.pstate, el = elOf(pstate), routing = core.routing(pe)
    if (pe.fiq) {
      const route = routePhysical('FIQ', el, routing)
      if (allowed(route, 'FIQ', pstate)) return { kind: 'FIQ', target: route.target, virtual: false }
    }
    if (pe.irq) {
      const route = routePhysical('IRQ', el, routing)
      if (allowed(route, 'IRQ', pstate)) return { kind: 'IRQ', target: route.target, virtual: false }
    }
    if ((hcr & HCR.VSE) !== 0 && allowed(routeVirtual('SError', el, routing), 'SError', pstate)) return { kind: 'SError', target: 1, virtual: true }
    if (((hcr & HCR.VF) !== 0 || pe.virtualFiq) && allowed(routeVirtual('FIQ', el, routing), 'FIQ', pstate)) return { kind: 'FIQ', target: 1, virtual: true }
    if (((hcr & HCR.VI) !== 0 || pe.virtualIrq) && allowed(routeVirtual('IRQ', el, routing), 'IRQ', pstate)) return { kind: 'IRQ', target: 1, virtual: true }
    return undefined
  }

  /** Takes the interrupt, between instructions. */
  take(delivery: Delivery): void {
    const core = this.#core
    // A virtual SError is taken once; without FEAT_RAS its syndrome is IMPLEMENTATION DEFINED: 0.
    if (delivery.kind === 'SError' && delivery.virtual) core.pe.file.i32[2 * SLOT.HCR_EL2]! &= ~HCR.VSE
    this.#exceptions.take(delivery.target, TYPE[delivery.kind], delivery.kind === 'SError' ? syndrome.serror(0) : 0, core.engine.state.pc)
  }

  /** From a callback: ends the run after this instruction when an interrupt can be taken then, or software step begins. */
  check(): void {
    if (this.deliverable() !== undefined || this.#core.selfHosted.isStepping()) this.#core.endTurn()
  }

  /** WFI wake-up events: masks of PSTATE do not matter, and neither does where the interrupt is routed. */
  wakes(pe: PE): boolean {
    pe.refreshLines()
    if (pe.irq || pe.fiq) return true
    const hcr = this.#core.hcrLow(pe)
    if ((hcr & HCR.TGE) !== 0) return false
    return ((hcr & HCR.IMO) !== 0 && (pe.virtualIrq || (hcr & HCR.VI) !== 0)) || ((hcr & HCR.FMO) !== 0 && (pe.virtualFiq || (hcr & HCR.VF) !== 0))
      || ((hcr & HCR.AMO) !== 0 && (hcr & HCR.VSE) !== 0)
  }

  /** ISR_EL1: what is pending for the current EL; at EL1 the virtual ones where HCR_EL2 routes the physical ones to EL2. */
  isr(): number {
    const core = this.#core, pe = core.pe, el = core.el, hcr = core.hcrLow(pe)
    pe.refreshLines()
    const virtual = (bit: number): boolean => el === 1 && core.el2 && (hcr & HCR.TGE) === 0 && (hcr & bit) !== 0
    const irq = virtual(HCR.IMO) ? pe.virtualIrq || (hcr & HCR.VI) !== 0 : pe.irq
    const fiq = virtual(HCR.FMO) ? pe.virtualFiq || (hcr & HCR.VF) !== 0 : pe.fiq
    const serror = virtual(HCR.AMO) && (hcr & HCR.VSE) !== 0
    return (irq ? PSTATE.I : 0) | (fiq ? PSTATE.F : 0) | (serror ? PSTATE.A : 0)
  }
}
