/** ERET of the guest hypervisor (Arm ARM "AArch64.ExceptionReturn" and "Illegal return events from AArch64 state"). */
import { DAIF_MASK, MODE, modeOf, PSTATE } from '../../arch/pstate.ts'
import { SLOT } from '../../sysreg/index.ts'
import type { Core } from '../core.ts'
import { HCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import { WORK } from '../work.ts'
import { changeContext, contextBelow } from './context.ts'
import { exchangeSpsr } from './virtual-el2.ts'

/** PSTATE fields that a return loads beside M; the others are RES0 in SPSR_EL2. */
const LOADED = PSTATE.N | PSTATE.Z | PSTATE.C | PSTATE.V | PSTATE.UAO | PSTATE.PAN | PSTATE.SS | PSTATE.IL | DAIF_MASK

export type Return = { readonly kind: 'illegal' } | { readonly kind: 'vEL2' } | { readonly kind: 'below' }

/** Where a return with this SPSR_EL2 goes. Pure. */
export function returnKind(spsr: number, e2h: boolean, tge: boolean): Return['kind'] {
  if ((spsr & PSTATE.nRW) !== 0) return 'illegal' // AArch32 is not implemented
  switch (modeOf(spsr)) {
    case MODE.EL2t: case MODE.EL2h: return 'vEL2'
    case MODE.EL1t: case MODE.EL1h: return tge ? 'illegal' : 'below'
    case MODE.EL0t: return e2h && tge ? 'vEL2' : 'below'
    default: return 'illegal' // EL3, M[1] = 1, EL0 with SP_EL1
  }
}

/** Performs the return; says in words where it went. `form` 2 and 3 are ERETAA and ERETAB. */
export function emulateEret(core: Core, vcpu: Vcpu, form: number): string {
  const nested = vcpu.nested!
  vcpu.pe.host.charge(WORK.eret)
  let spsr = Number(exchangeSpsr(vcpu.readEL1(SLOT.SPSR_EL1), nested) & 0xffff_ffffn) | 0
  const elr = form === 0 ? vcpu.readEL1(SLOT.ELR_EL1) : stripPac(vcpu.readEL1(SLOT.ELR_EL1))
  const tge = (nested.get(SLOT.HCR_EL2) & HCR.TGE) !== 0n
  // Without FEAT_NV an exception from virtual EL2 to itself records EL1. With TGE=1 there is no EL1 to return to.
  if (vcpu.vm.config.rewritten !== undefined && tge && (spsr & 0xc) === MODE.EL1t) spsr = (spsr & ~0xc) | MODE.EL2t
  vcpu.pe.host.trace?.({ kind: 'nested return', pe: vcpu.pe.index, vm: vcpu.vm.id, vcpu: vcpu.index, pc: elr, pstate: spsr, hcr: nested.get(SLOT.HCR_EL2) })
  switch (returnKind(spsr, nested.virtualE2H, tge)) {
    case 'illegal':
      // "PSTATE.{EL, SP} are unchanged, PSTATE.IL is set": the next instruction takes an Illegal Execution state exception.
      vcpu.pc = elr
      vcpu.pstate = (spsr & LOADED) | PSTATE.IL | modeOf(vcpu.pstate)
      return 'illegal return'
    case 'vEL2':
      vcpu.pc = elr
      vcpu.pstate = (spsr & LOADED) | modeOf(spsr)
      return 'return within vEL2'
    case 'below': {
      vcpu.pc = elr
      vcpu.pstate = (spsr & LOADED) | modeOf(spsr)
      // The page must be read before the context says what runs: HCR_EL2, VTTBR_EL2 and VTCR_EL2 may have changed in it.
      changeContext(core, vcpu, contextBelow(vcpu))
      return vcpu.context.kind === 'L2' ? 'enter L2' : 'enter L1 EL1'
    }
  }
}

/**
 * ERETAA and ERETAB authenticate with keys that L0 cannot use (it has no access to the PE's hash but by instructions): the signature
 * is taken off as if it were right. Bit 55 says which half of the address space the pointer is in.
 */
const stripPac = (pointer: bigint): bigint =>
  ((pointer >> 55n) & 1n) !== 0n ? BigInt.asUintN(64, pointer | 0xffff_0000_0000_0000n) : pointer & 0x0000_ffff_ffff_ffffn
