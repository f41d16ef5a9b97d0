/** What a checkout runs (scripts/built.js): the tree's own code, whatever was built before. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const tree = mkdtempSync(join(tmpdir(), 'nidus-built-test-'))
afterAll(() => { rmSync(tree, { recursive: true, force: true }) })

const write = (text: string): void => { writeFileSync(join(tree, 'src/cli/main.ts'), text) }
const says = (what: string): string => `import { name } from './name.ts'\nexport const main = async (): Promise<void> => { process.stdout.write(\`${what} \${name}\`) }\n`
const run = (): string => execFileSync(process.execPath, ['--no-warnings', join(tree, 'bin/nidus.js')], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const builds = (): number => readdirSync(join(tree, '.cache')).length

test('a checkout runs what its sources say now', { timeout: 60_000 }, () => {
  for (const folder of ['src/cli', 'bin', 'scripts']) mkdirSync(join(tree, folder), { recursive: true })
  for (const file of ['bin/nidus.js', 'scripts/built.js', 'scripts/bundle.js', 'scripts/prebuilt.ts', 'scripts/setup.js', 'package.json', 'package-lock.json']) copyFileSync(file, join(tree, file))
  symlinkSync(resolve('node_modules'), join(tree, 'node_modules'), 'dir')
  writeFileSync(join(tree, 'src/cli/name.ts'), `export const name: string = 'one'\n`)
  write(says('first'))
  expect([run(), builds()]).toEqual(['first one', 1])
  // Nothing has changed: nothing is built.
  expect([run(), builds()]).toEqual(['first one', 1])
  write(says('other'))
  expect([run(), builds()]).toEqual(['other one', 2])
  writeFileSync(join(tree, 'src/cli/name.ts'), `export const name: string = 'two'\n`)
  expect([run(), builds()]).toEqual(['other two', 3])
  write(says('first'))
  writeFileSync(join(tree, 'src/cli/name.ts'), `export const name: string = 'one'\n`)
  expect([run(), builds()]).toEqual(['first one', 3])
  // Data is part of the sources.
  writeFileSync(join(tree, 'src/cli/name.json'), '"three"')
  writeFileSync(join(tree, 'src/cli/name.ts'), `import data from './name.json' with { type: 'json' }\nexport const name: string = data\n`)
  expect([run(), builds()]).toEqual(['first three', 4])
  writeFileSync(join(tree, 'src/cli/name.json'), '"four"')
  expect([run(), builds()]).toEqual(['first four', 5])
  // What cannot be built is said to run as it is, and fails as it is.
  write('export const main = async (): Promise<void> => { await import(\'./missing.ts\') }\n')
  expect(() => run()).toThrow(/nidus: the sources run as they are[^]*Cannot find module .*missing\.ts/)
})
