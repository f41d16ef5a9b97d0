/**
 * World switches as data (design D6). A policy is lists of steps; the order is the documentation.
 *
 * `split`: Linux 4.10's KVM as an nVHE host. Every exit that reaches the host part saves the VM's EL1, timer and GIC state, turns
 * its traps off, restores the host's registers, and crosses to EL1 and back. FP and unused list registers are lazy.
 * `lazy`: that state moves only when a vCPU is loaded onto a PE, put from it, or changes its context.
 */
import { SLOT } from '../sysreg/index.ts'
import type { Host } from './host.ts'
import type { Pe } from './pe.ts'
import type { PhysicalGic } from './physical-gic.ts'
import { COMMON_STATE, EL1_STATE, POINTER_KEYS } from './register-lists.ts'
import { vtcr, vttbr } from './stage2.ts'
import { CNTHCTL, CPTR, HCR, MDCR, trapControls, writeFineGrainedTraps } from './traps.ts'
import type { TrapControls } from './traps.ts'
import type { Vcpu } from './vcpu.ts'
import { showBreakpoints } from './debug-registers.ts'
import { showOsLock } from './os-lock.ts'
import { SHADOW_COPIES } from './nested/virtual-el2.ts'
import { interfaceInUse } from './vgic.ts'
import { WORK } from './work.ts'

export interface Step {
  readonly name: string
  readonly run: (vcpu: Vcpu, host: Host, gic: PhysicalGic) => void
}
const step = (name: string, run: Step['run']): Step => ({ name, run })

export interface SwitchPolicy {
  readonly name: 'split' | 'lazy'
  /** At every exit that is not fixed up at once, and before every entry. */
  readonly exit: readonly Step[]
  readonly enter: readonly Step[]
  /** When the state leaves the hardware, and when it comes back. */
  readonly put: readonly Step[]
  readonly load: readonly Step[]
  /** The state stays in the hardware while L0 handles an exit. */
  readonly staysLoaded: boolean
}

// --- steps that move state of the VM

const saveGeneral = step('save general registers', (_, host) => host.charge(WORK.saveGeneral))
const restoreGeneral = step('restore general registers', (_, host) => host.charge(WORK.restoreGeneral))

const saveRegisters = step('save EL1 state', (vcpu, host) => {
  host.save(EL1_STATE, vcpu.active)
  host.save(COMMON_STATE, vcpu.active)
})
const restoreRegisters = step('restore EL1 state', (vcpu, host) => {
  host.restore(EL1_STATE, vcpu.active)
  host.restore(COMMON_STATE, vcpu.active)
})

const saveTimer = step('save timer', (vcpu, host) => vcpu.timers.saveHardware(host))
const restoreTimer = step('restore timer', (vcpu, host) => {
  host.msr(SLOT.CNTHCTL_EL2, controlsOf(vcpu).cnthctl)
  vcpu.timers.restoreHardware(host)
})
/** The host part reads the physical counter and timer, and sees no virtual offset. */
const timerToHost = step('timer to the host part', (_, host) => {
  host.msr(SLOT.CNTHCTL_EL2, host.mrs(SLOT.CNTHCTL_EL2) | CNTHCTL.EL1PCTEN | CNTHCTL.EL1PCEN)
  host.msr(SLOT.CNTVOFF_EL2, 0n)
})

const saveGic = step('save GIC', (vcpu, host, gic) => interfaceInUse(vcpu).save(host, gic))
const restoreGic = step('restore GIC', (vcpu, _, gic) => interfaceInUse(vcpu).restore(vcpu.pe, gic))

// --- traps

function controlsOf(vcpu: Vcpu): TrapControls {
  const { traps: known } = vcpu
  if (known.stale) {
    trapControls(vcpu, known)
    known.stale = false
  }
  return known
}
/** The vCPU's context, or a virtual control that its traps depend on, has changed. */
export function trapsChanged(vcpu: Vcpu): void { vcpu.traps.stale = true }

const trapsOn = step('activate traps', (vcpu, host) => {
  const now = controlsOf(vcpu), { pe } = vcpu
  host.msr(SLOT.HCR_EL2, now.hcr)
  host.msr(SLOT.HSTR_EL2, 1n << 15n)
  host.msr(SLOT.PMSELR_EL0, 0n)
  host.msr(SLOT.PMUSERENR_EL0, 0xfn)
  host.msr(SLOT.MDCR_EL2, now.mdcr | pe.hpmn)
  pe.fpTrapped = pe.fpOwner !== vcpu
  host.msr(SLOT.CPTR_EL2, pe.fpTrapped ? now.cptr | CPTR.TFP : now.cptr)
  showOsLock(host, vcpu)
  showBreakpoints(host, vcpu)
  writeFineGrainedTraps(host, vcpu)
})
const trapsOff = step('deactivate traps', (_, host) => {
  host.msr(SLOT.HCR_EL2, HCR.RW)
  host.msr(SLOT.HSTR_EL2, 0n)
  host.msr(SLOT.MDCR_EL2, host.mrs(SLOT.MDCR_EL2) & MDCR.HPMN)
  host.msr(SLOT.PMUSERENR_EL0, 0n)
  host.msr(SLOT.CPTR_EL2, CPTR.RES1)
})

/** Identity, the page of deferred accesses, stage 2. */
const vmOn = step('activate stage 2', (vcpu, host) => {
  const { context, nested, vm, pe: { written } } = vcpu
  const midr = vcpu.isNested ? nested!.get(SLOT.VPIDR_EL2) : vcpu.virtual.u64[SLOT.MIDR_EL1]!
  if (written.u64[SLOT.VPIDR_EL2] !== midr) host.msr(SLOT.VPIDR_EL2, written.u64[SLOT.VPIDR_EL2] = midr)
  if (nested !== undefined) {
    const page = context.kind === 'vEL2' ? nested.vncrValue : nested.vncrBelow
    if (written.u64[SLOT.VNCR_EL2] !== page) host.msr(SLOT.VNCR_EL2, written.u64[SLOT.VNCR_EL2] = page)
  }
  const base = context.kind === 'L2' ? vttbr(context.shadow.table.root, context.shadow.vmid)
    : context.kind === 'vEL2' ? vttbr((nested!.ownStage2 ?? vm.stage2).root, nested!.vmid)
    : vttbr(vm.stage2.root, vm.vmid)
  host.msr(SLOT.VTTBR_EL2, base)
})
const vmOff = step('deactivate stage 2', (_, host) => host.msr(SLOT.VTTBR_EL2, 0n))

// --- the host part

const restoreHost = step('restore the host part', (vcpu, host) => {
  host.restore(EL1_STATE, vcpu.pe.hostRegisters)
  host.restore(COMMON_STATE, vcpu.pe.hostRegisters)
})
const saveHost = step('save the host part', (vcpu, host) => {
  host.save(EL1_STATE, vcpu.pe.hostRegisters)
  host.save(COMMON_STATE, vcpu.pe.hostRegisters)
})
/**
 * KVM's nested tree makes the EL1 shadow registers from virtual EL2's before every entry at virtual EL2, and takes them back after every exit
 * (create_shadow_el1_sysregs and its mirror); ours does when the context changes. The copies are charged as there.
 */
const shadowState = step('shadow state of virtual EL2', ({ context }, host) => {
  if (context.kind === 'vEL2') host.charge(WORK.copyRegister, SHADOW_COPIES)
})

/** Only when the guest has used FP since its entry. */
const fpToHost = step('FP to the host part', (vcpu, host) => {
  const { pe } = vcpu
  if (pe.fpTrapped || pe.fpOwner !== vcpu) return
  host.saveFp(vcpu.fp)
  host.restoreFp(pe.hostFp)
  pe.fpOwner = undefined
})
const toHost = step('ERET to the host part', (_, host) => {
  host.charge(WORK.toHostPart)
  host.charge(WORK.runLoop)
})
const fromHost = step('HVC from the host part', (_, host) => host.charge(WORK.fromHostPart))

export const SPLIT: SwitchPolicy = {
  name: 'split', staysLoaded: false, put: [], load: [],
  exit: [saveGeneral, saveRegisters, shadowState, saveTimer, timerToHost, saveGic, trapsOff, vmOff, restoreHost, fpToHost, toHost],
  enter: [fromHost, saveHost, trapsOn, vmOn, restoreGic, restoreTimer, shadowState, restoreRegisters, restoreGeneral],
}

export const LAZY: SwitchPolicy = {
  name: 'lazy', staysLoaded: true,
  exit: [saveGeneral], enter: [restoreGeneral],
  put: [saveRegisters, saveTimer, saveGic],
  load: [trapsOn, vmOn, restoreGic, restoreTimer, restoreRegisters],
}

export const POLICIES: Readonly<Record<SwitchPolicy['name'], SwitchPolicy>> = { split: SPLIT, lazy: LAZY }

const run = (steps: readonly Step[], vcpu: Vcpu, host: Host, gic: PhysicalGic): void => { for (const each of steps) each.run(vcpu, host, gic) }

/** From the guest to L0. */
export function leave(policy: SwitchPolicy, vcpu: Vcpu, host: Host, gic: PhysicalGic): void {
  run(policy.exit, vcpu, host, gic)
  if (!policy.staysLoaded) vcpu.loaded = false
}

/** From L0 to the guest. */
export function arrive(policy: SwitchPolicy, vcpu: Vcpu, host: Host, gic: PhysicalGic): void {
  if (!vcpu.loaded) run(policy.load, vcpu, host, gic)
  run(policy.enter, vcpu, host, gic)
  vcpu.loaded = true
}

/** Takes the state out of the hardware: before the context changes, and before another vCPU runs. */
export function put(policy: SwitchPolicy, vcpu: Vcpu, host: Host, gic: PhysicalGic): void {
  if (!vcpu.loaded) return
  run(policy.put, vcpu, host, gic)
  vcpu.loaded = vcpu.gic.unloaded = false
}

/** General registers, FP and keys of `from` leave the PE, those of `to` come. */
export function changeVcpu(from: Vcpu | undefined, to: Vcpu | undefined, host: Host): void {
  if (from !== undefined) {
    for (let n = 0; n < 31; n++) from.x[n] = host.x(n)
    host.charge(WORK.saveGeneral)
    if (from.vm.config.features.has('FEAT_PAuth')) host.save(POINTER_KEYS, from.virtual)
    if (from.pe.fpOwner === from) {
      host.saveFp(from.fp)
      from.pe.fpOwner = undefined
    }
  }
  if (to !== undefined) {
    for (let n = 0; n < 31; n++) host.setX(n, to.x[n]!)
    host.charge(WORK.restoreGeneral)
    if (to.vm.config.features.has('FEAT_PAuth')) host.restore(POINTER_KEYS, to.virtual)
  }
}

/** The guest's first FP instruction since it was entered: handled in the hypervisor part, without the host part (4.10's __fpsimd_guest_restore). */
export function giveFp(vcpu: Vcpu, host: Host): void {
  const { pe } = vcpu
  host.msr(SLOT.CPTR_EL2, controlsOf(vcpu).cptr)
  host.saveFp(pe.fpOwner === undefined ? pe.hostFp : pe.fpOwner.fp)
  host.restoreFp(vcpu.fp)
  pe.fpOwner = vcpu
  pe.fpTrapped = false
}

/** Constant controls of this PE. */
export function initialiseControls(pe: Pe): void {
  const { host } = pe
  pe.hpmn = host.mrs(SLOT.MDCR_EL2) & MDCR.HPMN
  host.msr(SLOT.VTCR_EL2, vtcr(host.features.has('FEAT_VMID16')))
  host.msr(SLOT.HCR_EL2, HCR.RW)
  host.msr(SLOT.VTTBR_EL2, 0n)
  host.msr(SLOT.CNTHCTL_EL2, CNTHCTL.EL1PCTEN | CNTHCTL.EL1PCEN)
  host.msr(SLOT.CNTHP_CTL_EL2, 0n)
  pe.written.u64[SLOT.OSLAR_EL1] = 1n // reset
}
