/** Changing what a vCPU with a virtual EL2 runs: the only place that sets `vcpu.context` after reset. */
import { SLOT } from '../../sysreg/index.ts'
import type { Core } from '../core.ts'
import { vttbr } from '../stage2.ts'
import { put, trapsChanged } from '../switch.ts'
import { HCR, hasVirtualInterrupts } from '../traps.ts'
import type { Context, Vcpu } from '../vcpu.ts'
import { VIRTUAL_EL1 } from '../vcpu.ts'
import { foldInUse } from '../vgic.ts'
import { WORK } from '../work.ts'
import { shadowFor, withVmid } from './shadow-stage2.ts'
import { refreshVncr } from './vncr.ts'
import { SHADOW_COPIES, shadowToVirtual, virtualToShadow } from './virtual-el2.ts'

/**
 * The order matters: the old context's state must be out of the hardware and its list registers told before the context changes,
 * because both ask what the context is; the files are translated between.
 */
export function changeContext(core: Core, vcpu: Vcpu, next: Context): void {
  const { host } = vcpu.pe, nested = vcpu.nested!, was = vcpu.context
  host.charge(WORK.contextSwitch)
  put(core.policy, vcpu, host, core.gic)
  foldInUse(vcpu)
  // `split` pays for these copies at every exit and entry (switch.ts).
  const copies = core.policy.staysLoaded ? SHADOW_COPIES : 0
  if (was.kind === 'vEL2') {
    host.charge(WORK.copyRegister, copies)
    nested.pullPage()
    shadowToVirtual(vcpu)
  }
  vcpu.context = next
  trapsChanged(vcpu)
  vcpu.timers.changed()
  if (next.kind === 'vEL2') {
    nested.e2h = nested.virtualE2H
    virtualToShadow(vcpu)
    host.charge(WORK.copyRegister, copies)
    nested.pushPage()
    if (nested.pageLive && vcpu.timers.needsSync) vcpu.timers.sync(host)
  } else {
    refreshVncr(vcpu)
    if (hasVirtualInterrupts(vcpu)) nested.gic.build(host)
  }
  vcpu.gic.changed = true
}

/** What runs when L1 returns below virtual EL2: L2 under L1's stage 2, or L1's own kernel without one. */
export function contextBelow(vcpu: Vcpu): Context {
  const hcr = vcpu.nested!.get(SLOT.HCR_EL2)
  return (hcr & (HCR.VM | HCR.DC)) === 0n ? VIRTUAL_EL1 : { kind: 'L2', shadow: shadowFor(vcpu) }
}

/**
 * L1 may have changed E2H, by a trapped write or (with a page) unseen: then the machine's EL1 registers hold the wrong translation of
 * virtual EL2's. Called after every exit from virtual EL2 where that can have happened.
 */
export function reconsiderE2H(core: Core, vcpu: Vcpu): boolean {
  const nested = vcpu.nested!, e2h = nested.virtualE2H
  if (nested.e2h === e2h) return false
  remap(core, vcpu, () => { nested.e2h = e2h })
  return true
}

/** Changes how virtual EL2 is held (`change`): state goes back to the virtual file under the old rules and out again under the new. */
export function remap(core: Core, vcpu: Vcpu, change: () => void): void {
  const nested = vcpu.nested!
  put(core.policy, vcpu, vcpu.pe.host, core.gic)
  foldInUse(vcpu)
  nested.pullPage()
  shadowToVirtual(vcpu)
  change()
  // NV1 changes how virtual EL2's stage 1 is read, and the TLB may hold what it was.
  withVmid(vcpu.pe.host, vttbr((nested.ownStage2 ?? vcpu.vm.stage2).root, nested.vmid), () => vcpu.pe.host.tlbi('VMALLE1IS'))
  virtualToShadow(vcpu)
  nested.pushPage()
  trapsChanged(vcpu)
  vcpu.timers.changed()
  vcpu.gic.changed = true
}
