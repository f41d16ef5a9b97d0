/** Where devices of a command line sit: slots of virtio-mmio, device numbers of the PCIe bus. */
import { BadInput } from '../../arch/bad-input.ts'
import type { Plug } from '../../devices/index.ts'
import type { Transport } from '../../devices/plug.ts'
import type { Device } from './configuration.ts'
import { DRIVERS, type DeviceKind } from './devices.ts'
import { numberOf } from './keyed.ts'

/** As on QEMU's board the first virtio-mmio device is in the last slot. On the PCIe bus device 0 is the host bridge. */
const LAST_SLOT = 31, PCI_DEVICES = 31
const ROOT_BUS = /^pcie?\.0$/
/** What sits in a slot of its own. */
const PLACED: ReadonlySet<DeviceKind> = new Set<DeviceKind>(['block', 'network', 'entropy', 'console-bus', 'share'])

export type Place = Required<Pick<Plug, 'transport' | 'slot'>>

/** Places that command lines ask for (`bus=virtio-mmio-bus.N`, `addr=`) are theirs; the others fill up in the order of the devices. */
export class Places {
  readonly #taken = new Set<string>()
  readonly #warn: (text: string) => void

  constructor(devices: readonly Device[], warn: (text: string) => void) {
    this.#warn = warn
    for (const device of devices) {
      if (!PLACED.has(DRIVERS.get(device.driver)!.kind)) continue
      const { transport, slot } = this.#asked(device)
      if (slot !== undefined) this.#taken.add(`${transport} ${slot}`)
    }
  }

  of(device: Device): Place {
    const { transport, slot } = this.#asked(device), bus = device.values.get('bus')
    if (slot !== undefined) return { transport, slot }
    if (transport === 'pci' && bus !== undefined && !ROOT_BUS.test(bus)) this.#warn(`-device ${device.driver} bus=${bus}: there is one PCIe bus; the device is on it`)
    for (let i = 0; i < (transport === 'pci' ? PCI_DEVICES : LAST_SLOT + 1); i++) {
      const free = transport === 'pci' ? 1 + i : LAST_SLOT - i, name = `${transport} ${free}`
      if (this.#taken.has(name)) continue
      this.#taken.add(name)
      return { transport, slot: free }
    }
    throw new BadInput(`-device ${device.driver}`, `every ${transport === 'pci' ? 'PCI device number' : 'virtio-mmio slot'} is taken`)
  }

  #asked({ driver, values }: Device): { readonly transport: Transport, readonly slot: number | undefined } {
    const { transport } = DRIVERS.get(driver)!, bus = values.get('bus') ?? '', option = `-device ${driver}`
    if (transport === 'mmio') {
      const slot = /^virtio-mmio-bus\.(\d+)$/.exec(bus)?.[1]
      return { transport, slot: slot === undefined ? undefined : numberOf(option, 'bus', slot, LAST_SLOT) }
    }
    const address = values.get('addr')
    // Behind a root port the number counts there.
    if (address === undefined || (bus !== '' && !ROOT_BUS.test(bus))) return { transport, slot: undefined }
    // Hexadecimal with or without 0x, and a function.
    const match = /^(?:0x)?([0-9a-f]{1,2})(?:\.([0-7]))?$/i.exec(address), slot = Number.parseInt(match?.[1] ?? '', 16)
    if (match === null || slot < 1 || slot > PCI_DEVICES) throw new BadInput(option, `addr=${address}: PCI device numbers are 1 to 1f`)
    if ((match[2] ?? '0') !== '0') throw new BadInput(option, `addr=${address}: devices have one function, 0`)
    return { transport, slot }
  }
}
