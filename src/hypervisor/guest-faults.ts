/** Stage 2 faults of a VM in its own memory: mapped on demand, 2 MiB at a time where the slot allows. */
import type { ExitContext } from './exits.ts'
import type { Exit } from './exit.ts'
import type { MemorySlot } from './guest-memory.ts'
import { injectExternalAbort } from './inject.ts'
import { withVmid } from './nested/shadow-stage2.ts'
import { resume } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { DEVICE_RW, NORMAL_RWX, vttbr } from './stage2.ts'
import type { LeafShift } from './stage2.ts'
import type { Vcpu } from './vcpu.ts'
import type { Vm } from './vm.ts'
import { WORK } from './work.ts'

const BLOCK = 2 ** 21

/** The 2 MiB at `start` have rewritten pages or a register page in the vEL2 context. */
function hasPagesOfItsOwn(vm: Vm, start: number): boolean {
  const inside = (ipa: number) => ipa >= start && ipa < start + BLOCK
  const { rewritten } = vm.config
  return [...vm.rewrittenPages.keys()].some(inside) || (rewritten?.registerPage !== undefined && inside(rewritten.registerPage))
}

export function mapGuestPage(core: ExitContext, vcpu: Vcpu, exit: Exit, ipa: number, slot: MemorySlot, fetch: boolean): Outcome {
  const { vm, nested } = vcpu, { host } = vcpu.pe
  const own = vcpu.context.kind === 'vEL2' ? nested!.ownStage2 : undefined
  const table = own ?? vm.stage2
  const start = ipa - ipa % BLOCK
  if (own !== undefined && vm.rewrittenPages.has(ipa - ipa % 4096)) {
    // It is mapped: only a write can have faulted.
    core.power.end(vm, { kind: 'died', detail: `the guest hypervisor writes its own rewritten code at 0x${ipa.toString(16)}` })
    return { kind: 'stopped', action: 'write to rewritten code' }
  }
  const block = !(own !== undefined && hasPagesOfItsOwn(vm, start)) && slot.kind === 'ram' && start >= slot.ipa && start + BLOCK <= slot.ipa + slot.size && (start - slot.ipa + slot.pa) % BLOCK === 0
  const shift: LeafShift = block ? 21 : 12, from = block ? start : ipa - ipa % 4096
  host.charge(WORK.stage2Map)
  const done = table.map(from, from - slot.ipa + slot.pa, shift, slot.kind === 'ram' ? NORMAL_RWX : DEVICE_RW)
  if (done === undefined) return injectExternalAbort(vcpu, fetch, false, false, exit.far)
  if (done === 'replaced') {
    const vmids = own !== undefined ? [nested!.vmid] : [vm.vmid, vm.vmidOfVirtualEL2]
    for (const vmid of vmids) withVmid(host, vttbr(table.root, vmid), () => host.tlbi('VMALLS12E1IS'))
  }
  return resume('stage 2 map')
}
