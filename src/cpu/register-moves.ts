/**
 * A list of registers that EL2 software in TypeScript moves together, worked out beforehand: the same as MRS or MSR of each, without a
 * BigInt or a call per register. World switches are made of this.
 */
import type { RegisterFile } from '../arch/register-file.ts'
import { masksOfRow, SLOT } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { decidesAccesses } from './resolutions.ts'
import { belongsToEL1Regime } from './system-access.ts'

const MDSCR = 2 * SLOT.MDSCR_EL1, SS = 1, MDE = 1 << 15

export class RegisterMoves {
  /** Every register is storage, and writing it concerns nothing but views of translation, controls and stepping. */
  static isPlain(rows: readonly Row[]): boolean {
    return rows.every(row => row.storage === 'slot' && ['none', 'translation', 'control', 'fp', 'debug'].includes(row.effect))
  }

  readonly #core: Core
  /** Indices of the low words in the register file and in L0's file. */
  readonly #machine: Int32Array
  readonly #kept: Int32Array
  /** Low and high masks by position: writable, read-only, RES1. */
  readonly #write: Int32Array
  readonly #readOnly: Int32Array
  readonly #res1: Int32Array
  readonly #changesEL1: boolean
  readonly #changesEL2: boolean
  readonly #changesAll: boolean
  readonly #steps: boolean
  readonly #decides: boolean

  constructor(core: Core, moves: readonly { readonly row: Row, readonly slot: number }[]) {
    this.#core = core
    this.#machine = Int32Array.from(moves, ({ row }) => 2 * row.slot)
    this.#kept = Int32Array.from(moves, ({ slot }) => 2 * slot)
    const masks = moves.map(({ row }) => masksOfRow(row, core))
    const halves = (of: (mask: (typeof masks)[number]) => bigint): Int32Array =>
      Int32Array.from(masks.flatMap(mask => [Number(BigInt.asIntN(32, of(mask))), Number(BigInt.asIntN(32, of(mask) >> 32n))]))
    this.#write = halves(mask => mask.write)
    this.#readOnly = halves(mask => mask.readOnly)
    this.#res1 = halves(mask => mask.res1)
    const has = (test: (row: Row) => boolean) => moves.some(({ row }) => test(row))
    this.#changesEL1 = has(row => row.effect === 'translation' && belongsToEL1Regime(row))
    this.#changesEL2 = has(row => row.effect === 'translation' && !belongsToEL1Regime(row))
    this.#changesAll = has(row => row.effect === 'control')
    this.#decides = has(row => decidesAccesses(row.slot))
    this.#steps = has(row => row.slot === SLOT.MDSCR_EL1)
  }

  get length(): number { return this.#machine.length }

  save(from: RegisterFile, into: RegisterFile): void {
    const source = from.i32, target = into.i32, machine = this.#machine, kept = this.#kept
    for (let i = 0; i < machine.length; i++) {
      const at = machine[i]!, to = kept[i]!
      target[to] = source[at]!
      target[to + 1] = source[at + 1]!
    }
  }

  restore(into: RegisterFile, from: RegisterFile): void {
    const core = this.#core, { pe } = core
    const source = from.i32, target = into.i32, machine = this.#machine, kept = this.#kept
    const write = this.#write, readOnly = this.#readOnly, res1 = this.#res1
    const before = target[MDSCR]!
    for (let i = 0; i < machine.length; i++) {
      const at = machine[i]!, to = kept[i]!, low = 2 * i, high = low + 1
      target[at] = (source[to]! & write[low]!) | (target[at]! & readOnly[low]!) | res1[low]!
      target[at + 1] = (source[to + 1]! & write[high]!) | (target[at + 1]! & readOnly[high]!) | res1[high]!
    }
    if (this.#changesAll) pe.views.changedAll()
    else {
      if (this.#changesEL1) pe.views.changedEL1()
      if (this.#changesEL2) pe.views.changedEL2()
    }
    if (this.#changesAll || this.#changesEL1 || this.#changesEL2) pe.vncrPage = -1
    if (this.#decides) pe.resolutions.forget()
    // MDSCR_EL1.SS: the run loop steps.
    const debug = this.#steps ? before | target[MDSCR]! : 0
    if ((debug & SS) !== 0) core.endTurn()
    if ((debug & MDE) !== 0) core.selfHosted.changed(pe)
  }
}
