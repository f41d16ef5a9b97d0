/**
 * System registers and instructions that generated code performs itself where the CPU allows it: thread pointers, SP_EL0, syndromes, DAIF,
 * DC ZVA. Kernels execute one every few dozen instructions.
 *
 * The CPU decides (cpu/inline-access.ts): whenever EL, PSTATE.SP or a register that accesses depend on has changed, it writes a table with the
 * address of every register's value, or 0 where the access traps, is redirected or does not exist. An access is then: look at the table, look
 * whether its cycles fit into the run (SLACK), load or store, and charge. Everything else is `Callbacks.system` as for other registers.
 */
import type { Row, Variant } from '../isa/instruction.ts'
import { instruction } from '../isa/instruction.ts'
import { VARIANTS } from '../isa/table.ts'
import { rowByName } from '../sysreg/index.ts'
import { DAIF_MASK } from '../arch/pstate.ts'
import { hot, tlbEntry } from './helpers.ts'
import { HOT, SYSTEM, TLB } from './layout.ts'
import type { Recorder } from './recorder.ts'
import { ENTRY_FLAGS } from './tlb.ts'
import * as W from './wasm/expression.ts'
import { LOAD, STORE } from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'

/** What MRS reads, by name. */
export const INLINE_READS = [
  'SP_EL0', 'TPIDR_EL0', 'TPIDRRO_EL0', 'TPIDR_EL1', 'TPIDR_EL2', 'DCZID_EL0', 'CurrentEL', 'CTR_EL0', 'MIDR_EL1', 'MPIDR_EL1', 'SCTLR_EL1', 'TCR_EL1', 'TTBR0_EL1',
  'TTBR1_EL1', 'CONTEXTIDR_EL1', 'CPACR_EL1', 'MDSCR_EL1', 'VBAR_EL1', 'SPSR_EL1', 'ELR_EL1', 'ESR_EL1', 'FAR_EL1', 'PAR_EL1', 'SPSR_EL2', 'ELR_EL2', 'ESR_EL2', 'FAR_EL2',
  'HPFAR_EL2', 'HCR_EL2', 'FPCR', 'FPSR',
] as const
/** What MSR writes: only registers without fields and without effect elsewhere. */
export const INLINE_WRITES = ['SP_EL0', 'TPIDR_EL0', 'TPIDRRO_EL0', 'TPIDR_EL1', 'TPIDR_EL2', 'ELR_EL1', 'ELR_EL2', 'FAR_EL1'] as const
/** Cache maintenance by VA, which does nothing where there are no caches and no translation to check. */
export const INLINE_CACHE = ['DC CVAU', 'DC CVAC', 'DC CIVAC', 'IC IVAU'] as const
if (INLINE_READS.length > SYSTEM.READS || INLINE_WRITES.length > SYSTEM.WRITES) throw new Error('the tables of inline accesses are full')

const ZERO = W.i32(0)
/** More than is ever granted: a cost that is no integer (while a model is being fitted) is charged in JavaScript alone. */
const NEVER = 0x7fff_ffff
const READ_DAIF = SYSTEM.DAIF_READ, WRITE_DAIF = SYSTEM.DAIF_WRITE
const entry = (address: Expression): Expression => W.load(LOAD.i32, address)
/** The cycles of the access do not fit into the run any more. */
const spent = (cost: number): Expression => W.ltS(hot(SYSTEM.SLACK), hot(cost))
const charge = (s: Recorder, cost: number): void => { s.poke(STORE.i32, ZERO, W.sub(hot(SYSTEM.SLACK), hot(cost)), SYSTEM.SLACK) }
const ACCESS = { name: 'system' } as const

type Body = (s: Recorder) => void
const FIELDS = { dynamic: ['o0', 'op1', 'CRn', 'CRm', 'op2'] as const }
/** The address of the entry of the register that the fields name. */
const immediates = (keys: ReadonlyMap<number, number>) => ({
  entry: { width: 32 as const, of: (f: { readonly o0: number, readonly op1: number, readonly CRn: number, readonly CRm: number, readonly op2: number }) =>
    keys.get((2 | f.o0) << 14 | f.op1 << 11 | f.CRn << 7 | f.CRm << 3 | f.op2) ?? 0 },
})
const keyed = (names: readonly string[], base: number): ReadonlyMap<number, number> => new Map(names.map((name, i) => [rowByName(name)!.key, base + 4 * i]))
const READ_ENTRIES = keyed(INLINE_READS, SYSTEM.READ), WRITE_ENTRIES = keyed(INLINE_WRITES, SYSTEM.WRITE)

const row = (made: Row, body: Body): Row => ({ ...made, body: (_, s) => { body(s as unknown as Recorder) } })
const none = (): void => {}

const rows = {
  read: row(instruction('MRS, inline', 'MRS', '1101010100 1 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { ...FIELDS, immediates: immediates(READ_ENTRIES) }, none), s => {
    s.fallback(W.or(W.eqz(entry(s.imm('entry', 32))), spent(SYSTEM.READ_COST)), ACCESS)
    charge(s, SYSTEM.READ_COST)
    s.setX('Rt', 64, W.load(LOAD.i64, entry(s.imm('entry', 32))))
  }),
  write: row(instruction('MSR, inline', 'MSR', '1101010100 0 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { ...FIELDS, immediates: immediates(WRITE_ENTRIES) }, none), s => {
    s.fallback(W.or(W.eqz(entry(s.imm('entry', 32))), spent(SYSTEM.WRITE_COST)), ACCESS)
    charge(s, SYSTEM.WRITE_COST)
    s.poke(STORE.i64, entry(s.imm('entry', 32)), s.X('Rt', 64))
  }),
  readDaif: row(instruction('MRS, DAIF', 'MRS', '1101010100 1 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', FIELDS, none), s => {
    s.fallback(W.or(W.eqz(hot(READ_DAIF)), spent(SYSTEM.READ_COST)), ACCESS)
    charge(s, SYSTEM.READ_COST)
    s.setX('Rt', 32, W.and(hot(HOT.PSTATE), W.i32(DAIF_MASK)))
  }),
  // Where something is pending, JavaScript looks whether it can be taken now.
  writeDaif: row(instruction('MSR, DAIF', 'MSR', '1101010100 0 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', FIELDS, none), s => {
    s.fallback(W.or(W.or(W.eqz(hot(WRITE_DAIF)), hot(SYSTEM.PENDING)), spent(SYSTEM.WRITE_COST)), ACCESS)
    charge(s, SYSTEM.WRITE_COST)
    s.poke(STORE.i32, ZERO, W.or(W.and(hot(HOT.PSTATE), W.i32(~DAIF_MASK)), W.and(s.X('Rt', 32), W.i32(DAIF_MASK))), HOT.PSTATE)
  }),
  setDaif: row(instruction('MSR (immediate), DAIFSet, inline', 'MSR', '1101010100 0 00 011 0100 CRm:4 110 11111', { dynamic: ['CRm'], immediates: { CRm: { width: 32, of: f => f.CRm } } }, none), s => {
    s.fallback(W.eqz(hot(SYSTEM.DAIF_IMMEDIATE)), { name: 'writePstate', field: 'DAIFSet' }, [s.imm('CRm', 32)])
    s.poke(STORE.i32, ZERO, W.or(hot(HOT.PSTATE), W.shl(s.imm('CRm', 32), W.i32(6))), HOT.PSTATE)
  }),
  clearDaif: row(instruction('MSR (immediate), DAIFClr, inline', 'MSR', '1101010100 0 00 011 0100 CRm:4 111 11111', { dynamic: ['CRm'], immediates: { CRm: { width: 32, of: f => f.CRm } } }, none), s => {
    s.fallback(W.or(W.eqz(hot(SYSTEM.DAIF_IMMEDIATE)), hot(SYSTEM.PENDING)), { name: 'writePstate', field: 'DAIFClr' }, [s.imm('CRm', 32)])
    s.poke(STORE.i32, ZERO, W.and(hot(HOT.PSTATE), W.not(W.shl(s.imm('CRm', 32), W.i32(6)))), HOT.PSTATE)
  }),
  cache: row(instruction('SYS, cache maintenance', 'SYS', '1101010100 0 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { dynamic: ['op1', 'CRn', 'CRm', 'op2'] }, none), s => {
    s.fallback(W.eqz(hot(SYSTEM.CACHE)), ACCESS)
  }),
  zeroBlock: row(instruction('DC ZVA, inline', 'DC ZVA', '1101010100 0 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5', { dynamic: ['op1', 'CRn', 'CRm', 'op2'] }, none), s => {
    const address = W.and(s.X('Rt', 64), W.i64(-64)), page = tlbEntry(hot(HOT.DATA_TLB), address, TLB.DATA_ENTRIES)
    // Only Normal memory, for which misaligned accesses are allowed, can be zeroed.
    const refused = W.or(W.eqz(hot(SYSTEM.ZERO_BLOCK)), W.eqz(W.and(W.load(LOAD.i32, page, TLB.WRITE + 12), W.i32(ENTRY_FLAGS.MISALIGNED))))
    s.fallback(W.or(refused, W.ne(W.load(LOAD.i64, page, TLB.WRITE), W.and(address, W.i64(-4096)))), ACCESS)
    const ram = W.add(W.wrap(address), W.load(LOAD.i32, page, TLB.WRITE + 8))
    for (let at = 0; at < 64; at += 16) s.poke(STORE.v128, ram, s.zeroVector(), at)
  }),
} as const

/** Variants of these rows; their numbers follow those of the table. */
export const INLINE_VARIANTS: readonly Variant[] = Object.values(rows).map((made, i) => ({ row: made, statics: {}, index: VARIANTS.length + i }))
const variantOfRow = (made: Row): Variant => INLINE_VARIANTS.find(variant => variant.row === made)!

/** By the word without its operand. */
const byWord = new Map<number, Variant>()
const enter = (word: number, made: Row): void => { byWord.set(word | 0, variantOfRow(made)) }
const MRS = 0xd530_0000, MSR = 0xd510_0000
for (const key of READ_ENTRIES.keys()) enter(MRS | (key & 0x7fff) << 5, rows.read)
for (const key of WRITE_ENTRIES.keys()) enter(MSR | (key & 0x7fff) << 5, rows.write)
enter(MRS | (rowByName('DAIF')!.key & 0x7fff) << 5, rows.readDaif)
enter(MSR | (rowByName('DAIF')!.key & 0x7fff) << 5, rows.writeDaif)
enter(0xd50b_7420, rows.zeroBlock)
for (const name of INLINE_CACHE) enter(0xd500_0000 | (rowByName(name)!.key & 0x7fff) << 5 | 1 << 19, rows.cache)
enter(0xd503_40df, rows.setDaif)
enter(0xd503_40ff, rows.clearDaif)

/** The variant that generated code executes for `word`, which decodes to `variant`. */
export function inlineVariant(word: number, variant: Variant): Variant {
  if (word >>> 22 !== 0xd50 >>> 2) return variant
  // Bits 4:0 are Rt; MSR (immediate) has its operand in bits 11:8.
  return byWord.get((word & 0xfff8_f01f) === (0xd500_401f | 0) ? word & ~0xf00 : word & ~0x1f) ?? variant
}

/** The CPU's side of SYSTEM (layout.ts). */
export class InlineSystem {
  private readonly i32: Int32Array

  constructor(buffer: ArrayBufferLike) { this.i32 = new Int32Array(buffer, 0, SYSTEM.END / 4) }

  /** Cycles that generated code may still charge. */
  get slack(): number { return this.i32[SYSTEM.SLACK / 4]! }
  set slack(cycles: number) { this.i32[SYSTEM.SLACK / 4] = cycles }

  /** Some interrupt line is or may be up: clearing bits of DAIF is left to JavaScript. */
  set pending(pending: boolean) { this.i32[SYSTEM.PENDING / 4] = pending ? 1 : 0 }

  setCosts(read: number, write: number): void {
    this.i32[SYSTEM.READ_COST / 4] = Number.isInteger(read) ? read : NEVER
    this.i32[SYSTEM.WRITE_COST / 4] = Number.isInteger(write) ? write : NEVER
  }

  /** The words from SYSTEM.TABLE to SYSTEM.END. */
  set(table: Int32Array): void { this.i32.set(table, SYSTEM.TABLE / 4) }
}
