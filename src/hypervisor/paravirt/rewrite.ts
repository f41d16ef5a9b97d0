/**
 * Rewrites the binary of a guest hypervisor for a machine without FEAT_NV (design D7): every site that `classify.ts` names is replaced
 * by one instruction. The result is a set of pages that L0 shows in the vEL2 context only; the image itself is not changed.
 *
 * NEVE form: a read becomes a literal load where the page is within 1 MiB. Everything else branches to a trampoline in the image's
 * spare text, which spills one scratch register below SP, leaves NZCV alone, does the load or store and returns. A store needs a
 * valid SP; a site without SP or out of reach stays `hvc`.
 */
import { encode } from '../../isa/encode.ts'
import { classifier, type Imitation, type Replacement } from './classify.ts'

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

export interface Rewritten {
  /** New words by IPA. */
  readonly words: ReadonlyMap<number, number>
  /** Whole pages with the new words, by IPA of the page. */
  readonly pages: ReadonlyMap<number, Uint8Array>
  /** IPA of the register page, in the NEVE form with spare room. */
  readonly registerPage: number | undefined
  readonly report: RewriteReport
}

const PAGE = 4096
const LITERAL_REACH = 2 ** 20, BRANCH_REACH = 2 ** 27

const nop = encode('NOP', {})
const hvc = (imm16: number): number => encode('HVC', { imm16 })
const branch = (from: number, to: number): number => encode('B', { imm26: ((to - from) / 4) & 0x3ff_ffff })
const movz = (Rd: number, value: number): number => encode('MOVZ', { sf: 1, hw: 0, imm16: value, Rd })
const ldrLiteral = (Rt: number, from: number, to: number): number => encode('LDR (literal)', { sf: 1, imm19: ((to - from) / 4) & 0x7_ffff, Rt })
function adrp(Rd: number, from: number, to: number): number {
  const pages = Math.floor(to / PAGE) - Math.floor(from / PAGE)
  return encode('ADRP', { immlo: pages & 3, immhi: (pages >> 2) & 0x7_ffff, Rd })
}
const ldr = (Rt: number, Rn: number, offset: number): number => encode('LDR (immediate, unsigned offset)', { sf: 1, imm12: offset / 8, Rn, Rt })
const str = (Rt: number, Rn: number, offset: number): number => encode('STR (immediate, unsigned offset)', { sf: 1, imm12: offset / 8, Rn, Rt })
const pushOne = (Rt: number): number => encode('STR (immediate, pre-index)', { sf: 1, imm9: -16 & 0x1ff, Rn: 31, Rt })
const popOne = (Rt: number): number => encode('LDR (immediate, post-index)', { sf: 1, imm9: 16, Rn: 31, Rt })

export function rewrite(request: RewriteRequest): Rewritten {
  const { image, base, executable, withoutStack = [], imitation } = request
  const spare = imitation.form === 'neve' ? request.spare : undefined
  const classify = classifier(imitation)
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const words = new Map<number, number>()
  const left: { address: number, reason: string }[] = []
  const counts = { hvc: 0, literal: 0, trampoline: 0, redirect: 0, constant: 0 }
  let nextTrampoline = spare?.text.start ?? 0

  /** Reserves a trampoline for `site`; undefined when there is no room or no reach. */
  function trampoline(site: number, body: (at: number) => readonly number[], length: number): number | undefined {
    const at = nextTrampoline, bytes = (length + 1) * 4
    if (spare === undefined || at + bytes > spare.text.end || Math.abs(at + bytes - site) >= BRANCH_REACH) return undefined
    const code = body(at)
    code.forEach((word, i) => words.set(at + 4 * i, word))
    words.set(at + 4 * length, branch(at + 4 * length, site + 4))
    nextTrampoline = at + bytes
    return at
  }

  const fallBack = (site: number, replacement: Extract<Replacement, { kind: 'load' | 'store' }>, reason: string): void => {
    left.push({ address: site, reason })
    words.set(site, hvc(replacement.immediate))
    counts.hvc++
  }

  function load(site: number, replacement: Extract<Replacement, { kind: 'load' | 'store' }>): void {
    const { Rt, offset } = replacement
    if (spare === undefined) { fallBack(site, replacement, 'the image has no spare page'); return }
    const slot = spare.page + offset
    if (Math.abs(slot - site) < LITERAL_REACH) {
      words.set(site, Rt === 31 ? nop : ldrLiteral(Rt, site, slot))
      counts.literal++
      return
    }
    const at = trampoline(site, here => [adrp(Rt, here, spare.page), ldr(Rt, Rt, offset)], 2)
    if (at === undefined) { fallBack(site, replacement, 'no room or reach for a trampoline'); return }
    words.set(site, branch(site, at))
    counts.trampoline++
  }

  function store(site: number, replacement: Extract<Replacement, { kind: 'load' | 'store' }>): void {
    const { Rt, offset } = replacement
    if (spare === undefined) { fallBack(site, replacement, 'the image has no spare page'); return }
    if (withoutStack.some(range => site >= range.start && site < range.end)) { fallBack(site, replacement, 'no stack yet'); return }
    const scratch = Rt === 16 ? 17 : 16
    const at = trampoline(site, here => [pushOne(scratch), adrp(scratch, here + 4, spare.page), str(Rt, scratch, offset), popOne(scratch)], 4)
    if (at === undefined) { fallBack(site, replacement, 'no room or reach for a trampoline'); return }
    words.set(site, branch(site, at))
    counts.trampoline++
  }

  for (const { start, end } of executable) {
    for (let site = start; site + 4 <= end && site + 4 <= base + image.length; site += 4) {
      if (spare !== undefined && site >= spare.text.start && site < spare.text.end) continue
      const replacement = classify(view.getUint32(site - base, true))
      switch (replacement.kind) {
        case 'keep': break
        case 'hvc': words.set(site, hvc(replacement.immediate)); counts.hvc++; break
        case 'constant': words.set(site, movz(replacement.Rt, replacement.value)); counts.constant++; break
        case 'redirect': words.set(site, replacement.word >>> 0); counts.redirect++; break
        case 'load': load(site, replacement); break
        case 'store': store(site, replacement); break
        case 'refused': left.push({ address: site, reason: replacement.reason }); break
        default: replacement satisfies never
      }
    }
  }
  return { words, pages: pagesOf(image, base, words), registerPage: spare?.page, report: { ...counts, left } }
}

function pagesOf(image: Uint8Array, base: number, words: ReadonlyMap<number, number>): Map<number, Uint8Array> {
  const pages = new Map<number, Uint8Array>()
  for (const [address, word] of words) {
    const page = address - address % PAGE
    let bytes = pages.get(page)
    if (bytes === undefined) {
      bytes = new Uint8Array(PAGE)
      bytes.set(image.subarray(Math.max(0, page - base), Math.max(0, page - base + PAGE)), Math.max(0, base - page))
      pages.set(page, bytes)
    }
    new DataView(bytes.buffer).setUint32(address - page, word, true)
  }
  return pages
}
