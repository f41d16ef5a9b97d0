/**
 * What the CPU, the machine and L0 know of an interrupt controller. The register models stand in `devices/`; these are their
 * interfaces (design section 3: one distributor model, used by the machine and by L0's virtual machines).
 */

export type GicVersion = 2 | 3
/** INTIDs 0-15 SGI, 16-31 PPI, 32-1019 SPI. */
export type INTID = number
export const SPURIOUS: INTID = 1023

/** PPIs of the `virt` memory map (also Linux's arch_timer order). */
export const PPI = { pmu: 23, maintenance: 25, hypPhysicalTimer: 26, virtualTimer: 27, hypVirtualTimer: 28, physicalTimer: 30 } as const

/**
 * Distributor and redistributor state of one interrupt controller with `cpus` CPU interfaces. MMIO frames are reached by offset.
 * Levels: a device drives `setLevel`; an edge SPI latches pending on a rising level.
 */
export interface Distributor {
  readonly version: GicVersion
  readonly cpus: number
  /** GICD frame. `cpu` matters for GICv2's banked registers. Sizes 1, 2, 4, 8 bytes. Undefined: no such register or bad size. */
  readDistributor(cpu: number, offset: number, size: number): number | undefined
  writeDistributor(cpu: number, offset: number, size: number, value: number): boolean
  /** GICv3 GICR frames of one CPU: RD_base at 0, SGI_base at 0x10000. 64-bit registers are accessed as two halves or as one `size` 8 (value below 2^53). */
  readRedistributor(cpu: number, offset: number, size: number): number | undefined
  writeRedistributor(cpu: number, offset: number, size: number, value: number): boolean
  setSpiLevel(intid: INTID, level: boolean): void
  setPpiLevel(cpu: number, intid: INTID, level: boolean): void
  /** Makes SGI `intid` pending at `target`; `source` is the sending CPU (GICv2 keeps one pending bit per source). */
  sendSgi(source: number, target: number, intid: INTID): void
  /** GICv2: GICD_SGIR's effects; GICv3: ICC_SGI1R_EL1's. The affinity of CPU n is Aff0 = n & 15 (v3) or n & 7 (v2), see `machine/board.ts`. */
  /** The pending and enabled interrupt of best priority for `cpu` whose group is enabled, not active; SPURIOUS if none. */
  highestPending(cpu: number): { readonly intid: INTID, readonly priority: number, readonly group: 0 | 1, readonly source: number } | undefined
  /** Acknowledge: pending (edge) -> active; level stays pending underneath. `source` for SGIs of GICv2. */
  activate(cpu: number, intid: INTID, source: number): void
  deactivate(cpu: number, intid: INTID, source: number): void
  isPending(cpu: number, intid: INTID): boolean
  isActive(cpu: number, intid: INTID): boolean
  isEnabled(cpu: number, intid: INTID): boolean
  priorityOf(cpu: number, intid: INTID): number
  groupOf(cpu: number, intid: INTID): 0 | 1
  isEdge(intid: INTID, cpu: number): boolean
  /** Called when the answer of highestPending(cpu) may have changed; one listener. */
  onChange: (cpu: number) => void
  /** For the trace: a line has changed, or a guest has sent an SGI to `cpu`. SPIs say 0. */
  onSignal: ((cpu: number, intid: INTID, level: boolean) => void) | undefined
  reset(): void
  save(): unknown
  restore(state: unknown): void
}

/** System-register names of GICv3's CPU interface that `GicCpuInterface.read/write` take, e.g. 'ICC_IAR1_EL1', 'ICV_IAR1_EL1', 'ICH_LR0_EL2'. */
export type GicRegisterName = string

/**
 * One PE's CPU interface: physical (ICC_ / GICC_), virtual (ICV_ / GICV_) and hypervisor control (ICH_ / GICH_), with list registers.
 * One model of the virtual side serves both versions; the MMIO and the system-register views decode to it.
 */
export interface GicCpuInterface {
  readonly version: GicVersion
  /** Physical IRQ or FIQ line to the PE (after PMR, running priority, group enables). */
  irqLine(): boolean
  fiqLine(): boolean
  /** Virtual lines from the list registers (HCR_EL2.VI/VF are the CPU's business). */
  virtualIrqLine(): boolean
  virtualFiqLine(): boolean
  /** GICv3 system registers; `virtual` selects ICV_ behaviour of an ICC_ name (decided by the CPU from HCR_EL2.IMO/FMO and EL). Values up to 64 bits. */
  readRegister(name: GicRegisterName, virtual: boolean): bigint
  writeRegister(name: GicRegisterName, value: bigint, virtual: boolean): void
  /** GICv2 frames: GICC, GICH, GICV by offset, 32-bit. Undefined / false: no such register. */
  readFrame(frame: 'GICC' | 'GICH' | 'GICV', offset: number, size: number): number | undefined
  writeFrame(frame: 'GICC' | 'GICH' | 'GICV', offset: number, size: number, value: number): boolean
  /** Called when one of the four lines may have changed. */
  onChange: () => void
  reset(): void
  save(): unknown
  restore(state: unknown): void
}
