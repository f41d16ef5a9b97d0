import { expect, test } from 'vitest'
import { syndrome } from '../arch/esr.ts'
import { rowByName } from '../sysreg/index.ts'
import { ExitStatistics } from '../trace/exit-statistics.ts'
import { exitTables } from './stat-tables.ts'

test('a row per register with its class, or per class', () => {
  const statistics = new ExitStatistics(), { key } = rowByName('HCR_EL2')!
  for (const [i, read] of [true, false, true].entries()) {
    statistics.sink({ kind: 'exception', pe: 0, type: 'sync', from: 1, to: 2, pc: 0n, syndrome: syndrome.systemRegister(key, 1, read), far: 0n, pstate: 5, instructions: 0 }, 100 * i)
    statistics.sink({ kind: 'eret', pe: 0, from: 2, to: 1, pc: 0n, pstate: 5, instructions: 0 }, 100 * i + 10)
  }
  const table = exitTables(statistics, { by: 'level', costs: 'unit' })
  expect(table).toMatch(/^HCR_EL2 read +SYS64 +2 +66\.67%/m)
  expect(table).toMatch(/^HCR_EL2 write +SYS64 +1 +33\.33%/m)
  const classes = exitTables(statistics, { by: 'level', rows: 'class', costs: 'unit' })
  expect(classes).toMatch(/^class +samples/m)
  expect(classes).toMatch(/^SYS64 +3 +100\.00%/m)
  expect(classes).not.toContain('HCR_EL2')
})
