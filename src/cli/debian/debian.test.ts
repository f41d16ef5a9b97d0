import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { packTar } from 'modern-tar'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BadInput } from '../../arch/bad-input.ts'
import { moduleFile } from '../../arch/image/kernel-module.test-support.ts'
import { chooseArchive, keyringOf, parseRecord, sha256 } from './apt.ts'
import { cacheFolder } from './cache.ts'
import { COMMAND_LIST, checkList } from './command-list.ts'
import { INIT_SCRIPT, LIST_SCRIPT } from './init.ts'
import { isKernelOf, releaseInImage } from './kernel.ts'
import { collectModules, moduleIndex } from './modules.ts'
import { compareReleases, isDebianName, nameOfRelease, parseDebianName } from './name.ts'
import { identifyPackage, readPackage } from './package.ts'
import { fetchDebian, initramfsPath, kernelPath, storedKernel } from './store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('names', () => {
  test.each([
    ['debian', 'stable-cloud', { suite: 'stable', flavour: 'cloud' }], ['debian:6.12', '6.12-cloud', { series: '6.12', flavour: 'cloud' }],
    ['debian:6.12-full', '6.12-full', { series: '6.12', flavour: 'full' }], ['debian:7.x', '7-cloud', { series: '7', flavour: 'cloud' }],
    ['debian:trixie-backports', 'trixie-backports-cloud', { suite: 'trixie-backports', flavour: 'cloud' }], ['debian:bookworm-full', 'bookworm-full', { suite: 'bookworm', flavour: 'full' }],
  ])('%s is %s', (text, canonical, rest) => { expect(parseDebianName(text)).toEqual({ canonical, ...rest }) })
  test.each(['debian:6.12.1.2', 'debian:-cloud', 'debian:../x', 'debian:Trixie', 'debian:6.12-rt', 'fedora:40'])('%s is refused', text => {
    expect(() => parseDebianName(text)).toThrow(/series such as 6\.12/)
  })
  test('files are not names', () => { expect(['debian.img', './debian:6.12', 'debian:6.12'].map(isDebianName)).toEqual([false, false, true]) })
  test('releases', () => {
    expect(nameOfRelease('6.12.117+deb13-cloud-arm64')).toBe('6.12-cloud')
    expect(nameOfRelease('5.10.0-32-arm64')).toBe('5.10-full')
    expect(nameOfRelease('7.3.4-custom')).toBeUndefined()
    expect(['6.12.117+deb13', '6.12.9+deb13', '6.2.0'].sort(compareReleases)).toEqual(['6.2.0', '6.12.9+deb13', '6.12.117+deb13'])
    const all = ['6.1.0-50-cloud-arm64', '6.1.0-50-arm64', '6.1.0-50-rt-arm64', '6.12.117+deb13-cloud-arm64', '6.12.117+deb13-arm64-16k', '6.12.117+deb13-arm64', '6.12.117+deb13-arm64-dbg']
    expect(all.filter(release => isKernelOf(release, '6.1', 'cloud'))).toEqual(['6.1.0-50-cloud-arm64'])
    expect(all.filter(release => isKernelOf(release, '6.12', 'full'))).toEqual(['6.12.117+deb13-arm64'])
    expect(all.filter(release => isKernelOf(release, '6', 'full'))).toEqual(['6.1.0-50-arm64', '6.12.117+deb13-arm64'])
  })
})

describe('apt', () => {
  test('the main archive, with and without release information', () => {
    expect(chooseArchive(['http://m/debian-security/|Debian-Security|/a:1', 'http://m/d/|Debian|/b.sources:2'])).toEqual({ uri: 'http://m/d/', source: '/b.sources:2' })
    expect(chooseArchive(['http://m/debian-security/||/a:1', 'http://m/debian/||/c:3'])).toEqual({ uri: 'http://m/debian/', source: '/c:3' })
    expect(chooseArchive(['http://m/ubuntu/|Ubuntu|/a:1', ''])).toBeUndefined()
  })
  test('the keyring of a source', () => {
    const here = new URL(import.meta.url).pathname
    expect(keyringOf(`# note\n\nTypes: deb\nURIs: x\n\nTypes: deb\nSigned-By: ${here}\n`, 2, true)).toBe(here)
    expect(keyringOf('Types: deb\nSigned-By:\n -----BEGIN\n', 1, true)).toBeUndefined()
    expect(keyringOf(`deb x y\ndeb [arch=amd64 signed-by=${here}] x y z\n`, 2, false)).toBe(here)
    expect(keyringOf('deb [signed-by=/nowhere.gpg] x y z\n', 1, false)).toBeUndefined()
  })
  test('records', () => {
    expect(parseRecord('Package: a\nVersion: 1:2-3\nDepends: b (= 1), c | d\nSize: 5\n')).toEqual({ name: 'a', version: '1:2-3', depends: ['b', 'c'], bytes: 5 })
    expect(parseRecord('')).toBeUndefined()
  })
})

test('the cache folder', () => {
  expect(cacheFolder({ NIDUS_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a')
  expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/nidus')
  expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).toMatch(/\/\.cache\/nidus$/)
})

test('modules come with what they depend on, in order', async () => {
  const files = new Map(Object.entries({
    'lib/modules/1/kernel/fs/ext4/ext4.ko': 'depends=jbd2,mbcache\0alias=fs-ext4\0name=ext4\0', 'lib/modules/1/kernel/fs/jbd2/jbd2.ko': 'depends=odd-one\0name=jbd2\0',
    'lib/modules/1/kernel/fs/mbcache.ko': 'depends=\0name=mbcache\0', 'lib/modules/1/kernel/lib/odd-one.ko': 'depends=\0name=odd_one\0', 'lib/modules/1/kernel/sound/snd.ko': 'depends=\0name=snd\0',
  }).map(([path, info]) => [path, moduleFile(info)]))
  let passes = 0
  const modules = await collectModules(async wanted => {
    passes++
    return new Map([...files].filter(([path]) => wanted(path)))
  })
  expect(modules.map(({ info }) => info.name)).toEqual(['odd_one', 'jbd2', 'mbcache', 'ext4'])
  expect(passes).toBe(2)
  expect(moduleIndex(modules)).toEqual({
    dep: 'kernel/lib/odd-one.ko:\nkernel/fs/jbd2/jbd2.ko: kernel/lib/odd-one.ko\nkernel/fs/mbcache.ko:\nkernel/fs/ext4/ext4.ko: kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko kernel/lib/odd-one.ko\n',
    alias: 'alias fs-ext4 ext4\n',
  })
})

test('a module that does not unpack is bad input', async () => {
  for (const extension of ['.xz', '.zst', '.gz']) {
    const files = new Map([[`lib/modules/1/kernel/ext4.ko${extension}`, bytes('damaged')]])
    await expect(collectModules(async wanted => new Map([...files].filter(([path]) => wanted(path))))).rejects.toThrow(BadInput)
  }
})

test('the list of commands checks its own output', () => {
  const right = COMMAND_LIST.map(({ name, output }) => `CHECK ${name}: ${output}\r\n`).join('')
  expect(checkList(`boot\r\n${right}LIST-END\r\n`)).toEqual([])
  expect(checkList(right.replace('CHECK fork: 100', 'CHECK fork: 99').replace(/CHECK random.*\r\n/, ''))).toEqual(["fork: '99' instead of '100'", 'random: no output', 'the list did not reach LIST-END'])
  for (const { name } of COMMAND_LIST) expect(LIST_SCRIPT).toContain(`\ncheck ${name} '`)
  expect(INIT_SCRIPT).toMatch(/^#!/)
})

test('a kernel image names its release', () => {
  expect(releaseInImage(bytes('x Linux version %s (%s) Linux version 6.12.1+deb13-arm64 (debian'))).toBe('6.12.1+deb13-arm64')
  expect(releaseInImage(bytes('nothing'))).toBeUndefined()
})

describe('packages', () => {
  let folder: string
  beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'nidus-debian-')) })
  afterAll(() => { rmSync(folder, { recursive: true }) })

  const member = (name: string, data: Uint8Array): Uint8Array[] =>
    [bytes(`${name.padEnd(16)}0           0     0     100644  ${String(data.length).padEnd(10)}\`\n`), data, bytes(data.length % 2 === 1 ? '\n' : '')]
  async function deb(name: string, files: Readonly<Record<string, Uint8Array>>, compress: (data: Uint8Array) => Uint8Array, extension: string): Promise<string> {
    const tar = (entries: Readonly<Record<string, Uint8Array>>) => packTar(Object.entries(entries).map(([path, data]) => ({ header: { name: `./${path}`, size: data.length, type: 'file' as const }, body: data })))
    const path = join(folder, `${name}.deb`)
    writeFileSync(path, Buffer.concat([
      bytes('!<arch>\n'), ...member('debian-binary', bytes('2.0\n')), ...member('control.tar.gz', gzipSync(await tar({ control: bytes(`Package: ${name}\nVersion: 1-2\nArchitecture: arm64\n`) }))),
      ...member(`data.tar${extension}`, compress(await tar(files))),
    ]))
    return path
  }
  const kernelDeb = () => deb('linux-image-6.12.1+deb13-cloud-arm64', {
    'boot/vmlinuz-6.12.1+deb13-cloud-arm64': bytes('kernel'), 'usr/lib/modules/6.12.1+deb13-cloud-arm64/kernel/drivers/virtio_mmio.ko': moduleFile('depends=\0name=virtio_mmio\0'),
  }, data => gzipSync(data), '.gz')
  const busyboxDeb = () => deb('busybox-static', { 'usr/bin/busybox': bytes('busybox') }, zstdCompressSync, '.zst')

  test('name, version and files', async () => {
    const path = await kernelDeb()
    expect(await identifyPackage(path)).toEqual({ name: 'linux-image-6.12.1+deb13-cloud-arm64', version: '1-2', file: path, bytes: readFileSync(path).length, sha256: sha256(readFileSync(path)) })
    const files = await readPackage(path, each => each.startsWith('boot/'))
    expect([...files].map(([name, data]) => [name, new TextDecoder().decode(data)])).toEqual([['boot/vmlinuz-6.12.1+deb13-cloud-arm64', 'kernel']])
  })
  test('what is no package, or a damaged one, is bad input', async () => {
    const text = join(folder, 'text.deb')
    writeFileSync(text, 'text')
    await expect(identifyPackage(text)).rejects.toThrow(/is not a Debian package/)
    await expect(identifyPackage(join(folder, 'absent.deb'))).rejects.toThrow(/there is no file/)
    await expect(readPackage(text, () => true)).rejects.toThrow(/text\.deb|ar archive/)
    const whole = readFileSync(await busyboxDeb())
    for (const cut of [20, 60, 150]) {
      writeFileSync(text, whole.subarray(0, whole.length - cut))
      for (const useDpkg of [undefined, false]) await expect(readPackage(text, () => true, useDpkg)).rejects.toThrow(BadInput)
    }
    for (const [extension, compress] of [['.xz', (data: Uint8Array) => data], ['.gz', (data: Uint8Array) => data.subarray(1)], ['.lzma', (data: Uint8Array) => data]] as const) {
      await expect(readPackage(await deb('odd', { x: bytes('x') }, compress, extension), () => true, false)).rejects.toThrow(BadInput)
    }
  })
  test.each([['.gz', (data: Uint8Array) => gzipSync(data)], ['.zst', (data: Uint8Array) => zstdCompressSync(data)], ['', (data: Uint8Array) => data]] as const)('without dpkg-deb: data.tar%s', async (extension, compress) => {
    const path = await deb('some', { 'usr/a': bytes('A'), 'usr/b': bytes('B') }, compress, extension)
    expect([...await readPackage(path, each => each === 'usr/b', false)].map(([name, data]) => [name, new TextDecoder().decode(data)])).toEqual([['usr/b', 'B']])
  })
  test('from package files to the cache, and back by name', async () => {
    const cache = join(folder, 'cache'), options = { cache }
    const manifest = await fetchDebian(undefined, { debs: [await busyboxDeb(), await kernelDeb()] }, options)
    expect(manifest).toMatchObject({ name: '6.12-cloud', release: '6.12.1+deb13-cloud-arm64', initramfs: { modules: ['virtio_mmio'] } })
    expect(manifest.packages.map(({ name }) => name)).toEqual(['linux-image-6.12.1+deb13-cloud-arm64', 'busybox-static'])
    expect(readFileSync(kernelPath(manifest, cache), 'utf8')).toBe('kernel')
    const initramfs = readFileSync(initramfsPath(manifest, cache))
    expect(sha256(initramfs)).toBe(manifest.initramfs.sha256)
    const unpacked = gunzipSync(initramfs).toString('latin1')
    for (const part of ['busybox', 'lib/modules/6.12.1+deb13-cloud-arm64/modules.dep', 'MARK-BOOT', 'LIST-END']) expect(unpacked).toContain(part)
    expect(storedKernel(parseDebianName('debian:6.12'), cache)).toEqual(manifest)
    expect(storedKernel(parseDebianName('debian:6.12-full'), cache)).toBeUndefined()
    // Old scripts are replaced, a file of another size is fetched again.
    const place = join(cache, 'debian', manifest.release, 'manifest.json')
    writeFileSync(place, JSON.stringify({ ...manifest, initramfs: { ...manifest.initramfs, scripts: 'old' } }))
    expect(storedKernel(parseDebianName('debian:6.12'), cache)).toEqual(manifest)
    writeFileSync(kernelPath(manifest, cache), 'kern')
    expect(storedKernel(parseDebianName('debian:6.12'), cache)).toBeUndefined()
  })
  test('a kernel of the user, under its own name', async () => {
    const image = new Uint8Array(4096), cache = join(folder, 'cache2'), file = join(folder, 'Image'), busybox = join(folder, 'busybox')
    image.set(bytes('ARM\x64'), 0x38)
    image.set(bytes('Linux version 6.18.0-rc1 (me) '), 100)
    writeFileSync(file, image)
    writeFileSync(busybox, 'busybox')
    expect(await fetchDebian(undefined, { kernel: file, busybox }, { cache })).toMatchObject({ name: '6.18.0-rc1', release: '6.18.0-rc1', packages: [] })
    expect(await fetchDebian(parseDebianName('debian:6.18'), { kernel: file, busybox }, { cache })).toMatchObject({ name: '6.18-cloud', release: '6.18.0-rc1' })
    await expect(fetchDebian(undefined, { kernel: busybox, busybox }, { cache })).rejects.toThrow(/--kernel|image/)
  })
})
