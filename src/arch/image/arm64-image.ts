/** The 64-byte header of an arm64 `Image` (Linux, Documentation/arch/arm64/booting, "Call the kernel image"). */
import { BadInput } from '../bad-input.ts'

export interface Arm64Image {
  /** From a 2 MiB aligned base to the start of the image. */
  readonly textOffset: number
  /** Memory from the start of the image, bss included; 0 in images older than Linux 3.17. */
  readonly imageSize: number
  /** 0 unspecified, 1 4K, 2 16K, 3 64K. */
  readonly pageSize: 0 | 1 | 2 | 3
  /** Flags bit 3: the 2 MiB base may be anywhere in memory. */
  readonly anywhere: boolean
}

/** "ARM\x64" at 0x38. */
const MAGIC = 0x644d_5241
const HEADER_SIZE = 64
const MAX_SIZE = 2 ** 40

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export const isArm64Image = (bytes: Uint8Array): boolean => bytes.length >= HEADER_SIZE && viewOf(bytes).getUint32(0x38, true) === MAGIC

/** Throws BadInput. */
export function parseArm64Image(bytes: Uint8Array): Arm64Image {
  if (!isArm64Image(bytes)) throw new BadInput('arm64 Image', 'no magic number "ARM\\x64"', 0x38)
  const view = viewOf(bytes)
  const textOffset = view.getBigUint64(8, true), imageSize = view.getBigUint64(16, true), flags = view.getBigUint64(24, true)
  if (flags & 1n) throw new BadInput('arm64 Image', 'a big-endian kernel: the machine is little-endian only', 24)
  if (imageSize > BigInt(MAX_SIZE)) throw new BadInput('arm64 Image', `image_size 0x${imageSize.toString(16)} is too large`, 16)
  // Before image_size existed, text_offset was always 0x80000 and its endianness was not defined.
  if (imageSize === 0n) return { textOffset: 0x8_0000, imageSize: 0, pageSize: 0, anywhere: false }
  if (textOffset >= 0x20_0000n) throw new BadInput('arm64 Image', `text_offset 0x${textOffset.toString(16)} is not below 2 MiB`, 8)
  return { textOffset: Number(textOffset), imageSize: Number(imageSize), pageSize: Number((flags >> 1n) & 3n) as 0 | 1 | 2 | 3, anywhere: (flags & 8n) !== 0n }
}
