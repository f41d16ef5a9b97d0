/** A share that is recorded answers the same in a replay, with the folder gone. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { Recorder } from '../../src/cli/recording.ts'
import { answeringShare, recordingAnswers, replayedAnswers, type ShareAnswer } from '../../src/cli/share-log.ts'
import { openShare } from '../../src/cli/share.ts'
import { bytes, Client, text, u32, u64 } from '../../src/devices/ninep/client.test-support.ts'
import { T } from '../../src/devices/ninep/message.ts'
import { NineServer } from '../../src/devices/ninep/server.ts'
import type { ShareFiles } from '../../src/devices/plug.ts'

const folder = mkdtempSync(join(tmpdir(), 'nidus-share-log-')), RDWR = 2
afterAll(() => { rmSync(folder, { recursive: true, force: true }) })

/** What a client sees of a share: attributes with times of 64 bits, contents, names, errors. */
function visit(files: ShareFiles): readonly unknown[] {
  const server = new NineServer(files), client = new Client(server).begin(), seen: unknown[] = []
  client.walk(0, 1, 'file')
  client.ask(T.getattr, u32(1), u64(0x7ff)).bytes(60).forEach(byte => seen.push(byte))
  client.ask(T.lopen, u32(1), u32(RDWR))
  const contents = client.ask(T.read, u32(1), u64(0), u32(4096))
  seen.push(new TextDecoder().decode(contents.bytes(contents.u32())))
  seen.push(client.ask(T.write, u32(1), u64(8), u32(5), bytes(new TextEncoder().encode(' more'))).u32())
  client.walk(0, 2)
  client.ask(T.lopen, u32(2), u32(0))
  const list = client.ask(T.readdir, u32(2), u64(0), u32(4096))
  seen.push(Buffer.from(list.bytes(list.u32())).toString('hex'))
  client.ask(T.mkdir, u32(0), text('made'), u32(0o755), u32(0))
  seen.push(client.call(T.mkdir, u32(0), text('made'), u32(0o755), u32(0)))
  server.reset()
  return seen
}

test('the answers of a share are in the recording', () => {
  const share = join(folder, 'share'), log = join(folder, 'log')
  mkdirSync(share)
  writeFileSync(join(share, 'file'), 'contents')
  const recorder = new Recorder(log)
  recorder.begin(() => ({ flags: {}, images: [], snapshot: undefined, files: [] }) as never)
  const first = visit(answeringShare(false, () => openShare(share, false), recordingAnswers('0.share', recorder.answer)))
  recorder.end({ position: { instructions: 1, idleTurns: 0 }, outcome: 'off', code: 0, traceHash: undefined })
  expect(readFileSync(join(share, 'file'), 'utf8')).toBe('contents more')
  rmSync(share, { recursive: true })

  const answers = readFileSync(log, 'utf8').trim().split('\n').slice(1, -1).map(line => JSON.parse(line) as ShareAnswer)
  expect(answers.length).toBeGreaterThan(8)
  const gone = (): never => { throw new Error('the folder is asked') }
  expect(visit(answeringShare(false, gone, replayedAnswers('0.share', answers)))).toEqual(first)
  expect(() => visit(answeringShare(false, gone, replayedAnswers('0.share', answers.slice(0, -4))))).toThrow('ends before answer')
  expect(() => visit(answeringShare(false, gone, replayedAnswers('0.share', answers.filter(({ call }) => call !== 'attributes'))))).toThrow('the run asks for')
  expect(() => visit(answeringShare(false, gone, replayedAnswers('0.share', answers.map(each => ({ ...each, answer: '{' })))))).toThrow('is no answer of a share')
})

test('nidus run --record with --share, and its replay with answers in the log', async () => {
  const nidus = promisify(execFile), root = fileURLToPath(new URL('../..', import.meta.url)), log = join(folder, 'run.log'), share = join(folder, 'given')
  mkdirSync(share)
  const run = (...args: readonly string[]) => nidus(process.execPath, ['--no-warnings', join(root, 'bin/nidus.js'), 'run', ...args])
  const recorded = await run(join(root, 'guests/built/bench'), '--smp', '2', '--share', share, '--record', log)
  // The guest has no 9p: what it would have been answered stands in no one's way, anywhere.
  const lines = readFileSync(log, 'utf8').trim().split('\n'), line = JSON.stringify({ share: '0.share', call: 'open', answer: '2' } satisfies ShareAnswer)
  writeFileSync(log, `${[lines[0], line, ...lines.slice(1), line].join('\n')}\n`)
  rmSync(share, { recursive: true })
  expect(await run('--replay', log)).toMatchObject({ stdout: recorded.stdout, stderr: expect.stringContaining('as recorded') as string })
}, 60_000)
