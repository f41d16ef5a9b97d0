/** The VMM's device bus: ranges with their devices; everything else is absent. */
import type { AccessSize, MmioDevice } from '../devices/index.ts'

interface Range { readonly name: string, readonly base: number, readonly size: number, readonly device: Pick<MmioDevice, 'read' | 'write'> }

export class Bus {
  readonly #ranges: Range[] = []

  add(name: string, base: number, size: number, device: Pick<MmioDevice, 'read' | 'write'>): void {
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

  #at(address: number, size: number): Range | undefined {
    return this.#ranges.find(range => address >= range.base && address + size <= range.base + range.size)
  }
}
