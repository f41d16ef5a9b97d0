/**
 * The far end of the wire for the loads with a network: what netperf and memtier_benchmark do on the paper's client machine, as a program of the
 * host side of the user-mode network. It lives in virtual time: what it sends arrives at cycles that follow from what it was sent, so that a run
 * is the same every time. The guest opens the connections (guests/apps/network.c); eight bytes say how much is wanted.
 */
import type { HostNetwork, HostRequest } from '../devices/index.ts'

/** Ports. */
export const PEER_PORT = { rr: 5001, stream: 5002, maerts: 5003, memcached: 5004 } as const

/**
 * Cycles from the machine's sending until the client's next request arrives: wire, the client's stack and program. 29.7 us between send and receive of
 * a native TCP_RR transaction (ISCA 2016, Table V; recalled) at 2.4 GHz.
 */
export const TURNAROUND = 71_280
/** A byte at 10 Gb/s and 2.4 GHz, with 78 bytes of headers and gaps to 1,460 of data. */
const CYCLES_PER_BYTE = 1.92 * (1460 + 78) / 1460
/** What the client has under way at most, and sends in one piece. */
const WINDOW = 64 * 1024, PIECE = 1460
const HEADER = 8
const KEYS = 1000, KEY = 12, VALUE = 32, MESSAGE = 24
/** memtier_benchmark's default: one SET, then ten GETs. */
const SETS_EVERY = 11

export interface PeerOptions {
  /** Virtual time. */
  readonly now: () => number
  /** An event of the network card, at a time. */
  readonly schedule: (event: { readonly kind: string, readonly id: number, readonly bytes: Uint8Array }, at: number) => void
}

interface Program {
  /** The guest has sent so much more. */
  received(bytes: Uint8Array): void
  /** The guest's stack has acknowledged so much. */
  taken?(count: number): void
}

interface Line {
  readonly send: (bytes: Uint8Array, at: number) => void
  readonly end: (at: number) => void
}

const NOTHING = new Uint8Array(0)

export class NetworkPeer implements HostNetwork {
  readonly #options: PeerOptions
  readonly #connections = new Map<number, { readonly port: number, header: Uint8Array, program: Program | undefined }>()
  /** When the wire is free again: towards the machine, and from it. */
  #inbound = 0
  #outbound = 0
  /** What was wrong in the guest's answers. */
  readonly complaints: string[] = []

  constructor(options: PeerOptions) { this.#options = options }

  request(request: HostRequest): void {
    const { now, schedule } = this.#options
    switch (request.kind) {
      case 'connect':
        this.#connections.set(request.id, { port: request.port, header: NOTHING, program: undefined })
        return schedule({ kind: 'connected', id: request.id, bytes: NOTHING }, now() + TURNAROUND)
      case 'send': return this.#received(request.id, request.bytes)
      case 'taken': return this.#connections.get(request.id)?.program?.taken?.(request.count)
      case 'abort': this.#connections.delete(request.id)
    }
  }

  #received(id: number, bytes: Uint8Array): void {
    const connection = this.#connections.get(id), { now, schedule } = this.#options
    if (connection === undefined) return
    this.#outbound = Math.max(this.#outbound, now()) + bytes.length * CYCLES_PER_BYTE
    if (connection.program !== undefined) connection.program.received(bytes)
    else {
      connection.header = join(connection.header, bytes)
      if (connection.header.length >= HEADER) {
        const words = new DataView(connection.header.buffer), rest = connection.header.subarray(HEADER)
        connection.program = this.#program(id, connection.port, words.getUint32(0, true), words.getUint32(4, true))
        if (rest.length > 0) connection.program.received(rest)
      }
    }
    // The client has read it; behind what it answers, which acknowledges as well.
    schedule({ kind: 'sent', id, bytes: Uint8Array.of(bytes.length >>> 24, bytes.length >>> 16, bytes.length >>> 8, bytes.length) }, Math.max(this.#inbound, this.#outbound + TURNAROUND))
  }

  #program(id: number, port: number, first: number, second: number): Program {
    const { now, schedule } = this.#options
    const line: Line = {
      send: (bytes, at) => {
        this.#inbound = Math.max(this.#inbound, at) + bytes.length * CYCLES_PER_BYTE
        schedule({ kind: 'data', id, bytes }, this.#inbound)
      },
      end: at => { schedule({ kind: 'end', id, bytes: NOTHING }, Math.max(this.#inbound, at)) },
    }
    const answered = (): number => now() + TURNAROUND
    switch (port) {
      case PEER_PORT.rr: return new RequestResponse(line, first, second, answered)
      case PEER_PORT.stream: return new Sender(line, first, answered)
      case PEER_PORT.maerts: return new Receiver(line, first, answered)
      case PEER_PORT.memcached: return new MemcachedClient(line, first, second, answered, text => { this.complaints.push(text) })
      default: return { received: () => { this.complaints.push(`nothing listens on port ${port}`) } }
    }
  }
}

/** TCP_RR: the next request when the response is there. */
class RequestResponse implements Program {
  readonly #line: Line
  readonly #bytes: number
  readonly #answered: () => number
  #left: number
  #have = 0

  constructor(line: Line, transactions: number, bytes: number, answered: () => number) {
    this.#line = line
    this.#left = transactions
    this.#bytes = bytes
    this.#answered = answered
    this.#next()
  }

  #next(): void {
    if (this.#left-- > 0) this.#line.send(new Uint8Array(this.#bytes), this.#answered())
    else this.#line.end(this.#answered())
  }

  received(bytes: Uint8Array): void {
    this.#have += bytes.length
    if (this.#have < this.#bytes) return
    this.#have -= this.#bytes
    this.#next()
  }
}

/** TCP_STREAM: as fast as the wire and the window let it. */
class Sender implements Program {
  readonly #line: Line
  readonly #answered: () => number
  #left: number
  #underWay = 0
  #ended = false

  constructor(line: Line, bytes: number, answered: () => number) {
    this.#line = line
    this.#left = bytes
    this.#answered = answered
    this.#fill()
  }

  #fill(): void {
    while (this.#left > 0 && this.#underWay < WINDOW) {
      const size = Math.min(PIECE, this.#left)
      this.#line.send(new Uint8Array(size), this.#answered())
      this.#left -= size
      this.#underWay += size
    }
    if (this.#left > 0 || this.#ended) return
    this.#ended = true
    this.#line.end(this.#answered())
  }

  received(): void {}

  taken(count: number): void {
    this.#underWay -= count
    this.#fill()
  }
}

/** TCP_MAERTS: reads, and closes when it has all. */
class Receiver implements Program {
  readonly #line: Line
  readonly #answered: () => number
  #left: number

  constructor(line: Line, bytes: number, answered: () => number) {
    this.#line = line
    this.#left = bytes
    this.#answered = answered
  }

  received(bytes: Uint8Array): void {
    this.#left -= bytes.length
    if (this.#left === 0) this.#line.end(this.#answered())
  }
}

/** One connection of memtier_benchmark: the binary protocol, one request under way, a SET and ten GETs of 32 bytes, keys by chance. What a GET finds must be what belongs to its key. */
class MemcachedClient implements Program {
  readonly #line: Line
  readonly #answered: () => number
  readonly #complain: (text: string) => void
  #left: number
  #random: number
  #sent = 0
  #key = ''
  #have: Uint8Array = NOTHING

  constructor(line: Line, requests: number, seed: number, answered: () => number, complain: (text: string) => void) {
    this.#line = line
    this.#left = requests
    this.#random = seed + 1
    this.#answered = answered
    this.#complain = complain
    this.#next()
  }

  #next(): void {
    if (this.#left-- === 0) return this.#line.end(this.#answered())
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0
    this.#key = `memtier-${((this.#random >>> 8) % KEYS).toString().padStart(KEY - 8, '0')}`
    const set = this.#sent++ % SETS_EVERY === 0
    this.#line.send(request(set, this.#key), this.#answered())
  }

  received(bytes: Uint8Array): void {
    this.#have = join(this.#have, bytes)
    if (this.#have.length < MESSAGE) return
    const view = new DataView(this.#have.buffer), size = MESSAGE + view.getUint32(8)
    if (this.#have.length < size) return
    const status = view.getUint16(6), value = this.#have.subarray(MESSAGE + view.getUint8(4), size)
    if (view.getUint8(0) !== 0x81 || status > 1) this.#complain(`memcached answered ${this.#key} with status ${status}`)
    else if (value.length > 0 && new TextDecoder().decode(value) !== valueOf(this.#key)) this.#complain(`memcached has another value for ${this.#key}`)
    this.#have = this.#have.slice(size)
    this.#next()
  }
}

const valueOf = (key: string): string => key.repeat(Math.ceil(VALUE / KEY)).slice(0, VALUE)

/** A request of the binary protocol: extras of a SET are flags and expiry. */
function request(set: boolean, key: string): Uint8Array {
  const extras = set ? 8 : 0, text = `${key}${set ? valueOf(key) : ''}`, bytes = new Uint8Array(MESSAGE + extras + text.length), view = new DataView(bytes.buffer)
  view.setUint8(0, 0x80)
  view.setUint8(1, set ? 1 : 0)
  view.setUint16(2, key.length)
  view.setUint8(4, extras)
  view.setUint32(8, extras + text.length)
  bytes.set(new TextEncoder().encode(text), MESSAGE + extras)
  return bytes
}

function join(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length)
  both.set(left)
  both.set(right, left.length)
  return both
}
