/**
 * The device's side of a split virtqueue (VIRTIO 1.2, 2.7). Everything in the rings is the guest's: indices, loops, lengths and addresses are
 * checked, and a ring that breaks the rules is reported once and then left alone (the device asks for a reset).
 */
import { fieldsOf, integerIn } from '../saved-state.ts'
import { Chain } from './chain.ts'
import type { Segment } from './chain.ts'
import type { DmaMemory } from './memory.ts'

/** 2.7: the largest queue. */
export const LARGEST_QUEUE = 32_768
/** Descriptors of one chain, indirect ones included: what QEMU allows. */
const LONGEST_CHAIN = 1024
/** 2.7.4: a chain is at most 2^32 bytes long. */
const LARGEST_CHAIN = 2 ** 32

const DESCRIPTOR_SIZE = 16
const FLAGS = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const
const AVAIL_NO_INTERRUPT = 1

export interface QueueOptions {
  readonly memory: DmaMemory
  readonly maximum: number
  /** The driver has broken the rules of the ring. */
  readonly broken: (problem: string) => void
  /** The driver wants to hear of used buffers. */
  readonly interrupt: () => void
}

export class Virtqueue {
  readonly maximum: number
  size: number
  ready = false
  /** Addresses of the three parts: the driver's registers. */
  descriptors = 0
  available = 0
  used = 0
  /** VIRTIO_F_EVENT_IDX and VIRTIO_F_INDIRECT_DESC have been negotiated. */
  eventIndex = false
  indirect = false
  readonly #memory: DmaMemory
  readonly #options: QueueOptions
  /** Free-running 16-bit counts: of chains taken, of chains given back, and of those given back when the driver was last told. */
  #taken = 0
  #given = 0
  #told = 0
  readonly #word = new Uint8Array(8)
  readonly #view = new DataView(this.#word.buffer)
  readonly #descriptor = new Uint8Array(DESCRIPTOR_SIZE)
  readonly #descriptorView = new DataView(this.#descriptor.buffer)

  constructor(options: QueueOptions) {
    this.#options = options
    this.#memory = options.memory
    this.maximum = this.size = options.maximum
  }

  reset(): void {
    this.size = this.maximum
    this.ready = this.eventIndex = this.indirect = false
    this.descriptors = this.available = this.used = 0
    this.#taken = this.#given = this.#told = 0
  }

  /** A size that a split queue can have (2.7: a power of 2). */
  get isSizeValid(): boolean { return this.size > 0 && this.size <= this.maximum && (this.size & (this.size - 1)) === 0 }

  /** The next chain that the driver has made available. */
  take(): Chain | undefined {
    const head = this.#next()
    if (head === undefined) return undefined
    const chain = this.#chain(head)
    if (chain !== undefined) this.#taken = (this.#taken + 1) & 0xffff
    return chain
  }

  /** Whether `take` would find something; false on a broken ring. */
  get isEmpty(): boolean { return this.#next() === undefined }

  /**
   * Takes chain after chain, gives each back with the bytes that `handle` has written, and tells the driver. Undefined from `handle`: the
   * device is broken.
   */
  serve(handle: (chain: Chain) => number | undefined): void {
    for (let n = 0; ; n++) {
      // The driver does not run meanwhile: only rings that lie over each other grow while they are served.
      if (n > 2 * this.size) return this.#break('a queue that fills itself')
      const chain = this.take()
      if (chain === undefined) {
        if (this.askForNotification()) break
        continue
      }
      const written = handle(chain)
      if (written === undefined) return
      this.give(chain, written)
    }
    this.tellDriver()
  }

  /** Gives a chain back with `written` bytes in its writable part. `tellDriver` once after some of these. */
  give(chain: Chain, written: number): void {
    const view = this.#view
    view.setUint32(0, chain.head, true)
    view.setUint32(4, written >>> 0, true)
    if (!this.#memory.writeBytes(this.used + 4 + 8 * (this.#given & (this.size - 1)), this.#word)) return this.#break('the used ring is not in memory')
    this.#given = (this.#given + 1) & 0xffff
    this.#write16(this.used + 2, this.#given)
  }

  /** Interrupts the driver if it wants to know of what has been given back (2.7.7). */
  tellDriver(): void {
    if (!this.ready || this.#given === this.#told) return
    const before = this.#told
    this.#told = this.#given
    if (this.eventIndex) {
      // Wanted at this count: inside what has been given since the last time?
      const event = this.#read16(this.available + 4 + 2 * this.size)
      if (event !== undefined && ((this.#given - event - 1) & 0xffff) < ((this.#given - before) & 0xffff)) this.#options.interrupt()
    } else if (((this.#read16(this.available) ?? 0) & AVAIL_NO_INTERRUPT) === 0) this.#options.interrupt()
  }

  /** The driver is to notify at the next chain. False: one has come in the meantime, so look again. */
  askForNotification(): boolean {
    if (!this.eventIndex || !this.ready) return true
    this.#write16(this.used + 4 + 8 * this.size, this.#taken)
    return this.isEmpty
  }

  save(): unknown {
    // Addresses beyond what a number holds exactly are not in memory anyway.
    const [descriptors, available, used] = [this.descriptors, this.available, this.used].map(address => Math.min(address, Number.MAX_SAFE_INTEGER))
    return {
      size: this.size, ready: this.ready ? 1 : 0, descriptors, available, used,
      eventIndex: this.eventIndex ? 1 : 0, indirect: this.indirect ? 1 : 0, taken: this.#taken, given: this.#given, told: this.#told,
    }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'virtqueue'), address = Number.MAX_SAFE_INTEGER
    this.size = integerIn(fields, 'size', 0xffff)
    this.ready = integerIn(fields, 'ready', 1) !== 0
    this.descriptors = integerIn(fields, 'descriptors', address)
    this.available = integerIn(fields, 'available', address)
    this.used = integerIn(fields, 'used', address)
    this.eventIndex = integerIn(fields, 'eventIndex', 1) !== 0
    this.indirect = integerIn(fields, 'indirect', 1) !== 0
    this.#taken = integerIn(fields, 'taken', 0xffff)
    this.#given = integerIn(fields, 'given', 0xffff)
    this.#told = integerIn(fields, 'told', 0xffff)
    if (this.ready && !this.isSizeValid) this.ready = false
  }

  #next(): number | undefined {
    if (!this.ready) return undefined
    const index = this.#read16(this.available + 2)
    if (index === undefined) return this.#break('the available ring is not in memory')
    const waiting = (index - this.#taken) & 0xffff
    if (waiting === 0) return undefined
    if (waiting > this.size) return this.#break(`${waiting} chains are available in a queue of ${this.size}`)
    const head = this.#read16(this.available + 4 + 2 * (this.#taken & (this.size - 1)))
    if (head === undefined) return this.#break('the available ring is not in memory')
    if (head >= this.size) return this.#break(`descriptor ${head} in a queue of ${this.size}`)
    return head
  }

  #chain(head: number): Chain | undefined {
    const readable: Segment[] = [], writable: Segment[] = [], view = this.#descriptorView
    let table = this.descriptors, count = this.size, index = head, bytes = 0, isIndirect = false
    for (let n = 0; ; n++) {
      if (n >= (isIndirect ? LONGEST_CHAIN : this.size)) return this.#break('a chain without end')
      if (!this.#memory.readBytes(table + index * DESCRIPTOR_SIZE, this.#descriptor)) return this.#break('the descriptor table is not in memory')
      const address = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32, length = view.getUint32(8, true), flags = view.getUint16(12, true), next = view.getUint16(14, true)
      if ((flags & FLAGS.INDIRECT) !== 0) {
        if (!this.indirect || isIndirect || (flags & FLAGS.NEXT) !== 0) return this.#break('an indirect descriptor where none may be')
        if (length === 0 || length % DESCRIPTOR_SIZE !== 0 || length > LONGEST_CHAIN * DESCRIPTOR_SIZE) return this.#break(`an indirect table of ${length} bytes`)
        table = address
        count = length / DESCRIPTOR_SIZE
        index = 0
        n = -1
        isIndirect = true
        continue
      }
      bytes += length
      if (bytes > LARGEST_CHAIN) return this.#break('a chain of more than 4 GiB')
      if (length > 0) {
        if (!this.#memory.isRam(address, length)) return this.#break(`a buffer at 0x${address.toString(16)}, ${length} bytes, that is not in memory`)
        if ((flags & FLAGS.WRITE) !== 0) writable.push({ address, length })
        else if (writable.length > 0) return this.#break('a buffer to read after one to write')
        else readable.push({ address, length })
      }
      if ((flags & FLAGS.NEXT) === 0) return new Chain(this.#memory, head, readable, writable)
      if (next >= count) return this.#break(`descriptor ${next} in a table of ${count}`)
      index = next
    }
  }

  #read16(address: number): number | undefined {
    const two = this.#word.subarray(0, 2)
    return this.#memory.readBytes(address, two) ? two[0]! | (two[1]! << 8) : undefined
  }

  #write16(address: number, value: number): void {
    const two = this.#word.subarray(0, 2)
    two[0] = value & 0xff
    two[1] = value >>> 8
    if (!this.#memory.writeBytes(address, two)) this.#break('the used ring is not in memory')
  }

  #break(problem: string): undefined {
    this.ready = false
    this.#options.broken(problem)
    return undefined
  }
}
