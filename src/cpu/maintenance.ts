/**
 * System instructions: TLBI on the TLB contexts of the PEs concerned, AT, DC and IC. Caches do not exist: maintenance by VA only translates
 * where software can tell (at EL0); DC ZVA zeroes.
 */
import { syndrome } from '../arch/esr.ts'
import { PSTATE } from '../arch/pstate.ts'
import { ACCESS, Translation, atOperation, atRegime, createScope, currentVmid, decodeTlbi, parFromTranslation, performAt, tlbiRow } from '../mmu/index.ts'
import type { AtOperation, RegimeKind, TlbScope, TlbiRow } from '../mmu/index.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { HCR } from './core.ts'
import type { Exceptions } from './exception.ts'
import type { PE } from './pe.ts'
import type { MemoryAccess } from './translation.ts'
import type { View } from './views.ts'

const ZVA_BYTES = 64
const TOP = 2 ** 56

type Instruction =
  | { readonly kind: 'tlbi', readonly row: TlbiRow } | { readonly kind: 'at', readonly operation: AtOperation }
  | { readonly kind: 'zva' } | { readonly kind: 'cache', readonly byVa: boolean } | { readonly kind: 'none' }

export class Maintenance {
  readonly #core: Core
  readonly #exceptions: Exceptions
  readonly #access: MemoryAccess
  readonly #scope = createScope()
  readonly #out = new Translation()
  readonly #instructions: (Instruction | undefined)[] = []

  constructor(core: Core, exceptions: Exceptions, access: MemoryAccess) {
    this.#core = core
    this.#exceptions = exceptions
    this.#access = access
  }

  /** Executes the instruction that sysreg.resolve has allowed. False: there is no such instruction here. */
  execute(row: Row, argument: bigint): boolean {
    const instruction = this.#instructions[row.index] ??= parse(row)
    switch (instruction.kind) {
      case 'tlbi':
        this.tlbi(instruction.row, argument)
        return true
      case 'at':
        this.at(instruction.operation, argument)
        return true
      case 'zva':
        this.#zeroBlock(argument)
        return true
      case 'cache':
        if (instruction.byVa && this.#core.el === 0) this.#access.translateForMaintenance(Number(argument >> 32n) | 0, Number(argument & 0xffff_ffffn) | 0, ACCESS.read, true)
        return true
      case 'none': return false
    }
  }

  // ---- TLBI ----

  tlbi(row: TlbiRow, argument: bigint): void {
    const core = this.#core, { pe } = core, scope = this.#scope
    const controls = { e2h: core.e2h(pe), tge: core.tge(pe), vmid: currentVmid(pe.file, SLOT, core.features), ttl: core.features.has('FEAT_TTL') }
    if (!decodeTlbi(row, argument, controls, scope)) return
    const local = row.domain === 'local' && !(core.el === 1 && (core.hcrLow(pe) & HCR.FB) !== 0)
    this.#invalidate(scope, local ? pe : undefined)
    core.charge(core.costs.tlbi)
  }

  #invalidate(scope: TlbScope, only: PE | undefined): void {
    const core = this.#core, { registry } = core, { tlb } = core.engine
    this.#access.forgetPages()
    const concerned = (view: View): boolean => view.kind === scope.regime && (only === undefined || view.pe === only.index) && (scope.vmid < 0 || view.vmid === scope.vmid)
    if (scope.regime !== 'EL1&0') for (const pe of core.pes) pe.vncrPage = -1
    if (scope.vaFrom < 0) {
      // By ASID, VMID, everything, or by IPA: combined entries do not know their IPA.
      tlb.invalidate(key => {
        const view = registry.byKey(key)
        return view !== undefined && concerned(view) && (scope.asid < 0 || view.asid === scope.asid)
      })
      return
    }
    // Global pages of the lower range are rare; the upper range is the kernel's, global in every ASID.
    const lower = Math.floor(scope.vaFrom / 2 ** 55) % 2 === 0
    const chosen = (key: number): boolean => {
      const view = registry.byKey(key)
      return view !== undefined && concerned(view) && (scope.asid < 0 || view.asid === scope.asid || !lower || view.lowerGlobal)
    }
    const pages = Math.ceil((scope.vaTo - scope.vaFrom) / 4096)
    if (pages > 64) {
      tlb.invalidate(chosen)
      return
    }
    for (let va = scope.vaFrom; va < scope.vaTo; va += 4096) {
      const signed = va >= TOP / 2 ? va - TOP : va
      tlb.invalidatePage(chosen, Math.floor(signed / 0x1_0000_0000) | 0, signed | 0 || (va % 0x1_0000_0000) | 0)
    }
  }

  // ---- AT ----

  /** Leaves the result in PAR_EL1, or takes a Data Abort. */
  at(operation: AtOperation, va: bigint): void {
    const core = this.#core, out = this.#out
    if (this.#translateAddress(operation, va)) return
    const target = out.stage === 2 ? 2 : this.#exceptions.synchronousTarget()
    this.#exceptions.take(target, 'sync', syndrome.dataAbort(core.el === target, { dfsc: out.status, write: true, cm: true, s1ptw: out.s1ptw }), core.engine.state.pc,
      out.stage === 2 ? { far: va, ipa: out.ipa } : { far: va })
  }

  /** The same for EL2 software in TypeScript, which takes no exceptions: what would be a Data Abort is reported in PAR_EL1. */
  atForEL2Software(operation: AtOperation, va: bigint): void {
    if (!this.#translateAddress(operation, va)) this.#core.pe.file.u64[SLOT.PAR_EL1] = parFromTranslation(false, this.#out)
  }

  #translateAddress(operation: AtOperation, va: bigint): boolean {
    const core = this.#core, { pe } = core
    const kind: RegimeKind = atRegime(operation, core.e2h(pe), core.tge(pe))
    const view = kind === 'EL1&0' ? pe.views.el1() : pe.views.el2()
    const par = performAt(operation, view.stage1, kind === 'EL1&0' ? view.stage2 : undefined, va, (core.engine.state.pstate & PSTATE.PAN) !== 0, core.el === 2 ? 2 : 1, this.#access.memory, this.#out)
    core.charge(core.costs.at)
    if (par === undefined) return false
    pe.file.u64[SLOT.PAR_EL1] = par
    return true
  }

  // ---- DC ZVA ----

  #zeroBlock(argument: bigint): void {
    // A fault reports the address as it was given.
    const at = this.#access.translateForZero(Number(argument >> 32n) | 0, Number(argument & 0xffff_ffffn) | 0)
    if (at < 0) return
    const pa = at - at % ZVA_BYTES
    const { ram } = this.#core.engine
    if (ram.contains(pa, ZVA_BYTES)) ram.fill(pa, ZVA_BYTES, 0)
    else this.#exceptions.synchronous(syndrome.dataAbort(this.#core.el === this.#exceptions.synchronousTarget(), { dfsc: 0x10, write: true }), { far: argument })
  }
}

function parse(row: Row): Instruction {
  const tlbi = tlbiRow(row.name)
  if (tlbi !== undefined) return { kind: 'tlbi', row: tlbi }
  const operation = atOperation(row.name)
  if (operation !== undefined) return { kind: 'at', operation }
  if (row.name === 'DC ZVA') return { kind: 'zva' }
  if (row.name.startsWith('DC ') || row.name.startsWith('IC ')) return { kind: 'cache', byVa: /VA[CUP]|IVAU|VADP/.test(row.name) }
  return { kind: 'none' }
}
