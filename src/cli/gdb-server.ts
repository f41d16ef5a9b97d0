/** The sockets of the GDB server, and who runs the machine: nobody while GDB has stopped it. One GDB at a time. */
import { chmodSync, existsSync, lstatSync, unlinkSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { BadInput } from '../arch/bad-input.ts'
import { Debugger } from '../debug/debugger.ts'
import type { Symbols } from '../debug/gdb/monitor.ts'
import { GdbSession } from '../debug/gdb/session.ts'
import type { Machine } from '../machine/machine.ts'
import type { RunLimits } from '../machine/options.ts'
import type { Outcome } from '../machine/outcome.ts'

export type GdbAddress = { readonly kind: 'tcp', readonly host: string, readonly port: number } | { readonly kind: 'unix', readonly path: string }

/** GDB's own default, and QEMU's for `-s`. */
export const GDB_PORT = 1234

/** `1234`, `:1234`, `tcp::1234`, `HOST:1234`, `unix:PATH`, or a path with a slash. Port 0 is any free one. */
export function gdbAddress(text: string): GdbAddress {
  if (text.startsWith('unix:') || text.includes('/')) {
    const path = text.replace(/^unix:/, '').replace(/,server.*$/, '')
    if (path === '' || path.length > 100) throw new BadInput('--gdb', `'${path}' is no path for a socket (1 to 100 characters)`)
    return { kind: 'unix', path }
  }
  const match = /^(?:tcp:)?(?:([\w.-]*):)?([0-9]{1,5})(?:,server.*)?$/.exec(text), port = Number(match?.[2] ?? NaN)
  if (match === null || port > 65535) throw new BadInput('--gdb', `'${text}' is neither a port (1234), HOST:PORT nor the path of a socket (unix:PATH)`)
  return { kind: 'tcp', host: match[1] === undefined || match[1] === '' ? '127.0.0.1' : match[1], port }
}

export interface GdbServerOptions {
  readonly machine: Machine
  readonly address: GdbAddress
  /** Nothing runs before a GDB lets it (`-S`). */
  readonly wait: boolean
  readonly symbols?: Symbols
  /** Tells the user where to connect. */
  readonly say: (text: string) => void
}

/** Between two runs of the machine: `await standing()`, then `run`, in place of `machine.run`. */
export class GdbServer {
  readonly #options: GdbServerOptions
  readonly #server: Server
  #session: GdbSession | undefined
  #debugger: Debugger | undefined
  #socket: Socket | undefined
  #connected = false
  /** GDB has ended the machine. */
  killed = false
  #wake: (() => void) | undefined

  static async listen(options: GdbServerOptions): Promise<GdbServer> {
    const { address, say } = options, server = createServer({ noDelay: true })
    const self = new GdbServer(options, server)
    if (address.kind === 'unix' && existsSync(address.path)) {
      // Left over from a run that was killed; anything else is not ours to remove.
      if (!lstatSync(address.path).isSocket()) throw new BadInput('--gdb', `${address.path} exists and is no socket`)
      unlinkSync(address.path)
    }
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => { reject(new BadInput('--gdb', `cannot listen on ${address.kind === 'unix' ? address.path : `${address.host}:${address.port}`}: ${error.code ?? error.message}`)) })
      if (address.kind === 'unix') server.listen(address.path, resolve)
      else server.listen(address.port, address.host, resolve)
    })
    if (address.kind === 'unix') chmodSync(address.path, 0o600)
    const bound = server.address() as AddressInfo | string
    say(`gdb: target extended-remote ${typeof bound === 'string' ? bound : `${bound.address === '127.0.0.1' ? '' : bound.address}:${bound.port}`}`)
    return self
  }

  private constructor(options: GdbServerOptions, server: Server) {
    this.#options = options
    this.#server = server
    server.on('connection', socket => { this.#accept(socket) })
  }

  #accept(socket: Socket): void {
    if (this.#socket !== undefined) {
      socket.destroy()
      return
    }
    const { machine, symbols } = this.#options
    this.#connected = true
    this.#socket = socket
    const target = this.#debugger = new Debugger(machine)
    // A machine that has not run yet can be brought back to here.
    const beginning = machine.instructions === 0 ? machine.save() : undefined
    const session = this.#session = new GdbSession({
      debugger: target, send: bytes => { socket.write(bytes) }, ...(symbols === undefined ? {} : { symbols }),
      ...(beginning === undefined ? {} : {
        restart: () => {
          machine.restore(beginning)
          return this.#debugger = new Debugger(machine)
        },
      }),
    })
    socket.on('data', (bytes: Buffer) => {
      if (this.#session !== session) return
      session.receive(bytes)
      if (session.end !== undefined) this.#disconnect(session.end === 'killed')
      this.#signal()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      // Gone without a word: the machine runs on, as after `detach`.
      if (this.#socket === socket) {
        this.#debugger?.detach()
        this.#disconnect(session.killed)
      }
      this.#signal()
    })
    this.#signal()
  }

  #disconnect(killed: boolean): void {
    this.killed ||= killed
    this.#session = this.#debugger = undefined
    this.#socket?.end()
    this.#socket = undefined
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** While GDB has stopped the machine, or `wait` and there has been no GDB. Ends when it may run, or GDB has killed it. */
  async standing(): Promise<void> {
    while (!this.killed && (this.#session === undefined ? this.#options.wait && !this.#connected : !this.#session.isRunning)) {
      await new Promise<void>(resolve => { this.#wake = resolve })
    }
  }

  /** As `Machine.run`. The end of the machine is not told while a GDB is there to look at it. */
  run(limits: RunLimits): Outcome {
    const session = this.#session
    if (session === undefined) return this.#options.machine.run(limits)
    if (!session.isRunning) return { kind: 'interrupted' }
    const outcome = session.runSlice(limits)
    return outcome === undefined || !session.isRunning ? { kind: 'interrupted' } : outcome
  }

  /** Something was posted to the machine: the time before it is gone. */
  posted(): void { this.#debugger?.history.forget() }

  /** What the machine prints now it has printed before. */
  get replaying(): boolean { return this.#debugger?.history.replaying ?? false }

  close(): void {
    this.#socket?.destroy()
    this.#server.close()
    const { address } = this.#options
    if (address.kind === 'unix' && existsSync(address.path)) unlinkSync(address.path)
  }
}
