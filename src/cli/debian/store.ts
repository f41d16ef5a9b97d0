/**
 * Fetched kernels: `debian/<release>/` in the cache with the kernel, the initramfs and a manifest that says what they were made from, and
 * `debian/names/<name>.json`, which says what release a name stood for when it was fetched.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BadInput } from '../../arch/bad-input.ts'
import { unwrapImage } from '../../arch/image/compressed.ts'
import { decompress } from '../decompress.ts'
import { inputFile } from '../options.ts'
import { sha256, type DebianOptions, type PackageFile } from './apt.ts'
import { packagePart, scriptPart } from './initramfs.ts'
import { busyboxOf, downloadBusybox, downloadKernel, kernelFiles, releaseInImage, type KernelFiles } from './kernel.ts'
import { nameOfRelease, type DebianName } from './name.ts'
import { identifyPackage } from './package.ts'

const FORMAT = 1

interface StoredFile { readonly file: string, readonly bytes: number, readonly sha256: string }

export interface Manifest {
  readonly format: typeof FORMAT
  readonly name: string
  readonly release: string
  /** Undefined for files that the user brought. */
  readonly suite?: string
  readonly packages: readonly { readonly name: string, readonly version: string, readonly bytes: number, readonly sha256: string }[]
  readonly kernel: StoredFile
  readonly initramfs: StoredFile & {
    readonly modules: readonly string[]
    /** The first bytes come from packages; what follows are our scripts, as of this hash. */
    readonly packageBytes: number
    readonly scripts: string
  }
}

export interface FetchSources {
  /** Package files that the user brought. */
  readonly debs?: readonly string[]
  /** A kernel image that the user brought. */
  readonly kernel?: string
  /** A static busybox for arm64 that the user brought. */
  readonly busybox?: string
}

const KERNEL_FILE = 'vmlinuz', INITRAMFS_FILE = 'initramfs.gz', MANIFEST_FILE = 'manifest.json'
const pathOf = (cache: string, ...parts: string[]): string => join(cache, 'debian', ...parts)

/** Fetches by name through apt, or takes the user's files; everything is in the cache afterwards. Throws BadInput. */
export async function fetchDebian(name: DebianName | undefined, sources: FetchSources, options: DebianOptions): Promise<Manifest> {
  const progress = options.progress ?? (() => {})
  const debs: PackageFile[] = []
  for (const deb of sources.debs ?? []) debs.push(await identifyPackage(deb))
  const busyboxDeb = debs.find(deb => deb.name.startsWith('busybox')), kernelDebs = debs.filter(deb => deb !== busyboxDeb)

  let packages: readonly PackageFile[] = kernelDebs, suite: string | undefined, files: KernelFiles
  if (sources.kernel !== undefined) {
    const image = await unwrapImage(inputFile('--kernel', sources.kernel), decompress)
    files = { image, release: releaseInImage(image), modules: [] }
  } else {
    if (kernelDebs.length === 0) {
      if (name === undefined) throw new BadInput('nidus fetch', 'nothing to fetch; write debian:X, or give --deb FILE or --kernel FILE')
      const found = await downloadKernel(name, options)
      packages = found.packages
      suite = found.suite
    }
    progress(`kernel and modules out of ${packages.map(each => each.name).join(', ')}`)
    files = await kernelFiles(packages)
  }
  const { release } = files, title = name?.canonical ?? (release === undefined ? undefined : nameOfRelease(release) ?? release)
  if (release === undefined || title === undefined) throw new BadInput('--kernel', `${sources.kernel} does not say which version it is; is it an arm64 Linux kernel?`)

  let busybox: Uint8Array, busyboxPackage: PackageFile | undefined = busyboxDeb
  if (sources.busybox !== undefined) busybox = inputFile('--busybox', sources.busybox)
  else {
    try {
      busyboxPackage ??= await downloadBusybox(options)
    } catch (error) {
      if (!(error instanceof BadInput) || (kernelDebs.length === 0 && sources.kernel === undefined)) throw error
      throw new BadInput('nidus fetch', 'busybox for the initramfs is missing and apt does not bring it; give --deb busybox-static_..._arm64.deb or --busybox FILE')
    }
    busybox = await busyboxOf(busyboxPackage)
  }

  progress('initramfs')
  const fixed = packagePart(busybox, release, files.modules), scripts = scriptPart(), initramfs = Buffer.concat([fixed, scripts])
  const manifest: Manifest = {
    format: FORMAT, name: title, release, ...(suite === undefined ? {} : { suite }),
    packages: [...packages, ...(busyboxPackage === undefined ? [] : [busyboxPackage])].map(({ name, version, bytes, sha256 }) => ({ name, version, bytes, sha256 })),
    kernel: { file: KERNEL_FILE, bytes: files.image.length, sha256: sha256(files.image) },
    initramfs: { file: INITRAMFS_FILE, bytes: initramfs.length, sha256: sha256(initramfs), modules: files.modules.map(({ info }) => info.name), packageBytes: fixed.length, scripts: sha256(scripts) },
  }
  const folder = pathOf(options.cache, release)
  mkdirSync(folder, { recursive: true })
  mkdirSync(pathOf(options.cache, 'names'), { recursive: true })
  replace(join(folder, KERNEL_FILE), files.image)
  replace(join(folder, INITRAMFS_FILE), initramfs)
  replace(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`)
  replace(pathOf(options.cache, 'names', `${title}.json`), `${JSON.stringify({ format: FORMAT, release })}\n`)
  return manifest
}

/** What was fetched under this name and is complete; its scripts are brought up to date. */
export function storedKernel(name: DebianName, cache: string): Manifest | undefined {
  const pointer = readJson<{ format: number, release: string }>(pathOf(cache, 'names', `${name.canonical}.json`))
  if (pointer?.format !== FORMAT) return undefined
  const folder = pathOf(cache, pointer.release), manifest = readJson<Manifest>(join(folder, MANIFEST_FILE))
  if (manifest?.format !== FORMAT) return undefined
  const { kernel, initramfs } = manifest
  for (const { file, bytes } of [kernel, initramfs]) if (statSync(join(folder, file), { throwIfNoEntry: false })?.size !== bytes) return undefined
  const scripts = scriptPart(), hash = sha256(scripts)
  if (hash === initramfs.scripts) return manifest
  const whole = Buffer.concat([readFileSync(join(folder, initramfs.file)).subarray(0, initramfs.packageBytes), scripts])
  const renewed: Manifest = { ...manifest, initramfs: { ...initramfs, bytes: whole.length, sha256: sha256(whole), scripts: hash } }
  replace(join(folder, initramfs.file), whole)
  replace(join(folder, MANIFEST_FILE), `${JSON.stringify(renewed, null, 2)}\n`)
  return renewed
}

export const kernelPath = (manifest: Manifest, cache: string): string => pathOf(cache, manifest.release, manifest.kernel.file)
export const initramfsPath = (manifest: Manifest, cache: string): string => pathOf(cache, manifest.release, manifest.initramfs.file)

/** Undefined for a file that is missing or not ours; then it is fetched again. */
function readJson<T>(path: string): T | undefined {
  try { return JSON.parse(readFileSync(path, 'utf8')) as T } catch { return undefined }
}

/** A reader sees the old file or the new one, never a part. */
function replace(path: string, content: Uint8Array | string): void {
  const own = `${path}.${process.pid}.tmp`
  writeFileSync(own, content)
  renameSync(own, path)
}
