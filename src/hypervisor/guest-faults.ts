/** Stage 2 faults of a VM in its own memory: mapped on demand, 2 MiB at a time where the slot allows. */
import { parseDataAbort, syndrome } from '../arch/esr.ts'
import type { ExitContext } from './exits.ts'
import type { Exit } from './exit.ts'
import type { MemorySlot } from './guest-memory.ts'
import { injectExternalAbort, injectHere } from './inject.ts'
import { executeNever } from './nested/execute-never.ts'
import { withVmid } from './nested/shadow-stage2.ts'
import { IGNORED, resume } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { DEVICE_RW, NORMAL_RW, NORMAL_RWX, vttbr } from './stage2.ts'
import type { LeafShift } from './stage2.ts'
import type { Vcpu } from './vcpu.ts'
import { WORK } from './work.ts'

const BLOCK = 2 ** 21
const S1PTW = 1 << 7

export function mapGuestPage(core: ExitContext, vcpu: Vcpu, exit: Exit, ipa: number, slot: MemorySlot, fetch: boolean): Outcome {
  const { vm, nested } = vcpu, { host } = vcpu.pe
  const rewritten = slot.kind === 'ram' ? rewrittenCode(core, vcpu, exit, ipa, fetch) : undefined
  if (rewritten !== undefined) return rewritten
  const own = vcpu.context.kind === 'vEL2' ? nested!.ownStage2 : undefined
  const table = own ?? vm.stage2, code = slot.kind === 'ram' ? vm.codePages : undefined
  const start = ipa - ipa % BLOCK
  const block = code?.isSplit(start, own !== undefined) !== true && slot.kind === 'ram' && start >= slot.ipa && start + BLOCK <= slot.ipa + slot.size && (start - slot.ipa + slot.pa) % BLOCK === 0
  const shift: LeafShift = block ? 21 : 12, from = block ? start : ipa - ipa % 4096, pa = from - slot.ipa + slot.pa
  host.charge(WORK.stage2Map)
  const leaf = slot.kind === 'device' ? { pa, attributes: DEVICE_RW } : code === undefined ? { pa, attributes: NORMAL_RWX }
    : own === undefined ? { pa, attributes: code.attributesBelow(ipa) }
    // L0 may have taken it away with the memory around it.
    : from === vm.config.rewritten!.registerPage ? { pa: nested!.page, attributes: NORMAL_RW } : code.leafAt(ipa, pa)
  const done = table.map(from, leaf.pa, shift, leaf.attributes)
  if (done === undefined) return injectExternalAbort(vcpu, fetch, false, false, exit.far)
  if (done === 'replaced') {
    const vmids = own !== undefined ? [nested!.vmid] : [vm.vmid, vm.vmidOfVirtualEL2]
    for (const vmid of vmids) withVmid(host, vttbr(table.root, vmid), () => host.tlbi('VMALLS12E1IS'))
  }
  return resume('stage 2 map')
}

/** Of a rewritten guest hypervisor: a fetch at virtual EL2 makes a page code, a write from anywhere makes it data. Undefined: neither. */
function rewrittenCode(core: ExitContext, vcpu: Vcpu, exit: Exit, ipa: number, fetch: boolean): Outcome | undefined {
  const { vm, nested, pe: { host } } = vcpu, { codePages } = vm, atVirtualEL2 = vcpu.context.kind === 'vEL2'
  // A fetch that fails in its table walk reads the table.
  if (codePages === undefined || (fetch && (exit.iss & S1PTW) !== 0)) return undefined
  if (fetch) {
    if (!atVirtualEL2) return undefined
    if (ipa - ipa % 4096 === vm.config.rewritten!.registerPage) return injectExternalAbort(vcpu, true, false, false, exit.far)
    if (nested!.oneStep.want(vcpu, ipa)) return resume('step over a write to its own page')
    if (codePages.has(ipa)) return undefined
    const never = executeNever(core, vcpu, exit.far)
    if (never !== undefined) return injectHere(vcpu, syndrome.instructionAbort(true, never), 'inject: execute-never at EL2', { far: exit.far })
    return codePages.execute(host, ipa) ? resume('rewrite') : injectExternalAbort(vcpu, true, false, false, exit.far)
  }
  const { write, cm } = parseDataAbort(exit.iss)
  if (!write || !codePages.has(ipa)) return undefined
  // DC IVAC needs the permission to write, and writes nothing.
  if (cm === true) return IGNORED
  codePages.written(host, ipa)
  if (atVirtualEL2) nested!.oneStep.wrote(vcpu.pc, ipa)
  return resume('withdraw rewritten code')
}
