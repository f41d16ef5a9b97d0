/**
 * Pointer authentication (FEAT_PAuth; pseudocode AddPAC, Auth, Strip). The algorithm is IMPLEMENTATION DEFINED: a 64-bit mix on int32
 * halves. Traps and the SCTLR_ELx enables are applied here; the caller has a pointer in, a pointer out.
 */
import type { PacKey } from '../isa/semantics.ts'
import type { VaRange } from '../mmu/index.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'

const KEY_SLOTS = { IA: SLOT.APIAKeyLo_EL1, IB: SLOT.APIBKeyLo_EL1, DA: SLOT.APDAKeyLo_EL1, DB: SLOT.APDBKeyLo_EL1, GA: SLOT.APGAKeyLo_EL1 } as const
const KEY_SLOTS_HIGH = { IA: SLOT.APIAKeyHi_EL1, IB: SLOT.APIBKeyHi_EL1, DA: SLOT.APDAKeyHi_EL1, DB: SLOT.APDBKeyHi_EL1, GA: SLOT.APGAKeyHi_EL1 } as const
/** SCTLR_ELx.EnIA, EnIB, EnDA, EnDB. */
const ENABLE = { IA: 1 << 31, IB: 1 << 30, DA: 1 << 27, DB: 1 << 13, GA: 0 } as const

const rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n))

export class PointerAuthentication {
  readonly #core: Core
  readonly #words = new Int32Array(2)
  readonly #value = new BigUint64Array(this.#words.buffer)
  #low = 0
  #high = 0

  constructor(core: Core) { this.#core = core }

  /** SCTLR of the regime in force enables this key. */
  #enabled(key: PacKey): boolean {
    const core = this.#core, el = core.el
    const sctlr = core.pe.file.i32[2 * (el === 2 || (el === 0 && core.host(core.pe)) ? SLOT.SCTLR_EL2 : SLOT.SCTLR_EL1)]!
    return (sctlr & ENABLE[key]) !== 0
  }

  #mix(key: PacKey, low: number, high: number, modifier: bigint): void {
    const { i32 } = this.#core.pe.file, k = 2 * KEY_SLOTS[key], k2 = 2 * KEY_SLOTS_HIGH[key]
    this.#value[0] = modifier
    const m0 = this.#words[0]!, m1 = this.#words[1]!
    let a = low ^ i32[k]!, b = high ^ i32[k + 1]!, c = m0 ^ i32[k2]!, d = m1 ^ i32[k2 + 1]!
    for (let round = 0; round < 3; round++) {
      a = Math.imul(a ^ rotate(c, 7), 0x9e3779b1 | 0)
      b = Math.imul(b ^ rotate(d, 11), 0x85ebca77 | 0)
      c = Math.imul(c ^ rotate(b, 13), 0xc2b2ae3d | 0)
      d = Math.imul(d ^ rotate(a, 17), 0x27d4eb2f | 0)
    }
    this.#low = a ^ (c >>> 15) ^ rotate(d, 5)
    this.#high = b ^ (d >>> 13) ^ rotate(c, 9)
  }

  /** The VA range a pointer belongs to, and whether its top byte is data. */
  #range(high: number): VaRange {
    const { stage1 } = this.#core.el === 2 || (this.#core.el === 0 && this.#core.host(this.#core.pe)) ? this.#core.pe.views.el2() : this.#core.pe.views.el1()
    return (high & (1 << 23)) !== 0 ? stage1.upper ?? stage1.lower : stage1.lower
  }

  add(key: PacKey, pointer: bigint, modifier: bigint): bigint {
    if (!this.#enabled(key)) return pointer
    this.#value[0] = pointer
    const low = this.#words[0]!, high = this.#words[1]!, range = this.#range(high)
    const tbi = key === 'DA' || key === 'DB' ? range.topByteIgnored : range.topByteIgnoredForFetch
    // Bits of the high word that hold the address and the PAC.
    const bottom = Math.max(range.inputBits - 32, 0), addressMask = (1 << bottom) - 1
    const select = tbi ? (high >> 23) & 1 : high >>> 31
    const extended = select === 1 ? -1 : 0
    const canonicalHigh = (high & addressMask) | (extended & ~addressMask)
    const extendedHigh = tbi ? (canonicalHigh & 0x00ff_ffff) | (high & 0xff00_0000) : canonicalHigh
    this.#mix(key, low, extendedHigh, modifier)
    let pac = this.#high
    // A pointer that was not canonical must not authenticate later.
    const unused = (tbi ? 0x00ff_ffff : -1) & ~addressMask
    if ((high & unused) !== (extended & unused)) pac ^= tbi ? 1 << 22 : 1 << 30
    const pacMask = (tbi ? 0x007f_ffff : 0xff7f_ffff) & ~addressMask
    this.#words[0] = low
    this.#words[1] = (high & addressMask) | (pac & pacMask) | (select << 23) | (tbi ? high & 0xff00_0000 : 0)
    return this.#value[0]!
  }

  authenticate(key: PacKey, pointer: bigint, modifier: bigint): bigint {
    if (!this.#enabled(key)) return pointer
    this.#value[0] = pointer
    const low = this.#words[0]!, high = this.#words[1]!, range = this.#range(high)
    const tbi = key === 'DA' || key === 'DB' ? range.topByteIgnored : range.topByteIgnoredForFetch
    const bottom = Math.max(range.inputBits - 32, 0), addressMask = (1 << bottom) - 1
    const extended = (high & (1 << 23)) !== 0 ? -1 : 0
    const canonicalHigh = (high & addressMask) | (extended & ~addressMask)
    const original = tbi ? (canonicalHigh & 0x00ff_ffff) | (high & 0xff00_0000) : canonicalHigh
    this.#mix(key, low, original, modifier)
    const pacMask = (tbi ? 0x007f_ffff : 0xff7f_ffff) & ~addressMask
    this.#words[0] = low
    if ((this.#high & pacMask) === (high & pacMask)) this.#words[1] = original
    else {
      // error_code = key number : NOT(key number), in bits 54:53 or 62:61.
      const error = key === 'IA' || key === 'DA' ? 1 : 2
      this.#words[1] = tbi ? (original & ~(3 << 21)) | (error << 21) : (original & ~(3 << 29)) | (error << 29)
    }
    return this.#value[0]!
  }

  strip(data: boolean, pointer: bigint): bigint {
    this.#value[0] = pointer
    const high = this.#words[1]!, range = this.#range(high)
    const tbi = data ? range.topByteIgnored : range.topByteIgnoredForFetch
    const addressMask = (1 << Math.max(range.inputBits - 32, 0)) - 1
    const extended = (high & (1 << 23)) !== 0 ? -1 : 0
    const canonicalHigh = (high & addressMask) | (extended & ~addressMask)
    this.#words[1] = tbi ? (canonicalHigh & 0x00ff_ffff) | (high & 0xff00_0000) : canonicalHigh
    return this.#value[0]!
  }

  /** PACGA: the MAC in bits 63:32. */
  generic(value: bigint, modifier: bigint): bigint {
    this.#value[0] = value
    this.#mix('GA', this.#words[0]!, this.#words[1]!, modifier)
    this.#words[0] = 0
    this.#words[1] = this.#high
    return this.#value[0]!
  }

  /** AuthIA or AuthIB of the return address of ERETAA, ERETAB with SP as modifier. */
  authenticateReturn(key: 'IA' | 'IB', address: bigint): bigint { return this.authenticate(key, address, this.#core.engine.state.sp) }
}
