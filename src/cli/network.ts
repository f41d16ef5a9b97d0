/** The host's side of a user-mode network: sockets and the resolver of Node. What they answer is posted to the machine. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { lookup } from 'node:dns'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { BadInput } from '../arch/bad-input.ts'
import type { HostNetwork, HostRequest, PortForward } from '../devices/index.ts'

export type NetworkEvent = { readonly kind: string, readonly id: number, readonly bytes: Uint8Array }

/** Bytes from the host that the guest has not taken yet: then its socket is not read. */
const MOST_UNTAKEN = 256 * 1024
/** A UDP socket that nobody has used for so long is closed. */
const DATAGRAM_MS = 60_000
/** The guest waits in real time for so long after something has happened on the network. */
const LINGER_MS = 3000
const TICK_MS = 250
const HOST_IDS = 2 ** 31
const NOTHING = new Uint8Array(0)

interface Stream { readonly socket: Socket, untaken: number }

export class NodeNetwork implements HostNetwork {
  readonly #streams = new Map<number, Stream>()
  readonly #datagrams = new Map<number, { readonly socket: DatagramSocket, used: number }>()
  readonly #servers: Server[] = []
  readonly #timer: NodeJS.Timeout
  #post: (event: NetworkEvent) => void = () => {}
  #resolving = 0
  #incoming = 0
  #lastUse = -Infinity
  #arrived: (() => void) | undefined

  constructor() {
    this.#timer = setInterval(() => { this.#tick() }, TICK_MS)
    this.#timer.unref()
  }

  /** Where events go, from now on. */
  attach(post: (event: NetworkEvent) => void): void { this.#post = post }

  /** The guest must not run ahead of the clock: something is under way, or may come. */
  get isBusy(): boolean { return this.#resolving > 0 || this.#streams.size > 0 || this.#servers.length > 0 || performance.now() - this.#lastUse < LINGER_MS }

  /** Resolves to true at the next event, to false after the time. */
  wait(milliseconds: number): Promise<boolean> {
    return new Promise(resolve => {
      const timer = setTimeout(() => { done(false) }, milliseconds)
      const done = (event: boolean): void => {
        clearTimeout(timer)
        this.#arrived = undefined
        resolve(event)
      }
      this.#arrived = () => { done(true) }
    })
  }

  close(): void {
    clearInterval(this.#timer)
    for (const { socket } of this.#streams.values()) socket.destroy()
    for (const { socket } of this.#datagrams.values()) socket.close()
    for (const server of this.#servers) server.close()
    this.#streams.clear()
    this.#datagrams.clear()
    this.#servers.length = 0
  }

  #event(kind: string, id: number, bytes: Uint8Array = NOTHING): void {
    this.#lastUse = performance.now()
    this.#post({ kind, id, bytes })
    this.#arrived?.()
  }

  #tick(): void {
    if (this.#streams.size > 0) this.#event('tick', 0)
    const now = performance.now()
    for (const [id, { socket, used }] of this.#datagrams) {
      if (now - used < DATAGRAM_MS) continue
      socket.close()
      this.#datagrams.delete(id)
    }
  }

  request(request: HostRequest): void {
    this.#lastUse = performance.now()
    switch (request.kind) {
      case 'resolve': return this.#resolve(request.id, request.name)
      case 'connect': {
        const socket = createConnection({ host: request.address, port: request.port, allowHalfOpen: true, family: 4 })
        const { id } = request
        let open = false
        socket.once('connect', () => {
          open = true
          this.#event('connected', id)
        })
        socket.on('error', () => { if (this.#forget(id)) this.#event(open ? 'reset' : 'refused', id) })
        this.#stream(id, socket)
        return
      }
      case 'send': {
        const stream = this.#streams.get(request.id), { id, bytes } = request
        stream?.socket.write(bytes, error => { if (error === undefined || error === null) this.#event('sent', id, count(bytes.length)) })
        return
      }
      case 'finish': this.#streams.get(request.id)?.socket.end(); return
      case 'abort': {
        const stream = this.#streams.get(request.id)
        this.#streams.delete(request.id)
        // What has been written still goes out; a peer that never reads does not keep the socket.
        if (stream?.socket.writableEnded === true) stream.socket.destroySoon()
        else stream?.socket.destroy()
        return
      }
      case 'taken': {
        const stream = this.#streams.get(request.id)
        if (stream === undefined) return
        stream.untaken -= request.count
        if (stream.untaken < MOST_UNTAKEN && stream.socket.isPaused()) stream.socket.resume()
        return
      }
      case 'datagram': return this.#datagram(request.id, request.address, request.port, request.bytes)
      case 'listen': for (const [index, forward] of request.forwards.entries()) this.#listen(index, forward)
    }
  }

  #stream(id: number, socket: Socket): void {
    const stream: Stream = { socket, untaken: 0 }
    this.#streams.set(id, stream)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      stream.untaken += chunk.length
      if (stream.untaken >= MOST_UNTAKEN) socket.pause()
      if (this.#streams.has(id)) this.#event('data', id, Uint8Array.from(chunk))
    })
    socket.on('end', () => { if (this.#streams.has(id)) this.#event('end', id) })
  }

  #forget(id: number): boolean { return this.#streams.delete(id) }

  #resolve(id: number, name: string): void {
    this.#resolving++
    lookup(name, { family: 4, all: true }, (error, found) => {
      this.#resolving--
      this.#event('resolved', id, error !== null ? NOTHING : Uint8Array.from(found.flatMap(({ address }) => address.split('.').map(Number))))
    })
  }

  #datagram(id: number, address: string, port: number, bytes: Uint8Array): void {
    if (port === 0) return
    let flow = this.#datagrams.get(id)
    if (flow === undefined) {
      const socket = createSocket('udp4')
      socket.on('message', (message, from) => {
        this.#event('datagram', id, Uint8Array.from([...from.address.split('.').map(Number), from.port >>> 8, from.port & 0xff, ...message]))
      })
      socket.on('error', () => {
        socket.close()
        this.#datagrams.delete(id)
      })
      this.#datagrams.set(id, flow = { socket, used: 0 })
    }
    flow.used = performance.now()
    // A datagram that cannot be sent is lost.
    flow.socket.send(bytes, port, address, () => {})
  }

  #listen(index: number, { hostAddress, hostPort }: PortForward): void {
    const server = createServer({ allowHalfOpen: true }, socket => {
      const id = HOST_IDS + this.#incoming++
      socket.on('error', () => { if (this.#forget(id)) this.#event('reset', id) })
      // First of all: its data come after it.
      this.#event('incoming', id, count(index))
      this.#stream(id, socket)
    })
    server.on('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`nidus: ${new BadInput('--net', `port ${hostPort} of ${hostAddress} cannot be forwarded (${error.code ?? error.message})`).message}\n`)
      process.exit(2)
    })
    server.listen(hostPort, hostAddress)
    this.#servers.push(server)
  }
}

const count = (value: number): Uint8Array => Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
