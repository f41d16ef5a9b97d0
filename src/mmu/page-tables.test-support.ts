/** Translation tables for tests: sparse memory, and a builder that makes the tables on the way to a leaf. */
import { FEATURES, type Feature } from '../arch/features.ts'
import { createRegisterFile, type RegisterFile } from '../arch/register-file.ts'
import { encodeStage1Leaf, encodeStage1Table, encodeStage2Leaf, encodeStage2Table, levelShift, tableIndex, type Stage1Leaf, type Stage2Leaf } from './descriptor.ts'
import type { TranslationSlots } from './regime.ts'
import type { DescriptorMemory } from './translation.ts'

const word = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)

export class SparseMemory implements DescriptorMemory {
  lo = 0
  hi = 0
  readonly words = new Map<number, bigint>()
  /** Reads and swaps at or above this address are External aborts. */
  limit = 2 ** 48
  reads = 0

  read(pa: number): boolean {
    this.reads++
    if (pa >= this.limit) return false
    const value = this.words.get(pa) ?? 0n
    this.lo = Number(value & 0xffff_ffffn) | 0
    this.hi = Number(value >> 32n) | 0
    return true
  }

  compareAndSwap(pa: number, oldLo: number, oldHi: number, newLo: number, newHi: number): boolean {
    if ((this.words.get(pa) ?? 0n) !== word(oldLo, oldHi)) return false
    this.words.set(pa, word(newLo, newHi))
    return true
  }
}

export interface Geometry { readonly granuleShift: number, readonly inputBits: number, readonly startLevel: number }

/** Tables under one root. New tables come from `nextTable` upwards. */
export class TableBuilder {
  readonly memory: SparseMemory
  readonly root: number
  readonly geometry: Geometry
  nextTable: number

  constructor(memory: SparseMemory, root: number, geometry: Geometry, nextTable: number) {
    this.memory = memory
    this.root = root
    this.geometry = geometry
    this.nextTable = nextTable
  }

  /** The address of the descriptor for `address` at `level`; `table` makes the descriptors of the levels above. */
  slot(address: number, level: number, table: (pa: number) => bigint): number {
    const { granuleShift, inputBits, startLevel } = this.geometry
    const low = address % 2 ** inputBits
    let base = this.root
    for (let at = startLevel; ; at++) {
      const bits = at === startLevel ? inputBits - levelShift(granuleShift, at) : granuleShift - 3
      const slot = base + 8 * tableIndex(low, granuleShift, at, bits)
      if (at === level) return slot
      const there = this.memory.words.get(slot)
      if (there === undefined) {
        this.memory.words.set(slot, table(this.nextTable))
        base = this.nextTable
        this.nextTable += 2 ** granuleShift
      } else {
        base = Number(there & 0xffff_ffff_f000n & -(1n << BigInt(granuleShift)))
      }
    }
  }

  stage1(va: number, pa: number, leaf: Partial<Stage1Leaf> = {}, level = 3, controls: Parameters<typeof encodeStage1Table>[1] = {}): number {
    const slot = this.slot(va, level, table => encodeStage1Table(table, controls))
    this.memory.words.set(slot, encodeStage1Leaf({ pa, ...leaf }, level))
    return slot
  }

  stage2(ipa: number, pa: number, leaf: Partial<Stage2Leaf> = {}, level = 3): number {
    const slot = this.slot(ipa, level, encodeStage2Table)
    this.memory.words.set(slot, encodeStage2Leaf({ pa, ...leaf }, level))
    return slot
  }
}

export const NAMES = ['SCTLR_EL1', 'TCR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'MAIR_EL1', 'SCTLR_EL2', 'TCR_EL2', 'TTBR0_EL2', 'TTBR1_EL2', 'MAIR_EL2', 'HCR_EL2', 'VTCR_EL2', 'VTTBR_EL2'] as const
export const SLOTS = Object.fromEntries(NAMES.map((name, i) => [name, i])) as unknown as TranslationSlots
export const ALL_FEATURES: ReadonlySet<Feature> = new Set(FEATURES)

export function registers(values: Partial<Record<(typeof NAMES)[number], bigint>>): RegisterFile {
  const file = createRegisterFile(NAMES.length)
  for (const [name, value] of Object.entries(values)) file.u64[SLOTS[name as (typeof NAMES)[number]]] = value
  return file
}
