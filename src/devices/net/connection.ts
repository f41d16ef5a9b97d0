/**
 * One TCP connection of the guest's, as its peer (RFC 9293): bytes of the host become segments, segments become bytes for the host. The link
 * loses nothing but what the guest itself drops, so there is no congestion control, and what comes out of order is asked for again.
 */
import type { HostRequest } from '../plug.ts'
import { TCP_FLAG, tcp, type Ip, type Tcp } from './packets.ts'

const { ACK, FIN, PSH, RST, SYN } = TCP_FLAG
/** Bytes from the guest that the host may have before it has taken them. */
const WINDOW = 256 * 1024
const WINDOW_SCALE = 3
const MSS = 1460
const DEFAULT_MSS = 536
/** Ticks without an answer after which a connection is given up. */
const PATIENCE = 60

export interface ConnectionOptions {
  readonly id: number
  readonly guest: Ip
  readonly guestPort: number
  readonly peer: Ip
  readonly peerPort: number
  readonly initialSequence: number
  readonly packet: (packet: Uint8Array) => void
  readonly request: (request: HostRequest) => void
  /** Like a host's stack (RFC 1122, 4.2.3.2): at the latest for every second full segment, with data, or when the program has read; not at once. */
  readonly delayed: boolean
  /** Nothing of it is left. */
  readonly gone: () => void
}

/** a - b of sequence numbers, as a signed 32-bit number. */
const distance = (a: number, b: number): number => (a - b) | 0

export class Connection {
  readonly id: number
  readonly #options: ConnectionOptions
  /** `asked`: the host is connecting; `answered`: SYN and ACK are sent; `calling`: a SYN of ours is. */
  #state: 'asked' | 'answered' | 'calling' | 'open' | 'gone' = 'asked'
  /** Sequence number of the first byte in `#unacknowledged`. */
  #una: number
  /** Bytes for the guest from `#una` on, in pieces; the first `#sent` of them have been sent. */
  #pieces: Uint8Array[] = []
  #queued = 0
  #sent = 0
  #next = 0
  #guestWindow = 0
  #guestScale = 0
  #scaled = false
  #mss = DEFAULT_MSS
  /** Bytes that the host has not taken yet. */
  #atHost = 0
  /** Of bytes received, those that no segment of ours has acknowledged. */
  #unanswered = 0
  #hostEnded = false
  #finSent = false
  /** Sequence number behind the FIN. */
  #finEnd = -1
  #guestEnded = false
  #idleTicks = 0

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.id = options.id
    this.#una = options.initialSequence >>> 0
  }

  // ---- from the guest ----

  /** The guest's SYN: the host is to connect. */
  accept({ sequence, mss, windowScale, window }: Tcp, address: string): void {
    this.#learn(sequence, mss, windowScale, window)
    this.#options.request({ kind: 'connect', id: this.id, address, port: this.#options.peerPort })
  }

  /** A forwarded port: calls the guest. */
  call(): void {
    this.#state = 'calling'
    this.#send(SYN, this.#una, this.#synOptions(true))
  }

  #learn(sequence: number, mss: number | undefined, windowScale: number | undefined, window: number): void {
    this.#next = (sequence + 1) >>> 0
    this.#mss = Math.max(64, Math.min(mss ?? DEFAULT_MSS, MSS))
    this.#scaled = windowScale !== undefined
    this.#guestScale = windowScale ?? 0
    this.#guestWindow = window // never scaled in a SYN
  }

  segment(segment: Tcp): void {
    this.#idleTicks = 0
    const { flags, sequence, acknowledgement, window, data } = segment
    if ((flags & RST) !== 0) {
      // A reset outside the window is somebody else's.
      if (this.#state === 'calling' ? acknowledgement === ((this.#una + 1) >>> 0) : distance(sequence, this.#next) >= 0 && distance(sequence, this.#next) <= WINDOW) this.#drop(false)
      return
    }
    if (this.#state === 'calling') {
      if ((flags & (SYN | ACK)) !== (SYN | ACK) || acknowledgement !== ((this.#una + 1) >>> 0)) return
      this.#learn(sequence, segment.mss, segment.windowScale, window)
      this.#una = acknowledgement
      this.#state = 'open'
      this.#acknowledge()
      this.#transmit()
      return
    }
    if ((flags & SYN) !== 0) {
      if (this.#state === 'answered') this.#answer()
      else if (this.#state === 'open') this.#acknowledge()
      return
    }
    if ((flags & ACK) === 0 || this.#state === 'asked') return
    this.#guestWindow = window << this.#guestScale
    if (this.#state === 'answered') {
      if (acknowledgement !== ((this.#una + 1) >>> 0)) return
      this.#una = acknowledgement
      this.#state = 'open'
    } else this.#acknowledged(acknowledgement)
    if (this.#ended) return
    // An empty segment that is not the next one asks whether we are there.
    if (data.length === 0 && (flags & FIN) === 0 && sequence !== this.#next) this.#acknowledge()
    if (data.length > 0 || (flags & FIN) !== 0) this.#receive(sequence, data, (flags & FIN) !== 0)
    if (!this.#ended) this.#transmit()
  }

  get #ended(): boolean { return this.#state === 'gone' }

  #acknowledged(acknowledgement: number): void {
    const count = distance(acknowledgement, this.#una), mine = this.#sent + this.#finOpen
    if (count <= 0 || count > mine) return
    const bytes = Math.min(count, this.#sent)
    this.#una = acknowledgement
    this.#sent -= bytes
    this.#queued -= bytes
    for (let left = bytes; left > 0;) {
      const first = this.#pieces[0]!
      if (first.length <= left) {
        left -= first.length
        this.#pieces.shift()
      } else {
        this.#pieces[0] = first.subarray(left)
        left = 0
      }
    }
    if (bytes > 0) this.#options.request({ kind: 'taken', id: this.id, count: bytes })
    if (count > bytes && this.#guestEnded) this.#drop(false)
  }

  #receive(sequence: number, data: Uint8Array, end: boolean): void {
    const known = distance(this.#next, sequence)
    // A gap, or all of it has been seen: say what is expected.
    if (known < 0 || known > data.length || this.#guestEnded) return this.#acknowledge()
    const room = Math.max(0, WINDOW - this.#atHost), fresh = data.subarray(known, known + room)
    if (fresh.length > 0) {
      this.#next = (this.#next + fresh.length) >>> 0
      this.#atHost += fresh.length
      this.#unanswered += fresh.length
      this.#options.request({ kind: 'send', id: this.id, bytes: fresh.slice() })
    }
    if (end && known + fresh.length === data.length) {
      this.#next = (this.#next + 1) >>> 0
      this.#guestEnded = true
      this.#options.request({ kind: 'finish', id: this.id })
    }
    if (!this.#options.delayed || end || fresh.length === 0 || this.#unanswered >= 2 * this.#mss) this.#acknowledge()
    if (this.#guestEnded && this.#finSent && this.#sent === 0 && this.#queued === 0 && this.#finAcknowledged) this.#drop(false)
  }

  /** Everything up to the FIN has been acknowledged: `#una` is beyond it. */
  get #finAcknowledged(): boolean { return this.#finSent && this.#una === this.#finEnd }
  /** 1 while a FIN of ours is under way. */
  get #finOpen(): number { return this.#finSent && !this.#finAcknowledged ? 1 : 0 }

  // ---- from the host ----

  connected(): void {
    if (this.#state !== 'asked') return
    this.#state = 'answered'
    this.#answer()
  }

  refused(): void {
    if (this.#state !== 'asked') return
    this.#send(RST | ACK, 0)
    this.#drop(false)
  }

  /** Bytes for the guest. */
  data(bytes: Uint8Array): void {
    if (this.#hostEnded || this.#ended || bytes.length === 0) return
    this.#pieces.push(bytes.slice())
    this.#queued += bytes.length
    this.#transmit()
  }

  /** The host's side has ended. */
  end(): void {
    this.#hostEnded = true
    this.#transmit()
  }

  /** The host's connection is broken. */
  reset(): void {
    if (this.#ended) return
    this.#send(RST | ACK, (this.#una + this.#sent) >>> 0)
    this.#drop(false)
  }

  /** The host has taken bytes. */
  taken(count: number): void {
    const before = WINDOW - this.#atHost
    this.#atHost = Math.max(0, this.#atHost - count)
    // The guest may be waiting for room.
    if (this.#state === 'open' && (this.#unanswered > 0 || (before < WINDOW / 2 && WINDOW - this.#atHost >= WINDOW / 2))) this.#acknowledge()
  }

  /** A quarter of a second or so of the host's time: sends again what has not been acknowledged. */
  tick(): void {
    const waits = this.#state === 'answered' || this.#state === 'calling' || this.#sent > 0 || (this.#finSent && !this.#finAcknowledged)
    if (!waits) {
      this.#idleTicks = 0
      return
    }
    if (++this.#idleTicks > PATIENCE) return this.#drop(true)
    if (this.#idleTicks % 4 !== 0) return
    if (this.#state === 'answered') this.#answer()
    else if (this.#state === 'calling') this.#send(SYN, this.#una, this.#synOptions(true))
    else {
      this.#sent = 0
      this.#finSent = false
      this.#transmit()
    }
  }

  // ---- to the guest ----

  #answer(): void { this.#send(SYN | ACK, this.#una, this.#synOptions(this.#scaled)) }

  /** MSS, and with it (padded) the window scale. */
  #synOptions(scale: boolean): readonly number[] { return [2, 4, MSS >>> 8, MSS & 0xff, ...(scale ? [1, 3, 3, WINDOW_SCALE] : [])] }

  #acknowledge(): void { this.#send(ACK, (this.#una + this.#sent + this.#finOpen) >>> 0) }

  #transmit(): void {
    if (this.#state !== 'open') return
    while (this.#sent < this.#queued) {
      const size = Math.min(this.#mss, this.#queued - this.#sent, this.#guestWindow - this.#sent)
      if (size <= 0) return
      const data = this.#piece(this.#sent, size), sequence = (this.#una + this.#sent) >>> 0
      this.#sent += data.length
      this.#send(ACK | (this.#sent === this.#queued ? PSH : 0), sequence, [], data)
    }
    if (this.#hostEnded && !this.#finSent) {
      this.#finEnd = (this.#una + this.#queued + 1) >>> 0
      this.#send(FIN | ACK, (this.#una + this.#queued) >>> 0)
      this.#finSent = true
    }
  }

  #piece(offset: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size)
    let skip = offset, done = 0
    for (const piece of this.#pieces) {
      if (done === size) break
      if (skip >= piece.length) {
        skip -= piece.length
        continue
      }
      const part = piece.subarray(skip, skip + size - done)
      bytes.set(part, done)
      done += part.length
      skip = 0
    }
    return bytes
  }

  #send(flags: number, sequence: number, options: readonly number[] = [], data?: Uint8Array): void {
    if ((flags & ACK) !== 0) this.#unanswered = 0
    const { guest, guestPort, peer, peerPort, packet } = this.#options, room = Math.max(0, WINDOW - this.#atHost)
    const window = (flags & SYN) !== 0 || !this.#scaled ? Math.min(room, 0xffff) : Math.min(room >>> WINDOW_SCALE, 0xffff)
    packet(tcp({
      source: peer, sourcePort: peerPort, destination: guest, destinationPort: guestPort, sequence, acknowledgement: (flags & ACK) === 0 ? 0 : this.#next, flags, window, options, ...(data === undefined ? {} : { data }),
    }))
  }

  /** Forgets the connection, on the host too; `tell`: the guest hears of it. */
  #drop(tell: boolean): void {
    if (this.#ended) return
    if (tell) this.#send(RST | ACK, (this.#una + this.#sent) >>> 0)
    this.#state = 'gone'
    this.#pieces = []
    this.#queued = this.#sent = 0
    this.#options.request({ kind: 'abort', id: this.id })
    this.#options.gone()
  }
}
