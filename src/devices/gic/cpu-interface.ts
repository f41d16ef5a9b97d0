/** One PE's CPU interface: the physical and the virtual half behind the registers of both versions. */
import type { GicCpuInterface, GicRegisterName, GicVersion } from '../../arch/gic.ts'
import { PPI } from '../../arch/gic.ts'
import { sgiRequest } from '../../arch/gic-sgi.ts'
import { fieldsOf, integerIn } from '../saved-state.ts'
import type { GicDistributor } from './distributor.ts'
import { GICC_REGISTERS, GICH_LR0, GICH_REGISTERS, GICV_REGISTERS } from './memory-frames.ts'
import { PhysicalInterface } from './physical-interface.ts'
import { SYSTEM_REGISTERS } from './system-registers.ts'
import type { SystemRegister } from './system-registers.ts'
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

export class CpuInterface implements GicCpuInterface {
  readonly version: GicVersion
  onChange: () => void = () => {}
  readonly #distributor: GicDistributor
  readonly #cpu: number
  readonly #physical: PhysicalInterface
  readonly #virtual: VirtualInterface
  /** ICC_SRE_EL2.Enable; what it traps is the CPU's business. */
  #sreEnable = SRE_EL2_ENABLE

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
  }

  irqLine(): boolean { return this.#physical.irq }
  fiqLine(): boolean { return this.#physical.fiq }
  virtualIrqLine(): boolean { return this.#virtual.irq }
  virtualFiqLine(): boolean { return this.#virtual.fiq }

  /** The distributor has something new for this PE. */
  distributorChanged(): void { if (this.#physical.refresh()) this.onChange() }

  /** A list register that is not implemented is RAZ/WI; whether it is UNDEFINED, and all traps, are the CPU's business. */
  readRegister(name: GicRegisterName, virtual: boolean): bigint {
    const register = this.#register(name)
    switch (register.kind) {
      case 'list': {
        const { lists } = this.#virtual
        return register.n < lists.count ? BigInt(lists.readHigh(register.n)) << 32n | BigInt(lists.readLow(register.n)) : 0n
      }
      case 'enable': return BigInt(7 | this.#sreEnable)
      case 'hypervisor': return BigInt(register.row.read!(this.#virtual))
      case 'interface': {
        const { row } = register
        if (row.read === undefined) break
        const side = virtual || register.virtual ? this.#virtual : this.#physical
        const value = row.read(side)
        if (row.acknowledges) this.#refresh(side)
        return BigInt(value)
      }
      case 'sgi': break
      default: register satisfies never
    }
    throw new Error(`${name} is write-only`)
  }

  writeRegister(name: GicRegisterName, value: bigint, virtual: boolean): void {
    const register = this.#register(name)
    const low = Number(BigInt.asUintN(32, value))
    switch (register.kind) {
      case 'list':
        if (register.n < this.#virtual.lists.count) this.#virtual.lists.write(register.n, low, Number(BigInt.asUintN(32, value >> 32n)))
        this.#refresh(this.#virtual)
        break
      case 'enable':
        this.#sreEnable = low & SRE_EL2_ENABLE
        break
      case 'hypervisor':
        register.row.write?.(this.#virtual, low)
        this.#refresh(this.#virtual)
        break
      case 'interface': {
        const side = virtual || register.virtual ? this.#virtual : this.#physical
        register.row.write?.(side, low)
        this.#refresh(side)
        break
      }
      case 'sgi':
        this.#generateSgis(value, register.group1)
        break
      default: register satisfies never
    }
  }

  readFrame(frame: 'GICC' | 'GICH' | 'GICV', offset: number, size: number): number | undefined {
    if (this.version !== 2) return undefined
    // Guests of a hypervisor have this frame to themselves: what is reserved in it is RAZ/WI, and no reason to end the machine.
    if (frame === 'GICV' && (size !== 4 || !GICV_REGISTERS.has(offset))) return 0
    if (size !== 4) return undefined
    if (frame === 'GICH') {
      const list = this.#listOffset(offset)
      if (list >= 0) return this.#virtual.lists.readVersion2(list)
      const row = GICH_REGISTERS.get(offset)
      return row === undefined ? undefined : row.read?.(this.#virtual) ?? 0
    }
    const row = (frame === 'GICC' ? GICC_REGISTERS : GICV_REGISTERS).get(offset)
    if (row === undefined) return undefined
    const side = frame === 'GICC' ? this.#physical : this.#virtual
    const value = row.read?.(side) ?? 0
    if (row.acknowledges) this.#refresh(side)
    return value
  }

  writeFrame(frame: 'GICC' | 'GICH' | 'GICV', offset: number, size: number, value: number): boolean {
    if (this.version !== 2) return false
    if (frame === 'GICV' && (size !== 4 || !GICV_REGISTERS.has(offset))) return true
    if (size !== 4) return false
    const side = frame === 'GICC' ? this.#physical : this.#virtual
    if (frame === 'GICH') {
      const list = this.#listOffset(offset)
      const row = GICH_REGISTERS.get(offset)
      if (list >= 0) this.#virtual.lists.writeVersion2(list, value)
      else if (row !== undefined) row.write?.(this.#virtual, value)
      else return false
    } else {
      const row = (frame === 'GICC' ? GICC_REGISTERS : GICV_REGISTERS).get(offset)
      if (row === undefined) return false
      row.write?.(side, value)
    }
    this.#refresh(side)
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

  /** What one half does reaches the other through the distributor, which reports back. */
  #refresh(side: PhysicalInterface | VirtualInterface): void { if (side.refresh()) this.onChange() }

  #register(name: string): SystemRegister {
    const register = this.version === 3 ? SYSTEM_REGISTERS.get(name) : undefined
    if (register === undefined) throw new Error(`no register ${name} in GICv${this.version}`)
    return register
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
