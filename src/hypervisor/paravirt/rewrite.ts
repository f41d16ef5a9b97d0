/**
 * Rewrites the binary of a guest hypervisor for a machine without FEAT_NV (design D7): every site that `classify.ts` names is replaced
 * by one instruction. The result is a plan: words that L0 shows in the vEL2 context only, where the image still has what was planned for;
 * the image itself is not changed.
 *
 * NEVE form: a read becomes a literal load where the page is within 1 MiB. Everything else branches to a trampoline in the image's
 * spare text, which spills one scratch register below SP, leaves NZCV alone, does the load or store and returns. A store needs a
 * valid SP; a site without SP or out of reach stays `hvc`.
 */
import { classifier, type Imitation, type Replacement } from './classify.ts'
import { adrp, branch, hvc, ldr, ldrLiteral, movz, nop, popOne, pushOne, str } from './instructions.ts'

export interface Range { readonly start: number, readonly end: number }

export interface RewriteRequest {
  readonly imitation: Imitation
  /** The image as it lies in memory from IPA `base`, 4-byte aligned. */
  readonly image: Uint8Array
  readonly base: number
  /** IPA ranges that hold instructions. */
  readonly executable: readonly Range[]
  /** IPA ranges that run before there is a stack. */
  readonly withoutStack?: readonly Range[]
  /** Parts of the image that L1 maps and does not use: executable ones for trampolines, one page, readable and writable, for the registers. */
  readonly spare?: { readonly text: Range, readonly page: number } | undefined
}

export interface RewriteReport {
  /** Sites by what stands there now. */
  readonly hvc: number
  readonly literal: number
  readonly trampoline: number
  readonly redirect: number
  readonly constant: number
  /** Sites that stayed `hvc` (or a hardware trap) in the NEVE form, and sites that could not be rewritten, with the reason. */
  readonly left: readonly { readonly address: number, readonly reason: string }[]
}

/** What is to stand in the image's place, word by word. */
export interface Plan {
  /** Pages with trampolines: nothing may branch there unless they are as planned. */
  readonly trampolinePages: readonly number[]
  /** For `word` at `ipa`, if that is what was planned for. No kind: part of a trampoline. */
  readonly at: (ipa: number, word: number) => { readonly word: number, readonly kind: PlannedKind | undefined } | undefined
  /** The page at `ipa` still has nothing where trampolines are to be. */
  readonly stillHolds: (ipa: number, page: DataView) => boolean
}
export type PlannedKind = 'hvc' | 'literal' | 'trampoline' | 'redirect' | 'constant' | 'left'

export interface Rewritten {
  /** New words by IPA. */
  readonly words: ReadonlyMap<number, number>
  readonly plan: Plan
  /** IPA of the register page, in the NEVE form with spare room. */
  readonly registerPage: number | undefined
  readonly report: RewriteReport
}

const PAGE = 4096
const LITERAL_REACH = 2 ** 20, BRANCH_REACH = 2 ** 27

export function rewrite(request: RewriteRequest): Rewritten {
  const { image, base, executable, withoutStack = [], imitation } = request
  const spare = imitation.form === 'neve' ? request.spare : undefined
  const classify = classifier(imitation)
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const words = new Map<number, number>(), kinds = new Map<number, PlannedKind>()
  const put = (site: number, kind: PlannedKind, word: number): void => {
    words.set(site, word)
    kinds.set(site, kind)
    if (kind !== 'left') counts[kind]++
  }
  const left: { address: number, reason: string }[] = []
  const counts = { hvc: 0, literal: 0, trampoline: 0, redirect: 0, constant: 0 }
  let nextTrampoline = spare?.text.start ?? 0

  /** Reserves a trampoline for `site`; undefined when there is no room or no reach. */
  function trampoline(site: number, body: (at: number) => readonly number[], length: number): number | undefined {
    const at = nextTrampoline, bytes = (length + 1) * 4
    if (spare === undefined || at + bytes > spare.text.end || Math.abs(at + bytes - site) >= BRANCH_REACH) return undefined
    const code = [...body(at), branch(at + 4 * length, site + 4)]
    code.forEach((word, i) => words.set(at + 4 * i, word))
    nextTrampoline = at + bytes
    return at
  }

  const fallBack = (site: number, replacement: Extract<Replacement, { kind: 'load' | 'store' }>, reason: string): void => {
    left.push({ address: site, reason })
    put(site, 'left', hvc(replacement.immediate))
    counts.hvc++
  }

  function load(site: number, replacement: Extract<Replacement, { kind: 'load' | 'store' }>): void {
    const { Rt, offset } = replacement
    if (spare === undefined) { fallBack(site, replacement, 'the image has no spare page'); return }
    const slot = spare.page + offset
    if (Math.abs(slot - site) < LITERAL_REACH) {
      put(site, 'literal', Rt === 31 ? nop : ldrLiteral(Rt, site, slot))
      return
    }
    const at = trampoline(site, here => [adrp(Rt, here, spare.page), ldr(Rt, Rt, offset)], 2)
    if (at === undefined) { fallBack(site, replacement, 'no room or reach for a trampoline'); return }
    put(site, 'trampoline', branch(site, at))
  }

  function store(site: number, replacement: Extract<Replacement, { kind: 'load' | 'store' }>): void {
    const { Rt, offset } = replacement
    if (spare === undefined) { fallBack(site, replacement, 'the image has no spare page'); return }
    if (withoutStack.some(range => site >= range.start && site < range.end)) { fallBack(site, replacement, 'no stack yet'); return }
    const scratch = Rt === 16 ? 17 : 16
    const at = trampoline(site, here => [pushOne(scratch), adrp(scratch, here + 4, spare.page), str(Rt, scratch, offset), popOne(scratch)], 4)
    if (at === undefined) { fallBack(site, replacement, 'no room or reach for a trampoline'); return }
    put(site, 'trampoline', branch(site, at))
  }

  for (const { start, end } of executable) {
    for (let site = start; site + 4 <= end && site + 4 <= base + image.length; site += 4) {
      if (spare !== undefined && site >= spare.text.start && site < spare.text.end) continue
      const replacement = classify(view.getUint32(site - base, true))
      switch (replacement.kind) {
        case 'keep': break
        case 'hvc': put(site, 'hvc', hvc(replacement.immediate)); break
        case 'constant': put(site, 'constant', replacement.Rt === 31 ? nop : movz(replacement.Rt, replacement.value)); break
        case 'redirect': put(site, 'redirect', replacement.word >>> 0); break
        case 'load': load(site, replacement); break
        case 'store': store(site, replacement); break
        case 'refused': left.push({ address: site, reason: replacement.reason }); break
        default: replacement satisfies never
      }
    }
  }
  const original = (ipa: number): number => view.getUint32(ipa - base, true)
  const trampolines = [...words.keys()].filter(ipa => !kinds.has(ipa))
  const plan: Plan = {
    trampolinePages: [...new Set(trampolines.map(ipa => ipa - ipa % PAGE))],
    at: (ipa, word) => {
      const planned = words.get(ipa)
      return planned === undefined || original(ipa) !== word ? undefined : { word: planned, kind: kinds.get(ipa) }
    },
    stillHolds: (ipa, page) => trampolines.every(at => at < ipa || at >= ipa + PAGE || page.getUint32(at - ipa, true) === original(at)),
  }
  return { words, plan, registerPage: spare?.page, report: { ...counts, left } }
}
