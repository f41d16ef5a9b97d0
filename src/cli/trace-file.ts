/** Where a trace is written while the run goes on: whole lines or packets at a time, so that the file is valid whenever it ends. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { BadInput } from '../arch/bad-input.ts'

const CHUNK = 1 << 16

export class TraceFile {
  readonly #fd: number
  readonly #chunks: Uint8Array[] = []
  #length = 0
  #closed = false
  bytes = 0

  /** Undefined: stderr. */
  constructor(path: string | undefined) {
    if (path === undefined) {
      this.#fd = 2
      return
    }
    try { this.#fd = openSync(path, 'w') } catch (error) {
      throw new BadInput('--out', `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
    }
  }

  readonly write = (bytes: Uint8Array): void => {
    this.#chunks.push(bytes)
    this.#length += bytes.length
    if (this.#length >= CHUNK) this.#flush()
  }

  readonly line = (text: string): void => { this.write(Buffer.from(`${text}\n`)) }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#flush()
    if (this.#fd !== 2) closeSync(this.#fd)
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#chunks)
    this.#chunks.length = this.#length = 0
    for (let at = 0; at < bytes.length;) {
      try { at += writeSync(this.#fd, bytes, at) } catch (error) {
        // stderr may be a pipe that is full.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      }
    }
    this.bytes += bytes.length
  }
}
