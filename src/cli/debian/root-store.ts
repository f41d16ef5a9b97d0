/** Root file systems in the cache: `rootfs/<suite>-<key>/` with the image, its manifest and what the second stage said; the key covers all that the image is made of. */
import { closeSync, existsSync, fstatSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { BadInput } from '../../arch/bad-input.ts'
import { diskDigest } from '../disk.ts'
import { DebianSuite, sha256, systemArchive, type DebianOptions } from './apt.ts'
import { debianImage } from './image.ts'
import { writeRootImage } from './root-image.ts'
import { runSecondStage, secondStageScript, SecondStageFailed } from './second-stage.ts'

/** Also when what is written into the image has changed. */
const FORMAT = 2
/** Runs the scripts; any of the kernels can boot the image. */
const KERNEL = 'debian:6.12'
/** apt's patterns (apt-patterns(7)) for what every Debian has, and what boots and lets one log in. */
const BASE = ['?essential', '?priority(required)', 'systemd-sysv', 'udev', 'dbus', 'login', 'passwd', 'mount', 'iproute2']
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]+$/

export interface RootRequest {
  readonly suite: string
  readonly include: readonly string[]
  readonly bytes: number
}

export interface RootManifest {
  readonly format: typeof FORMAT
  readonly suite: string
  readonly include: readonly string[]
  readonly bytes: number
  readonly packages: readonly { readonly name: string, readonly version: string, readonly bytes: number, readonly sha256: string }[]
  readonly kernel: string
  /** What configuring them took. */
  readonly instructions: number
  readonly image: string
}

/** `debian`, `debian:trixie`; a kernel's name is not one of these. */
export function parseSuite(text: string): string {
  const suite = /^debian(?::([a-z][a-z0-9-]*))?$/.exec(text)
  if (suite === null) throw new BadInput(`'${text}'`, 'write debian:X, X a suite such as trixie or bookworm')
  return suite[1] ?? 'stable'
}

export function parseInclude(text: string): string[] {
  const names = text.split(',').map(name => name.trim()).filter(name => name !== ''), wrong = names.find(name => !PACKAGE_NAME.test(name))
  if (wrong !== undefined) throw new BadInput('--include', `'${wrong}' is no name of a package`)
  return names
}

/** Makes the image unless it is there. Throws BadInput. */
export async function rootImage({ suite, include, bytes }: RootRequest, options: DebianOptions): Promise<{ readonly manifest: RootManifest, readonly path: string }> {
  const progress = options.progress ?? (() => {}), view = await DebianSuite.open(suite, options), codename = await view.codename(), wanted = [...new Set(include)].sort()
  const packages = await view.downloadWithDependencies([...BASE, ...wanted]), source = { uri: (await systemArchive()).uri, suite: codename }
  const key = sha256(Buffer.from(JSON.stringify([FORMAT, codename, wanted, bytes, source, secondStageScript([]), packages.map(each => each.sha256)])))
  const folder = join(options.cache, 'rootfs', `${codename}-${key.slice(0, 16)}`), path = join(folder, 'rootfs.img'), manifestPath = join(folder, 'manifest.json')
  if (existsSync(manifestPath) && statSync(path, { throwIfNoEntry: false })?.size === bytes) return { manifest: JSON.parse(readFileSync(manifestPath, 'utf8')) as RootManifest, path }
  mkdirSync(folder, { recursive: true })
  const making = `${path}.${process.pid}.tmp`
  try {
    await writeRootImage(making, packages, { bytes, uuid: Buffer.from(key.slice(0, 32), 'hex'), label: codename, source, progress })
    const kernel = await debianImage(KERNEL)
    const { log, instructions } = await runSecondStage(making, kernel, progress)
    writeFileSync(join(folder, 'second-stage.log'), log)
    const manifest: RootManifest = {
      format: FORMAT, suite: codename, include: wanted, bytes, packages: packages.map(({ name, version, bytes: size, sha256: hash }) => ({ name, version, bytes: size, sha256: hash })),
      kernel: kernel.release, instructions, image: diskDigest(making),
    }
    renameSync(making, path)
    writeFileSync(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`)
    return { manifest, path }
  } catch (error) {
    if (!(error instanceof SecondStageFailed)) throw error
    const log = join(folder, 'second-stage.log')
    writeFileSync(log, error.log)
    throw new BadInput(`debian:${suite}`, `${error.message}; all that the scripts said is in ${log}`)
  } finally { rmSync(making, { force: true }) }
}

const CHUNK = 1 << 20


/** A copy that has holes where there are zeros: an image is mostly that. */
export function copySparse(from: string, to: string): void {
  const source = openSync(from, 'r'), own = `${to}.${process.pid}.tmp`
  let target: number
  try { target = openSync(own, 'w') } catch (error) {
    closeSync(source)
    throw new BadInput('--output', `${to} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
  }
  try {
    const { size } = fstatSync(source), chunk = new Uint8Array(CHUNK), zeros = Buffer.alloc(CHUNK)
    ftruncateSync(target, size)
    for (let at = 0; at < size;) {
      const count = readSync(source, chunk, 0, CHUNK, at)
      if (count === 0) break
      if (zeros.compare(chunk, 0, count, 0, count) !== 0) writeSync(target, chunk, 0, count, at)
      at += count
    }
    closeSync(target)
    renameSync(own, to)
  } finally {
    closeSync(source)
    rmSync(own, { force: true })
  }
}
