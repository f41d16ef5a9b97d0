/** Vectors as lists of lanes, for the oracle. */

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n

/** Unsigned lanes of a 128-bit value, the lowest first. */
export const lanesOf = (bits: number, value: bigint): readonly bigint[] =>
  Array.from({ length: 128 / bits }, (_, i) => (value >> BigInt(bits * i)) & mask(bits))

/** The inverse; lanes are taken modulo 2^bits. */
export const fromLanes = (bits: number, lanes: readonly bigint[]): bigint =>
  lanes.reduceRight((value, lane) => (value << BigInt(bits)) | (lane & mask(bits)), 0n)

/** Every lane of the result is `f` of the lanes in the same place. */
export function laneWise(bits: number, operands: readonly bigint[], f: (...lanes: bigint[]) => bigint): bigint {
  const lists = operands.map(operand => lanesOf(bits, operand))
  return fromLanes(bits, Array.from({ length: 128 / bits }, (_, i) => f(...lists.map(list => list[i]!))))
}

export const asInteger = (bits: number, signed: boolean, lane: bigint): bigint => signed ? BigInt.asIntN(bits, lane) : lane

/** Polynomial product over {0, 1}: PolynomialMult(). */
export function polynomialProduct(a: bigint, b: bigint): bigint {
  let result = 0n
  for (let i = 0n; a >> i; i++) if ((a >> i) & 1n) result ^= b << i
  return result
}
