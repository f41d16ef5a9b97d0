/**
 * Semihosting (Arm, "Semihosting for AArch32 and AArch64", 2.0): HLT #0xF000 with the operation in W0 and its parameter, mostly the address of
 * a block of 64-bit words, in X1. The result is in X0. Files are what `SemihostingHost.files` lets through; without it there are none.
 */
import type { VirtualBytes } from '../cpu/virtual-bytes.ts'

export interface SemihostingFile {
  /** Bytes read: fewer at the end. Undefined: an error. */
  read(offset: number, into: Uint8Array): number | undefined
  write(offset: number, from: Uint8Array): number | undefined
  size(): number
  close(): void
}

export interface SemihostingFiles {
  /** `mode` as fopen's: r, r+, w, w+, a, a+ (b is left out). Undefined: no such file, or not for this guest. */
  open(path: string, mode: string): SemihostingFile | undefined
  remove(path: string): boolean
  rename(from: string, to: string): boolean
}

export interface SemihostingHost {
  /** What SYS_GET_CMDLINE answers. */
  readonly commandLine: string
  readonly output: (bytes: Uint8Array) => void
  readonly files?: SemihostingFiles
  /** EL0 may call too. */
  readonly userSpace?: boolean
}

/** What the machine lends for a call. */
export interface SemihostingContext {
  readonly bytes: VirtualBytes
  readonly nanoseconds: number
  readonly epochSeconds: number
  /** End of RAM, for the heap and the stack that SYS_HEAPINFO describes. */
  readonly ram: { readonly base: number, readonly size: number }
  exit(code: number): void
}

const SYS = {
  OPEN: 0x01, CLOSE: 0x02, WRITEC: 0x03, WRITE0: 0x04, WRITE: 0x05, READ: 0x06, READC: 0x07, ISERROR: 0x08, ISTTY: 0x09, SEEK: 0x0a, FLEN: 0x0c, TMPNAM: 0x0d, REMOVE: 0x0e, RENAME: 0x0f,
  CLOCK: 0x10, TIME: 0x11, SYSTEM: 0x12, ERRNO: 0x13, GET_CMDLINE: 0x15, HEAPINFO: 0x16, EXIT: 0x18, EXIT_EXTENDED: 0x20, ELAPSED: 0x30, TICKFREQ: 0x31,
} as const
const MODES = ['r', 'r', 'r+', 'r+', 'w', 'w', 'w+', 'w+', 'a', 'a', 'a+', 'a+']
const APPLICATION_EXIT = 0x20026n
const ERROR = -1n
const EBADF = 9, ENOENT = 2, EINVAL = 22, EFAULT = 14, EACCES = 13
/** Magic "SHFB"; SYS_EXIT_EXTENDED; standard output and error can be told apart. */
const FEATURES = Uint8Array.of(0x53, 0x48, 0x46, 0x42, 3)
const LONGEST_TEXT = 0x10_0000, LONGEST_NAME = 4096, MOST_FILES = 256, CHUNK = 0x1_0000
const NANOSECONDS_PER_SECOND = 1_000_000_000n

type Handle = { readonly kind: 'console' } | { readonly kind: 'file', readonly file: SemihostingFile, position: number, readonly append: boolean }

export class Semihosting {
  readonly #host: SemihostingHost
  /** By number from 1 on. */
  readonly #handles: (Handle | undefined)[] = [{ kind: 'console' }]
  readonly #typed: number[] = []
  #errno = 0

  constructor(host: SemihostingHost) { this.#host = host }

  get userSpace(): boolean { return this.#host.userSpace ?? false }

  /** Bytes for SYS_READC and for reads of the console. */
  receive(bytes: Iterable<number>): void { this.#typed.push(...bytes) }

  /** Performs operation `w0`; the new X0. */
  call(w0: number, x1: bigint, context: SemihostingContext): bigint {
    const { bytes } = context
    switch (w0) {
      case SYS.OPEN: {
        const [address, mode, length] = this.#words(bytes, x1, 3) ?? [], name = address === undefined ? undefined : this.#text(bytes, address, length!, LONGEST_NAME)
        return name === undefined || mode === undefined ? this.#fail(EFAULT) : this.#open(name, Number(mode))
      }
      case SYS.CLOSE: return this.#withHandle(bytes, x1, (handle, index) => {
        if (handle.kind === 'file') handle.file.close()
        this.#handles[index] = undefined
        return 0n
      })
      case SYS.WRITEC: {
        const [byte] = bytes.read(x1, 1)
        if (byte !== undefined) this.#host.output(Uint8Array.of(byte))
        return x1
      }
      case SYS.WRITE0: {
        this.#host.output(this.#zeroTerminated(bytes, x1))
        return x1
      }
      case SYS.WRITE: return this.#transfer(bytes, x1, (handle, address, length) => this.#write(handle, bytes, address, length))
      case SYS.READ: return this.#transfer(bytes, x1, (handle, address, length) => this.#read(handle, bytes, address, length))
      // There is nobody to wait for: no byte is an error at once.
      case SYS.READC: return this.#typed.length > 0 ? BigInt(this.#typed.shift()!) : this.#fail(EINVAL)
      case SYS.ISERROR: {
        const [status] = this.#words(bytes, x1, 1) ?? []
        return status === undefined ? this.#fail(EFAULT) : BigInt.asIntN(64, status) < 0n ? 1n : 0n
      }
      case SYS.ISTTY: return this.#withHandle(bytes, x1, handle => handle.kind === 'console' ? 1n : 0n)
      case SYS.SEEK: return this.#withHandle(bytes, x1, (handle, _index, words) => {
        const position = Number(words[1])
        if (handle.kind !== 'file' || !Number.isSafeInteger(position)) return this.#fail(EINVAL)
        handle.position = position
        return 0n
      }, 2)
      case SYS.FLEN: return this.#withHandle(bytes, x1, handle => handle.kind === 'file' ? BigInt(handle.file.size()) : this.#fail(EINVAL))
      case SYS.REMOVE: {
        const [address, length] = this.#words(bytes, x1, 2) ?? [], name = address === undefined ? undefined : this.#text(bytes, address, length!, LONGEST_NAME)
        return name !== undefined && this.#host.files?.remove(name) === true ? 0n : this.#fail(ENOENT)
      }
      case SYS.RENAME: {
        const words = this.#words(bytes, x1, 4)
        const from = words && this.#text(bytes, words[0]!, words[1]!, LONGEST_NAME), to = words && this.#text(bytes, words[2]!, words[3]!, LONGEST_NAME)
        return from !== undefined && to !== undefined && this.#host.files?.rename(from, to) === true ? 0n : this.#fail(ENOENT)
      }
      // Centiseconds since the start, seconds since 1970: virtual time.
      case SYS.CLOCK: return BigInt(Math.floor(context.nanoseconds / 1e7))
      case SYS.TIME: return BigInt(context.epochSeconds + Math.floor(context.nanoseconds / 1e9))
      case SYS.ERRNO: return BigInt(this.#errno)
      case SYS.GET_CMDLINE: return this.#commandLine(bytes, x1)
      case SYS.HEAPINFO: return this.#heapInfo(bytes, x1, context.ram)
      case SYS.EXIT: case SYS.EXIT_EXTENDED: {
        const words = this.#words(bytes, x1, 2)
        context.exit(words !== undefined && words[0] === APPLICATION_EXIT ? Number(words[1]! & 0xffn) : 1)
        return 0n
      }
      case SYS.ELAPSED: {
        const ticks = new Uint8Array(8)
        new DataView(ticks.buffer).setBigUint64(0, BigInt(Math.floor(context.nanoseconds)), true)
        return bytes.write(x1, ticks) === 8 ? 0n : this.#fail(EFAULT)
      }
      case SYS.TICKFREQ: return NANOSECONDS_PER_SECOND
      // SYS_TMPNAM and SYS_SYSTEM would reach the host: refused. Unknown operations answer the same.
      default: return this.#fail(w0 === SYS.TMPNAM || w0 === SYS.SYSTEM ? EACCES : EINVAL)
    }
  }

  #fail(errno: number): bigint {
    this.#errno = errno
    return BigInt.asUintN(64, ERROR)
  }

  #words(bytes: VirtualBytes, address: bigint, count: number): bigint[] | undefined {
    const block = bytes.read(address, 8 * count)
    if (block.length < 8 * count) return undefined
    const view = new DataView(block.buffer)
    return Array.from({ length: count }, (_, i) => view.getBigUint64(8 * i, true))
  }

  #text(bytes: VirtualBytes, address: bigint, length: bigint, most: number): string | undefined {
    if (length > BigInt(most)) return undefined
    const text = bytes.read(address, Number(length))
    return text.length === Number(length) ? new TextDecoder().decode(text) : undefined
  }

  #zeroTerminated(bytes: VirtualBytes, address: bigint): Uint8Array {
    const parts: number[] = []
    for (let at = address; parts.length < LONGEST_TEXT;) {
      // To the end of the page: the next one need not be there.
      const part = bytes.read(at, 4096 - Number(at & 0xfffn)), end = part.indexOf(0)
      parts.push(...part.subarray(0, end < 0 ? part.length : end))
      if (end >= 0 || part.length === 0) break
      at += BigInt(part.length)
    }
    return Uint8Array.from(parts)
  }

  #open(name: string, mode: number): bigint {
    const how = MODES[mode]
    if (how === undefined) return this.#fail(EINVAL)
    if (this.#handles.length > MOST_FILES) return this.#fail(EINVAL)
    let handle: Handle
    if (name === ':tt') handle = { kind: 'console' }
    else if (name === ':semihosting-features') {
      if (!how.startsWith('r')) return this.#fail(EACCES)
      handle = { kind: 'file', position: 0, append: false, file: { read: (offset, into) => copy(FEATURES, offset, into), write: () => undefined, size: () => FEATURES.length, close: () => {} } }
    } else {
      const file = this.#host.files?.open(name, how)
      if (file === undefined) return this.#fail(this.#host.files === undefined ? EACCES : ENOENT)
      handle = { kind: 'file', file, position: 0, append: how.startsWith('a') }
    }
    const free = this.#handles.indexOf(undefined), index = free < 0 ? this.#handles.length : free
    this.#handles[index] = handle
    return BigInt(index + 1)
  }

  #withHandle(bytes: VirtualBytes, block: bigint, action: (handle: Handle, index: number, words: readonly bigint[]) => bigint, words = 1): bigint {
    const values = this.#words(bytes, block, words)
    if (values === undefined) return this.#fail(EFAULT)
    const index = Number(values[0]) - 1, handle = this.#handles[index]
    return handle === undefined ? this.#fail(EBADF) : action(handle, index, values)
  }

  /** Reads and writes answer with the number of bytes that were not transferred. */
  #transfer(bytes: VirtualBytes, block: bigint, action: (handle: Handle, address: bigint, length: number) => number): bigint {
    return this.#withHandle(bytes, block, (handle, _index, words) => {
      const length = Number(words[2])
      return Number.isSafeInteger(length) ? BigInt(length - action(handle, words[1]!, length)) : this.#fail(EINVAL)
    }, 3)
  }

  #write(handle: Handle, bytes: VirtualBytes, address: bigint, length: number): number {
    let done = 0
    while (done < length) {
      const part = bytes.read(address + BigInt(done), Math.min(CHUNK, length - done))
      if (part.length === 0) break
      if (handle.kind === 'console') this.#host.output(part)
      else {
        const count = handle.file.write(handle.append ? handle.file.size() : handle.position, part) ?? 0
        handle.position += count
        if (count < part.length) return done + count
      }
      done += part.length
    }
    return done
  }

  #read(handle: Handle, bytes: VirtualBytes, address: bigint, length: number): number {
    let done = 0
    while (done < length) {
      const chunk = new Uint8Array(Math.min(CHUNK, length - done))
      const count = handle.kind === 'console' ? copy(Uint8Array.from(this.#typed.splice(0, chunk.length)), 0, chunk) : handle.file.read(handle.position, chunk) ?? 0
      const written = bytes.write(address + BigInt(done), chunk.subarray(0, count))
      if (handle.kind === 'file') handle.position += written
      done += written
      if (written < chunk.length) break
    }
    return done
  }

  #commandLine(bytes: VirtualBytes, block: bigint): bigint {
    const words = this.#words(bytes, block, 2), text = new TextEncoder().encode(`${this.#host.commandLine}\0`)
    if (words === undefined || words[1]! < BigInt(text.length) || bytes.write(words[0]!, text) < text.length) return this.#fail(EFAULT)
    const length = new Uint8Array(8)
    new DataView(length.buffer).setBigUint64(0, BigInt(text.length - 1), true)
    return bytes.write(block + 8n, length) === 8 ? 0n : this.#fail(EFAULT)
  }

  /** Upper half of RAM: heap up, stack down from its end. */
  #heapInfo(bytes: VirtualBytes, block: bigint, { base, size }: SemihostingContext['ram']): bigint {
    const [address] = this.#words(bytes, block, 1) ?? []
    const fields = new Uint8Array(32), view = new DataView(fields.buffer), middle = BigInt(base + size / 2), end = BigInt(base + size)
    for (const [i, value] of [middle, end, end, middle].entries()) view.setBigUint64(8 * i, value, true)
    return address !== undefined && bytes.write(address, fields) === fields.length ? 0n : this.#fail(EFAULT)
  }
}

function copy(from: Uint8Array, offset: number, into: Uint8Array): number {
  const part = from.subarray(offset, offset + into.length)
  into.set(part)
  return part.length
}
