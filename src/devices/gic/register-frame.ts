/**
 * A frame of memory-mapped registers as data: single registers, and families that hold a field for every interrupt
 * (GICD_ISENABLER<n>, GICD_IPRIORITYR<n>, ...). One walker serves all families of both versions.
 */
import type { INTID } from '../../arch/gic.ts'

export interface Register {
  readonly name: string
  readonly offset: number
  /** 4 unless said; an 8-byte register is also reached as two words. */
  readonly bytes?: 4 | 8
  /** Missing: write-only, reads as zero. */
  readonly read?: (cpu: number) => number
  /** Missing: read-only, writes are ignored. */
  readonly write?: (cpu: number, value: number) => void
}

export interface Family {
  readonly name: string
  readonly offset: number
  /** Width of one interrupt's field. */
  readonly bits: 1 | 2 | 8 | 64
  /** Interrupts that the family has room for; those that do not exist are RAZ/WI. */
  readonly count: number
  readonly read: (cpu: number, intid: INTID) => number
  readonly write?: (cpu: number, intid: INTID, field: number) => void
}

const WORD = 0x1_0000_0000

export class RegisterFrame {
  readonly name: string
  readonly #registers = new Map<number, Register>()
  readonly #families: readonly Family[]
  readonly #exists: (intid: INTID) => boolean

  constructor(name: string, registers: readonly Register[], families: readonly Family[], exists: (intid: INTID) => boolean) {
    this.name = name
    this.#families = families
    this.#exists = exists
    for (const register of registers) this.#registers.set(register.offset, register)
  }

  read(cpu: number, offset: number, size: number): number | undefined {
    const family = this.#familyAt(offset, size)
    if (family !== undefined) return this.#readFamily(family, cpu, offset, size)
    const register = this.#registerAt(offset, size)
    if (register === undefined) return undefined
    const value = register.read?.(cpu) ?? 0
    if (size === 8 || register.bytes !== 8) return value
    return offset === register.offset ? value % WORD : Math.floor(value / WORD)
  }

  write(cpu: number, offset: number, size: number, value: number): boolean {
    const family = this.#familyAt(offset, size)
    if (family !== undefined) {
      this.#writeFamily(family, cpu, offset, size, value)
      return true
    }
    const register = this.#registerAt(offset, size)
    if (register === undefined) return false
    // No 8-byte register of the single kind is writable (GICR_TYPER).
    if (register.bytes !== 8) register.write?.(cpu, value)
    return true
  }

  /** What stands at an offset, for messages: 'GICD_ISENABLER3'. */
  nameAt(offset: number): string | undefined {
    const family = this.#families.find(each => offset >= each.offset && offset < each.offset + each.count * each.bits / 8)
    if (family !== undefined) return `${family.name}${Math.floor((offset - family.offset) / (family.bits === 64 ? 8 : 4))}`
    return (this.#registers.get(offset) ?? this.#registers.get(offset - 4))?.name
  }

  #registerAt(offset: number, size: number): Register | undefined {
    const register = this.#registers.get(offset)
    if (register !== undefined) return size === 4 || (size === 8 && register.bytes === 8) ? register : undefined
    const lower = size === 4 && offset >= 4 ? this.#registers.get(offset - 4) : undefined
    return lower?.bytes === 8 ? lower : undefined
  }

  /** Words everywhere; bytes where a field is a byte; double words where it is one (IHI0048B 4.1.4, IHI0069 12.1.3). */
  #familyAt(offset: number, size: number): Family | undefined {
    for (const family of this.#families) {
      if (offset < family.offset || offset >= family.offset + family.count * family.bits / 8) continue
      const allowed = size === 4 || (size === 1 && family.bits === 8) || (size === 8 && family.bits === 64)
      return allowed && offset % size === 0 ? family : undefined
    }
    return undefined
  }

  #readFamily(family: Family, cpu: number, offset: number, size: number): number {
    const first = Math.floor((offset - family.offset) * 8 / family.bits)
    if (family.bits === 64) {
      if (!this.#exists(first)) return 0
      const value = family.read(cpu, first)
      if (size === 8) return value
      return (offset & 4) === 0 ? value % WORD : Math.floor(value / WORD)
    }
    let value = 0
    for (let position = 0, intid = first; position < size * 8; position += family.bits, intid++) {
      if (this.#exists(intid)) value |= family.read(cpu, intid) << position
    }
    return value >>> 0
  }

  #writeFamily(family: Family, cpu: number, offset: number, size: number, value: number): void {
    const write = family.write
    if (write === undefined) return
    const first = Math.floor((offset - family.offset) * 8 / family.bits)
    if (family.bits === 64) {
      if (!this.#exists(first)) return
      const before = family.read(cpu, first)
      const whole = size === 8 ? value : (offset & 4) === 0 ? before - before % WORD + value : value * WORD + before % WORD
      write(cpu, first, whole)
      return
    }
    const mask = (1 << family.bits) - 1
    for (let position = 0, intid = first; position < size * 8; position += family.bits, intid++) {
      if (this.#exists(intid)) write(cpu, intid, value >>> position & mask)
    }
  }
}

/** CoreSight identification registers at the end of a frame: PIDR4-7, PIDR0-3, CIDR0-3, one byte each. */
export function identification(prefix: string, offset: number, bytes: readonly number[]): Register[] {
  const names = ['PIDR4', 'PIDR5', 'PIDR6', 'PIDR7', 'PIDR0', 'PIDR1', 'PIDR2', 'PIDR3', 'CIDR0', 'CIDR1', 'CIDR2', 'CIDR3']
  return names.map((name, index) => ({ name: prefix + name, offset: offset + 4 * index, read: () => bytes[index] ?? 0 }))
}
