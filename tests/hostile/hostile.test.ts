/**
 * Hostile guest hypervisors, through scripts/hostile.ts: L0 never throws, never hangs, maps nothing but the VM's own memory for it, reads and
 * writes nothing else, and a second VM does not notice; every exit handler and file of nested/ is reached. CI runs 500 programs (`.ci/suites/50-hostile`); `NIDUS_HOSTILE_PROGRAMS` sets how many run here.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const PROGRAMS = Number(process.env['NIDUS_HOSTILE_PROGRAMS'] ?? 60)
const root = fileURLToPath(new URL('../..', import.meta.url))

test('hostile guest hypervisors', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', `${root}scripts/hostile.ts`, '--count', String(PROGRAMS), '--json'], { encoding: 'utf8', maxBuffer: 1 << 26 })
  const summary = JSON.parse(stdout || `{ "failures": [${JSON.stringify(stderr)}] }`) as { readonly programs: number, readonly busy: number, readonly nested: number, readonly failures: readonly string[] }
  expect(summary).toMatchObject({ failures: [], programs: PROGRAMS })
}, 600_000)
