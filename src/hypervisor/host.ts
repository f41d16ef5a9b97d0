/**
 * Everything that L0 may do to the machine: what software at EL2 can do, and nothing else (design D6). The machine implements this
 * interface (`machine/host-port.ts`), counts every access and charges it to the PE by the cost model.
 *
 * L0 is entered by `EL2Software.handle` after an exception to EL2 has been taken: ESR_EL2, ELR_EL2, SPSR_EL2, FAR_EL2 and HPFAR_EL2
 * hold its syndrome. L0 changes registers and returns; the machine then performs the ERET from EL2.
 */
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { OutsideReceiver } from '../arch/outside.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { L0Event } from '../trace/event.ts'

/** System registers that are moved together: slots of `sysreg/`, in program order. */
export interface RegisterList {
  readonly name: string
  /** Slot on the machine (what MRS/MSR names at EL2) and slot in the L0 register file it is kept in. */
  readonly moves: readonly { readonly register: number, readonly slot: number }[]
}

/** RAM by physical address. Reads outside RAM return undefined / writes false: L0 must cope, guests supply addresses. */
export interface PhysicalMemory {
  read64(pa: number): bigint | undefined
  write64(pa: number, value: bigint): boolean
  read32(pa: number): number | undefined
  write32(pa: number, value: number): boolean
  /** Fills `into` from `pa`; false and untouched if any byte is outside RAM. */
  readBytes(pa: number, into: Uint8Array): boolean
  writeBytes(pa: number, from: Uint8Array): boolean
  fill(pa: number, size: number, value: number): boolean
  isRam(pa: number, size: number): boolean
}

/** `GICR`: this PE's redistributor (RD_base at 0, SGI_base at 0x10000). */
export type GicFrame = 'GICD' | 'GICR' | 'GICC' | 'GICH'

export interface Host {
  readonly pe: number
  readonly peCount: number
  readonly profile: ProfileName
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly memory: PhysicalMemory
  /** Physical RAM kept for L0 alone (tables, VNCR pages): [base, base + size). */
  readonly reserved: { readonly base: number, readonly size: number }

  /** General registers of the interrupted context; saving and restoring them is part of the exception cost. n is 0..30. */
  x(n: number): bigint
  setX(n: number, value: bigint): void

  /** One MRS or MSR at EL2 of the register with this `sysreg/` slot. */
  mrs(slot: number): bigint
  msr(slot: number, value: bigint): void
  /** Every move of the list as one MRS (resp. MSR) and one memory access, in order. */
  save(list: RegisterList, into: RegisterFile): void
  restore(list: RegisterList, from: RegisterFile): void
  /** FP/SIMD registers V0-V31, FPCR, FPSR (lazily switched by L0). `area` has 528 bytes. */
  saveFp(area: Uint8Array): void
  restoreFp(area: Uint8Array): void

  /** GICv2 frames (counted as MMIO) and, for any version, the physical distributor. 32-bit. */
  mmioRead(frame: GicFrame, offset: number): number
  mmioWrite(frame: GicFrame, offset: number, value: number): void

  /** TLBI by mnemonic, e.g. tlbi('IPAS2E1IS', ipa >> 12n): acts on the current VTTBR_EL2.VMID as on hardware. */
  tlbi(operation: string, argument?: bigint): void
  /** Instruction cache invalidation of a physical range that L0 wrote (IC IVAU / DMA). */
  invalidateInstructions(pa: number, size: number): void
  /** AT S12E1R etc.: performs the translation with the current EL1 state; result in PAR_EL1 (read by mrs). */
  at(operation: string, va: bigint): void

  /** Count of the system counter (CNTPCT, no offset) now, of this PE. */
  counter(): bigint
  /** Wakes PE `target` with physical SGI `intid`. */
  sendSgi(target: number, intid: number): void

  /** Work of L0's own code by name (a row of the cost model), `count` times. */
  charge(work: string, count?: number): void
  /** Tells the trace what was done: one exit event per handled exception, the steps of an exit before it. Undefined: nobody listens. */
  readonly trace: ((event: L0Event) => void) | undefined
}

/** What L0 (and the VMM that is its user space) gets to know when it is attached. */
export interface L0Environment {
  readonly memory: PhysicalMemory
  /** All of RAM; `reserved` is the part at its top that is kept for L0's own tables. */
  readonly ram: { readonly base: number, readonly size: number }
  readonly reserved: { readonly base: number, readonly size: number }
  readonly peCount: number
  readonly profile: ProfileName
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  /** The machine's console: where VMs print by default. */
  console(byte: number): void
  /** Names a device that events from outside may be posted to. */
  listen(device: string, receiver: OutsideReceiver): void
}

/** What a PE does when L0 has handled an exception: return from EL2, or wait at EL2 for a physical interrupt. */
export type AfterExit = 'run' | 'idle' | 'off'
export type EL2Exception = 'sync' | 'irq' | 'fiq' | 'serror'

/** TypeScript software attached at the machine's EL2. */
export interface EL2Software {
  /** First entry on a PE at reset. */
  start(host: Host): AfterExit
  handle(host: Host, kind: EL2Exception): AfterExit
  /**
   * The one thing that the machine says and an EL2 would not hear: the guest's exception vector at EL1 cannot be executed, and nobody has
   * interfered for long. No exit: whatever L0 decides takes effect at the next one, which it may cause.
   */
  stuck?(host: Host, vector: bigint, syndrome: number): void
  /** All it knows, its devices included; never while it works. What is in RAM is saved with RAM. */
  saveState?(): Saved
  /** Of software that was made of the same; throws BadInput. No call of a Host is made. */
  restoreState?(saved: Saved): void
}
