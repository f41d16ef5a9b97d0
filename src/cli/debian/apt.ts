/**
 * Debian's arm64 packages through the machine's own apt, without touching the system: a private view (sources, lists and cache in a folder
 * of ours, architecture arm64) of the archive and with the keyring that apt is configured with. Nothing is installed.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { BadInput } from '../../arch/bad-input.ts'

const run = promisify(execFile)
const OUTPUT = { maxBuffer: 1 << 26 }

/** Debian's keyring as its package installs it. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** How long package lists are believed, in milliseconds. */
const LISTS_FRESH = 24 * 3600 * 1000
const POLL = 200

export interface PackageRecord {
  readonly name: string
  readonly version: string
  readonly depends: readonly string[]
  readonly bytes: number
}

export interface PackageFile {
  readonly name: string
  readonly version: string
  readonly file: string
  readonly bytes: number
  readonly sha256: string
}

export interface DebianOptions {
  /** Folder for lists and packages; created. */
  readonly cache: string
  /** What is being done, for a person who waits. */
  readonly progress?: (text: string) => void
  /** Download lists although they are fresh. */
  readonly refresh?: boolean
}

export interface Archive { readonly uri: string, readonly keyring: string | undefined }

const noApt = (): BadInput => new BadInput('nidus fetch', 'there is no apt on this machine; download the packages elsewhere and pass them with --deb FILE, or a kernel with --kernel FILE')
const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

/** Lines of `apt-get indextargets` in this format. */
const TARGET_FORMAT = '$(REPO_URI)|$(LABEL)|$(SOURCESENTRY)'

/** The Debian archive that this machine's apt uses, without the security archive and other people's. */
export async function systemArchive(): Promise<Archive> {
  let lines: string[]
  try {
    // Without release information: the system's own lists may never have been downloaded.
    lines = (await run('apt-get', ['indextargets', '--no-release-info', '--format', TARGET_FORMAT, 'Created-By: Packages'], OUTPUT)).stdout.split('\n')
  } catch {
    throw noApt()
  }
  const found = chooseArchive(lines)
  if (found === undefined) throw new BadInput('nidus fetch', 'apt is not configured for a Debian archive here; download the packages elsewhere and pass them with --deb FILE, or a kernel with --kernel FILE')
  const [file = '', entry = '1'] = found.source.split(/:(?=\d+$)/)
  let source = ''
  try { source = readFileSync(file, 'utf8') } catch { /* Then the default keyring. */ }
  const keyring = keyringOf(source, Number(entry), file.endsWith('.sources')) ?? (existsSync(KEYRING) ? KEYRING : undefined)
  return { uri: found.uri, keyring }
}

/** Exported for tests. */
export function chooseArchive(lines: readonly string[]): { readonly uri: string, readonly source: string } | undefined {
  const targets = lines.map(line => line.split('|')).filter(fields => fields.length === 3).map(([uri, label, source]) => ({ uri: uri!, label: label!, source: source! }))
  // With lists the archive says who it is; without them there is only its path.
  const found = targets.find(({ label }) => label === 'Debian') ?? targets.find(({ uri }) => /\/debian\/?$/.test(uri))
  return found === undefined ? undefined : { uri: found.uri, source: found.source }
}

/** Signed-By of one entry of a source list: stanza (.sources) or line (.list) number `entry`, from 1. A key inside the list is not taken. */
export function keyringOf(source: string, entry: number, deb822: boolean): string | undefined {
  const path = deb822
    ? /^Signed-By:[ \t]*(\/\S+)/im.exec(source.split(/\n[ \t]*\n/).filter(stanza => /^[^#\s]/m.test(stanza))[entry - 1] ?? '')?.[1]
    : /\[[^\]]*signed-by=(\/[^\s\],]+)/i.exec(source.split('\n')[entry - 1] ?? '')?.[1]
  return path !== undefined && existsSync(path) ? path : undefined
}

/** The arm64 packages of one suite, e.g. `trixie` or `trixie-backports`. */
export class DebianSuite {
  readonly suite: string
  readonly #folder: string
  readonly #packages: string
  readonly #options: readonly string[]
  readonly #progress: (text: string) => void

  private constructor(suite: string, options: DebianOptions) {
    const cache = resolve(options.cache)
    this.suite = suite
    this.#folder = join(cache, 'apt', suite)
    this.#packages = join(cache, 'packages')
    this.#progress = options.progress ?? (() => {})
    this.#options = [
      'APT::Architecture=arm64', 'APT::Architectures=arm64', `Dir::Etc::sourcelist=${join(this.#folder, 'sources.list')}`, 'Dir::Etc::sourceparts=/dev/null', 'Dir::Etc::preferencesparts=/dev/null',
      `Dir::State::Lists=${join(this.#folder, 'lists')}`, `Dir::Cache=${join(this.#folder, 'cache')}`,
      // Containers often switch these off, and then every question costs seconds.
      'Dir::Cache::pkgcache=pkgcache.bin', 'Dir::Cache::srcpkgcache=srcpkgcache.bin', 'Dir::State::status=/dev/null', 'Acquire::Languages=none', 'APT::Sandbox::User=root',
    ].flatMap(option => ['-o', option])
  }

  static async open(suite: string, options: DebianOptions): Promise<DebianSuite> {
    const view = new DebianSuite(suite, options)
    await view.#update(options.refresh ?? false)
    return view
  }

  async #update(refresh: boolean): Promise<void> {
    const stamp = join(this.#folder, 'updated')
    if (!refresh && existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < LISTS_FRESH) return
    const { uri, keyring } = await systemArchive()
    mkdirSync(join(this.#folder, 'lists', 'partial'), { recursive: true })
    mkdirSync(join(this.#folder, 'cache', 'archives', 'partial'), { recursive: true })
    writeFileSync(join(this.#folder, 'sources.list'), `deb [arch=arm64${keyring === undefined ? '' : ` signed-by=${keyring}`}] ${uri} ${this.suite} main\n`)
    this.#progress(`package lists of ${this.suite}`)
    await this.#apt('apt-get', ['-q', 'update', '--error-on=any'], `suite ${this.suite}`)
    writeFileSync(stamp, '')
  }

  async #apt(tool: 'apt-get' | 'apt-cache', args: readonly string[], what: string, cwd?: string): Promise<string> {
    try {
      return (await run(tool, [...this.#options, ...args], { ...OUTPUT, ...(cwd === undefined ? {} : { cwd }) })).stdout
    } catch (error) {
      // Also where the lists of another day are still there.
      if (isAbsent(error)) throw noApt()
      const lines = String((error as { stderr?: string }).stderr ?? error).split('\n').filter(line => /^[EW]:/.test(line))
      throw new BadInput(what, `${tool} failed: ${(lines[0] ?? 'no reason given').replace(/^[EW]:\s*/, '')}`)
    }
  }

  /** `trixie` where the suite was opened as `stable`. */
  async codename(): Promise<string> {
    return (await this.#apt('apt-get', ['indextargets', '--format', '$(CODENAME)', 'Created-By: Packages'], `suite ${this.suite}`)).split('\n')[0]?.trim() || this.suite
  }

  /** The newest version of `name` in this suite. */
  async show(name: string): Promise<PackageRecord | undefined> {
    let text: string
    try {
      text = (await run('apt-cache', [...this.#options, 'show', '--no-all-versions', name], OUTPUT)).stdout
    } catch (error) {
      if (isAbsent(error)) throw noApt()
      return undefined
    }
    return parseRecord(text)
  }

  /** Names of all packages of the suite that begin with `linux-` and match. */
  async names(pattern: RegExp): Promise<string[]> {
    const stdout = await this.#apt('apt-cache', ['pkgnames', 'linux-'], `suite ${this.suite}`)
    return stdout.split('\n').filter(name => pattern.test(name)).sort()
  }

  /** The .deb of a package, from the cache or downloaded (and checked by apt against the signed lists). */
  async download(name: string): Promise<PackageFile> {
    const record = await this.show(name)
    if (record === undefined) throw new BadInput(`suite ${this.suite}`, `there is no package ${name}`)
    mkdirSync(this.#packages, { recursive: true })
    const file = join(this.#packages, `${record.name}_${record.version.replaceAll(':', '%3a')}_arm64.deb`)
    if (!existsSync(file)) await this.#fetch(record, file)
    return { name: record.name, version: record.version, file, bytes: statSync(file).size, sha256: sha256(readFileSync(file)) }
  }

  /** The .debs of these packages and of all that they depend on (not what they recommend), downloaded where they are not in the cache. */
  async downloadWithDependencies(names: readonly string[]): Promise<PackageFile[]> {
    const install = ['-q', '-y', '--no-install-recommends', 'install', ...names], what = names.join(', ')
    const packages = parseInstallations(await this.#apt('apt-get', ['--simulate', ...install], what))
    mkdirSync(join(this.#packages, 'partial'), { recursive: true })
    const files = packages.map(each => ({ ...each, file: join(this.#packages, `${each.name}_${each.version.replaceAll(':', '%3a')}_${each.architecture}.deb`) }))
    const missing = files.filter(({ file }) => !existsSync(file)).length
    if (missing > 0) {
      this.#progress(`${missing} packages for ${what}`)
      await this.#apt('apt-get', ['-o', `Dir::Cache::archives=${this.#packages}`, '--download-only', ...install], what)
    }
    return files.map(({ name, version, file }) => {
      if (!existsSync(file)) throw new BadInput(name, 'apt-get left no package file')
      return { name, version, file, bytes: statSync(file).size, sha256: sha256(readFileSync(file)) }
    })
  }

  async #fetch(record: PackageRecord, file: string): Promise<void> {
    // A folder of this call's own: somebody else may fetch the same.
    const incoming = mkdtempSync(join(this.#packages, 'incoming-'))
    const debs = (): string[] => readdirSync(incoming).filter(entry => entry.endsWith('.deb'))
    const text = `${record.name} ${record.version}`, megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
    this.#progress(`${text}, ${megabytes(record.bytes)} MB`)
    const timer = setInterval(() => {
      const got = debs().reduce((sum, entry) => sum + (statSync(join(incoming, entry), { throwIfNoEntry: false })?.size ?? 0), 0)
      this.#progress(`${text}, ${megabytes(got)} of ${megabytes(record.bytes)} MB`)
    }, POLL)
    try {
      await this.#apt('apt-get', ['-q', 'download', `${record.name}=${record.version}`], record.name, incoming)
      const got = debs()[0]
      if (got === undefined) throw new BadInput(record.name, 'apt-get left no package file')
      renameSync(join(incoming, got), file)
    } finally {
      clearInterval(timer)
      rmSync(incoming, { recursive: true, force: true })
    }
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** One stanza of `apt-cache show` or of a package's control file. */
export function parseRecord(text: string): PackageRecord | undefined {
  const field = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1] ?? ''
  if (field('Package') === '') return undefined
  return {
    name: field('Package'), version: field('Version'), bytes: Number(field('Size') || 0),
    depends: field('Depends').split(/\s*,\s*/).filter(entry => entry !== '').map(entry => entry.split(/[\s|(]/)[0]!),
  }
}

/** What `apt-get --simulate install` says that it would install. */
export function parseInstallations(text: string): { readonly name: string, readonly version: string, readonly architecture: string }[] {
  return [...text.matchAll(/^Inst ([^\s:]+)\S*(?: \[[^\]]*\])? \((\S+) [^\n]*\[(\w+)\]\)/gm)].map(([, name, version, architecture]) => ({ name: name!, version: version!, architecture: architecture! }))
}
