/** TLB maintenance that L1 executes at virtual EL2 (trapped by HCR_EL2.NV and TTLB): what it means for L0's shadow tables and TLBs. */
import { SLOT } from '../../sysreg/index.ts'
import type { Row } from '../../sysreg/index.ts'
import { createScope, decodeTlbi, tlbiRow } from '../../mmu/index.ts'
import type { Core } from '../core.ts'
import { kick } from '../scheduler.ts'
import { vttbr } from '../stage2.ts'
import type { Vcpu } from '../vcpu.ts'
import { unmapAll, unmapIpa, vttbrOf, withVmid } from './shadow-stage2.ts'
import type { ShadowStage2 } from './shadow-stage2.ts'

const scope = createScope()

export function emulateTlbi(core: Core, vcpu: Vcpu, row: Row, argument: bigint): string {
  const { vm } = vcpu, nested = vcpu.nested!, { host } = vcpu.pe
  const tlbi = tlbiRow(row.name)
  if (tlbi === undefined) return 'ignore'
  const currentVmid = vmidOf(vcpu, nested.get(SLOT.VTTBR_EL2))
  const ttl = vm.config.features.has('FEAT_TTL')
  if (!decodeTlbi(tlbi, argument, { e2h: nested.virtualE2H, tge: nested.virtualHost, vmid: currentVmid, ttl }, scope)) return 'reserved: nothing'

  if (scope.regime !== 'EL1&0') {
    // Virtual EL2's own translations are entries of the machine's EL1&0 regime under vEL2's VMID.
    for (const each of vm.vcpus) {
      const own = each.nested!
      if (each !== vcpu && own.ownStage2 === undefined) continue
      withVmid(host, vttbr((own.ownStage2 ?? vm.stage2).root, own.vmid), () => {
        if (scope.vaFrom >= 0 && !tlbi.range) host.tlbi('VAAE1IS', (argument & 0xfff_ffff_ffffn))
        else host.tlbi('VMALLE1IS')
      })
    }
    // L1's page of deferred accesses for its own hypervisors is a translation, too.
    for (const each of vm.vcpus) {
      if (each.nested!.vncrBelow === 0n) continue
      each.nested!.vncrStale = true
      if (each !== vcpu && each.state === 'runnable') kick(core, each)
    }
    return 'invalidate vEL2'
  }

  const named = vm.shadows!.all.filter(shadow => shadow.key !== undefined && (scope.vmid < 0 || vmidOf(vcpu, shadow.key.vttbr) === scope.vmid))
  if (scope.stage2) for (const shadow of named) {
    if (scope.ipaFrom >= 0) unmapIpa(shadow, host, scope.ipaFrom, scope.ipaTo)
    else unmapAll(shadow, host)
  }
  if (scope.stage1) {
    const local = (shadow: ShadowStage2 | undefined) => withVmid(host, shadow === undefined ? vttbr(vm.stage2.root, vm.vmid) : vttbrOf(shadow), () => {
      if (scope.vaFrom >= 0 && !tlbi.range) host.tlbi('VAAE1IS', (argument & 0xfff_ffff_ffffn))
      else host.tlbi('VMALLE1IS')
    })
    // L1's kernel below virtual EL2 without stage 2 runs under the VM's VMID, whatever L1's VTTBR_EL2 says.
    local(undefined)
    if (!scope.stage2) named.forEach(local)
  }
  return named.length === 0 && scope.stage2 ? 'no shadow stage 2' : scope.stage2 ? 'shadow stage 2 unmap' : 'invalidate L2'
}

/** VTTBR_EL2.VMID: 16 bits wide if L1 was offered FEAT_VMID16 and set VTCR_EL2.VS. */
function vmidOf(vcpu: Vcpu, value: bigint): number {
  const wide = vcpu.vm.config.features.has('FEAT_VMID16') && (vcpu.nested!.get(SLOT.VTCR_EL2) & (1n << 19n)) !== 0n
  return Number((value >> 48n) & (wide ? 0xffffn : 0xffn))
}
