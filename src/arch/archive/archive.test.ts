import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadInput } from '../bad-input.ts'
import { readAr } from './ar.ts'
import { readCpio as readInitramfs, writeCpio } from './cpio.ts'

const text = new TextDecoder(), bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Members by the format's description, without our writer. */
function readCpio(archive: Uint8Array) {
  const found = []
  for (let at = 0; ;) {
    expect(text.decode(archive.subarray(at, at + 6))).toBe('070701')
    expect(at % 4).toBe(0)
    const field = (n: number): number => Number.parseInt(text.decode(archive.subarray(at + 6 + 8 * n, at + 14 + 8 * n)), 16)
    const nameEnd = at + 110 + field(11), data = (nameEnd + 3) & ~3
    expect(archive[nameEnd - 1]).toBe(0)
    const path = text.decode(archive.subarray(at + 110, nameEnd - 1))
    if (path === 'TRAILER!!!') return found
    found.push({ path, mode: field(1), links: field(4), device: [field(9), field(10)], data: text.decode(archive.subarray(data, data + field(6))) })
    at = (data + field(6) + 3) & ~3
  }
}

describe('cpio', () => {
  test('files are read again, of several archives one behind the other; damage ends it and nothing throws', () => {
    const first = writeCpio([{ kind: 'folder', path: 'a' }, { kind: 'file', path: 'a/b', bytes: bytes('old') }, { kind: 'file', path: 'c', bytes: bytes('') }, { kind: 'link', path: 'd', target: 'c' }])
    const both = Uint8Array.from([...first, ...writeCpio([{ kind: 'file', path: 'a/b', bytes: bytes('newer') }])])
    const files = (archive: Uint8Array): object => Object.fromEntries([...readInitramfs(archive)].map(([path, content]) => [path, text.decode(content)]))
    expect(files(both)).toEqual({ 'a/b': 'newer', c: '' })
    expect(files(both.subarray(0, first.length + 50))).toEqual({ 'a/b': 'old', c: '' })
    fc.assert(fc.property(fc.nat({ max: both.length - 1 }), fc.nat({ max: 255 }), (at, value) => { readInitramfs(Uint8Array.from(both, (byte, i) => i === at ? value : byte)) }))
  })
  test('every kind of entry', () => {
    const archive = writeCpio([
      { kind: 'folder', path: 'bin' }, { kind: 'file', path: '/bin/x', bytes: bytes('12345'), mode: 0o755 }, { kind: 'link', path: 'sbin', target: 'bin' },
      { kind: 'character device', path: 'dev/console', major: 5, minor: 1 }, { kind: 'file', path: 'empty', bytes: bytes('') },
    ])
    expect(archive.length % 512).toBe(0)
    expect(readCpio(archive)).toEqual([
      { path: 'bin', mode: 0o040755, links: 2, device: [0, 0], data: '' }, { path: 'bin/x', mode: 0o100755, links: 1, device: [0, 0], data: '12345' },
      { path: 'sbin', mode: 0o120777, links: 1, device: [0, 0], data: 'bin' }, { path: 'dev/console', mode: 0o020600, links: 1, device: [5, 1], data: '' },
      { path: 'empty', mode: 0o100644, links: 1, device: [0, 0], data: '' },
    ])
  })
  test('any names and contents', () => {
    const entry = fc.record({ path: fc.stringMatching(/^[a-zé]{1,9}$/), data: fc.stringMatching(/^[ -~]{0,9}$/) })
    fc.assert(fc.property(fc.array(entry), entries => {
      const archive = writeCpio(entries.map(({ path, data }) => ({ kind: 'file', path, bytes: bytes(data) })))
      expect(readCpio(archive).map(({ path, data }) => ({ path, data }))).toEqual(entries)
    }), { numRuns: 50 })
  })
})

const header = (name: string, size: string | number): string => `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(size).padEnd(10)}\`\n`

describe('ar', () => {
  test('members, odd sizes and names that end with a slash', () => {
    const members = readAr(bytes(`!<arch>\n${header('debian-binary', 4)}2.0\n${header('odd/', 3)}abc\n${header('last', 1)}z`))
    expect(members.map(({ name, bytes: data }) => [name, text.decode(data)])).toEqual([['debian-binary', '2.0\n'], ['odd', 'abc'], ['last', 'z']])
  })
  test.each([
    ['', /magic/], ['!<arch>\nshort', /header runs out/], [`!<arch>\n${header('a', 9)}abc`, /of 9 bytes runs out/], [`!<arch>\n${header('a', '-1')}`, /'-1' is not a size/],
    [`!<arch>\n${header('a', 1).replace('`', 'x')}a`, /does not end/],
  ])('damaged: %j', (archive, message) => {
    expect(() => readAr(bytes(archive))).toThrow(message)
    expect(() => readAr(bytes(archive))).toThrow(BadInput)
  })
})
