import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { packTar, type TarHeader } from 'modern-tar'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BadInput } from '../../arch/bad-input.ts'
import { Ext4Reader } from '../../arch/archive/ext4.test-support.ts'
import { DebianSuite, parseInstallations, systemArchive, type PackageFile } from './apt.ts'
import { CHROOT_SCRIPT, INIT_SCRIPT } from './init.ts'
import { copySparse, parseInclude, parseSuite } from './root-store.ts'
import { writeRootImage } from './root-image.ts'
import { secondStageScript } from './second-stage.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
type Entry = readonly [Partial<TarHeader> & { readonly name: string }, string?]

let folder: string
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'nidus-rootfs-')) })
afterAll(() => { rmSync(folder, { recursive: true }) })

async function deb(name: string, control: readonly Entry[], data: readonly Entry[]): Promise<PackageFile> {
  const tar = (entries: readonly Entry[]) => packTar(entries.map(([header, body = '']) => ({ header: { uid: 0, gid: 0, mtime: new Date(1e12), type: 'file' as const, ...header, size: bytes(body).length }, body: bytes(body) })))
  const member = (title: string, content: Uint8Array): Uint8Array[] => [bytes(`${title.padEnd(16)}0           0     0     100644  ${String(content.length).padEnd(10)}\`\n`), content, bytes(content.length % 2 === 1 ? '\n' : '')]
  const file = join(folder, `${name}.deb`)
  writeFileSync(file, Buffer.concat([bytes('!<arch>\n'), ...member('debian-binary', bytes('2.0\n')), ...member('control.tar.gz', gzipSync(await tar(control))), ...member('data.tar.gz', gzipSync(await tar(data)))]))
  return { name, version: '1', file, bytes: 0, sha256: '' }
}

describe('a root file system', () => {
  test('has the packages\' files, dpkg\'s database of them, and the second stage', async () => {
    const first = await deb('tool', [
      [{ name: './control' }, 'Package: tool\nVersion: 1\nArchitecture: arm64\nDepends: libone\nDescription: a tool\n with two lines\n'], [{ name: './preinst', mode: 0o755 }, '#!/bin/sh\n'],
      [{ name: './conffiles' }, '/etc/tool.conf\nremove-on-upgrade /etc/gone\n'], [{ name: './triggers' }, '# comment\ninterest-noawait /usr/share/tool\ninterest tool-named\nactivate-noawait ldconfig\n'],
    ], [
      [{ name: './', type: 'directory', mode: 0o755 }], [{ name: './bin/', type: 'directory', mode: 0o755 }], [{ name: './bin/tool', mode: 0o4755, gid: 42 }, 'program'], [{ name: './usr/bin/again', type: 'link', linkname: './bin/tool' }],
      [{ name: './etc/tool.conf' }, 'setting\n'], [{ name: './usr/bin/short', type: 'symlink', linkname: 'tool' }],
    ])
    const second = await deb('libone', [[{ name: './control' }, 'Package: libone\nMulti-Arch: same\nVersion: 1\nArchitecture: arm64\n'], [{ name: './postinst', mode: 0o755 }, '#!/bin/sh\nexit 0\n'], [{ name: './preinst', mode: 0o755 }, '']], [[{ name: './lib/one.so' }, 'library']])
    const image = join(folder, 'root.img'), progress: string[] = []
    await writeRootImage(image, [first, second], { bytes: 2 ** 28, uuid: new Uint8Array(16), label: 'test', source: { uri: 'http://who:secret@mirror/debian', suite: 'trixie' }, progress: text => { progress.push(text) } })
    const reader = new Ext4Reader(readFileSync(image))
    expect(reader.find('usr/bin/tool')).toMatchObject({ mode: 0o104755, gid: 42, links: 2, time: 1e9, bytes: bytes('program') })
    expect(reader.find('usr/bin/short')).toMatchObject({ mode: 0o120777, bytes: bytes('tool') })
    expect(reader.text('usr/lib/one.so')).toBe('library')
    for (const name of ['bin', 'sbin', 'lib']) expect(reader.text(name)).toBe(`usr/${name}`)
    expect(reader.text('var/lib/dpkg/status')).toBe([
      'Package: tool\nStatus: install ok unpacked\nVersion: 1\nArchitecture: arm64\nDepends: libone\nDescription: a tool\n with two lines\nConffiles:\n /etc/tool.conf 2c1d4f59f062ce424618f4d25961fb76\n',
      'Package: libone\nStatus: install ok unpacked\nMulti-Arch: same\nVersion: 1\nArchitecture: arm64\n', '',
    ].join('\n'))
    expect(reader.text('var/lib/dpkg/info/tool.list')).toBe('/.\n/bin\n/bin/tool\n/usr/bin/again\n/etc/tool.conf\n/usr/bin/short\n')
    expect(reader.find('var/lib/dpkg/info/libone:arm64.postinst')).toMatchObject({ mode: 0o100755, bytes: bytes('#!/bin/sh\nexit 0\n') })
    expect(reader.text('var/lib/dpkg/triggers/File')).toBe('/usr/share/tool tool/noawait\n')
    expect(reader.text('var/lib/dpkg/triggers/tool-named')).toBe('tool\n')
    expect(reader.find('var/lib/dpkg/info/tool.control')).toBeUndefined()
    expect(reader.text('etc/apt/sources.list.d/debian.sources')).toContain('URIs: http://mirror/debian\nSuites: trixie')
    expect(reader.text(CHROOT_SCRIPT)).toBe(secondStageScript(['tool', 'libone:arm64']))
    expect(progress).toContain('unpacking 2 of 2: libone 1')
    // And a copy of it, with holes.
    const copy = join(folder, 'copy.img')
    copySparse(image, copy)
    expect(Buffer.compare(readFileSync(copy), readFileSync(image))).toBe(0)
    expect(statSync(copy).blocks * 512).toBeLessThan(2 ** 27)
  })

  test('damaged packages and packages without a name are bad input', async () => {
    const options = { bytes: 2 ** 28, uuid: new Uint8Array(16), label: 'test', source: { uri: '', suite: '' }, progress: () => {} }, image = join(folder, 'bad.img')
    const good = await deb('good', [[{ name: './control' }, 'Package: good\nArchitecture: all\n']], [[{ name: './a' }, 'x'.repeat(5000)]])
    const cut = { ...good, file: join(folder, 'cut.deb') }
    for (const end of [8, 100, 200, readFileSync(good.file).length - 40]) {
      writeFileSync(cut.file, readFileSync(good.file).subarray(0, end))
      await expect(writeRootImage(image, [cut], options)).rejects.toThrow(BadInput)
    }
    await expect(writeRootImage(image, [await deb('nameless', [[{ name: './control' }, 'Version: 1\n']], [[{ name: './a' }]])], options)).rejects.toThrow(/what package/)
    await expect(writeRootImage(image, [await deb('loose', [[{ name: './control' }, 'Package: l\nArchitecture: all\n']], [[{ name: './a', type: 'link', linkname: 'nowhere' }]])], options)).rejects.toThrow(/nowhere/)
    await expect(writeRootImage(image, [], options)).rejects.toThrow(/no packages/)
    await expect(writeRootImage(image, [{ ...good, file: join(folder, 'absent.deb') }], options)).rejects.toThrow(/there is no file/)
  })

  test('names', () => {
    expect(['debian', 'debian:trixie', 'debian:bookworm'].map(parseSuite)).toEqual(['stable', 'trixie', 'bookworm'])
    for (const wrong of ['debian:6.12', 'debian:', 'ubuntu', 'debian:../x']) expect(() => parseSuite(wrong)).toThrow(/debian:X/)
    expect(parseInclude('gcc, libc6-dev,')).toEqual(['gcc', 'libc6-dev'])
    for (const wrong of ['?all', '-y', 'a=1', 'a;b']) expect(() => parseInclude(wrong)).toThrow(/--include/)
  })

  test('the initramfs hands over to it', () => {
    expect(INIT_SCRIPT).toContain('exec switch_root /mnt')
    expect(INIT_SCRIPT).toContain(`chroot /mnt /bin/sh ${CHROOT_SCRIPT}`)
  })
})

test('what apt would install', () => {
  expect(parseInstallations('NOTE\nInst libc6 (2.41-12 Debian:13.1/stable [arm64]) []\nInst tzdata:all (2025b Debian:13 [all])\nConf libc6 (2.41-12 Debian:13.1/stable [arm64])\n')).toEqual([
    { name: 'libc6', version: '2.41-12', architecture: 'arm64' }, { name: 'tzdata', version: '2025b', architecture: 'all' },
  ])
})

test('where there is no apt, one clear line says so, also beside lists of another day', async () => {
  const { PATH } = process.env, cache = join(folder, 'cache')
  mkdirSync(join(cache, 'apt', 'trixie'), { recursive: true })
  writeFileSync(join(cache, 'apt', 'trixie', 'updated'), '')
  process.env['PATH'] = folder
  try {
    await expect(systemArchive()).rejects.toThrow(/no apt on this machine.*--deb FILE.*--kernel FILE/)
    const view = await DebianSuite.open('trixie', { cache })
    for (const asked of [view.names(/./), view.show('bash'), view.download('bash'), view.downloadWithDependencies(['bash']), view.codename()]) await expect(asked).rejects.toThrow(/no apt on this machine/)
  } finally { process.env['PATH'] = PATH }
})
