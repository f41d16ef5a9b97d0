/**
 * Execute-never at virtual EL2 of a rewritten nVHE guest hypervisor. Bit 54 of its descriptors is XN at EL2 and UXN at EL1, where it does not
 * concern EL1 (Arm ARM D8.4.1): without HCR_EL2.NV1 the machine would let data be fetched. The fetch reaches L0 because the page is not
 * code yet, and L0 asks L1's tables as EL2 would. A second mapping of a page that is code already is not asked about.
 */
import { FSC } from '../../arch/esr.ts'
import { ACCESS, isFault, stage1Regime, translateStage1Only } from '../../mmu/index.ts'
import { SLOT } from '../../sysreg/index.ts'
import type { Core } from '../core.ts'
import { put } from '../switch.ts'
import type { Vcpu } from '../vcpu.ts'
import { WORK } from '../work.ts'
import { shadowToVirtual } from './virtual-el2.ts'

/** IFSC of the Permission fault that EL2 would have taken for a fetch from `va`, or undefined. */
export function executeNever(core: Core, vcpu: Vcpu, va: bigint): number | undefined {
  const nested = vcpu.nested!, { host } = vcpu.pe
  if (nested.e2h || (vcpu.readEL1(SLOT.SCTLR_EL1) & 1n) === 0n) return undefined
  // The registers that control translation, all in the virtual file.
  put(core.policy, vcpu, host, core.gic)
  nested.copyPage()
  shadowToVirtual(vcpu)
  const stage1 = stage1Regime(vcpu.virtual, SLOT, vcpu.vm.config.features, 'EL2'), before = nested.descriptors.reads
  const may = translateStage1Only(stage1, undefined, Number(va >> 32n) | 0, Number(BigInt.asIntN(32, va)), ACCESS.execute | ACCESS.at, nested.descriptors, nested.walk)
  host.charge(WORK.walk, nested.descriptors.reads - before)
  // Other faults are the machine's own to find: it has just translated the address, perhaps from its TLB.
  return !may && isFault(nested.walk.status, FSC.Permission) ? nested.walk.status : undefined
}
