/** Kernel modules for the initramfs: what a disk, a share, a network card and a console need, with everything they depend on. */
import { BadInput } from '../../arch/bad-input.ts'
import { moduleName, readModuleInfo, type KernelModuleInfo } from '../../arch/image/kernel-module.ts'
import { collect, decompressStream } from './package.ts'

/** virtio by MMIO and PCI and its devices, and the file systems that are found on them; ext4 asks for crc32c by an alias, not as a dependency. Built into some kernels, absent from others. */
const WANTED = ['virtio_mmio', 'virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio_rng', '9pnet_virtio', '9p', 'ext4', 'crc32c_generic']
/** Usual dependencies: with them one pass over the package is enough. */
const LIKELY = ['virtio', 'virtio_ring', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', '9pnet', 'netfs', 'fscache', 'jbd2', 'mbcache', 'crc16', 'libcrc32c', 'failover', 'net_failover', 'rng_core']

export interface KernelModule {
  /** Below `lib/modules/<release>/`, without compression: `kernel/fs/ext4/ext4.ko`. */
  readonly path: string
  readonly bytes: Uint8Array
  readonly info: KernelModuleInfo
}

const MODULE = /^(?:usr\/)?lib\/modules\/[^/]+\/(kernel\/(?:.*\/)?([^/]+)\.ko)(\.xz|\.zst|\.gz|)$/

/** Name of the module in a file with this path, undefined if it is none. */
export function moduleOfPath(path: string): string | undefined {
  const name = MODULE.exec(path)?.[2]
  return name === undefined ? undefined : moduleName(name)
}

/** Reads files of the package that `wanted` accepts. */
export type ReadFiles = (wanted: (path: string) => boolean) => Promise<ReadonlyMap<string, Uint8Array>>

/** The wanted modules that the package has, with their dependencies, in the order of loading. */
export async function collectModules(read: ReadFiles): Promise<KernelModule[]> {
  const have = new Map<string, KernelModule>(), available = new Set<string>()
  for (let names = new Set([...WANTED, ...LIKELY]); names.size > 0;) {
    const files = await read(path => {
      const name = moduleOfPath(path)
      if (name === undefined) return false
      available.add(name)
      return names.has(name)
    })
    for (const [path, bytes] of files) {
      const [, plain, , compression] = MODULE.exec(path)!
      const stream = decompressStream(compression!, bytes)
      const module = stream === undefined ? bytes : await unpacked(path, stream)
      have.set(moduleOfPath(path)!, { path: plain!, bytes: module, info: readModuleInfo(module) })
    }
    names = new Set(inOrder(WANTED, have).flatMap(needs).filter(name => !have.has(name) && available.has(name)))
  }
  return inOrder(WANTED, have)
}

async function unpacked(path: string, stream: ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>): Promise<Uint8Array> {
  try {
    return await collect(await stream, path)
  } catch (error) {
    throw error instanceof BadInput ? error : new BadInput(path, `the module is damaged (${error instanceof Error ? error.message : String(error)})`)
  }
}

const needs = ({ info }: KernelModule): readonly string[] => [...info.wishes, ...info.depends]

/** What `roots` need, dependencies first. */
export function inOrder(roots: readonly string[], have: ReadonlyMap<string, KernelModule>): KernelModule[] {
  const found = new Set<KernelModule>(), open = new Set<string>()
  const visit = (name: string): void => {
    const module = have.get(name)
    if (module === undefined || found.has(module) || open.has(name)) return
    open.add(name)
    needs(module).forEach(visit)
    found.add(module)
  }
  roots.forEach(visit)
  return [...found]
}

/** The files modules.dep and modules.alias, which depmod would write (modules.dep(5)). `modules` are in the order of loading. */
export function moduleIndex(modules: readonly KernelModule[]): { readonly dep: string, readonly alias: string } {
  const byName = new Map(modules.map(module => [module.info.name, module]))
  const dep = modules.map(module => {
    // The last named is loaded first.
    const before = inOrder(needs(module), byName).reverse()
    return `${module.path}:${before.map(({ path }) => ` ${path}`).join('')}\n`
  })
  const alias = modules.flatMap(({ info }) => info.aliases.map(pattern => `alias ${pattern} ${info.name}\n`))
  return { dep: dep.join(''), alias: alias.join('') }
}
