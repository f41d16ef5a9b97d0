/** What `nidus doctor` says on a machine that has nothing but Node. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

test('everything that is missing is named with what to do, and is no failure', { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', 'bin/nidus.js', 'doctor', '--json'], { encoding: 'utf8', env: { ...process.env, PATH: '/nonexistent' } })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  const checks = (JSON.parse(stdout) as { readonly checks: readonly { readonly name: string, readonly required: boolean, readonly found: string | null, readonly mend: string | null }[] }).checks
  for (const { required, found, mend } of checks) expect([required, found === null]).toEqual([mend === null, mend !== null])
  const apt = checks.filter(({ name }) => name.includes('apt'))
  expect(apt).toHaveLength(2)
  for (const { mend } of apt) expect(mend).toContain('nidus fetch --deb FILE')
})
