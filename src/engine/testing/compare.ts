/** Runs random programs on the interpreter and on the oracle and compares the whole state. */
import { SLOT } from '../../sysreg/index.ts'
import { FPSR } from '../../isa/softfloat/index.ts'
import type { PacKeyValue, PointerLayout } from '../../isa/pauth-algorithm.ts'
import { Oracle, createOracleState } from '../../isa/oracle.ts'
import type { OracleState } from '../../isa/oracle.ts'
import { createDecoder } from '../../isa/decode.ts'
import type { Variant } from '../../isa/instruction.ts'
import type { PacKey } from '../../isa/semantics.ts'
import { createFlat } from './flat.ts'
import type { Flat } from './flat.ts'
import { Random, randomProgram } from './random-program.ts'
import type { Layout } from './random-program.ts'

export interface CompareOptions {
  /** Instructions to execute in all. */
  readonly count: number
  readonly seed: number
  readonly exact: boolean
  /** Without the data TLB: every access through JavaScript. */
  readonly slow: boolean
  /** Everything that a taken branch reaches is translated. */
  readonly translate?: boolean
  readonly variants?: readonly Variant[]
}

export interface CompareResult {
  readonly executed: number
  readonly programs: number
  /** By row name. */
  readonly coverage: ReadonlyMap<string, number>
  /** Of the translator. */
  readonly regions: number
  readonly differences: readonly string[]
}

const RAM_PA = 0x4000_0000
const RAM_SIZE = 0x6_0000
const AREA: Layout = { codeBase: RAM_PA + 0x1_0000, codeSize: 0x3000, dataBase: RAM_PA + 0x2_0000, dataSize: 0x4_0000 }
const STEPS_PER_PROGRAM = 3000
const KEY: PacKeyValue = { low: 0n, high: 0n }
const KEYS = Object.fromEntries((['IA', 'IB', 'DA', 'DB', 'GA'] as const).map(k => [k, KEY])) as Record<PacKey, PacKeyValue>
const POINTERS: PointerLayout = { tbi: [false, false], bottom: [48, 48], twoRanges: true }

/** The interpreter's monitor compares values, the oracle's addresses: `value` is what the marked bytes were. */
interface Monitor { of: OracleState['exclusive'], value: bigint }

interface Start { readonly memory: Uint8Array, readonly x: readonly bigint[], readonly v: readonly bigint[], readonly sp: bigint, readonly nzcv: number, readonly fpcr: number, readonly fpsr: number }

class Comparison {
  private readonly options: CompareOptions
  private readonly flat: Flat
  /** With `translate`: the interpreter alone, which has to end its runs at the same places. */
  private readonly interpreter: Flat | undefined
  private readonly memory = new Uint8Array(RAM_SIZE)
  private readonly view = new DataView(this.memory.buffer)
  private readonly decoder = createDecoder()
  private readonly oracle: Oracle
  private readonly random: Random
  private readonly monitor: Monitor = { of: undefined, value: 0n }
  readonly coverage = new Map<string, number>()
  readonly differences: string[] = []

  constructor(options: CompareOptions) {
    this.options = options
    this.random = new Random(options.seed)
    const engine = (translate: boolean): Flat => createFlat({
      ramSize: RAM_SIZE, ramPa: RAM_PA, exact: options.exact, slow: options.slow, codePages: 8, translate, translateAfter: 1,
      pauth: { keys: KEYS, data: POINTERS, code: POINTERS },
    })
    this.flat = engine(options.translate ?? false)
    this.interpreter = options.translate === true ? engine(false) : undefined
    this.oracle = new Oracle(createOracleState(), {
      decoder: this.decoder,
      pauth: { keys: KEYS, data: POINTERS, code: POINTERS },
      memory: {
        load: (address, size, access) => {
          const at = this.place(address, size, access.atomic === true || access.ordered === true)
          return at === undefined ? undefined : this.value(at, size)
        },
        store: (address, size, value, access) => {
          const at = this.place(address, size, access.atomic === true || access.ordered === true)
          if (at === undefined) return false
          for (let i = 0, rest = value; i < size; i++, rest >>= 8n) this.memory[at + i] = Number(rest & 0xffn)
          return true
        },
      },
    })
    for (const flat of [this.flat, this.interpreter]) {
      if (flat === undefined) continue
      flat.onRequest = request => {
        const { state } = flat.engine
        // What the CPU would do ends here; both sides skip the instruction. A wild jump goes back to the start.
        if (request.kind === 'fetch fault') state.redirect(BigInt(AREA.codeBase))
        else if (request.kind === 'system' || request.kind === 'marker' || request.kind === 'other') return
        else state.redirect(state.pc + 4n)
      }
    }
  }

  private place(address: bigint, size: number, aligned: boolean): number | undefined {
    const at = Number(address) - RAM_PA
    return at < 0 || at + size > RAM_SIZE || (aligned && at % size !== 0) ? undefined : at
  }

  private value(at: number, size: number): bigint {
    let value = 0n
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.memory[at + i]!)
    return value
  }

  get regions(): number { return this.flat.engine.translation?.regions ?? 0 }

  program(): number {
    const { random, flat: { engine }, oracle: { state }, options } = this
    this.memory.fill(0)
    const code = randomProgram(random, AREA, options.variants)
    for (let i = 0; i < code.length; i++) this.view.setUint32(AREA.codeBase - RAM_PA + i * 4, code[i]!, true)
    for (let at = 0; at < AREA.dataSize; at += 4) this.view.setUint32(AREA.dataBase - RAM_PA + at, random.word(), true)
    for (let n = 0; n < 31; n++) state.x[n] = random.interesting()
    state.sp = random.chance(50) ? BigInt(AREA.dataBase + 0x8000) : random.interesting()
    for (let n = 0; n < 32; n++) state.v[n] = (random.interesting() << 64n) | random.interesting()
    state.nzcv = random.below(16)
    state.fpcr = random.chance(50) ? 0 : (random.below(32) << 22) | 0
    state.fpsr = random.chance(50) ? FPSR.IXC : 0
    state.pc = BigInt(AREA.codeBase)
    state.exclusive = undefined
    const before: Start = { memory: this.memory.slice(), x: [...state.x], v: [...state.v], sp: state.sp, nzcv: state.nzcv, fpcr: state.fpcr, fpsr: state.fpsr }
    this.enter(before)
    const executed = this.interpreter === undefined ? engine.run(options.exact ? 1 + random.below(STEPS_PER_PROGRAM) : STEPS_PER_PROGRAM) : this.inSlices(this.interpreter)
    for (let i = 0; i < executed; i++) this.stepOracle()
    const difference = this.difference()
    if (difference !== undefined) this.differences.push(this.locate(before, executed, difference))
    return executed
  }

  /** Runs both engines in short runs. */
  private inSlices(interpreter: Flat): number {
    let executed = 0
    while (executed < STEPS_PER_PROGRAM) {
      const budget = 1 + this.random.below(this.random.chance(50) ? 20 : 1000)
      const count = this.flat.engine.run(budget), expected = interpreter.engine.run(budget)
      executed += count
      if (count === expected) continue
      this.differences.push(`seed ${this.options.seed}: a run of ${budget} has ${count} instructions, not ${expected}`)
      break
    }
    return executed
  }

  /** Puts both sides into the state from which a program starts. */
  private enter(start: Start): void {
    const { oracle: { state } } = this
    this.memory.set(start.memory)
    start.x.forEach((value, n) => { state.x[n] = value })
    start.v.forEach((value, n) => { state.v[n] = value })
    state.sp = start.sp
    state.nzcv = start.nzcv
    state.fpcr = start.fpcr
    state.fpsr = start.fpsr
    state.pc = BigInt(AREA.codeBase)
    state.exclusive = undefined
    for (const flat of [this.flat, this.interpreter]) {
      if (flat === undefined) continue
      const { engine } = flat
      engine.ram.copyIn(RAM_PA, this.memory)
      start.x.forEach((value, n) => { engine.state.setX(n, value) })
      start.v.forEach((value, n) => {
        engine.state.setV(n, 0, value)
        engine.state.setV(n, 1, value >> 64n)
      })
      engine.state.sp = start.sp
      engine.state.nzcv = start.nzcv
      engine.registerFile(0).u64[SLOT.FPCR] = BigInt(start.fpcr)
      engine.registerFile(0).u64[SLOT.FPSR] = BigInt(start.fpsr)
      engine.state.pc = BigInt(AREA.codeBase)
      engine.state.spAlignmentCheck = true
      engine.state.clearExclusive()
    }
  }

  private stepOracle(): void {
    const { oracle, oracle: { state }, monitor } = this
    const at = this.place(state.pc, 4, true)
    if (at === undefined) {
      state.pc = BigInt(AREA.codeBase)
      return
    }
    const word = this.view.getUint32(at, true)
    const variant = this.decoder.decode(word)
    const name = variant?.row.name ?? 'UNDEFINED'
    this.coverage.set(name, (this.coverage.get(name) ?? 0) + 1)
    if (state.exclusive !== undefined && state.exclusive === monitor.of) {
      const marked = this.place(state.exclusive.address, state.exclusive.bytes, false)!
      if (this.value(marked, state.exclusive.bytes) !== monitor.value) state.exclusive = undefined
    }
    const pc = state.pc
    // Alignment is checked before the monitor is looked at (AArch64.ExclusiveMonitorsPass).
    if (variant !== undefined && /^STL?X[RP]/.test(name) && this.misaligned(variant, word)) {
      state.exclusive = undefined
      state.pc = pc + 4n
      return
    }
    const outcome = oracle.run(variant ?? this.decoder.decode(0)!, word)
    if (outcome.kind !== 'done') state.pc = (pc + 4n) & 0xffff_ffff_ffff_ffffn
    if (state.exclusive !== undefined && state.exclusive !== monitor.of) {
      monitor.of = state.exclusive
      monitor.value = this.value(this.place(state.exclusive.address, state.exclusive.bytes, false)!, state.exclusive.bytes)
    }
  }

  private misaligned(variant: Variant, word: number): boolean {
    const n = (word >>> 5) & 31
    const base = n === 31 ? this.oracle.state.sp : this.oracle.state.x[n]!
    const name = variant.row.name
    const bytes = name.endsWith('B') ? 1 : name.endsWith('H') ? 2 : (variant.statics['sf'] === 1 ? 8 : 4) * (name.endsWith('P') ? 2 : 1)
    return base % BigInt(bytes) !== 0n || (n === 31 && base % 16n !== 0n)
  }

  private difference(): string | undefined {
    const { flat: { engine }, oracle: { state } } = this
    for (let n = 0; n < 31; n++) if (engine.state.x(n) !== state.x[n]) return `X${n} is ${engine.state.x(n).toString(16)}, not ${state.x[n]!.toString(16)}`
    if (engine.state.sp !== state.sp) return `SP is ${engine.state.sp.toString(16)}, not ${state.sp.toString(16)}`
    if (engine.state.pc !== state.pc) return `PC is ${engine.state.pc.toString(16)}, not ${state.pc.toString(16)}`
    const fpsr = engine.registerFile(0).i32[2 * SLOT.FPSR]!
    if (fpsr !== state.fpsr) return `FPSR is ${fpsr.toString(16)}, not ${state.fpsr.toString(16)}`
    if (engine.state.nzcv !== state.nzcv) return `NZCV is ${engine.state.nzcv}, not ${state.nzcv}`
    for (let n = 0; n < 32; n++) {
      const value = (engine.state.v(n, 1) << 64n) | engine.state.v(n, 0)
      if (value !== state.v[n]) return `V${n} is ${value.toString(16)}, not ${state.v[n]!.toString(16)}`
    }
    const ram = engine.ram.bytes(RAM_PA, RAM_SIZE)
    const wide = new Float64Array(ram.buffer, ram.byteOffset, RAM_SIZE / 8), expected = new Float64Array(this.memory.buffer)
    const words = new BigUint64Array(ram.buffer, ram.byteOffset, RAM_SIZE / 8), expectedWords = new BigUint64Array(this.memory.buffer)
    for (let i = 0; i < wide.length; i++) {
      if (!Object.is(wide[i], expected[i]) && words[i] !== expectedWords[i]) return `memory at ${(RAM_PA + i * 8).toString(16)} is ${words[i]!.toString(16)}, not ${expectedWords[i]!.toString(16)}`
    }
    return undefined
  }

  /** Runs the program again, one instruction at a time, to find the one after which the states differ. */
  private locate(start: Start, executed: number, difference: string): string {
    const { flat: { engine }, oracle: { state } } = this
    const where = `seed ${this.options.seed}, ${executed} instructions: ${difference}`
    this.enter(start)
    for (let i = 0; i < executed; i++) {
      const pc = state.pc, at = this.place(pc, 4, true)
      const word = at === undefined ? 0 : this.view.getUint32(at, true)
      engine.step()
      this.stepOracle()
      const found = this.difference()
      if (found !== undefined) return `${where}; ${this.decoder.decode(word)?.row.name} (${word.toString(16)}) at ${pc.toString(16)}, instruction ${i}: ${found}`
    }
    return `${where}; not when stepped`
  }
}

export function compareWithOracle(options: CompareOptions): CompareResult {
  const comparison = new Comparison(options)
  let executed = 0, programs = 0
  while (executed < options.count && comparison.differences.length < 10) {
    executed += comparison.program()
    programs++
  }
  return { executed, programs, coverage: comparison.coverage, regions: comparison.regions, differences: comparison.differences }
}
