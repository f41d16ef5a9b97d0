/**
 * A generated program twice: at the EL2 of a machine of its own, and at the virtual EL2 that L0 gives a VM. A guest hypervisor must not be able to tell
 * the two apart (nor a guest without EL2 its VM from a machine without EL2), so after every instruction all general registers, PC and PSTATE are equal, and so is memory at the end. Identification
 * registers and time may differ (`masks.ts`).
 */
import { PSTATE } from '../../src/arch/pstate.ts'
import { profile as machineFeatures } from '../../src/arch/features.ts'
import type { ProfileName } from '../../src/arch/features.ts'
import { MachineStepper } from '../../src/debug/lockstep/machine-stepper.ts'
import type { L0 } from '../../src/hypervisor/run.ts'
import { disassemble } from '../../src/isa/disassemble.ts'
import { Machine } from '../../src/machine/machine.ts'
import type { Snapshot } from '../../src/machine/snapshot.ts'
import { rowByKey, rowByName } from '../../src/sysreg/index.ts'
import { virtualPstate } from '../../src/hypervisor/vcpu.ts'
import { createL0 } from '../../src/vmm/index.ts'
import { Assembler } from '../assembler.ts'
import { generate } from './families/index.ts'
import { ignoredBits } from '../../src/debug/lockstep/masks.ts'
import { CODE, isVector } from './program.ts'
import type { LockstepProgram, Target } from './program.ts'

export interface VirtualPair { readonly profile: ProfileName, readonly gic: 2 | 3, readonly policy: 'split' | 'lazy', readonly el2: 'none' | 'nvhe' | 'nvhe-or-vhe' }

const MEGABYTE = 1 << 20, MEMORY = 16 * MEGABYTE, MACHINE = 48 * MEGABYTE
const MOST_STEPS = 6000
/** An instruction may exit many times before it is done: tables are filled. */
const MOST_TRIES = 24

interface State { readonly x: readonly bigint[], readonly sp: bigint, readonly pc: bigint, readonly pstate: number }

/** An image that goes to the program. */
function loader(): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(0xd503_201f, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  a.label('start')
  a.mov(0, BigInt(CODE))
  a.op('BR', { Rn: 0 })
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

/** Only the highest EL writes it, which no VM has; nothing can trap the write. */
const FOREIGN = new Set([rowByName('CNTFRQ_EL0')!.key])
function withoutForeign(code: Uint8Array): void {
  const view = new DataView(code.buffer, code.byteOffset)
  for (let at = 0; at + 4 <= code.length; at += 4) {
    const word = view.getUint32(at, true)
    if ((word >>> 20) === 0xd51 && FOREIGN.has(word >>> 5 & 0xffff)) view.setUint32(at, 0xd503_201f, true)
  }
}

/** L0 reads EOIcount back where L1 asks to be told about it (LRENPIE), as KVM does. */
const notCounted = (name: string, value: bigint): bigint => name === 'ICH_HCR_EL2' && (value & 4n) === 0n ? 0xf800_0000n : name === 'CNTKCTL_EL1' ? CNTHCTL_ONLY : name === 'CPACR_EL1' ? CPTR_ONLY : name === 'ICH_VMCR_EL2' ? VMCR_RAW
  : name === 'ESR_EL1' && value >> 27n === 0x19n ? STEPPED_BY_L0 : 0n
/** Software Step: ISV and EX of an instruction that L0 executed; the PE saw no step. */
const STEPPED_BY_L0 = 0x100_0040n
/** CNTKCTL_EL1 at the virtual EL2 of a VHE guest hypervisor is the machine's, which does not keep these fields of CNTHCTL_EL2 (no FEAT_NV2p1). */
const CNTHCTL_ONLY = 0x1_fc00n
/** A page holds what was written: least binary points, RES1 and RES0 are not applied. */
const VMCR_RAW = ~0xf800_0213n & 0xffff_ffff_ffff_ffffn
/** The same of CPACR_EL1 where it does not trap: with the paper's page. */
const CPTR_ONLY = 0xffff_ffff_cfcc_ffffn

export class VirtualLockstep {
  readonly #bare: Machine
  readonly #hosted: Machine
  readonly #l0: L0
  readonly #pristine: readonly [Snapshot, Snapshot]
  readonly target: Target
  readonly #onBare: MachineStepper
  readonly #onHosted: MachineStepper

  constructor({ profile, gic, policy, el2 }: VirtualPair) {
    let l0: L0 | undefined
    this.#hosted = new Machine({
      profile, gic, memBytes: MACHINE, reservedBytes: 8 * MEGABYTE, hash: false, translate: false,
      l0: environment => l0 = createL0({ policy, vms: [{ image: loader(), memBytes: MEMORY, el2, console: () => {} }] })(environment) as L0,
    })
    // The boot code, up to the program.
    while (this.#hosted.cpu.engine.state.pc !== BigInt(CODE)) this.#hosted.run({ maxInstructions: 1 })
    this.#l0 = l0!
    const { features } = this.#l0.vms[0]!.config
    this.target = { features, gicVersion: gic, oneRouting: true, ...(el2 === 'none' ? { withoutEL2: true } : {}) }
    const hide = [...machineFeatures(profile).features].filter(feature => !features.has(feature))
    this.#bare = new Machine({ profile, gic, el2: el2 !== 'none', hide, memBytes: MEMORY, hash: false, translate: false })
    this.#onBare = new MachineStepper(this.#bare)
    this.#onHosted = new MachineStepper(this.#hosted)
    this.#pristine = [this.#bare.save(), this.#hosted.save()]
  }

  #state(machine: Machine): State {
    const { state } = machine.cpu.engine, pstate = machine.cpu.core.pstate()
    return {
      x: Array.from({ length: 31 }, (_, n) => state.x(n)), sp: state.sp, pc: state.pc,
      pstate: machine === this.#hosted ? virtualPstate(pstate, this.#l0.vms[0]!.vcpus[0]!.context) : pstate,
    }
  }

  /** What differs first, in words; undefined: nothing. */
  run(family: string, seed: number): { readonly steps: number, readonly divergence: string | undefined } {
    const bare = this.#bare, hosted = this.#hosted
    const program = generate(family, seed, this.target)
    bare.restore(this.#pristine[0])
    hosted.restore(this.#pristine[1])
    bare.startAt(BigInt(CODE), 0n)
    const { memory } = this.#l0.vms[0]!
    for (const { address, bytes } of program.placements) {
      if (address === CODE) withoutForeign(bytes)
      bare.memory.writeBytes(address, bytes)
      memory.writeBytes(address, bytes)
    }
    // Both are at the program now, or a few instructions into it.
    bare.run({ maxInstructions: 1 })
    hosted.cpu.engine.state.pc = BigInt(CODE)
    for (const { pc } = this.#state(bare); this.#state(hosted).pc !== pc;) this.#onHosted.step()
    // Of the boot code.
    hosted.cpu.engine.state.setX(0, bare.cpu.engine.state.x(0))
    const history: string[] = []
    const report = (what: string): string => `${program.title}: ${what}\n${history.slice(-8).map(line => `    ${line}`).join('\n')}`
    let steps = 0
    for (; steps < MOST_STEPS; steps++) {
      const { pc, pstate } = this.#state(bare)
      if (pc === program.finish) return { steps, divergence: this.#memory(program, report) }
      const word = bare.memory.isRam(Number(pc & 0xffff_ffffn), 4) && (pc & 3n) === 0n ? bare.memory.read32(Number(pc & 0xffff_ffffn)) : undefined
      history.push(`EL${pstate >>> 2 & 3} ${pc.toString(16)}  ${word === undefined ? '-' : disassemble(word, { pc })}${word !== undefined && (word >>> 22) === 0x354 ? `  ; ${rowByKey(word >>> 5 & 0xffff)?.name ?? '?'}` : ''}`)
      this.#onBare.step()
      if (bare.lastOutcome !== undefined) return { steps, divergence: undefined }
      const ours = this.#state(bare)
      let theirs = this.#state(hosted)
      for (let tries = 0; tries < MOST_TRIES && theirs.pc === pc && ours.pc !== pc; tries++) {
        this.#onHosted.step()
        theirs = this.#state(hosted)
      }
      // What L0 has executed in the place of a stepped instruction is followed by the step's exception, not ended by it.
      if (program.debugs && isVector(ours.pc) && !isVector(theirs.pc)) {
        this.#onHosted.step()
        theirs = this.#state(hosted)
      }
      if (ours.pc === pc) return { steps, divergence: undefined }
      // A branch to nowhere: with E2H=0 EL2 has one range of addresses and one TBI; EL1, where virtual EL2 runs, has two.
      if (ours.pc >> 48n !== 0n) return { steps, divergence: undefined }
      const found = this.#compare(word, ours, theirs)
      // The PE takes exceptions from virtual EL2 to itself at EL1, where SCTLR.SPAN = 0 sets PAN; EL2 does so only as the host of EL0. FEAT_NV leaves it at that.
      if (found === undefined && ours.pstate !== theirs.pstate) return { steps, divergence: isVector(ours.pc) ? undefined : report(`step ${steps}: PSTATE.PAN differs`) }
      if (found !== undefined) return { steps, divergence: report(`step ${steps}: ${found}`) }
    }
    return { steps, divergence: undefined }
  }

  #compare(word: number | undefined, bare: State, hosted: State): string | undefined {
    const differs = (what: string, a: bigint | number, b: bigint | number): string => `${what} is 0x${a.toString(16)} at EL2 and 0x${b.toString(16)} at virtual EL2`
    if (bare.pc !== hosted.pc) return differs('PC', bare.pc, hosted.pc)
    if (((bare.pstate ^ hosted.pstate) & ~PSTATE.PAN) !== 0) return differs('PSTATE', bare.pstate >>> 0, hosted.pstate >>> 0)
    if (bare.sp !== hosted.sp) return differs('SP', bare.sp, hosted.sp)
    for (let n = 0; n < 31; n++) {
      const difference = bare.x[n]! ^ hosted.x[n]!
      if (difference === 0n) continue
      const row = word !== undefined && (word >>> 20) === 0xd53 && (word & 31) === n ? rowByKey(word >>> 5 & 0xffff) : undefined
      const ignored = [row?.name, row?.aliasOf, row?.vheAlias].reduce((mask, name) => name === undefined || rowByName(name) === undefined ? mask : mask | ignoredBits(name) | notCounted(name, bare.x[n]!), 0n)
      if ((difference & ~ignored) !== 0n) return differs(`X${n}${row === undefined ? '' : ` (${row.name})`}`, bare.x[n]!, hosted.x[n]!)
      this.#hosted.cpu.engine.state.setX(n, bare.x[n]!)
    }
    return undefined
  }

  #memory(program: LockstepProgram, report: (what: string) => string): string | undefined {
    const { memory } = this.#l0.vms[0]!
    for (const { address, length } of program.compared) {
      for (let at = address; at < address + length; at += 8) {
        const bare = this.#bare.memory.read64(at), hosted = memory.read64(at)
        if (bare !== hosted) return report(`memory at 0x${at.toString(16)} is 0x${bare?.toString(16)} at EL2 and 0x${hosted?.toString(16)} at virtual EL2`)
      }
    }
    return undefined
  }
}
