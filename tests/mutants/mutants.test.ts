/** Every reseeded bug still applies to the sources: its lines stand there, once. `npm run suite -- mutants` runs them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MUTANTS } from './mutants.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('reseeded bugs', () => {
  test('each has a patch, a name of its own and a suite that exists, and each patch is listed', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(20)
    const patches = readdirSync(new URL('.', import.meta.url)).filter(name => name.endsWith('.patch')).map(name => name.slice(0, -6))
    expect(MUTANTS.map(each => each.name).toSorted()).toEqual(patches.toSorted())
    for (const { killedBy } of MUTANTS) expect(existsSync(new URL(`../../${killedBy}`, import.meta.url)), killedBy).toBe(true)
  })

  test.each(MUTANTS.map(each => each.name))('%s applies', name => {
    const patch = read(`tests/mutants/${name}.patch`), file = /^\+\+\+ b\/(.*)$/m.exec(patch)![1]!
    const hunks = patch.split(/^@@.*\n/m).slice(1)
    expect(hunks.length).toBeGreaterThan(0)
    for (const hunk of hunks) {
      const before = hunk.split('\n').filter(line => line.startsWith(' ') || line.startsWith('-')).map(line => line.slice(1)).join('\n')
      expect(before.length).toBeGreaterThan(0)
      expect(read(file).split(before)).toHaveLength(2)
    }
  })
})
