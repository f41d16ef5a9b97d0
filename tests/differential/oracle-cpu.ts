/** The BigInt oracle as a test subject. */
import { Oracle, type OracleMemory, type OracleOptions, type OracleState, type Outcome } from '../../src/isa/oracle.ts'
import { type CpuState, type Result, type TestCase, type TestCpu, WINDOW_ADDRESS, WINDOW_BYTES } from './subject.ts'

/** Only the window is memory. Atomic and ordered accesses fault unless naturally aligned, as no FEAT_LSE2 is assumed. */
export function windowMemory(window: Uint8Array): OracleMemory {
  const offsetOf = (address: bigint, size: number, aligned: boolean): number | undefined => {
    const offset = address - WINDOW_ADDRESS
    if (offset < 0n || offset + BigInt(size) > BigInt(WINDOW_BYTES) || (aligned && Number(offset) % size !== 0)) return undefined
    return Number(offset)
  }
  return {
    load(address, size, options) {
      const offset = offsetOf(address, size, options.atomic === true || options.ordered === true)
      if (offset === undefined) return undefined
      let value = 0n
      for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(window[offset + i]!)
      return value
    },
    store(address, size, value, options) {
      const offset = offsetOf(address, size, options.atomic === true || options.ordered === true)
      if (offset === undefined) return false
      for (let i = 0; i < size; i++) window[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn)
      return true
    },
  }
}

function oracleState(s: CpuState): OracleState {
  return {
    x: [...s.x], sp: s.sp, pc: s.pc, nzcv: s.nzcv, fpcr: s.fpcr, fpsr: s.fpsr, exclusive: undefined,
    v: Array.from({ length: 32 }, (_, i) => s.v[2 * i]! | (s.v[2 * i + 1]! << 64n)),
  }
}

/** Pointer authentication of a Linux process: 48-bit addresses, the top byte ignored in the lower range. */
export const USER_LAYOUT = { tbi: [true, false], bottom: [48, 48], twoRanges: true } as const
export const KEYS = Object.fromEntries((['IA', 'IB', 'DA', 'DB', 'GA'] as const).map((key, i) =>
  [key, { low: 0x0123_4567_89ab_cdefn * BigInt(i + 1), high: 0xfedc_ba98_7654_3210n ^ BigInt(i) }])) as NonNullable<OracleOptions['pauth']>['keys']

export class OracleCpu implements TestCpu {
  #case: TestCase | undefined
  #window = new Uint8Array(WINDOW_BYTES)
  #oracle: Oracle | undefined
  #last: Outcome = { kind: 'done' }
  #steps = 0

  load(testCase: TestCase): void {
    this.#case = testCase
    this.#window = testCase.state.window.slice()
    this.#oracle = new Oracle(oracleState(testCase.state), {
      memory: windowMemory(this.#window), pauth: { keys: KEYS, data: USER_LAYOUT, code: USER_LAYOUT },
    })
    this.#steps = 0
    this.#last = { kind: 'done' }
  }

  step(): void {
    const { state } = this.#oracle!
    if (this.#last.kind !== 'done') return
    const outcome = this.#oracle!.step(this.#case!.words[this.#steps++]!)
    // A process does not notice these, and goes on.
    if (outcome.kind === 'event' && ['barrier', 'hint', 'wait', 'sendEvent'].includes(outcome.event.kind)) state.pc += 4n
    else this.#last = outcome
  }

  read(): Result {
    const outcome = this.#last
    if (outcome.kind === 'fault') return { kind: 'other', detail: `fault at 0x${outcome.address.toString(16)}` }
    if (outcome.kind === 'event') return outcome.event.kind === 'undefined' ? { kind: 'undefined' } : { kind: 'other', detail: outcome.event.kind }
    const { state } = this.#oracle!
    return {
      kind: 'state',
      state: {
        x: BigUint64Array.from(state.x), sp: state.sp, pc: state.pc, nzcv: state.nzcv, fpcr: state.fpcr, fpsr: state.fpsr, window: this.#window.slice(),
        v: BigUint64Array.from(state.v.flatMap(value => [BigInt.asUintN(64, value), value >> 64n])),
      },
    }
  }
}
