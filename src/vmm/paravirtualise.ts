/**
 * The paper's paravirtual method: rewrites the guest hypervisor of a VM description for a machine without FEAT_NV. What is scanned and
 * which spare room is used follow from the image; `hypervisor/paravirt` does the rewriting.
 */
import type { GicVersion } from '../arch/gic.ts'
import type { Elf } from '../arch/image/elf.ts'
import type { LoadPlan } from '../arch/image/load.ts'
import type { GuestHypervisorKind, ParavirtForm } from '../hypervisor/paravirt/classify.ts'
import { refuseTables } from '../hypervisor/paravirt/el2-tables.ts'
import { PageRewriter, type ExecutedReport } from '../hypervisor/paravirt/page-rewriter.ts'
import { rewrite, type Range, type RewriteReport } from '../hypervisor/paravirt/rewrite.ts'
import type { RewrittenGuest } from '../hypervisor/vm.ts'
import { rowByKey, rowByName } from '../sysreg/index.ts'

export interface Paravirtualised {
  readonly form: ParavirtForm
  readonly rewritten: RewrittenGuest
  /** Of the executable segments of an ELF file, before it runs. A bare Image does not say what in it is code. */
  readonly report: RewriteReport | undefined
  /** Of the pages that virtual EL2 has executed so far. */
  readonly executed: () => ExecutedReport
}

/** A run of zero words at the end of an executable range that is worth a trampoline. */
const LEAST_SPARE = 64

export function paravirtualise(plan: LoadPlan, form: ParavirtForm, gic: GicVersion, guest: GuestHypervisorKind): Paravirtualised {
  const images = plan.placements.filter(({ what }) => what === 'image')
  const base = Math.min(...images.map(({ address }) => address)), end = Math.max(...images.map(({ address, bytes }) => address + bytes.length))
  const image = new Uint8Array(end - base)
  for (const { address, bytes } of images) image.set(bytes, address - base)
  const executable = executableRanges(plan.elf, { start: base, end })
  const text = spareText(image, base, executable), page = plan.elf?.symbol('__spare_page')
  const boot = symbolRange(plan.elf, '__no_stack_start', '__no_stack_end')
  const spare = text === undefined || page === undefined ? undefined : { text, page: Number(page.address) }
  const imitation = { form, guest, gic }
  const { plan: words, registerPage, report } = rewrite({
    imitation, image, base, executable,
    // Before the first stack there is nothing to spill to; without symbols no SP can be trusted.
    withoutStack: plan.elf === undefined ? executable : boot === undefined ? [] : [boot],
    spare,
  })
  // Without a page that L1 reaches nothing is planned that the rewriter of pages would not do by itself.
  const rewriter = new PageRewriter(imitation, registerPage === undefined ? undefined : words)
  return {
    form, report: plan.elf === undefined ? undefined : report, executed: () => rewriter.report(),
    rewritten: {
      form, registerPage, refuseTables, rewrite: (ipa, original) => rewriter.rewrite(ipa, original), companions: () => rewriter.companions(), withdrawn: () => { rewriter.withdrawn() },
      standsFor: exit => rewriter.standsFor(exit), saveState: () => rewriter.saveState(), restoreState: (saved, path) => { rewriter.restoreState(saved, path) },
    },
  }
}

/** ELF: its executable segments. A bare Image: all of it; a data word that looks like an access to an EL2 register is unlikely and is in the report. */
function executableRanges(elf: Elf | undefined, whole: Range): readonly Range[] {
  const segments = elf?.segments.filter(segment => segment.executable).map(({ physicalAddress, fileSize }) => ({ start: Number(physicalAddress), end: Number(physicalAddress) + fileSize }))
  return segments === undefined || segments.length === 0 ? [whole] : segments
}

/**
 * Of an image file that may be either: one that names `_EL12` registers and never writes TTBR0_EL2, which a VHE guest hypervisor calls
 * TTBR0_EL1, is a VHE one. Linux has both in one file; without FEAT_VHE in its ID registers it is nVHE.
 */
export function kindOfGuestHypervisor(file: Uint8Array): GuestHypervisorKind {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), ttbr0 = rowByName('TTBR0_EL2')!.key
  let kind: GuestHypervisorKind = 'nvhe'
  for (let at = 0; at + 4 <= file.length; at += 4) {
    const word = view.getUint32(at, true), key = (word >>> 5) & 0xffff
    if ((word & 0xffc0_0000) >>> 0 !== 0xd500_0000) continue
    if (key === ttbr0 && (word & 1 << 21) === 0) return 'nvhe'
    if (rowByKey(key)?.aliasOf !== undefined) kind = 'vhe'
  }
  return kind
}

/** The longest run of zeros inside the executable ranges: padding that L1 maps with its text. */
function spareText(image: Uint8Array, base: number, executable: readonly Range[]): Range | undefined {
  let best: Range | undefined
  const words = new Uint32Array(image.buffer, 0, image.length >> 2)
  for (const { start, end } of executable) {
    let from = -1
    const last = Math.min(end - base, image.length) >> 2
    for (let i = (start - base) >> 2; i <= last; i++) {
      if (i < last && words[i] === 0) {
        if (from < 0) from = i
      } else if (from >= 0) {
        if (best === undefined || (i - from) * 4 > best.end - best.start) best = { start: base + from * 4, end: base + i * 4 }
        from = -1
      }
    }
  }
  return best !== undefined && best.end - best.start >= LEAST_SPARE ? best : undefined
}

function symbolRange(elf: Elf | undefined, from: string, to: string): Range | undefined {
  const start = elf?.symbol(from), end = elf?.symbol(to)
  return start === undefined || end === undefined ? undefined : { start: Number(start.address), end: Number(end.address) }
}

