/** One PE's CPU interface: the physical and the virtual half behind the registers of both versions. */
import type { GicCpuInterface, GicRegisterName, GicVersion } from '../../arch/gic.ts'
import { PPI } from '../../arch/gic.ts'
import { sgiRequest } from '../../arch/gic-sgi.ts'
import { fieldsOf, integerIn } from '../saved-state.ts'
import type { GicDistributor } from './distributor.ts'
import { GICC_REGISTERS, GICH_LR0, GICH_REGISTERS, GICV_REGISTERS } from './memory-frames.ts'
import { PhysicalInterface } from './physical-interface.ts'
import { HYPERVISOR_REGISTERS, INTERFACE_REGISTERS } from './system-registers.ts'
import { VirtualInterface } from './virtual-interface.ts'

export interface CpuInterfaceOptions {
  readonly distributor: GicDistributor
  readonly cpu: number
  /** Default 4 in GICv2, as GIC-400, at most 64; default 16 in GICv3, which is the most there can be. */
  readonly listRegisters?: number
  /** VTR.PRIbits: 5 (default) to 8; GICv2 has 5. */
  readonly virtualPriorityBits?: number
  /** PPI of the maintenance interrupt; default 25. */
  readonly maintenance?: number
}

const SRE_EL2_ENABLE = 1 << 3
const LR_NAME = /^ICH_LR(\d+)_EL2$/
/**
 * Registers that generate SGIs, and whether an SGI that is of Group 1 at the target is forwarded. With one security state SGI1R reaches
 * both groups, the other two Group 0 only (IHI0069 12.1.10, forwarding with GICD_CTLR.DS = 1).
 */
const SGI_REGISTERS: ReadonlyMap<string, boolean> = new Map([['SGI0R_EL1', false], ['ASGI1R_EL1', false], ['SGI1R_EL1', true]])

export class CpuInterface implements GicCpuInterface {
  readonly version: GicVersion
  onChange: () => void = () => {}
  readonly #distributor: GicDistributor
  readonly #cpu: number
  readonly #physical: PhysicalInterface
  readonly #virtual: VirtualInterface
  /** ICC_SRE_EL2.Enable; what it traps is the CPU's business. */
  #sreEnable = SRE_EL2_ENABLE
  readonly #listNames = new Map<string, number>()

  constructor(options: CpuInterfaceOptions) {
    const { distributor, cpu, virtualPriorityBits = 5, maintenance = PPI.maintenance } = options
    this.version = distributor.version
    const listRegisters = options.listRegisters ?? (this.version === 2 ? 4 : 16)
    if (listRegisters < 1 || listRegisters > (this.version === 2 ? 64 : 16)) throw new RangeError(`GICv${this.version} with ${listRegisters} list registers`)
    if (virtualPriorityBits < 5 || virtualPriorityBits > (this.version === 2 ? 5 : 8)) throw new RangeError(`GICv${this.version} with ${virtualPriorityBits} virtual priority bits`)
    this.#distributor = distributor
    this.#cpu = cpu
    this.#physical = new PhysicalInterface(distributor, cpu)
    this.#virtual = new VirtualInterface({
      version: this.version, listRegisters, priorityBits: virtualPriorityBits,
      deactivatePhysical: intid => distributor.deactivate(cpu, intid, 0),
      maintenance: level => distributor.setPpiLevel(cpu, maintenance, level),
    })
    for (let n = 0; n < listRegisters; n++) this.#listNames.set(`ICH_LR${n}_EL2`, n)
  }

  irqLine(): boolean { return this.#physical.irq }
  fiqLine(): boolean { return this.#physical.fiq }
  virtualIrqLine(): boolean { return this.#virtual.irq }
  virtualFiqLine(): boolean { return this.#virtual.fiq }

  /** The distributor has something new for this PE. */
  distributorChanged(): void { if (this.#physical.refresh()) this.onChange() }

  readRegister(name: GicRegisterName, virtual: boolean): bigint {
    const list = this.#listRegister(name)
    if (list !== undefined) return list < 0 ? 0n : BigInt(this.#virtual.lists.readHigh(list)) << 32n | BigInt(this.#virtual.lists.readLow(list))
    if (name === 'ICC_SRE_EL2') return BigInt(7 | this.#sreEnable)
    if (name.startsWith('ICH_')) {
      const value = HYPERVISOR_REGISTERS.get(name)?.read?.(this.#virtual)
      if (value === undefined) throw new Error(`no register ${name} to read`)
      return BigInt(value)
    }
    const row = this.#interfaceRow(name)
    const value = row.read?.(this.#side(name, virtual))
    if (value === undefined) throw new Error(`no register ${name} to read`)
    if (row.acknowledges) this.#refresh()
    return BigInt(value)
  }

  writeRegister(name: GicRegisterName, value: bigint, virtual: boolean): void {
    const low = Number(BigInt.asUintN(32, value))
    const list = this.#listRegister(name)
    if (list !== undefined) {
      if (list >= 0) this.#virtual.lists.write(list, low, Number(BigInt.asUintN(32, value >> 32n)))
    } else if (name === 'ICC_SRE_EL2') {
      this.#sreEnable = low & SRE_EL2_ENABLE
    } else if (SGI_REGISTERS.has(name.slice(4))) {
      this.#generateSgis(value, SGI_REGISTERS.get(name.slice(4))!)
    } else if (name.startsWith('ICH_')) {
      if (!HYPERVISOR_REGISTERS.has(name)) throw new Error(`no register ${name}`)
      HYPERVISOR_REGISTERS.get(name)!.write?.(this.#virtual, low)
    } else {
      this.#interfaceRow(name).write?.(this.#side(name, virtual), low)
    }
    this.#refresh()
  }

  readFrame(frame: 'GICC' | 'GICH' | 'GICV', offset: number, size: number): number | undefined {
    if (this.version !== 2 || size !== 4) return undefined
    if (frame === 'GICH') {
      const list = this.#listOffset(offset)
      if (list >= 0) return this.#virtual.lists.readVersion2(list)
      const row = GICH_REGISTERS.get(offset)
      return row === undefined ? undefined : row.read?.(this.#virtual) ?? 0
    }
    const row = (frame === 'GICC' ? GICC_REGISTERS : GICV_REGISTERS).get(offset)
    if (row === undefined) return undefined
    const value = row.read?.(frame === 'GICC' ? this.#physical : this.#virtual) ?? 0
    if (row.acknowledges) this.#refresh()
    return value
  }

  writeFrame(frame: 'GICC' | 'GICH' | 'GICV', offset: number, size: number, value: number): boolean {
    if (this.version !== 2 || size !== 4) return false
    if (frame === 'GICH') {
      const list = this.#listOffset(offset)
      const row = GICH_REGISTERS.get(offset)
      if (list >= 0) this.#virtual.lists.writeVersion2(list, value)
      else if (row !== undefined) row.write?.(this.#virtual, value)
      else return false
    } else {
      const row = (frame === 'GICC' ? GICC_REGISTERS : GICV_REGISTERS).get(offset)
      if (row === undefined) return false
      row.write?.(frame === 'GICC' ? this.#physical : this.#virtual, value)
    }
    this.#refresh()
    return true
  }

  reset(): void {
    this.#sreEnable = SRE_EL2_ENABLE
    this.#physical.reset()
    this.#virtual.reset()
    this.onChange()
  }

  save(): unknown { return { physical: this.#physical.save(), virtual: this.#virtual.save(), sreEnable: this.#sreEnable } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'GIC CPU interface')
    this.#sreEnable = integerIn(fields, 'sreEnable', 0xff) & SRE_EL2_ENABLE
    this.#physical.restore(fields['physical'])
    this.#virtual.restore(fields['virtual'])
    this.onChange()
  }

  #refresh(): void {
    const virtual = this.#virtual.refresh()
    if (this.#physical.refresh() || virtual) this.onChange()
  }

  #side(name: string, virtual: boolean): PhysicalInterface | VirtualInterface { return virtual || name.startsWith('ICV_') ? this.#virtual : this.#physical }

  #interfaceRow(name: string): NonNullable<ReturnType<typeof INTERFACE_REGISTERS.get>> {
    const row = INTERFACE_REGISTERS.get(name.slice(4))
    if (row === undefined || this.version !== 3) throw new Error(`no register ${name} in GICv${this.version}`)
    return row
  }

  /** Index of a list register by name, -1 for one that is not implemented, undefined for other names. */
  #listRegister(name: string): number | undefined {
    const known = this.#listNames.get(name)
    if (known !== undefined) return known
    return LR_NAME.test(name) ? -1 : undefined
  }

  /** Index of a list register by its offset in GICH, -1 for other offsets. */
  #listOffset(offset: number): number {
    const n = (offset - GICH_LR0) / 4
    return n >= 0 && n < this.#virtual.lists.count && Number.isInteger(n) ? n : -1
  }

  #generateSgis(value: bigint, mayBeGroup1: boolean): void {
    const { intid, targets } = sgiRequest(value, this.#cpu, this.#distributor.cpus)
    for (let target = 0; target < this.#distributor.cpus; target++) {
      if ((targets >>> target & 1) !== 0 && (mayBeGroup1 || this.#distributor.groupOf(target, intid) === 0)) this.#distributor.sendSgi(this.#cpu, target, intid)
    }
  }
}
