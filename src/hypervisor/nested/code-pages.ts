/**
 * What a guest hypervisor on a machine without FEAT_NV executes at virtual EL2: rewritten copies of its own pages (design D7). A page
 * of L1's memory is in one of two states, for all vCPUs together:
 *
 *                 stage 2 of virtual EL2            stage 2 of vEL1, shadow tables of L2
 *     data        the page: read, write, XN         the page: read, write, execute
 *     code        its copy: read, execute           the page: read, execute
 *
 * A fetch at virtual EL2 makes a page code: nobody can write it any more, then it is read, rewritten into a page of L0's, and mapped. A
 * write from anywhere makes it data again and the copy is gone. So whatever L1 does to its code (alternatives, relocation, modules,
 * memory that was freed and has become something else) is seen at the next fetch, and nothing is executed at virtual EL2 that has not
 * been looked at. A page with nothing to rewrite is its own copy.
 *
 * Why reads see the copy: before FEAT_XNX and without execute-only memory (Arm ARM, "AArch64.S2CheckPermission": xn = !r || XN) stage 2
 * cannot let a page be fetched and keep it from being read, and to flip on every read of a literal would trap where FEAT_NV does not.
 * The copy differs from the page in the rewritten words alone; `paravirt/page-rewriter.ts` says what reads of those return.
 */
import { COUNT, integer, list, objectOf, refuse } from '../../arch/saved-state.ts'
import type { Saved } from '../../arch/saved-state.ts'
import type { Core } from '../core.ts'
import type { Host } from '../host.ts'
import { NORMAL_RW, NORMAL_RWX, NORMAL_RX, vttbr } from '../stage2.ts'
import type { Stage2Table } from '../stage2.ts'
import type { RewrittenGuest, Vm } from '../vm.ts'
import { WORK } from '../work.ts'
import { unmapL1, withVmid } from './shadow-stage2.ts'

const PAGE = 4096, BLOCK = 2 ** 21
/** At the first a page's companions may go when it comes; at the second all stay. */
const MOST_ATTEMPTS = 3
/** Pages of the largest memory that a VM can have: more in a snapshot is damage. */
const COPIES_SAVED = 2 ** 20
const pageOf = (ipa: number): number => ipa - ipa % PAGE

/** `copy`: machine address of the page that stands for it, or undefined: the page itself. */
interface CodePage { readonly copy: number | undefined }

export class CodePages {
  readonly #core: Core
  readonly #vm: Vm
  readonly #rewritten: RewrittenGuest
  readonly #pages = new Map<number, CodePage>()
  /** Code pages by 2 MiB of IPAs. */
  readonly #blocks = new Map<number, number>()
  readonly #bytes = new Uint8Array(PAGE)
  /** Copies that may exist at a time: L1 can execute all of its memory, and L0's pages are for its tables, too. */
  readonly #mostCopies: number
  #copies = 0
  /** Code pages that a device of the VMM has written: data before a vCPU runs again. */
  readonly #dirty: number[] = []

  constructor(core: Core, vm: Vm, rewritten: RewrittenGuest) {
    this.#core = core
    this.#vm = vm
    this.#rewritten = rewritten
    this.#mostCopies = Math.max(16, Math.floor(vm.pages.available / 4))
  }

  has(ipa: number): boolean { return this.#pages.has(pageOf(ipa)) }

  /** The 2 MiB at `start` cannot be one block, of virtual EL2's table or (`own` false) of the others. */
  isSplit(start: number, own: boolean): boolean {
    const { registerPage } = this.#rewritten
    return this.#blocks.has(start) || (own && registerPage !== undefined && registerPage >= start && registerPage < start + BLOCK)
  }

  /** What virtual EL2's stage 2 has for a page of RAM at machine address `pa`. */
  leafAt(ipa: number, pa: number): { readonly pa: number, readonly attributes: bigint } {
    const page = this.#pages.get(pageOf(ipa))
    return page === undefined ? { pa, attributes: NORMAL_RW } : { pa: page.copy ?? pa, attributes: NORMAL_RX }
  }

  /** What the other tables may have: RAM, less writing where a page is code. */
  attributesBelow(ipa: number): bigint { return this.has(ipa) ? NORMAL_RX : NORMAL_RWX }

  /** Virtual EL2 fetches from the page. False: L0 has no memory for it. */
  execute(host: Host, ipa: number): boolean {
    const page = pageOf(ipa)
    if (this.#pages.has(page)) return true
    // Making room for one can cost all others.
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const missing = [...this.#rewritten.companions(), page].filter(each => !this.#pages.has(each))
      if (missing.length === 0) return true
      if (!missing.every(each => this.#makeCode(host, each))) return false
    }
    return false
  }

  #makeCode(host: Host, ipa: number): boolean {
    const vm = this.#vm, pa = vm.memory.ramAt(ipa, PAGE), copy = this.#pageForCopy(host)
    if (pa === undefined || copy === undefined) return false
    host.charge(WORK.stage2Map)
    if (!this.#takeWriting(host, ipa)) {
      vm.pages.free(copy)
      return false
    }
    this.#core.memory.readBytes(pa, this.#bytes)
    let bytes = this.#rewritten.rewrite(ipa, this.#bytes)
    if (bytes === 'void') {
      this.flush(host)
      bytes = this.#rewritten.rewrite(ipa, this.#bytes)
    }
    if (bytes === undefined || bytes === 'void') vm.pages.free(copy)
    if (bytes === 'void') return false
    if (bytes !== undefined) {
      this.#core.memory.writeBytes(copy, bytes)
      host.invalidateInstructions(copy, PAGE)
    }
    this.#add(ipa, bytes === undefined ? undefined : copy)
    // Nothing stands there now. Where there is no memory for a table the fault asks again.
    for (const { nested } of vm.vcpus) nested!.ownStage2!.map(ipa, bytes === undefined ? pa : copy, 12, NORMAL_RX)
    return true
  }

  #pageForCopy(host: Host): number | undefined {
    if (this.#copies < this.#mostCopies) {
      const page = this.#vm.pages.allocate()
      if (page !== undefined) return page
    }
    this.flush(host)
    return this.#vm.pages.allocate()
  }

  /** Nobody can write the page when this returns: only then its bytes are looked at. */
  #takeWriting(host: Host, ipa: number): boolean {
    const vm = this.#vm
    for (const { nested } of vm.vcpus) {
      const table = nested!.ownStage2!
      if (!table.split(ipa)) return false
      if (table.unmap(ipa, ipa + PAGE)) flush(host, table, nested!.vmid)
    }
    if (!vm.stage2.split(ipa)) return false
    if (change(vm.stage2, ipa, NORMAL_RX)) flush(host, vm.stage2, vm.vmid)
    for (const shadow of vm.shadows!.all) unmapL1(shadow, host, ipa, ipa + PAGE)
    return true
  }

  /** Somebody writes the page: it is data from here on. False: it was already. */
  written(host: Host, ipa: number): boolean {
    const page = pageOf(ipa), code = this.#pages.get(page)
    if (code === undefined) return false
    // Code elsewhere branches into these: it goes with them.
    if (this.#rewritten.companions().includes(page)) this.flush(host)
    else this.#withdraw(host, page, code)
    return true
  }

  /** A device has written [ipa, ipa + size), perhaps while no vCPU was in L0. */
  deviceWrote(ipa: number, size: number): void {
    for (let page = pageOf(ipa); page < ipa + size; page += PAGE) if (this.#pages.has(page)) this.#dirty.push(page)
  }

  /** Before a vCPU is entered. */
  settle(host: Host): void {
    for (let page = this.#dirty.pop(); page !== undefined; page = this.#dirty.pop()) this.written(host, page)
  }

  saveState(): Saved {
    return { pages: [...this.#pages].flatMap(([ipa, { copy }]) => [ipa, copy ?? 0]), dirty: [...this.#dirty], rewritten: this.#rewritten.saveState() }
  }

  restoreState(saved: Saved, path: string): void {
    const { pages, dirty, rewritten } = objectOf(saved, path), address = integer(0, 2 ** 48)
    this.#rewritten.restoreState(rewritten, `${path}.rewritten`)
    list(address, COPIES_SAVED).restore(dirty, `${path}.dirty`, this.#dirty)
    const numbers = list(COUNT, 2 * COPIES_SAVED).restore(pages, `${path}.pages`, [])
    this.#pages.clear()
    this.#blocks.clear()
    this.#copies = 0
    for (let i = 0; i + 1 < numbers.length; i += 2) {
      const ipa = numbers[i]!, copy = numbers[i + 1]!
      if (ipa % PAGE !== 0 || copy % PAGE !== 0 || this.#vm.memory.ramAt(ipa, PAGE) === undefined) refuse(`${path}.pages`, 'holds no page')
      this.#add(ipa, copy === 0 ? undefined : copy)
    }
  }

  #add(ipa: number, copy: number | undefined): void {
    const block = ipa - ipa % BLOCK
    this.#pages.set(ipa, { copy })
    this.#blocks.set(block, (this.#blocks.get(block) ?? 0) + 1)
    if (copy !== undefined) this.#copies++
  }

  /** Withdraws everything. */
  flush(host: Host): void {
    for (const [page, code] of this.#pages) this.#withdraw(host, page, code)
  }

  #withdraw(host: Host, ipa: number, { copy }: CodePage): void {
    const vm = this.#vm, pa = vm.memory.ramAt(ipa, PAGE)!
    host.charge(WORK.stage2Map)
    this.#pages.delete(ipa)
    const block = ipa - ipa % BLOCK, left = this.#blocks.get(block)! - 1
    if (left === 0) this.#blocks.delete(block)
    else this.#blocks.set(block, left)
    for (const { nested } of vm.vcpus) {
      const table = nested!.ownStage2!
      if (table.lookup(ipa) === undefined) continue
      table.map(ipa, pa, 12, NORMAL_RW)
      flush(host, table, nested!.vmid)
    }
    // The TLB may hold that it is read-only. A shadow table's leaf is made again at its own fault.
    if (change(vm.stage2, ipa, NORMAL_RWX)) flush(host, vm.stage2, vm.vmid)
    if (copy !== undefined) {
      this.#copies--
      vm.pages.free(copy)
    }
    this.#rewritten.withdrawn(ipa)
  }
}

/** Gives a page that is mapped other permissions. True: its TLB entries must go. */
function change(table: Stage2Table, ipa: number, attributes: bigint): boolean {
  const leaf = table.lookup(ipa)
  if (leaf === undefined) return false
  return table.map(ipa, Number(leaf.descriptor & 0xffff_ffff_f000n), 12, attributes) === 'replaced'
}

const flush = (host: Host, table: Stage2Table, vmid: number): void => withVmid(host, vttbr(table.root, vmid), () => host.tlbi('VMALLS12E1IS'))
