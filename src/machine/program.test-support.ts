/** Small guest programs for tests: instruction words from the rows of isa/, labels, a place for vectors and data. */
import { encode } from '../isa/encode.ts'
import { rowByName } from '../sysreg/index.ts'
import { createMachine } from './machine.ts'
import type { Machine } from './machine.ts'
import type { MachineOptions, RunLimits } from './options.ts'
import type { Outcome } from './outcome.ts'

export const BASE = 0x4008_0000

type Patch = { readonly at: number, readonly label: string, readonly kind: 'b' | 'cb' | 'adr' }

export class Program {
  readonly #words = new Map<number, number>()
  readonly #labels = new Map<string, number>()
  readonly #patches: Patch[] = []
  #at = 0

  /** Continues at `offset` from the start. */
  org(offset: number): this { this.#at = offset; return this }
  label(name: string): this { this.#labels.set(name, this.#at); return this }
  word(value: number): this { this.#words.set(this.#at, value >>> 0); this.#at += 4; return this }
  quad(value: bigint): this { return this.word(Number(value & 0xffff_ffffn)).word(Number(value >> 32n)) }
  insn(row: string, fields: Readonly<Record<string, number>> = {}): this { return this.word(encode(row, fields)) }

  /** MOVZ and MOVKs. */
  mov(Rd: number, value: bigint | number): this {
    const v = BigInt.asUintN(64, BigInt(value))
    this.insn('MOVZ', { sf: 1, hw: 0, imm16: Number(v & 0xffffn), Rd })
    for (let hw = 1; hw < 4; hw++) {
      const imm16 = Number((v >> BigInt(16 * hw)) & 0xffffn)
      if (imm16 !== 0) this.insn('MOVK', { sf: 1, hw, imm16, Rd })
    }
    return this
  }
  /** Register to register. */
  copy(Rd: number, Rn: number): this { return this.insn('ORR (shifted register)', { sf: 1, shift: 0, Rm: Rn, imm6: 0, Rn: 31, Rd }) }
  add(Rd: number, Rn: number, imm12: number): this { return this.insn('ADD (immediate)', { sf: 1, sh: 0, imm12, Rn, Rd }) }
  sub(Rd: number, Rn: number, imm12: number): this { return this.insn('SUB (immediate)', { sf: 1, sh: 0, imm12, Rn, Rd }) }
  ldr(Rt: number, Rn: number, offset = 0, sf = 1): this { return this.insn('LDR (immediate, unsigned offset)', { sf, imm12: offset >> (2 + sf), Rn, Rt }) }
  str(Rt: number, Rn: number, offset = 0, sf = 1): this { return this.insn('STR (immediate, unsigned offset)', { sf, imm12: offset >> (2 + sf), Rn, Rt }) }

  #system(row: 'MRS' | 'MSR (register)', name: string, Rt: number): this {
    const key = rowByName(name)?.key
    if (key === undefined) throw new Error(`no register ${name}`)
    return this.insn(row, { o0: (key >>> 14) & 1, op1: (key >>> 11) & 7, CRn: (key >>> 7) & 15, CRm: (key >>> 3) & 15, op2: key & 7, Rt })
  }
  mrs(Rt: number, name: string): this { return this.#system('MRS', name, Rt) }
  msr(name: string, Rt: number): this { return this.#system('MSR (register)', name, Rt) }
  /** mov + msr through X9. */
  set(name: string, value: bigint | number): this { return this.mov(9, value).msr(name, 9) }
  setLabel(name: string, label: string): this { return this.adr(9, label).msr(name, 9) }
  /** SYS instruction by its row's name: 'TLBI VMALLE1', 'AT S12E1R'. */
  sys(name: string, Rt = 31): this {
    const key = rowByName(name)!.key
    return this.insn('SYS', { op1: (key >>> 11) & 7, CRn: (key >>> 7) & 15, CRm: (key >>> 3) & 15, op2: key & 7, Rt })
  }

  b(label: string): this { this.#patches.push({ at: this.#at, label, kind: 'b' }); return this.insn('B') }
  cbz(Rt: number, label: string): this { this.#patches.push({ at: this.#at, label, kind: 'cb' }); return this.insn('CBZ', { sf: 1, Rt }) }
  cbnz(Rt: number, label: string): this { this.#patches.push({ at: this.#at, label, kind: 'cb' }); return this.insn('CBNZ', { sf: 1, Rt }) }
  adr(Rd: number, label: string): this { this.#patches.push({ at: this.#at, label, kind: 'adr' }); return this.insn('ADR', { Rd }) }
  eret(): this { return this.insn('ERET') }
  svc(imm16 = 0): this { return this.insn('SVC', { imm16 }) }
  hvc(imm16 = 0): this { return this.insn('HVC', { imm16 }) }
  smc(imm16 = 0): this { return this.insn('SMC', { imm16 }) }
  nop(): this { return this.insn('NOP') }

  /** ERET to `label` with this SPSR, at EL `el`. */
  enter(label: string, spsr: number, el: 1 | 2): this { return this.set(`SPSR_EL${el}`, spsr).setLabel(`ELR_EL${el}`, label).eret() }
  /** PSCI SYSTEM_OFF; only X0 changes. */
  off(conduit: 'hvc' | 'smc'): this { return this.mov(0, 0x8400_0008n)[conduit]() }
  /** A vector table: `handlers` by offset branch to labels; every other entry spins. */
  vectors(offset: number, label: string, handlers: Readonly<Record<number, string>>): this {
    this.org(offset).label(label)
    for (let entry = 0; entry < 0x800; entry += 0x80) {
      this.org(offset + entry)
      const handler = handlers[entry]
      if (handler !== undefined) this.b(handler)
      else this.insn('B', { imm26: 0 })
    }
    return this.org(offset + 0x800)
  }

  bytes(): Uint8Array {
    const end = Math.max(...this.#words.keys()) + 4, view = new DataView(new ArrayBuffer(end))
    for (const [at, word] of this.#words) view.setUint32(at, word, true)
    for (const { at, label, kind } of this.#patches) {
      const target = this.#labels.get(label)
      if (target === undefined) throw new Error(`no label ${label}`)
      const word = view.getUint32(at, true), distance = target - at
      view.setUint32(at, (kind === 'b' ? word | ((distance >> 2) & 0x3ff_ffff) : kind === 'cb' ? word | (((distance >> 2) & 0x7_ffff) << 5)
        : word | ((distance & 3) << 29) | (((distance >> 2) & 0x7_ffff) << 5)) >>> 0, true)
    }
    return new Uint8Array(view.buffer)
  }

  addressOf(label: string): bigint { return BigInt(BASE + this.#labels.get(label)!) }
}

export interface Ran { readonly machine: Machine, readonly outcome: Outcome, x(n: number, pe?: number): bigint }

/** Runs a program from BASE on a machine of 16 MiB. */
export function run(program: Program, options: MachineOptions = {}, limits: RunLimits = { maxInstructions: 100_000 }): Ran {
  const machine = createMachine({ memBytes: 16 << 20, ...options })
  machine.memory.writeBytes(BASE, program.bytes())
  machine.startAt(BigInt(BASE), 0n)
  const outcome = machine.run(limits)
  return { machine, outcome, x: (n, pe = 0) => registers(machine, pe)[n]! }
}

/** X0 to X30 of a PE. */
export function registers(machine: Machine, pe: number): readonly bigint[] {
  const { core, engine } = machine.cpu
  core.switchTo(core.pes[pe]!)
  return Array.from({ length: 31 }, (_, n) => engine.state.x(n))
}
