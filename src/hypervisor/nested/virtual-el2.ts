/**
 * Where each virtual EL2 register lives while the guest hypervisor runs at virtual EL2, which is really EL1 (nested-arch.md c.2):
 *
 *   in memory       has no effect before the next ERET: only the virtual file (or the page) holds it;
 *   as is           the machine's EL1 register holds the same value; L1 and the hardware may change it there;
 *   translated      the formats of EL1 and EL2 differ: the virtual file holds it, a function gives the EL1 value.
 *
 * A VHE guest hypervisor (E2H=1) has the EL1 layouts already, so that everything is held as is.
 */
import { copySlot } from '../../arch/register-file.ts'
import { SLOT } from '../../sysreg/index.ts'
import type { RegisterName } from '../../sysreg/index.ts'
import { SHARED_SLOTS } from '../register-lists.ts'
import { CPACR, CPTR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import type { NestedVcpu } from './nested-vcpu.ts'

type Translate = (value: bigint) => bigint

export interface Home {
  readonly el2: number
  readonly el1: number
  readonly name: RegisterName
  /** E2H=0: `as is`, a translation, or `none` (nVHE EL2 has no such register or it has no effect). */
  readonly nvhe: 'as is' | 'none' | Translate
  readonly vhe: 'as is'
  /** Bits that the EL1 register holds; the others stay as L1 last wrote them by the EL2 name. All, if absent. */
  readonly held?: bigint
  /** The paper's page redirects the EL2 name of an nVHE guest hypervisor to the EL1 register: held as is then. */
  readonly redirectedByNeve?: boolean
}

const home = (el2: RegisterName, el1: RegisterName, nvhe: Home['nvhe'], more: Pick<Home, 'held' | 'redirectedByNeve'> = {}): Home =>
  ({ name: el2, el2: SLOT[el2], el1: SLOT[el1], nvhe, vhe: 'as is', ...more })

/** CPACR_EL1 has no room for TCPAC and TAM; CNTKCTL_EL1 none for EL1PCTEN, EL1PTEN and FEAT_ECV's. */
const CPACR_HELD = 0x1033_0000n
const CNTKCTL_HELD = 0x2_03ffn

/** SCTLR_EL1 fields that are RES1 or must be ones for EL0 and EL1 to behave as EL2 does: RES1 29, 28, 23, 22, 20, 11; and nTWE 18, nTWI 16, ITD.. stay 0. */
const SCTLR_EL1_RES1 = 0x30d0_0800n
/** M 0, A 1, C 2, SA 3, I 12, WXN 19, IESB 21, EE 25, and pointer authentication EnDB 13, EnDA 27, EnIB 30, EnIA 31. */
const SCTLR_EL2_KEPT = 0x0000_0000_ca28_300fn
const sctlr: Translate = value => (value & SCTLR_EL2_KEPT) | SCTLR_EL1_RES1

/** TCR_EL2 (E2H=0): T0SZ 5:0, IRGN0 9:8, ORGN0 11:10, SH0 13:12, TG0 15:14, PS 18:16, TBI 20, HA 21, HD 22. TCR_EL1: IPS 34:32, TBI0 37, EPD1 23, HA 39, HD 40. */
const tcr: Translate = value =>
  (value & 0xff3fn) | (1n << 23n) | (((value >> 16n) & 7n) << 32n) | (((value >> 20n) & 1n) << 37n) | (((value >> 21n) & 3n) << 39n) | (2n << 30n)
/** EL2 with E2H=0 has no ASID. */
const ttbr0: Translate = value => value & 0x0000_ffff_ffff_ffffn
/** TFP 10 clear gives FPEN=0b11; TTA 20 becomes TTA 28. */
const cptr: Translate = value => ((value & CPTR.TFP) === 0n ? CPACR.FPEN : 0n) | ((value & CPTR.TTA) !== 0n ? CPACR.TTA : 0n)

export const HOMES: readonly Home[] = [
  home('SCTLR_EL2', 'SCTLR_EL1', sctlr, { redirectedByNeve: true }),
  home('TCR_EL2', 'TCR_EL1', tcr),
  home('TTBR0_EL2', 'TTBR0_EL1', ttbr0),
  home('TTBR1_EL2', 'TTBR1_EL1', 'none'),
  home('CPTR_EL2', 'CPACR_EL1', cptr, { held: CPACR_HELD }),
  home('VBAR_EL2', 'VBAR_EL1', 'as is'),
  home('MAIR_EL2', 'MAIR_EL1', 'as is'),
  home('AMAIR_EL2', 'AMAIR_EL1', 'as is'),
  home('AFSR0_EL2', 'AFSR0_EL1', 'as is'),
  home('AFSR1_EL2', 'AFSR1_EL1', 'as is'),
  home('ESR_EL2', 'ESR_EL1', 'as is'),
  home('FAR_EL2', 'FAR_EL1', 'as is'),
  home('ELR_EL2', 'ELR_EL1', 'as is'),
  home('SPSR_EL2', 'SPSR_EL1', 'as is'),
  home('CONTEXTIDR_EL2', 'CONTEXTIDR_EL1', 'none'),
  home('CNTHCTL_EL2', 'CNTKCTL_EL1', 'none', { held: CNTKCTL_HELD }),
  // No name reaches it from EL2, but it is the stack pointer of EL2h.
  home('SP_EL2', 'SP_EL1', 'as is'),
]

/** Registers that one pass of `virtualToShadow` or `shadowToVirtual` copies. */
export const SHADOW_COPIES = HOMES.length + SHARED_SLOTS.length

const BY_EL2 = new Map(HOMES.map(each => [each.el2, each]))
export const homeOf = (slot: number): Home | undefined => BY_EL2.get(slot)

/** How this vCPU's virtual EL2 holds the register now. */
export function placeOf(each: Home, nested: NestedVcpu): 'as is' | 'none' | Translate {
  if (nested.e2h) return each.vhe
  return each.redirectedByNeve === true && nested.pageKind === 'NEVE' ? 'as is' : each.nvhe
}

/**
 * v8.3 with NV1: an exception from virtual EL2 to itself records EL1 in the machine's SPSR_EL1.M, and L1 may store EL1 there to return
 * to its kernel. L0 sees every access of L1 (they trap) and keeps the two apart by exchanging EL1 and EL2 in what it stores; the ERET
 * that would read it traps as well. In all other cases the hardware records EL2 itself (nested-arch.md a.3).
 */
export function exchangeSpsr(value: bigint, nested: NestedVcpu): bigint {
  if (nested.e2h || nested.pageKind !== undefined) return value
  const el = Number(value >> 2n) & 3
  return el === 1 ? (value & ~0xcn) | 8n : el === 2 ? (value & ~0xcn) | 4n : value
}

/** Entering virtual EL2: gives the shadow file the EL1 values that make the machine's EL1 behave as this EL2. */
export function virtualToShadow(vcpu: Vcpu): void {
  const nested = vcpu.nested!, { virtual, shadow } = vcpu
  for (const each of HOMES) {
    const place = placeOf(each, nested)
    if (place === 'as is') {
      if (each.el2 === SLOT.SPSR_EL2) shadow.u64[each.el1] = exchangeSpsr(virtual.u64[each.el2]!, nested)
      else copySlot(virtual, each.el2, shadow, each.el1)
    } else shadow.u64[each.el1] = place === 'none' ? 0n : place(virtual.u64[each.el2]!)
  }
  for (const slot of SHARED_SLOTS) copySlot(virtual, slot, shadow, slot)
  // With E2H=0 CNTKCTL_EL1 is the same register at EL1 and EL2, and does not concern EL2.
  if (!nested.e2h) copySlot(virtual, SLOT.CNTKCTL_EL1, shadow, SLOT.CNTKCTL_EL1)
  // At virtual EL2 MPIDR_EL1 is the vCPU's own.
  copySlot(virtual, SLOT.MPIDR_EL1, shadow, SLOT.VMPIDR_EL2)
}

/** Leaving virtual EL2: takes back what L1 or the hardware may have changed. */
export function shadowToVirtual(vcpu: Vcpu): void {
  const nested = vcpu.nested!, { virtual, shadow } = vcpu
  for (const each of HOMES) {
    if (placeOf(each, nested) !== 'as is') continue
    if (each.el2 === SLOT.SPSR_EL2 || each.held !== undefined) virtual.u64[each.el2] = fromEL1(each, nested, virtual.u64[each.el2]!, shadow.u64[each.el1]!)
    else copySlot(shadow, each.el1, virtual, each.el2)
  }
  for (const slot of SHARED_SLOTS) copySlot(shadow, slot, virtual, slot)
  if (!nested.e2h) copySlot(shadow, SLOT.CNTKCTL_EL1, virtual, SLOT.CNTKCTL_EL1)
}

/** The EL2 register's value, of one held as is, from the EL1 register and what L1 wrote before. */
export function fromEL1(each: Home, nested: NestedVcpu, el2: bigint, el1: bigint): bigint {
  if (each.el2 === SLOT.SPSR_EL2) return exchangeSpsr(el1, nested)
  return each.held === undefined ? el1 : (el2 & ~each.held) | (el1 & each.held)
}
