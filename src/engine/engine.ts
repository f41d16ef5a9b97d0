/**
 * The engine: runs A64 instructions of one PE at a time on the state in its memory. See layout.ts for the memory, callbacks.ts for
 * what it leaves to the CPU, tlb.ts for translations, interpreter.ts for the generated code.
 */
import type { Feature } from '../arch/features.ts'
import { registerFileOver } from '../arch/register-file.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import type { AccessSize } from '../isa/semantics.ts'
import { ACCESS } from './callbacks.ts'
import type { Callbacks } from './callbacks.ts'
import { CodePages } from './code-pages.ts'
import { crcTable } from './crc.ts'
import { BARRIER_KINDS, EXCEPTION_KINDS, PSTATE_FIELDS, RETURN_KEYS, WAIT_KINDS } from './handler.ts'
import type { Variant } from '../isa/instruction.ts'
import type { Decoding } from './interpreter.ts'
import { InlineSystem } from './inline-system.ts'
import { interpreterModule } from './modules.ts'
import type { InterpreterModule } from './modules.ts'
import { PAC_KEYS, PointerCodes } from './pointer-codes.ts'
import { SoftFloat } from './floating-point.ts'
import { BACKING, BACKING_STRIDE, CRC_TABLES, HOT, MAXIMUM_PES, PAGE_FLAGS, PAGE_SHIFT, REGISTER_FILES, REGISTER_FILE_SLOTS, REGISTER_FILE_STRIDE, SIDE, layoutFor } from './layout.ts'
import type { Layout } from './layout.ts'
import { OBSERVE } from './observer.ts'
import type { Observer, Pause } from './observer.ts'
import { Ram } from './ram.ts'
import { State } from './state.ts'
import { Tlb } from './tlb.ts'
import { Translator } from './translator/translator.ts'
import type { TranslatorStatistics } from './translator/translator.ts'

export interface EngineOptions {
  /** Bytes of guest RAM, up to about 3 GiB. */
  readonly ramSize: number
  /** Physical address of RAM. */
  readonly ramPa?: number
  readonly features: ReadonlySet<Feature>
  readonly callbacks: Callbacks
  /** Slots of each PE's register file (`SLOTS` of sysreg/). */
  readonly registerSlots?: number
  /** `run` ends after exactly the budget, not at the next taken branch: lockstep, stepping, comparison. Slower. */
  readonly exact?: boolean
  /** Call `Callbacks.barrier`. */
  readonly barriers?: boolean
  /** Pages of decoded instructions kept (16 KiB each). */
  readonly codePages?: number
  /** Translate what is hot (tier T1). The guest cannot tell. */
  readonly translate?: boolean
  /** Taken branches to an instruction before it is translated. */
  readonly translateAfter?: number
}

const RAM_PA = 0x4000_0000
const CODE_PAGES = 4096
const TRANSLATE_AFTER = 16_000
/** Instructions per call of the generated code: a function that never returns never gets its optimised version. */
const SLICE = 100_000
const WASM_PAGE = 0x1_0000
/** Of a PE's hot block: what leads to decoded instructions and TLB contexts, what is left of a run, data of the last access. */
const PRIVATE_FIELDS = [
  HOT.RECORDS, HOT.RECORD, HOT.CREDIT, HOT.REDIRECT, HOT.LEFT, HOT.FILE, HOT.DATA_TLB, HOT.UNPRIVILEGED_TLB, HOT.FETCH_TLB, HOT.DUMMY, HOT.DUMMY + 4, HOT.DATA, HOT.DATA + 4, HOT.DATA + 8, HOT.DATA + 12,
] as const

export class Engine {
  readonly memory: WebAssembly.Memory
  readonly ram: Ram
  readonly state: State
  readonly tlb: Tlb
  readonly inline: InlineSystem
  readonly pointerCodes: PointerCodes
  private readonly layout: Layout
  private readonly options: EngineOptions
  private readonly pages: CodePages
  private readonly words: Int32Array
  private readonly bytes: Uint8Array
  private readonly imports: WebAssembly.ModuleImports
  private readonly files: readonly RegisterFile[]
  private readonly counts = new Float64Array(MAXIMUM_PES)
  private current = 0
  private running = false
  /** Instructions granted to the generated code in this call, and what the run has beyond them. */
  private slice = 0
  private beyond = 0
  private readonly made: InterpreterModule
  /** Tables of the interpreters' instances; late handlers that are in them, by slot. */
  private readonly tables: WebAssembly.Table[] = []
  private readonly lateHandlers: ((...args: never[]) => unknown)[] = []
  private helpers: WebAssembly.Exports | undefined
  private readonly loop: () => void
  private exactLoop: (() => void) | undefined
  private readonly translator: Translator | undefined
  /** A debugger's; set it only outside `run`. */
  observer: Observer | undefined
  /** The observer has stopped the run that `resume` continues. */
  private stopped: { readonly loop: () => void, readonly canEnd: boolean } | undefined
  /** `pause` has abandoned the instruction. */
  private abandoned = false
  /** JavaScript has performed an access to a system register. */
  private performed = false

  /** @throws RangeError when RAM does not fit into a 32-bit memory. */
  constructor(options: EngineOptions) {
    const ramPa = options.ramPa ?? RAM_PA
    this.options = options
    const translate = (options.translate ?? false) && !(options.exact ?? false)
    this.layout = layoutFor(options.ramSize, options.codePages ?? CODE_PAGES, translate ? SIDE.PAGES : 0)
    const wasmPages = this.layout.bytes / WASM_PAGE
    this.memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages })
    const { buffer } = this.memory
    this.words = new Int32Array(buffer)
    this.bytes = new Uint8Array(buffer)
    this.state = new State(buffer)
    this.inline = new InlineSystem(buffer)
    this.pointerCodes = new PointerCodes(buffer)
    this.tlb = new Tlb(buffer, this.layout, ramPa)
    const slots = options.registerSlots ?? REGISTER_FILE_SLOTS
    if (slots > REGISTER_FILE_SLOTS) throw new RangeError(`${slots} register slots`)
    this.files = Array.from({ length: MAXIMUM_PES }, (_, pe) => registerFileOver(buffer, REGISTER_FILES + pe * REGISTER_FILE_STRIDE, slots))
    for (let pe = 0; pe < MAXIMUM_PES; pe++) this.setFile(pe)
    new Int32Array(buffer, CRC_TABLES, 256).set(crcTable(false))
    new Int32Array(buffer, CRC_TABLES + 1024, 256).set(crcTable(true))

    this.made = interpreterModule({ exact: options.exact ?? false, barriers: options.barriers ?? false, translate })
    this.pages = new CodePages(buffer, this.layout, this.tlb, this.made.interpreter, options.features, variant => this.lateHandler(variant))
    this.ram = new Ram(buffer, this.layout, ramPa, this.pages)
    this.imports = { memory: this.memory, ...this.functions(options.callbacks) }
    this.loop = this.instantiate(this.made.module)
    if (options.exact) this.exactLoop = this.loop
    if (translate) {
      const table = this.tables[0]!, { firstRegion } = this.made.interpreter
      this.translator = new Translator(
        buffer, this.layout, this.pages, options.translateAfter ?? TRANSLATE_AFTER, { barriers: options.barriers ?? false },
        () => ({ ...this.imports, ...this.helpers }), (slot, region) => { table.set(firstRegion + slot, region) },
      )
      this.pages.dependent = this.translator
    }
  }

  /** Address of the register file, in the hot block of a PE. */
  private setFile(pe: number): void {
    this.words[((pe === this.current ? 0 : BACKING + pe * BACKING_STRIDE) + HOT.FILE) / 4] = REGISTER_FILES + pe * REGISTER_FILE_STRIDE
  }

  private instantiate(module: WebAssembly.Module): () => void {
    const { exports } = new WebAssembly.Instance(module, { env: this.imports })
    const table = exports['table'] as WebAssembly.Table
    this.lateHandlers.forEach((handler, slot) => { table.set(slot, handler) })
    this.tables.push(table)
    this.helpers ??= exports
    return exports['run'] as () => void
  }

  /** The handler of a variant that the interpreter was made without. */
  private lateHandler(variant: Variant): Decoding {
    const { interpreter, late } = this.made
    const { slot, module, operands } = late.of(variant)
    if (this.lateHandlers[slot] === undefined) {
      const handler = new WebAssembly.Instance(module, { env: { ...this.imports, ...this.helpers } }).exports['handler'] as (...args: never[]) => unknown
      this.lateHandlers[slot] = handler
      for (const table of this.tables) table.set(slot, handler)
    }
    return { handler: interpreter.firstLate + slot, operands, fused: undefined, far: undefined }
  }

  /** What the generated code imports: see IMPORTS of helpers.ts. */
  private functions(callbacks: Callbacks): Record<string, (...args: never[]) => unknown> {
    const softFloat = new SoftFloat(this.memory, () => this.files[this.current]!)
    return {
      floatingPoint: (code: number) => { softFloat.scalar(code) },
      floatingPointLanes: (code: number) => { softFloat.lanes(code) },
      fetch: () => {
        this.state.i32[HOT.RECORDS / 4] = 0
        callbacks.fetch(this.state.pcHigh, this.state.pcLow)
      },
      hot: (record: number) => { this.translator?.hot(this.words[HOT.RECORDS / 4]! >>> 0, record >>> 0) },
      decode: (record: number) => { this.pages.decode(this.words[HOT.RECORDS / 4]! >>> 0, record >>> 0) },
      read: (vaHi: number, vaLo: number, size: AccessSize, flags: number) => { callbacks.read(vaHi, vaLo, size, flags) },
      write: (vaHi: number, vaLo: number, size: AccessSize, flags: number) => { callbacks.write(vaHi, vaLo, size, flags) },
      setExclusive: (vaHi: number, vaLo: number, size: AccessSize) => { this.setExclusive(callbacks, vaHi, vaLo, size) },
      storeExclusive: (vaHi: number, vaLo: number, size: AccessSize, flags: number, marked: number) =>
        this.storeExclusive(callbacks, vaHi, vaLo, size, flags, marked >>> 0),
      spAlignment: () => { callbacks.spAlignment() },
      fpAccess: () => { callbacks.fpAccess() },
      undefined: () => { callbacks.undefined(this.word) },
      unimplemented: () => { callbacks.unimplemented(this.word) },
      system: () => {
        this.performed = true
        callbacks.system(this.word)
      },
      marker: () => { callbacks.marker() },
      exception: (kind: number, immediate: number) => { callbacks.exception(EXCEPTION_KINDS[kind]!, immediate) },
      exceptionReturn: (key: number) => { callbacks.exceptionReturn(RETURN_KEYS[key]) },
      writePstate: (field: number, value: number) => {
        this.performed = true
        callbacks.writePstate(PSTATE_FIELDS[field]!, value)
      },
      wait: (kind: number) => { callbacks.wait(WAIT_KINDS[kind]!) },
      sendEvent: (local: number) => { callbacks.sendEvent(local !== 0) },
      barrier: (kind: number) => { callbacks.barrier(BARRIER_KINDS[kind]!) },
      pauthTrap: () => { callbacks.pauthTrap() },
    }
  }

  /** The PE whose state is in the hot block. */
  get pe(): number { return this.current }

  /** Not from a callback. */
  switchTo(pe: number): void {
    if (pe === this.current) return
    this.bytes.copyWithin(BACKING + this.current * BACKING_STRIDE, 0, HOT.SIZE)
    this.bytes.copyWithin(0, BACKING + pe * BACKING_STRIDE, BACKING + pe * BACKING_STRIDE + HOT.SIZE)
    this.current = pe
  }

  /** What AUTxx with this key makes of a pointer: for ERETAA and ERETAB. */
  authenticate(key: 'IA' | 'IB', pointer: bigint, modifier: bigint): bigint {
    const authenticate = this.helpers!['authenticate'] as (key: number, pointer: bigint, modifier: bigint) => bigint
    return BigInt.asUintN(64, authenticate(PAC_KEYS.indexOf(key), pointer, modifier))
  }

  /** Register file of a PE, in the engine's memory. */
  registerFile(pe: number): RegisterFile { return this.files[pe]! }

  /**
   * Runs the current PE from `state.pc` until `budget` instructions are used up and a branch is taken (exact: until they are used up).
   * Returns the number of instructions executed.
   */
  run(budget: number): number {
    return this.execute(this.loop, budget)
  }

  /** Executes exactly one instruction; returns 0 if the observer did not let it. */
  step(): number {
    return this.execute(this.stepLoop(), 1)
  }

  private stepLoop(): () => void {
    return this.exactLoop ??= this.instantiate(interpreterModule({ exact: true, barriers: this.options.barriers ?? false, translate: this.translator !== undefined }).module)
  }

  private execute(loop: () => void, budget: number): number {
    if (this.observer !== undefined) return this.observed(loop, budget, true, this.observer)
    const { words, counts, current } = this
    const before = counts[current]!
    this.beyond = budget
    words[HOT.REDIRECT / 4] = 0
    let overrun = 0
    while (this.beyond - overrun > 0) {
      this.slice = Math.min(this.beyond - overrun, SLICE)
      this.beyond -= overrun + this.slice
      words[HOT.LEFT / 4] = this.slice * 16
      this.running = true
      try {
        loop()
      } finally {
        this.running = false
      }
      const left = words[HOT.LEFT / 4]! / 16
      counts[current]! += this.slice - left
      this.translator?.pass(this.slice - left)
      overrun = -left
    }
    return counts[current]! - before
  }

  /** `execute` with an observer: slices as it says. `canEnd`: a run whose budget is used up would end here. */
  private observed(loop: () => void, budget: number, canEnd: boolean, observer: Observer): number {
    const { words, counts, current, state } = this
    const before = counts[current]!
    this.beyond = budget
    this.stopped = undefined
    words[HOT.REDIRECT / 4] = 0
    while (this.beyond > 0 || !canEnd) {
      const most = observer.next()
      if (most < 0) {
        this.stopped = { loop, canEnd }
        break
      }
      const exact = most === OBSERVE.STEP, pcLow = state.pcLow, pcHigh = state.pcHigh
      this.slice = exact ? 1 : Math.min(Math.max(this.beyond, 1), SLICE, most)
      this.beyond -= this.slice
      words[HOT.LEFT / 4] = this.slice * 16
      this.abandoned = false
      this.performed = false
      this.running = true
      try {
        if (exact) this.stepLoop()()
        else loop()
      } finally {
        this.running = false
      }
      const left = words[HOT.LEFT / 4]! / 16, done = this.slice - left
      counts[current]! += done
      this.translator?.pass(done)
      // What the slice has run over its size is taken from the rest.
      this.beyond += left
      if (this.abandoned) canEnd &&= done === 0
      else canEnd = !exact || this.endsRun(pcHigh, pcLow)
    }
    return counts[current]! - before
  }

  /** In a callback. */
  get isRunning(): boolean { return this.running }

  /** The observer has stopped the last run. */
  get isStopped(): boolean { return this.stopped !== undefined }

  /** Continues the run that the observer has stopped. Returns the number of instructions executed now. */
  resume(): number {
    const { stopped, observer } = this
    if (stopped === undefined) return 0
    this.stopped = undefined
    if (observer !== undefined) return this.observed(stopped.loop, this.beyond, stopped.canEnd, observer)
    // Up to where it would have ended: one instruction and the rest of its block, where the budget is used up already.
    return this.execute(stopped.loop, Math.max(this.beyond, 1))
  }

  /**
   * From a callback: ends the slice, so that the observer is asked, and leaves the run's budget as it is. 'abandon' redirects to the
   * instruction itself; with 'after' the callback has redirected, or lets the instruction complete.
   */
  pause(how: Pause): void {
    if (!this.running || this.observer === undefined) return
    const left = this.leftInSlice() - (how === 'after' ? 1 : 0)
    this.slice -= left
    this.beyond += left
    this.words[HOT.CREDIT / 4] = this.words[HOT.RECORD / 4]! + (how === 'before' ? 0 : 16)
    if (how !== 'abandon') return
    this.abandoned = true
    this.state.redirect(this.state.pc)
  }

  /** From `Callbacks.fetch`: the run ends before the instruction at PC. */
  endBefore(): void {
    this.beyond = 0
    this.slice -= this.leftInSlice()
    this.words[HOT.CREDIT / 4] = this.words[HOT.RECORD / 4]!
  }

  /** Whether a run would have ended, its budget used up, after the one instruction that was just executed at this address. */
  private endsRun(pcHigh: number, pcLow: number): boolean {
    const { words, state } = this
    // A branch taken or an exception, or the end of the page.
    if (state.pcLow !== ((pcLow + 4) | 0) || (state.pcHigh !== pcHigh && state.pcLow !== 0) || (state.pcLow & 0xfff) === 0) return true
    // Instructions with a function of their own, or that JavaScript has performed instead (inline-system.ts).
    return this.performed || this.pages.handler(words[HOT.RECORDS / 4]! >>> 0, (pcLow & 0xfff) >>> 2) >= this.made.interpreter.firstLate
  }

  /** Instructions executed by PE `pe`; exact in callbacks. */
  instructions(pe: number): number {
    const before = this.counts[pe]!
    return this.running && pe === this.current ? before + this.slice - this.leftInSlice() : before
  }

  /** Instructions of this slice that may still be executed, the current one included. */
  private leftInSlice(): number {
    return ((this.words[HOT.CREDIT / 4]! - this.words[HOT.RECORD / 4]!) | 0) >> 4
  }

  /** Instructions of the current run that may follow the current one. */
  get left(): number { return Math.max(this.leftInSlice() - 1 + this.beyond, 0) }

  /** From a callback: at most `n` more instructions after the current one; never lengthens the run. */
  limit(n: number): void {
    const inSlice = this.leftInSlice() - 1
    if (n >= inSlice) {
      this.beyond = Math.min(this.beyond, n - inSlice)
      return
    }
    this.beyond = 0
    this.slice -= inSlice - n
    this.words[HOT.CREDIT / 4] = this.words[HOT.RECORD / 4]! + (n + 1) * 16
  }

  /** The instruction word at the current PC, in a callback other than `fetch`. */
  get word(): number {
    return this.pages.word(this.words[HOT.RECORDS / 4]! >>> 0, this.words[HOT.RECORD / 4]! >>> 0)
  }

  /** The instruction word that was executed last, after a step from an address that ends in `pcLow` that was no branch. */
  stepped(pcLow: number): number {
    const records = this.words[HOT.RECORDS / 4]! >>> 0
    return this.pages.word(records, records + ((pcLow & 0xfff) >>> 2) * 16)
  }

  /** From `Callbacks.fetch`: enters the page of RAM at `pa` for the page of `va` in the fetch context. `shift` as in `Tlb.fill`. */
  fillFetch(vaHi: number, vaLo: number, pa: number, shift: number): void {
    this.tlb.fillFetch(this.tlb.fetch, vaHi, vaLo, this.pages.recordsOf((pa - this.ram.pa) >>> PAGE_SHIFT), shift)
  }

  /** Forgets decoded instructions in [pa, pa + size): only needed where RAM was changed otherwise than by the guest or by `ram`. */
  invalidateInstructions(pa: number, size: number): void {
    this.pages.written(pa - this.ram.pa, size)
  }

  /** What the translator has done; undefined without it. */
  get translation(): TranslatorStatistics | undefined { return this.translator?.statistics }

  /** Forgets all decoded instructions: after something that decoding depends on has changed. */
  invalidateAllInstructions(): void {
    this.pages.invalidateAll()
  }

  /** Registers, flags, monitor and instruction count of a PE: what a snapshot keeps besides its register file and RAM. Not from a callback. */
  savePe(pe: number): { readonly block: Uint8Array, readonly instructions: number } {
    const at = pe === this.current ? 0 : BACKING + pe * BACKING_STRIDE, block = this.bytes.slice(at, at + HOT.SIZE), words = new Int32Array(block.buffer)
    // Addresses in this memory mean nothing in another one; the monitor's is kept from RAM on.
    for (const field of PRIVATE_FIELDS) words[field / 4] = 0
    const monitor = words[HOT.EXCLUSIVE_ADDRESS / 4]! >>> 0
    words[HOT.EXCLUSIVE_ADDRESS / 4] = monitor === 0 ? 0 : monitor - this.layout.ramBase + 1
    return { block, instructions: this.counts[pe]! }
  }

  /** The PE has no TLB contexts afterwards: the CPU selects them again. */
  restorePe(pe: number, saved: { readonly block: Uint8Array, readonly instructions: number }): void {
    const at = pe === this.current ? 0 : BACKING + pe * BACKING_STRIDE
    this.bytes.set(saved.block, at)
    const monitor = this.words[(at + HOT.EXCLUSIVE_ADDRESS) / 4]! >>> 0
    if (monitor !== 0) this.words[(at + HOT.EXCLUSIVE_ADDRESS) / 4] = Math.min(monitor - 1, this.layout.ramSize - 16) + this.layout.ramBase
    this.counts[pe] = saved.instructions
    this.setFile(pe)
    this.tlb.selectNone(at)
  }

  /** Numbers of the RAM pages written since the last call. */
  takeDirtyPages(): readonly number[] {
    const { pageFlags } = this.layout, pages: number[] = []
    for (let page = 0; page < this.layout.ramSize >>> PAGE_SHIFT; page++) {
      if ((this.bytes[pageFlags + page]! & PAGE_FLAGS.DIRTY) === 0) continue
      this.bytes[pageFlags + page] = 0
      pages.push(page)
    }
    this.tlb.clearWrites()
    return pages
  }

  /** The read TLB has no entry although the load has just been performed: asks for the address again. */
  private setExclusive(callbacks: Callbacks, vaHi: number, vaLo: number, size: AccessSize): void {
    const { words } = this
    words[HOT.EXCLUSIVE_ADDRESS / 4] = 0
    const pa = callbacks.translateExclusive(vaHi, vaLo, size, ACCESS.ATOMIC)
    if (pa < 0) return
    const address = this.layout.ramBase + pa - this.ram.pa
    words[HOT.EXCLUSIVE_ADDRESS / 4] = address
    for (let i = 0; i < size / 4; i++) words[HOT.EXCLUSIVE_LOW / 4 + i] = words[(address >>> 2) + i]!
    if (size < 4) words[HOT.EXCLUSIVE_LOW / 4] = size === 1 ? this.ram.read8(pa) : this.ram.read16(pa)
  }

  /** Store-exclusive without an entry in the write TLB, or misaligned. The value is in `state.data`. */
  private storeExclusive(callbacks: Callbacks, vaHi: number, vaLo: number, size: AccessSize, flags: number, marked: number): number {
    const { ram, state } = this
    const value = state.data64[0]!, high = state.data64[1]!
    const pa = callbacks.translateExclusive(vaHi, vaLo, size, flags | ACCESS.FOR_UPDATE)
    // It will be executed again: the monitor is as it was before.
    if (this.abandoned) this.words[HOT.EXCLUSIVE_ADDRESS / 4] = marked
    if (pa < 0 || marked !== this.layout.ramBase + pa - ram.pa) return 1
    const seen = state.u64[HOT.EXCLUSIVE_LOW / 8]!
    const bits = Math.min(size * 8, 64)
    const now = size === 1 ? BigInt(ram.read8(pa)) : size === 2 ? BigInt(ram.read16(pa)) : size === 4 ? BigInt(ram.read32(pa)) : ram.read64(pa)
    if (now !== BigInt.asUintN(bits, seen)) return 1
    if (size === 16 && ram.read64(pa + 8) !== state.u64[HOT.EXCLUSIVE_HIGH / 8]) return 1
    if (size === 1) ram.write8(pa, Number(value & 0xffn))
    else if (size === 2) ram.write16(pa, Number(value & 0xffffn))
    else if (size === 4) ram.write32(pa, Number(value & 0xffff_ffffn))
    else ram.write64(pa, value)
    if (size === 16) ram.write64(pa + 8, high)
    return 0
  }
}

/** The engine as the CPU sees it. */
export type EngineApi = Pick<Engine, keyof Engine>
