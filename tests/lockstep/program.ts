/**
 * Frame of a generated program of privileged code. At EL2 with translation off it gives every register of the PE a value, then returns to
 * the first snippet at the EL and PSTATE that its family chose. X27 holds where the next snippet begins: both vector tables read the
 * syndrome registers and return there, so that any instruction may take any exception. The last snippet calls EL2, which reads
 * a choice of registers (the epilogue) and ends.
 *
 * Register use: X0 to X15 belong to snippets, X16 the epilogue, X19 the vector taken, X20 to X25 what it read, X26 whether the program
 * is over, X27 the next snippet, X28 the number of exceptions.
 */
import type { Feature } from '../../src/arch/features.ts'
import { DAIF_MASK, MODE } from '../../src/arch/pstate.ts'
import { ROWS, rowByName, sanitise } from '../../src/sysreg/index.ts'
import type { Row } from '../../src/sysreg/index.ts'
import { Assembler } from '../assembler.ts'
import type { Random } from '../assembler.ts'
import { isCompared } from '../../src/debug/lockstep/masks.ts'

export const RAM_BYTES = 64 << 20
export const CODE = 0x4008_0000
/** Values that the prologue gives to registers. */
const VALUES = CODE + 0x8000
/** Tables of stage 1 at EL1, stage 1 at EL2, stage 2; the VNCR_EL2 page; memory that snippets read and write. Each 64 KiB aligned. */
export const TABLES = { stage1: 0x4010_0000, el2: 0x4014_0000, stage2: 0x4018_0000 } as const
export const VNCR_PAGE = 0x401c_0000
export const DATA = 0x4020_0000
export const DATA_BYTES = 0x4000
/** Nothing writes beyond. */
export const END = 0x4040_0000
const CODE_BYTES = 0x8000, VECTORS_EL1 = 0x6000, VECTORS_EL2 = 0x6800

/** First instruction of a vector. */
export const isVector = (pc: bigint): boolean => pc >= BigInt(CODE + VECTORS_EL1) && pc < BigInt(CODE + VECTORS_EL2 + 0x800) && (pc & 0x7fn) === 0n

export interface Placement { readonly address: number, readonly bytes: Uint8Array }

export interface LockstepProgram {
  readonly title: string
  readonly placements: readonly Placement[]
  /** Where comparison begins: the preamble, or the return to the first snippet. */
  readonly start: bigint
  readonly compared: readonly { readonly address: number, readonly length: number }[]
  readonly finish: bigint
  /** Where breakpoints of the PE may be: while a debugger steps, QEMU takes them for its own. */
  readonly breakpoints: ReadonlySet<bigint>
  readonly mostSteps: number
  readonly debugs: boolean
  /** Registers that the family chose. */
  readonly controls: ReadonlyMap<string, bigint>
}

export interface Target {
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: 2 | 3
  /**
   * What L0 asks of a guest hypervisor, as KVM does: HCR_EL2.IMO and FMO are equal, nothing traps ICC registers where both are 0, the virtual CPU
   * interface is enabled, and active priorities are written from EL2 only.
   */
  readonly oneRouting?: boolean
  /** The machine's highest EL is EL1: the prologue and the epilogue run there. */
  readonly withoutEL2?: boolean
}

/** The target has it, and the other machine too. */
export const exists = (row: Row, { features, gicVersion }: Target): boolean => isCompared(row.name) && (row.aliasOf === undefined || isCompared(row.aliasOf)) && (
  row.features.length === 0 || row.features.some(feature => feature === 'GICv3' ? gicVersion === 3 : features.has(feature as Feature)))

export const highest = (target: Target): 1 | 2 => target.withoutEL2 === true ? 1 : 2

/** Registers with plain storage that software at the highest EL can write by their own names. */
const isPlain = (row: Row, target: Target): boolean =>
  row.kind === 'register' && row.access === 'RW' && row.storage === 'slot' && row.minimumEL <= highest(target) && row.writeMinimumEL <= highest(target) && row.aliasOf === undefined && row.viewOf === undefined
  && !row.implementationDefined && exists(row, target)

/** The prologue writes these itself, at its end, or leaves them alone. */
const LATE = { 1: ['SPSR_EL1', 'ELR_EL1', 'SCTLR_EL1', 'CPACR_EL1'], 2: ['HCR_EL2', 'SPSR_EL2', 'ELR_EL2', 'SCTLR_EL2'] } as const
/** Where handlers that keep interrupts active push what they acknowledged, Group 0 by X17 and Group 1 by X18. */
export const STACKS = [DATA + 0x3000, DATA + 0x3800] as const

export class ProgramBuilder {
  readonly a = new Assembler()
  readonly r: Random
  readonly target: Target
  readonly #values = new Map<string, bigint>()
  readonly #placements: Placement[] = []
  #snippets = 0
  /** PSTATE of the snippets. */
  pstate: number = DAIF_MASK | MODE.EL1h
  /** The handlers set SPSR_ELx.SS, and return from Software Step exceptions to where they came from. */
  debugs = false
  /** Handlers leave interrupts active and unmasked: snippets end them. */
  keepsInterrupts = false
  readonly #breaks: string[] = []
  readonly #body: (() => void)[] = []
  readonly #epilogue: string[] = []
  readonly #preamble: ((a: Assembler) => void)[] = []
  readonly #compared: { readonly address: number, readonly length: number }[] = [{ address: DATA, length: DATA_BYTES }]

  constructor(r: Random, target: Target) {
    this.r = r
    this.target = target
  }

  /** Value of a register when the first snippet begins; RES0 and RES1 bits as they must be. Those of EL2 are nothing on a machine without it. */
  set(name: string, value: bigint): void { if (rowByName(name)!.minimumEL <= highest(this.target)) this.#values.set(name, this.legal(name, value)) }
  get(name: string): bigint { return this.#values.get(name) ?? 0n }
  legal(name: string, value: bigint): bigint { return sanitise(rowByName(name)!, BigInt.asUintN(64, value), this.target) }
  place(address: number, bytes: Uint8Array): void { this.#placements.push({ address, bytes }) }
  /** Code at EL2 before the snippets, with translation as the registers say; it takes no exception. */
  preamble(emit: (a: Assembler) => void): void { this.#preamble.push(emit) }
  /** Memory compared at the end, besides DATA. */
  compare(address: number, length: number): void { this.#compared.push({ address, length }) }
  /** Code that may take an exception anywhere, after which the next snippet follows. */
  snippet(emit: (a: Assembler) => void): void { this.#body.push(() => emit(this.a)) }
  /** A breakpoint of the PE may be at this label. */
  breaks(label: string): void { this.#breaks.push(label) }
  /** Read at EL2 at the end. */
  readAtEnd(...names: readonly string[]): void { this.#epilogue.push(...names) }

  build(title: string): LockstepProgram {
    const { a, r, target } = this
    if (!this.#placements.some(({ address }) => address === DATA)) this.place(DATA, new Uint8Array(DATA_BYTES))
    const top = highest(target), late: readonly string[] = LATE[top], last = top === 2 ? ['HCR_EL2', 'SPSR_EL2', 'SCTLR_EL2'] : ['SPSR_EL1', 'SCTLR_EL1', 'CPACR_EL1']
    const plain = ROWS.filter(row => isPlain(row, target) && !late.includes(row.name))
    this.set('VBAR_EL1', BigInt(CODE + VECTORS_EL1))
    this.set('VBAR_EL2', BigInt(CODE + VECTORS_EL2))
    this.set(`SPSR_EL${top}`, BigInt.asUintN(32, BigInt(this.pstate)))
    for (const name of ['SP_EL0', 'SP_EL1']) if (!this.#values.has(name)) this.set(name, BigInt(DATA + 0x1000 + r.below(16) * 16))
    const values = [...plain.map(row => this.#values.get(row.name) ?? this.legal(row.name, row.reset)), ...last.map(name => this.#values.get(name) ?? this.legal(name, 0n)), 0n]

    if (top === 1) {
      // FPCR and FPSR are written before CPACR_EL1 has its value.
      a.mov(1, 3n << 20n)
      a.msr(rowByName('CPACR_EL1')!.key, 1)
      a.isb()
    }
    a.mov(1, BigInt(VALUES))
    for (const row of plain) this.#load(row.key)
    for (const name of last) this.#load(rowByName(name)!.key)
    a.isb()
    a.adr(2, 'first')
    a.msr(rowByName(`ELR_EL${top}`)!.key, 2)
    for (let n = 0; n < 31; n++) if (n !== 27 && n !== 26 && n !== 28 && !(this.keepsInterrupts && (n === 17 || n === 18))) a.mov(n, r.chance(50) ? BigInt(r.below(256)) : BigInt(DATA + r.below(DATA_BYTES / 16) * 16))
    a.mov(2, BigInt(DATA + 0x2000))
    a.addImmediate(31, 2, 0)
    if (this.keepsInterrupts) STACKS.forEach((at, group) => a.mov(17 + group, BigInt(at)))
    a.mov(26, 0n)
    a.mov(28, 0n)
    a.msr(rowByName('NZCV')!.key, 31)
    a.adr(27, 'first')
    a.isb()
    const start = BigInt(CODE + a.size)
    for (const emit of this.#preamble) emit(a)
    a.eret()
    a.label('first')
    for (const emit of this.#body) {
      const next = `snippet ${++this.#snippets}`
      a.adr(27, next)
      emit()
      a.label(next)
    }
    a.adr(27, 'over')
    a.mov(26, 1n)
    a.label('over')
    // From EL1 this reaches EL2, from EL0 the EL1 handler, which passes it on.
    const el = (this.pstate >>> 2) & 3
    if (el === 0 || top === 1) a.op('SVC', { imm16: 0x7ff })
    else if (el === 1) a.hvc(0x7ff)
    a.label('epilogue')
    for (const name of this.#epilogue) if (rowByName(name)!.minimumEL <= top) a.mrs(rowByName(name)!.key, 16)
    const finish = BigInt(CODE + a.size)
    a.b('end')
    a.label('end')
    a.b('end')
    if (a.size > VECTORS_EL1) throw new Error(`a program of ${a.size} bytes`)
    while (a.size < VECTORS_EL1) a.nop()
    this.#vectors(1)
    this.#vectors(2)
    if (a.size > CODE_BYTES) throw new Error('vectors are too long')
    return {
      title, start, finish, compared: this.#compared, breakpoints: new Set(this.#breaks.map(label => BigInt(CODE + a.offsetOf(label)))), mostSteps: this.debugs ? 1200 : 400, debugs: this.debugs, controls: this.#values,
      placements: [{ address: CODE, bytes: a.finish() }, { address: VALUES, bytes: new Uint8Array(new BigUint64Array(values).buffer) }, ...this.#placements],
    }
  }

  #load(key: number): void {
    this.a.op('LDR (immediate, post-index)', { sf: 1, imm9: 8, Rn: 1, Rt: 0 })
    this.a.msr(key, 0)
  }

  #vectors(el: 1 | 2): void {
    const { a } = this, key = (name: string): number => rowByName(`${name}_EL${el}`)!.key
    const base = el === 1 ? VECTORS_EL1 : VECTORS_EL2
    for (let entry = 0; entry < 16; entry++) {
      while (a.size < base + 0x80 * entry) a.nop()
      a.mov(19, BigInt(0x1000 * el + 0x80 * entry))
      a.addImmediate(28, 28, 1)
      const isInterrupt = entry % 4 !== 0
      a.mrs(key('ESR'), 20)
      a.mrs(key('ELR'), 21)
      a.mrs(key('FAR'), 22)
      a.mrs(key('SPSR'), 23)
      if (el === 2) a.mrs(rowByName('HPFAR_EL2')!.key, 24)
      if (isInterrupt && this.target.gicVersion === 3) {
        const group = entry % 4 === 1 ? 1 : 0
        a.mrs(rowByName(`ICC_IAR${group}_EL1`)!.key, 25)
        if (this.keepsInterrupts) a.op('STR (immediate, post-index)', { sf: 1, imm9: 8, Rn: 17 + group, Rt: 25 })
        else a.msr(rowByName(`ICC_EOIR${group}_EL1`)!.key, 25)
      }
      // One of its kind is enough; and an illegal return must not be repeated.
      if (isInterrupt && !this.keepsInterrupts) a.op('ORR (immediate)', { sf: 1, N: 1, immr: 58, imms: 2, Rn: 23, Rd: 23 })
      a.op('AND (immediate)', { sf: 1, N: 1, immr: 43, imms: 62, Rn: 23, Rd: 23 })
      if (this.debugs) a.op('ORR (immediate)', { sf: 1, N: 1, immr: 43, imms: 0, Rn: 23, Rd: 23 })
      a.msr(key('SPSR'), 23)
      if (this.debugs && !isInterrupt) {
        // EC 0x32 and 0x33.
        a.shiftRight(25, 20, 27)
        a.subImmediate(25, 25, 0x19)
        a.cbz(25, `step ${el} ${entry}`)
      }
      a.msr(key('ELR'), 27)
      if (this.debugs && !isInterrupt) a.label(`step ${el} ${entry}`)
      if (el === highest(this.target)) a.cbnz(26, 'epilogue')
      else {
        const on = `on ${entry}`
        a.cbz(26, on)
        a.hvc(0x7fe)
        a.label(on)
      }
      a.eret()
    }
    while (a.size < base + 0x800) a.nop()
  }
}
