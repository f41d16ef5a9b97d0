/**
 * Views: the translation regimes of a PE as parsed values, each with its TLB contexts (design D3). A view stands for one setting of all
 * the registers that decide how a regime translates; going back to a setting finds the old view and its contexts again, so a world
 * switch, an ASID or a VMID change flushes nothing. A view's keys are never used for another setting.
 */
import type { Feature } from '../arch/features.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { currentVmid, stage1Regime, stage2Regime } from '../mmu/index.ts'
import type { RegimeKind, Stage1, Stage2 } from '../mmu/index.ts'
import { SLOT } from '../sysreg/index.ts'

export interface View {
  readonly pe: number
  readonly kind: RegimeKind
  readonly stage1: Stage1
  readonly stage2: Stage2 | undefined
  readonly vmid: number
  readonly asid: number
  /** Values of the registers it was parsed from. */
  readonly signature: Int32Array
  /** SCTLR_ELx.A: data accesses must be aligned. */
  readonly alignmentCheck: boolean
  /** SCTLR_ELx.nAA (FEAT_LSE2). */
  readonly nAA: boolean
  /** Context keys: privileged, privileged with PAN, unprivileged. */
  readonly privileged: number
  readonly privilegedPAN: number
  readonly unprivileged: number
  /** A page of the lower VA range without an ASID has been entered: TLBI by VA and another ASID concerns it. */
  lowerGlobal: boolean
  used: number
}

/** HCR_EL2 bits that change a translation: VM, PTW, DC, TGE; CD, ID, E2H, NV, NV1, NV2, FWB. */
const HCR_LOW = 1 | (1 << 2) | (1 << 12) | (1 << 27)
const HCR_HIGH = 1 | 2 | (1 << 2) | (1 << 10) | (1 << 11) | (1 << 13) | (1 << 14)
/** SCTLR_ELx: M, A, C, nAA, I, WXN. */
const SCTLR_LOW = 1 | 2 | 4 | (1 << 6) | (1 << 12) | (1 << 19)

const SCTLR_A = 1 << 1, SCTLR_nAA = 1 << 6

/** Slot and masks of the words that make a signature. */
const EL1_WORDS: readonly (readonly [slot: number, low: number, high: number])[] = [
  [SLOT.TTBR0_EL1, -1, -1], [SLOT.TTBR1_EL1, -1, -1], [SLOT.VTTBR_EL2, -1, -1], [SLOT.HCR_EL2, HCR_LOW, HCR_HIGH], [SLOT.SCTLR_EL1, SCTLR_LOW, 0],
  [SLOT.TCR_EL1, -1, -1], [SLOT.MAIR_EL1, -1, -1], [SLOT.VTCR_EL2, -1, -1],
]
const EL2_WORDS: readonly (readonly [slot: number, low: number, high: number])[] = [
  [SLOT.TTBR0_EL2, -1, -1], [SLOT.TTBR1_EL2, -1, -1], [SLOT.HCR_EL2, HCR_LOW & ~1, 4], [SLOT.SCTLR_EL2, SCTLR_LOW, 0], [SLOT.TCR_EL2, -1, -1], [SLOT.MAIR_EL2, -1, -1],
]

/** All views of a machine by context key, for TLB maintenance. */
export class ViewRegistry {
  readonly #byKey = new Map<number, View>()
  #next = 1

  register(view: Omit<View, 'privileged' | 'privilegedPAN' | 'unprivileged'>): View {
    const base = this.#next * 4
    this.#next++
    const whole: View = { ...view, privileged: base, privilegedPAN: base + 1, unprivileged: base + 2 }
    for (let i = 0; i < 3; i++) this.#byKey.set(base + i, whole)
    return whole
  }

  /** Undefined for a view that was forgotten: its contexts are never selected again. */
  byKey(key: number): View | undefined { return this.#byKey.get(key) }

  forget(view: View): void {
    for (const key of [view.privileged, view.privilegedPAN, view.unprivileged]) this.#byKey.delete(key)
  }
}

const KEPT = 24

/** The views of one PE. */
export class PEViews {
  readonly #pe: number
  readonly #file: RegisterFile
  readonly #features: ReadonlySet<Feature>
  readonly #registry: ViewRegistry
  readonly #el1: View[] = []
  readonly #el2: View[] = []
  #clock = 0
  #current1: View | undefined
  #current2: View | undefined

  constructor(pe: number, file: RegisterFile, features: ReadonlySet<Feature>, registry: ViewRegistry) {
    this.#pe = pe
    this.#file = file
    this.#features = features
    this.#registry = registry
  }

  /** A register that decides EL1&0 (EL2 or EL2&0) translation has been written. */
  changedEL1(): void { this.#current1 = undefined }
  changedEL2(): void { this.#current2 = undefined }
  changedAll(): void { this.#current1 = this.#current2 = undefined }

  /** The EL1&0 view. */
  el1(): View { return this.#current1 ??= this.#find(this.#el1, EL1_WORDS, 'EL1&0') }
  /** The EL2 view or, with HCR_EL2.E2H, the EL2&0 view. */
  el2(): View {
    return this.#current2 ??= this.#find(this.#el2, EL2_WORDS, (this.#file.i32[2 * SLOT.HCR_EL2 + 1]! & 4) !== 0 ? 'EL2&0' : 'EL2')
  }

  #find(list: View[], words: typeof EL1_WORDS, kind: RegimeKind): View {
    const i32 = this.#file.i32
    search: for (const view of list) {
      for (let w = 0; w < words.length; w++) {
        const [slot, low, high] = words[w]!
        if ((i32[2 * slot]! & low) !== view.signature[2 * w] || (i32[2 * slot + 1]! & high) !== view.signature[2 * w + 1]) continue search
      }
      view.used = ++this.#clock
      return view
    }
    if (list.length >= KEPT) {
      const oldest = list.reduce((a, b) => a.used <= b.used ? a : b)
      this.#registry.forget(oldest)
      list.splice(list.indexOf(oldest), 1)
    }
    const view = this.#registry.register(this.#parse(words, kind))
    list.push(view)
    return view
  }

  #parse(words: typeof EL1_WORDS, kind: RegimeKind): Omit<View, 'privileged' | 'privilegedPAN' | 'unprivileged'> {
    const file = this.#file
    const signature = new Int32Array(words.length * 2)
    words.forEach(([slot, low, high], w) => {
      signature[2 * w] = file.i32[2 * slot]! & low
      signature[2 * w + 1] = file.i32[2 * slot + 1]! & high
    })
    const stage1 = stage1Regime(file, SLOT, this.#features, kind)
    const sctlr = file.i32[2 * (kind === 'EL1&0' ? SLOT.SCTLR_EL1 : SLOT.SCTLR_EL2)]!
    return {
      pe: this.#pe, kind, signature, stage1,
      stage2: kind === 'EL1&0' ? stage2Regime(file, SLOT, this.#features) : undefined,
      vmid: kind === 'EL1&0' ? currentVmid(file, SLOT, this.#features) : 0,
      asid: stage1.asid,
      alignmentCheck: (sctlr & SCTLR_A) !== 0,
      nAA: (sctlr & SCTLR_nAA) !== 0,
      lowerGlobal: false, used: ++this.#clock,
    }
  }
}
