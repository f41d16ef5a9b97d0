/** The 9p share over a real folder: what works, and that nothing leads out of it. */
import { spawnSync } from 'node:child_process'
import { existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openShare } from '../../src/cli/share.ts'
import { bytes, Client, text, u32, u64 } from '../../src/devices/ninep/client.test-support.ts'
import { ERRNO, T } from '../../src/devices/ninep/message.ts'
import { NineServer } from '../../src/devices/ninep/server.ts'

const ascii = (value: string): Uint8Array => new TextEncoder().encode(value)
const RDONLY = 0, WRONLY = 1, RDWR = 2, TRUNC = 0o1000
let outside: string, folder: string, client: Client

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'nidus-share-'))
  folder = join(outside, 'share')
  mkdirSync(join(folder, 'sub'), { recursive: true })
  writeFileSync(join(outside, 'secret'), 'secret')
  writeFileSync(join(folder, 'file'), 'contents')
  client = new Client(new NineServer(openShare(folder, false))).begin()
})
afterEach(() => {
  client.server.reset()
  rmSync(outside, { recursive: true })
})
const read = (fid: number): string => {
  const fields = client.ask(T.read, u32(fid), u64(0), u32(4096))
  return new TextDecoder().decode(fields.bytes(fields.u32()))
}

describe('what works', () => {
  test('read and write', () => {
    client.walk(0, 1, 'file')
    client.ask(T.lopen, u32(1), u32(RDWR))
    expect(read(1)).toBe('contents')
    expect(client.ask(T.write, u32(1), u64(8), u32(5), bytes(ascii(' more'))).u32()).toBe(5)
    expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('contents more')
  })
  test('create, rename of an open file, hard link, remove', () => {
    client.walk(0, 1, 'sub')
    client.ask(T.lcreate, u32(1), text('new'), u32(WRONLY), u32(0o100_640), u32(0))
    client.ask(T.write, u32(1), u64(0), u32(1), bytes(ascii('x')))
    client.ask(T.renameat, u32(0), text('sub'), u32(0), text('other'))
    client.ask(T.getattr, u32(1), u64(0x7ff))
    expect(readFileSync(join(folder, 'other/new'), 'utf8')).toBe('x')
    client.ask(T.link, u32(0), u32(1), text('hard'))
    expect(lstatSync(join(folder, 'hard')).nlink).toBe(2)
    client.ask(T.unlinkat, u32(0), text('hard'), u32(0))
    client.walk(0, 2, 'other')
    expect(client.call(T.unlinkat, u32(0), text('other'), u32(0x200))).toBe(39) // ENOTEMPTY
    client.ask(T.remove, u32(1))
    client.ask(T.remove, u32(2))
    expect(existsSync(join(folder, 'other'))).toBe(false)
  })
  test('a file that is open and has no name any more', () => {
    client.walk(0, 1, 'file')
    client.ask(T.lopen, u32(1), u32(RDWR))
    client.ask(T.unlinkat, u32(0), text('file'), u32(0))
    expect(read(1)).toBe('contents')
    client.ask(T.getattr, u32(1), u64(0x7ff))
    client.ask(T.setattr, u32(1), u32(8), u32(0), u32(0), u32(0), u64(3), u64(0), u64(0), u64(0), u64(0))
    expect(read(1)).toBe('con')
  })
  test('a folder is listed in pieces, in an order of its own', () => {
    for (let i = 0; i < 200; i++) writeFileSync(join(folder, 'sub', `n${String(i).padStart(3, '0')}`), '')
    client.walk(0, 1, 'sub')
    client.ask(T.lopen, u32(1), u32(RDONLY))
    const names: string[] = []
    for (let offset = 0n, more = true; more;) {
      const fields = client.ask(T.readdir, u32(1), u64(offset), u32(1000)), end = fields.u32()
      more = end > 0
      for (let at = 0; at < end;) {
        fields.bytes(13)
        offset = fields.u64()
        fields.u8()
        const name = fields.string()
        names.push(name)
        at += 24 + name.length
      }
    }
    expect(names).toEqual(['.', '..', ...Array.from({ length: 200 }, (_, i) => `n${String(i).padStart(3, '0')}`)])
  })
  test('attributes that are set', () => {
    client.walk(0, 1, 'file')
    client.ask(T.setattr, u32(1), u32(1 | 8 | 0x20 | 0x100), u32(0o100_600), u32(0), u32(0), u64(4), u64(0), u64(0), u64(1_577_934_245), u64(0))
    const status = lstatSync(join(folder, 'file'))
    expect([status.mode & 0o7777, status.size, status.mtimeMs]).toEqual([0o600, 4, 1_577_934_245_000])
  })
  test('links within the share', () => {
    client.ask(T.symlink, u32(0), text('link'), text('sub/../file'), u32(0))
    expect(readlinkSync(join(folder, 'link'))).toBe('sub/../file')
    client.walk(0, 1, 'link')
    expect(client.ask(T.readlink, u32(1)).string()).toBe('sub/../file')
  })
  test('a session that is saved goes on', () => {
    client.walk(0, 1, 'file')
    client.ask(T.lopen, u32(1), u32(RDONLY))
    const state = JSON.parse(JSON.stringify(client.server.save()))
    client = new Client(new NineServer(openShare(folder, false)))
    client.server.restore(state)
    expect(read(1)).toBe('contents')
  })
})

describe('what is refused', () => {
  test.each([['..'], ['../secret'], ['sub/../../secret'], ['.'], [''], ['a\0b'], ['/']])('the name %j', name => {
    expect(client.call(T.lcreate, u32(0), text(name), u32(WRONLY), u32(0o644), u32(0))).toBe(ERRNO.EINVAL)
    expect(client.call(T.mkdir, u32(0), text(name), u32(0o755), u32(0))).toBe(ERRNO.EINVAL)
    expect(client.call(T.renameat, u32(0), text('file'), u32(0), text(name))).toBe(ERRNO.EINVAL)
    expect(client.call(T.unlinkat, u32(0), text(name), u32(0))).toBe(ERRNO.EINVAL)
  })
  test('.. of the root is the root', () => {
    expect(client.walk(0, 1, '..', '..', 'sub')).toBeTypeOf('object')
    expect(client.walk(0, 2, '..', 'secret')).toBeTypeOf('object') // ends early: the fid does not exist
    expect(client.call(T.lopen, u32(2), u32(RDONLY))).toBe(ERRNO.EBADF)
  })
  test('links that lead out are not followed', () => {
    symlinkSync('../secret', join(folder, 'out'))
    symlinkSync('..', join(folder, 'up'))
    client.walk(0, 1, 'out')
    expect(client.call(T.lopen, u32(1), u32(RDONLY))).toBe(ERRNO.ELOOP)
    expect(client.call(T.setattr, u32(1), u32(8), u32(0), u32(0), u32(0), u64(0), u64(0), u64(0), u64(0), u64(0))).toBe(ERRNO.ELOOP)
    expect(client.walk(0, 2, 'up', 'secret')).toBeTypeOf('object')
    expect(client.call(T.lopen, u32(2), u32(RDONLY))).toBe(ERRNO.EBADF)
    client.walk(0, 3, 'up')
    expect(client.call(T.lcreate, u32(3), text('new'), u32(WRONLY), u32(0o644), u32(0))).toBe(ERRNO.ELOOP)
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('secret')
  })
  test('a folder that becomes a link while a fid names what is below', () => {
    client.walk(0, 1, 'sub')
    client.ask(T.lcreate, u32(1), text('secret'), u32(WRONLY), u32(0o644), u32(0))
    client.ask(T.clunk, u32(1))
    client.walk(0, 1, 'sub', 'secret')
    rmSync(join(folder, 'sub'), { recursive: true })
    symlinkSync('..', join(folder, 'sub'))
    expect(client.call(T.lopen, u32(1), u32(RDONLY))).toBe(ERRNO.ELOOP)
    expect(client.call(T.getattr, u32(1), u64(0x7ff))).toBe(ERRNO.ELOOP)
    expect(client.call(T.remove, u32(1))).toBe(ERRNO.ELOOP)
    expect(existsSync(join(outside, 'secret'))).toBe(true)
  })
  test.each(['/etc/passwd', '../secret', 'sub/../../secret', '/'])('making a link to %s', target => {
    expect(client.call(T.symlink, u32(0), text('link'), text(target), u32(0))).toBe(ERRNO.EACCES)
    expect(existsSync(join(folder, 'link'))).toBe(false)
  })
  test('a device, a pipe, a set-user-ID bit', () => {
    for (const mode of [0o020_644, 0o010_644, 0o060_644, 0o140_644]) expect(client.call(T.mknod, u32(0), text('node'), u32(mode), u32(1), u32(3), u32(0))).toBe(ERRNO.EPERM)
    client.walk(0, 1, 'file')
    client.ask(T.setattr, u32(1), u32(1), u32(0o104_755), u32(0), u32(0), u64(0), u64(0), u64(0), u64(0), u64(0))
    expect(lstatSync(join(folder, 'file')).mode & 0o7777).toBe(0o755)
  })
  test.skipIf(process.platform === 'win32')('a pipe of the host is not opened', () => {
    spawnSync('mkfifo', [join(folder, 'pipe')])
    client.walk(0, 1, 'pipe')
    expect(client.call(T.lopen, u32(1), u32(RDONLY))).toBe(ERRNO.EACCES)
  })
  test('the root has no name', () => {
    expect(client.call(T.rename, u32(0), u32(0), text('x'))).toBe(ERRNO.EPERM)
    expect(client.call(T.remove, u32(0))).toBe(ERRNO.EPERM)
  })
  test('everything that writes, when the share is read-only', () => {
    linkSync(join(folder, 'file'), join(folder, 'other'))
    client = new Client(new NineServer(openShare(folder, true))).begin()
    client.walk(0, 1, 'file')
    expect(client.call(T.lopen, u32(1), u32(WRONLY))).toBe(ERRNO.EROFS)
    expect(client.call(T.lopen, u32(1), u32(TRUNC))).toBe(ERRNO.EROFS)
    const attempts = [
      [T.lcreate, u32(0), text('n'), u32(RDWR), u32(0o644), u32(0)], [T.mkdir, u32(0), text('n'), u32(0o755), u32(0)], [T.symlink, u32(0), text('n'), text('file'), u32(0)],
      [T.link, u32(0), u32(1), text('n')], [T.renameat, u32(0), text('file'), u32(0), text('n')], [T.unlinkat, u32(0), text('file'), u32(0)], [T.mknod, u32(0), text('n'), u32(0o100_644), u32(0), u32(0), u32(0)],
      [T.setattr, u32(1), u32(1), u32(0o777), u32(0), u32(0), u64(0), u64(0), u64(0), u64(0), u64(0)],
    ] as const
    for (const [type, ...fields] of attempts) expect(client.call(type, ...fields), `message ${type}`).toBe(ERRNO.EROFS)
    client.ask(T.lopen, u32(1), u32(RDONLY))
    expect(read(1)).toBe('contents')
  })
  test('messages that are none', () => {
    expect(client.server.answer(new Uint8Array(3), 100)).toBeUndefined()
    expect(client.call(T.walk, u32(0))).toBe(ERRNO.EINVAL)
    expect(client.call(T.walk, u32(99), u32(1))).toBe(ERRNO.EBADF)
    expect(client.call(200)).toBe(ERRNO.EOPNOTSUPP)
    expect(client.call(T.lcreate, u32(0), text('x'.repeat(300)), u32(WRONLY), u32(0o644), u32(0))).toBe(ERRNO.ENAMETOOLONG)
  })
})
