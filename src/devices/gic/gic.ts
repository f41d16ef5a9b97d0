/** Interrupt controllers put together: one distributor and, for a machine, a CPU interface per PE. */
import type { Distributor, GicCpuInterface } from '../../arch/gic.ts'
import type { ListingDistributor } from '../../arch/gic-listing.ts'
import type { AccessSize, MmioDevice } from '../mmio.ts'
import { CpuInterface } from './cpu-interface.ts'
import type { CpuInterfaceOptions } from './cpu-interface.ts'
import { GicDistributor } from './distributor.ts'
import type { DistributorOptions } from './distributor.ts'

export type GicOptions = DistributorOptions & Omit<CpuInterfaceOptions, 'distributor' | 'cpu'>

export interface Gic {
  readonly distributor: ListingDistributor
  readonly cpuInterfaces: readonly GicCpuInterface[]
}

/** A distributor alone, e.g. for a VM of L0 (set its `onChange`). */
export function createDistributor(options: DistributorOptions): ListingDistributor {
  return new GicDistributor(options)
}

/** A whole controller. The distributor's `onChange` is taken by the CPU interfaces; listen to their `onChange` instead. */
export function createGic(options: GicOptions): Gic {
  const distributor = new GicDistributor(options)
  const cpuInterfaces = Array.from({ length: options.cpus }, (_, cpu) => new CpuInterface({ ...options, distributor, cpu }))
  distributor.onChange = cpu => cpuInterfaces[cpu]!.distributorChanged()
  return { distributor, cpuInterfaces }
}

export type GicFrameName = 'GICD' | 'GICR' | 'GICC' | 'GICH' | 'GICV'

/**
 * The frames as devices. `currentCpu` says which PE performs the access (banked registers).
 * GICv2: GICD, GICC, GICH, GICV; GICv3: GICD and GICR (0x20000 bytes per CPU).
 * `interfaces` may be empty for a VM: then only the distributor's frames exist.
 */
export function gicFrames(distributor: Distributor, interfaces: readonly GicCpuInterface[], currentCpu: () => number): Readonly<Partial<Record<GicFrameName, MmioDevice>>> {
  const version2 = distributor.version === 2
  // The CPU interfaces are no frame of their own in GICv3; their state goes with GICC or GICR.
  const all: Stateful = {
    reset: () => { for (const each of interfaces) each.reset() },
    save: () => interfaces.map(each => each.save()),
    restore: state => { interfaces.forEach((each, cpu) => each.restore(Array.isArray(state) ? state[cpu] : undefined)) },
  }
  const GICD = new GicFrame('GICD', version2 ? 0x1000 : 0x1_0000,
    (offset, bytes) => distributor.readDistributor(currentCpu(), offset, bytes), (offset, bytes, value) => distributor.writeDistributor(currentCpu(), offset, bytes, value), distributor)
  if (!version2) {
    const GICR = new GicFrame('GICR', 0x2_0000 * distributor.cpus,
      (offset, bytes) => distributor.readRedistributor(offset >>> 17, offset & 0x1_ffff, bytes), (offset, bytes, value) => distributor.writeRedistributor(offset >>> 17, offset & 0x1_ffff, bytes, value), all)
    return { GICD, GICR }
  }
  if (interfaces.length === 0) return { GICD }
  const frame = (name: 'GICC' | 'GICH' | 'GICV', bytes: number, state?: Stateful): MmioDevice => new GicFrame(name, bytes,
    (offset, width) => interfaces[currentCpu()]!.readFrame(name, offset, width), (offset, width, value) => interfaces[currentCpu()]!.writeFrame(name, offset, width, value), state)
  return { GICD, GICC: frame('GICC', 0x2000, all), GICH: frame('GICH', 0x1000), GICV: frame('GICV', 0x2000) }
}

interface Stateful { reset(): void, save(): unknown, restore(state: unknown): void }
const NO_STATE: Stateful = { reset: () => {}, save: () => null, restore: () => {} }

class GicFrame implements MmioDevice {
  readonly name: string
  readonly sizeBytes: number
  readonly read: (offset: number, size: AccessSize) => number | undefined
  readonly write: (offset: number, size: AccessSize, value: number) => boolean
  readonly reset: () => void
  readonly save: () => unknown
  readonly restore: (state: unknown) => void

  constructor(name: string, sizeBytes: number, read: GicFrame['read'], write: GicFrame['write'], state: Stateful = NO_STATE) {
    this.name = name
    this.sizeBytes = sizeBytes
    this.read = read
    this.write = write
    this.reset = () => state.reset()
    this.save = () => state.save()
    this.restore = saved => state.restore(saved)
  }
}
