/**
 * Remembers what sysreg.resolve said, as long as no register that a decision depends on has been written. `resolve` is pure: the same
 * encoding, direction, EL and controls give the same answer.
 */
import { ROWS, SLOT, resolve, rowByKey, rowByName } from '../sysreg/index.ts'
import type { Controls, Resolution } from '../sysreg/index.ts'
import type { EL } from '../arch/el.ts'

/** Slots of the registers that trap rules and effective controls look at. */
const CONTROLLING: ReadonlySet<number> = new Set([
  SLOT.HCR_EL2, SLOT.VNCR_EL2, ...ROWS.flatMap(row => row.traps.map(rule => rowByName(rule.register)?.slot ?? -1)),
])

export const decidesAccesses = (slot: number): boolean => CONTROLLING.has(slot)

const READ = 1 << 21

export class Resolutions {
  readonly #known = new Map<number, Resolution>()

  /** For the MRS, MSR or SYS with this word at `el`. */
  of(word: number, el: EL, controls: Controls): Resolution {
    // Bits 20:5 are the encoding, bit 21 the direction.
    const key = ((word >>> 5) & 0x1_ffff) << 2 | el
    let resolution = this.#known.get(key)
    if (resolution === undefined) this.#known.set(key, resolution = resolve(rowByKey((word >>> 5) & 0xffff), (word & READ) !== 0 ? 'read' : 'write', el, controls))
    return resolution
  }

  /** A controlling register has changed. */
  forget(): void { if (this.#known.size > 0) this.#known.clear() }
}
