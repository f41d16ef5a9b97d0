/** Runs a machine to its end: what it prints, what is typed when it asks, and whether it hangs. */
import { appendFileSync, writeFileSync } from 'node:fs'
import type { Machine } from '../../src/machine/machine.ts'
import type { Outcome } from '../../src/machine/outcome.ts'
import type { ExitStatistics } from '../../src/trace/exit-statistics.ts'
import { INPUT_MARK } from './levels.ts'

/** A run is looked at this often. */
const SLICE = 250_000_000
/** Nothing printed for so long in virtual time: it hangs. PEs that wait pass it quickly. */
const SILENCE = 300e9
/** Each level's terminal puts a carriage return before the newline. */
const ASKS = new RegExp(`${INPUT_MARK}\\r*\\n$`)

/** The machine's console. `input` is typed when it is asked for; `log` is a file that has every line as it comes. */
export class Console {
  printed = ''
  private machine: Machine | undefined
  private sent: boolean
  private logged = 0
  private readonly input: string
  private readonly log: string | undefined

  constructor(input: string | undefined, log?: string) {
    this.input = input ?? ''
    this.sent = input === undefined
    this.log = log
    if (log !== undefined) writeFileSync(log, '')
  }

  readonly byte = (byte: number): void => {
    this.printed += String.fromCharCode(byte)
    if (byte !== 10) return
    this.write()
    if (this.sent || !ASKS.test(this.printed.slice(-40))) return
    this.sent = true
    this.machine!.input([...this.input].map(character => character.charCodeAt(0)))
  }

  connect(machine: Machine): void {
    this.machine = machine
  }

  write(): void {
    if (this.log !== undefined) appendFileSync(this.log, this.printed.slice(this.logged), 'latin1')
    this.logged = this.printed.length
  }
}

/** Called after every slice of the run. */
export type Look = (machine: Machine, counters: ExitStatistics, printed: string) => void
/** `wrong`: how it ended, unless by power-off. */
export interface Driven { readonly wrong: readonly string[], readonly instructions: number, readonly traps: number, readonly cycles: number, readonly seconds: number }

export function drive(machine: Machine, console: Console, counters: ExitStatistics, most: number, look?: Look): Driven {
  console.connect(machine)
  const before = process.cpuUsage()
  let outcome: Outcome = { kind: 'limit' }, shown = 0, since = 0
  while (outcome.kind === 'limit' && machine.instructions < most && machine.nanoseconds - since < SILENCE) {
    outcome = machine.run({ maxInstructions: SLICE })
    look?.(machine, counters, console.printed)
    if (console.printed.length > shown) since = machine.nanoseconds
    shown = console.printed.length
  }
  console.write()
  const { user, system } = process.cpuUsage(before), wrong: string[] = []
  if (outcome.kind === 'limit') wrong.push(machine.nanoseconds - since < SILENCE ? 'did not end' : `hangs: it has printed nothing for ${SILENCE / 1e9} s of virtual time`)
  else if (outcome.kind !== 'off') wrong.push(`ended with ${outcome.kind}${outcome.kind === 'died' ? `: ${outcome.detail}` : outcome.kind === 'unimplemented' ? `: ${outcome.detail.name}` : ''}`)
  return { wrong, instructions: machine.instructions, traps: counters.rows().reduce((sum, { count }) => sum + count, 0), cycles: Math.round(machine.nanoseconds), seconds: (user + system) / 1e6 }
}
