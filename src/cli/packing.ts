/** How snapshot files are packed on Node: written with zstd, which unpacks at the speed of memory; deflate is what browsers can read. */
import { promisify } from 'node:util'
import { constants, crc32, deflateRaw, inflateRaw } from 'node:zlib'
import type { Packing } from '../snapshot/file.ts'
import { HAS_ZSTD, zstdCompress, zstdDecompress } from './zstd.ts'

const METHOD = { deflate: 1, zstd: 2 } as const
const deflate = promisify(deflateRaw), expandDeflate = promisify(inflateRaw)

export const PACKING: Packing = {
  method: HAS_ZSTD ? METHOD.zstd : METHOD.deflate,
  pack: bytes => HAS_ZSTD ? zstdCompress(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } }) : deflate(bytes, { level: 1 }),
  unpack: async (method, bytes, size) => {
    const expand = method === METHOD.zstd ? zstdDecompress : method === METHOD.deflate ? expandDeflate : undefined
    // Says what is missing, where something is.
    if (method === METHOD.zstd && !HAS_ZSTD) return zstdDecompress(bytes, {})
    try {
      // One chunk: its pieces need not be put together.
      const full = await expand?.(bytes, { maxOutputLength: Math.max(1, size), chunkSize: Math.max(64, size) })
      return full?.length === size ? full : undefined
    } catch { return undefined }
  },
  crc32,
}
