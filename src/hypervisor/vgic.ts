/**
 * The virtual GIC of a vCPU: moves interrupts between the VM's virtual distributor and list registers.
 *
 * The distributor is the truth whenever L0 looks at it. `fill` moves interrupts into list registers: an edge (and an SGI) is taken out of
 * the distributor, so that the next one can be told from it; a level stays pending as long as its line is high. `fold` brings back
 * what the guest has not acknowledged and replays what it has done, as the CPU interface would have. What the hardware holds is a
 * `VirtualInterface`; nested virtualization has a second one per vCPU (L1's).
 */
import type { Distributor, INTID } from '../arch/gic.ts'
import { each, FLAG, integer, objectOf, record, restoreFields, saveFields, WORD32 } from '../arch/saved-state.ts'
import type { Fields, Saved } from '../arch/saved-state.ts'
import type { Core } from './core.ts'
import type { Host } from './host.ts'
import { emptyListRegister, GICH_HCR, LR_STATE, SAVED_LIST_REGISTER } from './list-register.ts'
import type { ListRegister } from './list-register.ts'
import type { Pe } from './pe.ts'
import type { PhysicalGic } from './physical-gic.ts'
import { hasVirtualInterrupts } from './traps.ts'
import type { Vcpu } from './vcpu.ts'
import { WORK } from './work.ts'

const EMPTY = emptyListRegister()
/** ICH_HCR_EL2.TC, TALL0, TALL1, TSEI, TDIR. */
const CPU_INTERFACE_TRAPS = 0x7c00

/** The contents of one hardware virtual interface. */
export class VirtualInterface {
  hcr: number = GICH_HCR.En
  vmcr = 0
  /** GICH_APR, or ICH_AP0R0 and ICH_AP1R0. */
  readonly apr: number[] = [0, 0]
  readonly lrs: ListRegister[]
  /** List registers [0, used) hold something (or did when they were written). */
  used = 0
  /** The list registers, APR and HCR are in the hardware. */
  live = false
  /** EOIcount matters although `hcr` does not ask for its interrupt. */
  counts = false

  constructor(listRegisters: number) { this.lrs = Array.from({ length: listRegisters }, emptyListRegister) }

  reset(): void {
    this.hcr = GICH_HCR.En
    this.vmcr = this.apr[0] = this.apr[1] = this.used = 0
    for (const lr of this.lrs) lr.state = LR_STATE.invalid
    this.live = this.counts = false
  }

  get #fields(): Fields<VirtualInterface> {
    return { hcr: WORD32, vmcr: WORD32, apr: each(WORD32), lrs: each(SAVED_LIST_REGISTER), used: integer(0, this.lrs.length), live: FLAG, counts: FLAG }
  }
  saveState(): Saved { return saveFields<VirtualInterface>(this, this.#fields) }
  restoreState(saved: Saved, path: string): void { restoreFields<VirtualInterface>(this, this.#fields, saved, path) }

  /** Linux 4.10's save: VMCR always; the rest when list registers are in use; an empty one is not read. */
  save(host: Host, gic: PhysicalGic): void {
    this.vmcr = gic.readVmcr(host)
    if (!this.live) return
    gic.readActivePriorities(host, this.apr)
    const empty = gic.readEmpty(host)
    for (let i = 0; i < this.used; i++) {
      if ((empty & (1 << i)) !== 0) this.lrs[i]!.state = LR_STATE.invalid
      else gic.readListRegister(host, i, this.lrs[i]!)
    }
    if (this.counts || (this.hcr & GICH_HCR.LRENPIE) !== 0) this.hcr = gic.readHcr(host)
    gic.writeHcr(host, 0)
    this.live = false
  }

  restore(pe: Pe, gic: PhysicalGic): void {
    const { host } = pe
    // An interface that is not live is disabled already; L1's traps of the CPU interface work while it is disabled, too.
    if (((this.hcr & GICH_HCR.En) !== 0 && (this.used > 0 || this.hcr !== GICH_HCR.En || (this.apr[0]! | this.apr[1]!) !== 0)) || (this.hcr & CPU_INTERFACE_TRAPS) !== 0) {
      gic.writeHcr(host, this.hcr)
      gic.writeActivePriorities(host, this.apr)
      for (let i = 0; i < this.used; i++) gic.writeListRegister(host, i, this.lrs[i]!)
      this.#emptyRest(pe, gic, this.used)
      this.live = true
    } else if (pe.interface !== this) {
      this.#emptyRest(pe, gic, 0)
      // ICC_RPR_EL1 shows them while the interface is disabled as well.
      gic.writeActivePriorities(host, this.apr)
    }
    pe.interface = this
    gic.writeVmcr(host, this.vmcr)
  }

  /** Interrupts that whoever ran before has left in list registers: they are not this one's, not even to be seen while it is disabled. */
  #emptyRest(pe: Pe, gic: PhysicalGic, used: number): void {
    for (let i = used; i < pe.listRegisters; i++) gic.writeListRegister(pe.host, i, EMPTY)
    pe.listRegisters = used
  }
}

interface Filled { state: number, edge: boolean, open: boolean }
const FILLED = each(record<Filled>({ state: integer(0, 3), edge: FLAG, open: FLAG }))

export class VcpuGic {
  readonly own: VirtualInterface
  /** What `fill` put into each list register, until `fold` has looked at it. */
  readonly #filled: Filled[]
  /** The distributor's answer for this CPU may have changed since the last `fill`. */
  changed = true
  /** The rest of the vCPU's state is in the hardware, the list registers are not. */
  unloaded = false
  readonly #vcpu: Vcpu

  constructor(vcpu: Vcpu, listRegisters: number) {
    this.#vcpu = vcpu
    this.own = new VirtualInterface(listRegisters)
    this.#filled = Array.from({ length: listRegisters }, () => ({ state: LR_STATE.invalid, edge: false, open: false }))
  }

  reset(): void {
    this.own.reset()
    for (const each of this.#filled) each.open = false
    this.changed = true
    this.unloaded = false
  }

  saveState(): Saved { return { own: this.own.saveState(), filled: FILLED.save(this.#filled), changed: this.changed, unloaded: this.unloaded } }

  restoreState(saved: Saved, path: string): void {
    const { own, filled, changed, unloaded } = objectOf(saved, path)
    this.own.restoreState(own, `${path}.own`)
    FILLED.restore(filled, `${path}.filled`, this.#filled)
    this.changed = FLAG.restore(changed, `${path}.changed`, true)
    this.unloaded = FLAG.restore(unloaded, `${path}.unloaded`, false)
  }

  /** What the guest did with the list registers, told to the distributor. The interface must have been saved. */
  fold(): void {
    const { own } = this
    for (let i = 0; i < own.used; i++) {
      const lr = own.lrs[i]!, filled = this.#filled[i]!
      if (!filled.open) continue
      if (filled.edge) this.#foldEdge(lr, filled)
      else if (lr.state !== filled.state) this.#foldLevel(lr, filled)
    }
  }

  /** An edge has left the distributor; what is still pending goes back. An active one stays until the guest ends it. */
  #foldEdge(lr: ListRegister, filled: { state: number, open: boolean }): void {
    const { distributor } = this.#vcpu.vm, cpu = this.#vcpu.index, wasActive = (filled.state & LR_STATE.active) !== 0
    if ((lr.state & LR_STATE.active) === 0) {
      if (wasActive) distributor.deactivate(cpu, lr.intid, lr.source)
    } else if (!wasActive) distributor.markActive(cpu, lr.intid, lr.source)
    if ((lr.state & LR_STATE.pending) !== 0) {
      if (lr.intid < 16) distributor.sendSgi(lr.source, cpu, lr.intid)
      else setPending(distributor, cpu, lr.intid)
    }
    // Out of the list register for the distributor: it must be filled again before it is used.
    if (lr.state !== LR_STATE.active) {
      filled.open = false
      this.changed = true
    }
    filled.state = lr.state
  }

  #foldLevel(lr: ListRegister, filled: { state: number, open: boolean }): void {
    const { distributor } = this.#vcpu.vm, cpu = this.#vcpu.index, wasPending = (filled.state & LR_STATE.pending) !== 0
    if (wasPending && (lr.state & LR_STATE.pending) === 0) distributor.activate(cpu, lr.intid, 0)
    if ((lr.state & LR_STATE.active) === 0 && (lr.state & LR_STATE.pending) === 0) {
      distributor.deactivate(cpu, lr.intid, 0)
      if (lr.hw) this.#vcpu.timers.physicalDeactivated()
      filled.open = false
    }
    filled.state = lr.state
    this.changed = true
  }

  /** Chooses the contents of the list registers. */
  fill(host: Host): void {
    const { own } = this, vcpu = this.#vcpu
    const list = vcpu.vm.distributor.listFor(vcpu.index)
    let used = 0, more = false
    for (const entry of list) {
      // One list register per INTID: another source of the same SGI follows when this one has ended.
      let same: ListRegister | undefined
      for (let i = 0; i < used; i++) if (own.lrs[i]!.intid === entry.intid) same = own.lrs[i]!
      if (same !== undefined) {
        same.eoi = !same.hw
        continue
      }
      if (used === own.lrs.length) {
        more = true
        break
      }
      const lr = own.lrs[used]!
      const physical = vcpu.timers.physicalOf(entry.intid)
      lr.intid = entry.intid
      lr.priority = entry.priority
      lr.group = entry.group
      lr.source = entry.source
      lr.hw = physical !== undefined
      lr.physical = physical ?? 0
      // A level interrupt is looked at again when the guest ends it; an active one is not pending as well (hardware forbids it with HW).
      const level = !entry.edge && entry.intid >= 16
      lr.eoi = !lr.hw && level
      const pending = entry.pending && !(entry.active && (level || lr.hw))
      lr.state = (pending ? LR_STATE.pending : 0) | (entry.active ? LR_STATE.active : 0)
      const filled = this.#filled[used++]!
      filled.state = lr.state
      filled.edge = !level
      filled.open = true
      if (!level && pending) vcpu.vm.distributor.take(vcpu.index, entry.intid, entry.source)
      host.charge(WORK.vgicFlush)
    }
    for (let i = used; i < own.used; i++) {
      own.lrs[i]!.state = LR_STATE.invalid
      this.#filled[i]!.open = false
    }
    own.used = used
    own.hcr = more ? GICH_HCR.En | GICH_HCR.UIE : GICH_HCR.En
    // Last: taking edges out of the distributor changes its answer as well.
    this.changed = false
  }

  /** An interrupt that the virtual CPU interface would signal now. For a vCPU whose own interface is not in the hardware. */
  hasDeliverable(): boolean {
    const vcpu = this.#vcpu
    const best = vcpu.vm.distributor.highestPending(vcpu.index)
    return best !== undefined && isSignalled(this.own, vcpu.vm.config.gicVersion, best.priority, best.group)
  }
}

/** Tells the distributor, or L1, what became of the interrupts in the list registers. The interface in use must have been saved. */
export function foldInUse(vcpu: Vcpu): void {
  if (hasVirtualInterrupts(vcpu)) vcpu.nested!.gic.fold()
  else vcpu.gic.fold()
}

/** `lazy`: list registers leave the hardware alone, because the distributor is about to be looked at; `flushGic` brings them back. */
export function unloadGic(core: Core, vcpu: Vcpu): void {
  if (!vcpu.loaded || vcpu.gic.unloaded) return
  interfaceInUse(vcpu).save(vcpu.pe.host, core.gic)
  foldInUse(vcpu)
  vcpu.gic.unloaded = true
}

/**
 * Before an entry: list registers for what the distributor has now. With L1's list registers in use the vCPU's own do not matter:
 * true then means that L1 has an interrupt to take.
 */
export function flushGic(core: Core, vcpu: Vcpu): boolean {
  const { gic, pe: { host } } = vcpu
  if (hasVirtualInterrupts(vcpu)) {
    if (gic.changed) {
      gic.changed = false
      if (gic.hasDeliverable()) return true
    }
  } else if (gic.changed) {
    unloadGic(core, vcpu)
    gic.fill(host)
  }
  if (gic.unloaded) {
    if (vcpu.loaded) interfaceInUse(vcpu).restore(vcpu.pe, core.gic)
    gic.unloaded = false
  }
  return false
}

/**
 * What ends WFI: an interrupt that would be signalled, masked by PSTATE or not. Below virtual EL2 with L1's list registers, those as well
 * as L1's own interrupts. Nothing of the vCPU may be in the hardware.
 */
export function hasPendingInterrupt(vcpu: Vcpu): boolean {
  if (vcpu.gic.hasDeliverable()) return true
  if (!hasVirtualInterrupts(vcpu)) return false
  const { shadow } = vcpu.nested!.gic, version = vcpu.vm.config.gicVersion
  if ((shadow.hcr & GICH_HCR.En) === 0) return false
  return shadow.lrs.some((lr, i) => i < shadow.used && lr.state === LR_STATE.pending && isSignalled(shadow, version, lr.priority, lr.group))
}

/** L1's list registers while software runs below virtual EL2 with L1's HCR_EL2.IMO=1, the vCPU's own otherwise. */
export const interfaceInUse = (vcpu: Vcpu): VirtualInterface => hasVirtualInterrupts(vcpu) ? vcpu.nested!.gic.shadow : vcpu.gic.own

/** VMCR: group enables 0 and 1, priority mask 31:27 (GICv2) or 31:24; APR: the lowest set bit is the running priority. */
export function isSignalled(face: VirtualInterface, version: 2 | 3, priority: number, group: 0 | 1): boolean {
  if ((face.vmcr & (1 << group)) === 0) return false
  const mask = version === 2 ? (face.vmcr >>> 27) << 3 : face.vmcr >>> 24
  if (priority >= mask) return false
  const active = (face.apr[0]! | face.apr[1]!) >>> 0
  return active === 0 || priority >>> 3 < 31 - Math.clz32(active & -active)
}

/** ICC_SGI1R_EL1 and relatives: TargetList 15:0, Aff1 23:16, INTID 27:24, Aff2 39:32, IRM 40, RS 47:44, Aff3 55:48. */
export function sendVirtualSgi(vcpu: Vcpu, value: bigint): void {
  const { vm } = vcpu
  const low = Number(value & 0xffff_ffffn), high = Number((value >> 32n) & 0xffff_ffffn)
  const intid: INTID = (low >>> 24) & 15
  for (const target of vm.vcpus) {
    let chosen: boolean
    if ((high & (1 << 8)) !== 0) chosen = target !== vcpu
    else {
      const affinity = vm.config.affinity(target.index)
      const aff0 = affinity & 0xff, rest = affinity >>> 8
      const wanted = ((low >>> 16) & 0xff) | ((high & 0xff) << 8) | (((high >>> 16) & 0xff) << 16)
      const selector = (high >>> 12) & 15
      chosen = rest === wanted && aff0 >>> 4 === selector && (low & (1 << (aff0 & 15))) !== 0
    }
    if (!chosen) continue
    vm.distributor.onSignal?.(target.index, intid, true)
    vm.distributor.sendSgi(vcpu.index, target.index, intid)
  }
}

/** GICD_ISPENDR, GICR_ISPENDR0: makes a PPI or SPI pending as an edge does. */
function setPending(distributor: Distributor, cpu: number, intid: INTID): void {
  const bit = 2 ** (intid & 31)
  if (intid < 32 && distributor.version === 3) distributor.writeRedistributor(cpu, 0x1_0200, 4, bit)
  else distributor.writeDistributor(cpu, 0x200 + 4 * (intid >>> 5), 4, bit)
}
