/**
 * Pointer authentication (FEAT_PAuth) at the speed of function calls: the algorithm of isa/pauth-algorithm.ts on int32 halves, with
 * the keys, enables and pointer layout of the PE that runs now. Traps are the caller's.
 */
import type { RegisterFile } from '../arch/register-file.ts'
import type { PacKey } from '../isa/semantics.ts'
import type { RegimeKind, Stage1, VaRange } from '../mmu/index.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'

const KEY_SLOTS = {
  IA: [SLOT.APIAKeyLo_EL1, SLOT.APIAKeyHi_EL1], IB: [SLOT.APIBKeyLo_EL1, SLOT.APIBKeyHi_EL1], DA: [SLOT.APDAKeyLo_EL1, SLOT.APDAKeyHi_EL1],
  DB: [SLOT.APDBKeyLo_EL1, SLOT.APDBKeyHi_EL1], GA: [SLOT.APGAKeyLo_EL1, SLOT.APGAKeyHi_EL1],
} as const
/** SCTLR_ELx.EnIA, EnIB, EnDA, EnDB. */
const ENABLE = { IA: 1 << 31, IB: 1 << 30, DA: 1 << 27, DB: 1 << 13, GA: 0 } as const
/** The multiplier of the hash, 0xd6e8_feb8_6659_fd93. */
const MULTIPLIER_LOW = 0x6659fd93, MULTIPLIER_HIGH = 0xd6e8feb8 | 0

/** High word of the 64-bit product of two unsigned 32-bit numbers. */
function highWord(a: number, b: number): number {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16
  const middle = a1 * b0 + ((a0 * b0) >>> 16), low = (middle & 0xffff) + a0 * b1
  return (a1 * b1 + Math.floor(middle / 0x1_0000) + Math.floor(low / 0x1_0000)) | 0
}

/** How pointers of one VA range look, over their high word. */
interface Layout {
  /** Address bits below the code (CalculateBottomPACBit). */
  readonly address: number
  /** Top byte ignored: for instruction and for data pointers. */
  readonly ignored: readonly [instruction: boolean, data: boolean]
}

export class PointerAuthentication {
  readonly #core: Core
  readonly #words = new Int32Array(2)
  readonly #value = new BigUint64Array(this.#words.buffer)
  #low = 0
  #high = 0
  /** Of the view in use: lower and upper range, and SCTLR_ELx with the enables. */
  #lower!: Layout
  #upper!: Layout
  #anyIgnored: readonly [instruction: boolean, data: boolean] = [false, false]
  #stage1: Stage1 | undefined
  #i32!: Int32Array
  #sctlr = 0

  constructor(core: Core) { this.#core = core }

  /** The CPU has selected this view for the current EL, or SCTLR_ELx has changed. */
  select(view: { readonly kind: RegimeKind, readonly stage1: Stage1 }, pe: { readonly file: RegisterFile }): void {
    this.#i32 = pe.file.i32
    this.#sctlr = this.#i32[2 * (view.kind === 'EL1&0' ? SLOT.SCTLR_EL1 : SLOT.SCTLR_EL2)]!
    const { stage1 } = view
    if (stage1 === this.#stage1) return
    this.#stage1 = stage1
    this.#lower = layoutOf(stage1.lower)
    this.#upper = stage1.upper === undefined ? this.#lower : layoutOf(stage1.upper)
    this.#anyIgnored = [this.#lower.ignored[0] || this.#upper.ignored[0], this.#lower.ignored[1] || this.#upper.ignored[1]]
  }

  /** One round on (#high, #low). */
  #mix(): void {
    let low = this.#low, high = this.#high
    for (let i = 0; i < 2; i++) {
      low ^= high
      high = (highWord(low, MULTIPLIER_LOW) + Math.imul(low, MULTIPLIER_HIGH) + Math.imul(high, MULTIPLIER_LOW)) | 0
      low = Math.imul(low, MULTIPLIER_LOW)
    }
    this.#low = low ^ high
    this.#high = high
  }

  /** ComputePAC() into (#high, #low). */
  #compute(key: PacKey, low: number, high: number, modifier: bigint): void {
    const i32 = this.#i32, [keyLow, keyHigh] = KEY_SLOTS[key]
    this.#value[0] = modifier
    this.#low = low ^ i32[2 * keyLow]!
    this.#high = high ^ i32[2 * keyLow + 1]!
    this.#mix()
    this.#low ^= this.#words[0]!
    this.#high ^= this.#words[1]!
    this.#mix()
    this.#low ^= i32[2 * keyHigh]!
    this.#high ^= i32[2 * keyHigh + 1]!
    this.#mix()
  }

  add(key: PacKey, pointer: bigint, modifier: bigint): bigint {
    if ((this.#sctlr & ENABLE[key]) === 0) return pointer
    this.#value[0] = pointer
    const low = this.#words[0]!, high = this.#words[1]!, data = key === 'DA' || key === 'DB' ? 1 : 0
    const select = this.#anyIgnored[data] ? (high >>> 23) & 1 : high >>> 31, upper = select === 1
    const layout = upper ? this.#upper : this.#lower, tbi = layout.ignored[data]!
    const extension = (tbi ? 0x00ff_ffff : -1) & ~layout.address
    this.#compute(key, low, upper ? high | extension : high & ~extension, modifier)
    // A pointer that was not canonical gets a code that will not authenticate.
    const found = high & extension
    const pac = found !== 0 && found !== extension ? this.#high ^ (tbi ? 1 << 22 : 1 << 30) : this.#high
    const inserted = codeMask(tbi) & ~layout.address
    this.#words[0] = low
    this.#words[1] = (high & ~inserted & ~(1 << 23)) | (pac & inserted) | (select << 23)
    return this.#value[0]!
  }

  authenticate(key: PacKey, pointer: bigint, modifier: bigint): bigint {
    if ((this.#sctlr & ENABLE[key]) === 0) return pointer
    this.#value[0] = pointer
    const low = this.#words[0]!, high = this.#words[1]!, upper = (high & (1 << 23)) !== 0
    const layout = upper ? this.#upper : this.#lower, tbi = layout.ignored[key === 'DA' || key === 'DB' ? 1 : 0]
    const extension = (tbi ? 0x00ff_ffff : -1) & ~layout.address, original = upper ? high | extension : high & ~extension
    this.#compute(key, low, original, modifier)
    const matches = ((this.#high ^ high) & codeMask(tbi) & ~layout.address) === 0
    const position = tbi ? 21 : 29
    this.#words[0] = low
    this.#words[1] = matches ? original : (original & ~(3 << position)) | ((key === 'IA' || key === 'DA' ? 1 : 2) << position)
    return this.#value[0]!
  }

  strip(data: boolean, pointer: bigint): bigint {
    this.#value[0] = pointer
    const high = this.#words[1]!, upper = (high & (1 << 23)) !== 0, layout = upper ? this.#upper : this.#lower
    const extension = (layout.ignored[data ? 1 : 0] ? 0x00ff_ffff : -1) & ~layout.address
    this.#words[1] = upper ? high | extension : high & ~extension
    return this.#value[0]!
  }

  /** PACGA: the upper half of the hash. */
  generic(value: bigint, modifier: bigint): bigint {
    this.#value[0] = value
    this.#compute('GA', this.#words[0]!, this.#words[1]!, modifier)
    this.#words[0] = 0
    this.#words[1] = this.#high
    return this.#value[0]!
  }

  /** AuthIA or AuthIB of the return address of ERETAA, ERETAB with SP as modifier. */
  authenticateReturn(key: 'IA' | 'IB', address: bigint): bigint { return this.authenticate(key, address, this.#core.engine.state.sp) }
}

function layoutOf(range: VaRange): Layout {
  const bits = range.inputBits - 32
  return { address: bits <= 0 ? 0 : (1 << bits) - 1, ignored: [range.topByteIgnoredForFetch, range.topByteIgnored] }
}
/** The bits of the high word that a code may take. */
const codeMask = (tbi: boolean): number => tbi ? 0x007f_ffff : 0xff7f_ffff | 0
