/** Decompression of kernel images with what Node has. */
import { gunzip, zstdDecompress } from 'node:zlib'
import { promisify } from 'node:util'
import type { Decompress } from '../arch/image/compressed.ts'

const gunzipAsync = promisify(gunzip), zstdAsync = promisify(zstdDecompress)

export const decompress: Decompress = (compression, bytes, maxBytes) => {
  switch (compression) {
    case 'gzip': return gunzipAsync(bytes, { maxOutputLength: maxBytes })
    case 'zstd': return zstdAsync(bytes, { maxOutputLength: maxBytes })
    default: return undefined
  }
}
