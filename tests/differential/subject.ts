/** What a differential test runs, and what it runs it on. */

/** Little-endian memory that test programs may load from and store to. The address suits qemu-aarch64 and fits 32 bits. */
export const WINDOW_ADDRESS = 0x1000_1000n
export const WINDOW_BYTES = 256

/** Register state around a program. NZCV has N in bit 3; V registers are pairs of 64-bit halves, low first. */
export interface CpuState {
  readonly x: BigUint64Array
  sp: bigint
  pc: bigint
  nzcv: number
  fpcr: number
  fpsr: number
  readonly v: BigUint64Array
  readonly window: Uint8Array
}

export const createState = (): CpuState =>
  ({ x: new BigUint64Array(31), sp: 0n, pc: 0n, nzcv: 0, fpcr: 0, fpsr: 0, v: new BigUint64Array(64), window: new Uint8Array(WINDOW_BYTES) })

export const copyState = (s: CpuState): CpuState =>
  ({ x: s.x.slice(), sp: s.sp, pc: s.pc, nzcv: s.nzcv, fpcr: s.fpcr, fpsr: s.fpsr, v: s.v.slice(), window: s.window.slice() })

export interface TestCase {
  /** Name of the row under test, for reports. */
  readonly row: string
  /** Instructions at state.pc, executed in order; the last one may branch. */
  readonly words: readonly number[]
  readonly state: CpuState
  /** General registers whose final value no outside oracle knows (signed pointers). */
  readonly unknown: readonly number[]
}

export type Result =
  | { readonly kind: 'state', readonly state: CpuState }
  /** The instruction was UNDEFINED. */
  | { readonly kind: 'undefined' }
  | { readonly kind: 'other', readonly detail: string }

/** One instruction at a time, e.g. the oracle or the engine with T0. */
export interface TestCpu {
  /** Starts a case: registers, window, and `words` in memory at state.pc. */
  load(testCase: TestCase): void
  /** Executes one instruction. */
  step(): void
  read(): Result
}

/** Runs many cases; the results are in their order. */
export interface Subject {
  readonly name: string
  run(cases: readonly TestCase[]): readonly Result[]
}

export function subjectOf(name: string, cpu: TestCpu): Subject {
  return {
    name,
    run: cases => cases.map(testCase => {
      cpu.load(testCase)
      for (let i = 0; i < testCase.words.length; i++) cpu.step()
      return cpu.read()
    }),
  }
}
