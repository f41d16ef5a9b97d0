/**
 * A VM's physical address space: memory slots that L0 maps from it. Everything outside the slots is MMIO. Addresses come from guests;
 * nothing here trusts them.
 */
import { listOf, objectOf, refuse } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { DescriptorMemory } from '../mmu/index.ts'
import type { PhysicalMemory } from './host.ts'

export interface MemorySlot {
  readonly ipa: number
  readonly size: number
  readonly pa: number
  /** `device`: a frame of the physical GIC mapped through (GICV). */
  readonly kind: 'ram' | 'device'
}

/** Each move adds two at most. */
const MOST_SLOTS = 1 << 20

export class GuestMemory {
  /** Shared with the VMM, whose devices reach the same memory. */
  readonly #slots: MemorySlot[]
  readonly machine: PhysicalMemory

  constructor(machine: PhysicalMemory, slots: MemorySlot[]) {
    this.machine = machine
    this.#slots = slots
  }

  get slots(): readonly MemorySlot[] { return this.#slots }

  /** RAM of one slot is elsewhere from now on: the slot is cut where it begins and ends. */
  move(ipa: number, size: number, pa: number): void {
    const at = this.#slots.findIndex(slot => ipa >= slot.ipa && ipa + size <= slot.ipa + slot.size), slot = this.#slots[at]!
    const before = ipa - slot.ipa, after = slot.ipa + slot.size - ipa - size
    this.#slots.splice(at, 1,
      ...(before > 0 ? [{ ...slot, size: before }] : []),
      { kind: slot.kind, ipa, size, pa },
      ...(after > 0 ? [{ ...slot, ipa: ipa + size, size: after, pa: slot.pa + before + size }] : []))
  }

  saveState(): Saved { return this.#slots.map(slot => ({ ...slot })) }

  /** Of what the VM has been given at first: the same addresses, wherever the memory is. */
  restoreState(saved: Saved, path: string): void {
    const slots = listOf(saved, path, MOST_SLOTS).map((each, i): MemorySlot => {
      const { ipa, size, pa, kind } = objectOf(each, `${path}[${i}]`)
      const number = (value: Saved | undefined): number => Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : refuse(`${path}[${i}]`, 'is no slot')
      if (kind !== 'ram' && kind !== 'device') return refuse(`${path}[${i}].kind`, 'is neither ram nor device')
      return { ipa: number(ipa), size: number(size), pa: number(pa), kind }
    })
    const total = (of: readonly MemorySlot[]): number => of.reduce((sum, { size }) => sum + size, 0)
    if (total(slots) !== total(this.#slots)) refuse(path, 'is another size of memory')
    this.#slots.splice(0, this.#slots.length, ...slots)
  }

  slotAt(ipa: number): MemorySlot | undefined {
    for (const slot of this.slots) if (ipa >= slot.ipa && ipa < slot.ipa + slot.size) return slot
    return undefined
  }

  /** PA of `size` bytes of RAM at `ipa`, or undefined. */
  ramAt(ipa: number, size: number): number | undefined {
    const slot = this.slotAt(ipa)
    return slot !== undefined && slot.kind === 'ram' && ipa + size <= slot.ipa + slot.size ? ipa - slot.ipa + slot.pa : undefined
  }

  read64(ipa: number): bigint | undefined {
    const pa = this.ramAt(ipa, 8)
    return pa === undefined ? undefined : this.machine.read64(pa)
  }

  writeBytes(ipa: number, bytes: Uint8Array): boolean {
    const pa = this.ramAt(ipa, bytes.length)
    return pa !== undefined && this.machine.writeBytes(pa, bytes)
  }
}

/** L1's memory as a table walk of L0 sees it: descriptors by L1's physical address. Counts what it reads. */
export class GuestDescriptors implements DescriptorMemory {
  lo = 0
  hi = 0
  reads = 0
  readonly #memory: GuestMemory

  constructor(memory: GuestMemory) { this.#memory = memory }

  read(ipa: number): boolean {
    this.reads++
    const pa = this.#memory.ramAt(ipa, 8)
    if (pa === undefined) return false
    this.lo = this.#memory.machine.read32(pa)!
    this.hi = this.#memory.machine.read32(pa + 4)!
    return true
  }

  compareAndSwap(ipa: number, oldLo: number, oldHi: number, newLo: number, newHi: number): boolean {
    const pa = this.#memory.ramAt(ipa, 8)
    if (pa === undefined) return false
    const old = (BigInt(oldHi >>> 0) << 32n) | BigInt(oldLo >>> 0)
    if (this.#memory.machine.read64(pa) !== old) return false
    return this.#memory.machine.write64(pa, (BigInt(newHi >>> 0) << 32n) | BigInt(newLo >>> 0))
  }
}
