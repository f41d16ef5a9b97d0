/**
 * The initramfs: two gzip members, each a cpio archive, which the kernel unpacks one after the other (Linux, early-userspace/buffer-format).
 * The first has what comes from packages and is kept; the second has our scripts and is written anew when they have changed.
 */
import { gzipSync } from 'node:zlib'
import { writeCpio, type CpioEntry } from '../../arch/archive/cpio.ts'
import { DEVICES_SCRIPT, DHCP_SCRIPT } from './device-list.ts'
import { INIT_SCRIPT, LIST_SCRIPT } from './init.ts'
import { moduleIndex, type KernelModule } from './modules.ts'

const encoder = new TextEncoder()
const file = (path: string, content: Uint8Array | string, mode?: number): CpioEntry =>
  ({ kind: 'file', path, bytes: typeof content === 'string' ? encoder.encode(content) : content, ...(mode === undefined ? {} : { mode }) })

/** Every folder above the paths, outer ones first. */
export function folders(paths: readonly string[]): CpioEntry[] {
  const all = new Set(paths.flatMap(path => path.split('/').slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join('/'))))
  return [...all].sort().map(path => ({ kind: 'folder', path }))
}

const gzip = (entries: readonly CpioEntry[]): Uint8Array => gzipSync(writeCpio(entries), { level: 9 })

export function packagePart(busybox: Uint8Array, release: string, modules: readonly KernelModule[]): Uint8Array {
  const base = `lib/modules/${release}`, index = moduleIndex(modules)
  const moduleFiles = modules.length === 0 ? [] : [
    ...modules.map(module => file(`${base}/${module.path}`, module.bytes)), file(`${base}/modules.dep`, index.dep), file(`${base}/modules.alias`, index.alias),
  ]
  return gzip([
    ...['bin', 'dev', 'proc', 'sys', 'tmp', 'mnt', 'root'].map((path): CpioEntry => ({ kind: 'folder', path })),
    // Where the kernel looks for modprobe.
    { kind: 'link', path: 'sbin', target: 'bin' },
    { kind: 'character device', path: 'dev/console', major: 5, minor: 1 },
    file('bin/busybox', busybox, 0o755),
    ...folders(moduleFiles.map(({ path }) => path)), ...moduleFiles,
  ])
}

export function scriptPart(): Uint8Array {
  // What `mount` tries without -t: the kernel loads the file system then.
  return gzip([
    file('init', INIT_SCRIPT, 0o755), file('list', LIST_SCRIPT, 0o755), file('devices', DEVICES_SCRIPT, 0o755), { kind: 'folder', path: 'etc' }, file('etc/filesystems', 'ext4\n'),
    { kind: 'folder', path: 'etc/udhcpc' }, file('etc/udhcpc/default.script', DHCP_SCRIPT, 0o755),
  ])
}
