/**
 * The device tree of a board, in the shape of QEMU's `virt` (names and properties that Linux, Xen and the usual bare-metal code look
 * for), and what a loader adds under /chosen.
 */
import { GICR_SIZE, RAM_BASE, affinityOf, rowsOf, type Board, type BoardRow } from './board.ts'
import { EMPTY, cells, cells64, node, strings, type FdtNode, type FdtTree } from './fdt.ts'
import { PPI } from './gic.ts'

export interface BootModule {
  /** Physical address and size in memory. */
  readonly address: number
  readonly size: number
  /** 'multiboot,kernel' or 'multiboot,ramdisk'; Xen takes modules in this order. */
  readonly kind: 'kernel' | 'ramdisk'
  readonly bootargs?: string
}

export interface DeviceTreeOptions {
  readonly bootargs?: string
  readonly initrd?: { readonly start: number, readonly end: number }
  readonly modules?: readonly BootModule[]
  /** Default: SMC when the board has EL2, HVC otherwise. */
  readonly psci?: 'hvc' | 'smc'
  /** Seeds Linux's random number generator. Default: the same 32 bytes in every run. */
  readonly rngSeed?: Uint8Array
}

const PHANDLE = { gic: 0x8001, clock: 0x8000, gpio: 0x8003 } as const
/** Interrupt specifiers: type, number, flags. */
const SPI = 0
const PPI_TYPE = 1
const EDGE_RISING = 1
const LEVEL_HIGH = 4
const CLOCK_HZ = 24_000_000

const reg = (row: { readonly base: number, readonly size: number }): Uint8Array => cells64(row.base, row.size)
const named = (name: string, base: number): string => `${name}@${base.toString(16)}`

export function deviceTreeOf(board: Board, options: DeviceTreeOptions = {}): FdtTree {
  const root = node('', {
    'interrupt-parent': cells(PHANDLE.gic), model: strings('linux,dummy-virt'), '#size-cells': cells(2), '#address-cells': cells(2), compatible: strings('linux,dummy-virt'),
  }, [
    node('psci', {
      migrate: cells(0xc400_0005), cpu_on: cells(0xc400_0003), cpu_off: cells(0x8400_0002), cpu_suspend: cells(0xc400_0001),
      method: strings(options.psci ?? (board.el2 ? 'smc' : 'hvc')), compatible: strings('arm,psci-1.0', 'arm,psci-0.2', 'arm,psci'),
    }),
    node(named('memory', RAM_BASE), { reg: cells64(RAM_BASE, board.memBytes), device_type: strings('memory') }),
    ...rowsOf(board, 'virtio-mmio').map(virtio),
    ...rowsOf(board, 'pci-ecam').map(row => pcie(board, row)),
    ...rowsOf(board, 'pl031').map(row => node(named('pl031', row.base), {
      'clock-names': strings('apb_pclk'), clocks: cells(PHANDLE.clock), interrupts: spi(row), reg: reg(row), compatible: strings('arm,pl031', 'arm,primecell'),
    })),
    ...rowsOf(board, 'pl011').map(row => node(named('pl011', row.base), {
      'clock-names': strings('uartclk', 'apb_pclk'), clocks: cells(PHANDLE.clock, PHANDLE.clock), interrupts: spi(row), reg: reg(row), compatible: strings('arm,pl011', 'arm,primecell'),
    })),
    ...firmwareDevices(board),
    interruptController(board),
    cpus(board),
    timer(board),
    ...(board.pmu ? [node('pmu', { interrupts: cells(...ppiCells(board, PPI.pmu)), compatible: strings('arm,armv8-pmuv3') })] : []),
    node('apb-pclk', {
      phandle: cells(PHANDLE.clock), 'clock-output-names': strings('clk24mhz'), 'clock-frequency': cells(CLOCK_HZ), '#clock-cells': cells(0), compatible: strings('fixed-clock'),
    }),
    node('chosen', stdout(board)),
  ])
  return completeDeviceTree({ root, reservations: [], bootCpu: affinityOf(0, board.gic) }, options)
}

/** What is there for firmware made for QEMU's `virt`, and the power button, which is a key on a GPIO line. */
function firmwareDevices(board: Board): readonly FdtNode[] {
  const banks = rowsOf(board, 'flash'), gpio = rowsOf(board, 'pl061')[0]
  const BUTTON_LINE = 3, KEY_POWER = 116
  return [
    ...rowsOf(board, 'fw-cfg').map(row => node(named('fw-cfg', row.base), { 'dma-coherent': EMPTY, reg: reg(row), compatible: strings('qemu,fw-cfg-mmio') })),
    ...(banks.length === 0 ? [] : [node(named('flash', banks[0]!.base), { 'bank-width': cells(4), reg: cells64(...banks.flatMap(row => [row.base, row.size])), compatible: strings('cfi-flash') })]),
    ...(gpio === undefined ? [] : [
      node(named('pl061', gpio.base), {
        phandle: cells(PHANDLE.gpio), 'clock-names': strings('apb_pclk'), clocks: cells(PHANDLE.clock), interrupts: spi(gpio), 'gpio-controller': EMPTY, '#gpio-cells': cells(2),
        compatible: strings('arm,pl061', 'arm,primecell'), reg: reg(gpio),
      }),
      node('gpio-keys', { compatible: strings('gpio-keys') }, [
        node('poweroff', { gpios: cells(PHANDLE.gpio, BUTTON_LINE, 0), 'linux,code': cells(KEY_POWER), label: strings('GPIO Key Poweroff') }),
      ]),
    ]),
  ]
}

function stdout(board: Board): Readonly<Record<string, Uint8Array>> {
  const uart = rowsOf(board, 'pl011')[0]
  return uart === undefined ? {} : { 'stdout-path': strings(`/${named('pl011', uart.base)}`) }
}

const spi = (row: BoardRow): Uint8Array => cells(SPI, row.spi!, row.trigger === 'edge' ? EDGE_RISING : LEVEL_HIGH)

/** With GICv2 the flags of a PPI carry a mask of CPUs in bits 15:8. */
const ppiCells = (board: Board, intid: number): number[] => [PPI_TYPE, intid - 16, LEVEL_HIGH | (board.gic === 2 ? ((1 << board.cpus) - 1) << 8 : 0)]

const virtio = (row: BoardRow): FdtNode =>
  node(named('virtio_mmio', row.base), { 'dma-coherent': EMPTY, interrupts: spi(row), reg: reg(row), compatible: strings('virtio,mmio') })

/** IEEE 1275's PCI binding: addresses of 3 cells, the first with the space (1 I/O, 2 memory of 32 bits) and the device number in bits 15:11. */
function pcie(board: Board, ecam: BoardRow): FdtNode {
  const io = rowsOf(board, 'pci-io')[0]!, memory = rowsOf(board, 'pci-memory')[0]!, LINES = 4
  const range = (space: number, from: number, { base, size }: BoardRow): readonly number[] => [space << 24, 0, from, 0, base, 0, size]
  const lines = Array.from({ length: LINES * LINES }, (_, i) => {
    const device = i >>> 2, pin = i & 3
    return [device << 11, 0, 0, pin + 1, PHANDLE.gic, 0, 0, SPI, ecam.spi! + ((pin + device) % LINES), LEVEL_HIGH]
  })
  return node(named('pcie', memory.base), {
    'interrupt-map-mask': cells(0x1800, 0, 0, 7), 'interrupt-map': cells(...lines.flat()), '#interrupt-cells': cells(1), ranges: cells(...range(1, 0, io), ...range(2, memory.base, memory)), reg: reg(ecam),
    'bus-range': cells(0, ecam.size / 2 ** 20 - 1), 'dma-coherent': EMPTY, 'linux,pci-domain': cells(0), '#size-cells': cells(2), '#address-cells': cells(3), device_type: strings('pci'), compatible: strings('pci-host-ecam-generic'),
  })
}

function interruptController(board: Board): FdtNode {
  const one = (kind: BoardRow['kind']): readonly number[] => rowsOf(board, kind).slice(0, 1).flatMap(row => [row.base, row.size])
  const gicd = rowsOf(board, 'gicd')[0]!
  const common = {
    phandle: cells(PHANDLE.gic), 'interrupt-controller': EMPTY, '#interrupt-cells': cells(3), '#address-cells': cells(2), '#size-cells': cells(2), ranges: EMPTY,
    interrupts: board.el2 ? cells(...ppiCells(board, PPI.maintenance)) : undefined,
  }
  if (board.gic === 2) {
    return node(named('intc', gicd.base), {
      // GICD, GICC and with EL2 GICH, GICV: Linux's KVM takes the third and fourth pair.
      ...common, reg: cells64(...one('gicd'), ...one('gicc'), ...one('gich'), ...one('gicv')), compatible: strings('arm,cortex-a15-gic'),
    })
  }
  return node(named('intc', gicd.base), {
    ...common, '#redistributor-regions': cells(1), reg: cells64(...one('gicd'), rowsOf(board, 'gicr')[0]!.base, board.cpus * GICR_SIZE), compatible: strings('arm,gic-v3'),
  })
}

function cpus(board: Board): FdtNode {
  return node('cpus', { '#size-cells': cells(0), '#address-cells': cells(1) }, Array.from({ length: board.cpus }, (_, cpu) => {
    const affinity = affinityOf(cpu, board.gic)
    return node(named('cpu', affinity), { reg: cells(affinity), 'enable-method': strings('psci'), compatible: strings('arm,armv8'), device_type: strings('cpu') })
  }))
}

/** The order is fixed by the binding: secure physical (there is no EL3: PPI 13 is never used), physical, virtual, hyp physical, hyp virtual. */
function timer(board: Board): FdtNode {
  const SECURE_PHYSICAL = 29
  const intids = [SECURE_PHYSICAL, PPI.physicalTimer, PPI.virtualTimer, PPI.hypPhysicalTimer, ...(board.vhe && board.el2 ? [PPI.hypVirtualTimer] : [])]
  return node('timer', { interrupts: cells(...intids.flatMap(intid => ppiCells(board, intid))), 'always-on': EMPTY, compatible: strings('arm,armv8-timer', 'arm,armv7-timer') })
}

/** Nothing random below the command line: a seed that is the same in every run, unless one is given. */
const FIXED_SEED = Uint8Array.from({ length: 32 }, (_, i) => (i * 0x9d + 0x4e) & 0xff)

/** A tree (the board's own, or --dtb) with /chosen completed: command line, initrd, modules, seed. */
export function completeDeviceTree(tree: FdtTree, options: DeviceTreeOptions): FdtTree {
  const old = tree.root.children.find(child => child.name === 'chosen')
  const properties = new Map(old?.properties)
  properties.set('rng-seed', options.rngSeed ?? FIXED_SEED)
  if (options.bootargs !== undefined) properties.set('bootargs', strings(options.bootargs))
  if (options.initrd !== undefined) {
    properties.set('linux,initrd-start', cells64(options.initrd.start))
    properties.set('linux,initrd-end', cells64(options.initrd.end))
  }
  const modules = options.modules ?? []
  if (modules.length > 0) {
    properties.set('#address-cells', cells(2))
    properties.set('#size-cells', cells(2))
  }
  const chosen: FdtNode = {
    name: 'chosen', properties, children: [
      ...(old?.children ?? []),
      ...modules.map(each => node(named('module', each.address), {
        compatible: strings(`multiboot,${each.kind}`, 'multiboot,module'), reg: cells64(each.address, each.size), bootargs: each.bootargs === undefined ? undefined : strings(each.bootargs),
      })),
    ],
  }
  const others = tree.root.children.filter(child => child !== old)
  return { ...tree, root: { ...tree.root, children: [...others, chosen] } }
}
