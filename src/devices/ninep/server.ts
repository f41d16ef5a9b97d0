/**
 * A 9p2000.L server over a `ShareFiles`. Fids name paths as lists of plain names: what a client sends is looked at here, so that no path
 * leaves the share, whatever the files below do. Every request has an answer; the ones that make no sense have Rlerror.
 */
import { fieldsOf } from '../saved-state.ts'
import type { FileAttributes, OpenMode, OpenShareFile, ShareFiles, SharePath } from '../plug.ts'
import { Answer, ERRNO, Fields, HEADER, QID, Refusal, sizeOfString, T } from './message.ts'

/** More than Linux's virtio transport can carry in one message. */
export const LARGEST_MESSAGE = 512 * 1024
const SMALLEST_MESSAGE = 4096
const VERSION = '9P2000.L'
const MOST_FIDS = 65_536
const MOST_OPEN = 512
const MOST_NAMES = 16
const NAME_BYTES = 255
const LOCK_SUCCESS = 0, UNLOCKED = 2
const REMOVE_FOLDER = 0x200
/** open(2) flags as Linux has them on all architectures of 9p2000.L. */
const OPEN = { ACCESS: 3, WRONLY: 1, RDWR: 2, EXCL: 0o200, TRUNC: 0o1000 } as const
const SET = { MODE: 1, SIZE: 8, ATIME: 0x10, MTIME: 0x20, ATIME_SET: 0x80, MTIME_SET: 0x100 } as const
/** P9_GETATTR_BASIC: everything but birth time, generation and data version. */
const VALID_ATTRIBUTES = 0x7ffn
const TYPE_MASK = 0o170_000, REGULAR = 0o100_000
const DIRENT_TYPE: Readonly<Record<FileAttributes['type'], number>> = { file: 8, folder: 4, link: 10, other: 0 }

interface DirectoryEntry { readonly name: string, readonly inode: bigint, readonly type: FileAttributes['type'] }

interface Fid {
  path: SharePath
  open: OpenShareFile | undefined
  mode: OpenMode | undefined
  entries: readonly DirectoryEntry[] | undefined
}

/** The value, or the Refusal that an error number stands for. */
function must<T>(result: T | number): T {
  if (typeof result === 'number') throw new Refusal(result)
  return result
}
function done(result: undefined | number): void { if (result !== undefined) throw new Refusal(result) }
function counted(result: number | { readonly errno: number }): number {
  if (typeof result !== 'number') throw new Refusal(result.errno)
  return result
}

export class NineServer {
  readonly #files: ShareFiles
  readonly #fids = new Map<number, Fid>()
  #messageSize = SMALLEST_MESSAGE

  constructor(files: ShareFiles) { this.#files = files }

  /** Answers a request in at most `room` bytes; undefined when the request has no header or the answer has no room. */
  answer(request: Uint8Array, room: number): Uint8Array | undefined {
    if (request.length < HEADER || room < HEADER + 4) return undefined
    const type = request[4]!, tag = request[5]! | (request[6]! << 8)
    try {
      const answer = new Answer()
      this.#perform(type, new Fields(request, HEADER), answer, room)
      if (answer.length <= room) return answer.finish(type + 1, tag)
      return new Answer().u32(ERRNO.EPROTO).finish(T.lerror + 1, tag)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return new Answer().u32(error.errno).finish(T.lerror + 1, tag)
    }
  }

  /** Ends the session: closes everything. */
  reset(): void {
    for (const fid of this.#fids.values()) fid.open?.close()
    this.#fids.clear()
    this.#messageSize = SMALLEST_MESSAGE
  }

  #perform(type: number, fields: Fields, answer: Answer, room: number): void {
    const files = this.#files
    switch (type) {
      case T.version: {
        const size = fields.u32(), version = fields.string()
        this.reset()
        if (size < SMALLEST_MESSAGE) throw new Refusal(ERRNO.EINVAL)
        this.#messageSize = Math.min(size, LARGEST_MESSAGE)
        answer.u32(this.#messageSize).string(version.startsWith(VERSION) ? VERSION : 'unknown')
        return
      }
      case T.attach: {
        const number = fields.u32()
        const root = must(files.attributes([]))
        this.#add(number, [])
        answer.qid(root)
        return
      }
      case T.flush: return // Every request has been answered before the next one is looked at.
      case T.walk: return this.#walk(fields, answer)
      case T.lopen: {
        const fid = this.#fid(fields.u32())
        this.#open(fid, openMode(fields.u32()), answer)
        return
      }
      case T.lcreate: {
        const fid = this.#fid(fields.u32()), path = [...fid.path, nameOf(fields.string())], flags = fields.u32(), permissions = fields.u32()
        this.#mayOpen(fid)
        const mode = openMode(flags)
        fid.open = must(files.create(path, mode, permissions & 0o777, (flags & OPEN.EXCL) !== 0))
        fid.mode = mode
        fid.path = path
        answer.qid(must(files.attributes(path))).u32(0)
        return
      }
      case T.read: {
        const { open } = this.#fid(fields.u32()), offset = fields.offset(), count = Math.min(fields.u32(), room - HEADER - 4, this.#messageSize - HEADER - 4)
        if (open === undefined) throw new Refusal(ERRNO.EBADF)
        const bytes = new Uint8Array(count), found = counted(open.read(offset, bytes))
        answer.u32(found).bytes(bytes.subarray(0, found))
        return
      }
      case T.write: {
        const { open } = this.#fid(fields.u32()), offset = fields.offset(), bytes = fields.bytes(fields.u32())
        if (open === undefined) throw new Refusal(ERRNO.EBADF)
        answer.u32(counted(open.write(offset, bytes)))
        return
      }
      case T.clunk: return this.#clunk(fields.u32())
      case T.remove: {
        const number = fields.u32(), { path } = this.#fid(number)
        this.#clunk(number)
        done(files.remove(named(path), must(files.attributes(path)).type === 'folder'))
        return
      }
      case T.getattr: return this.#attributes(this.#fid(fields.u32()), answer)
      case T.setattr: return this.#change(fields)
      case T.readdir: return this.#list(fields, answer, room)
      case T.statfs: {
        this.#fid(fields.u32())
        const { blockSize, blocks, freeBlocks, availableBlocks, files: inodes, freeFiles } = must(files.status()), V9FS_MAGIC = 0x0102_1997
        answer.u32(V9FS_MAGIC).u32(blockSize).u64(blocks).u64(freeBlocks).u64(availableBlocks).u64(inodes).u64(freeFiles).u64(0).u32(NAME_BYTES)
        return
      }
      case T.mkdir: {
        const path = [...this.#fid(fields.u32()).path, nameOf(fields.string())]
        done(files.makeFolder(path, fields.u32() & 0o777))
        answer.qid(must(files.attributes(path)))
        return
      }
      case T.symlink: {
        const path = [...this.#fid(fields.u32()).path, nameOf(fields.string())], target = fields.string()
        if (target === '' || target.includes('\0')) throw new Refusal(ERRNO.EINVAL)
        done(files.makeLink(path, target))
        answer.qid(must(files.attributes(path)))
        return
      }
      case T.mknod: {
        // Regular files only: a device or pipe of the guest's would be one of the host's.
        const path = [...this.#fid(fields.u32()).path, nameOf(fields.string())], mode = fields.u32(), kind = mode & TYPE_MASK
        if (kind !== 0 && kind !== REGULAR) throw new Refusal(ERRNO.EPERM)
        must(files.create(path, { read: true, write: false, truncate: false }, mode & 0o777, true)).close()
        answer.qid(must(files.attributes(path)))
        return
      }
      case T.readlink: {
        answer.string(must(files.readLink(this.#fid(fields.u32()).path)))
        return
      }
      case T.link: {
        const folder = this.#fid(fields.u32()).path, existing = this.#fid(fields.u32()).path
        done(files.makeHardLink([...folder, nameOf(fields.string())], named(existing)))
        return
      }
      case T.rename: {
        const from = this.#fid(fields.u32()).path, folder = this.#fid(fields.u32()).path
        return this.#rename(from, [...folder, nameOf(fields.string())])
      }
      case T.renameat: {
        const from = [...this.#fid(fields.u32()).path, nameOf(fields.string())], folder = this.#fid(fields.u32()).path
        return this.#rename(from, [...folder, nameOf(fields.string())])
      }
      case T.unlinkat: {
        const path = [...this.#fid(fields.u32()).path, nameOf(fields.string())]
        done(files.remove(path, (fields.u32() & REMOVE_FOLDER) !== 0))
        return
      }
      case T.fsync: {
        const { open } = this.#fid(fields.u32())
        if (open !== undefined) done(open.sync())
        return
      }
      // Nobody else uses the files through us: locks always succeed.
      case T.lock: {
        this.#fid(fields.u32())
        answer.u8(LOCK_SUCCESS)
        return
      }
      case T.getlock: {
        this.#fid(fields.u32())
        fields.u8()
        const start = fields.u64(), length = fields.u64(), process = fields.u32()
        answer.u8(UNLOCKED).u64(start).u64(length).u32(process).string(fields.string())
        return
      }
      default: throw new Refusal(ERRNO.EOPNOTSUPP)
    }
  }

  #fid(number: number): Fid {
    const fid = this.#fids.get(number)
    if (fid === undefined) throw new Refusal(ERRNO.EBADF)
    return fid
  }

  #add(number: number, path: SharePath): Fid {
    if (this.#fids.has(number)) throw new Refusal(ERRNO.EBADF)
    if (this.#fids.size >= MOST_FIDS) throw new Refusal(ERRNO.EMFILE)
    const fid: Fid = { path, open: undefined, mode: undefined, entries: undefined }
    this.#fids.set(number, fid)
    return fid
  }

  #clunk(number: number): void {
    this.#fid(number).open?.close()
    this.#fids.delete(number)
  }

  #walk(fields: Fields, answer: Answer): void {
    const from = this.#fid(fields.u32()), number = fields.u32(), count = fields.u16()
    if (count > MOST_NAMES) throw new Refusal(ERRNO.EINVAL)
    const names = Array.from({ length: count }, () => fields.string())
    const found: FileAttributes[] = []
    let { path } = from
    for (const name of names) {
      // Walks go through folders alone: the client resolves links, on its own side.
      const here = found.at(-1) ?? must(this.#files.attributes(path))
      let next: FileAttributes | number = ERRNO.ENOTDIR
      if (here.type === 'folder') {
        if (name === '..') {
          // There is nothing above the root.
          path = path.length === 0 ? path : path.slice(0, -1)
        } else path = [...path, nameOf(name)]
        next = this.#files.attributes(path)
      }
      if (typeof next === 'number') {
        // The first name decides whether it is an error; a walk may end early (walk(5)).
        if (found.length === 0) throw new Refusal(next)
        break
      }
      found.push(next)
    }
    if (found.length === count) {
      if (this.#fids.get(number) === from) {
        if (from.open !== undefined) throw new Refusal(ERRNO.EBADF)
        from.path = path
        from.entries = undefined
      } else this.#add(number, path)
    }
    answer.u16(found.length)
    for (const each of found) answer.qid(each)
  }

  #mayOpen(fid: Fid): void {
    if (fid.open !== undefined) throw new Refusal(ERRNO.EBADF)
    let open = 0
    for (const each of this.#fids.values()) if (each.open !== undefined) open++
    if (open >= MOST_OPEN) throw new Refusal(ERRNO.EMFILE)
  }

  #open(fid: Fid, mode: OpenMode, answer: Answer): void {
    this.#mayOpen(fid)
    const attributes = must(this.#files.attributes(fid.path))
    if (attributes.type === 'folder') {
      if (mode.write) throw new Refusal(ERRNO.EISDIR)
    } else if (attributes.type === 'file') {
      fid.open = must(this.#files.open(fid.path, mode))
      fid.mode = mode
    } else throw new Refusal(attributes.type === 'link' ? ERRNO.ELOOP : ERRNO.EACCES)
    answer.qid(attributes).u32(0)
  }

  #attributes(fid: Fid, answer: Answer): void {
    const found = must(fid.open?.attributes() ?? this.#files.attributes(fid.path)), { accessed, modified, changed } = found
    answer.u64(VALID_ATTRIBUTES).qid(found).u32(found.mode).u32(found.uid).u32(found.gid).u64(found.links).u64(0).u64(found.size).u64(4096).u64(found.blocks)
    for (const { seconds, nanoseconds } of [accessed, modified, changed]) answer.u64(seconds).u64(nanoseconds)
    answer.u64(0).u64(0).u64(0).u64(0)
  }

  /** Owners are the host's: a change of them is accepted and forgotten, as QEMU's security_model=none has it. */
  #change(fields: Fields): void {
    const fid = this.#fid(fields.u32()), valid = fields.u32(), mode = fields.u32()
    fields.u32()
    fields.u32()
    const size = fields.u64(), time = (): { seconds: bigint, nanoseconds: number } => ({ seconds: fields.u64(), nanoseconds: Number(fields.u64() % 1_000_000_000n) }), accessed = time(), modified = time()
    if ((valid & SET.SIZE) !== 0 && size > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal(ERRNO.EINVAL)
    if ((valid & SET.SIZE) !== 0 && fid.open !== undefined && fid.mode?.write === true) done(fid.open.truncate(Number(size)))
    else if ((valid & SET.SIZE) !== 0) done(this.#files.change(fid.path, { size: Number(size) }))
    if ((valid & (SET.MODE | SET.ATIME | SET.MTIME)) === 0) return
    done(this.#files.change(fid.path, {
      ...((valid & SET.MODE) === 0 ? {} : { mode: mode & 0o777 }),
      ...((valid & SET.ATIME) === 0 ? {} : { accessed: (valid & SET.ATIME_SET) === 0 ? 'now' as const : accessed }),
      ...((valid & SET.MTIME) === 0 ? {} : { modified: (valid & SET.MTIME_SET) === 0 ? 'now' as const : modified }),
    }))
  }

  #list(fields: Fields, answer: Answer, room: number): void {
    const fid = this.#fid(fields.u32()), from = fields.offset(), count = Math.min(fields.u32(), room - HEADER - 4, this.#messageSize - HEADER - 4)
    if (from === 0 || fid.entries === undefined) {
      const inodeOf = (path: SharePath): bigint => must(this.#files.attributes(path)).inode
      fid.entries = [
        { name: '.', inode: inodeOf(fid.path), type: 'folder' }, { name: '..', inode: inodeOf(fid.path.slice(0, -1)), type: 'folder' }, ...must(this.#files.list(fid.path)),
      ]
    }
    const data = new Answer()
    for (let i = from; i < fid.entries.length; i++) {
      const entry = fid.entries[i]!
      if (data.length - HEADER + QID + 8 + 1 + sizeOfString(entry.name) > count) break
      data.qid(entry).u64(i + 1).u8(DIRENT_TYPE[entry.type]).string(entry.name)
    }
    const bytes = data.finish(0, 0).subarray(HEADER)
    answer.u32(bytes.length).bytes(bytes)
  }

  #rename(from: SharePath, to: SharePath): void {
    done(this.#files.rename(named(from), to))
    for (const fid of this.#fids.values()) {
      if (from.every((name, i) => fid.path[i] === name)) fid.path = [...to, ...fid.path.slice(from.length)]
    }
  }

  save(): unknown {
    return { messageSize: this.#messageSize, fids: [...this.#fids].map(([number, { path, mode }]) => ({ number, path: [...path], mode: mode === undefined ? null : { ...mode } })) }
  }

  /** Files that were open are opened again; those that are gone stay closed. */
  restore(state: unknown): void {
    this.reset()
    const fields = fieldsOf(state, '9p share'), { messageSize, fids } = fields
    if (typeof messageSize === 'number' && messageSize >= SMALLEST_MESSAGE && messageSize <= LARGEST_MESSAGE) this.#messageSize = messageSize
    if (!Array.isArray(fids)) return
    for (const each of (fids as unknown[]).slice(0, MOST_FIDS)) {
      const { number, path, mode } = fieldsOf(each, '9p fid')
      if (typeof number !== 'number' || !Array.isArray(path) || !path.every(name => typeof name === 'string' && isPlain(name)) || this.#fids.has(number)) continue
      const fid = this.#add(number, path as string[])
      if (typeof mode !== 'object' || mode === null) continue
      const { read, write } = mode as Partial<OpenMode>, opened = this.#files.open(fid.path, { read: read === true, write: write === true, truncate: false })
      if (typeof opened === 'number') continue
      fid.open = opened
      fid.mode = { read: read === true, write: write === true, truncate: false }
    }
  }
}

function openMode(flags: number): OpenMode {
  const access = flags & OPEN.ACCESS
  return { read: access !== OPEN.WRONLY, write: access === OPEN.WRONLY || access === OPEN.RDWR, truncate: (flags & OPEN.TRUNC) !== 0 }
}

const isPlain = (name: string): boolean => name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)

/** A name that stays in its folder. */
function nameOf(name: string): string {
  if (!isPlain(name)) throw new Refusal(ERRNO.EINVAL)
  if (sizeOfString(name) - 2 > NAME_BYTES) throw new Refusal(ERRNO.ENAMETOOLONG)
  return name
}

/** The root has no name that could be changed. */
function named(path: SharePath): SharePath {
  if (path.length === 0) throw new Refusal(ERRNO.EPERM)
  return path
}
