/**
 * Clients of 9p2000.L that send anything. What lies outside the shared folder is never read or changed, every message has an answer, and nothing
 * throws. NIDUS_DEVICE_CASES: number of sessions, of up to 60 messages each.
 */
import fc from 'fast-check'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openShare } from '../../src/cli/share.ts'
import { bytes, Client, message, text, u16, u32, u64, u8, type Field } from '../../src/devices/ninep/client.test-support.ts'
import { T } from '../../src/devices/ninep/message.ts'
import { NineServer } from '../../src/devices/ninep/server.ts'

const CASES = Number(process.env['NIDUS_DEVICE_CASES'] ?? process.env['NIDUS_FUZZ'] ?? 400) / 4
const SECRET = 'what nobody may read'
const outside = mkdtempSync(join(tmpdir(), 'nidus-hostile-share-')), folder = join(outside, 'share')
afterAll(() => { rmSync(outside, { recursive: true }) })

function fill(): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'a/b'), { recursive: true })
  writeFileSync(join(folder, 'a/f'), 'inside')
  symlinkSync('../..', join(folder, 'a/up'))
  symlinkSync('/etc', join(folder, 'etc'))
  symlinkSync('../secret', join(folder, 'out'))
}
writeFileSync(join(outside, 'secret'), SECRET)

const NAMES = ['a', 'b', 'f', 'up', 'etc', 'out', 'secret', 'share', 'passwd', 'new', '..', '.', '', '/', '../secret', 'a/../../secret', 'x\0y', 'n'.repeat(300)]
const name = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...NAMES) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) }).map(text)
const fid = fc.oneof({ weight: 9, arbitrary: fc.nat(5) }, { weight: 1, arbitrary: fc.nat(0xffff_ffff) }).map(u32)
const small = fc.oneof(fc.nat(0o7777), fc.nat(0xffff_ffff)).map(u32)
const offset = fc.oneof(fc.nat(100).map(n => u64(n)), fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map(u64))
const fields = (...parts: readonly fc.Arbitrary<Field>[]): fc.Arbitrary<readonly Field[]> => fc.tuple(...parts)
const SHAPES: readonly (readonly [number, fc.Arbitrary<readonly Field[]>])[] = [
  [T.version, fields(small, fc.constantFrom('9P2000.L', '9P2000', '').map(text))], [T.attach, fields(fid, fid, name, name, small)],
  [T.walk, fc.array(name, { maxLength: 4 }).chain(names => fc.tuple(fid, fid).map(([from, to]) => [from, to, u16(names.length), ...names]))],
  [T.lopen, fields(fid, fc.constantFrom(0, 1, 2, 0o1000, 0o1002, 0o2001).map(u32))], [T.lcreate, fields(fid, name, small, small, small)], [T.read, fields(fid, offset, small)],
  [T.write, fc.tuple(fid, offset, fc.uint8Array({ maxLength: 30 })).map(([at, where, data]) => [at, where, u32(data.length), bytes(data)])], [T.readdir, fields(fid, offset, small)], [T.getattr, fields(fid, offset)],
  [T.setattr, fields(fid, fc.nat(0x1ff).map(u32), small, small, small, fc.nat(100).map(n => u64(n)), offset, offset, offset, offset)], [T.symlink, fields(fid, name, name, small)], [T.readlink, fields(fid)],
  [T.mkdir, fields(fid, name, small, small)], [T.rename, fields(fid, fid, name)], [T.renameat, fields(fid, name, fid, name)], [T.link, fields(fid, fid, name)], [T.unlinkat, fields(fid, name, fc.constantFrom(0, 0x200).map(u32))],
  [T.mknod, fields(fid, name, small, small, small, small)], [T.remove, fields(fid)], [T.clunk, fields(fid)], [T.fsync, fields(fid, small)], [T.statfs, fields(fid)],
  [T.lock, fields(fid, fc.nat(2).map(u8), small, offset, offset, small, name)], [T.getlock, fields(fid, fc.nat(2).map(u8), offset, offset, small, name)], [T.xattrwalk, fields(fid, fid, name)],
]
const request = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...SHAPES.map(([type, parts]) => parts.map(each => message(type, ...each)))) },
  // Cut short, or of a type that is none.
  { weight: 1, arbitrary: fc.tuple(fc.oneof(...SHAPES.map(([type, parts]) => parts.map(each => message(type, ...each)))), fc.nat(60)).map(([whole, length]) => whole.subarray(0, Math.max(7, length))) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 })).map(([type, rest]) => message(type, bytes(rest))) },
)

test('generated clients', { timeout: 600_000 }, () => {
  const before = statSync(join(outside, 'secret'))
  fc.assert(fc.property(fc.array(request, { minLength: 10, maxLength: 60, size: 'max' }), fc.boolean(), (requests, readOnly) => {
    fill()
    const client = new Client(new NineServer(openShare(folder, readOnly))).begin()
    client.walk(0, 1, 'a')
    client.walk(0, 2, 'a', 'f')
    try {
      for (const each of requests) {
        const answer = client.server.answer(each, client.room)
        expect(answer === undefined ? 0 : answer.length).toBeGreaterThanOrEqual(7)
        expect(answer!.length).toBeLessThanOrEqual(client.room)
        expect(Buffer.from(answer!).includes(SECRET)).toBe(false)
      }
    } finally { client.server.reset() }
    expect(readdirSync(outside).sort()).toEqual(['secret', 'share'])
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe(SECRET)
  }), { numRuns: CASES })
  const after = statSync(join(outside, 'secret'))
  expect([after.mode, after.mtimeMs, after.nlink]).toEqual([before.mode, before.mtimeMs, before.nlink])
})
