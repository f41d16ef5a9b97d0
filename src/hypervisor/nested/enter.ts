/** Virtual exceptions: from below virtual EL2, or from virtual EL2 to itself (Arm ARM D1.3 "AArch64.TakeException" for EL2). */
import { SLOT } from '../../sysreg/index.ts'
import type { Core } from '../core.ts'
import { handlerPstate, VECTOR, vectorGroup } from '../inject.ts'
import type { FarAndIpa, VirtualException } from '../outcome.ts'
import type { Vcpu } from '../vcpu.ts'
import { VIRTUAL_EL2 } from '../vcpu.ts'
import { WORK } from '../work.ts'
import { changeContext } from './context.ts'
import { exchangeSpsr } from './virtual-el2.ts'

const SCTLR_SPAN = 1n << 23n

/** HPFAR_EL2.FIPA[43:4] = IPA[51:12]. */
const hpfarOf = (ipa: number): bigint => BigInt(Math.floor(ipa / 0x1000)) << 4n

export function takeToVirtualEL2(core: Core, vcpu: Vcpu, type: VirtualException, esr: number, addresses?: FarAndIpa): void {
  const nested = vcpu.nested!, { pc, pstate } = vcpu
  vcpu.pe.host.charge(WORK.injectVirtual)
  vcpu.pe.host.trace?.({ kind: 'nested exception', pe: vcpu.pe.index, vm: vcpu.vm.id, vcpu: vcpu.index, type, syndrome: esr, pc, pstate, hcr: nested.get(SLOT.HCR_EL2) })
  const hasSyndrome = type === 'sync' || type === 'serror'
  if (vcpu.context.kind !== 'vEL2') {
    // The nested VM's state goes to the virtual file first; then the syndrome is put where virtual EL2 finds it when it is translated.
    const { u64 } = vcpu.virtual
    u64[SLOT.ELR_EL2] = pc
    u64[SLOT.SPSR_EL2] = BigInt(pstate >>> 0)
    if (hasSyndrome) u64[SLOT.ESR_EL2] = BigInt(esr)
    if (addresses !== undefined) {
      u64[SLOT.FAR_EL2] = addresses.far
      if (addresses.ipa !== undefined) u64[SLOT.HPFAR_EL2] = hpfarOf(addresses.ipa)
    }
    changeContext(core, vcpu, VIRTUAL_EL2)
  } else {
    vcpu.writeEL1(SLOT.ELR_EL1, pc)
    vcpu.writeEL1(SLOT.SPSR_EL1, exchangeSpsr(BigInt(pstate >>> 0), nested))
    if (hasSyndrome) vcpu.writeEL1(SLOT.ESR_EL1, BigInt(esr))
    if (addresses !== undefined) {
      vcpu.writeEL1(SLOT.FAR_EL1, addresses.far)
      if (addresses.ipa !== undefined) nested.set(SLOT.HPFAR_EL2, hpfarOf(addresses.ipa))
    }
  }
  const setsPan = nested.virtualHost && vcpu.vm.config.features.has('FEAT_PAN') && (vcpu.readEL1(SLOT.SCTLR_EL1) & SCTLR_SPAN) === 0n
  vcpu.pc = BigInt.asUintN(64, vcpu.readEL1(SLOT.VBAR_EL1) + vectorGroup(pstate, 2) + VECTOR[type])
  vcpu.pstate = handlerPstate(pstate, 2, setsPan)
}
