import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BadInput } from '../bad-input.ts'
import { Ext4Writer } from './ext4.ts'
import { Ext4Reader } from './ext4.test-support.ts'
import { ROOT_OWNED } from './file-tree.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
/** Each page of it is another. */
function noise(length: number): Uint8Array {
  const whole = new Uint8Array(length), view = new DataView(whole.buffer)
  for (let at = 0; at + 4 <= length; at += 2048) view.setUint32(at, at + 1)
  return whole
}

function image(size: number, fill: (writer: Ext4Writer) => void): Uint8Array {
  const whole = new Uint8Array(size)
  const writer = new Ext4Writer({ bytes: size, write: (offset, part) => { whole.set(part, offset) }, uuid: new Uint8Array(16).fill(7), label: 'test', time: 1_000_000 })
  fill(writer)
  writer.finish()
  return whole
}

const MIB = 2 ** 20
const many = Array.from({ length: 700 }, (_, i) => `name-${'x'.repeat(i % 40)}-${i}`)
/** Over the border of the first group, with a replaced file and everything that a package has. */
const big = noise(130 * MIB + 5)
const makeExample = (): Uint8Array => image(140 * MIB, writer => {
  writer.folder('usr/bin', { ...ROOT_OWNED, time: 5 })
  writer.link('bin', 'usr/bin', ROOT_OWNED)
  writer.folder('bin', { ...ROOT_OWNED, mode: 0o700 })
  writer.file('bin/su', bytes('su'), { mode: 0o4755, uid: 0, gid: 42, time: 9 })
  writer.hardLink('usr/bin/also', './bin/su')
  writer.file('big', big, ROOT_OWNED)
  writer.file('etc/changed', bytes('old'), ROOT_OWNED)
  writer.file('etc/changed', bytes('new'), { ...ROOT_OWNED, uid: 70_000 })
  writer.file('empty', bytes(''), ROOT_OWNED)
  writer.link('long', 'z'.repeat(200), ROOT_OWNED)
  writer.tree.add('dev/console', { kind: 'character device', major: 5, minor: 1, attributes: { ...ROOT_OWNED, mode: 0o600 } })
  for (const name of many) writer.file(`many/${name}`, bytes(name), ROOT_OWNED)
})

const example = makeExample()

describe('an ext4 file system', () => {
  test('has what was written, with owners, modes, times and links', () => {
    const reader = new Ext4Reader(example)
    expect(reader.find('usr/bin/su')).toEqual({ mode: 0o104755, uid: 0, gid: 42, links: 2, time: 9, bytes: bytes('su') })
    expect(reader.find('usr/bin/also')).toEqual(reader.find('usr/bin/su'))
    expect(reader.find('bin')).toMatchObject({ mode: 0o120755, bytes: bytes('usr/bin') })
    expect(reader.find('usr/bin')).toMatchObject({ mode: 0o040755, links: 2, time: 5 })
    expect(reader.find('/')).toMatchObject({ mode: 0o040755, links: 7 })
    expect(reader.text('etc/changed')).toBe('new')
    expect(reader.find('etc/changed')!.uid).toBe(70_000 & 0xffff)
    expect(reader.find('empty')!.bytes).toHaveLength(0)
    expect(reader.text('long')).toBe('z'.repeat(200))
    expect(reader.find('lost+found')).toMatchObject({ mode: 0o040700 })
    expect(Buffer.compare(reader.find('big')!.bytes, big)).toBe(0)
    for (const name of many) expect(reader.text(`many/${name}`)).toBe(name)
    expect(reader.find('many/absent')).toBeUndefined()
  })

  test('is the same bytes every time', () => { expect(Buffer.compare(makeExample(), example)).toBe(0) })

  test.runIf(spawnSync('e2fsck', ['-V']).status === 0)('has nothing that e2fsck would mend', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nidus-ext4-')), file = join(folder, 'image')
    try {
      for (const whole of [example, image(MIB, () => {}), image(30 * MIB + 4096, writer => { writer.file('a', noise(5000), ROOT_OWNED) })]) {
        writeFileSync(file, whole)
        const { status, stdout } = spawnSync('e2fsck', ['-fn', file], { encoding: 'utf8' })
        expect(stdout).not.toMatch(/<y>\? no|Fix|WARNING/)
        expect(status).toBe(0)
      }
    } finally { rmSync(folder, { recursive: true }) }
  })

  test('what does not fit or makes no sense is bad input', () => {
    expect(() => image(4 * MIB, writer => { writer.file('a', new Uint8Array(5 * MIB), ROOT_OWNED) })).toThrow(/too small/)
    expect(() => image(MIB, writer => { for (let i = 0; i < 100; i++) writer.file(`${i}`, bytes(''), ROOT_OWNED) })).toThrow(/inodes/)
    expect(() => image(4 * MIB, writer => { writer.file('n'.repeat(256), bytes(''), ROOT_OWNED) })).toThrow(/longer than 255/)
    for (const wrong of [
      (writer: Ext4Writer): void => { writer.hardLink('a', 'absent') },
      (writer: Ext4Writer): void => {
        writer.link('a', 'b', ROOT_OWNED)
        writer.link('b', 'a', ROOT_OWNED)
        writer.file('a/x', bytes(''), ROOT_OWNED)
      },
      (writer: Ext4Writer): void => {
        writer.file('a', bytes(''), ROOT_OWNED)
        writer.file('a/x', bytes(''), ROOT_OWNED)
      },
      (writer: Ext4Writer): void => { writer.file('a/..', bytes(''), ROOT_OWNED) },
    ]) expect(() => image(4 * MIB, wrong)).toThrow(BadInput)
  })

  test('no path leaves the tree', () => {
    const reader = new Ext4Reader(image(4 * MIB, writer => {
      writer.file('../../etc/x', bytes('1'), ROOT_OWNED)
      writer.folder('sub', ROOT_OWNED)
      writer.link('sub/up', '../../..', ROOT_OWNED)
    }))
    expect(reader.text('etc/x')).toBe('1')
  })
})
