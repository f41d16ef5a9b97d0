/**
 * The page of deferred accesses: VNCR_EL2 of FEAT_NV2, and the NEVE paper's. A real page in L0's reserved memory, one per vCPU. While
 * L1 runs at virtual EL2 it is the storage of the registers in it; below virtual EL2 the virtual file is.
 */
import type { Feature } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { ROWS, sanitise } from '../../sysreg/index.ts'
import type { Row } from '../../sysreg/index.ts'

export type PageKind = 'NV2' | 'NEVE'
export interface PageEntry {
  readonly row: Row
  readonly slot: number
  readonly offset: number
  /** What `sanitise` keeps of a raw value, and what it adds. */
  readonly kept: bigint
  readonly res1: bigint
}

export interface PageLayout {
  readonly kind: PageKind
  readonly entries: readonly PageEntry[]
  /** Bytes of the page up to the last entry. */
  readonly size: number
  /** Entry by slot. */
  readonly bySlot: readonly (PageEntry | undefined)[]
}

/** `_EL12` and `_EL02` names share offset and slot with the register they name; so do the two halves NV1=0 and NV1=1. */
function offsetOf(row: Row, kind: PageKind): number | undefined {
  if (kind === 'NV2') return row.vncr?.offset
  const classes = [row.neve?.as, row.neve?.other]
  return classes.includes('defer') || classes.includes('cached') ? row.neve?.offset ?? row.vncr?.offset : undefined
}

const ALL_ONES = (1n << 64n) - 1n

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
      const controls = { features, gicVersion }, res1 = sanitise(row, 0n, controls)
      entries.push({ row, slot: row.slot, offset, kept: sanitise(row, ALL_ONES, controls) & ~res1, res1 })
    }
    const bySlot: (PageEntry | undefined)[] = []
    for (const entry of entries) bySlot[entry.slot] = entry
    layouts.set(key, layout = { kind, entries, bySlot, size: Math.max(0, ...entries.map(entry => entry.offset + 8)) })
  }
  return layout
}
