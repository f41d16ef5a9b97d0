/**
 * An instruction of virtual EL2 that writes the page it stands in: the page cannot be fetched while it can be written (`code-pages.ts`), so
 * that the store and its fetch would fault in turns for ever. L0 sees the fetch fail at the address that has just made the page data, maps
 * the page itself for this vCPU with all permissions, and lets one instruction run by Software Step (Arm ARM D2.11) with MDCR_EL2.TDE: the
 * instruction is a store, which is never one that is rewritten. A Store-Exclusive finds its monitor cleared by the exceptions before it: a lock
 * in the page of the code that takes it is never taken.
 */
import { PSTATE } from '../../arch/pstate.ts'
import { integer, objectOf, optional, value, WORD64 } from '../../arch/saved-state.ts'
import type { Saved } from '../../arch/saved-state.ts'
import { SLOT } from '../../sysreg/index.ts'
import type { Host } from '../host.ts'
import { showOsLock } from '../os-lock.ts'
import { NORMAL_RWX, vttbr } from '../stage2.ts'
import { MDCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import { withVmid } from './shadow-stage2.ts'

const MDSCR_SS = 1n

interface Store { readonly pc: bigint, readonly page: number }
const STORE = optional<Store | undefined>(value<Store>({ pc: WORD64, page: integer(0, 2 ** 48) }))
interface Before { readonly mdscr: bigint, readonly mdcr: bigint }
const BEFORE = optional<Before | undefined>(value<Before>({ mdscr: WORD64, mdcr: WORD64 }))

export class OneStep {
  /** The store that has last made a page data: the address of the instruction and the page. */
  #writer: Store | undefined
  /** A step that has been asked for, and what the registers were once it is under way. */
  #wanted: Store | undefined
  #before: Before | undefined

  saveState(): Saved { return { writer: STORE.save(this.#writer), wanted: STORE.save(this.#wanted), before: BEFORE.save(this.#before) } }
  restoreState(saved: Saved, path: string): void {
    const { writer, wanted, before } = objectOf(saved, path)
    this.#writer = STORE.restore(writer, `${path}.writer`, undefined)
    this.#wanted = STORE.restore(wanted, `${path}.wanted`, undefined)
    this.#before = BEFORE.restore(before, `${path}.before`, undefined)
  }

  wrote(pc: bigint, ipa: number): void { this.#writer = { pc, page: ipa - ipa % 4096 } }

  /** The fetch at `pc` from `ipa` has failed. True: the instruction there is the one that wrote the page, and a step is what it gets. */
  want(vcpu: Vcpu, ipa: number): boolean {
    const page = ipa - ipa % 4096, pa = vcpu.vm.memory.ramAt(page, 4096)
    if (this.#writer?.pc !== vcpu.pc || this.#writer.page !== page || pa === undefined) return false
    this.#writer = undefined
    this.#wanted = { pc: vcpu.pc, page }
    map(vcpu, page, pa, NORMAL_RWX)
    return true
  }

  /** Before the ERET to the vCPU. The bits of SPSR_EL2 that it needs; something else may have come first. */
  begin(vcpu: Vcpu, host: Host): number {
    if (this.#wanted === undefined) return 0
    if (this.#wanted.pc !== vcpu.pc || vcpu.context.kind !== 'vEL2') {
      this.#end(vcpu)
      return 0
    }
    this.#before = { mdscr: host.mrs(SLOT.MDSCR_EL1), mdcr: host.mrs(SLOT.MDCR_EL2) }
    host.msr(SLOT.MDSCR_EL1, this.#before.mdscr | MDSCR_SS)
    host.msr(SLOT.MDCR_EL2, this.#before.mdcr | MDCR.TDE)
    host.msr(SLOT.OSLAR_EL1, 0n)
    vcpu.pe.written.u64[SLOT.OSLAR_EL1] = 0n
    return PSTATE.SS
  }

  /** After an exit of the vCPU, before anything else: done or interrupted, the page is data and nothing steps. */
  finish(vcpu: Vcpu, host: Host): void {
    if (this.#before === undefined) return
    host.msr(SLOT.MDSCR_EL1, this.#before.mdscr)
    host.msr(SLOT.MDCR_EL2, this.#before.mdcr)
    showOsLock(host, vcpu)
    vcpu.pstate &= ~PSTATE.SS
    this.#before = undefined
    this.#end(vcpu)
  }

  #end(vcpu: Vcpu): void {
    const { page } = this.#wanted!
    this.#wanted = undefined
    const leaf = vcpu.vm.codePages!.leafAt(page, vcpu.vm.memory.ramAt(page, 4096)!)
    map(vcpu, page, leaf.pa, leaf.attributes)
  }
}

function map(vcpu: Vcpu, ipa: number, pa: number, attributes: bigint): void {
  const table = vcpu.nested!.ownStage2!
  if (table.map(ipa, pa, 12, attributes) !== 'mapped') withVmid(vcpu.pe.host, vttbr(table.root, vcpu.nested!.vmid), () => vcpu.pe.host.tlbi('VMALLS12E1IS'))
}
