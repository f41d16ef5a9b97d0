/** A descriptor chain as two streams of bytes: what the device reads, and what it writes (VIRTIO 1.2, 2.6.4.2: in this order). */
import type { DmaMemory } from './memory.ts'

export interface Segment { readonly address: number, readonly length: number }

/** All segments have been found to be in RAM. */
export class Chain {
  /** Index of its first descriptor: what the used ring names it by. */
  readonly head: number
  readonly readableBytes: number
  readonly writableBytes: number
  readonly #memory: DmaMemory
  readonly #readable: readonly Segment[]
  readonly #writable: readonly Segment[]

  constructor(memory: DmaMemory, head: number, readable: readonly Segment[], writable: readonly Segment[]) {
    this.head = head
    this.#memory = memory
    this.#readable = readable
    this.#writable = writable
    this.readableBytes = total(readable)
    this.writableBytes = total(writable)
  }

  /** Up to `into.length` bytes from `offset` of the readable part; the number of bytes that were there. */
  read(offset: number, into: Uint8Array): number {
    return walk(this.#readable, offset, into, (address, part) => this.#memory.readBytes(address, part))
  }

  /** Bytes [offset, offset + length) of the readable part, or as many as there are. */
  bytes(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.readableBytes - offset)))
    this.read(offset, bytes)
    return bytes
  }

  /** The number of bytes for which there was room. */
  write(offset: number, from: Uint8Array): number {
    return walk(this.#writable, offset, from, (address, part) => this.#memory.writeBytes(address, part))
  }
}

const total = (segments: readonly Segment[]): number => segments.reduce((sum, { length }) => sum + length, 0)

function walk(segments: readonly Segment[], offset: number, bytes: Uint8Array, move: (address: number, part: Uint8Array) => boolean): number {
  let skip = offset, done = 0
  for (const { address, length } of segments) {
    if (done === bytes.length) break
    if (skip >= length) {
      skip -= length
      continue
    }
    const count = Math.min(length - skip, bytes.length - done)
    move(address + skip, bytes.subarray(done, done + count))
    done += count
    skip = 0
  }
  return done
}
