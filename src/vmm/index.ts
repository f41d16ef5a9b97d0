/** L0's user space: builds virtual machines from images and plugs them into the host hypervisor. */
export { createL0 } from './create-l0.ts'
export type { Paravirtualised } from './paravirtualise.ts'
export type { L0Options, VirtualEL2, VmDescription, VmEnd } from './options.ts'
