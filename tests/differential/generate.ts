/** Test cases from instruction rows: random and edge operands, with memory operands led into the window and branches to landing pads. */
import { decode } from '../../src/isa/decode.ts'
import { encode } from '../../src/isa/encode.ts'
import type { FpBits } from '../../src/isa/fp-operation.ts'
import { fieldsOf, type Row, type Variant } from '../../src/isa/instruction.ts'
import { createOracleState, Oracle } from '../../src/isa/oracle.ts'
import { factsOf } from '../../src/isa/operands.ts'
import { variantsOf } from '../../src/isa/table.ts'
import { branchPadAddress, entryAddress, MINIMUM_SLOTS } from './layout.ts'
import { OracleCpu } from './oracle-cpu.ts'
import { Random } from '../../src/isa/testing/random.ts'
import { floatingPointRegister } from '../../src/isa/testing/floats.ts'
import { type CpuState, createState, type TestCase, WINDOW_ADDRESS, WINDOW_BYTES } from './subject.ts'

const EDGES: readonly bigint[] = [
  0n, 1n, 2n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n, 0xffff_ffff_0000_0000n, 0xffff_ffff_8000_0000n, 0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn,
]

function randomValue(r: Random): bigint {
  switch (r.below(4)) {
    case 0: return r.pick(EDGES)
    case 1: return BigInt.asUintN(64, r.pick(EDGES) + BigInt(r.below(5) - 2))
    case 2: return r.bits64() >> BigInt(r.below(64))
    default: return r.bits64()
  }
}

const CUMULATIVE = 0x0800_009f, IXC = 0x10

function randomState(r: Random, pc: bigint, formats: readonly FpBits[]): CpuState {
  const s = createState()
  for (let i = 0; i < 31; i++) s.x[i] = randomValue(r)
  for (let i = 0; i < 64; i++) s.v[i] = randomValue(r)
  for (let i = 0; i < 32; i++) {
    if (formats.length === 0 || r.chance(8)) continue
    const value = floatingPointRegister(r, r.pick(formats))
    s.v[2 * i] = BigInt.asUintN(64, value)
    s.v[2 * i + 1] = value >> 64n
  }
  // RMode, FZ, DN, AHP; the cumulative flags and QC.
  if (r.chance(2)) s.fpcr = ((r.below(4) << 22) | (r.below(8) << 24)) >>> 0
  s.fpsr = r.pick([0, IXC, r.bits() & CUMULATIVE])
  for (let i = 0; i < WINDOW_BYTES; i++) s.window[i] = r.chance(8) ? 0 : r.below(256)
  s.sp = r.chance(2) ? randomValue(r) : randomValue(r) & ~15n
  s.pc = pc
  s.nzcv = r.below(16)
  return s
}

/** A word of `variant` that decodes to it and is not unpredictable. */
function randomWord(r: Random, variant: Variant): number | undefined {
  const { row, statics } = variant
  const fixed = encode(row, statics), mask = row.fields.reduce((m, f) => f.dynamic ? m : m | ((2 ** f.width - 1) << f.lsb), row.mask)
  for (let attempt = 0; attempt < 5000; attempt++) {
    let word = ((r.bits() & ~mask) | fixed) >>> 0
    for (const field of row.fields) {
      if (!field.dynamic) continue
      const ones = 2 ** field.width - 1
      const put = (value: number): void => { word = ((word & ~(ones << field.lsb)) | (value << field.lsb)) >>> 0 }
      if (field.width === 5 && /^[RV]/.test(field.name)) {
        const choice = r.below(5)
        if (choice === 0) put(31)
        else if (choice === 1) put(fieldsOf(row, word)[r.pick(row.fields.filter(f => f.width === 5)).name]!)
      } else if (r.chance(3)) {
        put(r.pick([0, 1, ones >>> 1, (ones >>> 1) + 1, ones - 1, ones]) & ones)
      }
    }
    // The (1)(1)(1)(1)(1) fields are what chance does not find.
    if (attempt % 2 === 1) for (const field of row.fields) if (field.name === 'Rs' || field.name === 'Rt2' || field.name === 'Ra') word = (word | (31 << field.lsb)) >>> 0
    if (decode(word) === variant && !row.unpredictable(fieldsOf(row, word))) return word
  }
  return undefined
}

const setField = (row: Row, word: number, name: string, value: number): number => encode(row, { ...fieldsOf(row, word), [name]: value })
const hasField = (row: Row, name: string): boolean => row.fields.some(field => field.name === name)

/** Address of the first memory access of `word` in `state`, if it makes one. */
function firstAddress(variant: Variant, word: number, state: CpuState): bigint | undefined {
  let first: bigint | undefined
  const oracleState = createOracleState()
  state.x.forEach((value, i) => { oracleState.x[i] = value })
  oracleState.sp = state.sp
  oracleState.pc = state.pc
  const memory = {
    load: (address: bigint) => { first ??= address; return undefined },
    store: (address: bigint) => { first ??= address; return false },
  }
  const oracle = new Oracle(oracleState, { memory, checkSP: false })
  oracle.run(variant, word)
  return first
}

/** Makes the instruction's memory operand lie in the window, by its base register or literal offset. The caller checks the result. */
function aim(r: Random, row: Row, word: number, pc: bigint, state: CpuState): number {
  const variant = decode(word)!
  // Where an exclusive store looks first, at its alignment or at the monitor, is a PE's choice.
  const target = WINDOW_ADDRESS + BigInt(/^STL?X/.test(row.name) || r.chance(3) ? 16 * r.below(WINDOW_BYTES / 16) : r.below(WINDOW_BYTES))
  if (!hasField(row, 'Rn')) {
    const imm19 = Number((BigInt.asIntN(64, target - pc)) >> 2n) & 0x7_ffff
    return setField(row, word, 'imm19', imm19)
  }
  const Rn = fieldsOf(row, word).Rn!
  if (Rn === 31) state.sp &= ~15n
  const address = firstAddress(variant, word, state)
  // Exclusive stores tell no address: theirs is the base.
  const delta = target - (address ?? (Rn === 31 ? state.sp : state.x[Rn]!))
  if (Rn === 31) state.sp = BigInt.asUintN(64, state.sp + delta)
  else state.x[Rn] = BigInt.asUintN(64, state.x[Rn]! + delta)
  return word
}

interface Draft { words: number[], unknown: number[] }

/** Puts before `word` what it needs: a load-exclusive for exclusive stores, a PAC for what authenticates. */
function prelude(r: Random, row: Row, word: number, state: CpuState, target: bigint): Draft | undefined {
  const f = fieldsOf(row, word)
  if (/^STL?X/.test(row.name)) {
    if (r.chance(4)) return { words: [word], unknown: [] }
    const pair = row.name.endsWith('P')
    const name = pair ? 'LDXP' : `LDXR${/[BH]$/.exec(row.name)?.[0] ?? ''}`
    const load = encode(name, { ...(f.sf === undefined ? {} : { sf: f.sf }), Rs: 31, Rt2: pair ? 30 : 31, Rn: f.Rn!, Rt: 31 })
    if (pair && f.Rn === 30) return undefined
    return { words: r.chance(6) ? [load, encode('CLREX', { CRm: 15 }), word] : [load, word], unknown: [] }
  }
  if (!/^(AUT|BLRA|BRA|RETA|LDRA)/.test(row.name)) return { words: [word], unknown: [] }
  const setX = (n: number, value: bigint): void => { if (n !== 31) state.x[n] = value }
  if (row.name.startsWith('AUT')) {
    // Canonical pointers only: with FEAT_PAuth2 and FEAT_FPAC, which -cpu max may have, others end differently.
    const pointer = r.chance(2) ? (r.bits64() & 0xff00_ffff_ffff_ffffn) : r.bits64() | 0xffff_0000_0000_0000n
    if (!hasField(row, 'Rd')) {
      setX(row.name.endsWith('1716') ? 17 : 30, pointer)
      return { words: [encode(row.name.replace('AUT', 'PAC')), word], unknown: [] }
    }
    if (f.Rd === f.Rn || f.Rd === 31) return undefined
    setX(f.Rd!, pointer)
    return { words: [encode(row.name.replace('AUT', 'PAC'), f), word], unknown: [] }
  }
  const letter = /^(?:BLRA|BRA|RETA|LDRA)([AB])/.exec(row.name)![1]!
  if (row.name.startsWith('RET')) {
    setX(30, target)
    return { words: [encode(`PACI${letter}SP`), word], unknown: [30] }
  }
  if (row.name.startsWith('LDR')) {
    if (f.Rn === 31) return undefined
    const written = row.name.includes('pre-index') || f.Rt === f.Rn
    return { words: [encode(`PACDZ${letter}`, { Rd: f.Rn! }), word], unknown: written ? [] : [f.Rn!] }
  }
  if (f.Rn === 31 || f.Rn === f.Rm) return undefined
  // qemu-aarch64 10.0 stops at an assertion of its own (gen_pc_plus_diff) for BRAA with another register than X16 and X17.
  if (/^BRA[AB]$/.test(row.name) && f.Rn !== 16 && f.Rn !== 17) return undefined
  setX(f.Rn!, target)
  const sign = row.name.endsWith('Z') ? encode(`PACIZ${letter}`, { Rd: f.Rn! }) : encode(`PACI${letter}`, { Rd: f.Rn!, Rn: f.Rm! })
  return { words: [sign, word], unknown: f.Rn === 30 && row.name.startsWith('BLR') ? [] : [f.Rn!] }
}

const BRANCH_FIELDS = ['imm26', 'imm19', 'imm14'] as const

/** One attempt at a case of `variant` for slot `index`. */
function attempt(r: Random, variant: Variant, index: number): TestCase | undefined {
  const { row } = variant
  let word = randomWord(r, variant)
  if (word === undefined) return undefined
  const facts = factsOf(variant), state = randomState(r, entryAddress(index), facts.formats)
  const branch = facts.controlFlow && !facts.system
  const direct = branch ? BRANCH_FIELDS.find(name => hasField(row, name)) : undefined
  // TBZ reaches 32 KiB: 511 slots.
  const reach = direct === 'imm14' ? 500 : MINIMUM_SLOTS
  const near = Math.max(0, index - (reach >> 1))
  const target = branchPadAddress(index < MINIMUM_SLOTS ? Math.max(0, Math.min(MINIMUM_SLOTS - 1, near + r.below(reach))) : index - r.below(reach))
  const draft = prelude(r, row, word, state, target)
  if (draft === undefined) return undefined
  const pc = state.pc + BigInt(4 * (draft.words.length - 1))
  if (direct) {
    const field = row.fields.find(f => f.name === direct)!
    word = setField(row, word, direct, Number((target - pc) >> 2n) & (2 ** field.width - 1))
  } else if (branch && draft.words.length === 1) {
    const { Rn } = fieldsOf(row, word)
    if (Rn === 31) return undefined
    state.x[Rn!] = target
  }
  if (facts.loads || facts.stores) {
    word = aim(r, row, word, pc, state)
    // The base of LDRAA is signed by the prelude, not as the generator saw it.
    if (row.name.startsWith('LDRA')) {
      const { Rn, imm1, imm9 } = fieldsOf(row, word)
      const offset = (((imm1! << 9) | imm9!) << 22 >> 22) * 8
      state.x[Rn!] = WINDOW_ADDRESS + BigInt(8 * r.below(WINDOW_BYTES / 8)) - BigInt(offset)
    }
  }
  draft.words[draft.words.length - 1] = word
  return { row: row.name, words: draft.words, unknown: draft.unknown, state }
}

export interface Generated { readonly testCase: TestCase, readonly expected: ReturnType<OracleCpu['read']> }

/**
 * `count` cases of `row`, its variants in turn, for the slots from `firstSlot`; each has a result of the oracle that is a state, or
 * UNDEFINED where the row is.
 */
export function casesOf(row: Row, count: number, firstSlot: number, seed: number): readonly Generated[] {
  const r = new Random(seed)
  const cpu = new OracleCpu()
  const cases: Generated[] = [], variants = variantsOf(row)
  for (let tries = 0; cases.length < count; tries++) {
    if (tries > 400 * count + 4000) throw new Error(`no usable test case for ${row.name}`)
    const testCase = attempt(r, variants[cases.length % variants.length]!, firstSlot + cases.length)
    if (testCase === undefined) continue
    cpu.load(testCase)
    for (let i = 0; i < testCase.words.length; i++) cpu.step()
    const expected = cpu.read()
    if (expected.kind === 'other') continue
    cases.push({ testCase, expected })
  }
  return cases
}
