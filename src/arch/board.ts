/**
 * Boards as tables. `virt` is the memory map of QEMU's `-M virt`; `moonshot` is the NEVE paper's machine on that map: 8 CPUs, GICv2 with
 * GICH and GICV. The machine and L0's virtual machines use the same type: a VM's board is one more table (design D10).
 */
import { PA_BITS } from './address.ts'
import { BadInput } from './bad-input.ts'
import type { GicVersion } from './gic.ts'

export type DeviceKind = 'gicd' | 'gicc' | 'gich' | 'gicv' | 'gicr' | 'pl011' | 'pl031' | 'pl061' | 'flash' | 'fw-cfg' | 'virtio-mmio' | 'pci-memory' | 'pci-io' | 'pci-ecam' | 'ram'
  /** A name for addresses where QEMU's map has a device and we do not. */
  | 'absent'

export interface BoardRow {
  readonly name: string
  readonly kind: DeviceKind
  readonly base: number
  readonly size: number
  /** SPI number (INTID - 32) and trigger. */
  readonly spi?: number
  readonly trigger?: 'level' | 'edge'
  /** Index among rows of the kind (virtio slot, redistributor's CPU). */
  readonly index: number
}

export type BoardName = 'virt' | 'moonshot'

export interface BoardOptions {
  readonly name: BoardName
  /** Default: 3 for virt; moonshot has 2 and nothing else. */
  readonly gic?: GicVersion
  /** Default: 1 for virt, 8 for moonshot. */
  readonly cpus?: number
  readonly memBytes: number
  /** Software is offered EL2: GICH/GICV, the maintenance interrupt, PSCI by SMC. */
  readonly el2: boolean
  /** EL2&0 exists (FEAT_VHE): the EL2 virtual timer is in the device tree. */
  readonly vhe?: boolean
  /** The CPUs' PMUs can interrupt; default yes. A VM of L0 has a cycle counter alone. */
  readonly pmu?: boolean
  /** The PCIe host is there. Default: no. */
  readonly pci?: boolean
  /** virtio-mmio slots, default 32. */
  readonly virtioSlots?: number
  /** Flash, fw_cfg and the power button: what firmware made for QEMU's `virt` looks for. Default: no. */
  readonly firmware?: boolean
}

export interface Board {
  readonly name: BoardName
  readonly gic: GicVersion
  readonly cpus: number
  readonly el2: boolean
  readonly vhe: boolean
  readonly pmu: boolean
  readonly firmware: boolean
  readonly memBytes: number
  /** Sorted by base, disjoint. RAM is the last row. */
  readonly rows: readonly BoardRow[]
}

export const RAM_BASE = 0x4000_0000
/** GICR frames of one CPU: RD_base and SGI_base, 64 KiB each. */
export const GICR_SIZE = 0x2_0000
export const VIRTIO_SLOTS = 32
/** Of one of the two banks of flash from address 0 on. */
export const FLASH_SIZE = 0x400_0000
/** First SPI of the virtio-mmio slots. */
const VIRTIO_SPI = 16
const VIRTIO_BASE = 0xa00_0000
const VIRTIO_SIZE = 0x200

type Row = Omit<BoardRow, 'index'> & { readonly index?: number, readonly when?: (options: Settled) => boolean }
type Settled = Omit<Board, 'rows'> & { readonly virtioSlots: number, readonly pci: boolean }

const v2 = (o: Settled): boolean => o.gic === 2
const v3 = (o: Settled): boolean => o.gic === 3
const v2AtEL2 = (o: Settled): boolean => o.gic === 2 && o.el2
const firmware = (o: Settled): boolean => o.firmware
const bare = (o: Settled): boolean => !o.firmware

/** The map of QEMU's `virt`. Both boards use it; `when` chooses by GIC version and EL2. */
const MAP: readonly Row[] = [
  { name: 'flash', kind: 'absent', base: 0, size: 2 * FLASH_SIZE, when: bare },
  { name: 'flash0', kind: 'flash', base: 0, size: FLASH_SIZE, when: firmware },
  { name: 'flash1', kind: 'flash', base: FLASH_SIZE, size: FLASH_SIZE, index: 1, when: firmware },
  { name: 'GICD', kind: 'gicd', base: 0x800_0000, size: 0x1_0000 },
  { name: 'GICC', kind: 'gicc', base: 0x801_0000, size: 0x1_0000, when: v2 },
  { name: 'GICv2m', kind: 'absent', base: 0x802_0000, size: 0x1000 },
  { name: 'GICH', kind: 'gich', base: 0x803_0000, size: 0x1_0000, when: v2AtEL2 },
  { name: 'GICV', kind: 'gicv', base: 0x804_0000, size: 0x1_0000, when: v2AtEL2 },
  { name: 'GICv3 ITS', kind: 'absent', base: 0x808_0000, size: GICR_SIZE, when: v3 },
  { name: 'uart0', kind: 'pl011', base: 0x900_0000, size: 0x1000, spi: 1, trigger: 'level' },
  { name: 'rtc', kind: 'pl031', base: 0x901_0000, size: 0x1000, spi: 2, trigger: 'level' },
  { name: 'fw-cfg', kind: 'absent', base: 0x902_0000, size: 0x18, when: bare },
  { name: 'fw-cfg', kind: 'fw-cfg', base: 0x902_0000, size: 0x18, when: firmware },
  { name: 'gpio', kind: 'absent', base: 0x903_0000, size: 0x1000, when: bare },
  { name: 'gpio', kind: 'pl061', base: 0x903_0000, size: 0x1000, spi: 7, trigger: 'level', when: firmware },
  { name: 'secure uart', kind: 'absent', base: 0x904_0000, size: 0x1000 },
  { name: 'SMMU', kind: 'absent', base: 0x905_0000, size: 0x2_0000 },
  { name: 'platform bus', kind: 'absent', base: 0xc00_0000, size: 0x200_0000 },
  { name: 'secure memory', kind: 'absent', base: 0xe00_0000, size: 0x100_0000 },
  { name: 'PCIe memory window', kind: 'absent', base: 0x1000_0000, size: 0x2eff_0000, when: o => !o.pci },
  { name: 'PCIe I/O window', kind: 'absent', base: 0x3eff_0000, size: 0x1_0000, when: o => !o.pci },
  { name: 'PCIe configuration space', kind: 'absent', base: 0x3f00_0000, size: 0x100_0000, when: o => !o.pci },
  { name: 'PCIe memory window', kind: 'pci-memory', base: 0x1000_0000, size: 0x2eff_0000, when: o => o.pci },
  { name: 'PCIe I/O window', kind: 'pci-io', base: 0x3eff_0000, size: 0x1_0000, when: o => o.pci },
  // The first of its four interrupt lines.
  { name: 'PCIe configuration space', kind: 'pci-ecam', base: 0x3f00_0000, size: 0x100_0000, spi: 3, trigger: 'level', when: o => o.pci },
]

const BOARDS: Readonly<Record<BoardName, { readonly gic: readonly GicVersion[], readonly cpus: number }>> = {
  virt: { gic: [3, 2], cpus: 1 },
  moonshot: { gic: [2], cpus: 8 },
}

/** Most CPUs: GICv2 has eight target bits; the machine has backing for eight PEs. */
export const MAX_CPUS = 8

/** Throws BadInput for a combination that no board has. */
export function createBoard(options: BoardOptions): Board {
  const kind = BOARDS[options.name]
  const gic = options.gic ?? kind.gic[0]!
  const cpus = options.cpus ?? kind.cpus
  const virtioSlots = options.virtioSlots ?? VIRTIO_SLOTS
  if (!kind.gic.includes(gic)) throw new BadInput(`board ${options.name}`, `it has no GICv${gic}; it has ${kind.gic.map(version => `GICv${version}`).join(' or ')}`)
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) throw new BadInput('number of CPUs', `${cpus} is not in 1 to ${MAX_CPUS}`)
  if (!Number.isInteger(options.memBytes) || options.memBytes < 0x10_0000 || options.memBytes % 0x1000 !== 0) throw new BadInput('memory size', `${options.memBytes} is not a multiple of 4 KiB of at least 1 MiB`)
  if (options.memBytes > 2 ** PA_BITS - RAM_BASE) throw new BadInput('memory size', `${options.memBytes} bytes do not fit the physical address size of ${PA_BITS} bits`)
  if (!Number.isInteger(virtioSlots) || virtioSlots < 0 || virtioSlots > VIRTIO_SLOTS) throw new BadInput('virtio-mmio slots', `${virtioSlots} is not in 0 to ${VIRTIO_SLOTS}`)

  const settled: Settled = { name: options.name, gic, cpus, el2: options.el2, vhe: options.vhe ?? false, pmu: options.pmu ?? true, firmware: options.firmware ?? false, memBytes: options.memBytes, virtioSlots, pci: options.pci ?? false }
  const rows: BoardRow[] = MAP.filter(row => row.when?.(settled) ?? true).map(({ when: _when, ...row }) => ({ ...row, index: row.index ?? 0 }))
  if (gic === 3) {
    for (let cpu = 0; cpu < cpus; cpu++) rows.push({ name: `GICR of CPU ${cpu}`, kind: 'gicr', base: 0x80a_0000 + cpu * GICR_SIZE, size: GICR_SIZE, index: cpu })
  }
  for (let slot = 0; slot < virtioSlots; slot++) {
    rows.push({ name: `virtio-mmio slot ${slot}`, kind: 'virtio-mmio', base: VIRTIO_BASE + slot * VIRTIO_SIZE, size: VIRTIO_SIZE, spi: VIRTIO_SPI + slot, trigger: 'edge', index: slot })
  }
  rows.push({ name: 'RAM', kind: 'ram', base: RAM_BASE, size: options.memBytes, index: 0 })
  rows.sort((a, b) => a.base - b.base)
  rows.forEach((row, i) => {
    const next = rows[i + 1]
    if (next !== undefined && row.base + row.size > next.base) throw new Error(`board ${options.name}: ${row.name} overlaps ${next.name}`)
  })
  const { virtioSlots: _slots, pci: _pci, ...board } = settled
  return { ...board, rows }
}

/** The row that holds `address`. */
export function rowAt(board: Board, address: number): BoardRow | undefined {
  let low = 0, high = board.rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const row = board.rows[middle]!
    if (address < row.base) high = middle
    else if (address >= row.base + row.size) low = middle + 1
    else return row
  }
  return undefined
}

export const rowsOf = (board: Board, kind: DeviceKind): readonly BoardRow[] => board.rows.filter(row => row.kind === kind)

/** Affinity fields of MPIDR_EL1 (without its RES1 bit 31): Aff0 = n & 7 and Aff1 = n >> 3 with GICv2, Aff0 = n & 15 and Aff1 = n >> 4 with GICv3. */
export function affinityOf(cpu: number, gic: GicVersion): number {
  const bits = gic === 2 ? 3 : 4
  return (cpu & ((1 << bits) - 1)) | ((cpu >>> bits) << 8)
}
