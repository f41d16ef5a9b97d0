/** Which packages a kernel is made of, and what is taken from them. */
import { BadInput } from '../../arch/bad-input.ts'
import { DebianSuite, type DebianOptions, type PackageFile } from './apt.ts'
import { collectModules, type KernelModule } from './modules.ts'
import { compareReleases, type DebianName, type Flavour } from './name.ts'
import { readPackage } from './package.ts'

/** Releases by their kernel; the others are in backports, the newest first. */
const SUITE_OF_SERIES: Readonly<Record<string, string>> = { '5.10': 'bullseye', '6.1': 'bookworm', '6.12': 'trixie' }
const BACKPORTS = ['trixie-backports', 'bookworm-backports']
/** One busybox for all kernels, so that they run the same programs. */
const BUSYBOX_SUITE = 'trixie'
const BUSYBOX_PACKAGE = 'busybox-static'

/** A kernel as it stands in an archive. */
export interface ArchivedKernel {
  readonly release: string
  readonly suite: string
  readonly flavour: Flavour
  readonly packages: readonly PackageFile[]
}

/** Finds and downloads the kernel of a name. */
export async function downloadKernel(name: DebianName, options: DebianOptions): Promise<ArchivedKernel> {
  const { view, release } = await resolveRelease(name, options)
  const image = await view.download(`linux-image-${release}`)
  // From 7.x on the image package is empty; the files are in others, the kernel itself with or without Debian's signature.
  const escaped = release.replace(/[.+]/g, '\\$&')
  const split = await view.names(new RegExp(`^linux-(binary(-unsigned)?|modules|base)-${escaped}$`))
  const packages = [image]
  for (const kind of ['binary', 'modules', 'base']) {
    const part = split.find(each => each.startsWith(`linux-${kind}-`))
    if (part !== undefined) packages.push(await view.download(part))
  }
  return { release, suite: view.suite, flavour: name.flavour, packages }
}

export async function downloadBusybox(options: DebianOptions): Promise<PackageFile> {
  return (await DebianSuite.open(BUSYBOX_SUITE, options)).download(BUSYBOX_PACKAGE)
}

async function resolveRelease(name: DebianName, options: DebianOptions): Promise<{ readonly view: DebianSuite, readonly release: string }> {
  const { series, suite, flavour } = name
  if (suite !== undefined) {
    const view = await DebianSuite.open(suite, options)
    const meta = flavour === 'cloud' ? 'linux-image-cloud-arm64' : 'linux-image-arm64'
    const image = (await view.show(meta))?.depends.find(dependency => /^linux-image-\d/.test(dependency))
    if (image === undefined) throw new BadInput(`debian:${name.canonical}`, `the suite ${suite} has no ${meta}`)
    return { view, release: image.slice('linux-image-'.length) }
  }
  const known = SUITE_OF_SERIES[series!], suites = known === undefined ? BACKPORTS : [known]
  for (const each of suites) {
    const view = await DebianSuite.open(each, options)
    const releases = (await view.names(/^linux-image-\d/)).map(image => image.slice('linux-image-'.length)).filter(release => isKernelOf(release, series!, flavour)).sort(compareReleases)
    // Names that only others depend on have no package.
    for (const release of releases.reverse()) if (await view.show(`linux-image-${release}`) !== undefined) return { view, release }
  }
  throw new BadInput(`debian:${name.canonical}`, `there is no kernel ${series} in ${suites.join(' or ')}`)
}

/** `6.12.117+deb13-cloud-arm64` for 6.12 and cloud; not rt, 16k, dbg or unsigned ones. */
export function isKernelOf(release: string, series: string, flavour: Flavour): boolean {
  const version = flavour === 'cloud' ? /^(.*)-cloud-arm64$/.exec(release)?.[1] : /^(.*)-arm64$/.exec(release)?.[1]
  return version !== undefined && !/-[a-z]/.test(version) && (version === series || (version.startsWith(series) && !/\d/.test(version[series.length]!)))
}

export interface KernelFiles {
  readonly image: Uint8Array
  readonly release: string | undefined
  readonly modules: readonly KernelModule[]
}

const IMAGE = /^(?:boot\/vmlinuz-([^/]+)|(?:usr\/)?lib\/modules\/([^/]+)\/vmlinuz(?:\.unsigned)?)$/
const BUSYBOX = /^(?:usr\/)?bin\/busybox$/

/** Kernel and modules out of packages. */
export async function kernelFiles(packages: readonly PackageFile[]): Promise<KernelFiles> {
  let image: { readonly path: string, readonly bytes: Uint8Array } | undefined
  const modules = await collectModules(async wanted => {
    const found = new Map<string, Uint8Array>()
    for (const { file } of packages) {
      // The kernel comes along with the first pass: unpacking takes seconds.
      for (const [path, bytes] of await readPackage(file, path => wanted(path) || (image === undefined && IMAGE.test(path)))) {
        if (IMAGE.test(path)) image ??= { path, bytes }
        else found.set(path, bytes)
      }
    }
    return found
  })
  if (image === undefined) throw new BadInput(packages.map(({ name }) => name).join(', '), 'there is no kernel in it')
  const match = IMAGE.exec(image.path)!
  return { image: image.bytes, release: match[1] ?? match[2], modules }
}

export async function busyboxOf(deb: PackageFile): Promise<Uint8Array> {
  const busybox = [...(await readPackage(deb.file, path => BUSYBOX.test(path))).values()][0]
  if (busybox === undefined) throw new BadInput(deb.name, 'there is no busybox in it')
  return busybox
}

/** The release that a kernel image says it is: its banner is `Linux version <release> (`. */
export function releaseInImage(image: Uint8Array): string | undefined {
  const banner = Buffer.from(image.buffer, image.byteOffset, image.byteLength)
  for (let at = banner.indexOf('Linux version '); at >= 0; at = banner.indexOf('Linux version ', at + 1)) {
    const release = /^Linux version (\d[\w.+~-]*) \(/.exec(banner.toString('latin1', at, at + 200))?.[1]
    if (release !== undefined) return release
  }
  return undefined
}
