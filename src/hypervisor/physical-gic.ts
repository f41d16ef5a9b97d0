/**
 * The interrupt controller of the machine as software at EL2 drives it: acknowledge and end of physical interrupts, and the virtual
 * interface control (GICH frame of GICv2, ICH_*_EL2 of GICv3). Each call is the accesses that its name says, through Host.
 */
import type { GicVersion, INTID } from '../arch/gic.ts'
import { PPI, SPURIOUS } from '../arch/gic.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Host } from './host.ts'
import { decodeLrV2, decodeLrV3, encodeLrV2, encodeLrV3 } from './list-register.ts'
import type { ListRegister } from './list-register.ts'

/** The SGI with which one PE asks another to look at its vCPUs. */
export const KICK: INTID = 1
/** PPIs that L0 takes: maintenance, its own timer, and the virtual timer of whatever VM runs. */
const PPIS = [PPI.maintenance, PPI.hypPhysicalTimer, PPI.virtualTimer] as const
const ENABLE_MASK = PPIS.reduce((mask, intid) => mask | (1 << intid), 0xffff) >>> 0
const PRIORITY = 0xa0

export interface PhysicalGic {
  readonly version: GicVersion
  /** Makes this PE receive L0's interrupts; the first PE also turns the distributor on. */
  initialise(host: Host): void
  /** Raw IAR value: give it back to `end` and `deactivate`; its INTID is `intidOf`. */
  acknowledge(host: Host): number
  end(host: Host, iar: number): void
  deactivate(host: Host, iar: number): void
  setActive(host: Host, ppi: INTID, active: boolean): void

  listRegisterCount(host: Host): number
  /** GICH_VTR / ICH_VTR_EL2. */
  readType(host: Host): number
  readHcr(host: Host): number
  writeHcr(host: Host, value: number): void
  readVmcr(host: Host): number
  writeVmcr(host: Host, value: number): void
  /** Active priorities: index 0 is GICH_APR or ICH_AP0R0_EL2, index 1 ICH_AP1R0_EL2 (absent in GICv2). */
  readActivePriorities(host: Host, into: number[]): void
  writeActivePriorities(host: Host, from: readonly number[]): void
  readEmpty(host: Host): number
  readListRegister(host: Host, n: number, into: ListRegister): void
  writeListRegister(host: Host, n: number, lr: ListRegister): void
}

export const intidOf = (iar: number): INTID => iar & 0x3ff
export const isSpurious = (iar: number): boolean => intidOf(iar) >= SPURIOUS - 3

const GICD = { CTLR: 0, ISENABLER: 0x100, IGROUPR: 0x80, ISACTIVER: 0x300, ICACTIVER: 0x380, IPRIORITYR: 0x400 } as const
const GICC = { CTLR: 0, PMR: 4, IAR: 0xc, EOIR: 0x10, DIR: 0x1000 } as const
const GICH = { HCR: 0, VTR: 4, VMCR: 8, ELRSR0: 0x30, APR: 0xf0, LR: 0x100 } as const

const GICC_ENABLE_BOTH_EOIMODE = 0x3 | (1 << 9)

export const GICV2: PhysicalGic = {
  version: 2,
  initialise(host) {
    host.mmioWrite('GICD', GICD.CTLR, 3)
    host.mmioWrite('GICD', GICD.ISENABLER, ENABLE_MASK)
    for (const intid of [KICK, ...PPIS]) {
      const offset = GICD.IPRIORITYR + (intid & ~3), shift = (intid & 3) * 8
      host.mmioWrite('GICD', offset, ((host.mmioRead('GICD', offset) & ~(0xff << shift)) | (PRIORITY << shift)) >>> 0)
    }
    host.mmioWrite('GICC', GICC.PMR, 0xf8)
    host.mmioWrite('GICC', GICC.CTLR, GICC_ENABLE_BOTH_EOIMODE)
  },
  acknowledge: host => host.mmioRead('GICC', GICC.IAR),
  end: (host, iar) => host.mmioWrite('GICC', GICC.EOIR, iar),
  deactivate: (host, iar) => host.mmioWrite('GICC', GICC.DIR, iar),
  setActive: (host, ppi, active) => host.mmioWrite('GICD', active ? GICD.ISACTIVER : GICD.ICACTIVER, (1 << ppi) >>> 0),
  listRegisterCount: host => (host.mmioRead('GICH', GICH.VTR) & 0x3f) + 1,
  readType: host => host.mmioRead('GICH', GICH.VTR),
  readHcr: host => host.mmioRead('GICH', GICH.HCR),
  writeHcr: (host, value) => host.mmioWrite('GICH', GICH.HCR, value),
  readVmcr: host => host.mmioRead('GICH', GICH.VMCR),
  writeVmcr: (host, value) => host.mmioWrite('GICH', GICH.VMCR, value),
  readActivePriorities: (host, into) => { into[0] = host.mmioRead('GICH', GICH.APR) },
  writeActivePriorities: (host, from) => host.mmioWrite('GICH', GICH.APR, from[0]!),
  readEmpty: host => host.mmioRead('GICH', GICH.ELRSR0),
  readListRegister: (host, n, into) => decodeLrV2(host.mmioRead('GICH', GICH.LR + 4 * n), into),
  writeListRegister: (host, n, lr) => host.mmioWrite('GICH', GICH.LR + 4 * n, encodeLrV2(lr)),
}

const GICR_WAKER = 0x14, SGI_BASE = 0x1_0000
const LR_SLOTS = [
  SLOT.ICH_LR0_EL2, SLOT.ICH_LR1_EL2, SLOT.ICH_LR2_EL2, SLOT.ICH_LR3_EL2, SLOT.ICH_LR4_EL2, SLOT.ICH_LR5_EL2, SLOT.ICH_LR6_EL2, SLOT.ICH_LR7_EL2,
  SLOT.ICH_LR8_EL2, SLOT.ICH_LR9_EL2, SLOT.ICH_LR10_EL2, SLOT.ICH_LR11_EL2, SLOT.ICH_LR12_EL2, SLOT.ICH_LR13_EL2, SLOT.ICH_LR14_EL2, SLOT.ICH_LR15_EL2,
] as const
export const ICH_LR_SLOTS: readonly number[] = LR_SLOTS

export const GICV3: PhysicalGic = {
  version: 3,
  initialise(host) {
    if (host.pe === 0) host.mmioWrite('GICD', GICD.CTLR, 0x13) // ARE, EnableGrp1, EnableGrp0 (DS=1)
    host.mmioWrite('GICR', GICR_WAKER, 0)
    host.mmioWrite('GICR', SGI_BASE + GICD.IGROUPR, 0xffff_ffff)
    host.mmioWrite('GICR', SGI_BASE + GICD.ISENABLER, ENABLE_MASK)
    for (const intid of [KICK, ...PPIS]) {
      const offset = SGI_BASE + GICD.IPRIORITYR + (intid & ~3), shift = (intid & 3) * 8
      host.mmioWrite('GICR', offset, ((host.mmioRead('GICR', offset) & ~(0xff << shift)) | (PRIORITY << shift)) >>> 0)
    }
    host.msr(SLOT.ICC_SRE_EL2, 0xfn)
    host.msr(SLOT.ICC_SRE_EL1, 0x7n)
    host.msr(SLOT.ICC_PMR_EL1, 0xf8n)
    host.msr(SLOT.ICC_BPR1_EL1, 0n)
    host.msr(SLOT.ICC_CTLR_EL1, 2n) // EOImode
    host.msr(SLOT.ICC_IGRPEN1_EL1, 1n)
  },
  acknowledge: host => Number(host.mrs(SLOT.ICC_IAR1_EL1)),
  end: (host, iar) => host.msr(SLOT.ICC_EOIR1_EL1, BigInt(iar)),
  deactivate: (host, iar) => host.msr(SLOT.ICC_DIR_EL1, BigInt(iar)),
  setActive: (host, ppi, active) => host.mmioWrite('GICR', SGI_BASE + (active ? GICD.ISACTIVER : GICD.ICACTIVER), (1 << ppi) >>> 0),
  listRegisterCount: host => Number(host.mrs(SLOT.ICH_VTR_EL2) & 0x1fn) + 1,
  readType: host => Number(host.mrs(SLOT.ICH_VTR_EL2)),
  readHcr: host => Number(host.mrs(SLOT.ICH_HCR_EL2) & 0xffff_ffffn),
  writeHcr: (host, value) => host.msr(SLOT.ICH_HCR_EL2, BigInt(value >>> 0)),
  readVmcr: host => Number(host.mrs(SLOT.ICH_VMCR_EL2) & 0xffff_ffffn),
  writeVmcr: (host, value) => host.msr(SLOT.ICH_VMCR_EL2, BigInt(value >>> 0)),
  readActivePriorities(host, into) {
    into[0] = Number(host.mrs(SLOT.ICH_AP0R0_EL2) & 0xffff_ffffn)
    into[1] = Number(host.mrs(SLOT.ICH_AP1R0_EL2) & 0xffff_ffffn)
  },
  writeActivePriorities(host, from) {
    host.msr(SLOT.ICH_AP0R0_EL2, BigInt(from[0]! >>> 0))
    host.msr(SLOT.ICH_AP1R0_EL2, BigInt(from[1]! >>> 0))
  },
  readEmpty: host => Number(host.mrs(SLOT.ICH_ELRSR_EL2)),
  readListRegister: (host, n, into) => decodeLrV3(host.mrs(LR_SLOTS[n]!), into),
  writeListRegister: (host, n, lr) => host.msr(LR_SLOTS[n]!, encodeLrV3(lr)),
}

export const physicalGic = (version: GicVersion): PhysicalGic => version === 2 ? GICV2 : GICV3
