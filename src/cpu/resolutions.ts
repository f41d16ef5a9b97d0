/**
 * Remembers what sysreg.resolve said, as long as no register that a decision depends on has been written. `resolve` is pure: the same
 * encoding, direction, EL and controls give the same answer.
 */
import { ROWS, SLOT, resolve, resolveUnallocated, rowByKey, rowByName } from '../sysreg/index.ts'
import type { Controls, Resolution } from '../sysreg/index.ts'
import type { EL } from '../arch/el.ts'

/** Slots of the registers that trap rules and effective controls look at. */
const CONTROLLING: ReadonlySet<number> = new Set([
  SLOT.HCR_EL2, SLOT.VNCR_EL2, ...ROWS.flatMap(row => row.traps.map(rule => rowByName(rule.register)?.slot ?? -1)),
])

export const decidesAccesses = (slot: number): boolean => CONTROLLING.has(slot)

const READ = 1 << 21
/** Settings of the controlling registers whose answers are kept: a guest, its hypervisor, the host of a world switch. */
const KEPT = 8
const WORDS: readonly number[] = [...CONTROLLING].filter(slot => slot >= 0).flatMap(slot => [2 * slot, 2 * slot + 1])

interface Setting {
  readonly words: Int32Array
  readonly known: Map<number, Resolution>
  /** Of inline-access.ts, by EL and PSTATE.SP. */
  readonly tables: (Int32Array | undefined)[]
}

export class Resolutions {
  /** The one in use first. */
  readonly #settings: Setting[] = []
  #current: Setting | undefined

  /** For the MRS, MSR or SYS with this word at `el`. */
  of(word: number, el: EL, controls: Controls): Resolution {
    const { known } = this.#current ??= this.#find(controls.file.i32)
    // Bits 20:5 are the encoding, bit 21 the direction.
    const key = ((word >>> 5) & 0x1_ffff) << 2 | el
    let resolution = known.get(key)
    if (resolution === undefined) {
      const encoding = (word >>> 5) & 0xffff, row = rowByKey(encoding), direction = (word & READ) !== 0 ? 'read' : 'write'
      known.set(key, resolution = row === undefined ? resolveUnallocated(encoding, direction, el, controls) : resolve(row, direction, el, controls))
    }
    return resolution
  }

  /** What is kept of inline accesses under these controls. */
  tables(controls: Controls): (Int32Array | undefined)[] { return (this.#current ??= this.#find(controls.file.i32)).tables }

  /** A controlling register has changed. */
  forget(): void { this.#current = undefined }

  #find(i32: Int32Array): Setting {
    const settings = this.#settings
    search: for (let i = 0; i < settings.length; i++) {
      const setting = settings[i]!, { words } = setting
      for (let w = 0; w < WORDS.length; w++) if (words[w] !== i32[WORDS[w]!]) continue search
      settings.splice(i, 1)
      settings.unshift(setting)
      return setting
    }
    const made: Setting = { words: Int32Array.from(WORDS, word => i32[word]!), known: new Map(), tables: [] }
    settings.unshift(made)
    settings.length = Math.min(settings.length, KEPT)
    return made
  }
}
