/**
 * L0 takes memory of a running VM away, as KVM's MMU notifiers, ballooning and migration of pages do. What the VM does next with it faults and is
 * mapped anew; nobody can tell, and nothing stale is left: not in the VM's tables, the shadow tables, the machine's TLBs, or the address of a page of
 * deferred accesses.
 */
import type { Core } from './core.ts'
import type { Host } from './host.ts'
import { unmapL1, withVmid } from './nested/shadow-stage2.ts'
import { PAGE } from './page-allocator.ts'
import { kick } from './scheduler.ts'
import { vttbr } from './stage2.ts'
import type { Vm } from './vm.ts'

/** [from, to) of the VM's physical addresses leaves every table. `host`: the PE that runs this. */
export function unmapMemory(core: Core, vm: Vm, host: Host, from: number, to: number): void {
  const flush = (root: number, vmid: number): void => withVmid(host, vttbr(root, vmid), () => host.tlbi('VMALLS12E1IS'))
  if (vm.stage2.unmap(from, to)) for (const vmid of new Set([vm.vmid, vm.vmidOfVirtualEL2])) flush(vm.stage2.root, vmid)
  for (const { nested } of vm.vcpus) if (nested?.ownStage2?.unmap(from, to) === true) flush(nested.ownStage2.root, nested.vmid)
  for (const shadow of vm.shadows?.all ?? []) unmapL1(shadow, host, from, to)
  // L1's page for the deferred accesses of its own hypervisors is known to the machine by its address.
  for (const vcpu of vm.vcpus) {
    if (vcpu.nested === undefined || vcpu.nested.vncrBelow === 0n) continue
    vcpu.nested.vncrStale = true
    if (vcpu.state === 'runnable') kick(core, vcpu)
  }
}

/**
 * Moves [ipa, ipa + size) to other machine memory at `pa`, with its contents. False, and nothing has happened: it is not RAM of one slot, not whole
 * pages, or there is no such memory. What the old place holds is the caller's to clear.
 */
export function moveMemory(core: Core, vm: Vm, host: Host, ipa: number, size: number, pa: number): boolean {
  const from = vm.memory.ramAt(ipa, size)
  if (from === undefined || (ipa | size | pa) % PAGE !== 0 || size <= 0 || !vm.memory.machine.isRam(pa, size)) return false
  unmapMemory(core, vm, host, ipa, ipa + size)
  const bytes = new Uint8Array(size)
  vm.memory.machine.readBytes(from, bytes)
  vm.memory.machine.writeBytes(pa, bytes)
  // Code that was decoded at the old place is not executed there any more; at the new one there was none of this VM's.
  host.invalidateInstructions(pa, size)
  vm.memory.move(ipa, size, pa)
  return true
}
