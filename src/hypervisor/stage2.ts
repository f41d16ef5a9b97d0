/**
 * L0's own stage 2 tables: real descriptors in reserved machine memory, 4 KiB granule, 40-bit IPA, start level 1 with two concatenated
 * tables. One class serves the VM's table (filled from its memory slots) and the shadow tables (filled from L1's).
 */
import { integer, list } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { PhysicalMemory } from './host.ts'
import { PAGE } from './page-allocator.ts'
import type { PageAllocator } from './page-allocator.ts'

export const IPA_BITS = 40
export const IPA_LIMIT = 2 ** IPA_BITS

/** VTCR_EL2 for these tables: T0SZ=24, SL0=1 (start at level 1), Write-Back Inner Shareable walks, TG0 4K, PS 40 bits, RES1 bit 31. */
const VTCR = 0x8000_0000n | (2n << 16n) | (3n << 12n) | (1n << 10n) | (1n << 8n) | (1n << 6n) | BigInt(64 - IPA_BITS)
const VTCR_VS = 1n << 19n
export const vtcr = (vmid16: boolean): bigint => vmid16 ? VTCR | VTCR_VS : VTCR
export const vttbr = (root: number, vmid: number): bigint => (BigInt(vmid) << 48n) | BigInt(root)

/** Lower attributes of a stage 2 leaf (Arm ARM D8.3.2): MemAttr[5:2], S2AP[7:6], SH[9:8], AF[10]; XN is bit 54. */
export const S2 = {
  valid: 1n, table: 3n, page: 2n,
  normal: 0xfn << 2n, deviceNGnRE: 0x1n << 2n, normalNonCacheable: 0x5n << 2n,
  read: 1n << 6n, write: 1n << 7n,
  innerShareable: 3n << 8n, accessFlag: 1n << 10n,
  executeNever: 1n << 54n,
} as const
export const NORMAL_RWX = S2.normal | S2.read | S2.write | S2.innerShareable | S2.accessFlag
export const NORMAL_RX = S2.normal | S2.read | S2.innerShareable | S2.accessFlag
export const NORMAL_RW = S2.normal | S2.read | S2.write | S2.innerShareable | S2.accessFlag | S2.executeNever
export const DEVICE_RW = S2.deviceNGnRE | S2.read | S2.write | S2.accessFlag | S2.executeNever
export const DEVICE_RO = S2.deviceNGnRE | S2.read | S2.accessFlag | S2.executeNever

export type LeafShift = 12 | 21 | 30
const ADDRESS = 0xffff_ffff_f000n

export class Stage2Table {
  readonly root: number
  readonly #memory: PhysicalMemory
  readonly #pages: PageAllocator
  /** Tables below the root; `clear` gives them back. */
  readonly #tables: number[] = []

  /** Throws when not even a root is left: the machine's reserved memory is configured too small. */
  constructor(memory: PhysicalMemory, pages: PageAllocator) {
    this.#memory = memory
    this.#pages = pages
    const root = pages.allocatePair()
    if (root === undefined) throw new Error('the memory reserved for L0 is too small for a stage 2 table')
    this.root = root
  }

  /**
   * Maps [ipa, ipa + 2^shift) to `pa`. 'replaced': something valid stood there and its TLB entries must go. Undefined: no memory
   * for tables.
   */
  map(ipa: number, pa: number, shift: LeafShift, attributes: bigint): 'mapped' | 'replaced' | undefined {
    const slot = this.#descend(ipa, shift, true)
    if (slot === undefined) return undefined
    const old = this.#memory.read64(slot.address)!
    const leaf = BigInt(pa) | attributes | S2.valid | (shift === 12 ? S2.page : 0n)
    if (shift !== 12 && (old & 3n) === S2.table) this.#release(Number(old & ADDRESS), shift === 30 ? 21 : 12)
    this.#memory.write64(slot.address, leaf)
    return slot.replaced || ((old & S2.valid) !== 0n && old !== leaf) ? 'replaced' : 'mapped'
  }

  /** Leaf descriptor and size that translate `ipa`. */
  lookup(ipa: number): { readonly descriptor: bigint, readonly shift: LeafShift } | undefined {
    if (ipa >= IPA_LIMIT) return undefined
    let table = this.root
    for (const shift of [30, 21, 12] as const) {
      const descriptor = this.#memory.read64(table + 8 * indexAt(ipa, shift))!
      if ((descriptor & S2.valid) === 0n) return undefined
      if (shift === 12 || (descriptor & 3n) === S2.valid) return { descriptor, shift }
      table = Number(descriptor & ADDRESS)
    }
    return undefined
  }

  /** Turns the block around `ipa`, if there is one, into pages that translate as it did. False: no memory for a table. */
  split(ipa: number): boolean {
    const leaf = this.lookup(ipa)
    if (leaf === undefined || leaf.shift === 12) return true
    const slot = this.#descend(ipa, leaf.shift, false)!, page = this.#pages.allocate()
    if (page === undefined) return false
    this.#tables.push(page)
    const step = leaf.shift === 30 ? 2 ** 21 : 2 ** 12, kind = leaf.shift === 30 ? 0n : S2.page
    for (let i = 0; i < 512; i++) this.#memory.write64(page + 8 * i, (leaf.descriptor + BigInt(i * step)) | kind)
    this.#memory.write64(slot.address, BigInt(page) | S2.table)
    return leaf.shift === 21 || this.split(ipa)
  }

  /** Makes [from, to) invalid, blocks that it touches as a whole. True if something valid was there. */
  unmap(from: number, to: number): boolean {
    return this.#unmapIn(this.root, 30, Math.max(0, from), Math.min(to, IPA_LIMIT))
  }

  /** Forgets everything and gives the tables back. */
  clear(): void {
    this.#memory.fill(this.root, 2 * PAGE, 0)
    for (const table of this.#tables) this.#pages.free(table)
    this.#tables.length = 0
  }

  /** The tables themselves are in RAM. */
  saveState(): Saved { return [...this.#tables] }
  restoreState(saved: Saved, path: string): void { list(integer(0, 2 ** 48), 2 ** 20).restore(saved, path, this.#tables) }

  /** Address of the table entry for a leaf of 2^shift bytes; a block on the way gives way to an empty table. */
  #descend(ipa: number, leaf: LeafShift, create: boolean): { readonly address: number, readonly replaced: boolean } | undefined {
    if (ipa >= IPA_LIMIT) return undefined
    let table = this.root, replaced = false
    for (const shift of [30, 21, 12] as const) {
      const address = table + 8 * indexAt(ipa, shift)
      if (shift === leaf) return { address, replaced }
      const descriptor = this.#memory.read64(address)!
      if ((descriptor & 3n) === S2.table) {
        table = Number(descriptor & ADDRESS)
        continue
      }
      if (!create) return undefined
      const page = this.#pages.allocate()
      if (page === undefined) return undefined
      this.#tables.push(page)
      replaced ||= (descriptor & S2.valid) !== 0n
      this.#memory.write64(address, BigInt(page) | S2.table)
      table = page
    }
    return undefined
  }

  #unmapIn(table: number, shift: LeafShift, from: number, to: number): boolean {
    const size = 2 ** shift
    let found = false
    for (let ipa = Math.floor(from / size) * size; ipa < to; ipa += size) {
      const address = table + 8 * indexAt(ipa, shift)
      const descriptor = this.#memory.read64(address)!
      if ((descriptor & S2.valid) === 0n) continue
      if (shift !== 12 && (descriptor & 3n) === S2.table) {
        const whole = from <= ipa && ipa + size <= to
        if (!whole) {
          found = this.#unmapIn(Number(descriptor & ADDRESS), shift === 30 ? 21 : 12, Math.max(from, ipa), Math.min(to, ipa + size)) || found
          continue
        }
        this.#release(Number(descriptor & ADDRESS), shift === 30 ? 21 : 12)
      }
      this.#memory.write64(address, 0n)
      found = true
    }
    return found
  }

  /** Gives back a table whose entries describe 2^shift bytes each, with the tables below it. */
  #release(table: number, shift: LeafShift): void {
    if (shift !== 12) {
      for (let i = 0; i < 512; i++) {
        const descriptor = this.#memory.read64(table + 8 * i)!
        if ((descriptor & 3n) === S2.table) this.#release(Number(descriptor & ADDRESS), 12)
      }
    }
    const at = this.#tables.indexOf(table)
    if (at >= 0) this.#tables.splice(at, 1)
    this.#pages.free(table)
  }
}

/** Index in the table whose entries describe 2^shift bytes; level 1 has 1024 entries (two concatenated tables). */
const indexAt = (ipa: number, shift: LeafShift): number => shift === 30 ? Math.floor(ipa / 2 ** 30) & 1023 : Math.floor(ipa / 2 ** shift) & 511
