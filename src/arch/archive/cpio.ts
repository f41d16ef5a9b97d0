/**
 * Writer and reader of cpio archives in the "newc" format, which the kernel unpacks as its initramfs (Linux, Documentation/driver-api/early-userspace/
 * buffer-format). Everything belongs to root and has the time 0, so that the same entries give the same bytes.
 */
export type CpioEntry =
  | { readonly kind: 'folder', readonly path: string, readonly mode?: number }
  | { readonly kind: 'file', readonly path: string, readonly bytes: Uint8Array, readonly mode?: number }
  | { readonly kind: 'link', readonly path: string, readonly target: string }
  | { readonly kind: 'character device', readonly path: string, readonly major: number, readonly minor: number, readonly mode?: number }

const TYPE = { folder: 0o040_000, file: 0o100_000, link: 0o120_000, 'character device': 0o020_000 } as const
const MODE = { folder: 0o755, file: 0o644, link: 0o777, 'character device': 0o600 } as const
const HEADER = 110
const TRAILER = 'TRAILER!!!'
/** What cpio tools pad the archive to. */
const BLOCK = 512

const encoder = new TextEncoder()
const NOTHING = new Uint8Array(0)
const align4 = (value: number): number => (value + 3) & ~3

interface Member { readonly name: Uint8Array, readonly data: Uint8Array, readonly header: readonly number[] }

/** The archive. Entries stand in the given order; a folder comes before what is in it. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const members = entries.map((entry, i) => member(entry, i + 1))
  members.push(encode(TRAILER, NOTHING, 0, 0, 1))
  const end = members.reduce((at, { name, data }) => align4(align4(at + HEADER + name.length + 1) + data.length), 0)
  const out = new Uint8Array(Math.ceil(end / BLOCK) * BLOCK)
  let at = 0
  for (const { name, data, header } of members) {
    out.set(encoder.encode(`070701${header.map(field => field.toString(16).padStart(8, '0')).join('')}`), at)
    out.set(name, at + HEADER)
    at = align4(at + HEADER + name.length + 1)
    out.set(data, at)
    at = align4(at + data.length)
  }
  return out
}

/** The regular files of an initramfs, later ones of a name instead of earlier ones: archives, unpacked, one behind the other with zeros between. What is damaged ends it. */
export function readCpio(bytes: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>(), decoder = new TextDecoder()
  const text = (at: number, length: number): string => decoder.decode(bytes.subarray(at, at + length))
  for (let at = 0; at + HEADER <= bytes.length;) {
    if (bytes[at] === 0) {
      at += 4
      continue
    }
    if (text(at, 6) !== '070701') break
    const field = (index: number): number => Number.parseInt(text(at + 6 + 8 * index, 8), 16), mode = field(1), size = field(6), nameSize = field(11)
    const data = align4(at + HEADER + nameSize)
    if (!(nameSize > 0) || !(size >= 0) || data + size > bytes.length) break
    if ((mode & 0o170_000) === TYPE.file) files.set(text(at + HEADER, nameSize - 1), bytes.subarray(data, data + size))
    at = align4(data + size)
  }
  return files
}

function member(entry: CpioEntry, inode: number): Member {
  const mode = TYPE[entry.kind] | (('mode' in entry ? entry.mode : undefined) ?? MODE[entry.kind])
  const data = entry.kind === 'file' ? entry.bytes : entry.kind === 'link' ? encoder.encode(entry.target) : NOTHING
  const device = entry.kind === 'character device' ? entry : undefined
  return encode(entry.path.replace(/^\/+/, ''), data, inode, mode, entry.kind === 'folder' ? 2 : 1, device?.major, device?.minor)
}

function encode(path: string, data: Uint8Array, inode: number, mode: number, links: number, major = 0, minor = 0): Member {
  const name = encoder.encode(path)
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  return { name, data, header: [inode, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, name.length + 1, 0] }
}
