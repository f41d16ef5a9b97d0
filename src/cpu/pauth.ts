/**
 * Pointer authentication (FEAT_PAuth): tells generated code (engine/pointer-codes.ts) the keys, enables, traps and the pointer layout of the PE
 * that runs.
 */
import { PAC_KEYS, pointerTable } from '../engine/pointer-codes.ts'
import type { PointerCodes } from '../engine/pointer-codes.ts'
import type { PointerLayout } from '../isa/pauth-algorithm.ts'
import type { RegimeKind, Stage1, VaRange } from '../mmu/index.ts'
import { SLOT } from '../sysreg/index.ts'
import type { PE } from './pe.ts'

const KEY_SLOTS = PAC_KEYS.flatMap(key => [SLOT[`AP${key}KeyLo_EL1`], SLOT[`AP${key}KeyHi_EL1`]])
/** SCTLR_ELx.EnIA, EnIB, EnDA, EnDB; PACGA has no enable. */
const ENABLE = [1 << 31, 1 << 30, 1 << 27, 1 << 13] as const
const GENERIC = 1 << PAC_KEYS.indexOf('GA')

export class PointerAuthentication {
  readonly #codes: PointerCodes
  readonly #tables = new WeakMap<Stage1, Int32Array>()
  #stage1: Stage1 | undefined
  #pe: Pick<PE, 'file'> | undefined

  constructor(codes: PointerCodes) { this.#codes = codes }

  /** The CPU has selected this view for the current EL, or SCTLR_ELx has changed. `traps`: instructions with a key that is enabled trap. */
  select(view: { readonly kind: RegimeKind, readonly stage1: Stage1 }, pe: Pick<PE, 'file'>, traps: boolean): void {
    const codes = this.#codes, { i32, u64 } = pe.file, sctlr = i32[2 * (view.kind === 'EL1&0' ? SLOT.SCTLR_EL1 : SLOT.SCTLR_EL2)]!
    let enabled = GENERIC
    for (let key = 0; key < ENABLE.length; key++) if ((sctlr & ENABLE[key]!) !== 0) enabled |= 1 << key
    codes.enabled = enabled
    codes.trapped = traps ? enabled : 0
    if (pe !== this.#pe) {
      this.#pe = pe
      codes.setKeys(KEY_SLOTS.map(slot => u64.byteOffset + 8 * slot))
    }
    const { stage1 } = view
    if (stage1 === this.#stage1) return
    this.#stage1 = stage1
    let table = this.#tables.get(stage1)
    if (table === undefined) this.#tables.set(stage1, table = tableOf(stage1))
    codes.setTable(table)
  }
}

function tableOf({ lower, upper = lower }: Stage1): Int32Array {
  const layout = (ignored: (range: VaRange) => boolean): PointerLayout => ({
    tbi: [ignored(lower), ignored(upper)], bottom: [lower.inputBits, upper.inputBits], twoRanges: upper !== lower,
  })
  return pointerTable([layout(range => range.topByteIgnoredForFetch), layout(range => range.topByteIgnored)])
}
