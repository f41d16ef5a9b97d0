/** Wrappings of kernel images: gzip, zstd, and Linux's EFI zboot (a PE file with a compressed Image inside). */
import { BadInput } from '../bad-input.ts'
import { concatBytes } from '../bytes.ts'
import { isArm64Image } from './arm64-image.ts'
import { isElf } from './elf.ts'

export type ImageFormat = 'elf' | 'arm64-image' | 'gzip' | 'zstd' | 'xz' | 'efi-zboot' | 'unknown'
export type Compression = 'gzip' | 'zstd' | 'xz' | 'lzma' | 'lz4' | 'lzo'

const startsWith = (bytes: Uint8Array, ...prefix: readonly number[]): boolean => prefix.every((byte, i) => bytes[i] === byte)

/** By content, never by file name. */
export function imageFormat(bytes: Uint8Array): ImageFormat {
  if (isElf(bytes)) return 'elf'
  if (startsWith(bytes, 0x4d, 0x5a) && startsWith(bytes.subarray(4), 0x7a, 0x69, 0x6d, 0x67)) return 'efi-zboot'
  if (isArm64Image(bytes)) return 'arm64-image'
  if (startsWith(bytes, 0x1f, 0x8b)) return 'gzip'
  if (startsWith(bytes, 0x28, 0xb5, 0x2f, 0xfd)) return 'zstd'
  if (startsWith(bytes, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz'
  return 'unknown'
}

export interface Zboot { readonly offset: number, readonly size: number, readonly compression: string }

/** Header of an EFI zboot image: "MZ", "zimg", payload offset and size, then the compression's name at 24. */
export function parseZboot(bytes: Uint8Array): Zboot {
  if (bytes.length < 64) throw new BadInput('EFI zboot image', `${bytes.length} bytes are less than a header`, 0)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const offset = view.getUint32(8, true), size = view.getUint32(12, true)
  if (offset + size > bytes.length) throw new BadInput('EFI zboot image', `payload at 0x${offset.toString(16)} of ${size} bytes runs out of the file`, 8)
  const name = new TextDecoder().decode(bytes.subarray(24, 56))
  const end = name.indexOf('\0')
  return { offset, size, compression: end < 0 ? name : name.slice(0, end) }
}

/** Undefined: this format is not supported. Rejects or throws on damaged data. */
export type Decompress = (compression: string, bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array> | undefined

/** What any host has: gzip, by the Compression Streams API. */
export const decompressGzip: Decompress = (compression, bytes, maxBytes) => (compression === 'gzip' ? inflate(bytes, maxBytes) : undefined)

async function inflate(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const source = new ReadableStream<BufferSource>({
    start(controller) {
      controller.enqueue(bytes as Uint8Array<ArrayBuffer>)
      controller.close()
    },
  })
  const reader = source.pipeThrough(new DecompressionStream('gzip')).getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > maxBytes) {
      await reader.cancel()
      throw new BadInput('gzip image', `it unpacks to more than ${maxBytes} bytes`)
    }
    chunks.push(value)
  }
  return concatBytes(chunks)
}

const MAX_LAYERS = 4

/** Takes all wrappings off: what comes out is ELF, an arm64 Image or unknown bytes. Throws BadInput. */
export async function unwrapImage(bytes: Uint8Array, decompress: Decompress = decompressGzip, maxBytes = 2 ** 30): Promise<Uint8Array> {
  let image = bytes
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    const format = imageFormat(image)
    let compression: string = format
    let payload = image
    if (format === 'efi-zboot') {
      const zboot = parseZboot(image)
      compression = zboot.compression
      payload = image.subarray(zboot.offset, zboot.offset + zboot.size)
    } else if (format !== 'gzip' && format !== 'zstd' && format !== 'xz') {
      return image
    }
    const pending = decompress(compression, payload, maxBytes)
    if (pending === undefined) throw new BadInput('image', `its compression "${compression}" is not supported here`)
    try {
      image = await pending
    } catch (error) {
      if (error instanceof BadInput) throw error
      throw new BadInput(`${compression} image`, `damaged: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (image.length > maxBytes) throw new BadInput(`${compression} image`, `it unpacks to more than ${maxBytes} bytes`)
  }
  throw new BadInput('image', `wrapped more than ${MAX_LAYERS} times`)
}
