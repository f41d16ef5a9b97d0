/**
 * The values of L0's control registers for each context of a vCPU: what traps to L0, and, below virtual EL2, what L1 asked to trap.
 * Linux 4.10's HCR_GUEST_FLAGS, plus the bits of nested virtualization (nested-arch.md c.1).
 */
import { SLOT } from '../sysreg/index.ts'
import { FINE_GRAINED } from './debug-registers.ts'
import type { Host } from './host.ts'
import type { Vcpu } from './vcpu.ts'

const bit = (n: number): bigint => 1n << BigInt(n)
export const HCR = {
  VM: bit(0), SWIO: bit(1), PTW: bit(2), FMO: bit(3), IMO: bit(4), AMO: bit(5), VF: bit(6), VI: bit(7), VSE: bit(8), FB: bit(9), BSU_IS: bit(10), BSU: bit(10) | bit(11),
  DC: bit(12), TWI: bit(13), TWE: bit(14), TID0: bit(15), TID1: bit(16), TID2: bit(17), TID3: bit(18), TSC: bit(19), TIDCP: bit(20), TACR: bit(21), TSW: bit(22), TPC: bit(23), TPU: bit(24),
  TTLB: bit(25), TVM: bit(26), TGE: bit(27), TDZ: bit(28), HCD: bit(29), TRVM: bit(30), RW: bit(31), CD: bit(32), ID: bit(33), E2H: bit(34), TLOR: bit(35), TERR: bit(36), TEA: bit(37),
  APK: bit(40), API: bit(41), NV: bit(42), NV1: bit(43), AT: bit(44), NV2: bit(45), TID4: bit(49), TICAB: bit(50), TOCU: bit(52), TTLBIS: bit(54), TTLBOS: bit(55),
} as const
/** CPTR_EL2 with E2H=0. */
export const CPTR = { RES1: 0x33ffn, TFP: bit(10), TTA: bit(20), TCPAC: bit(31) } as const
/** CPACR_EL1, and CPTR_EL2 with E2H=1. */
export const CPACR = { FPEN: 3n << 20n, TTA: bit(28), TCPAC: bit(31) } as const
export const MDCR = { HPMN: 0x1fn, TPMCR: bit(5), TPM: bit(6), TDE: bit(8), TDA: bit(9), TDOSA: bit(10), TDRA: bit(11) } as const
/** CNTHCTL_EL2 with E2H=0 (L0's own). */
export const CNTHCTL = { EL1PCTEN: bit(0), EL1PCEN: bit(1), EL1TVT: bit(13), EL1TVCT: bit(14) } as const
/** The two enables where E2H=1 has them. */
const CNTHCTL_E2H_SHIFT = 10n

/** Every context. TID3: ID registers are the VM's. */
const COMMON = HCR.RW | HCR.VM | HCR.FMO | HCR.IMO | HCR.AMO | HCR.TSC | HCR.TSW | HCR.TWI | HCR.TWE | HCR.TIDCP | HCR.TID3 | HCR.SWIO | HCR.FB | HCR.BSU_IS
const POINTER_AUTHENTICATION = HCR.APK | HCR.API
/**
 * What L1's HCR_EL2 adds while software below virtual EL2 runs. Not E2H, TGE, RW, VM (L0's own), NV* (recursion, below), and not the virtual
 * interrupts, which `virtualInterrupts` decides.
 */
const FROM_L1 = HCR.SWIO | HCR.PTW | HCR.FB | HCR.BSU | HCR.DC | HCR.TWI | HCR.TWE | HCR.TID0 | HCR.TID1 | HCR.TID2 | HCR.TID3 | HCR.TSC | HCR.TIDCP | HCR.TACR | HCR.TSW | HCR.TPC | HCR.TPU
  | HCR.TTLB | HCR.TVM | HCR.TDZ | HCR.HCD | HCR.TRVM | HCR.CD | HCR.ID | HCR.TLOR | HCR.TERR | HCR.TEA
/** FEAT_EVT. */
const FROM_L1_EVT = HCR.TID4 | HCR.TICAB | HCR.TOCU | HCR.TTLBIS | HCR.TTLBOS

/** Host register values of one context. */
export interface TrapControls { hcr: bigint, cptr: bigint, mdcr: bigint, cnthctl: bigint }

const GUEST_MDCR = MDCR.TPM | MDCR.TPMCR | MDCR.TDRA | MDCR.TDOSA | MDCR.TDA

/** `fpTrapped` is not part of it: CPTR_EL2.TFP is added by whoever writes CPTR_EL2. */
export function trapControls(vcpu: Vcpu, into: TrapControls): void {
  const { nested, vm } = vcpu
  const pauth = vm.config.features.has('FEAT_PAuth') ? POINTER_AUTHENTICATION : 0n
  into.hcr = COMMON | HCR.TACR | pauth
  into.cptr = CPTR.RES1 | CPTR.TTA
  into.mdcr = GUEST_MDCR
  into.cnthctl = CNTHCTL.EL1PCTEN
  if (nested === undefined) return

  if (vcpu.context.kind === 'vEL2') {
    // Traps come before the redirection to memory (nested-arch.md a.3): what the page holds must not trap.
    into.hcr = COMMON | pauth | HCR.NV | HCR.AT | HCR.TTLB | (nested.e2h ? 0n : HCR.NV1)
    if (nested.pageKind === undefined) {
      into.hcr |= HCR.TACR | (nested.e2h ? 0n : HCR.TVM | HCR.TRVM)
      into.cptr |= CPTR.TCPAC
      return
    }
    if (nested.pageKind === 'NV2') {
      into.hcr |= HCR.NV2
      // CPACR_EL1 means CPTR_EL2 for a VHE L1, and has no room for TCPAC and TAM without FEAT_NV2p1.
      if (nested.e2h) into.cptr |= CPTR.TCPAC
      if (vcpu.pe.host.features.has('FEAT_FGT')) into.mdcr &= ~MDCR.TDA
    }
    return
  }

  const hcr = nested.get(SLOT.HCR_EL2), features = vm.config.features
  into.hcr |= hcr & FROM_L1
  if (features.has('FEAT_EVT')) into.hcr |= hcr & FROM_L1_EVT
  // Only EL0 runs then, and what it does goes to EL2 instead of EL1 (with E2H=1 that is the host, at virtual EL2).
  into.hcr |= hcr & HCR.TGE
  // Recursion: what runs below is a hypervisor of L1's.
  if (features.has('FEAT_NV')) into.hcr |= hcr & (HCR.NV | HCR.NV1 | HCR.AT)
  const redirects = features.has('FEAT_NV2') && (hcr & HCR.NV) !== 0n && (hcr & HCR.NV2) !== 0n
  if (redirects) into.hcr = (into.hcr | HCR.NV2) & (hcr | ~HCR.TACR)
  if ((hcr & HCR.IMO) !== 0n) into.hcr |= hcr & HCR.VI
  if ((hcr & HCR.FMO) !== 0n) into.hcr |= hcr & HCR.VF
  if ((hcr & HCR.AMO) !== 0n) into.hcr |= hcr & HCR.VSE
  if (pauth !== 0n) into.hcr &= hcr | ~POINTER_AUTHENTICATION
  const e2h = (hcr & HCR.E2H) !== 0n && features.has('FEAT_VHE')
  into.cptr |= cptrOfL1(nested.get(SLOT.CPTR_EL2), e2h)
  if (redirects && vcpu.pe.host.features.has('FEAT_FGT')) into.mdcr &= ~MDCR.TDA
  into.mdcr |= nested.get(SLOT.MDCR_EL2) & (MDCR.TPMCR | MDCR.TPM | MDCR.TDE | MDCR.TDA | MDCR.TDOSA | MDCR.TDRA)
  const cnthctl = nested.get(SLOT.CNTHCTL_EL2)
  if ((cnthctl & (e2h ? CNTHCTL.EL1PCTEN << CNTHCTL_E2H_SHIFT : CNTHCTL.EL1PCTEN)) === 0n) into.cnthctl &= ~CNTHCTL.EL1PCTEN
  if (features.has('FEAT_ECV')) into.cnthctl |= cnthctl & (CNTHCTL.EL1TVT | CNTHCTL.EL1TVCT)
}

/** L1's traps of FP, trace and CPACR_EL1 in L0's format. */
export function cptrOfL1(cptr: bigint, e2h: boolean): bigint {
  if (!e2h) return cptr & (CPTR.TFP | CPTR.TTA | CPTR.TCPAC)
  // FPEN 0bx0 traps EL0 and EL1; 0b01 traps EL0 only with TGE=1, and then it is not below virtual EL2.
  return ((cptr & bit(20)) === 0n ? CPTR.TFP : 0n) | ((cptr & CPACR.TTA) !== 0n ? CPTR.TTA : 0n) | (cptr & CPACR.TCPAC)
}

/** Whether L1's physical interrupts go to virtual EL2 (HCR_EL2.TGE=1 makes IMO behave as 1), so that what runs below has L1's list registers. */
export function hasVirtualInterrupts(vcpu: Vcpu): boolean {
  return vcpu.isNested && (vcpu.nested!.get(SLOT.HCR_EL2) & (HCR.IMO | HCR.TGE)) !== 0n
}

const FGT = [SLOT.HFGRTR_EL2, SLOT.HFGWTR_EL2, SLOT.HFGITR_EL2, SLOT.HDFGRTR_EL2, SLOT.HDFGWTR_EL2] as const
const DEBUG_FGT = new Set<number>([SLOT.HDFGRTR_EL2, SLOT.HDFGWTR_EL2])

/**
 * FEAT_FGT: L1's fine-grained traps while software below virtual EL2 runs. At virtual EL2 with FEAT_NV2, where MDSCR_EL1 is in the page and MDCR_EL2.TDA cannot be set for it,
 * breakpoints and watchpoints trap by these: they do so below, too, so that the registers are not written at each switch.
 */
export function writeFineGrainedTraps(host: Host, vcpu: Vcpu): void {
  const { written } = vcpu.pe
  for (const slot of FGT) {
    let value = vcpu.isNested ? vcpu.nested!.get(slot) : 0n
    if (vcpu.nested?.pageKind === 'NV2' && DEBUG_FGT.has(slot) && host.features.has('FEAT_FGT')) value |= FINE_GRAINED
    if (written.u64[slot] === value) continue
    host.msr(slot, value)
    written.u64[slot] = value
  }
}
