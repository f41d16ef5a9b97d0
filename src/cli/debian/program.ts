/**
 * A program of Debian's with the shared libraries that it asks for, as files for an initramfs. apt says which packages the program's package
 * stands on; of these only what the dynamic linker will open is taken (ld.so(8): by the names in DT_NEEDED, found by DT_SONAME).
 */
import { BadInput } from '../../arch/bad-input.ts'
import type { CpioEntry } from '../../arch/archive/cpio.ts'
import { parseDynamicElf } from '../../arch/image/elf-dynamic.ts'
import { DebianSuite, type DebianOptions, type PackageFile } from './apt.ts'
import { folders } from './initramfs.ts'
import { readPackage } from './package.ts'

export interface ProgramRequest {
  readonly suite: string
  readonly package: string
  /** `usr/bin/qemu-system-aarch64` */
  readonly path: string
  /** More of the packages' files, at the same paths: `/^usr\/lib\/ipxe\/qemu\/efi-virtio\.rom$/`. */
  readonly also?: RegExp
  /** Packages that the program's package only recommends. */
  readonly with?: readonly string[]
}

export interface DebianProgram {
  readonly packages: readonly PackageFile[]
  readonly version: string
  /** In the order of an archive. */
  readonly entries: readonly CpioEntry[]
}

/** Where glibc for AArch64 looks on its own. */
const LIBRARIES = 'usr/lib/aarch64-linux-gnu'
const LIBRARY = /^(?:usr\/)?lib\/(?:aarch64-linux-gnu\/)?[^/]*\.so(?:\.[\w.+-]*)?$/

export async function debianProgram(request: ProgramRequest, options: DebianOptions): Promise<DebianProgram> {
  const view = await DebianSuite.open(request.suite, options), packages = await view.downloadWithDependencies([request.package, ...request.with ?? []])
  const libraries = new Map<string, Uint8Array>(), others = new Map<string, Uint8Array>()
  options.progress?.(`${request.path} and its libraries out of ${packages.length} packages`)
  for (const each of packages) {
    for (const [path, bytes] of await readPackage(each.file, path => path === request.path || LIBRARY.test(path) || request.also?.test(path) === true)) {
      if (path === request.path || request.also?.test(path) === true) others.set(path, bytes)
      // A library without a name of its own is found by its file's.
      if (LIBRARY.test(path)) libraries.set(parseDynamicElf(bytes)?.soname ?? path.slice(path.lastIndexOf('/') + 1), bytes)
    }
  }
  const program = others.get(request.path)
  if (program === undefined) throw new BadInput(request.package, `there is no ${request.path} in it`)
  return {
    packages, version: packages.find(({ name }) => name === request.package)!.version,
    entries: programEntries(new Map([[request.path, program], ...others]), libraries),
  }
}

/** `files` by path, and of `libraries` by name what they need. Exported for tests. */
export function programEntries(files: ReadonlyMap<string, Uint8Array>, libraries: ReadonlyMap<string, Uint8Array>): CpioEntry[] {
  const found = new Map<string, CpioEntry>(), open = [...files.values()]
  for (const [path, bytes] of files) found.set(path, { kind: 'file', path, bytes, mode: 0o755 })
  for (let bytes = open.pop(); bytes !== undefined; bytes = open.pop()) {
    const elf = parseDynamicElf(bytes)
    if (elf === undefined) continue
    const wanted = elf.needed.map(name => ({ name, path: `${LIBRARIES}/${name}` }))
    if (elf.interpreter !== undefined) wanted.push({ name: elf.interpreter.slice(elf.interpreter.lastIndexOf('/') + 1), path: elf.interpreter.replace(/^\/+/, '') })
    for (const { name, path } of wanted) {
      if (found.has(path)) continue
      const library = libraries.get(name)
      if (library === undefined) throw new BadInput('packages', `the library ${name} is in none of them`)
      found.set(path, { kind: 'file', path, bytes: library, mode: 0o755 })
      open.push(library)
    }
  }
  return [...folders([...found.keys()]), ...[...found.values()].sort((a, b) => a.path < b.path ? -1 : 1)]
}
