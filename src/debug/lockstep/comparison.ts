/**
 * An image on a machine of ours and on another implementation, instruction by instruction, to the first that leaves different general registers,
 * PC or PSTATE. What the two need not agree on (time, identification, device registers) is copied from ours, and counted.
 */
import { NZCV_MASK, PSTATE, elOf } from '../../arch/pstate.ts'
import { VirtualBytes } from '../../cpu/virtual-bytes.ts'
import type { Machine } from '../../machine/machine.ts'
import { rowByKey, rowByName, SLOT } from '../../sysreg/index.ts'
import { knownDifference } from './known.ts'
import type { MachineStepper } from './machine-stepper.ts'
import { ignoredBits } from './masks.ts'
import { createStepState, differences, FOREIGN_PSTATE, SP } from './stepper.ts'
import type { Difference, Stepper, StepState } from './stepper.ts'

const ERET = 0xd69f_03e0

/** One instruction that both have executed. */
export interface Executed { readonly pc: bigint, readonly word: number | undefined, readonly el: number }

export interface FirstDifference extends Executed {
  /** Number of the step, from 1. */
  readonly step: number
  readonly found: readonly Difference[]
  readonly ours: StepState
  readonly theirs: StepState
  /** The exception that ours took in this step. */
  readonly exception: { readonly to: 1 | 2, readonly esr: number, readonly far: bigint } | undefined
  /** Before it, oldest first. */
  readonly history: readonly Executed[]
}

export interface ComparisonResult {
  readonly steps: number
  readonly difference: FirstDifference | undefined
  /** Why it ended without one. */
  readonly end: 'difference' | 'steps' | 'ended' | 'waits' | 'known'
  readonly detail: string | undefined
  /** What was copied from ours, and how often. */
  readonly copied: ReadonlyMap<string, number>
}

export interface ComparisonLimits {
  readonly steps: number
  readonly history: number
  /** Asked now and then; true ends it as if the steps were done. */
  readonly interrupted?: () => boolean
}

const clone = (state: StepState): StepState => ({ x: state.x.slice(), pc: state.pc, pstate: state.pstate })
export const isSystemRegister = (word: number): boolean => word >>> 22 === 0x354
const isRead = (word: number): boolean => word >>> 20 === 0xd53

export class Comparison {
  readonly #machine: Machine
  readonly #ours: MachineStepper
  readonly #theirs: Stepper
  readonly #bytes: VirtualBytes
  readonly #copied = new Map<string, number>()

  constructor(ours: MachineStepper, theirs: Stepper) {
    this.#machine = ours.machine
    this.#ours = ours
    this.#theirs = theirs
    this.#bytes = new VirtualBytes(ours.machine.cpu.core, ours.machine.cpu.memory)
  }

  /** Both stand before the same instruction. */
  async run({ steps, history: longest, interrupted }: ComparisonLimits): Promise<ComparisonResult> {
    const { cpu } = this.#machine, { core } = cpu, history: Executed[] = [], before = createStepState()
    const result = (done: number, end: ComparisonResult['end'], detail?: string, difference?: FirstDifference): ComparisonResult => ({ steps: done, end, detail, difference, copied: this.#copied })
    let after: string | undefined
    for (let step = 1; step <= steps; step++) {
      if (step % 256 === 0 && interrupted?.() === true) return result(step - 1, 'steps')
      const now = this.#ours.state(), { pc } = now, el = elOf(now.pstate), word = this.#word(pc)
      before.x.set(now.x)
      const executed: Executed = { pc, word, el }, { taken } = cpu.exceptions, { mmio } = core.pe.counters
      if (word !== undefined && (word & 0xfff8_0000) >>> 0 === 0xd508_0000) after = rowByKey((word >>> 5) & 0xffff)?.name
      const ours = this.#ours.step(), outcome = this.#machine.lastOutcome
      if (outcome !== undefined) return result(step, 'ended', outcome.kind === 'unimplemented' ? `unimplemented: ${outcome.detail.name}` : outcome.kind === 'died' ? outcome.detail : outcome.kind)
      if (core.pe.waiting !== 'none') return result(step, 'waits', core.pe.waiting)
      let theirs = await this.#theirs.step()
      const tookException = cpu.exceptions.taken !== taken
      if (word === ERET && (theirs.pstate & PSTATE.IL) !== 0 && (ours.pstate & PSTATE.IL) === 0) theirs = await this.#theirs.step()
      // PSTATE.{N,Z,C,V} are not changed by taking an exception (AArch64.TakeException); QEMU clears them.
      if (tookException && theirs.pc === ours.pc && ((ours.pstate ^ theirs.pstate) & ~FOREIGN_PSTATE & ~NZCV_MASK) === 0 && ((ours.pstate ^ theirs.pstate) & NZCV_MASK) !== 0) await this.#copyPstate(ours, theirs)
      let found: readonly Difference[] = differences(ours, theirs)
      if (found.length > 0 && word !== undefined) found = await this.#forgive(word, found, core.pe.counters.mmio !== mmio)
      if (found.length > 0 && word !== undefined) {
        const known = knownDifference({ word, el, found, theirs, base: before.x[(word >>> 5) & 31]!, esr: this.#syndrome(), after })
        if (known !== undefined) {
          this.#count(known.reason)
          if (!known.mend) return result(step, 'known', known.reason)
          for (const { what, ours: value } of found) if (what.startsWith('X')) await this.#theirs.setX(Number(what.slice(1)), value)
          if (found.some(({ what }) => what === 'PSTATE')) await this.#copyPstate(ours, theirs)
          found = []
        }
      }
      if (found.length > 0) return result(step, 'difference', undefined, { ...executed, step, found, ours: clone(ours), theirs: clone(theirs), exception: tookException ? this.#exception() : undefined, history })
      history.push(executed)
      if (history.length > longest) history.shift()
    }
    return result(steps, 'steps')
  }

  /** Registers in which the two differ before the first step. */
  async atStart(): Promise<Difference[]> {
    const theirs = await (this.#theirs.state?.() ?? undefined)
    return theirs === undefined ? [] : differences(this.#ours.state(), theirs)
  }

  #word(pc: bigint): number | undefined {
    if ((pc & 3n) !== 0n) return undefined
    const bytes = this.#bytes.read(pc, 4)
    return bytes.length < 4 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  }

  #syndrome(): number {
    const { core } = this.#machine.cpu
    return Number(core.pe.file.u64[core.el === 2 ? SLOT.ESR_EL2 : SLOT.ESR_EL1]! & 0xffff_ffffn)
  }

  #exception(): FirstDifference['exception'] {
    const { core } = this.#machine.cpu, to = core.el === 2 ? 2 : 1
    return { to, esr: this.#syndrome(), far: core.pe.file.u64[to === 2 ? SLOT.FAR_EL2 : SLOT.FAR_EL1]! }
  }

  #count(reason: string): void { this.#copied.set(reason, (this.#copied.get(reason) ?? 0) + 1) }

  async #copyPstate(ours: StepState, theirs: StepState): Promise<void> {
    theirs.pstate = (ours.pstate & ~FOREIGN_PSTATE) | (theirs.pstate & FOREIGN_PSTATE)
    await this.#theirs.setPstate?.(theirs.pstate)
  }

  /** Registers that have what the two need not agree on: a system register with such bits, or what a device was read. */
  async #forgive(word: number, found: readonly Difference[], device: boolean): Promise<readonly Difference[]> {
    const row = isRead(word) ? rowByKey((word >>> 5) & 0xffff) : undefined, rt = word & 31
    const ignored = row === undefined ? 0n : [row.name, row.aliasOf, row.vheAlias].reduce((mask, name) => mask | (name === undefined || rowByName(name) === undefined ? 0n : ignoredBits(name)), 0n)
    const left: Difference[] = []
    for (const each of found) {
      const isRegister = each.what.startsWith('X') || each.what === 'SP'
      if (row !== undefined && each.what === `X${rt}` && ((each.ours ^ each.theirs) & ~ignored) === 0n) this.#count(row.name)
      else if (device && isRegister) this.#count('a device register')
      else {
        left.push(each)
        continue
      }
      await this.#theirs.setX(each.what === 'SP' ? SP : Number(each.what.slice(1)), each.ours)
    }
    return left
  }
}
