/** The matrices are golden files: `GOLDEN=accept npx vitest run src/sysreg/matrix.test.ts` rewrites them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PROFILE_NAMES, profile } from '../arch/features.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { explainAccess } from './explain.ts'
import { matrix } from './matrix.ts'
import { resolve } from './resolve.ts'
import type { Resolution } from './resolve.ts'
import { controlsIn, situationsOf } from './situations.ts'
import { ROWS } from './table.ts'

const FOLDER = new URL('../../tests/golden/sysreg/', import.meta.url)

test.each(PROFILE_NAMES)('matrix of %s', name => {
  const file = new URL(`${name}.txt`, FOLDER), text = matrix(name)
  if (process.env['GOLDEN'] === 'accept') {
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(file, text)
  }
  expect(existsSync(file) ? readFileSync(file, 'utf8') : '', 'GOLDEN=accept npx vitest run src/sysreg/matrix.test.ts accepts the new matrix').toBe(text)
})

test('filter and hide', () => {
  const text = matrix('v8.4', { hide: ['FEAT_VHE'], filter: 'cpacr' })
  expect(text).toMatch(/^CPACR_EL1 /m)
  expect(text).not.toMatch(/^CPACR_EL12 /m)
  expect(text).toMatch(/FEAT_VHE: CPACR_EL12/)
})

const CASES: [ProfileName, readonly Feature[], GicVersion][] = [...PROFILE_NAMES.map(name => [name, [], 3] as [ProfileName, Feature[], GicVersion]), ['v8.0', [], 2], ['v8.4', ['FEAT_VHE', 'FEAT_FGT', 'FEAT_ECV'], 3]]
const text = (r: Resolution): string => [r.kind, r.rule, 'row' in r ? r.row.name : '', 'offset' in r ? r.offset : '', 'to' in r ? `${r.to} ${r.ec}` : ''].join()
test.each(CASES)('explain concludes what resolve decides: %s without %j, GICv%i', (name, hide, gicVersion) => {
  const set = profile(name, hide)
  let cells = 0
  for (const situation of situationsOf(set.features, gicVersion)) {
    const controls = controlsIn(situation, set, gicVersion)
    for (const row of ROWS) {
      for (const direction of ['read', 'write'] as const) {
        const { resolution, steps } = explainAccess(row, direction, situation.el, controls)
        const decided = resolve(row, direction, situation.el, controls)
        if (text(resolution!) !== text(decided)) expect(`${situation.name}: ${direction} ${row.name}: ${text(resolution!)}`).toBe(text(decided))
        if (steps.length < 2) throw new Error(`${row.name}: nothing explained`)
        cells++
      }
    }
  }
  expect(cells).toBeGreaterThan(10_000)
})
