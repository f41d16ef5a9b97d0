/** A short run of scripts/differential.ts; NIDUS_DIFFERENTIAL_COUNT cases per row (default 4). */
import { describe, expect, test } from 'vitest'
import { ROWS } from '../../src/isa/table.ts'
import { EngineCpu } from './engine-cpu.ts'
import { exclusionOf } from './exclusions.ts'
import { OracleCpu } from './oracle-cpu.ts'
import { qemuSubject, qemuVersion } from './qemu-subject.ts'
import { differences, runDifferential, runnableRows } from './runner.ts'
import { createState, type Subject, subjectOf } from './subject.ts'

const count = Number(process.env.NIDUS_DIFFERENTIAL_COUNT ?? 4)

describe.skipIf(qemuVersion() === undefined)('instruction rows against qemu-aarch64', () => {
  test(`${count} cases of every row`, { timeout: 120_000 + 1000 * count }, () => {
    const { failures, rows } = runDifferential({ subject: qemuSubject, count })
    expect(failures.slice(0, 5).join('\n')).toBe('')
    expect(rows).toBe(runnableRows().length)
  })
})

describe('instruction rows on our interpreter', () => {
  test(`${count} cases of every row`, { timeout: 120_000 + 1000 * count }, () => {
    const { failures } = runDifferential({ subject: subjectOf('t0', new EngineCpu()), count })
    expect(failures.slice(0, 5).join('\n')).toBe('')
  })
})

describe('the runner', () => {
  const rows = runnableRows().filter(row => row.name.startsWith('ADD'))

  test('finds no difference between the oracle and itself', () => {
    const summary = runDifferential({ subject: subjectOf('oracle', new OracleCpu()), count: 3, rows })
    expect(summary).toEqual({ cases: 3 * rows.length, rows: rows.length, failures: [] })
  })

  test('finds a wrong flag, and names instruction and difference', () => {
    const oracle = subjectOf('oracle', new OracleCpu())
    const wrong: Subject = {
      name: 'wrong',
      run: cases => oracle.run(cases).map(result => result.kind === 'state' ? { kind: 'state', state: { ...result.state, nzcv: result.state.nzcv ^ 1 } } : result),
    }
    const { failures } = runDifferential({ subject: wrong, count: 1, rows: rows.slice(0, 1) })
    expect(failures).toHaveLength(1)
    expect(failures[0]).toMatch(/^ADD \(immediate\) at 0x[0-9a-f]+\n.*add.*\n {2}NZCV: expected/)
  })

  test('compares every part of the state', () => {
    const state = createState(), other = createState()
    other.x[30] = 1n
    other.v[63] = 1n
    other.sp = 1n
    other.pc = 1n
    other.window[255] = 1
    const found = differences({ kind: 'state', state }, { kind: 'state', state: other }, [])
    expect(found.map(line => line.split(':')[0])).toEqual(['X30', 'SP', 'PC', 'V31.D[1]', 'window+255'])
    expect(differences({ kind: 'state', state }, { kind: 'undefined' }, [])).toEqual(['outcome: expected state, got undefined'])
  })

  test('every row is run or has a reason', () => {
    const reasons = ROWS.filter(row => row.implemented).map(row => exclusionOf(row)).filter(reason => reason !== undefined)
    expect(runnableRows().length + reasons.length + ROWS.filter(row => !row.implemented).length).toBe(ROWS.length)
  })
})
