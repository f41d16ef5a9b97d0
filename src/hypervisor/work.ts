/**
 * Names of the work that L0's own code does beside its accesses to registers and memory, for `Host.charge` and the cost model
 * (`CostModel.work`). Each names a stretch of KVM/ARM's code that has no register access in it, or general registers and barriers.
 */
export const WORK = {
  /** The 31 general registers of the guest to and from its context, and callee-saved ones of the host. Charged at every exit and entry. */
  saveGeneral: 'save general registers',
  restoreGeneral: 'restore general registers',
  /** `split`: ERET from the hypervisor part to the host part at EL1, and the HVC that goes back. */
  toHostPart: 'ERET to the host part',
  fromHostPart: 'HVC from the host part',
  /** `split`: the host part's run loop around one exit: interrupts on and off, vgic and timer flush and sync, dispatch. */
  runLoop: 'run loop of the host part',
  hypercall: 'hypercall',
  systemRegister: 'system register emulation',
  mmio: 'MMIO decode',
  /** In-kernel device: the virtual distributor and GICH frame. */
  vgicMmio: 'vgic register emulation',
  /** Leaving to the VMM and coming back. */
  userExit: 'exit to the VMM',
  hostInterrupt: 'interrupt of the host part',
  injectSgi: 'virtual SGI',
  vgicFlush: 'vgic flush of one list register',
  stage2Map: 'stage 2 map',
  stage2Unmap: 'stage 2 unmap',
  /** Descriptor loads of a software walk of L1's tables. */
  walk: 'table walk in software',
  injectVirtual: 'virtual exception to vEL2',
  eret: 'ERET emulation',
  contextSwitch: 'nested context switch',
  /** One register copied between virtual EL2, its EL1 shadow or the page of deferred accesses: a load and a store. */
  copyRegister: 'copy of one virtual register',
  shadowVgic: 'shadow list register',
  block: 'vCPU blocks or wakes',
} as const
export type Work = (typeof WORK)[keyof typeof WORK]
