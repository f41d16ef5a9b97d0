/**
 * Debian's arm64 packages through the machine's own apt, without touching the system: a private view (sources, lists and cache in a
 * folder of ours, architecture arm64) whose archive is taken from apt's configuration. Nothing is installed; packages are unpacked.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export class NoDebianArchive extends Error {}

/** Debian's keyring as its package installs it; apt's default keys where it is not there. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** How long package lists are believed, in milliseconds. */
const LISTS_FRESH_MS = 24 * 3600 * 1000

/** The address of the Debian archive that this machine's apt uses. */
async function archive(): Promise<string> {
  let out: string
  try {
    out = (await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(ORIGIN) $(RELEASE) $(SITE)', 'Created-By: Packages'])).stdout
  } catch {
    throw new NoDebianArchive('there is no apt here: download the package elsewhere and pass it with --deb FILE')
  }
  for (const line of out.split('\n')) {
    const [uri = ''] = line.split(' ')
    // The main archive, not debian-security or somebody else's repository.
    if (/\/debian\/?$/.test(uri)) return uri
  }
  throw new NoDebianArchive('apt knows no Debian archive here: download the package elsewhere and pass it with --deb FILE')
}

export interface PackageRecord {
  readonly name: string
  readonly version: string
  readonly depends: readonly string[]
  readonly size: number
}

export interface DebianOptions {
  /** Folder for lists, packages and unpacked files; created. */
  readonly cache: string
  readonly log?: (line: string) => void
}

/** The arm64 packages of one suite, e.g. `trixie` or `trixie-backports`. */
export class DebianSuite {
  readonly suite: string
  readonly #folder: string
  readonly #packages: string
  readonly #options: readonly string[]
  readonly #log: (line: string) => void

  private constructor(suite: string, cache: string, log: (line: string) => void) {
    this.suite = suite
    this.#folder = join(cache, 'apt', suite)
    this.#packages = join(cache, 'packages')
    this.#log = log
    this.#options = [
      'APT::Architecture=arm64', 'APT::Architectures=arm64', `Dir::Etc::sourcelist=${join(this.#folder, 'sources.list')}`, 'Dir::Etc::sourceparts=/dev/null', 'Dir::Etc::preferencesparts=/dev/null',
      `Dir::State::Lists=${join(this.#folder, 'lists')}`, `Dir::Cache=${join(this.#folder, 'cache')}`, 'Dir::State::status=/dev/null', 'Acquire::Languages=none', 'APT::Sandbox::User=root',
    ].flatMap(option => ['-o', option])
  }

  static async open(suite: string, options: DebianOptions): Promise<DebianSuite> {
    const view = new DebianSuite(suite, resolve(options.cache), options.log ?? (() => {}))
    await view.#update()
    return view
  }

  async #update(): Promise<void> {
    const stamp = join(this.#folder, 'updated')
    if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < LISTS_FRESH_MS) return
    const uri = await archive()
    mkdirSync(join(this.#folder, 'lists', 'partial'), { recursive: true })
    mkdirSync(join(this.#folder, 'cache', 'archives', 'partial'), { recursive: true })
    const signed = existsSync(KEYRING) ? ` signed-by=${KEYRING}` : ''
    writeFileSync(join(this.#folder, 'sources.list'), `deb [arch=arm64${signed}] ${uri} ${this.suite} main\n`)
    this.#log(`package lists of ${this.suite} (arm64)`)
    await run('apt-get', [...this.#options, '-q', 'update'], { maxBuffer: 1 << 24 })
    writeFileSync(stamp, '')
  }

  /** The newest version of `name` in this suite. */
  async show(name: string): Promise<PackageRecord | undefined> {
    let text: string
    try {
      text = (await run('apt-cache', [...this.#options, 'show', '--no-all-versions', name], { maxBuffer: 1 << 24 })).stdout
    } catch {
      return undefined
    }
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1] ?? ''
    if (field('Package') === '') return undefined
    return { name: field('Package'), version: field('Version'), size: Number(field('Size')), depends: field('Depends').split(/\s*,\s*/).filter(text => text !== '').map(entry => entry.split(/[\s|(]/)[0]!) }
  }

  /** Names of all packages of the suite that match. */
  async names(pattern: RegExp): Promise<string[]> {
    const { stdout } = await run('apt-cache', [...this.#options, 'pkgnames', 'linux-'], { maxBuffer: 1 << 24 })
    return stdout.split('\n').filter(name => pattern.test(name)).sort()
  }

  /** The .deb of a package, from the cache or downloaded. */
  async download(name: string): Promise<string> {
    const record = await this.show(name)
    if (record === undefined) throw new Error(`there is no package ${name} in ${this.suite}`)
    mkdirSync(this.#packages, { recursive: true })
    const file = join(this.#packages, `${record.name}_${record.version.replaceAll(':', '%3a')}_arm64.deb`)
    if (existsSync(file)) return file
    this.#log(`${record.name} ${record.version} (${(record.size / 1e6).toFixed(1)} MB)`)
    const incoming = join(this.#folder, 'incoming')
    mkdirSync(incoming, { recursive: true })
    await run('apt-get', [...this.#options, '-q', 'download', `${name}=${record.version}`], { cwd: incoming, maxBuffer: 1 << 24 })
    const got = readdirSync(incoming).find(entry => entry.startsWith(`${record.name}_`) && entry.endsWith('.deb'))
    if (got === undefined) throw new Error(`apt-get did not leave ${name}.deb`)
    renameSync(join(incoming, got), file)
    return file
  }

  /** The folder with the files of a package. */
  async unpacked(name: string): Promise<string> {
    return unpack(await this.download(name))
  }
}

/** Unpacks a .deb beside itself (once) and returns the folder. */
export async function unpack(deb: string): Promise<string> {
  const folder = deb.replace(/\.deb$/, '')
  if (existsSync(folder)) return folder
  const partial = `${folder}.partial`
  try {
    await run('dpkg-deb', ['-x', deb, partial])
  } catch (error) {
    throw new Error(`${basename(deb)}: ${error instanceof Error ? error.message.split('\n')[0] : 'cannot be unpacked'}`)
  }
  renameSync(partial, folder)
  return folder
}

export type KernelFlavour = 'cloud' | 'full'

export interface Kernel {
  /** e.g. `6.12.48+deb13-cloud-arm64`. */
  readonly release: string
  readonly suite: string
  readonly flavour: KernelFlavour
  /** vmlinuz: an arm64 Image. */
  readonly image: string
  /** Folder `modules/<release>`; undefined when modules were not asked for. */
  readonly modules: string | undefined
  readonly packages: readonly string[]
}

/** Which suite has which series; the newest kernels are in the backports of the newest release. */
export const KERNEL_SUITES = { '5.10': 'bullseye', '6.1': 'bookworm', '6.12': 'trixie', '7': 'trixie-backports' } as const
export type KernelSeries = keyof typeof KERNEL_SUITES
export const XEN_SUITES = { '4.17': 'bookworm', '4.20': 'trixie' } as const
export type XenSeries = keyof typeof XEN_SUITES

/** Downloads a kernel. Up to 6.12 one package has all of it; later ones are split into image, modules and base. */
export async function fetchKernel(series: KernelSeries, flavour: KernelFlavour, options: DebianOptions & { readonly modules?: boolean }): Promise<Kernel> {
  const suite = KERNEL_SUITES[series], view = await DebianSuite.open(suite, options)
  const meta = flavour === 'cloud' ? 'linux-image-cloud-arm64' : 'linux-image-arm64'
  const record = await view.show(meta)
  const name = record?.depends.find(dependency => dependency.startsWith('linux-image-') && /\d/.test(dependency))
  if (name === undefined) throw new Error(`${suite} has no ${meta}`)
  const release = name.replace('linux-image-', '')
  // The image package of split kernels is empty and depends on linux-binary-*.
  const binary = (await view.names(new RegExp(`^linux-binary-(unsigned-)?${release.replace(/[.+]/g, '\\$&')}$`)))[0]
  const packages = binary === undefined ? [name] : [binary, ...(options.modules === true ? [`linux-modules-${release}`, `linux-base-${release}`] : [])]
  const folders: string[] = []
  for (const entry of packages) folders.push(await view.unpacked(entry))
  const image = find(folders, [`boot/vmlinuz-${release}`, `usr/lib/modules/${release}/vmlinuz`, `usr/lib/modules/${release}/vmlinuz.unsigned`, `lib/modules/${release}/vmlinuz`])
  if (image === undefined) throw new Error(`${packages.join(', ')}: no vmlinuz`)
  const modules = options.modules === true ? find(folders, [`lib/modules/${release}/kernel`, `usr/lib/modules/${release}/kernel`]) : undefined
  return { release, suite, flavour, image, modules: modules === undefined ? undefined : resolve(modules, '..'), packages }
}

/** Downloads the Xen hypervisor image (an arm64 Image, possibly gzip). */
export async function fetchXen(series: XenSeries, options: DebianOptions): Promise<{ readonly image: string, readonly package: string }> {
  const suite = XEN_SUITES[series], view = await DebianSuite.open(suite, options), name = `xen-hypervisor-${series}-arm64`
  const folder = await view.unpacked(name)
  const file = readdirSync(join(folder, 'boot')).find(entry => /^xen-.*arm64(\.gz|\.efi)?$/.test(entry) && !entry.endsWith('.efi'))
  if (file === undefined) throw new Error(`${name}: no boot/xen-*-arm64`)
  return { image: join(folder, 'boot', file), package: name }
}

function find(folders: readonly string[], paths: readonly string[]): string | undefined {
  for (const path of paths) for (const folder of folders) if (existsSync(join(folder, path))) return join(folder, path)
  return undefined
}

/** The kernel image inside a .deb that somebody else downloaded. */
export async function kernelFromDeb(deb: string): Promise<string> {
  const folder = await unpack(deb)
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(path => /(^|\/)(vmlinuz[^/]*|xen-[^/]*arm64(\.gz)?)$/.test(path)).sort()[0]
  if (found === undefined) throw new Error(`${basename(deb)} contains no kernel`)
  return join(folder, found)
}

export function readKernel(file: string): Uint8Array {
  return readFileSync(file)
}
