/** Random instruction words and programs, reproducible from a seed. */
import { decode } from '../../isa/decode.ts'
import { encode } from '../../isa/encode.ts'
import { fieldsOf } from '../../isa/instruction.ts'
import type { Variant } from '../../isa/instruction.ts'
import { factsOf } from '../../isa/operands.ts'
import { VARIANTS } from '../../isa/table.ts'

/** xorshift128: enough for tests, the same everywhere. */
export class Random {
  private readonly s = new Int32Array(4)

  constructor(seed: number) {
    for (let i = 0; i < 4; i++) this.s[i] = Math.imul(seed + i + 1, 0x9e37_79b1) ^ (0x85eb_ca6b + i)
    for (let i = 0; i < 8; i++) this.word()
  }

  /** 32 random bits, unsigned. */
  word(): number {
    const { s } = this
    let t = s[3]!
    t ^= t << 11
    t ^= t >>> 8
    s[3] = s[2]!
    s[2] = s[1]!
    s[1] = s[0]!
    s[0] = t ^ s[0]! ^ (s[0]! >>> 19)
    return s[0]! >>> 0
  }

  below(n: number): number { return this.word() % n }
  chance(percent: number): boolean { return this.below(100) < percent }
  pick<T>(list: readonly T[]): T { return list[this.below(list.length)]! }
  wide(): bigint { return (BigInt(this.word()) << 32n) | BigInt(this.word()) }

  /** A 64-bit value of the kinds that find errors. */
  interesting(): bigint {
    switch (this.below(6)) {
      case 0: return BigInt(this.below(256))
      case 1: return BigInt.asUintN(64, -BigInt(this.below(256)))
      case 2: return BigInt.asUintN(64, (1n << BigInt(this.below(64))) - BigInt(this.below(2)))
      case 3: return this.pick([0n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn])
      default: return this.wide()
    }
  }
}

export interface Layout {
  /** Where the program is, and how many bytes it may use. */
  readonly codeBase: number
  readonly codeSize: number
  readonly dataBase: number
  readonly dataSize: number
}

/** What a program may consist of: everything with semantics, except what ends in the CPU by definition. */
export const runnable = (variant: Variant): boolean => variant.row.implemented

const adr = (rd: number, distance: number): number => (0x1000_0000 | ((distance & 3) << 29) | (((distance >> 2) & 0x7_ffff) << 5) | rd) >>> 0
/** MOVZ Xd, #imm16. */
const movz = (rd: number, value: number): number => (0xd280_0000 | (value << 5) | rd) >>> 0
/** ADD SP, Xn, #0. */
const movSp = (rn: number): number => (0x9100_001f | (rn << 5)) >>> 0

/** A word of `variant`; undefined when none was found that is neither another instruction nor unpredictable. */
export function randomWord(variant: Variant, random: Random, fixed: Readonly<Record<string, number>> = {}): number | undefined {
  for (let attempt = 0; attempt < 20; attempt++) {
    const values: Record<string, number> = { ...variant.statics }
    for (const field of variant.row.fields) {
      if (!field.dynamic) continue
      // Later attempts prefer all ones and zero: fields that should be so.
      const ones = 2 ** field.width - 1
      values[field.name] = fixed[field.name] ?? (attempt > 0 && random.chance(60) ? random.pick([0, ones, ones]) : (random.word() & ones) >>> 0)
    }
    const word = encode(variant.row, values)
    if (decode(word) === variant && !variant.row.unpredictable(fieldsOf(variant.row, word))) return word
  }
  return undefined
}

/** What often follows: a branch on the flags just set, the store-exclusive of a load-exclusive. */
function companionOf(variant: Variant, word: number, random: Random, room: number): number | undefined {
  const { name } = variant.row
  if (factsOf(variant).writesFlags && random.chance(60)) {
    return encode('B.cond', { cond: random.below(16), imm19: random.below(Math.max(1, Math.min(8, room))) + 1 })
  }
  if (!/^LDA?X[RP]/.test(name) || random.chance(40)) return undefined
  const store = VARIANTS.find(v => v.row.name === name.replace('LD', 'ST').replace('A', 'L') && v.statics['sf'] === variant.statics['sf'])!
  return randomWord(store, random, { Rn: (word >>> 5) & 31 })
}

/** Fills the code area with instructions of `variants`, with some that make base registers and branches sensible. */
export function randomProgram(random: Random, layout: Layout, variants: readonly Variant[] = VARIANTS.filter(runnable)): Uint32Array {
  const program = new Uint32Array(layout.codeSize / 4)
  let at = 0
  const put = (word: number): void => { if (at < program.length) program[at++] = word }
  const here = (): number => layout.codeBase + at * 4
  const somewhere = (): number => {
    // Mostly data, aligned; sometimes code, sometimes misaligned, sometimes the end of a page.
    const base = random.chance(3) ? layout.codeBase + random.below(layout.codeSize) : layout.dataBase + 0x1000 + random.below(layout.dataSize - 0x2000)
    if (random.chance(10)) return base
    return random.chance(10) ? (base | 0xfff) - random.below(24) : base & ~15
  }
  while (at < program.length) {
    const variant = random.pick(variants)
    const fixed: Record<string, number> = {}
    const facts = factsOf(variant)
    const { row } = variant
    const has = (name: string): boolean => row.fields.some(field => field.name === name)
    if ((facts.loads || facts.stores) && has('Rn') && random.chance(85)) {
      const base = random.chance(10) ? 31 : random.below(30)
      fixed['Rn'] = base
      if (base === 31) {
        put(adr(29, somewhere() - here()))
        put(movSp(29))
      } else {
        put(adr(base, somewhere() - here()))
      }
      if (has('Rm') && base !== 5) {
        fixed['Rm'] = 5
        put(movz(5, random.below(512)))
      }
    } else if (facts.controlFlow && has('Rn') && !facts.system) {
      const base = random.below(30)
      fixed['Rn'] = base
      put(adr(base, (random.below(program.length) - at) * 4))
    } else if (facts.controlFlow) {
      // Targets within the code area, forwards more often than backwards.
      const target = random.chance(80) ? at + 1 + random.below(12) : random.below(program.length)
      for (const name of ['imm26', 'imm19', 'imm14']) {
        const field = row.fields.find(f => f.name === name)
        if (field !== undefined) fixed[name] = ((target - at) & (2 ** field.width - 1)) >>> 0
      }
    }
    const word = randomWord(variant, random, fixed)
    if (word === undefined) continue
    put(word)
    const companion = companionOf(variant, word, random, program.length - at)
    if (companion !== undefined) put(companion)
  }
  return program
}
