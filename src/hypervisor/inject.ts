/** Exceptions that L0 makes for a guest's EL1: the mirror of the PE's own entry (Arm ARM D1.3 "AArch64.TakeException"). */
import { syndrome } from '../arch/esr.ts'
import { DAIF_MASK, MODE, PSTATE, elOf } from '../arch/pstate.ts'
import { SLOT } from '../sysreg/index.ts'
import type { FarAndIpa, Outcome, VirtualException } from './outcome.ts'
import type { Vcpu } from './vcpu.ts'

export const VECTOR: Readonly<Record<VirtualException, bigint>> = { sync: 0n, irq: 0x80n, fiq: 0x100n, serror: 0x180n }
const SCTLR_SPAN = 1n << 23n

/** Offset of the vector group: from the same EL with SP_EL0 or SP_ELx, or from a lower EL. */
export const vectorGroup = (pstate: number, target: 1 | 2): bigint => elOf(pstate) < target ? 0x400n : (pstate & 1) !== 0 ? 0x200n : 0n

/**
 * PSTATE of the handler: all interrupts masked, IL, SS and UAO clear; PAN is set where SCTLR_ELx.SPAN is 0 (EL1, and EL2 as the host
 * of EL0).
 */
export function handlerPstate(pstate: number, target: 1 | 2, setsPan: boolean): number {
  const kept = pstate & (PSTATE.N | PSTATE.Z | PSTATE.C | PSTATE.V | PSTATE.PAN)
  return kept | DAIF_MASK | (setsPan ? PSTATE.PAN : 0) | (target === 2 ? MODE.EL2h : MODE.EL1h)
}

/** Takes an exception to EL1 of the guest (or of what runs below virtual EL2). */
export function takeToEL1(vcpu: Vcpu, type: VirtualException, esr: number, addresses: FarAndIpa | undefined): void {
  vcpu.writeEL1(SLOT.ELR_EL1, vcpu.pc)
  vcpu.writeEL1(SLOT.SPSR_EL1, BigInt(vcpu.pstate >>> 0))
  if (type === 'sync' || type === 'serror') vcpu.writeEL1(SLOT.ESR_EL1, BigInt(esr))
  if (addresses !== undefined) vcpu.writeEL1(SLOT.FAR_EL1, addresses.far)
  const setsPan = vcpu.vm.config.features.has('FEAT_PAN') && (vcpu.readEL1(SLOT.SCTLR_EL1) & SCTLR_SPAN) === 0n
  vcpu.pc = BigInt.asUintN(64, vcpu.readEL1(SLOT.VBAR_EL1) + vectorGroup(vcpu.pstate, 1) + VECTOR[type])
  vcpu.pstate = handlerPstate(vcpu.pstate, 1, setsPan)
}

/** A synchronous exception for the level that runs: the guest's EL1, or virtual EL2 for the guest hypervisor and its EL0. */
export function injectHere(vcpu: Vcpu, esr: number, action: string, addresses?: FarAndIpa): Outcome {
  return { kind: 'inject', to: vcpu.context.kind === 'vEL2' ? 'vEL2' : 'vEL1', type: 'sync', syndrome: esr, action, ...(addresses ? { addresses } : {}) }
}

export const injectUndefined = (vcpu: Vcpu, why: string): Outcome => injectHere(vcpu, syndrome.unknown(), `UNDEFINED: ${why}`)

/** Synchronous External abort for an access to nothing. `fetch` for instruction aborts, `walk` when a table was there. */
export function injectExternalAbort(vcpu: Vcpu, fetch: boolean, walk: boolean, write: boolean, far: bigint): Outcome {
  const same = vcpu.el !== 0, status = walk ? 0x14 : 0x10
  const esr = fetch ? syndrome.instructionAbort(same, status) : syndrome.dataAbort(same, { dfsc: status, write })
  return injectHere(vcpu, esr, 'inject External abort', { far })
}
