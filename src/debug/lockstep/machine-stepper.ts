/** The first PE of a machine as a `Stepper`. */
import { OBSERVE } from '../../engine/observer.ts'
import type { Machine } from '../../machine/machine.ts'
import { createStepState } from './stepper.ts'
import type { StepState, Stepper } from './stepper.ts'

export class MachineStepper implements Stepper {
  readonly name = 'nidus'
  readonly machine: Machine
  readonly #state = createStepState()

  /** Interrupts are taken where they can be; otherwise they stay pending. */
  readonly interrupts: boolean

  constructor(machine: Machine, interrupts = true) {
    this.machine = machine
    this.interrupts = interrupts
  }

  /** A machine that has been loaded stands before its first instruction afterwards. */
  begin(): void {
    const { engine } = this.machine.cpu
    engine.observer = { next: () => OBSERVE.STOP }
    this.machine.run()
    engine.observer = undefined
  }

  /** An interrupt that is pending is taken, and is the step: a debugger sees the first instruction of the vector. */
  step(): StepState {
    const { cpu } = this.machine, { pe } = cpu.core
    const delivery = this.interrupts ? cpu.interrupts.deliverable() : undefined
    if (delivery !== undefined) cpu.interrupts.take(delivery)
    else if (!cpu.takeDebugException()) cpu.stepAlone()
    if (cpu.core.count(pe) >= pe.timers.deadline) pe.timers.update(cpu.core.count(pe))
    return this.state()
  }

  state(): StepState {
    const { state } = this.machine.cpu.engine, out = this.#state
    for (let n = 0; n < 31; n++) out.x[n] = state.x(n)
    out.x[31] = state.sp
    out.pc = state.pc
    out.pstate = this.machine.cpu.core.pstate()
    return out
  }

  setX(n: number, value: bigint): void { this.machine.cpu.engine.state.setX(n, value) }
}
