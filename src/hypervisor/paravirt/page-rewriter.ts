/**
 * Rewrites one page of a guest hypervisor at a time, as virtual EL2 comes to execute it (`nested/code-pages.ts` keeps the copies). Every
 * word is looked at, code or data: nothing says which it is, and what is not rewritten must not be reachable by a jump.
 *
 * Reads of a copy by virtual EL2. They return the page but for the words that were rewritten, and of those:
 *   a literal load in the page itself is rewritten to bring the bytes of the page;
 *   an `hvc` that was read, and is executed at virtual EL2 from where it was written to, does there what its instruction would have done:
 *   code that is moved or saved and restored goes on working. So an `hvc` of a class of `encoding.ts` that L0 has written somewhere in this
 *   VM is taken for it, and any other `hvc` with such an immediate is the guest hypervisor's own and gets a number of `ESCAPES`.
 * What is left, and differs from the original: a load other than a literal of the same page from the word of an instruction that only a
 * hypervisor has.
 */
import { syndrome, issOf, ecOf, EC } from '../../arch/esr.ts'
import { COUNT, FLAG, integer, list, listOf, objectOf, TEXT, value, WORD64 } from '../../arch/saved-state.ts'
import type { Saved } from '../../arch/saved-state.ts'
import { classifier, type Classifier, type Imitation } from './classify.ts'
import { CLASS, escapeOf, ESCAPES, immediateOfEscape, trappedSyndrome } from './encoding.ts'
import type { StandsFor } from '../vm.ts'
import { hvc, movz, nop } from './instructions.ts'
import type { Plan } from './rewrite.ts'

export type SiteKind = 'hvc' | 'literal' | 'trampoline' | 'redirect' | 'constant' | 'escape' | 'left'
export type Sites = Readonly<Record<SiteKind, number>>
const KINDS: readonly SiteKind[] = ['hvc', 'literal', 'trampoline', 'redirect', 'constant', 'escape', 'left']
const noSites = (): Record<SiteKind, number> => ({ hvc: 0, literal: 0, trampoline: 0, redirect: 0, constant: 0, escape: 0, left: 0 })

/** What was executed at virtual EL2. Sites are counted once per page, as the page was when it was last rewritten. */
export interface ExecutedReport {
  readonly pages: number
  /** Pages that needed a copy. */
  readonly rewritten: number
  /** Times that a page became code, and that a write made it data again. */
  readonly copies: number
  readonly withdrawn: number
  /** `left`: deferred accesses of the NEVE form that trap, because no page is in reach (they are an `hvc`, and counted there as well). */
  readonly sites: Sites
  /** Instructions that would have to be rewritten and cannot be. */
  readonly refused: readonly Refused[]
}
export interface Refused { readonly address: number, readonly reason: string }

const PAGE = 4096
/** Pages of the largest memory that a VM can have: more in a snapshot is damage. */
const PAGES_SAVED = 2 ** 20
/** LDR and LDRSW (literal) of a general register: opc 00, 01, 10 (bits 31:30), V (bit 26) 0. */
const isLiteralLoad = (word: number): boolean => ((word >>> 24) & 0x3f) === 0x18 && (word >>> 30) !== 3
const isHvc = (word: number): boolean => ((word & 0xffe0_001f) >>> 0) === 0xd400_0002

export class PageRewriter {
  readonly #classify: Classifier
  #plan: Plan | undefined
  /** Numbers that were given out for `StandsFor`, by what they stand for. */
  readonly #escapes: StandsFor[] = []
  readonly #numbers = new Map<string, number>()
  /** Immediates of `hvc` that L0 has written in this VM. */
  readonly #written = new Set<number>()
  readonly #pages = new Map<number, { readonly sites: Sites, readonly refused: readonly Refused[] }>()
  #copies = 0
  #withdrawn = 0

  /** `plan`: words of the image that were rewritten before it ran, with trampolines. */
  constructor(imitation: Imitation, plan?: Plan) {
    this.#classify = classifier(imitation)
    this.#plan = plan
  }

  companions(): readonly number[] { return this.#plan?.trampolinePages ?? [] }
  withdrawn(): void { this.#withdrawn++ }

  standsFor(exit: number): StandsFor | undefined {
    if (ecOf(exit) !== EC.HVC64) return undefined
    const number = escapeOf(issOf(exit) & 0xffff)
    if (number !== undefined) return this.#escapes[number]
    const trapped = trappedSyndrome(exit)
    return trapped === undefined ? undefined : { kind: 'trap', syndrome: trapped }
  }

  rewrite(ipa: number, original: Uint8Array): Uint8Array | undefined | 'void' {
    const from = new DataView(original.buffer, original.byteOffset, PAGE), copy = original.slice(0, PAGE), to = new DataView(copy.buffer)
    const plan = this.#plan
    if (plan !== undefined && plan.trampolinePages.includes(ipa) && !plan.stillHolds(ipa, from)) {
      // Something else stands where the trampolines were to be: no page may branch there any more.
      this.#plan = undefined
      return 'void'
    }
    const sites = noSites(), refused: Refused[] = []
    const put = (at: number, kind: SiteKind, word: number): void => {
      to.setUint32(at, word, true)
      sites[kind]++
      this.#note(word)
    }
    for (let at = 0; at < PAGE; at += 4) {
      const word = from.getUint32(at, true), planned = plan?.at(ipa + at, word)
      if (planned !== undefined) {
        to.setUint32(at, planned.word, true)
        if (planned.kind !== undefined) sites[planned.kind]++
        if (planned.kind === 'left') sites.hvc++
        this.#note(planned.word)
        continue
      }
      const replacement = this.#classify(word)
      switch (replacement.kind) {
        case 'keep': {
          if (!isHvc(word)) break
          const imm16 = (word >>> 5) & 0xffff
          if (imm16 < CLASS.mrs << 13 || this.#written.has(imm16)) break
          const number = this.#escape(`hvc ${imm16}`, { kind: 'hvc', syndrome: syndrome.hvc(imm16) })
          if (number === undefined) return 'void'
          put(at, 'escape', hvc(immediateOfEscape(number)))
          break
        }
        case 'hvc': put(at, 'hvc', hvc(replacement.immediate)); break
        case 'constant': put(at, 'constant', replacement.Rt === 31 ? nop : movz(replacement.Rt, replacement.value)); break
        case 'redirect': put(at, 'redirect', replacement.word >>> 0); break
        case 'load': case 'store':
          put(at, 'hvc', hvc(replacement.immediate))
          sites.left++
          break
        case 'refused': refused.push({ address: ipa + at, reason: replacement.reason }); break
        default: replacement satisfies never
      }
    }
    if (!this.#literals(from, to, put)) return 'void'
    this.#copies++
    this.#pages.set(ipa, { sites, refused })
    return copy.some((byte, i) => byte !== original[i]) ? copy : undefined
  }

  /** Loads of bytes of this page that the copy does not have. False: no number is left. */
  #literals(from: DataView, to: DataView, put: (at: number, kind: SiteKind, word: number) => void): boolean {
    for (let at = 0; at < PAGE; at += 4) {
      const word = from.getUint32(at, true)
      if (!isLiteralLoad(word) || to.getUint32(at, true) !== word) continue
      const opc = word >>> 30, size = opc === 1 ? 8 : 4, target = at + (((word << 8) >> 13) << 2)
      if (target < 0 || target + size > PAGE) continue
      if (from.getUint32(target, true) === to.getUint32(target, true) && (size === 4 || from.getUint32(target + 4, true) === to.getUint32(target + 4, true))) continue
      const value = opc === 1 ? from.getBigUint64(target, true) : opc === 0 ? BigInt(from.getUint32(target, true)) : BigInt.asUintN(64, BigInt(from.getInt32(target, true)))
      const Rt = word & 31, number = this.#escape(`load ${Rt} ${value}`, { kind: 'load', Rt, value })
      if (number === undefined) return false
      put(at, 'escape', hvc(immediateOfEscape(number)))
    }
    return true
  }

  #note(word: number): void { if (isHvc(word)) this.#written.add((word >>> 5) & 0xffff) }

  /** Undefined: all numbers were given out, and from now on none is. One page needs less than all. */
  #escape(key: string, meaning: StandsFor): number | undefined {
    let number = this.#numbers.get(key)
    if (number !== undefined) return number
    if (this.#escapes.length >= ESCAPES) {
      this.#escapes.length = 0
      this.#numbers.clear()
      return undefined
    }
    number = this.#escapes.push(meaning) - 1
    this.#numbers.set(key, number)
    return number
  }

  /** What L1's memory may have in it, and the plan: both outlive copies. */
  saveState(): Saved {
    return {
      planned: this.#plan !== undefined, written: [...this.#written], copies: this.#copies, withdrawn: this.#withdrawn,
      escapes: this.#escapes.map(meaning => meaning.kind === 'load' ? [meaning.Rt, meaning.value] : [meaning.syndrome]),
      pages: [...this.#pages].map(([ipa, { sites, refused }]) => ({ ipa, sites: KINDS.map(kind => sites[kind]), refused: refused.map(each => ({ ...each })) })),
    }
  }

  restoreState(saved: Saved, path: string): void {
    const { planned, written, copies, withdrawn, escapes, pages } = objectOf(saved, path)
    if (!FLAG.restore(planned, `${path}.planned`, false)) this.#plan = undefined
    this.#written.clear()
    for (const imm16 of list(integer(0, 0xffff), 0x1_0000).restore(written, `${path}.written`, [])) this.#written.add(imm16)
    this.#copies = COUNT.restore(copies, `${path}.copies`, 0)
    this.#withdrawn = COUNT.restore(withdrawn, `${path}.withdrawn`, 0)
    this.#escapes.length = 0
    this.#numbers.clear()
    for (const [i, each] of listOf(escapes, `${path}.escapes`, ESCAPES).entries()) {
      const at = `${path}.escapes[${i}]`, [first, value] = listOf(each, at, 2)
      if (value === undefined) {
        const exit = integer(0, 0xffff_ffff).restore(first, at, 0)
        this.#escape(`hvc ${issOf(exit) & 0xffff}`, { kind: 'hvc', syndrome: exit })
      } else {
        const Rt = integer(0, 31).restore(first, at, 0), bytes = WORD64.restore(value, at, 0n)
        this.#escape(`load ${Rt} ${bytes}`, { kind: 'load', Rt, value: bytes })
      }
    }
    this.#pages.clear()
    for (const [i, each] of listOf(pages, `${path}.pages`, PAGES_SAVED).entries()) {
      const at = `${path}.pages[${i}]`, { ipa, sites, refused } = objectOf(each, at)
      const counts = list(COUNT, KINDS.length).restore(sites, `${at}.sites`, [])
      this.#pages.set(COUNT.restore(ipa, `${at}.ipa`, 0), {
        sites: Object.fromEntries(KINDS.map((kind, n) => [kind, counts[n] ?? 0])) as Sites,
        refused: list(value<Refused>({ address: COUNT, reason: TEXT }), PAGE / 4).restore(refused, `${at}.refused`, []),
      })
    }
  }

  report(): ExecutedReport {
    const sites = noSites(), all = [...this.#pages.values()]
    for (const each of all) for (const kind of KINDS) sites[kind] += each.sites[kind]
    return {
      pages: all.length, rewritten: all.filter(each => KINDS.some(kind => each.sites[kind] > 0)).length, copies: this.#copies, withdrawn: this.#withdrawn,
      sites, refused: all.flatMap(({ refused }) => refused),
    }
  }
}
