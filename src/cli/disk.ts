/** Disks in files of the host. */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'
import { BadInput } from '../arch/bad-input.ts'
import { OverlayBacking, type BlockBacking } from '../devices/index.ts'

export type DiskAccess = 'rw' | 'ro' | 'overlay'

const SECTOR = 512

/**
 * A raw disk image. `rw` writes into it, `overlay` only reads it and keeps what the guest writes in memory. The bytes of the file are part of what
 * a run depends on: nobody else may write it meanwhile. Throws BadInput.
 */
export function openDisk(path: string, access: DiskAccess, what = '--drive'): BlockBacking {
  let descriptor: number
  try { descriptor = openSync(path, access === 'rw' ? 'r+' : 'r') } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new BadInput(what, code === 'ENOENT' ? `there is no file ${path}` : code === 'EISDIR' ? `${path} is a folder` : code === 'EACCES' || code === 'EROFS' ? `${path} cannot be opened for writing; add ,ro or ,overlay` : `${path} cannot be opened (${code ?? String(error)})`)
  }
  const status = fstatSync(descriptor)
  const problem = status.isDirectory() ? 'is a folder' : !status.isFile() ? 'is not a regular file' : status.size === 0 ? 'is empty' : status.size % SECTOR !== 0 ? `has ${status.size} bytes, which is no multiple of ${SECTOR}` : undefined
  if (problem !== undefined) {
    closeSync(descriptor)
    throw new BadInput(what, `${path} ${problem}`)
  }
  const file = new FileBacking(descriptor, status.size, access !== 'rw')
  return access === 'overlay' ? new OverlayBacking(file) : file
}

/** SHA-256 of a disk image, for recordings. */
export function diskDigest(path: string): string {
  const hash = createHash('sha256'), chunk = new Uint8Array(1 << 20), fd = openSync(path, 'r')
  try {
    for (let count = readSync(fd, chunk); count > 0; count = readSync(fd, chunk)) hash.update(chunk.subarray(0, count))
  } finally { closeSync(fd) }
  return hash.digest('hex')
}

class FileBacking implements BlockBacking {
  readonly size: number
  readonly readOnly: boolean
  readonly #descriptor: number

  constructor(descriptor: number, size: number, readOnly: boolean) {
    this.#descriptor = descriptor
    this.size = size
    this.readOnly = readOnly
  }

  read(offset: number, into: Uint8Array): boolean {
    return attempt(() => {
      for (let at = 0; at < into.length;) {
        const count = readSync(this.#descriptor, into, at, into.length - at, offset + at)
        // The file has been cut short by somebody.
        if (count === 0) return false
        at += count
      }
      return true
    })
  }

  write(offset: number, from: Uint8Array): boolean {
    return attempt(() => {
      for (let at = 0; at < from.length;) at += writeSync(this.#descriptor, from, at, from.length - at, offset + at)
      return true
    })
  }

  flush(): boolean {
    return this.readOnly || attempt(() => {
      fsyncSync(this.#descriptor)
      return true
    })
  }
}

/** What goes wrong on the host is an I/O error of the guest's. */
function attempt(action: () => boolean): boolean {
  try { return action() } catch { return false }
}
