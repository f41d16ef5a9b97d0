/**
 * Single-level figures of the Applied Micro X-Gene machine of the papers, in cycles: all that `npm run fit` may see (design D8).
 * Nested figures stand in published.ts, which the fitter may not import.
 *
 * `provenance`: 'read' in a source that quotes the paper, or 'recalled' (facts are marked the same way everywhere).
 */
export type Provenance = 'read' | 'recalled'

export interface Figure {
  readonly name: string
  readonly cycles: number
  readonly provenance: Provenance
  readonly source: string
}

/** Plain VM column of NEVE's Tables 1 and 6 (Linux 4.10: lazy FP and unused list registers). */
export const PLAIN_VM = {
  hypercall: { name: 'plain VM hypercall', cycles: 2729, provenance: 'read', source: 'NEVE (SOSP 2017) Table 1' },
  deviceIo: { name: 'plain VM device I/O', cycles: 3534, provenance: 'recalled', source: 'NEVE (SOSP 2017) Table 1' },
  virtualIpi: { name: 'plain VM virtual IPI', cycles: 8364, provenance: 'recalled', source: 'NEVE (SOSP 2017) Table 1' },
  virtualEoi: { name: 'plain VM virtual EOI', cycles: 71, provenance: 'read', source: 'ISCA 2016 Table II (the same machine); NEVE Table 1 recalled' },
} as const satisfies Record<string, Figure>

/** Raw trap costs, NEVE section 5: 68 to 76 cycles for the entry, whatever traps. */
export const TRAP = {
  exceptionEntry: { name: 'EL1 to EL2 entry', cycles: 72, provenance: 'read', source: 'NEVE section 5 (68-76)' },
  exceptionReturn: { name: 'EL2 to EL1 return', cycles: 65, provenance: 'read', source: 'NEVE section 5' },
} as const satisfies Record<string, Figure>

/** ISCA 2016 Table II: the same machine under Linux 4.0-rc4, which switches FP and reads the whole GIC on every exit. */
export const ISCA = {
  hypercall: { name: 'hypercall, eager FP and GIC', cycles: 6500, provenance: 'read', source: 'ISCA 2016 Table II' },
  deviceIo: { name: 'interrupt controller trap, eager FP and GIC', cycles: 7370, provenance: 'read', source: 'ISCA 2016 Table II' },
  virtualIpi: { name: 'virtual IPI, eager FP and GIC', cycles: 11557, provenance: 'recalled', source: 'ISCA 2016 Table II' },
} as const satisfies Record<string, Figure>

/** ISCA 2016 Table III: what saving and restoring each group of state costs. Used as relative weights of the accesses inside. */
export const SWITCH_BREAKDOWN = [
  { group: 'general registers', save: 152, restore: 184, provenance: 'recalled' },
  { group: 'FP registers', save: 282, restore: 310, provenance: 'recalled' },
  { group: 'EL1 system registers', save: 230, restore: 511, provenance: 'recalled' },
  { group: 'VGIC registers', save: 3250, restore: 181, provenance: 'read' },
  { group: 'timer registers', save: 104, restore: 106, provenance: 'recalled' },
  { group: 'EL2 configuration registers', save: 92, restore: 107, provenance: 'recalled' },
  { group: 'EL2 virtual memory registers', save: 92, restore: 107, provenance: 'recalled' },
] as const

/**
 * Accesses behind the breakdown, in that kernel. VGIC: GICH_HCR, VMCR, MISR, EISR0-1, ELRSR0-1, APR and four list registers are
 * read and HCR written; HCR, VMCR, APR and the list registers are written back. The other groups together are the register reads and
 * writes of one exit and entry, which are counted by running.
 */
export const BREAKDOWN_ACCESSES = { vgicReads: 12, vgicWritesOnSave: 1, vgicWritesOnRestore: 7 } as const
