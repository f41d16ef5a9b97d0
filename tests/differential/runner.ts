/** Runs generated cases of all rows on a subject and compares with the oracle. */
import { disassemble } from '../../src/isa/disassemble.ts'
import type { Row } from '../../src/isa/instruction.ts'
import { ROWS } from '../../src/isa/table.ts'
import { exclusionOf } from './exclusions.ts'
import { casesOf, type Generated } from './generate.ts'
import { MAXIMUM_CASES } from './layout.ts'
import { type CpuState, type Result, type Subject, type TestCase, WINDOW_BYTES } from './subject.ts'

const hex = (value: bigint): string => `0x${value.toString(16)}`

/** What differs, one line each; registers in `unknown` are not compared. */
export function differences(expected: Result, actual: Result, unknown: readonly number[]): readonly string[] {
  if (expected.kind !== 'state' || actual.kind !== 'state') {
    const text = (r: Result): string => r.kind === 'other' ? r.detail : r.kind
    return text(expected) === text(actual) ? [] : [`outcome: expected ${text(expected)}, got ${text(actual)}`]
  }
  const found: string[] = []
  const compare = (what: string, a: bigint, b: bigint): void => { if (a !== b) found.push(`${what}: expected ${hex(a)}, got ${hex(b)}`) }
  const a: CpuState = expected.state, b: CpuState = actual.state
  for (let n = 0; n < 31; n++) if (!unknown.includes(n)) compare(`X${n}`, a.x[n]!, b.x[n]!)
  compare('SP', a.sp, b.sp)
  compare('PC', a.pc, b.pc)
  compare('NZCV', BigInt(a.nzcv), BigInt(b.nzcv))
  compare('FPCR', BigInt(a.fpcr), BigInt(b.fpcr))
  compare('FPSR', BigInt(a.fpsr), BigInt(b.fpsr))
  for (let n = 0; n < 64; n++) compare(`V${n >> 1}.D[${n & 1}]`, a.v[n]!, b.v[n]!)
  for (let n = 0; n < WINDOW_BYTES; n++) compare(`window+${n}`, BigInt(a.window[n]!), BigInt(b.window[n]!))
  return found
}

/** The vector registers that the last word may name. */
function vectors(words: readonly number[], state: CpuState): string {
  const word = words[words.length - 1]!, numbers = new Set([0, 5, 10, 16].map(lsb => (word >>> lsb) & 31))
  return [...numbers].map(n => `V${n}=${hex((state.v[2 * n + 1]! << 64n) | state.v[2 * n]!)}`).join(' ')
}

/** Listing, differences and the registers that differ or are small enough to matter. */
export function report({ row, words, state }: TestCase, found: readonly string[]): string {
  const listing = words.map((word, i) => `  ${word.toString(16).padStart(8, '0')}  ${disassemble(word, { pc: state.pc + BigInt(4 * i) })}`)
  const registers = Array.from({ length: 31 }, (_, n) => `X${n}=${hex(state.x[n]!)}`)
  return [`${row} at ${hex(state.pc)}`, ...listing, ...found.slice(0, 6).map(line => `  ${line}`),
    `  before: FPCR=0x${state.fpcr.toString(16)} FPSR=0x${state.fpsr.toString(16)} ${vectors(words, state)}`,
    `  before: NZCV=${state.nzcv.toString(2).padStart(4, '0')} SP=${hex(state.sp)} ${registers.join(' ')}`].join('\n')
}

export interface RunOptions {
  readonly subject: Subject
  /** Cases per row. */
  readonly count: number
  readonly seed?: number
  /** Rows to run; all that are not excluded if absent. */
  readonly rows?: readonly Row[]
  readonly onBatch?: (cases: number) => void
}
export interface RunSummary { readonly cases: number, readonly rows: number, readonly failures: readonly string[] }

export const runnableRows = (): readonly Row[] => ROWS.filter(row => exclusionOf(row) === undefined)

export function runDifferential({ subject, count, seed = 1, rows = runnableRows(), onBatch }: RunOptions): RunSummary {
  const failures: string[] = []
  let batch: Generated[] = [], cases = 0
  const flush = (): void => {
    const results = subject.run(batch.map(({ testCase }) => testCase))
    batch.forEach(({ testCase, expected }, i) => {
      const found = differences(expected, results[i]!, testCase.unknown)
      if (found.length) failures.push(report(testCase, found))
    })
    cases += batch.length
    onBatch?.(batch.length)
    batch = []
  }
  rows.forEach(row => {
    if (batch.length + count > MAXIMUM_CASES) flush()
    // A row's cases depend on the row's name and the seed alone, except for their addresses.
    batch.push(...casesOf(row, count, batch.length, seed * 1_000_003 + [...row.name].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) | 0, 0)))
  })
  if (batch.length) flush()
  return { cases, rows: rows.length, failures }
}
