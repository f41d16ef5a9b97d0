/** PL061 GPIO (DDI0190): eight lines, edges and levels as interrupts. On `virt` line 3 is the power button. */
import type { AccessSize, MmioDevice } from './mmio.ts'
import { fieldsOf, integerIn } from './saved-state.ts'

export interface Pl061Options { readonly irq: (level: boolean) => void }

const OFFSET = { dataEnd: 0x400, DIR: 0x400, IS: 0x404, IBE: 0x408, IEV: 0x40c, IE: 0x410, RIS: 0x414, MIS: 0x418, IC: 0x41c, AFSEL: 0x420, ID: 0xfe0 } as const
const ID = [0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1]
const PLAIN = { [OFFSET.DIR]: 'direction', [OFFSET.IS]: 'sense', [OFFSET.IBE]: 'bothEdges', [OFFSET.IEV]: 'event', [OFFSET.IE]: 'enable', [OFFSET.AFSEL]: 'alternate' } as const
type Key = (typeof PLAIN)[keyof typeof PLAIN]
type Registers = Record<Key | 'output' | 'input' | 'edges', number>
const RESET: Readonly<Registers> = { direction: 0, sense: 0, bothEdges: 0, event: 0, enable: 0, alternate: 0, output: 0, input: 0, edges: 0 }

export class Pl061 implements MmioDevice {
  readonly name = 'PL061'
  readonly sizeBytes = 0x1000
  readonly #options: Pl061Options
  #registers: Registers = { ...RESET }

  constructor(options: Pl061Options) { this.#options = options }

  /** A line from outside. */
  setLine(line: number, level: boolean): void {
    const r = this.#registers, bit = 1 << line, was = (r.input & bit) !== 0
    if (was === level) return
    r.input ^= bit
    if ((r.bothEdges & bit) !== 0 || ((r.event & bit) !== 0) === level) r.edges |= bit
    this.#update()
  }

  read(offset: number, size: AccessSize): number | undefined {
    if (size === 8) return undefined
    const r = this.#registers
    // Address bits 9:2 mask the lines.
    if (offset < OFFSET.dataEnd) return this.#data() & (offset >>> 2)
    switch (offset) {
      case OFFSET.RIS: return this.#raw()
      case OFFSET.MIS: return this.#raw() & r.enable
      case OFFSET.IC: return 0
      default: {
        const key = PLAIN[offset as keyof typeof PLAIN]
        return key === undefined ? offset % 4 === 0 ? ID[(offset - OFFSET.ID) / 4] : undefined : r[key]
      }
    }
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    if (size === 8) return false
    const r = this.#registers
    if (offset < OFFSET.dataEnd) {
      const mask = (offset >>> 2) & r.direction
      r.output = (r.output & ~mask) | (value & mask & 0xff)
    } else if (offset === OFFSET.IC) r.edges &= ~value
    else {
      const key = PLAIN[offset as keyof typeof PLAIN]
      if (key === undefined) return offset === OFFSET.RIS || offset === OFFSET.MIS
      r[key] = value & 0xff
    }
    this.#update()
    return true
  }

  #data(): number { return (this.#registers.output & this.#registers.direction) | (this.#registers.input & ~this.#registers.direction & 0xff) }

  /** Edges that were seen, and levels that are there now. */
  #raw(): number {
    const { sense, event, input, edges } = this.#registers
    return ((edges & ~sense) | (~(input ^ event) & sense)) & 0xff
  }

  #update(): void { this.#options.irq((this.#raw() & this.#registers.enable) !== 0) }

  /** Lines from outside stay as they are. */
  reset(): void {
    this.#registers = { ...RESET, input: this.#registers.input }
    this.#update()
  }

  save(): unknown { return { ...this.#registers } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'PL061')
    this.#registers = Object.fromEntries(Object.keys(RESET).map(key => [key, integerIn(fields, key, 0xff)])) as Registers
    this.#update()
  }
}
