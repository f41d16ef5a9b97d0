/** The client's side of GDB's remote serial protocol, as much of it as stepping needs. One request at a time. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export class GdbClient {
  readonly #socket: Socket
  #received = ''
  #answer: ((packet: string) => void) | undefined
  #fail: ((error: Error) => void) | undefined
  #acknowledge = true

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#receive(text))
    for (const event of ['close', 'error'] as const) socket.on(event, () => this.#fail?.(new Error('the debugged program closed its connection')))
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
    let sum = 0
    for (let i = 0; i < text.length; i++) sum = (sum + text.charCodeAt(i)) & 0xff
    return new Promise((resolve, reject) => {
      this.#answer = resolve
      this.#fail = reject
      this.#socket.write(`$${text}#${sum.toString(16).padStart(2, '0')}`, 'latin1')
    })
  }

  /** Stops a program that runs: the request that let it run is answered. */
  interrupt(): void { this.#socket.write('\x03') }

  close(): void { this.#socket.destroy() }

  #receive(text: string): void {
    this.#received += text
    for (;;) {
      const start = this.#received.indexOf('$'), end = this.#received.indexOf('#', start)
      if (start < 0 || end < 0 || this.#received.length < end + 3) return
      const packet = this.#received.slice(start + 1, end)
      this.#received = this.#received.slice(end + 3)
      if (this.#acknowledge) this.#socket.write('+')
      const answer = this.#answer
      this.#answer = this.#fail = undefined
      answer?.(packet)
    }
  }
}
