/** The engine's interpreter (tier T0) as a test subject, in flat memory. */
import { SLOT } from '../../src/sysreg/index.ts'
import { createFlat, type Flat } from '../../src/engine/testing/flat.ts'
import { KEYS, USER_LAYOUT } from './oracle-cpu.ts'
import { createState, type Result, type TestCase, type TestCpu, WINDOW_ADDRESS } from './subject.ts'

/** Covers the window and the slots of layout.ts. */
const RAM_PA = 0x1000_0000, RAM_SIZE = 0x20_0000

export class EngineCpu implements TestCpu {
  readonly #flat: Flat
  #ended: Result | undefined

  constructor() {
    this.#flat = createFlat({
      ramSize: RAM_SIZE, ramPa: RAM_PA, exact: true, codePages: 8,
      pauth: { keys: KEYS, data: USER_LAYOUT, code: USER_LAYOUT },
    })
    this.#flat.onRequest = request => {
      // Barriers, hints and waits are nothing to a process.
      if (request.kind === 'other' || request.kind === 'marker') return
      this.#ended = request.kind === 'undefined' ? { kind: 'undefined' } : { kind: 'other', detail: request.kind }
      this.#flat.engine.state.redirect(this.#flat.engine.state.pc)
    }
  }

  load({ state: from, words }: TestCase): void {
    const { state, ram } = this.#flat.engine, file = this.#flat.engine.registerFile(0)
    this.#ended = undefined
    from.x.forEach((value, n) => { state.setX(n, value) })
    from.v.forEach((value, i) => { state.setV(i >> 1, (i & 1) as 0 | 1, value) })
    state.sp = from.sp
    state.pc = from.pc
    state.nzcv = from.nzcv
    file.u64[SLOT.FPCR] = BigInt(from.fpcr)
    file.u64[SLOT.FPSR] = BigInt(from.fpsr)
    state.spAlignmentCheck = true
    state.clearExclusive()
    ram.copyIn(Number(WINDOW_ADDRESS), from.window)
    words.forEach((word, i) => { ram.write32(Number(from.pc) + 4 * i, word) })
  }

  step(): void {
    if (this.#ended === undefined) this.#flat.engine.step()
  }

  read(): Result {
    if (this.#ended !== undefined) return this.#ended
    const { state, ram } = this.#flat.engine, file = this.#flat.engine.registerFile(0), result = createState()
    for (let n = 0; n < 31; n++) result.x[n] = state.x(n)
    for (let i = 0; i < 64; i++) result.v[i] = state.v(i >> 1, (i & 1) as 0 | 1)
    result.sp = state.sp
    result.pc = state.pc
    result.nzcv = state.nzcv
    result.fpcr = Number(file.u64[SLOT.FPCR]!)
    result.fpsr = Number(file.u64[SLOT.FPSR]!)
    result.window.set(ram.bytes(Number(WINDOW_ADDRESS), result.window.length))
    return { kind: 'state', state: result }
  }
}
