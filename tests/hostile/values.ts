/** Register values that a hostile guest writes: random ones, edges, and ones that are nearly right. */
import type { Row } from '../../src/sysreg/index.ts'
import { ROWS } from '../../src/sysreg/index.ts'
import type { Random } from '../assembler.ts'
import { IMAGE_BASE, MEGABYTE, MEMORY, RAM_BASE } from './plan.ts'

export const HCR = {
  VM: 1n, FMO: 1n << 3n, IMO: 1n << 4n, AMO: 1n << 5n, VF: 1n << 6n, VI: 1n << 7n, VSE: 1n << 8n, DC: 1n << 12n, TWI: 1n << 13n, TWE: 1n << 14n, TGE: 1n << 27n, HCD: 1n << 29n, RW: 1n << 31n,
  E2H: 1n << 34n, NV: 1n << 42n, NV1: 1n << 43n, NV2: 1n << 45n,
} as const

/** Registers that a program cannot go on without: they change in episodes that put them back, and at its end. */
const VITAL = new Set(['SCTLR', 'VBAR', 'TCR', 'TTBR0', 'TTBR1', 'MAIR', 'HCR'].flatMap(name => [`${name}_EL1`, `${name}_EL2`, `${name}_EL12`]))

const isHere = (row: Row): boolean => row.kind === 'register' && row.viewOf === undefined && row.minimumEL <= 2
/** Most rows are of features that no profile has: UNDEFINED is looked at, but not all the time. */
const isCommon = (row: Row): boolean => row.features.length === 0 || row.features.some(feature => /^(GICv3|FEAT_(VHE|NV|NV2|NEVE|PAN|UAO|FGT|ECV|PAuth|RAS))$/.test(feature))
const readable = ROWS.filter(row => isHere(row) && row.access !== 'WO'), writable = ROWS.filter(row => isHere(row) && row.access !== 'RO' && !VITAL.has(row.name))
const POOLS = { read: [readable, readable.filter(isCommon)], write: [writable, writable.filter(isCommon)] } as const
const EL2_REGISTERS = { read: POOLS.read[1].filter(row => row.minimumEL === 2), write: POOLS.write[1].filter(row => row.minimumEL === 2) } as const
const EL1_REGISTERS = { read: POOLS.read[1].filter(row => row.minimumEL < 2), write: POOLS.write[1].filter(row => row.minimumEL < 2) } as const

const instructions = ROWS.filter(row => row.kind === 'instruction')
export const TLBI_ROWS = instructions.filter(row => row.name.startsWith('TLBI '))
export const AT_ROWS = instructions.filter(row => row.name.startsWith('AT '))
export const CACHE_ROWS = instructions.filter(row => /^(DC|IC) /.test(row.name) && isCommon(row))

export const anyRegister = (r: Random, direction: 'read' | 'write'): Row =>
  r.chance(12) ? r.pick(POOLS[direction][0]) : r.chance(60) ? r.pick(EL2_REGISTERS[direction]) : r.pick(POOLS[direction][1])
export const hypervisorRegister = (r: Random, direction: 'read' | 'write'): Row => r.pick(EL2_REGISTERS[direction])
export const registerBelow = (r: Random, direction: 'read' | 'write'): Row => r.chance(88) ? r.pick(EL1_REGISTERS[direction]) : anyRegister(r, direction)
/** CONSTRAINED cases aside, CPU ID registers and the like are dull: the interrupt controller's and the timers' are not. */
const LIVELY = /^(ICH_|ICC_|CNT|GICH)/
const lively = { read: POOLS.read[1].filter(row => LIVELY.test(row.name)), write: POOLS.write[1].filter(row => LIVELY.test(row.name)) } as const
export const livelyRegister = (r: Random, direction: 'read' | 'write'): Row => r.pick(lively[direction])

/** Machine addresses that mean something to L0 and its neighbour, and nothing in the VM's own space, which ends before them. */
const outside = (r: Random): number => RAM_BASE + MEMORY.hostile + (r.below(MEMORY.machine - MEMORY.hostile) & ~0xfff)
const reserved = (r: Random): number => RAM_BASE + MEMORY.machine - MEMORY.reserved + (r.below(MEMORY.reserved) & ~0xfff)

/** A page somewhere: in the VM, in what the machine has beyond it, or nowhere. */
export function anyAddress(r: Random): bigint {
  switch (r.below(8)) {
    case 0: case 1: return BigInt(RAM_BASE + (r.below(MEMORY.hostile) & ~0xfff))
    case 2: return BigInt(IMAGE_BASE + (r.below(MEGABYTE) & ~0xfff))
    case 3: return BigInt(outside(r))
    case 4: return BigInt(reserved(r))
    case 5: return BigInt(r.pick(DEVICE_PAGES))
    case 6: return BigInt(RAM_BASE + MEMORY.hostile - 4096 + r.below(3) * 4096)
    default: return r.u64() >> BigInt(r.below(40))
  }
}

/** Frames of the `virt` map, their ends, and places where nothing is. */
export const DEVICE_PAGES = [
  0x0800_0000, 0x0800_f000, 0x0801_0000, 0x0801_1000, 0x0801_2000, 0x0802_0000, 0x0803_0000, 0x0803_1000, 0x0804_0000, 0x0804_1000, 0x0804_2000, 0x0808_0000, 0x080a_0000, 0x080b_0000, 0x080c_0000,
  0x080e_0000, 0x0900_0000, 0x0901_0000, 0x0902_0000, 0x0a00_0000, 0x0a00_3000, 0x0, 0x3000_0000, 0x3fff_f000, 0x7fff_f000, 0xff_ffff_f000, 0x100_0000_0000, 0xffff_ffff_f000,
] as const

export function anyValue(r: Random): bigint {
  switch (r.below(9)) {
    case 0: return 0n
    case 1: return r.u64()
    case 2: return 1n << BigInt(r.below(64))
    case 3: return BigInt(r.next())
    case 4: return BigInt(r.below(256))
    case 5: return anyAddress(r)
    case 6: return 0xffff_ffff_ffff_ffffn
    case 7: return 0xffff_ffff_ffff_ffffn ^ (1n << BigInt(r.below(64)))
    default: return r.u64() & r.u64() & r.u64()
  }
}

/** A VTCR_EL2: granule, size and start level that go together more often than not. */
export function anyVtcr(r: Random): bigint {
  if (r.chance(20)) return r.u64()
  const granule = r.below(3), t0sz = r.pick([16, 20, 24, 25, 28, 31, 33, 34, 39, 47, 63]), sl0 = r.below(4)
  return 0x8000_0000n | BigInt(t0sz) | BigInt(sl0 << 6) | 0x3500n | BigInt(granule << 14) | BigInt(r.below(8) << 16) | (r.chance(30) ? 1n << 19n : 0n) | (r.chance(20) ? 3n << 21n : 0n)
}

/** List registers as L1 would fill them, with a mistake now and then. */
export function anyListRegister(r: Random, version: 2 | 3): bigint {
  if (r.chance(15)) return anyValue(r)
  const intid = r.pick([0, 1, 15, 16, 25, 26, 27, 30, 33, 34, 100, 1019, 1020, 1023, 5000, 8192]), state = r.below(4), hw = r.chance(40) ? 1 : 0, physical = r.pick([intid, 26, 27, 28, 30, 25, 33, r.below(1024)])
  if (version === 2) return BigInt(((hw << 31) | (r.below(2) << 30) | (state << 28) | (r.below(32) << 23) | (hw !== 0 ? (physical & 0x3ff) << 10 : (r.below(2) << 19) | (r.below(8) << 10)) | (intid & 0x3ff)) >>> 0)
  const high = ((state << 30) | (hw << 29) | (r.below(2) << 28) | (r.below(256) << 16) | (hw !== 0 ? physical & 0x1fff : r.below(2) << 9)) >>> 0
  return (BigInt(high) << 32n) | BigInt(intid)
}

/** HCR_EL2 of a hypervisor that has lost its mind, but stays in AArch64. */
export const anyHcr = (r: Random): bigint => (r.chance(50) ? r.u64() & r.u64() : r.u64()) | HCR.RW

export function valueFor(r: Random, row: Row): bigint {
  const { name } = row
  if (name.startsWith('ICH_LR')) return anyListRegister(r, 3)
  if (name === 'VTCR_EL2') return anyVtcr(r)
  if (name === 'VNCR_EL2') return anyAddress(r) | BigInt(r.below(4) === 0 ? 1 : 0)
  if (name.startsWith('CNT') && r.chance(60)) return name.includes('_CTL') ? BigInt(r.below(8)) : name.includes('_TVAL') ? BigInt(r.below(2000)) : r.chance(50) ? BigInt(r.below(1_000_000)) : anyValue(r)
  if (/^(ICC|ICH)_.*HCR/.test(name) && r.chance(70)) return BigInt(r.below(256)) | 1n
  return anyValue(r)
}
