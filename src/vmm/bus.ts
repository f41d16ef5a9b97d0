/** The VMM's device bus: ranges with their devices; everything else is absent. */
import { objectOf } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { AccessSize, MmioDevice } from '../devices/index.ts'

/** A device, or something without state that only answers. */
export type BusDevice = Pick<MmioDevice, 'read' | 'write'> & Partial<Pick<MmioDevice, 'save' | 'restore'>>

interface Range { readonly name: string, readonly base: number, readonly size: number, readonly device: BusDevice }

export class Bus {
  readonly #ranges: Range[] = []

  add(name: string, base: number, size: number, device: BusDevice): void {
    const other = this.#ranges.find(range => base < range.base + range.size && range.base < base + size)
    if (other !== undefined) throw new Error(`${name} overlaps ${other.name}`)
    this.#ranges.push({ name, base, size, device })
  }

  read(address: number, size: AccessSize): number | undefined {
    const range = this.#at(address, size)
    return range?.device.read(address - range.base, size)
  }

  write(address: number, size: AccessSize, value: number): boolean {
    const range = this.#at(address, size)
    return range !== undefined && range.device.write(address - range.base, size, value)
  }

  /** Of every device with state, by name. */
  saveState(): Saved {
    return Object.fromEntries(this.#ranges.flatMap(({ name, device }): [string, Saved][] => device.save === undefined ? [] : [[name, device.save() as Saved]]))
  }

  restoreState(saved: Saved): void {
    const states = objectOf(saved, 'devices of the VM')
    for (const { name, device } of this.#ranges) device.restore?.(states[name])
  }

  #at(address: number, size: number): Range | undefined {
    return this.#ranges.find(range => address >= range.base && address + size <= range.base + range.size)
  }
}
