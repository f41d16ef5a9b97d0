import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const PAGES = ['README.md', 'ARCHITECTURE.md', 'SPECIFICATION.md', 'guests/README.md', ...readdirSync('docs').filter(file => file.endsWith('.md')).map(file => `docs/${file}`)]

test('every promise names a test, suite or benchmark that exists', () => {
  const rows = readFileSync('SPECIFICATION.md', 'utf8').split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| promise') && !line.startsWith('|---'))
  expect(rows.length).toBeGreaterThan(10)
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const row of rows) {
    const enforced = [...row.split('|')[3]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
    expect(enforced, row).not.toHaveLength(0)
    for (const name of enforced) {
      const command = /^npm (?:run )?(\w+)/.exec(name)
      if (command !== null) expect(Object.keys(scripts), row).toContain(command[1])
      else expect(existsSync(name), `${name} in: ${row}`).toBe(true)
    }
  }
})

test('links between the pages lead somewhere', () => {
  for (const page of PAGES) {
    for (const [, target] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) expect(existsSync(join(dirname(page), target!)), `${page}: ${target}`).toBe(true)
  }
})
