/**
 * The page of deferred accesses: VNCR_EL2 of FEAT_NV2, and the NEVE paper's. A real page in L0's reserved memory, one per vCPU. While
 * L1 runs at virtual EL2 it is the storage of the registers in it; below virtual EL2 the virtual file is.
 */
import type { Feature } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { ROWS } from '../../sysreg/index.ts'
import type { Row } from '../../sysreg/index.ts'

export type PageKind = 'NV2' | 'NEVE'
export interface PageEntry { readonly row: Row, readonly slot: number, readonly offset: number }

export interface PageLayout {
  readonly kind: PageKind
  readonly entries: readonly PageEntry[]
  /** Entry by slot. */
  readonly bySlot: readonly (PageEntry | undefined)[]
}

/** `_EL12` and `_EL02` names share offset and slot with the register they name; so do the two halves NV1=0 and NV1=1. */
function offsetOf(row: Row, kind: PageKind): number | undefined {
  if (kind === 'NV2') return row.vncr?.offset
  const classes = [row.neve?.as, row.neve?.other]
  return classes.includes('defer') || classes.includes('cached') ? row.neve?.offset ?? row.vncr?.offset : undefined
}

const layouts = new Map<string, PageLayout>()

/** `features`: those of the VM; a register it does not have is not kept in the page. */
export function pageLayout(kind: PageKind, features: ReadonlySet<Feature>, gicVersion: GicVersion): PageLayout {
  const exists = (row: Row): boolean => row.features.length === 0 || row.features.some(feature => feature === 'GICv3' ? gicVersion === 3 : features.has(feature as Feature))
  const key = `${kind} ${gicVersion} ${[...features].join()}`
  let layout = layouts.get(key)
  if (layout === undefined) {
    const entries: PageEntry[] = []
    for (const row of ROWS) {
      const offset = offsetOf(row, kind)
      if (offset === undefined || row.slot < 0 || row.aliasOf !== undefined || row.viewOf !== undefined || !exists(row)) continue
      entries.push({ row, slot: row.slot, offset })
    }
    const bySlot: (PageEntry | undefined)[] = []
    for (const entry of entries) bySlot[entry.slot] = entry
    layouts.set(key, layout = { kind, entries, bySlot })
  }
  return layout
}
