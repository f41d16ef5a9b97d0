/** Interrupt controllers put together: one distributor and, for a machine, a CPU interface per PE. */
import type { GicCpuInterface, GicVersion } from '../../arch/gic.ts'
import type { ListingDistributor } from '../../arch/gic-listing.ts'
import type { MmioDevice } from '../mmio.ts'

export interface DistributorOptions {
  readonly version: GicVersion
  /** 1 to 8 (GICv2) or 1 to 16 (GICv3). */
  readonly cpus: number
  /** Number of SPIs, rounded up to a multiple of 32; default 288 (INTIDs 32 to 319), at most 988. */
  readonly spis?: number
  /** Implemented priority bits, 5 (default) to 8. */
  readonly priorityBits?: number
  /** GICD_IIDR and GICR_IIDR; default GIC-400's for version 2. */
  readonly iidr?: number
  /**
   * GICv2, an SPI with several targets: 'all' (default) offers it to every one of them and the first IAR read gets it, as hardware does;
   * 'lowest' offers it to the lowest-numbered target only, which is what a hypervisor wants for its VMs.
   */
  readonly targets?: 'all' | 'lowest'
}

export interface GicOptions extends DistributorOptions {
  /** List registers: default 4 for GICv2 (GIC-400), 4 for GICv3; at most 64 or 16. */
  readonly listRegisters?: number
  /** Virtual priority bits (VTR.PRIbits), 5 (default) to 8; GICv2 has 5. */
  readonly virtualPriorityBits?: number
  /** PPI that the virtual interface drives for maintenance; default 25. */
  readonly maintenance?: number
}

export interface Gic {
  readonly distributor: ListingDistributor
  readonly cpuInterfaces: readonly GicCpuInterface[]
}

/** A distributor alone, e.g. for a VM of L0 (set its `onChange`). */
export function createDistributor(_options: DistributorOptions): ListingDistributor {
  throw new Error('not written yet')
}

/** A whole controller. The distributor's `onChange` is taken by the CPU interfaces; listen to their `onChange` instead. */
export function createGic(_options: GicOptions): Gic {
  throw new Error('not written yet')
}

/**
 * The frames as devices. `currentCpu` says which PE performs the access (banked registers).
 * GICv2: GICD, GICC, GICH, GICV; GICv3: GICD and GICR (0x20000 bytes per CPU).
 * `interfaces` may be empty for a VM: then only the distributor's frames exist.
 */
export function gicFrames(_distributor: ListingDistributor, _interfaces: readonly GicCpuInterface[], _currentCpu: () => number): Readonly<Record<string, MmioDevice>> {
  throw new Error('not written yet')
}
