/**
 * The language in which an instruction's operation is written, once (design D1).
 *
 * Two binding times: *decode-time* fields are plain numbers, so a body may use `if`, loops and tables on them; *run-time* values
 * have the opaque type `V` and go through the builder. A body is generic in `V` and cannot look at a value. Builders: the BigInt
 * oracle (`isa/oracle.ts`), the interpreter generator and the region translator (`engine/`).
 *
 * Widths: an integer `V` is 32 or 64 bits and every operation names the width; a vector `V` is 128 bits. Conditions are 32-bit 0 or 1.
 * Values are unsigned bit patterns; signed operations say so.
 */

import type { FpOperation } from './fp-operation.ts'

export type Width = 32 | 64
export type LaneBits = 8 | 16 | 32 | 64
/** Bytes of one memory access. 16 is a 128-bit value (SIMD&FP register). */
export type AccessSize = 1 | 2 | 4 | 8 | 16

export interface MemoryOptions {
  /** Access as EL0 where LDTR and STTR do (PSTATE.UAO and HCR_EL2 are applied by the CPU). */
  readonly unprivileged?: boolean
  /** Acquire, release, acquirePC: no effect on one thread except alignment rules (must be naturally aligned unless FEAT_LSE2). */
  readonly ordered?: boolean
  /** Exclusives and atomics: must be naturally aligned. A pair of registers is one access of `size` that is aligned as a whole. */
  readonly atomic?: boolean
  /** The access is one of several elements of so many bytes: they must be aligned, not the whole. */
  readonly elements?: 1 | 2 | 4 | 8
  /** The store half follows: check write permission at the load, as LSE atomics and compare-and-swap do. */
  readonly forUpdate?: boolean
  /** How a data abort's ISS describes the access (ISV=1): absent for pairs, writeback forms, exclusives, atomics and SIMD. */
  readonly isv?: { readonly sse: boolean, readonly Rt: string, readonly sf: boolean, readonly ar: boolean }
}

export type BarrierKind = 'DSB' | 'DMB' | 'ISB' | 'SB' | 'CSDB' | 'SSBB' | 'PSSBB'
export type ExceptionKind = 'SVC' | 'HVC' | 'SMC' | 'BRK' | 'HLT'
export type WaitKind = 'WFI' | 'WFE'
/** Immediate forms of MSR. */
export type PstateField = 'SPSel' | 'DAIFSet' | 'DAIFClr' | 'PAN' | 'UAO' | 'DIT' | 'SSBS' | 'TCO'
export type PacKey = 'IA' | 'IB' | 'DA' | 'DB' | 'GA'

export interface Semantics<V> {
  // --- operands: `name` is a register field of the pattern, e.g. 'Rn', or one of the registers that the pointer authentication
  // instructions imply: 'X16', 'X17', 'X30' for X and setX, 'SP' for XSP. `plus` selects register n+plus (modulo 32).
  // A value is what the operand was when the method was called, also if the register or the flags change later in the body.
  /** General register; 31 reads as zero. */
  X(name: string, width: Width, plus?: 0 | 1): V
  /** Writes a general register; 32-bit values are zero-extended; 31 is discarded. */
  setX(name: string, width: Width, value: V, plus?: 0 | 1): void
  /** General register or, for 31, the stack pointer in use. */
  XSP(name: string, width: Width): V
  setXSP(name: string, width: Width, value: V): void
  /** SP alignment check of a load or store that uses SP as base (SCTLR_ELx.SA). Call it before the access when the field may be 31. */
  checkSPAlignment(name: string): void
  /** SIMD&FP register, all 128 bits. */
  Q(name: string, plus?: 0 | 1 | 2 | 3): V
  setQ(name: string, value: V, plus?: 0 | 1 | 2 | 3): void
  /**
   * An immediate that the row declares in `immediates`. A 32-bit immediate read with width 64 is sign-extended; of a 64-bit one read
   * with width 32 the low half counts.
   */
  imm(name: string, width: Width): V
  constant(width: Width, value: number | bigint): V

  // --- integer operations, modulo 2^width
  add(width: Width, a: V, b: V): V
  sub(width: Width, a: V, b: V): V
  mul(width: Width, a: V, b: V): V
  /** High 64 bits of the 128-bit product. */
  umulh(a: V, b: V): V
  smulh(a: V, b: V): V
  /** Arm division: x/0 = 0, MIN/-1 = MIN. */
  udiv(width: Width, a: V, b: V): V
  sdiv(width: Width, a: V, b: V): V
  and(width: Width, a: V, b: V): V
  or(width: Width, a: V, b: V): V
  xor(width: Width, a: V, b: V): V
  not(width: Width, a: V): V
  /** Shift amounts are taken modulo width. */
  shl(width: Width, a: V, amount: V): V
  shr(width: Width, a: V, amount: V): V
  sar(width: Width, a: V, amount: V): V
  ror(width: Width, a: V, amount: V): V
  clz(width: Width, a: V): V
  /** 64-bit value to 32 bits, 32-bit value to 64. */
  truncate(a: V): V
  zeroExtend(a: V): V
  signExtend(a: V): V
  /** Low `bits` (8, 16, 32) of a `width`-bit value, sign- or zero-extended in place. */
  signExtendBits(width: Width, bits: 8 | 16 | 32, a: V): V
  zeroExtendBits(width: Width, bits: 8 | 16 | 32, a: V): V
  rbit(width: Width, a: V): V
  /** Reverses the bytes of each `unit`-bit container. */
  reverseBytes(width: Width, unit: 16 | 32 | 64, a: V): V

  // --- comparisons (result: condition) and selection
  isZero(width: Width, a: V): V
  equal(width: Width, a: V, b: V): V
  lessUnsigned(width: Width, a: V, b: V): V
  lessSigned(width: Width, a: V, b: V): V
  /** c ? a : b; evaluates both. */
  select(width: Width, c: V, a: V, b: V): V

  // --- flags. Each returns the result and, in the same step, sets NZCV.
  addSettingFlags(width: Width, a: V, b: V): V
  subSettingFlags(width: Width, a: V, b: V): V
  /** N and Z from `a`, C = V = 0. */
  setFlagsLogical(width: Width, a: V): void
  /** a + b + carry with flags (ADCS; SBCS passes not(b)). */
  addWithCarrySettingFlags(width: Width, a: V, b: V, carry: V): V
  /** PSTATE.C as 0 or 1, 32 bits. */
  carry(): V
  /** NZCV in bits 3:0 of a 32-bit value (N is bit 3). */
  nzcv(): V
  setNZCV(value: V): void
  /** ConditionHolds(cond) for a decode-time cond. */
  condition(cond: number): V

  // --- memory. Addresses are 64-bit. A fault ends the instruction: write registers only after the last access.
  /** Loads `size` bytes; result 64 bits zero-extended (128 for size 16). */
  load(address: V, size: AccessSize, options?: MemoryOptions): V
  store(address: V, size: AccessSize, value: V, options?: MemoryOptions): void
  /** LDP and STP of general registers: two accesses of `size` at `address` and `address + size`; the values are 64 bits, zero-extended. */
  loadPair(address: V, size: 4 | 8, options?: MemoryOptions): readonly [V, V]
  storePair(address: V, size: 4 | 8, first: V, second: V, options?: MemoryOptions): void
  /** Marks `bytes` at `address` exclusive (the load is a separate `load`) / clears the monitor. */
  setExclusive(address: V, bytes: 1 | 2 | 4 | 8 | 16): void
  clearExclusive(): void
  /**
   * Exclusive store: stores and returns 0 (32 bits) if the monitor holds this address and size, else returns 1; clears the monitor.
   * Values are 64 bits. Size 16 is a pair of 64-bit registers, `value` at the lower address and `high` above it; otherwise `high` is undefined.
   */
  storeExclusive(address: V, size: AccessSize, value: V, high: V | undefined, options?: MemoryOptions): V

  // --- 128-bit values
  /** CheckFPAdvSIMDEnabled64(): the trap of CPACR_EL1.FPEN and CPTR_EL2. Every body that uses Q or setQ calls it first. */
  checkFPEnabled(): void
  zeroVector(): V
  /** Lane `index` of `bits` as a 64-bit value, zero-extended. */
  lane(value: V, bits: 8 | 16 | 32 | 64, index: number): V
  withLane(value: V, bits: 8 | 16 | 32 | 64, index: number, lane: V): V
  /** Every lane of `bits` is the low `bits` of the 64-bit `lane`. */
  duplicate(bits: 8 | 16 | 32 | 64, lane: V): V
  vAnd(a: V, b: V): V
  vOr(a: V, b: V): V
  vXor(a: V, b: V): V
  vNot(a: V): V
  /** (mask AND a) OR (NOT mask AND b). */
  vSelect(mask: V, a: V, b: V): V
  vConstant(value: bigint): V
  /** Whether any bit is set. */
  vAnyTrue(a: V): V

  // --- vectors of lanes of `bits`, all 128 bits of them: a row with a shorter result clears the rest itself
  /** Every lane is lane `index` (32 bits, modulo the number of lanes) of `a`. */
  vElement(bits: LaneBits, a: V, index: V): V
  vAdd(bits: LaneBits, a: V, b: V): V
  vSub(bits: LaneBits, a: V, b: V): V
  vMul(bits: LaneBits, a: V, b: V): V
  vMin(bits: LaneBits, signed: boolean, a: V, b: V): V
  vMax(bits: LaneBits, signed: boolean, a: V, b: V): V
  /** All lanes by the same amount: 32 bits, modulo `bits`. */
  vShl(bits: LaneBits, a: V, amount: V): V
  vShr(bits: LaneBits, a: V, amount: V): V
  vSar(bits: LaneBits, a: V, amount: V): V
  /** Each lane by its own unsigned amount; amounts of `bits` and more shift everything out. */
  vShlBy(bits: LaneBits, a: V, amounts: V): V
  vShrBy(bits: LaneBits, a: V, amounts: V): V
  vSarBy(bits: LaneBits, a: V, amounts: V): V
  /** Lanes of all ones where it holds, else zero. */
  vEqual(bits: LaneBits, a: V, b: V): V
  vLess(bits: LaneBits, signed: boolean, a: V, b: V): V
  /** Lanes of 2 * bits from the lower or upper half of `a`; the product does not overflow. */
  vWiden(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: V): V
  vMultiplyWide(bits: 8 | 16 | 32, signed: boolean, upper: boolean, a: V, b: V): V
  /** Sixteen decode-time byte numbers: 0 to 15 of `a`, 16 to 31 of `b`. */
  vShuffle(a: V, b: V, bytes: readonly number[]): V
  /** Byte i is byte number `indices[i]` of `table`, or 0 when there is none. */
  vTable(table: V, indices: V): V
  /** Set bits in each byte. */
  vPopulation(a: V): V
  /** Polynomial product over {0, 1} of two 64-bit values. */
  carrylessMultiply(a: V, b: V): V
  /** FPSR.QC = 1 if the condition holds. */
  setQC(condition: V): void

  // --- floating point: see fp-operation.ts
  /** Operands and result are 64 bits; formats that are shorter zero-extended. */
  fp(operation: FpOperation, ...operands: readonly V[]): V
  /** The operation in every lane of `operation.bits`, of operands and of the result alike. */
  fpLanes(operation: FpOperation, ...operands: readonly V[]): V

  // --- control flow; each ends the instruction where it is taken
  /** Address of this instruction. */
  PC(): V
  /** Branch to PC + immediate `name`. */
  branch(name: string): void
  branchIf(condition: V, name: string): void
  /** The target may have a tag: AArch64.BranchAddr() is the CPU's, when it fetches. */
  branchTo(target: V, kind: 'jump' | 'call' | 'return'): void
  /** X30 = PC + 4. */
  link(): void
  /** Runs `body` when the run-time condition is not 0 (register writes and memory accesses inside are allowed). */
  when(condition: V, body: () => void): void

  // --- system: each of these may end in an exception; the CPU decides (sysreg/, cpu/)
  undefined(): void
  /** An instruction of the profile whose row has no semantics yet: the CPU stops by its name (design D11). */
  unimplemented(): void
  /** Exception-generating instruction; the immediate is the row's immediate 'imm16'. */
  exception(kind: ExceptionKind): void
  /** ERET (undefined key), ERETAA ('IA'), ERETAB ('IB'). */
  exceptionReturn(key?: 'IA' | 'IB'): void
  /** MRS, MSR (register), SYS, SYSL: the CPU takes encoding and Rt from the instruction word. */
  systemAccess(): void
  /** MSR (immediate); the value is the row's immediate 'CRm'. */
  writePstate(field: PstateField): void
  wait(kind: WaitKind): void
  sendEvent(local: boolean): void
  barrier(kind: BarrierKind): void
  /** HINT #imm7 with no other meaning: the marker hint is told to the CPU, others are NOPs. `marker` is decode-time. */
  hint(marker: boolean): void

  // --- helpers
  /** CRC32/CRC32C of `bits` of `value` into a 32-bit accumulator. */
  crc32(castagnoli: boolean, bits: 8 | 16 | 32 | 64, accumulator: V, value: V): V
  /** AddPAC / Auth / strip with the IMPDEF hash; the CPU applies enables and traps. */
  addPAC(key: PacKey, pointer: V, modifier: V): V
  authenticate(key: PacKey, pointer: V, modifier: V): V
  strip(data: boolean, pointer: V): V
  /** PACGA's 64-bit result. */
  genericPAC(value: V, modifier: V): V
}
