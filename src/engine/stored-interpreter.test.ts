import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { generateInterpreter } from './interpreter.ts'
import { moduleKey } from './modules.ts'
import { restoreInterpreter } from './stored-interpreter.ts'

test('what a build stores is the interpreter that sources generate', async () => {
  const options = { exact: false, barriers: false, translate: true }
  const { stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', 'scripts/prebuilt.ts'], { encoding: 'utf8', maxBuffer: 2 ** 26 })
  expect(stderr).toBe('')
  const { PREBUILT } = await import(`data:text/javascript,${encodeURIComponent(stdout)}`) as { readonly PREBUILT: Readonly<Record<string, string>> }
  expect(Object.keys(PREBUILT)).toEqual([moduleKey(options)])
  const restored = restoreInterpreter(PREBUILT[moduleKey(options)]!), generated = generateInterpreter(options)
  expect(Buffer.compare(restored.bytes, generated.bytes)).toBe(0)
  expect({ ...restored, bytes: 0 }).toEqual({ ...generated, bytes: 0 })
}, 30_000)
