/**
 * A generic PCIe host (ECAM; QEMU's gpex): bus 0 with a host bridge and the virtio functions that are plugged in, one 32-bit memory window, INTx of a device
 * swizzled over four lines. What is not there reads as all ones.
 */
import { rowsOf, type Board } from '../../arch/board.ts'
import type { AccessSize, MmioDevice } from '../mmio.ts'
import type { Plugged } from '../plugged.ts'
import { fieldsOf } from '../saved-state.ts'
import { CONFIGURATION_SIZE, OFFSET, PciFunction } from './function.ts'
import { VirtioPci } from './virtio-pci.ts'

const LINES = 4
/** Red Hat's generic PCIe host bridge. */
const BRIDGE = { vendor: 0x1b36, device: 0x0008, revision: 0, class: 0x06_0000, subsystem: 0x1100 } as const
const BUS_SHIFT = 20, DEVICE_SHIFT = 15

export interface PciHostOptions {
  readonly plugged: readonly Plugged[]
  /** Configuration space, bus 0 first. */
  readonly ecamSize: number
  readonly memoryBase: number
  /** Level of one of the four interrupt lines. */
  readonly line: (line: number, level: boolean) => void
}

/** The host of a board that has one. `spi` sets the level of an SPI (INTID - 32). */
export function createPciHost(board: Board, plugged: readonly Plugged[], spi: (number: number, level: boolean) => void): PciHost | undefined {
  const ecam = rowsOf(board, 'pci-ecam')[0], memory = rowsOf(board, 'pci-memory')[0]
  if (ecam === undefined || memory === undefined) return undefined
  return new PciHost({ plugged, ecamSize: ecam.size, memoryBase: memory.base, line: (line, level) => { spi(ecam.spi! + line, level) } })
}

const allOnes = (size: AccessSize): number => size === 8 ? 0 : 2 ** (8 * size) - 1

export class PciHost implements MmioDevice {
  readonly name = 'PCIe host'
  readonly sizeBytes: number
  readonly memory: Pick<MmioDevice, 'read' | 'write'>
  /** There are no I/O BARs. */
  readonly io: Pick<MmioDevice, 'read' | 'write'> = { read: (_offset, size) => allOnes(size), write: () => true }
  readonly #bridge = new PciFunction(BRIDGE)
  readonly #devices = new Map<number, VirtioPci>()
  readonly #options: PciHostOptions
  /** Levels by device. */
  readonly #levels = new Set<number>()

  constructor(options: PciHostOptions) {
    this.#options = options
    this.sizeBytes = options.ecamSize
    for (const { transport, slot, device } of options.plugged) {
      if (transport === 'pci') this.#devices.set(slot, new VirtioPci(device, level => { this.#interrupt(slot, level) }))
    }
    this.memory = {
      read: (offset, size) => {
        const found = this.#decode(offset)
        return found === undefined ? allOnes(size) : found.device.read(found.offset, size)
      },
      write: (offset, size, value) => {
        const found = this.#decode(offset)
        found?.device.write(found.offset, size, value)
        return true
      },
    }
  }

  #decode(offset: number): { readonly device: VirtioPci, readonly offset: number } | undefined {
    const address = this.#options.memoryBase + offset
    for (const device of this.#devices.values()) {
      const found = device.function.decode(address)
      if (found !== undefined) return { device, offset: found.offset }
    }
    return undefined
  }

  /** INTA of device d is line d mod 4 (PCI-to-PCI bridge 1.2, 9.1); devices share lines. */
  #interrupt(slot: number, level: boolean): void {
    if (this.#devices.get(slot)?.function.interrupt(level) === true) this.#levels.add(slot)
    else this.#levels.delete(slot)
    const line = slot % LINES
    this.#options.line(line, [...this.#levels].some(each => each % LINES === line))
  }

  read(offset: number, size: AccessSize): number {
    const target = this.#function(offset)
    if (target === undefined || size === 8) return allOnes(size)
    const register = offset % CONFIGURATION_SIZE
    return target instanceof PciFunction ? target.read(register, size) : target.readConfiguration(register, size)
  }

  write(offset: number, size: AccessSize, value: number): boolean {
    const target = this.#function(offset), register = offset % CONFIGURATION_SIZE
    if (target === undefined || size === 8) return true
    if (target instanceof PciFunction) target.write(register, size, value)
    else {
      target.writeConfiguration(register, size, value)
      // INTx may have been switched on or off.
      if (register >= OFFSET.COMMAND && register < OFFSET.REVISION) this.#interrupt((offset >>> DEVICE_SHIFT) & 31, target.function.isInterruptPending)
    }
    return true
  }

  #function(offset: number): PciFunction | VirtioPci | undefined {
    // Function 0 of devices on bus 0.
    if (offset >>> BUS_SHIFT !== 0 || ((offset >>> 12) & 7) !== 0) return undefined
    const slot = (offset >>> DEVICE_SHIFT) & 31
    return slot === 0 ? this.#bridge : this.#devices.get(slot)
  }

  reset(): void {
    this.#bridge.reset()
    for (const device of this.#devices.values()) device.reset()
  }

  save(): unknown { return { bridge: this.#bridge.save(), devices: [...this.#devices].map(([slot, device]) => ({ slot, state: device.save() })) } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.name), { devices } = fields
    this.#bridge.restore(fields['bridge'])
    this.#levels.clear()
    const states = new Map(Array.isArray(devices) ? (devices as unknown[]).map(each => {
      const { slot, state: saved } = fieldsOf(each, this.name)
      return [slot, saved] as const
    }) : [])
    for (const [slot, device] of this.#devices) device.restore(states.get(slot))
  }
}
