/**
 * The stored value of every system register of one PE (or of one virtual PE in L0), 64 bits each, indexed by the register's
 * slot in `sysreg/`. `u64` and `i32` are views of the same bytes: slot n is u64[n] and i32[2n] (bits 31:0), i32[2n+1] (bits 63:32).
 */
export interface RegisterFile {
  readonly u64: BigUint64Array
  readonly i32: Int32Array
}

export function createRegisterFile(slots: number): RegisterFile {
  return registerFileOver(new ArrayBuffer(slots * 8), 0, slots)
}

export function registerFileOver(buffer: ArrayBufferLike, byteOffset: number, slots: number): RegisterFile {
  return { u64: new BigUint64Array(buffer, byteOffset, slots), i32: new Int32Array(buffer, byteOffset, slots * 2) }
}

/** Copies slot `from` of `source` to slot `to` of `target` without making a BigInt. */
export function copySlot(source: RegisterFile, from: number, target: RegisterFile, to: number): void {
  target.i32[2 * to] = source.i32[2 * from]!
  target.i32[2 * to + 1] = source.i32[2 * from + 1]!
}
