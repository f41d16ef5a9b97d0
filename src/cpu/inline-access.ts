/**
 * Says to generated code which accesses to system registers it may perform itself (engine/inline-system.ts): those for which sysreg.resolve
 * answers "a register" at this EL under these controls, and that are nothing but storage.
 */
import { elOf, spselOf } from '../arch/pstate.ts'
import type { EL } from '../arch/el.ts'
import { INLINE_CACHE, INLINE_READS, INLINE_WRITES } from '../engine/inline-system.ts'
import { HOT, SYSTEM } from '../engine/layout.ts'
import { SLOT, currentEL, dczid, masksOfRow, resolve, rowByName } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import type { PE } from './pe.ts'
import { decidesAccesses } from './resolutions.ts'

const rowsOf = (names: readonly string[]): readonly Row[] => names.map(name => rowByName(name)!)
const READS = rowsOf(INLINE_READS), WRITES = rowsOf(INLINE_WRITES), CACHE = rowsOf(INLINE_CACHE), DAIF = rowByName('DAIF')!, ZERO_BLOCK = rowByName('DC ZVA')!
const WORDS = (SYSTEM.END - SYSTEM.TABLE) / 4
const at = (address: number): number => (address - SYSTEM.TABLE) / 4

/** What `resolve` allows, by EL and PSTATE.SP, under one setting of the controls. */
export class InlineAccess {
  readonly #core: Core
  /** The one that generated code has now. */
  #selected: Int32Array | undefined

  constructor(core: Core) { this.#core = core }

  /** Brings the table in line with EL, PSTATE.SP and the controls of the PE that runs now. */
  select(): void {
    const core = this.#core, { pe } = core, { pstate } = core.engine.state, el = elOf(pstate), sp = spselOf(pstate)
    const known = pe.resolutions.tables(core.controls), index = 2 * el + sp
    const table = known[index] ??= this.#table(pe, el, sp === 1)
    if (table === this.#selected) return
    this.#selected = table
    core.engine.inline.set(table)
  }

  #table(pe: PE, el: EL, sp: boolean): Int32Array {
    const core = this.#core, { controls } = core, table = new Int32Array(WORDS), base = pe.file.u64.byteOffset
    const allowed = (row: Row, direction: 'read' | 'write'): Row | undefined => {
      const resolution = resolve(row, direction, el, controls)
      return resolution.kind === 'register' ? resolution.row : undefined
    }
    const addressOf = (row: Row | undefined): number => {
      if (row === undefined || (row.slot === SLOT.SP_EL0 && !sp)) return 0
      if (row.name === 'DCZID_EL0') return SYSTEM.DCZID
      if (row.name === 'CurrentEL') return SYSTEM.CURRENT_EL
      return row.kind === 'register' && row.storage === 'slot' ? base + 8 * row.slot : 0
    }
    const isPlain = (row: Row): boolean => row.effect === 'none' && masksOfRow(row, core).all && !decidesAccesses(row.slot)
    table[at(SYSTEM.DCZID)] = Number(dczid(el, controls))
    table[at(SYSTEM.CURRENT_EL)] = Number(currentEL(el, controls))
    table[at(SYSTEM.DAIF_READ)] = allowed(DAIF, 'read') === undefined ? 0 : HOT.PSTATE
    table[at(SYSTEM.DAIF_WRITE)] = allowed(DAIF, 'write') === undefined ? 0 : HOT.PSTATE
    table[at(SYSTEM.DAIF_IMMEDIATE)] = el === 0 ? 0 : 1
    table[at(SYSTEM.ZERO_BLOCK)] = allowed(ZERO_BLOCK, 'write') === undefined ? 0 : 1
    // At EL0 the address is translated first.
    table[at(SYSTEM.CACHE)] = el !== 0 && CACHE.every(row => allowed(row, 'write') !== undefined) ? 1 : 0
    READS.forEach((row, i) => { table[at(SYSTEM.READ) + i] = addressOf(allowed(row, 'read')) })
    WRITES.forEach((row, i) => {
      const target = allowed(row, 'write')
      table[at(SYSTEM.WRITE) + i] = target !== undefined && isPlain(target) ? addressOf(target) : 0
    })
    return table
  }
}
