/** CRC32 and CRC32C as the Arm ARM defines them: bit-reflected, without inversion before or after. Slow and plain; engines have their own. */
export function crc32(castagnoli: boolean, bits: 8 | 16 | 32 | 64, accumulator: number, value: bigint): number {
  const polynomial = castagnoli ? 0x82f6_3b78 : 0xedb8_8320
  let crc = accumulator | 0
  for (let i = 0; i < bits; i++) {
    const feedback = (crc ^ Number((value >> BigInt(i)) & 1n)) & 1
    crc = feedback ? (crc >>> 1) ^ polynomial : crc >>> 1
  }
  return crc >>> 0
}
