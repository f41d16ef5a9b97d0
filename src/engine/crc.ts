/** Table of the bit-reflected CRC32 (IEEE 802.3) or CRC32C (Castagnoli): the remainder of every byte. */
export function crcTable(castagnoli: boolean): Int32Array {
  const polynomial = castagnoli ? 0x82f6_3b78 : 0xedb8_8320
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    return crc
  })
}
