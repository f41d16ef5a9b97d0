/**
 * Which exception level takes an exception, and whether PSTATE masks it: pure functions of the source EL, the HCR_EL2 bits and the
 * kind (Arm ARM D1.3.6 "Asynchronous exception routing", D1.4.1 "Routing synchronous exceptions"). There is no EL3.
 */
import type { EL } from '../arch/el.ts'

export type Interrupt = 'IRQ' | 'FIQ' | 'SError'

/** The HCR_EL2 bits that routing depends on. All false where EL2 is not implemented. */
export interface RoutingControls {
  readonly el2: boolean
  readonly E2H: boolean
  readonly TGE: boolean
  readonly AMO: boolean
  readonly IMO: boolean
  readonly FMO: boolean
}

export interface InterruptRoute {
  readonly target: 1 | 2
  /** `never`: not taken at this EL whatever PSTATE says. `always`: PSTATE does not mask it. */
  readonly mask: 'pstate' | 'always' | 'never'
}

const TO_EL1: InterruptRoute = { target: 1, mask: 'pstate' }
const TO_EL2: InterruptRoute = { target: 2, mask: 'pstate' }
const TO_EL2_ALWAYS: InterruptRoute = { target: 2, mask: 'always' }
const NOT_TAKEN: InterruptRoute = { target: 1, mask: 'never' }

/** "Physical interrupt target when EL3 is not implemented": the table's letters A, B, C are always, pstate, never. */
export function routePhysical(kind: Interrupt, from: EL, c: RoutingControls): InterruptRoute {
  if (!c.el2) return TO_EL1
  const toEL2 = c.TGE || (kind === 'IRQ' ? c.IMO : kind === 'FIQ' ? c.FMO : c.AMO)
  if (from === 2) return toEL2 ? TO_EL2 : NOT_TAKEN
  if (!toEL2) return TO_EL1
  // With E2H and TGE, EL0 is the EL0 of the host at EL2: its PSTATE masks, as it does for EL2 itself.
  return from === 0 && c.E2H && c.TGE ? TO_EL2 : TO_EL2_ALWAYS
}

/** Virtual interrupts exist while the physical kind goes to EL2 and TGE=0; they are taken to EL1 from EL0 and EL1 only. */
export function routeVirtual(kind: Interrupt, from: EL, c: RoutingControls): InterruptRoute {
  const enabled = c.el2 && !c.TGE && (kind === 'IRQ' ? c.IMO : kind === 'FIQ' ? c.FMO : c.AMO)
  return enabled && from !== 2 ? TO_EL1 : NOT_TAKEN
}

/**
 * Synchronous exceptions without a trap of their own (SVC, UNDEFINED, stage 1 aborts, alignment, BRK): the EL they come from, EL1 for EL0;
 * EL0's go to EL2 under HCR_EL2.TGE.
 */
export function routeSynchronous(from: EL, c: RoutingControls): 1 | 2 {
  if (from === 2) return 2
  return from === 0 && c.el2 && c.TGE ? 2 : 1
}

const word = (r: InterruptRoute): string => r.mask === 'never' ? 'not taken' : `EL${r.target}${r.mask === 'always' ? ' always' : ''}`
const bit = (b: boolean): string => b ? '1' : '0'

/** The routing tables in words, for the golden file: one line per combination. */
export function routingMatrix(): string {
  const lines: string[] = []
  lines.push('E2H TGE xMO   physical: EL0         EL1         EL2           virtual: EL0    EL1        EL2        synchronous: EL0  EL1  EL2')
  for (const E2H of [false, true]) for (const TGE of [false, true]) for (const mo of [false, true]) {
    const c: RoutingControls = { el2: true, E2H, TGE, AMO: mo, IMO: mo, FMO: mo }
    const kinds: readonly Interrupt[] = ['IRQ', 'FIQ', 'SError']
    const cell = (f: (kind: Interrupt) => InterruptRoute) => {
      const words = new Set(kinds.map(kind => word(f(kind))))
      return [...words].join('/')
    }
    const els: readonly EL[] = [0, 1, 2]
    lines.push(` ${bit(E2H)}   ${bit(TGE)}   ${bit(mo)}              ${els.map(el => cell(k => routePhysical(k, el, c)).padEnd(12)).join('')}           `
      + `${els.map(el => cell(k => routeVirtual(k, el, c)).padEnd(11)).join('')}           ${els.map(el => `EL${routeSynchronous(el, c)}`.padEnd(5)).join('')}`.trimEnd())
  }
  const none: RoutingControls = { el2: false, E2H: false, TGE: false, AMO: false, IMO: false, FMO: false }
  lines.push(`no EL2                 ${([0, 1] as const).map(el => word(routePhysical('IRQ', el, none)).padEnd(12)).join('')}`.trimEnd())
  return lines.join('\n') + '\n'
}
