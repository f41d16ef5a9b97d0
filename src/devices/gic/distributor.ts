/** The distributor of GICv2 and, with affinity routing and redistributors, of GICv3. One security state (GICD_CTLR.DS = 1), no LPIs. */
import type { Distributor, GicVersion, INTID } from '../../arch/gic.ts'
import type { ListedInterrupt, ListingDistributor } from '../../arch/gic-listing.ts'
import { fieldsOf, fillFrom } from '../saved-state.ts'
import { commonFamilies, sharedOnly, version2Families, version3Families } from './distributor-families.ts'
import { InterruptState } from './interrupt-state.ts'
import type { Candidate } from './interrupt-state.ts'
import { identification, RegisterFrame } from './register-frame.ts'
import type { Register } from './register-frame.ts'

export interface DistributorOptions {
  readonly version: GicVersion
  /** 1 to 8 (GICv2) or 1 to 16 (GICv3). */
  readonly cpus: number
  /** Number of SPIs, rounded up to a multiple of 32; default 256 (INTIDs 32 to 287, as QEMU's virt board), at most 988. */
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

const GIC400_IIDR = 0x0200_143b
/** Product 'N' of implementer Arm: no errata workaround of any driver applies to it. */
const GICV3_IIDR = 0x4e00_043b

const GIC400_ID = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0x00, 0x0d, 0xf0, 0x05, 0xb1]
const GICD3_ID = [0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0x00, 0x0d, 0xf0, 0x05, 0xb1]
const GICR3_ID = [0x44, 0, 0, 0, 0x93, 0xb4, 0x3b, 0x00, 0x0d, 0xf0, 0x05, 0xb1]

const GICD_CTLR = { EnableGrp0: 1 << 0, EnableGrp1: 1 << 1, ARE: 1 << 4, DS: 1 << 6 } as const
/** GICD_TYPER: No1N: no 1-of-N routing; A3V: non-zero Aff3 is accepted. IDbits = 9: INTIDs have 10 bits. */
const GICD_TYPER = { CPUNumber: 5, IDbits: 19, A3V: 1 << 24, No1N: 1 << 25 } as const
const GICR_WAKER = { ProcessorSleep: 1 << 1, ChildrenAsleep: 1 << 2 } as const

export class GicDistributor implements ListingDistributor {
  readonly version: GicVersion
  readonly cpus: number
  readonly priorityBits: number
  readonly #state: InterruptState
  readonly #gicd: RegisterFrame
  readonly #gicr: RegisterFrame | undefined
  readonly #iidr: number
  /** GICR_WAKER.ProcessorSleep by CPU. Nobody is asleep for us: without EL3 there is no firmware to wake a redistributor, so sleep is storage. */
  readonly #sleep: Uint8Array

  constructor(options: DistributorOptions) {
    const { version, cpus, spis = 256, priorityBits = 5, targets = 'all' } = options
    if (cpus < 1 || cpus > (version === 2 ? 8 : 16)) throw new RangeError(`GICv${version} with ${cpus} CPUs`)
    if (spis < 0 || spis > 988 || priorityBits < 4 || priorityBits > 8) throw new RangeError(`GIC with ${spis} SPIs and ${priorityBits} priority bits`)
    this.version = version
    this.cpus = cpus
    this.priorityBits = priorityBits
    this.#iidr = options.iidr ?? (version === 2 ? GIC400_IIDR : GICV3_IIDR)
    // 1020 to 1023 are special: the last bank has 28 interrupts.
    const intids = Math.min(32 + Math.ceil(spis / 32) * 32, 1024)
    this.#state = new InterruptState({ version, cpus, intids, priorityMask: 0xff00 >>> priorityBits & 0xff, lowestTargetOnly: targets === 'lowest' })
    this.#sleep = new Uint8Array(cpus).fill(1)
    const exists = (intid: INTID): boolean => this.#state.exists(intid)
    this.#gicd = version === 2 ? this.#version2Frame(exists) : this.#version3Frame(exists)
    this.#gicr = version === 2 ? undefined : this.#redistributorFrame(exists)
  }

  get onChange(): (cpu: number) => void { return this.#state.onChange }
  set onChange(listener: (cpu: number) => void) { this.#state.onChange = listener }
  get onSignal(): Distributor['onSignal'] { return this.#state.onSignal }
  set onSignal(listener: Distributor['onSignal']) { this.#state.onSignal = listener }

  readDistributor(cpu: number, offset: number, size: number): number | undefined { return this.#gicd.read(cpu, offset, size) }
  writeDistributor(cpu: number, offset: number, size: number, value: number): boolean { return this.#gicd.write(cpu, offset, size, value) }
  readRedistributor(cpu: number, offset: number, size: number): number | undefined { return cpu < this.cpus ? this.#gicr?.read(cpu, offset, size) : undefined }
  writeRedistributor(cpu: number, offset: number, size: number, value: number): boolean { return cpu < this.cpus && (this.#gicr?.write(cpu, offset, size, value) ?? false) }

  /** Name of the register at an offset, for messages. */
  registerName(frame: 'GICD' | 'GICR', offset: number): string | undefined { return (frame === 'GICD' ? this.#gicd : this.#gicr)?.nameAt(offset) }

  setSpiLevel(intid: INTID, level: boolean): void { if (intid >= 32) this.#state.setLine(0, intid, level) }
  setPpiLevel(cpu: number, intid: INTID, level: boolean): void { if (intid < 32) this.#state.setLine(cpu, intid, level) }
  sendSgi(source: number, target: number, intid: INTID): void { if (intid < 16 && target < this.cpus) this.#state.addSgi(target, intid, source) }

  highestPending(cpu: number): Candidate | undefined {
    const group0 = this.#state.best(cpu, 0)
    const group1 = this.#state.best(cpu, 1)
    if (group0 === undefined) return group1
    if (group1 === undefined) return group0
    if (group0.priority !== group1.priority) return group0.priority < group1.priority ? group0 : group1
    return group0.intid < group1.intid ? group0 : group1
  }

  /** The same among the interrupts of one group: a CPU interface does not see those of a group that it has not enabled. */
  highestPendingOfGroup(cpu: number, group: 0 | 1): Candidate | undefined { return this.#state.best(cpu, group) }

  activate(cpu: number, intid: INTID, source: number): void { this.#state.activate(cpu, intid, source) }
  deactivate(cpu: number, intid: INTID, _source: number): void { this.#state.deactivate(cpu, intid) }
  isPending(cpu: number, intid: INTID): boolean { return this.#state.exists(intid) && this.#state.isPending(cpu, intid) }
  isActive(cpu: number, intid: INTID): boolean { return this.#state.exists(intid) && this.#state.isActive(cpu, intid) }
  isEnabled(cpu: number, intid: INTID): boolean { return this.#state.exists(intid) && this.#state.isEnabled(cpu, intid) }
  priorityOf(cpu: number, intid: INTID): number { return this.#state.exists(intid) ? this.#state.priorityOf(cpu, intid) : 0xff }
  groupOf(cpu: number, intid: INTID): 0 | 1 { return this.#state.exists(intid) ? this.#state.groupOf(cpu, intid) : 0 }
  isEdge(intid: INTID, cpu: number): boolean { return this.#state.exists(intid) && this.#state.isEdge(cpu, intid) }
  listFor(cpu: number): readonly ListedInterrupt[] { return this.#state.listFor(cpu) }
  take(cpu: number, intid: INTID, source: number): void { if (this.#state.exists(intid)) this.#state.take(cpu, intid, source) }
  markActive(cpu: number, intid: INTID, source: number): void { if (this.#state.exists(intid)) this.#state.markActive(cpu, intid, source) }

  reset(): void {
    this.#sleep.fill(1)
    this.#state.reset()
  }

  save(): unknown { return { ...this.#state.save(), sleep: [...this.#sleep] } }

  restore(state: unknown): void {
    fillFrom(fieldsOf(state, 'GIC distributor'), 'sleep', this.#sleep)
    this.#state.restore(state)
  }

  #linesNumber(): number { return (this.#state.intids >>> 5) - 1 }

  #version2Frame(exists: (intid: INTID) => boolean): RegisterFrame {
    const state = this.#state
    const registers: Register[] = [
      { name: 'GICD_CTLR', offset: 0x0, read: () => state.groupEnables, write: (_cpu, value) => state.setGroupEnables(value) },
      { name: 'GICD_TYPER', offset: 0x4, read: () => this.#linesNumber() | (this.cpus - 1) << GICD_TYPER.CPUNumber },
      { name: 'GICD_IIDR', offset: 0x8, read: () => this.#iidr },
      // Reserved in GICv2, but kvm-unit-tests asks here before it knows the version.
      { name: 'GICD_TYPER2', offset: 0xc },
      { name: 'GICD_SGIR', offset: 0xf00, write: (cpu, value) => this.#softwareGenerated(cpu, value) },
      ...identification('GICD_', 0xfd0, GIC400_ID),
    ]
    return new RegisterFrame('GICD', registers, [...commonFamilies('GICD_', 0, 1024, state), ...version2Families(state)], exists)
  }

  /** GICD_SGIR: TargetListFilter 25:24, CPUTargetList 23:16, SGIINTID 3:0. NSATT means nothing with one security state. */
  #softwareGenerated(cpu: number, value: number): void {
    const all = (1 << this.cpus) - 1
    const filter = value >>> 24 & 3
    const targets = filter === 0 ? value >>> 16 & all : filter === 1 ? all & ~(1 << cpu) : filter === 2 ? 1 << cpu : 0
    for (let target = 0; target < this.cpus; target++) {
      if ((targets >>> target & 1) === 0) continue
      this.#state.onSignal?.(target, value & 15, true)
      this.#state.addSgi(target, value & 15, cpu)
    }
  }

  #version3Frame(exists: (intid: INTID) => boolean): RegisterFrame {
    const state = this.#state
    const registers: Register[] = [
      { name: 'GICD_CTLR', offset: 0x0, read: () => state.groupEnables | GICD_CTLR.ARE | GICD_CTLR.DS, write: (_cpu, value) => state.setGroupEnables(value) },
      { name: 'GICD_TYPER', offset: 0x4, read: () => this.#linesNumber() | 9 << GICD_TYPER.IDbits | GICD_TYPER.A3V | GICD_TYPER.No1N },
      { name: 'GICD_IIDR', offset: 0x8, read: () => this.#iidr },
      { name: 'GICD_TYPER2', offset: 0xc },
      { name: 'GICD_STATUSR', offset: 0x10 },
      // Message-based SPIs are not implemented (GICD_TYPER.MBIS = 0).
      ...['GICD_SETSPI_NSR', 'GICD_CLRSPI_NSR', 'GICD_SETSPI_SR', 'GICD_CLRSPI_SR'].map((name, index) => ({ name, offset: 0x40 + 8 * index })),
      // With affinity routing SGIs are sent by ICC_SGI1R_EL1.
      { name: 'GICD_SGIR', offset: 0xf00 },
      ...identification('GICD_', 0xffd0, GICD3_ID),
    ]
    return new RegisterFrame('GICD', registers, [...commonFamilies('GICD_', 0, 1024, state).map(sharedOnly), ...version3Families(state)], exists)
  }

  /** RD_base at 0 and SGI_base at 0x10000. GICR_CTLR has nothing writable without LPIs and DPG bits; RWP reads as zero. */
  #redistributorFrame(exists: (intid: INTID) => boolean): RegisterFrame {
    const sgiBase = 0x1_0000
    const registers: Register[] = [
      { name: 'GICR_CTLR', offset: 0x0 },
      { name: 'GICR_IIDR', offset: 0x4, read: () => this.#iidr },
      { name: 'GICR_TYPER', offset: 0x8, bytes: 8, read: cpu => affinityValue(cpu) * 0x1_0000_0000 + (cpu << 8 | (cpu === this.cpus - 1 ? 1 << 4 : 0)) },
      { name: 'GICR_STATUSR', offset: 0x10 },
      {
        name: 'GICR_WAKER', offset: 0x14,
        read: cpu => this.#sleep[cpu] !== 0 ? GICR_WAKER.ProcessorSleep | GICR_WAKER.ChildrenAsleep : 0,
        write: (cpu, value) => { this.#sleep[cpu] = (value & GICR_WAKER.ProcessorSleep) !== 0 ? 1 : 0 },
      },
      { name: 'GICR_MPAMIDR', offset: 0x18 },
      { name: 'GICR_PARTIDR', offset: 0x1c },
      { name: 'GICR_PROPBASER', offset: 0x70, bytes: 8 },
      { name: 'GICR_PENDBASER', offset: 0x78, bytes: 8 },
      ...identification('GICR_', 0xffd0, GICR3_ID),
    ]
    const families = [
      ...commonFamilies('GICR_', sgiBase, 32, this.#state),
      { name: 'GICR_IGRPMODR', offset: sgiBase + 0xd00, bits: 1, count: 32, read: () => 0 } as const,
    ]
    return new RegisterFrame('GICR', registers, families, exists)
  }
}

/** GICR_TYPER.Affinity_Value of a CPU: Aff0 = n & 15, Aff1 = n >> 4. */
const affinityValue = (cpu: number): number => (cpu >> 4) << 8 | (cpu & 15)
