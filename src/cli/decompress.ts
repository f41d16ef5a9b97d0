/** Decompression of kernel images with what Node has. */
import { gunzip } from 'node:zlib'
import { promisify } from 'node:util'
import type { Decompress } from '../arch/image/compressed.ts'
import { zstdDecompress } from './zstd.ts'

const gunzipAsync = promisify(gunzip)

export const decompress: Decompress = (compression, bytes, maxBytes) => {
  switch (compression) {
    case 'gzip': return gunzipAsync(bytes, { maxOutputLength: maxBytes })
    case 'zstd': return zstdDecompress(bytes, { maxOutputLength: maxBytes })
    default: return undefined
  }
}
