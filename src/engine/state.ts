/** The registers of the PE that runs now: accessors over the hot block. */
import { HOT } from './layout.ts'

const MASK_64 = 0xffff_ffff_ffff_ffffn

export class State {
  /** The hot block as 64-bit, int32 words: index = HOT.x / 8, HOT.x / 4. */
  readonly u64: BigUint64Array
  readonly i32: Int32Array
  /** Data of the access a callback performs, little-endian words. */
  readonly data: Int32Array
  readonly data64: BigUint64Array

  constructor(buffer: ArrayBufferLike) {
    this.u64 = new BigUint64Array(buffer, 0, HOT.SIZE / 8)
    this.i32 = new Int32Array(buffer, 0, HOT.SIZE / 4)
    this.data = new Int32Array(buffer, HOT.DATA, 4)
    this.data64 = new BigUint64Array(buffer, HOT.DATA, 2)
  }

  /** X0..X30; 31 reads as zero. */
  x(n: number): bigint { return n === 31 ? 0n : this.u64[n]! }
  setX(n: number, value: bigint): void { if (n !== 31) this.u64[n] = value & MASK_64 }
  /** Halves of Xn as int32, without a BigInt; n = 31 reads as zero. */
  xLow(n: number): number { return n === 31 ? 0 : this.i32[2 * n]! }
  xHigh(n: number): number { return n === 31 ? 0 : this.i32[2 * n + 1]! }
  setXHalves(n: number, high: number, low: number): void {
    if (n === 31) return
    this.i32[2 * n] = low
    this.i32[2 * n + 1] = high
  }

  /** The stack pointer in use. The CPU moves SP_ELx in and out when EL or PSTATE.SP changes. */
  get sp(): bigint { return this.u64[HOT.SP / 8]! }
  set sp(value: bigint) { this.u64[HOT.SP / 8] = value & MASK_64 }

  /** Low and high 64 bits of Vn. */
  v(n: number, half: 0 | 1): bigint { return this.u64[HOT.V / 8 + 2 * n + half]! }
  setV(n: number, half: 0 | 1, value: bigint): void { this.u64[HOT.V / 8 + 2 * n + half] = value & MASK_64 }

  /** Address of the current instruction in a callback, of the next one outside `run`. Set it only outside `run`; callbacks use `redirect`. */
  get pc(): bigint { return this.u64[HOT.PC / 8]! }
  set pc(value: bigint) { this.u64[HOT.PC / 8] = value & MASK_64 }
  get pcLow(): number { return this.i32[HOT.PC / 4]! }
  get pcHigh(): number { return this.i32[HOT.PC / 4 + 1]! }

  /** From a callback: abandon the current instruction, continue at `pc`. Harmless outside `run`. */
  redirect(pc: bigint): void {
    this.u64[HOT.PC / 8] = pc & MASK_64
    this.i32[HOT.REDIRECT / 4] = 1
  }
  get redirected(): boolean { return this.i32[HOT.REDIRECT / 4] !== 0 }

  /** N is bit 3, Z 2, C 1, V 0. */
  get nzcv(): number { return this.i32[HOT.NZCV / 4]! }
  set nzcv(value: number) { this.i32[HOT.NZCV / 4] = value & 15 }

  /** The CPU's word: PSTATE without NZCV in SPSR format. The engine does not look at it. */
  get pstate(): number { return this.i32[HOT.PSTATE / 4]! }
  set pstate(value: number) { this.i32[HOT.PSTATE / 4] = value }

  /** SIMD&FP instructions call `Callbacks.fpAccess` (CPACR_EL1.FPEN, CPTR_EL2 at the current EL). */
  get fpTrap(): boolean { return this.i32[HOT.FP_TRAP / 4] !== 0 }
  set fpTrap(value: boolean) { this.i32[HOT.FP_TRAP / 4] = value ? 1 : 0 }

  /** SCTLR_ELx.SA or SA0 of the current EL. */
  get spAlignmentCheck(): boolean { return this.i32[(HOT.SP_MASK + 31 * 8) / 4] !== 0 }
  set spAlignmentCheck(value: boolean) { this.i32[(HOT.SP_MASK + 31 * 8) / 4] = value ? 15 : 0 }

  /** Opens the local monitor (exception return, CLREX). */
  clearExclusive(): void { this.i32[HOT.EXCLUSIVE_ADDRESS / 4] = 0 }
}
