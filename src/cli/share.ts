/**
 * A folder of the host as a share. No path leaves it: links are never followed (every folder on the way must be itself, O_NOFOLLOW for the last
 * name), links that would lead out are not made, and only regular files are opened. The contents are part of what a run depends on.
 */
import {
  chmodSync, closeSync, constants, fstatSync, fsyncSync, ftruncateSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, readdirSync, readlinkSync, readSync, realpathSync, renameSync, rmdirSync, statfsSync,
  symlinkSync, unlinkSync, writeSync,
} from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { BadInput } from '../arch/bad-input.ts'
import type { AttributeChange, Errno, FileAttributes, FileSystemStatus, FileTime, OpenMode, OpenShareFile, ShareFiles, SharePath } from '../devices/index.ts'

/** Numbers of Linux, whatever the host's are. */
const ERRNO: Readonly<Record<string, Errno>> = {
  EPERM: 1, ENOENT: 2, EIO: 5, EBADF: 9, EAGAIN: 11, ENOMEM: 12, EACCES: 13, EBUSY: 16, EEXIST: 17, EXDEV: 18, ENOTDIR: 20, EISDIR: 21, EINVAL: 22, ENFILE: 23, EMFILE: 24, ETXTBSY: 26, EFBIG: 27, ENOSPC: 28,
  EROFS: 30, EMLINK: 31, ENAMETOOLONG: 36, ENOTEMPTY: 39, ELOOP: 40, EOPNOTSUPP: 95, EDQUOT: 122,
}
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants
const NANOSECONDS = 1_000_000_000n

/** Opens the folder; throws BadInput. */
export function openShare(path: string, readOnly: boolean): ShareFiles {
  let root: string
  try {
    root = realpathSync(path)
    if (!lstatSync(root).isDirectory()) throw new BadInput('--share', `${path} is not a folder`)
    readdirSync(root)
  } catch (error) {
    if (error instanceof BadInput) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new BadInput('--share', code === 'ENOENT' ? `there is no folder ${path}` : `${path} cannot be read (${code ?? String(error)})`)
  }
  return new HostFolder(root, readOnly)
}

class HostFolder implements ShareFiles {
  readonly readOnly: boolean
  readonly #root: string
  readonly #device: bigint

  constructor(root: string, readOnly: boolean) {
    this.#root = root
    this.readOnly = readOnly
    this.#device = lstatSync(root, { bigint: true }).dev
  }

  /** The host's path, if every folder on the way is itself and no link. */
  #at(path: SharePath): string {
    if (path.length === 0) return this.#root
    const folder = join(this.#root, ...path.slice(0, -1)), name = path.at(-1)!
    // Names are plain already; this must not depend on it.
    if (path.some(part => part === '' || part === '.' || part === '..' || part.includes('/') || part.includes('\0'))) throw failure('EACCES')
    if (realpathSync(folder) !== folder) throw failure('ELOOP')
    return join(folder, name)
  }

  #mayWrite(): void { if (this.readOnly) throw failure('EROFS') }

  #describe(status: BigIntStats): FileAttributes {
    // Another file system below the folder may use the same numbers.
    const inode = status.dev === this.#device ? status.ino : BigInt.asUintN(64, status.ino ^ (status.dev << 48n))
    return {
      type: status.isFile() ? 'file' : status.isDirectory() ? 'folder' : status.isSymbolicLink() ? 'link' : 'other',
      mode: Number(status.mode), uid: Number(status.uid), gid: Number(status.gid), links: Number(status.nlink), size: Number(status.size), inode, blocks: Number(status.blocks),
      modified: timeOf(status.mtimeNs), accessed: timeOf(status.atimeNs), changed: timeOf(status.ctimeNs),
    }
  }

  attributes(path: SharePath): FileAttributes | Errno { return attempt(() => this.#describe(lstatSync(this.#at(path), { bigint: true }))) }

  change(path: SharePath, { mode, size, accessed, modified }: AttributeChange): undefined | Errno {
    return attempt(() => {
      this.#mayWrite()
      const at = this.#at(path), status = lstatSync(at, { bigint: true })
      // Nothing but its times can be changed of a link.
      if (mode !== undefined && !status.isSymbolicLink()) chmodSync(at, mode & 0o777)
      if (size !== undefined) {
        const descriptor = openRegular(at, O_WRONLY)
        try { ftruncateSync(descriptor, size) } finally { closeSync(descriptor) }
      }
      if (accessed !== undefined || modified !== undefined) lutimesSync(at, secondsOf(accessed, status.atimeNs), secondsOf(modified, status.mtimeNs))
      return undefined
    })
  }

  open(path: SharePath, mode: OpenMode): OpenShareFile | Errno {
    return attempt(() => {
      if (mode.write || mode.truncate) this.#mayWrite()
      return this.#handle(openRegular(this.#at(path), access(mode) | (mode.truncate ? O_TRUNC : 0)))
    })
  }

  create(path: SharePath, mode: OpenMode, permissions: number, exclusive: boolean): OpenShareFile | Errno {
    return attempt(() => {
      this.#mayWrite()
      const at = this.#at(path)
      try {
        return this.#handle(openSync(at, access(mode) | O_CREAT | O_EXCL | O_NOFOLLOW, permissions & 0o777))
      } catch (error) {
        if (exclusive || (error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      return this.#handle(openRegular(at, access(mode) | (mode.truncate ? O_TRUNC : 0)))
    })
  }

  #handle(descriptor: number): OpenShareFile {
    let open = true
    return {
      attributes: () => attempt(() => this.#describe(fstatSync(descriptor, { bigint: true }))),
      read: (offset, into) => transfer(() => readSync(descriptor, into, 0, into.length, offset)),
      write: (offset, from) => transfer(() => {
        let done = 0
        while (done < from.length) done += writeSync(descriptor, from, done, from.length - done, offset + done)
        return done
      }),
      truncate: size => attempt(() => {
        ftruncateSync(descriptor, size)
        return undefined
      }),
      sync: () => attempt(() => {
        fsyncSync(descriptor)
        return undefined
      }),
      close: () => {
        if (open) closeSync(descriptor)
        open = false
      },
    }
  }

  list(path: SharePath): readonly { readonly name: string, readonly inode: bigint, readonly type: FileAttributes['type'] }[] | Errno {
    return attempt(() => {
      const at = path.length === 0 ? this.#root : join(this.#at(path))
      if (!lstatSync(at).isDirectory()) throw failure('ENOTDIR')
      // In an order that does not depend on the host's file system.
      return readdirSync(at, { encoding: 'buffer' }).flatMap(bytes => {
        const name = bytes.toString('utf8')
        // A name that is no UTF-8 cannot be said in 9p.
        if (!Buffer.from(name, 'utf8').equals(bytes)) return []
        const found = this.attributes([...path, name])
        return typeof found === 'number' ? [] : [{ name, inode: found.inode, type: found.type }]
      }).sort((a, b) => (a.name < b.name ? -1 : 1))
    })
  }

  makeFolder(path: SharePath, permissions: number): undefined | Errno {
    return attempt(() => {
      this.#mayWrite()
      mkdirSync(this.#at(path), { mode: permissions & 0o777 })
      return undefined
    })
  }

  makeLink(path: SharePath, target: string): undefined | Errno {
    return attempt(() => {
      this.#mayWrite()
      // For the programs of the host: one that follows it must not get out.
      let depth = path.length - 1
      for (const part of target.split('/')) {
        if (part === '..') depth--
        else if (part !== '' && part !== '.') depth++
        if (depth < 0) throw failure('EACCES')
      }
      if (target.startsWith('/')) throw failure('EACCES')
      symlinkSync(target, this.#at(path))
      return undefined
    })
  }

  makeHardLink(path: SharePath, existing: SharePath): undefined | Errno {
    return attempt(() => {
      this.#mayWrite()
      const from = this.#at(existing)
      if (!lstatSync(from).isFile()) throw failure('EPERM')
      linkSync(from, this.#at(path))
      return undefined
    })
  }

  readLink(path: SharePath): string | Errno { return attempt(() => readlinkSync(this.#at(path))) }

  rename(from: SharePath, to: SharePath): undefined | Errno {
    return attempt(() => {
      this.#mayWrite()
      renameSync(this.#at(from), this.#at(to))
      return undefined
    })
  }

  remove(path: SharePath, folder: boolean): undefined | Errno {
    return attempt(() => {
      this.#mayWrite()
      if (folder) rmdirSync(this.#at(path))
      else unlinkSync(this.#at(path))
      return undefined
    })
  }

  status(): FileSystemStatus | Errno {
    return attempt(() => {
      const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(this.#root, { bigint: true })
      return { blockSize: Number(bsize), blocks, freeBlocks: bfree, availableBlocks: bavail, files, freeFiles: ffree }
    })
  }
}

const access = ({ read, write }: OpenMode): number => (write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY)

/** A pipe would block us, a device would be the host's. */
function openRegular(path: string, flags: number): number {
  const status = lstatSync(path)
  if (!status.isFile()) throw failure(status.isSymbolicLink() ? 'ELOOP' : status.isDirectory() ? 'EISDIR' : 'EACCES')
  const descriptor = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK)
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw failure('EACCES')
}

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })
const errnoOf = (error: unknown): Errno => ERRNO[(error as NodeJS.ErrnoException).code ?? ''] ?? ERRNO['EIO']!

function attempt<T>(action: () => T): T | Errno {
  try { return action() } catch (error) { return errnoOf(error) }
}
function transfer(action: () => number): number | { readonly errno: Errno } {
  try { return action() } catch (error) { return { errno: errnoOf(error) } }
}

const timeOf = (nanoseconds: bigint): FileTime => ({ seconds: nanoseconds / NANOSECONDS, nanoseconds: Number(nanoseconds % NANOSECONDS) })
/** As Node takes it: to the microsecond or so. */
function secondsOf(time: FileTime | 'now' | undefined, present: bigint): number {
  if (time === 'now') return Date.now() / 1000
  const { seconds, nanoseconds } = time ?? timeOf(present)
  return Number(seconds) + nanoseconds / 1e9
}
