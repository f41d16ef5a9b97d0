/** Just enough of an assembler for generated guests: labels over the instruction rows (`isa/encode.ts`). */
import { encode } from '../src/isa/encode.ts'

type Fixup = 'ADR' | 'B' | 'BL' | 'CBZ' | 'CBNZ'

export class Assembler {
  readonly words: number[] = []
  readonly #labels = new Map<string, number>()
  readonly #fixups: { readonly at: number, readonly label: string, readonly kind: Fixup, readonly fields: Readonly<Record<string, number>> }[] = []

  get size(): number { return this.words.length * 4 }
  word(...words: readonly number[]): void { for (const word of words) this.words.push(word >>> 0) }
  /** The row of this name with these fields. */
  op(name: string, fields?: Readonly<Record<string, number>>): void { this.word(encode(name, fields)) }
  label(name: string): void { this.#labels.set(name, this.words.length) }
  /** Byte offset of a label that stands already. */
  offsetOf(name: string): number {
    const at = this.#labels.get(name)
    if (at === undefined) throw new Error(`no label ${name}`)
    return at * 4
  }
  align(bytes: number): void { while (this.size % bytes !== 0) this.nop() }

  adr(rd: number, label: string): void { this.#later('ADR', label, { Rd: rd }) }
  b(label: string): void { this.#later('B', label, {}) }
  bl(label: string): void { this.#later('BL', label, {}) }
  cbz(rt: number, label: string): void { this.#later('CBZ', label, { sf: 1, Rt: rt }) }
  cbnz(rt: number, label: string): void { this.#later('CBNZ', label, { sf: 1, Rt: rt }) }
  #later(kind: Fixup, label: string, fields: Readonly<Record<string, number>>): void {
    this.#fixups.push({ at: this.words.length, label, kind, fields })
    this.word(0)
  }

  /** MOVZ and MOVK. */
  mov(rd: number, value: bigint): void {
    const bits = BigInt.asUintN(64, value)
    this.op('MOVZ', { sf: 1, hw: 0, imm16: Number(bits & 0xffffn), Rd: rd })
    for (let part = 1; part < 4; part++) {
      const half = Number((bits >> BigInt(16 * part)) & 0xffffn)
      if (half !== 0) this.op('MOVK', { sf: 1, hw: part, imm16: half, Rd: rd })
    }
  }

  /** `key` is op0:op1:CRn:CRm:op2, bits [20:5] of the word: MSR and MRS (op0 = 2 or 3), SYS (op0 = 1). */
  msr(key: number, rt: number): void {
    const fields = { op1: (key >> 11) & 7, CRn: (key >> 7) & 15, CRm: (key >> 3) & 15, op2: key & 7, Rt: rt }
    if (key >> 14 === 1) this.op('SYS', fields)
    else this.op('MSR (register)', { ...fields, o0: (key >> 14) & 1 })
  }
  mrs(key: number, rt: number): void { this.op('MRS', { o0: (key >> 14) & 1, op1: (key >> 11) & 7, CRn: (key >> 7) & 15, CRm: (key >> 3) & 15, op2: key & 7, Rt: rt }) }
  addImmediate(rd: number, rn: number, imm12: number): void { this.op('ADD (immediate)', { sf: 1, imm12, Rn: rn, Rd: rd }) }
  subImmediate(rd: number, rn: number, imm12: number): void { this.op('SUB (immediate)', { sf: 1, imm12, Rn: rn, Rd: rd }) }
  /** ADD Xd, Xn, Xm, LSL #shift. */
  addShifted(rd: number, rn: number, rm: number, shift: number): void { this.op('ADD (shifted register)', { sf: 1, shift: 0, imm6: shift, Rm: rm, Rn: rn, Rd: rd }) }
  or(rd: number, rn: number, rm: number): void { this.op('ORR (shifted register)', { sf: 1, Rm: rm, Rn: rn, Rd: rd }) }
  shiftRight(rd: number, rn: number, shift: number): void { this.op('UBFM', { sf: 1, N: 1, immr: shift, imms: 63, Rn: rn, Rd: rd }) }
  shiftLeft(rd: number, rn: number, shift: number): void { this.op('UBFM', { sf: 1, N: 1, immr: 64 - shift, imms: 63 - shift, Rn: rn, Rd: rd }) }
  /** Xd = Xn & (2^bits - 1). */
  low(rd: number, rn: number, bits: number): void { this.op('AND (immediate)', { sf: 1, N: 1, immr: 0, imms: bits - 1, Rn: rn, Rd: rd }) }
  /** Offset scaled by the size. */
  load(rt: number, rn: number, sizeLog2: number, offset = 0): void { this.#access('LDR', rt, rn, sizeLog2, offset) }
  store(rt: number, rn: number, sizeLog2: number, offset = 0): void { this.#access('STR', rt, rn, sizeLog2, offset) }
  #access(name: 'LDR' | 'STR', rt: number, rn: number, sizeLog2: number, offset: number): void {
    const suffix = sizeLog2 === 0 ? 'B' : sizeLog2 === 1 ? 'H' : ''
    this.op(`${name}${suffix} (immediate, unsigned offset)`, { ...(sizeLog2 > 1 ? { sf: sizeLog2 - 2 } : {}), imm12: offset, Rn: rn, Rt: rt })
  }
  eret(): void { this.op('ERET') }
  hvc(imm16: number): void { this.op('HVC', { imm16 }) }
  smc(imm16: number): void { this.op('SMC', { imm16 }) }
  isb(): void { this.op('ISB', { CRm: 15 }) }
  dsb(): void { this.op('DSB', { CRm: 15 }) }
  nop(): void { this.op('NOP') }

  finish(): Uint8Array {
    for (const { at, label, kind, fields } of this.#fixups) {
      const words = this.offsetOf(label) / 4 - at
      if (kind === 'ADR') this.words[at] = encode('ADR', { ...fields, immlo: 0, immhi: words & 0x7_ffff })
      else if (kind === 'B' || kind === 'BL') this.words[at] = encode(kind, { imm26: words & 0x3ff_ffff })
      else this.words[at] = encode(kind, { ...fields, imm19: words & 0x7_ffff })
    }
    return new Uint8Array(new Uint32Array(this.words).buffer)
  }
}

/** A 32-bit xorshift: the same numbers from the same seed everywhere. */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = (Math.imul(seed, 0x9e37_79b9) + 0x85eb_ca6b) | 1
    // Neighbouring seeds begin alike.
    for (let i = 0; i < 8; i++) this.next()
  }
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }
  below(n: number): number { return this.next() % n }
  chance(percent: number): boolean { return this.below(100) < percent }
  pick<T>(values: readonly T[]): T { return values[this.below(values.length)]! }
  u64(): bigint { return (BigInt(this.next()) << 32n) | BigInt(this.next()) }
}
