/**
 * What the NEVE paper published (SOSP 2017, Tables 1, 6 and 7), to stand beside measured figures and for nothing else: no figure
 * here enters a computation of a measured one, and `lab/fit.ts` may not import this file.
 */
import type { Benchmark } from '../benchmarks.ts'
import type { Provenance } from './single-level.ts'

export interface Published {
  readonly traps: number | null
  readonly cycles: number | null
  readonly source: string
  /** Of the weaker of the two figures. */
  readonly provenance: Provenance
}

/** Columns of the paper: plain VM, then nested by architecture and kind of guest hypervisor. */
export type Column = 'vm' | 'v8.3 nvhe' | 'v8.3 vhe' | 'neve nvhe' | 'neve vhe' | 'x86 vm' | 'x86 nested'

type Cell = readonly [cycles: number, cyclesFrom: Provenance, traps: number | null, trapsFrom: Provenance]

const TABLE: Readonly<Record<Benchmark, Readonly<Record<Column, Cell>>>> = {
  hypercall: {
    vm: [2729, 'read', null, 'read'],
    'v8.3 nvhe': [422720, 'read', 126, 'read'], 'v8.3 vhe': [307363, 'read', 82, 'read'],
    'neve nvhe': [92385, 'read', 15, 'read'], 'neve vhe': [100895, 'read', 15, 'read'],
    'x86 vm': [1188, 'recalled', null, 'recalled'], 'x86 nested': [36345, 'recalled', 5, 'recalled'],
  },
  deviceIo: {
    vm: [3534, 'recalled', null, 'recalled'],
    'v8.3 nvhe': [436924, 'recalled', 128, 'recalled'], 'v8.3 vhe': [312148, 'recalled', 82, 'recalled'],
    'neve nvhe': [96002, 'read', 15, 'recalled'], 'neve vhe': [105071, 'read', 15, 'recalled'],
    'x86 vm': [2307, 'recalled', null, 'recalled'], 'x86 nested': [39108, 'recalled', 5, 'recalled'],
  },
  virtualIpi: {
    vm: [8364, 'recalled', null, 'recalled'],
    'v8.3 nvhe': [611686, 'recalled', 261, 'recalled'], 'v8.3 vhe': [494765, 'recalled', 172, 'recalled'],
    'neve nvhe': [184657, 'recalled', 37, 'recalled'], 'neve vhe': [213256, 'recalled', 38, 'recalled'],
    'x86 vm': [2751, 'recalled', null, 'recalled'], 'x86 nested': [45360, 'recalled', 9, 'recalled'],
  },
  virtualEoi: {
    vm: [71, 'recalled', null, 'recalled'],
    'v8.3 nvhe': [71, 'recalled', 0, 'recalled'], 'v8.3 vhe': [71, 'recalled', 0, 'recalled'],
    'neve nvhe': [71, 'recalled', 0, 'recalled'], 'neve vhe': [71, 'recalled', 0, 'recalled'],
    'x86 vm': [316, 'recalled', null, 'recalled'], 'x86 nested': [316, 'recalled', 0, 'recalled'],
  },
}

export function published(benchmark: Benchmark, column: Column): Published {
  const [cycles, cyclesFrom, traps, trapsFrom] = TABLE[benchmark][column]
  return {
    traps, cycles, source: traps === null ? 'NEVE (SOSP 2017) Tables 1, 6' : 'NEVE (SOSP 2017) Tables 1, 6, 7',
    provenance: cyclesFrom === 'read' && trapsFrom === 'read' ? 'read' : 'recalled',
  }
}
