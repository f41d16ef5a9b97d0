/** The last traps of the machine, for `monitor who-trapped`: exits that L0 handled, or exceptions to EL2 on the bare machine. */
import { EC, ecName, ecOf, isFromSystemInstruction, issOf, parseSystemRegister } from '../arch/esr.ts'
import { rowByKey } from '../sysreg/index.ts'
import type { TraceEvent } from '../trace/event.ts'

const KEPT = 4096

export interface Trap {
  readonly number: number
  readonly pe: number
  readonly level: string
  readonly vcpu: number | undefined
  readonly pc: bigint
  /** At `pc` stands a system instruction or an ERET. */
  readonly system: boolean
  readonly reason: string
  readonly action: string
}

export class TrapLog {
  readonly #traps: Trap[] = []
  #count = 0
  readonly #attached: boolean
  readonly #levelOf: (pe: number) => string

  /** `attached`: L0 is there and tells of its exits. */
  constructor(attached: boolean, levelOf: (pe: number) => string) {
    this.#attached = attached
    this.#levelOf = levelOf
  }

  readonly sink = (event: TraceEvent): void => {
    if (event.kind === 'exit') {
      const { pe, vcpu, pc, subject, direction, action, syndrome } = event
      this.#add({ pe, vcpu, level: event.level === 'vm' ? 'L1' : event.level, pc, system: isFromSystemInstruction(syndrome), reason: `${direction === null ? subject : `${subject} ${direction}`} (EC 0x${ecOf(syndrome).toString(16)})`, action })
    } else if (event.kind === 'exception' && event.to === 2 && event.from !== 2 && !this.#attached) {
      const { pe, pc, type, syndrome, from } = event
      this.#add({ pe, vcpu: undefined, level: this.#levelOf(pe), pc, system: type === 'sync' && isFromSystemInstruction(syndrome), reason: type === 'sync' ? reasonOf(syndrome) : type.toUpperCase(), action: `EL${from} to EL2, ESR_EL2 0x${syndrome.toString(16)}` })
    }
  }

  #add(trap: Omit<Trap, 'number'>): void {
    this.#traps[this.#count % KEPT] = { number: ++this.#count, ...trap }
  }

  /** After going back. */
  clear(): void {
    this.#traps.length = 0
    this.#count = 0
  }

  /** Oldest first. */
  last(n: number): readonly Trap[] {
    const count = Math.min(n, this.#count, KEPT)
    return Array.from({ length: count }, (_, i) => this.#traps[(this.#count - count + i) % KEPT]!)
  }
}

function reasonOf(syndrome: number): string {
  const ec = ecOf(syndrome)
  if (ec !== EC.SystemRegister) return ecName(ec)
  const { key, read } = parseSystemRegister(issOf(syndrome)), row = rowByKey(key)
  return row === undefined ? ecName(ec) : row.kind === 'instruction' ? row.name : `${row.name} ${read ? 'read' : 'write'}`
}

/** The last `n`, of one level if it is given. */
export function trapsText(log: TrapLog, n: number, level: string | undefined, symbolAt: (level: string, pc: bigint) => string | undefined): string {
  const traps = log.last(KEPT).filter(trap => level === undefined || trap.level === level).slice(-n)
  if (traps.length === 0) return 'nothing has trapped yet'
  return traps.map(({ number, pe, level: of, vcpu, pc, reason, action }) => {
    const symbol = symbolAt(of, pc)
    return `#${number}  ${of}${vcpu === undefined ? '' : ` vCPU ${vcpu}`} on PE ${pe}  PC 0x${pc.toString(16)}${symbol === undefined ? '' : ` <${symbol}>`}  ${reason}  -> ${action}`
  }).join('\n')
}
