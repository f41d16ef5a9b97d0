/** Snapshots and recordings at the command line: whole files or none, damage refused in one line, replays that are the same run. */
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { readRecording } from '../../src/cli/recording.ts'
import { openSnapshot } from '../../src/cli/snapshot-file.ts'

const root = fileURLToPath(new URL('../..', import.meta.url)), guest = (name: string): string => join(root, 'guests/built', name)
const folder = mkdtempSync(join(tmpdir(), 'nidus-snapshot-test-'))
afterAll(() => { rmSync(folder, { recursive: true, force: true }) })

interface Result { readonly code: number, readonly stdout: string, readonly stderr: string }
const nidus = (args: readonly string[], { input = '', imports = [] as readonly string[] } = {}): Promise<Result> => new Promise(resolve => {
  // Sources that are changed on their way run as they are: the command as it is built does not see them.
  const program = imports.length === 0 ? [join(root, 'bin/nidus.js')] : ['--input-type=module', '-e', `(await import(${JSON.stringify(new URL('../../src/cli/main.ts', import.meta.url).href)})).main(process.argv.slice(1))`, '--']
  const child = execFile(process.execPath, ['--no-warnings', ...imports.flatMap(each => ['--import', each]), ...program, ...args], { cwd: folder }, (error, stdout, stderr) => {
    resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
  })
  child.stdin!.end(input)
})
const NESTED = [guest('mini-kvm-vhe'), '--on', 'vm', '--el2', '--smp', '2', '--initrd', guest('bench'), '--append', 'vcpus=2 -- ops=2 warm=1']
const hashIn = ({ stderr }: Result): string | undefined => /traceHash"?:? ?"?([0-9a-f]{16})/.exec(stderr)?.[1]

describe('nidus snapshot', { timeout: 120_000 }, () => {
  test('a nested run goes on in another process', async () => {
    const straight = await nidus(['run', ...NESTED, '--json'])
    const written = await nidus(['snapshot', ...NESTED, '--after', '1000000', '--output', 'nested.nidus'])
    expect([written.code, written.stderr]).toEqual([0, expect.stringMatching(/^nidus: nested\.nidus: [\d,]+ bytes after 1,0\d\d,\d{3} instructions, traceHash [0-9a-f]{16}\n$/)])
    const restored = await nidus(['run', '--snapshot', 'nested.nidus', '--json'])
    expect(restored.code).toBe(0)
    expect(hashIn(restored)).toBe(hashIn(straight))
    expect(written.stdout + restored.stdout).toBe(straight.stdout)
  })

  test('--until, and a machine without L0', async () => {
    const image = [guest('bench'), '--smp', '2']
    const whole = await nidus(['run', ...image]), written = await nidus(['snapshot', ...image, '--until', 'bench: ', '--output', 'bare.nidus'])
    expect(written.code).toBe(0)
    expect(written.stdout).toMatch(/bench: $/)
    const restored = await nidus(['run', '--snapshot', 'bare.nidus', '--until', 'bench: done'])
    expect([restored.code, whole.stdout.startsWith(written.stdout + restored.stdout)]).toEqual([0, true])

    const recorded = await nidus(['run', '--snapshot', 'bare.nidus', '--record', 'bare.log'], { input: 'typed' })
    expect(recorded.code).toBe(0)
    const replayed = await nidus(['run', '--replay', 'bare.log'])
    expect(replayed.stdout).toBe(recorded.stdout)
    expect(replayed).toMatchObject({ code: 0, stderr: expect.stringMatching(/^nidus: replayed [\d,]+ instructions, traceHash [0-9a-f]{16} as recorded\n$/) as string })

    // Something else came in: another run, and that is said.
    const log = readFileSync(join(folder, 'bare.log'), 'utf8'), typed = Buffer.from('typed').toString('base64')
    expect(log).toContain(typed)
    writeFileSync(join(folder, 'other.log'), log.replace(typed, Buffer.from('other').toString('base64')))
    expect(await nidus(['run', '--replay', 'other.log'])).toMatchObject({ code: 5, stderr: expect.stringContaining('another run') as string })
  })

  test('no file is left when there is no snapshot', async () => {
    const before = readdirSync(folder)
    expect(await nidus(['snapshot', guest('bench'), '--until', 'never printed', '--output', 'no.nidus'])).toMatchObject({ code: 1, stderr: expect.stringContaining('no snapshot was written') as string })
    expect(await nidus(['snapshot', guest('bench'), '--until', 'bench', '--output', 'no-folder/no.nidus'])).toMatchObject({ code: 2 })
    expect(await nidus(['snapshot', guest('bench'), '--output', 'no.nidus'])).toMatchObject({ code: 2, stderr: 'nidus: snapshot: say when: --until TEXT or --after N\n' })
    expect(readdirSync(folder)).toEqual(before)
  })

  test('what is damaged, foreign or contradictory is one line and exit code 2', async () => {
    await nidus(['snapshot', guest('bench'), '--until', 'bench', '--output', 'good.nidus'])
    const good = readFileSync(join(folder, 'good.nidus')), log = `{"recording":2,"flags":{},"images":[{"path":"x","flags":{}}],"files":[]}\n`
    const damaged = Buffer.from(good)
    damaged[good.length >> 1]! ^= 1
    const version = Buffer.from(good)
    version[8] = 99
    const cases: readonly (readonly [string, Uint8Array | string, RegExp])[] = [
      ['damaged.nidus', damaged, /checksum is wrong \(at offset 0x/], ['cut.nidus', good.subarray(0, good.length - 30), /snapshot: /], ['version.nidus', version, /version 99; this Nidus reads version \d+ \(at offset 0x8\)/],
      ['image.nidus', readFileSync(guest('bench')), /is no snapshot of Nidus/], ['empty.nidus', '', /is empty/],
    ]
    for (const [name, bytes, message] of cases) {
      writeFileSync(join(folder, name), bytes)
      await expect(openSnapshot(join(folder, name)), name).rejects.toMatchObject({ name: 'BadInput', message: expect.stringMatching(message) as string })
    }
    const result = await nidus(['run', '--snapshot', 'damaged.nidus'])
    expect([result.code, result.stderr.trim().split('\n').length]).toEqual([2, 1])
    const logs: readonly (readonly [string, RegExp])[] = [['{}\n', /line 1 is not that/], ['{"recording":1}\n', /version 1/], [log, /recording: options: option el2/], ['what\nis this\n', /line 1 is no JSON/]]
    for (const [text, message] of logs) {
      writeFileSync(join(folder, 'bad.log'), text)
      expect(() => readRecording(join(folder, 'bad.log'))).toThrow(message)
    }
    for (const args of [['--snapshot', 'good.nidus', guest('bench')], ['--snapshot', 'good.nidus', '--smp', '2'], ['--replay', 'bad.log']]) expect(await nidus(['run', ...args])).toMatchObject({ code: 2 })
  })

  test('a bug of ours ends with the command that shows it again', async () => {
    // The UART breaks at its 30th byte.
    const broken = `data:text/javascript,${encodeURIComponent(`
      import { Pl011 } from ${JSON.stringify(new URL('../../src/devices/pl011.ts', import.meta.url).href)}
      const write = Pl011.prototype.write
      let count = 0
      Pl011.prototype.write = function (...args) {
        if (++count === 30) throw new TypeError('broken on purpose')
        return write.apply(this, args)
      }`)}`
    const first = await nidus(['run', guest('bench'), '--smp', '2'], { imports: [broken] })
    expect(first.code).toBe(5)
    const path = /to see this again: nidus run --replay (\S+)/.exec(first.stderr)?.[1]
    expect(path).toBeDefined()
    const again = await nidus(['run', '--replay', path!], { imports: [broken] })
    expect([again.code, again.stdout]).toEqual([5, first.stdout])
    expect(again.stderr).toContain('broken on purpose')
    rmSync(path!)
  })

  test('Ctrl-C ends a recording as well', async () => {
    const child = spawn(process.execPath, ['--no-warnings', join(root, 'bin/nidus.js'), 'run', guest('bench'), '--smp', '2', '--append', 'ops=100000000', '--record', 'ctrl-c.log'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.once('data', () => { child.kill('SIGINT') })
    expect(await new Promise(resolve => child.once('exit', resolve))).toBe(130)
    expect(await nidus(['run', '--replay', 'ctrl-c.log'])).toMatchObject({ code: 130, stderr: expect.stringContaining('as recorded') as string })
  })
})
