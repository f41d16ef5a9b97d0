/** zstd, which Node has since 22.15: what needs it says so on an older one. */
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { BadInput } from '../arch/bad-input.ts'

const offered: Partial<typeof zlib> = zlib

export const HAS_ZSTD = offered.zstdDecompress !== undefined

function here<T>(implementation: T | undefined): T {
  if (implementation === undefined) throw new BadInput('zstd', `this is Node ${process.versions.node}, which does not know it; Node 22.15 does`)
  return implementation
}

export const zstdCompress = (bytes: Uint8Array, options: zlib.ZstdOptions): Promise<Uint8Array> => promisify(here(offered.zstdCompress))(bytes, options)
export const zstdDecompress = (bytes: Uint8Array, options: zlib.ZstdOptions): Promise<Uint8Array> => promisify(here(offered.zstdDecompress))(bytes, options)
export const createZstdDecompress = (): zlib.ZstdDecompress => here(offered.createZstdDecompress)()
