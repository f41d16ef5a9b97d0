/** How snapshot files are packed on Node: written with zstd, which unpacks at the speed of memory; deflate is what browsers can read. */
import { promisify } from 'node:util'
import { crc32, inflateRaw, zstdCompress, zstdDecompress, constants } from 'node:zlib'
import type { Packing } from '../snapshot/file.ts'

const METHOD = { deflate: 1, zstd: 2 } as const
const compress = promisify(zstdCompress), expandZstd = promisify(zstdDecompress), expandDeflate = promisify(inflateRaw)

export const PACKING: Packing = {
  method: METHOD.zstd,
  pack: bytes => compress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }),
  unpack: async (method, bytes, size) => {
    const expand = method === METHOD.zstd ? expandZstd : method === METHOD.deflate ? expandDeflate : undefined
    try {
      // One chunk: its pieces need not be put together.
      const full = await expand?.(bytes, { maxOutputLength: Math.max(1, size), chunkSize: Math.max(64, size) })
      return full?.length === size ? full : undefined
    } catch { return undefined }
  },
  crc32,
}
