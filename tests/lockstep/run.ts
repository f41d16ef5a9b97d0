/** Runs a generated program on a machine of ours and on QEMU, and finds the first step after which they differ. */
import type { Qemu } from '../../src/cli/lockstep/qemu.ts'
import { MachineStepper } from '../../src/debug/lockstep/machine-stepper.ts'
import { differences, FOREIGN_PSTATE } from '../../src/debug/lockstep/stepper.ts'
import type { Difference } from '../../src/debug/lockstep/stepper.ts'
import type { EL } from '../../src/arch/el.ts'
import { NZCV_MASK, PSTATE } from '../../src/arch/pstate.ts'
import { disassemble } from '../../src/isa/disassemble.ts'
import type { ProfileName } from '../../src/arch/features.ts'
import { createMachine } from '../../src/machine/machine.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { Outcome } from '../../src/machine/outcome.ts'
import type { Snapshot } from '../../src/machine/snapshot.ts'
import { resolve, rowByKey, rowByName, SLOT } from '../../src/sysreg/index.ts'
import { knownDifference } from '../../src/debug/lockstep/known.ts'
import { ignoredBits } from '../../src/debug/lockstep/masks.ts'
import { CODE, END, isVector, RAM_BYTES } from './program.ts'
import type { LockstepProgram } from './program.ts'

const ERET = 0xd69f_03e0, SYS = 0xd508_0000
const SHOWN = Number(process.env['LOCKSTEP_HISTORY'] ?? 12)
const PAGE = 4096
const PROLOGUE = 4000

export interface Divergence { readonly step: number, readonly pc: bigint, readonly word: number | undefined, readonly el: number, readonly found: readonly Difference[], readonly history: readonly string[] }
export interface Compared { readonly steps: number, readonly finished: boolean, readonly exceptions: number, readonly divergence: Divergence | undefined, readonly stopped?: Outcome }

export class Lockstep {
  /** How often each known difference was met. */
  readonly known = new Map<string, number>()
  /** How often a system access trapped, by the control that trapped it. */
  readonly trapped = new Map<string, number>()
  readonly #qemu: Qemu
  readonly #machine: Machine
  readonly #stepper: MachineStepper
  readonly #pristine: Snapshot

  constructor(qemu: Qemu, profile: ProfileName, gic: 2 | 3, el2 = true) {
    this.#qemu = qemu
    this.#machine = createMachine({ profile, gic, el2, memBytes: RAM_BYTES, hash: false })
    this.#pristine = this.#machine.save()
    this.#stepper = new MachineStepper(this.#machine)
  }

  async run(program: LockstepProgram): Promise<Compared> {
    const machine = this.#machine, qemu = this.#qemu, stepper = this.#stepper
    await this.#clean()
    machine.restore(this.#pristine)
    await qemu.reset()
    for (const { address, bytes } of program.placements) {
      machine.memory.writeBytes(address, bytes)
      await qemu.write(address, bytes)
    }
    await qemu.setPc(BigInt(CODE))
    await qemu.runTo(program.start)
    machine.startAt(BigInt(CODE), 0n)
    machine.run({ maxInstructions: 1 })
    let ours = stepper.state()
    for (let n = 0; ours.pc !== program.start; n++) {
      if (n > PROLOGUE) throw new Error(`our machine does not reach the end of the prologue of ${program.title}: PC 0x${ours.pc.toString(16)}`)
      ours = stepper.step()
    }
    const theirs = await qemu.state()
    const history: string[] = []
    let after: string | undefined
    const where = (step: number, pc: bigint, word: number | undefined, el: number, found: readonly Difference[]): Divergence => ({ step, pc, word, el, found, history: history.slice(-SHOWN) })
    if (theirs.pc !== program.start) return { steps: 0, finished: false, exceptions: 0, divergence: where(0, program.start, undefined, 2, [{ what: 'PC', ours: ours.pc, theirs: theirs.pc }]) }
    for (let step = 1; step <= program.mostSteps; step++) {
      const { pc } = ours, el = (ours.pstate >>> 2) & 3
      // Code is mapped to its own addresses, where it can be executed at all.
      const word = machine.memory.isRam(Number(pc & 0xffff_ffffn), 4) && (pc & 3n) === 0n ? machine.memory.read32(Number(pc & 0xffff_ffffn)) : undefined
      history.push(`EL${el} ${pc.toString(16)}  ${word === undefined ? '-' : disassemble(word, { pc })}`)
      const base = word === undefined ? 0n : ours.x[(word >>> 5) & 31]!
      if (word !== undefined && (word & 0xfff8_0000) >>> 0 === SYS) after = rowByKey((word >>> 5) & 0xffff)?.name
      if (word !== undefined && (word >>> 22) === 0x354) this.#note(word, el)
      ours = stepper.step()
      // A register or device that is not built: nothing to compare with.
      if (machine.lastOutcome !== undefined) return { steps: step, finished: false, exceptions: Number(ours.x[28]), divergence: undefined, stopped: machine.lastOutcome }
      if (word !== undefined && (word >>> 22) === 0x354) history[history.length - 1] += `  ; ${rowByKey((word >>> 5) & 0xffff)?.name ?? '?'} 0x${((word & 31) === 31 ? 0n : ours.x[word & 31]!).toString(16)}`
      // A step that ends where QEMU has a breakpoint of the PE ends with its exception, whether it matches or not.
      let other = (program.breakpoints.has(pc) || program.breakpoints.has(ours.pc)) && ours.pc !== pc ? await qemu.goTo(ours.pc) : await qemu.step()
      // Our ERET takes the Illegal Execution state exception that it causes, in the same step.
      if (word === ERET && (other.pstate & PSTATE.IL) !== 0 && (ours.pstate & PSTATE.IL) === 0) other = await qemu.step()
      // One of the two takes a debug exception in the same step as the instruction before it.
      if (program.debugs && ours.pc !== other.pc) {
        if (isVector(other.pc) && !isVector(ours.pc)) ours = stepper.step()
        else if (isVector(ours.pc) && !isVector(other.pc)) other = await qemu.step()
      }
      // PSTATE.{N,Z,C,V} are not changed by taking an exception (AArch64.TakeException); QEMU clears them.
      if (isVector(ours.pc) && other.pc === ours.pc && ((ours.pstate ^ other.pstate) & ~FOREIGN_PSTATE & ~NZCV_MASK) === 0) {
        other.pstate = (other.pstate & ~NZCV_MASK) | (ours.pstate & NZCV_MASK)
        await qemu.setPstate(other.pstate)
      }
      let found = differences(ours, other)
      if (found.length > 0 && word !== undefined) found = await this.#forgive(word, found)
      const known = found.length > 0 && word !== undefined ? knownDifference({ word, el, found, theirs: other, base, esr: this.#syndrome(), after }) : undefined
      if (known !== undefined) {
        this.known.set(known.reason, (this.known.get(known.reason) ?? 0) + 1)
        if (!known.mend) return { steps: step, finished: false, exceptions: Number(ours.x[28]), divergence: undefined }
        for (const { what, ours: value } of found) {
          if (what.startsWith('X')) await qemu.setX(Number(what.slice(1)), value)
          if (what === 'PSTATE') await qemu.setPstate(Number(value) | (other.pstate & FOREIGN_PSTATE))
        }
        found = []
      }
      if (found.length > 0) return { steps: step, finished: false, exceptions: Number(ours.x[28]), divergence: where(step, pc, word, el, found) }
      if (ours.pc === program.finish) {
        const memory = await this.#memory(program)
        return { steps: step, finished: true, exceptions: Number(ours.x[28]), divergence: memory && where(step, pc, undefined, el, [memory]) }
      }
    }
    return { steps: program.mostSteps, finished: false, exceptions: Number(ours.x[28]), divergence: undefined }
  }

  /** RAM of ours is as new after the snapshot; QEMU's pages that the last program left something in are cleared. */
  async #clean(): Promise<void> {
    const page = new Uint8Array(PAGE), zeros = new Uint8Array(PAGE)
    for (let address = CODE; address < END; address += PAGE) {
      this.#machine.memory.readBytes(address, page)
      if (page.some(byte => byte !== 0)) await this.#qemu.write(address, zeros)
    }
  }

  #note(word: number, el: number): void {
    const found = resolve(rowByKey((word >>> 5) & 0xffff), (word & 1 << 21) !== 0 ? 'read' : 'write', el as EL, this.#machine.cpu.core.controls)
    if (found.kind === 'trap') this.trapped.set(found.rule, (this.trapped.get(found.rule) ?? 0) + 1)
  }

  #syndrome(): number {
    const { core } = this.#machine.cpu
    return Number(core.pe.file.u64[core.el === 2 ? SLOT.ESR_EL2 : SLOT.ESR_EL1]! & 0xffff_ffffn)
  }

  /** The first doubleword that differs. */
  async #memory(program: LockstepProgram): Promise<Difference | undefined> {
    for (const { address, length } of program.compared) {
      const theirs = await this.#qemu.read(address, length)
      for (let at = 0; at < length; at += 8) {
        const our = this.#machine.memory.read64(address + at)!, their = theirs.readBigUInt64LE(at)
        if (our !== their) return { what: `memory at 0x${(address + at).toString(16)}`, ours: our, theirs: their }
      }
    }
    return undefined
  }

  /** An MRS of a register with bits that may differ: QEMU goes on with our value. */
  async #forgive(word: number, found: readonly Difference[]): Promise<Difference[]> {
    if ((word >>> 20) !== 0xd53) return [...found]
    const row = rowByKey((word >>> 5) & 0xffff), rt = word & 31
    if (row === undefined) return [...found]
    const ignored = [row.name, row.aliasOf, row.vheAlias].reduce((mask, name) => mask | (name === undefined || rowByName(name) === undefined ? 0n : ignoredBits(name)), 0n)
    const left: Difference[] = []
    for (const each of found) {
      if (each.what === `X${rt}` && ((each.ours ^ each.theirs) & ~ignored) === 0n) await this.#qemu.setX(rt, each.ours)
      else left.push(each)
    }
    return left
  }
}

export function describeDivergence(program: LockstepProgram, { step, pc, word, el, found, history }: Divergence): string {
  const lines = [`${program.title}: step ${step}, EL${el} at 0x${pc.toString(16)}: ${word === undefined ? 'not code' : disassemble(word, { pc })}${word !== undefined && (word >>> 20) === 0xd53 ? ` (${rowByKey((word >>> 5) & 0xffff)?.name})` : ''}`]
  for (const { what, ours, theirs } of found) lines.push(`  ${what.padEnd(6)} ours 0x${ours.toString(16)}  qemu 0x${theirs.toString(16)}`)
  lines.push(...history.map(line => `    ${line}`))
  return lines.join('\n')
}
