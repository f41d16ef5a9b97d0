/** `nidus lockstep` where it cannot run: one line that says what to do, exit code 2. With QEMU it is run by .ci/suites/25-lockstep. */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

test.each([
  ['without QEMU: the command that mends it', [], /^nidus: qemu-system-aarch64: is not installed; apt-get install qemu-system-arm/],
  ['neve', ['--arch', 'neve'], /^nidus: --arch: no other machine has the registers of neve/],
  ['an unknown oracle', ['--oracle', 'fvp'], /--oracle/],
  ['an unknown symbol', ['--from', 'nowhere'], /^nidus: --from: the image has no symbol 'nowhere'/],
  ['no steps', ['--steps', '0'], /--steps: '0'/],
])('%s', { timeout: 60_000 }, (_, args, message) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', 'bin/nidus.js', 'lockstep', 'guests/built/bench.elf', ...args], { encoding: 'utf8', input: '', env: { ...process.env, PATH: '/nonexistent' } })
  expect([status, stdout, stderr.trim().split('\n').length]).toEqual([2, '', 1])
  expect(stderr).toMatch(message)
})
