/** The devices of a board table on the bus: interrupt controller, UART, clock, virtio slots with what is plugged into them. */
import type { Board, BoardRow } from '../arch/board.ts'
import type { CostFrame } from '../arch/cost.ts'
import { FwCfg, Pl011, Pl031, Pl061, VirtioMmio, VirtioMmioLegacy, createGic, createPciHost, emptySlot, gicFrames, plugIn } from '../devices/index.ts'
import type { DmaMemory, Flash, FwCfgFile, FwCfgKernel, Gic, MmioDevice, Plug, Plugged } from '../devices/index.ts'
import { AddressSpace } from './address-space.ts'

export interface Wiring {
  readonly bus: AddressSpace
  readonly gic: Gic
  readonly uart: Pl011
  readonly clock: Pl031
  readonly plugged: readonly Plugged[]
  /** Line 3 is the power button. */
  readonly gpio: Pl061 | undefined
  /** Everything with state, by name, in the order of saving. */
  readonly devices: ReadonlyMap<string, MmioDevice>
}

export interface WiringOptions {
  readonly board: Board
  readonly console: (byte: number) => void
  /** The PE that makes the access. */
  readonly currentPe: () => number
  readonly nanoseconds: () => number
  readonly plugs: readonly Plug[]
  readonly legacyVirtio: boolean
  readonly memory: DmaMemory
  readonly complaint: ((text: string) => void) | undefined
  /** Of a board with firmware devices. */
  readonly flash: readonly Flash[]
  readonly fwCfg: { readonly files?: readonly FwCfgFile[], readonly kernel?: FwCfgKernel } | undefined
}

const FRAMES: Partial<Record<BoardRow['kind'], CostFrame>> = { gicd: 'GICD', gicr: 'GICR', gicc: 'GICC', gich: 'GICH', gicv: 'GICV' }
const GIC_FRAME = { gicd: 'GICD', gicr: 'GICR', gicc: 'GICC', gich: 'GICH', gicv: 'GICV' } as const

export function wire(options: WiringOptions): Wiring {
  const { board } = options
  const bus = new AddressSpace()
  const gic = createGic({ version: board.gic, cpus: board.cpus })
  const frames = gicFrames(gic.distributor, gic.cpuInterfaces, options.currentPe)
  const devices = new Map<string, MmioDevice>()
  const spi = (row: BoardRow) => (level: boolean): void => { if (row.spi !== undefined) gic.distributor.setSpiLevel(32 + row.spi, level) }
  const plugged = plugIn(options.plugs, options)
  const pci = createPciHost(board, plugged, (number, level) => { gic.distributor.setSpiLevel(32 + number, level) })
  let uart: Pl011 | undefined, clock: Pl031 | undefined, gpio: Pl061 | undefined

  for (const row of board.rows) {
    switch (row.kind) {
      case 'ram': break
      case 'gicd': case 'gicr': case 'gicc': case 'gich': case 'gicv': {
        const device = frames[GIC_FRAME[row.kind]]
        if (device === undefined) throw new Error(`${row.name}: the interrupt controller has no such frame`)
        devices.set(device.name, device)
        // One row per redistributor, or one for all.
        add(bus, row, device, row.kind === 'gicr' ? row.index * 0x2_0000 : 0)
        break
      }
      case 'pl011':
        uart = new Pl011({ irq: spi(row), output: options.console })
        devices.set(row.name, uart)
        add(bus, row, uart)
        break
      case 'pl031':
        clock = new Pl031({ irq: spi(row), nanoseconds: options.nanoseconds })
        devices.set(row.name, clock)
        add(bus, row, clock)
        break
      case 'pl061':
        gpio = new Pl061({ irq: spi(row) })
        devices.set(row.name, gpio)
        add(bus, row, gpio)
        break
      case 'flash': {
        const bank = options.flash[row.index]!
        devices.set(row.name, bank)
        add(bus, row, bank)
        break
      }
      case 'fw-cfg': {
        const device = new FwCfg({ cpus: board.cpus, memBytes: board.memBytes, memory: options.memory, ...options.fwCfg })
        devices.set(row.name, device)
        add(bus, row, device)
        break
      }
      case 'virtio-mmio': {
        const plug = plugged.find(({ transport, slot }) => transport === 'mmio' && slot === row.index)
        if (plug === undefined) {
          add(bus, row, emptySlot(options.legacyVirtio ? 1 : 2))
          break
        }
        const device = options.legacyVirtio ? new VirtioMmioLegacy(plug.device, spi(row)) : new VirtioMmio(plug.device, spi(row))
        devices.set(plug.name, device)
        add(bus, row, device)
        break
      }
      case 'pci-memory': add(bus, row, pci!.memory); break
      case 'pci-io': add(bus, row, pci!.io); break
      case 'pci-ecam':
        devices.set(row.name, pci!)
        add(bus, row, pci!)
        break
      case 'absent':
        bus.add({ name: row.name, base: row.base, size: row.size, frame: 'device', read: () => undefined, write: () => false })
    }
  }
  if (uart === undefined || clock === undefined) throw new Error(`board ${board.name} has no UART or no clock`)
  return { bus, gic, uart, clock, plugged, gpio, devices }
}

function add(bus: AddressSpace, row: BoardRow, device: Pick<MmioDevice, 'read' | 'write'>, shift = 0): void {
  bus.add({
    name: row.name, base: row.base, size: row.size, frame: FRAMES[row.kind] ?? 'device', narrow: row.kind === 'flash' || row.kind === 'fw-cfg',
    read: (_pe, offset, size) => device.read(offset + shift, size), write: (_pe, offset, size, value) => device.write(offset + shift, size, value),
  })
}
