/** Making a vCPU, and its state at reset or PSCI CPU_ON. */
import { DAIF_MASK, MODE } from '../arch/pstate.ts'
import { CodePages } from './nested/code-pages.ts'
import { NestedGic } from './nested/nested-gic.ts'
import { NestedVcpu } from './nested/nested-vcpu.ts'
import { pageLayout } from './nested/page.ts'
import type { PageKind } from './nested/page.ts'
import { ShadowPool } from './nested/shadow-stage2.ts'
import { virtualToShadow } from './nested/virtual-el2.ts'
import type { ExitContext } from './exits.ts'
import type { L0Environment } from './host.ts'
import type { Pe } from './pe.ts'
import { DEVICE_RO, NORMAL_RW, Stage2Table } from './stage2.ts'
import { GUEST, Vcpu, VIRTUAL_EL2 } from './vcpu.ts'
import { trapsChanged } from './switch.ts'
import { VcpuGic } from './vgic.ts'
import type { Vm, VmConfig } from './vm.ts'
import { VcpuTimers } from './vtimer.ts'

interface Maker extends ExitContext { readonly environment: L0Environment }

/** What keeps L1's accesses from trapping: the machine, or L1's own rewritten instructions. */
function pageKindOf({ features }: L0Environment, { rewritten }: VmConfig): PageKind | undefined {
  if (rewritten !== undefined) return rewritten.form === 'neve' ? 'NEVE' : undefined
  return features.has('FEAT_NEVE') ? 'NEVE' : features.has('FEAT_NV2') ? 'NV2' : undefined
}

export function createVcpu(core: Maker, vm: Vm, index: number, pe: Pe, listRegisters: number, vtr: number): Vcpu {
  const vcpu = new Vcpu(vm, index, pe)
  vcpu.gic = new VcpuGic(vcpu, listRegisters)
  vcpu.timers = new VcpuTimers(vcpu)
  if (!vm.hasEL2) return vcpu

  const { features, gicVersion, frames, rewritten } = vm.config, { environment } = core, { pages } = vm
  // The page of deferred accesses is copied as a whole when the context changes, and charged there.
  const { memory } = environment
  vm.shadows ??= new ShadowPool(core, pages, vm.config.cpus, features.has('FEAT_NV'))
  const kind = pageKindOf(environment, vm.config)
  const page = (): number => {
    const allocated = pages.allocate()
    if (allocated === undefined) throw new Error('the memory reserved for L0 is too small for the pages of its vCPUs')
    return allocated
  }
  // The paper's cached copies, for a controller that is reached by MMIO: L1 reads its GICH frame from a page of its vCPU.
  const framePage = kind === 'NEVE' && gicVersion === 2 && frames.gich !== undefined ? page() : undefined
  let ownStage2: Stage2Table | undefined
  if (framePage !== undefined || rewritten !== undefined) ownStage2 = new Stage2Table(core.memory, pages)
  if (framePage !== undefined) ownStage2!.map(frames.gich!, framePage, 12, DEVICE_RO)
  const vmid = ownStage2 !== undefined ? core.vmids.allocate() : vm.vmidOfVirtualEL2
  const gic = new NestedGic(vcpu, gicVersion, listRegisters, vtr, memory, framePage)
  const registers = kind === undefined ? 0 : page()
  if (rewritten !== undefined) {
    vm.codePages ??= new CodePages(core, vm, rewritten)
    if (rewritten.registerPage !== undefined) ownStage2!.map(rewritten.registerPage, registers, 12, NORMAL_RW)
  }
  vcpu.nested = new NestedVcpu(vcpu, memory, gic, kind === undefined ? undefined : pageLayout(kind, features, gicVersion), registers, vmid, ownStage2)
  return vcpu
}

/** PSCI CPU_ON and the boot CPU: the highest EL the VM has, interrupts masked, MMU off, X0 = `argument`. */
export function resetVcpu(vcpu: Vcpu, entry: bigint, argument: bigint): void {
  const { nested } = vcpu
  vcpu.vm.config.resetRegisters(vcpu.index, vcpu.controls)
  vcpu.x.fill(0n)
  vcpu.x[0] = argument
  vcpu.fp.fill(0)
  vcpu.pc = entry
  vcpu.loaded = false
  if (nested === undefined) {
    vcpu.context = GUEST
    vcpu.pstate = DAIF_MASK | MODE.EL1h
  } else {
    vcpu.context = VIRTUAL_EL2
    vcpu.pstate = DAIF_MASK | MODE.EL2h
    nested.reset()
    virtualToShadow(vcpu)
    nested.pushPage()
  }
  trapsChanged(vcpu)
  vcpu.timers.changed()
  vcpu.gic.reset()
}
