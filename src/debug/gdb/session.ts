/**
 * One GDB that is connected: bytes in, bytes out, and a machine that stands still or runs. Sockets are the caller's (cli/gdb-server.ts), who
 * calls `runSlice` as long as `isRunning`.
 */
import type { RunLimits } from '../../machine/options.ts'
import type { Outcome } from '../../machine/outcome.ts'
import type { Debugger, StepRequest, Stop } from '../debugger.ts'
import type { Level, Thread } from '../levels.ts'
import { Refused, registersOf } from '../thread-registers.ts'
import type { ThreadRegisters } from '../thread-registers.ts'
import { monitor, type Symbols } from './monitor.ts'
import {
  MOST_BYTES, PACKET_SIZE, PacketReader, encodePacket, escapeBinary, hexOf, hexToBytes, parseThreadId, textToBytes,
} from './packet.ts'
import type { ThreadId } from './packet.ts'
import { MEMORY_MAP, REGISTER, createTarget, readRegister } from './target.ts'
import type { Target } from './target.ts'
import { changePoint, readAllRegisters, readMemory, readOneRegister, writeAllRegisters, writeMemory, writeOneRegister, type Place } from './thread-packets.ts'

const SIGNAL = { INT: 2, TRAP: 5, ABRT: 6 } as const

export interface SessionOptions {
  readonly debugger: Debugger
  readonly send: (bytes: Uint8Array) => void
  /** `R` and GDB's `run`: the same machine from its beginning. */
  readonly restart?: () => Debugger
  readonly symbols?: Symbols
}

/** What became of the connection. */
export type SessionEnd = 'detached' | 'killed'

export class GdbSession {
  #debugger: Debugger
  readonly #options: SessionOptions
  readonly #reader = new PacketReader()
  #target: Target
  #acknowledge = true
  #multiprocess = false
  #errorMessages = false
  #swbreak = false
  #hwbreak = false
  #lastSent: Uint8Array | undefined
  /** Of registers and memory (Hg). */
  #selected: Thread
  /** Of `c`, `s` and their reverse (Hc). */
  #continued: Thread
  /** What the stop reply says. */
  #stopReply = ''
  /** The thread that Ctrl-C is reported for: the one that was resumed last. */
  #resumed: Thread
  /** Inferiors that GDB has, or is to be told of. */
  readonly #attached: Set<Level>
  /**
   * While GDB connects it is told of inferior 1 alone: it would take all others of that moment for copies of the first, without asking for
   * their registers. From the first command on that is no part of connecting they are there.
   */
  #revealed = false
  /** Levels that were looked at for new ones. */
  #known = 0
  #running = false
  #interrupted = false
  end: SessionEnd | undefined
  /** GDB has ended the machine and not started it again. */
  killed = false
  #extended = false

  constructor(options: SessionOptions) {
    this.#options = options
    this.#debugger = options.debugger
    begin(this.#debugger)
    this.#target = createTarget(this.#debugger.machine)
    this.#selected = this.#continued = this.#resumed = this.#debugger.levels.hardware.threads[this.#debugger.machine.cpu.core.pe.index]!
    this.#attached = new Set(this.#debugger.levels.all)
    this.#stopReply = this.#stopText(SIGNAL.TRAP, this.#selected, '')
  }

  get isRunning(): boolean { return this.#running }

  // ---- bytes ----

  receive(bytes: Uint8Array): void {
    for (const incoming of this.#reader.feed(bytes)) {
      if (this.end !== undefined) return
      switch (incoming.kind) {
        case 'interrupt':
          if (this.#running) this.#interrupted = true
          break
        case 'resend':
          if (this.#acknowledge && this.#lastSent !== undefined) this.#options.send(this.#lastSent)
          break
        case 'damaged':
          if (this.#acknowledge) this.#options.send(textToBytes('-'))
          else this.#reply(this.#error(incoming.why))
          break
        case 'packet': {
          if (this.#acknowledge) this.#options.send(textToBytes('+'))
          // All-stop: nothing but an interrupt is legal while the machine runs.
          if (this.#running) break
          let reply: string | undefined
          try {
            reply = this.#command(incoming.body)
          } catch (error) {
            if (!(error instanceof Refused)) throw error
            reply = this.#error(error.message)
          }
          if (reply !== undefined) this.#reply(reply)
        }
      }
    }
  }

  #reply(body: string): void {
    const packet = encodePacket(body)
    this.#lastSent = packet
    this.#options.send(packet)
  }

  #error(text: string): string { return this.#errorMessages ? `E.${text}` : 'E01' }

  /** Text in GDB's console. */
  #say(text: string): void { this.#reply(`O${hexOf(new TextEncoder().encode(text))}`) }

  // ---- running ----

  /** One stretch of the machine; ends early when something stops it. The outcome is for the caller, who waits for input where the machine is idle. */
  runSlice(limits: RunLimits = {}): Outcome | undefined {
    if (!this.#running) return undefined
    if (this.#interrupted) {
      this.#halt(SIGNAL.INT, this.#resumed, '')
      return undefined
    }
    const stop = this.#debugger.run(limits)
    if (stop.kind === 'outcome') {
      const { outcome } = stop
      if (outcome.kind !== 'idle' && outcome.kind !== 'interrupted' && outcome.kind !== 'limit' && outcome.kind !== 'waiting') this.#ended(outcome)
      return outcome
    }
    this.#report(stop)
    return undefined
  }

  #report(stop: Exclude<Stop, { kind: 'outcome' }>): void {
    const { thread } = stop
    let reason = ''
    if (stop.kind === 'breakpoint') reason = stop.hardware ? (this.#hwbreak ? 'hwbreak:;' : '') : (this.#swbreak ? 'swbreak:;' : '')
    else if (stop.kind === 'watchpoint') reason = `${stop.watchpoint.kind === 'write' ? 'watch' : stop.watchpoint.kind === 'read' ? 'rwatch' : 'awatch'}:${stop.address.toString(16)};`
    else if (stop.kind === 'beginning') reason = 'replaylog:begin;'
    this.#halt(SIGNAL.TRAP, thread, reason)
  }

  #ended(outcome: Outcome): void {
    switch (outcome.kind) {
      case 'off': case 'reset': case 'until': {
        // One inferior at a time; the others can still be looked at.
        const { level } = this.#resumed
        this.#running = false
        this.#attached.delete(level)
        this.#reply(this.#stopReply = this.#multiprocess ? `W00;process:${level.id.toString(16)}` : 'W00')
        return
      }
      case 'unimplemented': this.#say(`unimplemented ${outcome.detail.what} ${outcome.detail.name} at PC 0x${outcome.detail.pc.toString(16)}, EL${outcome.detail.el}\n`); break
      case 'died': this.#say(`the guest died: ${outcome.detail}\n`); break
      default: break
    }
    this.#halt(SIGNAL.ABRT, this.#resumed, '')
  }

  #halt(signal: number, thread: Thread, reason: string): void {
    this.#running = this.#interrupted = false
    this.#selected = this.#continued = thread
    this.#stopReply = this.#stopText(signal, thread, reason)
    this.#reply(this.#stopReply)
  }

  #stopText(signal: number, thread: Thread, reason: string): string {
    const registers = this.#registers(thread), pe = this.#debugger.levels.peOf(thread)
    const expedited = [29, REGISTER.SP, REGISTER.PC].map(n => `${n.toString(16)}:${readRegister(registers, n)!};`).join('')
    return `T${signal.toString(16).padStart(2, '0')}${reason}${expedited}thread:${this.#idOf(thread)};${pe === undefined ? '' : `core:${pe.toString(16)};`}`
  }

  #resume(thread: Thread, step: StepRequest | undefined): undefined {
    this.#resumed = thread
    this.#debugger.resume(step)
    this.#running = true
    this.#interrupted = false
    return undefined
  }

  // ---- threads ----

  #registers(thread: Thread): ThreadRegisters { return registersOf(this.#debugger.levels, thread) }

  #idOf(thread: Thread): string {
    return this.#multiprocess ? `p${thread.level.id.toString(16)}.${thread.id.toString(16)}` : thread.id.toString(16)
  }

  /** GDB without the multiprocess extension sees the machine alone. */
  #visible(): readonly Level[] {
    const { levels } = this.#debugger
    if (!this.#multiprocess || !this.#revealed) return [levels.hardware].filter(level => this.#attached.has(level))
    for (const level of levels.all.slice(this.#known)) this.#attached.add(level)
    this.#known = levels.all.length
    return levels.all.filter(level => this.#attached.has(level))
  }

  /** Any thread: the one that is selected if it fits, else one that runs, else the first. */
  #find(id: ThreadId): Thread | undefined {
    const { levels } = this.#debugger
    const level = id.process === undefined ? (this.#multiprocess ? this.#selected.level : levels.hardware) : id.process <= 0 ? this.#selected.level : levels.level(id.process)
    if (level === undefined) return undefined
    if (id.thread > 0) return level.threads.find(thread => thread.id === id.thread)
    if (this.#selected.level === level) return this.#selected
    return level.threads.find(thread => levels.peOf(thread) !== undefined) ?? level.threads[0]
  }

  /** Of packets about registers and memory. */
  get #place(): Place { return { debugger: this.#debugger, thread: this.#selected, description: this.#target } }

  // ---- commands ----

  /** Undefined: the reply comes later, or none does. */
  #command(body: string): string | undefined {
    const rest = body.slice(1)
    switch (body[0]) {
      case '?': return this.#stopReply
      case '!':
        this.#extended = true
        return 'OK'
      case 'H': return this.#select(rest)
      case 'T': {
        const id = parseThreadId(rest), thread = id === undefined ? undefined : this.#find(id)
        return thread === undefined ? this.#error('no such thread') : 'OK'
      }
      case 'g': return readAllRegisters(this.#place)
      case 'G': return this.#changed(writeAllRegisters(this.#place, rest))
      case 'p': return readOneRegister(this.#place, rest)
      case 'P': return this.#changed(writeOneRegister(this.#place, rest))
      case 'm': case 'x': return readMemory(this.#place, rest, body[0] === 'x')
      case 'M': case 'X': return this.#changed(writeMemory(this.#place, rest, body[0] === 'X'))
      case 'Z': case 'z': return changePoint(this.#place, rest, body[0] === 'Z')
      case 'c': case 'C': return this.#resume(this.#continued, undefined)
      case 's': case 'S': return this.#resume(this.#continued, { thread: this.#continued })
      case 'b': return this.#reverse(rest)
      case 'D': return this.#detach(rest)
      case 'k':
        this.#debugger.detach()
        this.end = 'killed'
        return undefined
      case 'R': return this.#restart()
      case 'v': return this.#verbose(body)
      case 'q': case 'Q': return this.#query(body)
      default: return ''
    }
  }

  /** What was before cannot be run again so that it leads to here. */
  #changed(reply: string): string {
    if (reply === 'OK') this.#debugger.history.forget()
    return reply
  }

  #select(rest: string): string {
    const id = parseThreadId(rest.slice(1)), thread = id === undefined ? undefined : this.#find(id)
    if (thread === undefined) return this.#error('no such thread')
    if (rest[0] === 'g') this.#selected = thread
    else if (rest[0] === 'c') this.#continued = id!.thread > 0 ? thread : this.#selected
    return rest[0] === 'g' || rest[0] === 'c' ? 'OK' : this.#error('H is followed by g or c')
  }

  #verbose(body: string): string | undefined {
    if (/^v(Cont;|Attach|Run)/.test(body)) this.#revealed = true
    if (body === 'vCont?') return 'vCont;c;C;s;S;t;r'
    if (body.startsWith('vCont;')) return this.#continue(body.slice(6))
    if (body.startsWith('vKill;')) {
      this.#reply('OK')
      // `run` ends what runs before it starts it again: the connection stays, and its end is that of the machine.
      if (this.#extended && this.#options.restart !== undefined) this.killed = true
      else {
        this.#debugger.detach()
        this.end = 'killed'
      }
      return undefined
    }
    if (body.startsWith('vRun;')) return this.#run()
    if (body.startsWith('vAttach;')) {
      const level = this.#debugger.levels.level(Number.parseInt(body.slice(8), 16))
      if (level === undefined) return this.#error(`inferiors are 1 to ${this.#debugger.levels.all.length}`)
      this.#attached.add(level)
      this.#selected = this.#find({ process: level.id, thread: 0 })!
      return this.#stopReply = this.#stopText(SIGNAL.TRAP, this.#selected, '')
    }
    return ''
  }

  /** The machine runs as a whole: one step among the actions makes it stop after that step, all others let it go. */
  #continue(text: string): string | undefined {
    let step: StepRequest | undefined, first: Thread | undefined, stops = 0
    const actions = text.split(';')
    for (const action of actions) {
      const [what = '', id] = action.split(':')
      const parsed = id === undefined ? undefined : parseThreadId(id)
      if (id !== undefined && parsed === undefined) return this.#error(`${id} is no thread`)
      const thread = parsed === undefined ? this.#selected : this.#find(parsed)
      if (thread === undefined) return this.#error(`there is no thread ${id}`)
      first ??= thread
      const range = /^r([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,16})$/.exec(what)
      if (/^(s|S[0-9a-fA-F]{2})$/.test(what)) step ??= { thread }
      else if (range !== null) step ??= { thread, from: BigInt(`0x${range[1]}`), to: BigInt(`0x${range[2]}`) }
      else if (what === 't') stops++
      else if (!/^(c|C[0-9a-fA-F]{2})$/.test(what)) return this.#error(`vCont does not know ${what}`)
    }
    if (stops === actions.length) {
      this.#halt(0, first!, '')
      return undefined
    }
    return this.#resume(step?.thread ?? first!, step)
  }

  #reverse(what: string): string | undefined {
    if (what !== 's' && what !== 'c') return ''
    const { history } = this.#debugger
    const stop = what === 's' ? history.stepBack(this.#continued) : history.continueBack(this.#continued)
    if (typeof stop === 'string') return this.#error(stop)
    if (stop.kind !== 'outcome') this.#report(stop)
    return undefined
  }

  #detach(rest: string): string | undefined {
    const level = rest.startsWith(';') ? this.#debugger.levels.level(Number.parseInt(rest.slice(1), 16)) : undefined
    if (rest.startsWith(';') && level === undefined) return this.#error('no such inferior')
    if (level === undefined) this.#attached.clear()
    else {
      this.#attached.delete(level)
      this.#debugger.breakpoints.clear(level)
    }
    if (this.#attached.size > 0 && this.#multiprocess) return 'OK'
    this.#debugger.detach()
    this.#reply('OK')
    this.end = 'detached'
    return undefined
  }

  #restart(): string | undefined {
    const { restart } = this.#options
    if (restart === undefined) return this.#error('the machine ran before GDB came: its beginning is not known')
    this.#debugger.detach()
    this.#debugger = restart()
    this.killed = this.#running = false
    this.#known = 0
    begin(this.#debugger)
    this.#target = createTarget(this.#debugger.machine)
    this.#selected = this.#continued = this.#resumed = this.#debugger.levels.hardware.threads[0]!
    this.#attached.clear()
    for (const level of this.#debugger.levels.all) this.#attached.add(level)
    this.#stopReply = this.#stopText(SIGNAL.TRAP, this.#selected, '')
    return undefined
  }

  /** GDB's `run`: what is run and its arguments are ours. */
  #run(): string {
    const problem = this.#restart()
    return problem ?? this.#stopReply
  }

  // ---- queries ----

  #query(body: string): string | undefined {
    const colon = body.search(/[:,;]/), name = colon < 0 ? body : body.slice(0, colon), rest = colon < 0 ? '' : body.slice(colon + 1)
    switch (name) {
      case 'qSupported': return this.#supported(rest)
      case 'QStartNoAckMode': {
        this.#reply('OK')
        this.#acknowledge = false
        return undefined
      }
      case 'qC': return `QC${this.#idOf(this.#selected)}`
      case 'qAttached': return '1'
      case 'qfThreadInfo': return `m${this.#visible().flatMap(({ threads }) => threads.map(thread => this.#idOf(thread))).join(',')}`
      case 'qsThreadInfo': return 'l'
      case 'qThreadExtraInfo': {
        const id = parseThreadId(rest), thread = id === undefined ? undefined : this.#find(id)
        return thread === undefined ? this.#error('no such thread') : hexOf(textToBytes(this.#debugger.levels.describe(thread)))
      }
      case 'qSymbol': return 'OK'
      case 'qRcmd': return this.#monitor(rest)
      case 'qXfer': return this.#transfer(rest)
      default: return ''
    }
  }

  #supported(text: string): string {
    const features = new Set(text.split(';'))
    this.#multiprocess = features.has('multiprocess+')
    this.#errorMessages = features.has('error-message+')
    this.#swbreak = features.has('swbreak+')
    this.#hwbreak = features.has('hwbreak+')
    this.#stopReply = this.#stopText(SIGNAL.TRAP, this.#selected, '')
    return [
      `PacketSize=${PACKET_SIZE.toString(16)}`, 'QStartNoAckMode+', 'multiprocess+', 'swbreak+', 'hwbreak+', 'vContSupported+', 'binary-upload+', 'error-message+',
      'qXfer:features:read+', 'qXfer:threads:read+', 'qXfer:memory-map:read+', 'ReverseStep+', 'ReverseContinue+',
    ].join(';')
  }

  #monitor(digits: string): string {
    const bytes = hexToBytes(digits)
    this.#revealed = true
    if (bytes === undefined) return this.#error('qRcmd is followed by hexadecimal digits')
    const { symbols } = this.#options
    const text = `${monitor({ debugger: this.#debugger, thread: this.#selected, symbols }, new TextDecoder().decode(bytes))}\n`
    const encoded = hexOf(new TextEncoder().encode(text))
    // As much as fits at a time; the last reply ends it.
    for (let at = 0; at < encoded.length; at += MOST_BYTES) this.#reply(`O${encoded.slice(at, at + MOST_BYTES)}`)
    return 'OK'
  }

  #transfer(text: string): string {
    const match = /^([a-z-]+):read:([^:]*):([0-9a-fA-F]{1,8}),([0-9a-fA-F]{1,8})$/.exec(text)
    if (match === null) return ''
    const [, object, annex, offset, length] = match
    const xml = object === 'features' && annex === 'target.xml' ? this.#target.xml : object === 'threads' ? this.#threadsXml() : object === 'memory-map' ? MEMORY_MAP : undefined
    if (xml === undefined) return object === 'features' ? this.#error(`there is no ${annex}`) : ''
    const from = Number.parseInt(offset!, 16), part = xml.slice(from, from + Math.min(Number.parseInt(length!, 16), PACKET_SIZE - 64))
    return `${from + part.length >= xml.length ? 'l' : 'm'}${escapeBinary(textToBytes(part))}`
  }

  #threadsXml(): string {
    const { levels } = this.#debugger
    const lines = this.#visible().flatMap(({ threads }) => threads.map(thread => {
      const pe = levels.peOf(thread)
      return `<thread id="${this.#idOf(thread)}"${pe === undefined ? '' : ` core="${pe}"`} name="${thread.level.name}">${levels.describe(thread)}</thread>`
    }))
    return `<?xml version="1.0"?>\n<threads>\n${lines.join('\n')}\n</threads>\n`
  }
}

/** A machine that has not run yet is shown with the registers of its reset. */
function begin(target: Debugger): void {
  target.attach()
  if (target.machine.instructions > 0) return
  target.runTo(0, 0)
  target.run()
}
