/**
 * Debug state of a vCPU that L0 keeps itself: the claim tags (below), and the OS Lock (Arm ARM H6): OSLAR_EL1 and OSLSR_EL1 trap (MDCR_EL2.TDOSA), and the PE's lock is that of the vCPU that runs, because
 * a locked PE takes no debug exceptions from EL0 and EL1. Both come out of reset locked.
 */
import { SLOT } from '../sysreg/index.ts'
import type { Host } from './host.ts'
import type { Vcpu } from './vcpu.ts'

const OSLSR_OSLK = 1 << 1
const CLAIM_TAGS = 0xffn

/** A write of OSLAR_EL1 by the vCPU. */
export function writeOsLock(vcpu: Vcpu, value: bigint): void {
  const { i32 } = vcpu.virtual
  i32[2 * SLOT.OSLSR_EL1] = (i32[2 * SLOT.OSLSR_EL1]! & ~OSLSR_OSLK) | ((value & 1n) !== 0n ? OSLSR_OSLK : 0)
  if (vcpu.loaded) showOsLock(vcpu.pe.host, vcpu)
}

/** Gives the PE the vCPU's lock; written only when it changes. */
export function showOsLock(host: Host, vcpu: Vcpu): void {
  const { written } = vcpu.pe, locked = (vcpu.virtual.i32[2 * SLOT.OSLSR_EL1]! & OSLSR_OSLK) !== 0 ? 1 : 0
  if (written.i32[2 * SLOT.OSLAR_EL1] === locked) return
  written.i32[2 * SLOT.OSLAR_EL1] = locked
  host.msr(SLOT.OSLAR_EL1, BigInt(locked))
}

/**
 * The eight claim tags of a vCPU (Arm ARM DBGCLAIMSET_EL1, DBGCLAIMCLR_EL1), kept in DBGCLAIMCLR_EL1: writing ones to SET sets them, to CLR clears
 * them; reads give all tags that exist, and those that are set. Undefined: another register.
 */
export function readClaim(vcpu: Vcpu, slot: number): bigint | undefined {
  return slot === SLOT.DBGCLAIMSET_EL1 ? CLAIM_TAGS : slot === SLOT.DBGCLAIMCLR_EL1 ? vcpu.virtual.u64[slot]! : undefined
}
/** False: another register. */
export function writeClaim(vcpu: Vcpu, slot: number, value: bigint): boolean {
  if (slot !== SLOT.DBGCLAIMSET_EL1 && slot !== SLOT.DBGCLAIMCLR_EL1) return false
  const { u64 } = vcpu.virtual, tags = u64[SLOT.DBGCLAIMCLR_EL1]!
  u64[SLOT.DBGCLAIMCLR_EL1] = slot === SLOT.DBGCLAIMSET_EL1 ? tags | (value & CLAIM_TAGS) : tags & ~value
  return true
}
