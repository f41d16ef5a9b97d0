/** Devices of the machine and of L0's virtual machines. */
export type { AccessSize, MmioDevice } from './mmio.ts'
export { createDistributor, createGic, gicFrames } from './gic/gic.ts'
export type { Gic, GicFrameName, GicOptions } from './gic/gic.ts'
export type { DistributorOptions } from './gic/distributor.ts'
export { Pl011 } from './pl011.ts'
export type { Pl011Options } from './pl011.ts'
export { Pl031 } from './pl031.ts'
export type { Pl031Options } from './pl031.ts'
