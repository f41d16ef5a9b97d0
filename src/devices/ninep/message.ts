/** Messages of 9p2000.L: little-endian fields, strings with a 16-bit length, qids. Types as Linux's client has them (Documentation/filesystems/9p, diod's protocol text). */
import type { FileAttributes } from '../plug.ts'

export const T = {
  lerror: 6, statfs: 8, lopen: 12, lcreate: 14, symlink: 16, mknod: 18, rename: 20, readlink: 22, getattr: 24, setattr: 26, xattrwalk: 30, xattrcreate: 32, readdir: 40, fsync: 50, lock: 52,
  getlock: 54, link: 70, mkdir: 72, renameat: 74, unlinkat: 76, version: 100, auth: 102, attach: 104, flush: 108, walk: 110, read: 116, write: 118, clunk: 120, remove: 122,
} as const

export const ERRNO = { EPERM: 1, ENOENT: 2, EIO: 5, EBADF: 9, EACCES: 13, EEXIST: 17, ENOTDIR: 20, EISDIR: 21, EINVAL: 22, EMFILE: 24, EROFS: 30, ENAMETOOLONG: 36, ELOOP: 40, EPROTO: 71, EOPNOTSUPP: 95 } as const

/** size, type, tag. */
export const HEADER = 7
export const QID = 13

/** The answer is Rlerror with this number. */
export class Refusal extends Error {
  readonly errno: number
  constructor(errno: number) {
    super(`errno ${errno}`)
    this.errno = errno
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

/** Fields of a request; throws Refusal (EINVAL) where there are none. */
export class Fields {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  #take(size: number): number {
    const at = this.#at
    if (at + size > this.#bytes.length) throw new Refusal(ERRNO.EINVAL)
    this.#at += size
    return at
  }

  u8(): number { return this.#view.getUint8(this.#take(1)) }
  u16(): number { return this.#view.getUint16(this.#take(2), true) }
  u32(): number { return this.#view.getUint32(this.#take(4), true) }
  u64(): bigint { return this.#view.getBigUint64(this.#take(8), true) }
  /** A file offset or size: exact in a double. */
  offset(): number {
    const value = this.u64()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal(ERRNO.EINVAL)
    return Number(value)
  }
  bytes(size: number): Uint8Array { return this.#bytes.subarray(this.#take(size), this.#at) }
  string(): string {
    const bytes = this.bytes(this.u16())
    try { return decoder.decode(bytes) } catch { throw new Refusal(ERRNO.EINVAL) }
  }
}

/** An answer; the header is filled in at the end. */
export class Answer {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = HEADER

  get length(): number { return this.#length }

  #room(size: number): number {
    const at = this.#length
    if (at + size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, at + size))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#length += size
    return at
  }

  u8(value: number): this {
    const at = this.#room(1)
    this.#view.setUint8(at, value)
    return this
  }
  u16(value: number): this {
    const at = this.#room(2)
    this.#view.setUint16(at, value, true)
    return this
  }
  u32(value: number): this {
    const at = this.#room(4)
    this.#view.setUint32(at, value, true)
    return this
  }
  u64(value: bigint | number): this {
    const at = this.#room(8)
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true)
    return this
  }
  string(text: string): this {
    const bytes = encoder.encode(text)
    return this.u16(bytes.length).bytes(bytes)
  }
  bytes(bytes: Uint8Array): this {
    const at = this.#room(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }
  qid({ type, inode, modified }: Pick<FileAttributes, 'type' | 'inode'> & Partial<Pick<FileAttributes, 'modified'>>): this {
    // The version changes with the contents: clients that cache look at it.
    const version = modified === undefined ? 0 : Number(BigInt.asUintN(32, modified.seconds * 1000n)) ^ Math.floor(modified.nanoseconds / 1_000_000)
    return this.u8(type === 'folder' ? 0x80 : type === 'link' ? 0x02 : 0).u32(version >>> 0).u64(inode)
  }

  finish(type: number, tag: number): Uint8Array {
    this.#view.setUint32(0, this.#length, true)
    this.#view.setUint8(4, type)
    this.#view.setUint16(5, tag, true)
    return this.#bytes.subarray(0, this.#length)
  }
}

export const sizeOfString = (text: string): number => 2 + encoder.encode(text).length
