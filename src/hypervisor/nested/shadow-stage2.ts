/**
 * Shadow stage 2: one table per (VTTBR_EL2, VTCR_EL2) of L1, with L2's IPA -> machine PA collapsed (nested-arch.md c.6). Filled on
 * faults from L1's tables and the VM's memory slots, emptied by L1's TLB maintenance, recycled when there are too many.
 */
import { FSC } from '../../arch/esr.ts'
import { COUNT, listOf, objectOf, optional, refuse, value, WORD64 } from '../../arch/saved-state.ts'
import type { Saved } from '../../arch/saved-state.ts'
import type { Feature } from '../../arch/features.ts'
import { SLOT } from '../../sysreg/index.ts'
import { ACCESS, isFault, parseStage2, PERM, walkStage2 } from '../../mmu/index.ts'
import type { Stage2, Translation } from '../../mmu/index.ts'
import type { Core } from '../core.ts'
import type { Exit } from '../exit.ts'
import type { MemorySlot } from '../guest-memory.ts'
import type { Host } from '../host.ts'
import type { PageAllocator } from '../page-allocator.ts'
import { IPA_LIMIT, S2, Stage2Table, vttbr } from '../stage2.ts'
import type { LeafShift } from '../stage2.ts'
import type { Vcpu } from '../vcpu.ts'
import type { Vm } from '../vm.ts'
import { WORK } from '../work.ts'

/** What a shadow leaf was made from. */
interface ShadowLeaf {
  readonly ipa: number
  readonly shift: LeafShift
  readonly l1Ipa: number
  /** log2 size of L1's own leaf: L1's TLBI by IPA without a size hint concerns all of it. */
  readonly l1Shift: number
}

export class ShadowStage2 {
  readonly table: Stage2Table
  /** The machine's VMID for this table. */
  readonly vmid: number
  /** L1's VTTBR_EL2 without CnP, VTCR_EL2, and the bits of HCR_EL2 that change walks; undefined while unused. */
  key: ShadowKey | undefined
  regime: Stage2 | undefined
  /** Leaves by IPA, and the reverse map: L1's page (4 KiB number) to the leaves that use it. */
  readonly leaves = new Map<number, ShadowLeaf>()
  readonly reverse = new Map<number, Set<ShadowLeaf>>()
  lastUse = 0
  /** The largest `l1Shift` of a leaf since the table was empty. */
  largest = 0

  constructor(core: Core, pages: PageAllocator) {
    this.table = new Stage2Table(core.memory, pages)
    this.vmid = core.vmids.allocate()
  }

  /** Leaves in their order: what is unmapped first decides which page is used next. The reverse map follows from them. */
  saveState(): Saved {
    const leaves = [...this.leaves.values()].flatMap(({ ipa, shift, l1Ipa, l1Shift }) => [ipa, shift, l1Ipa, l1Shift])
    return { table: this.table.saveState(), key: this.key && { ...this.key }, leaves: new Uint8Array(Float64Array.from(leaves).buffer), lastUse: this.lastUse }
  }

  restoreState(saved: Saved, path: string, features: ReadonlySet<Feature>): void {
    const { table, key, leaves, lastUse } = objectOf(saved, path)
    this.table.restoreState(table, `${path}.table`)
    this.setKey(optional(KEY).restore(key, `${path}.key`, undefined), features)
    this.lastUse = COUNT.restore(lastUse, `${path}.lastUse`, 0)
    this.leaves.clear()
    this.reverse.clear()
    this.largest = 0
    const numbers = leaves instanceof Uint8Array && leaves.length % 32 === 0 ? new Float64Array(Uint8Array.from(leaves).buffer) : refuse(`${path}.leaves`, 'is no list of leaves')
    for (let i = 0; i < numbers.length; i += 4) {
      const ipa = numbers[i]!, shift = numbers[i + 1]!, l1Ipa = numbers[i + 2]!, l1Shift = numbers[i + 3]!
      if ((shift !== 12 && shift !== 21) || !isPlace(ipa, shift) || !isPlace(l1Ipa, shift) || !Number.isInteger(l1Shift) || l1Shift < 12 || l1Shift > 48) return refuse(`${path}.leaves`, 'holds no leaf')
      remember(this, { ipa, shift, l1Ipa, l1Shift })
    }
  }

  setKey(key: ShadowKey | undefined, features: ReadonlySet<Feature>): void {
    this.key = key
    this.regime = key && parseStage2(key.vttbr, key.vtcr, key.hcr, features)
  }
}

export interface ShadowKey { readonly vttbr: bigint, readonly vtcr: bigint, readonly hcr: bigint }
const KEY = value<ShadowKey>({ vttbr: WORD64, vtcr: WORD64, hcr: WORD64 })
const isPlace = (address: number, shift: LeafShift): boolean => address >= 0 && address < 2 ** 52 && address % 2 ** shift === 0
/** HCR_EL2.PTW 2, CD 32, ID 33. */
const HCR_OF_WALKS = (1n << 2n) | (1n << 32n) | (1n << 33n)
const VTTBR_CNP = 1n
const BLOCK_SHIFT = 21, BLOCK = 2 ** BLOCK_SHIFT

/** More of them where L1's VMs may be hypervisors: every level below brings a regime of its own to the same vCPU. */
const FOR_LEVELS = 6

/**
 * The shadow tables of a VM: two per vCPU, so that a vCPU with two regimes needs no flush. All are made with the VM: a guest must not be
 * able to use up what they need.
 */
export class ShadowPool {
  readonly all: readonly ShadowStage2[]
  #uses = 0

  constructor(core: Core, pages: PageAllocator, vcpus: number, recursion: boolean) {
    this.all = Array.from({ length: 2 * vcpus + (recursion ? FOR_LEVELS : 0) }, () => new ShadowStage2(core, pages))
  }

  saveState(): Saved { return { uses: this.#uses, all: this.all.map(shadow => shadow.saveState()) } }

  restoreState(saved: Saved, path: string, features: ReadonlySet<Feature>): void {
    const { uses, all } = objectOf(saved, path), shadows = listOf(all, `${path}.all`, this.all.length)
    this.#uses = COUNT.restore(uses, `${path}.uses`, 0)
    this.all.forEach((shadow, i) => shadow.restoreState(shadows[i], `${path}.all[${i}]`, features))
  }

  use(shadow: ShadowStage2): ShadowStage2 {
    shadow.lastUse = ++this.#uses
    return shadow
  }
}

const isInUse = (vm: Vm, shadow: ShadowStage2): boolean => vm.vcpus.some(vcpu => vcpu.context.kind === 'L2' && vcpu.context.shadow === shadow)

/** The shadow for L1's stage 2 as L1 has it now; recycles the one that was not used for longest. */
export function shadowFor(vcpu: Vcpu): ShadowStage2 {
  const { vm } = vcpu, nested = vcpu.nested!, pool = vm.shadows!
  const key: ShadowKey = { vttbr: nested.get(SLOT.VTTBR_EL2) & ~VTTBR_CNP, vtcr: nested.get(SLOT.VTCR_EL2), hcr: nested.get(SLOT.HCR_EL2) & HCR_OF_WALKS }
  const found = pool.all.find(({ key: k }) => k !== undefined && k.vttbr === key.vttbr && k.vtcr === key.vtcr && k.hcr === key.hcr)
  if (found !== undefined) return pool.use(found)
  // There are more shadows than vCPUs, so one is free.
  const shadow = pool.all.filter(each => !isInUse(vm, each)).reduce((oldest, each) => each.lastUse < oldest.lastUse ? each : oldest)
  if (shadow.key !== undefined) unmapAll(shadow, vcpu.pe.host)
  shadow.setKey(key, vm.config.features)
  return pool.use(shadow)
}

/** Runs `maintenance` with the shadow's VMID current, as TLB maintenance by VMID needs. */
export function withVmid(host: Host, value: bigint, maintenance: () => void): void {
  const current = host.mrs(SLOT.VTTBR_EL2)
  if (current !== value) host.msr(SLOT.VTTBR_EL2, value)
  maintenance()
  if (current !== value) host.msr(SLOT.VTTBR_EL2, current)
}
export const vttbrOf = (shadow: ShadowStage2): bigint => vttbr(shadow.table.root, shadow.vmid)
const flushTlb = (shadow: ShadowStage2, host: Host): void => withVmid(host, vttbrOf(shadow), () => host.tlbi('VMALLS12E1IS'))

export function unmapAll(shadow: ShadowStage2, host: Host): void {
  host.charge(WORK.stage2Unmap)
  shadow.table.clear()
  shadow.leaves.clear()
  shadow.reverse.clear()
  shadow.largest = 0
  flushTlb(shadow, host)
}

/** L1's TLB maintenance for [from, to) of L2's IPAs: every leaf that L1's leaves there went into. */
export function unmapIpa(shadow: ShadowStage2, host: Host, from: number, to: number): void {
  const gone: ShadowLeaf[] = [], look = (leaf: ShadowLeaf): void => {
    const start = leaf.ipa - leaf.ipa % 2 ** leaf.l1Shift
    if (start < to && start + 2 ** leaf.l1Shift > from) gone.push(leaf)
  }
  // Around a page there are few addresses where a leaf can begin; L1 that maps gigabytes at once, and wide ranges, concern all of them.
  const first = from - from % BLOCK, pages = Math.ceil((to - first) / BLOCK) * (BLOCK / 4096)
  if (pages < shadow.leaves.size && shadow.largest <= BLOCK_SHIFT) {
    for (let ipa = first, n = 0; n < pages; n++, ipa += 4096) {
      const leaf = shadow.leaves.get(ipa)
      if (leaf !== undefined) look(leaf)
    }
  } else {
    for (const leaf of shadow.leaves.values()) look(leaf)
  }
  // In an order that does not depend on how they were found.
  dropLeaves(shadow, host, gone.sort((a, b) => a.ipa - b.ipa))
}

/** L0 takes [from, to) of L1's memory away: exactly the shadow leaves that use it, by the reverse map. */
export function unmapL1(shadow: ShadowStage2, host: Host, from: number, to: number): void {
  const gone = new Set<ShadowLeaf>()
  for (let page = Math.floor(from / 4096); page * 4096 < to; page++) for (const leaf of shadow.reverse.get(page) ?? []) gone.add(leaf)
  dropLeaves(shadow, host, [...gone])
}

function dropLeaves(shadow: ShadowStage2, host: Host, gone: readonly ShadowLeaf[]): void {
  if (gone.length === 0) return
  for (const leaf of gone) {
    host.charge(WORK.stage2Unmap)
    shadow.table.unmap(leaf.ipa, leaf.ipa + 2 ** leaf.shift)
    forget(shadow, leaf)
  }
  flushTlb(shadow, host)
}

function forget(shadow: ShadowStage2, leaf: ShadowLeaf): void {
  shadow.leaves.delete(leaf.ipa)
  for (let page = leaf.l1Ipa / 4096, end = page + 2 ** (leaf.shift - 12); page < end; page++) {
    const users = shadow.reverse.get(page)
    users?.delete(leaf)
    if (users?.size === 0) shadow.reverse.delete(page)
  }
}

function remember(shadow: ShadowStage2, leaf: ShadowLeaf): void {
  // A block swallows the pages that were there; a page takes the place of the block around it.
  const block = leaf.ipa - leaf.ipa % BLOCK, around = shadow.leaves.get(block)
  if (around !== undefined && around.shift === 21) forget(shadow, around)
  for (let ipa = leaf.ipa; ipa < leaf.ipa + 2 ** leaf.shift; ipa += 4096) {
    const other = shadow.leaves.get(ipa)
    if (other !== undefined) forget(shadow, other)
  }
  shadow.leaves.set(leaf.ipa, leaf)
  if (leaf.l1Shift > shadow.largest) shadow.largest = leaf.l1Shift
  for (let page = leaf.l1Ipa / 4096, end = page + 2 ** (leaf.shift - 12); page < end; page++) {
    let users = shadow.reverse.get(page)
    if (users === undefined) shadow.reverse.set(page, users = new Set())
    users.add(leaf)
  }
}

// --- faults of L2

/** ACCESS bits of an abort. Table walks of stage 1 read; where reading is not enough the walk updates an access flag. */
export function accessOf(exit: Exit, fetch: boolean): number {
  const s1ptw = (exit.iss & (1 << 7)) !== 0
  if (s1ptw) return isFault(exit.iss & 0x3f, FSC.Permission) ? ACCESS.read | ACCESS.write : ACCESS.read
  return fetch ? ACCESS.execute : ((exit.iss & (1 << 6)) !== 0 ? ACCESS.write : ACCESS.read) | (isUnaligned(exit) ? ACCESS.unaligned : 0)
}

/** L1's Device memory refuses it before it looks at permissions. Known where the syndrome describes the access: ISV 24, SAS 23:22. */
const isUnaligned = ({ iss, far }: Exit): boolean => (iss & (1 << 24)) !== 0 && (far & ((1n << BigInt((iss >>> 22) & 3)) - 1n)) !== 0n

/** Walks L1's stage 2 for L2's `ipa`; the result is in `vcpu.nested.walk`. */
export function walkL1(vcpu: Vcpu, shadow: ShadowStage2, ipa: number, access: number): boolean {
  const nested = vcpu.nested!, before = nested.descriptors.reads
  if (ipa >= IPA_LIMIT) {
    // Beyond the VM's PARange (40 bits), whatever VTCR_EL2.T0SZ says.
    nested.walk.ipa = ipa
    nested.walk.status = FSC.Translation
    return false
  }
  const found = walkStage2(shadow.regime!, ipa, access, nested.descriptors, nested.walk)
  vcpu.pe.host.charge(WORK.walk, nested.descriptors.reads - before)
  return found
}

/** Maps what `walkL1` has found. False: no memory for tables is left even after all shadows of the VM were emptied. */
export function fillShadow(core: Core, vcpu: Vcpu, shadow: ShadowStage2, ipa: number, slot: MemorySlot): boolean {
  const { host } = vcpu.pe, walk = vcpu.nested!.walk
  const shift = leafShift(ipa, walk, slot, vcpu.vm), size = 2 ** shift
  const start = ipa - ipa % size, l1Ipa = walk.pa - walk.pa % size
  const attributes = vcpu.vm.codePages?.has(walk.pa) === true ? attributesOf(walk, slot) & ~S2.write : attributesOf(walk, slot)
  const map = (): 'mapped' | 'replaced' | undefined => shadow.table.map(start, l1Ipa - slot.ipa + slot.pa, shift, attributes)
  host.charge(WORK.stage2Map)
  let done = map()
  if (done === undefined) {
    for (const each of vcpu.vm.shadows!.all) unmapAll(each, host)
    done = map()
    if (done === undefined) return false
  }
  remember(shadow, { ipa: start, shift, l1Ipa, l1Shift: walk.pageShift })
  if (done === 'replaced') flushTlb(shadow, host)
  return true
}

/** The smaller of L1's leaf and what the slot allows, where both addresses are aligned to it. */
function leafShift(ipa: number, walk: Translation, slot: MemorySlot, vm: Vm): LeafShift {
  if (walk.pageShift < 21 || slot.kind !== 'ram') return 12
  const l1Ipa = walk.pa - walk.pa % BLOCK
  if (vm.codePages?.isSplit(l1Ipa, false) === true) return 12
  const fits = l1Ipa >= slot.ipa && l1Ipa + BLOCK <= slot.ipa + slot.size && (l1Ipa - slot.ipa + slot.pa) % BLOCK === 0
  return fits && ipa % BLOCK === walk.pa % BLOCK ? 21 : 12
}

/** Permissions of both, and the stricter memory type. */
function attributesOf(walk: Translation, slot: MemorySlot): bigint {
  let attributes = S2.accessFlag
  if ((walk.perms & PERM.UR) !== 0) attributes |= S2.read
  if ((walk.perms & PERM.UW) !== 0) attributes |= S2.write
  if ((walk.perms & PERM.UX) === 0 || slot.kind !== 'ram') attributes |= S2.executeNever
  if (slot.kind !== 'ram' || walk.device) return attributes | S2.deviceNGnRE
  return attributes | (walk.attr === 0x44 ? S2.normalNonCacheable : S2.normal) | S2.innerShareable
}
