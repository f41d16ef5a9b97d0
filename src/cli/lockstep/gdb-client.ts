/** The client's side of GDB's remote serial protocol, as much of it as stepping needs. One request at a time. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { encodePacket, PacketReader } from '../../debug/gdb/packet.ts'

export class GdbClient {
  readonly #socket: Socket
  readonly #reader = new PacketReader()
  #answer: ((packet: string) => void) | undefined
  #fail: ((error: Error) => void) | undefined
  #acknowledge = true
  /** What the program has printed on its way out. */
  complaint: () => string = () => ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.#receive(bytes))
    for (const event of ['close', 'error'] as const) socket.on(event, () => this.#fail?.(new Error(`the debugged program closed its connection: ${this.complaint()}`)))
  }

  /** Rejects if nobody listens at `path`. */
  static async connect(path: string): Promise<GdbClient> {
    const socket = connect(path)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.setNoDelay(true)
    const client = new GdbClient(socket)
    await client.request('qSupported:swbreak+;hwbreak+')
    if (await client.request('QStartNoAckMode') === 'OK') client.#acknowledge = false
    return client
  }

  /** Sends a packet and resolves with the text of the next one that comes back. */
  request(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#answer = resolve
      this.#fail = reject
      this.#socket.write(encodePacket(text))
    })
  }

  /** Stops a program that runs: the request that let it run is answered. */
  interrupt(): void { this.#socket.write('\x03') }

  close(): void { this.#socket.destroy() }

  #receive(bytes: Uint8Array): void {
    for (const incoming of this.#reader.feed(bytes)) {
      if (incoming.kind !== 'packet') continue
      if (this.#acknowledge) this.#socket.write('+')
      const answer = this.#answer
      this.#answer = this.#fail = undefined
      answer?.(incoming.body)
    }
  }
}
