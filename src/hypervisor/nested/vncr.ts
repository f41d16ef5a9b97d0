/**
 * Recursion: L1 was offered FEAT_NV2 and runs an L2 that is a hypervisor itself. L1's VNCR_EL2 is a virtual address of L1's EL2; the machine needs
 * the page behind it (nested-arch.md c.9). The translation is looked up when L2 is entered and kept like one TLB entry.
 */
import { FSC, syndrome } from '../../arch/esr.ts'
import { ACCESS, stage1Regime, translate } from '../../mmu/index.ts'
import { SLOT } from '../../sysreg/index.ts'
import type { Exit } from '../exit.ts'
import { resume } from '../outcome.ts'
import type { Outcome } from '../outcome.ts'
import { HCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'

/** For the machine's VNCR_EL2 when L1's address leads nowhere: no memory is there, so that the first access comes to L0. */
const NOWHERE = 0xffff_ffff_f000n

/** Translates L1's VNCR_EL2 again. All registers of L1's EL2 must be in the virtual file. */
export function refreshVncr(vcpu: Vcpu): void {
  const nested = vcpu.nested!, { features } = vcpu.vm.config, hcr = nested.get(SLOT.HCR_EL2)
  nested.vncrStale = false
  nested.vncrStatus = 0
  nested.vncrBelow = 0n
  if (!features.has('FEAT_NV2') || (hcr & (HCR.NV | HCR.NV2)) !== (HCR.NV | HCR.NV2)) return
  nested.vncrBelow = NOWHERE
  const va = BigInt.asUintN(64, BigInt.asIntN(53, nested.get(SLOT.VNCR_EL2) & ~0xfffn))
  const stage1 = stage1Regime(vcpu.virtual, SLOT, features, nested.virtualE2H ? 'EL2&0' : 'EL2')
  if (!translate(stage1, undefined, Number(va >> 32n) | 0, Number(va & 0xffff_ffffn) | 0, ACCESS.read | ACCESS.write, nested.descriptors, nested.walk)) {
    nested.vncrStatus = nested.walk.status
    return
  }
  const pa = vcpu.vm.memory.ramAt(nested.walk.pa - nested.walk.pa % 4096, 4096)
  if (pa === undefined) nested.vncrStatus = FSC.SyncExternal
  else nested.vncrBelow = BigInt(pa)
}

/** A redirected access of L2 found nothing: L1 has mapped the page in the meantime, or the abort is L1's. */
export function vncrAbort(vcpu: Vcpu, exit: Exit): Outcome | undefined {
  const nested = vcpu.nested, { host } = vcpu.pe
  if (nested === undefined || !vcpu.isNested || (exit.iss & (1 << 13)) === 0) return undefined
  exit.subject = 'VNCR_EL2 abort'
  refreshVncr(vcpu)
  if (nested.vncrStatus === 0) {
    if (vcpu.loaded) host.msr(SLOT.VNCR_EL2, nested.vncrBelow)
    vcpu.pe.written.u64[SLOT.VNCR_EL2] = nested.vncrBelow
    return resume('VNCR_EL2 page')
  }
  const far = (nested.get(SLOT.VNCR_EL2) & ~0xfffn) | (exit.far & 0xfffn)
  const esr = syndrome.dataAbort(true, { dfsc: nested.vncrStatus, write: (exit.iss & (1 << 6)) !== 0, vncr: true })
  return { kind: 'inject', to: 'vEL2', type: 'sync', syndrome: esr, addresses: { far: BigInt.asUintN(64, BigInt.asIntN(53, far)) }, action: 'inject to vEL2' }
}
