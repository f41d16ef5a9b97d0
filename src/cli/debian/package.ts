/** Files inside a Debian package (deb(5)): an ar archive with a compressed tar archive. dpkg-deb opens it where it is installed, our own code elsewhere. */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { unpackTar, type TarHeader } from 'modern-tar'
import { BadInput } from '../../arch/bad-input.ts'
import { isAr, readAr } from '../../arch/archive/ar.ts'
import { inputFile } from '../options.ts'
import { createZstdDecompress } from '../zstd.ts'
import { parseRecord, type PackageFile } from './apt.ts'

type Bytes = ReadableStream<Uint8Array>

/** Of one file in a package, in bytes: kernels have about 50 MB. */
const LARGEST_FILE = 2 ** 29

/** The regular files whose path (without a leading `./`) is wanted, by path. Nothing is written to disk. */
export async function readPackage(deb: string, wanted: (path: string) => boolean, useDpkg = haveDpkgDeb()): Promise<Map<string, Uint8Array>> {
  const { stream, problem } = useDpkg ? throughDpkg(deb) : { stream: await member(deb, readFileSync(deb), 'data.tar'), problem: async () => undefined }
  let files: Map<string, Uint8Array> | undefined, error: unknown
  try {
    files = await filesOf(stream, wanted)
  } catch (caught) { error = caught }
  // An archive that ends early looks like a short one: the tool knows better.
  const said = await problem(files === undefined)
  if (files !== undefined && said === undefined) return files
  if (error instanceof BadInput) throw error
  throw new BadInput(basename(deb), `the package is damaged (${said ?? (error instanceof Error ? error.message : String(error))})`)
}

export interface PackageEntry { readonly header: TarHeader, readonly path: string, readonly data: Uint8Array | undefined }
export interface WholePackage {
  /** What dpkg keeps of a package: `control`, scripts, lists. */
  readonly control: readonly PackageEntry[]
  /** In the order of the archive. */
  readonly files: readonly PackageEntry[]
}

/** Everything in a package. */
export async function openPackage(deb: string): Promise<WholePackage> {
  const bytes = inputFile('package', deb), entriesIn = async (prefix: string): Promise<PackageEntry[]> =>
    (await unpackTar(await member(deb, bytes, prefix), { strict: true })).map(({ header, data }) => ({ header, data, path: plain(header.name).replace(/\/$/, '') }))
  try {
    return { control: await entriesIn('control.tar'), files: await entriesIn('data.tar') }
  } catch (error) {
    throw error instanceof BadInput ? error : new BadInput(basename(deb), `the package is damaged (${error instanceof Error ? error.message : String(error)})`)
  }
}

/** Name, version and hash of a package that somebody else downloaded. */
export async function identifyPackage(deb: string): Promise<PackageFile> {
  const bytes = inputFile('--deb', deb)
  if (!isAr(bytes)) throw new BadInput('--deb', `${deb} is not a Debian package`)
  const control = [...(await filesOf(await member(deb, bytes, 'control.tar'), path => path === 'control')).values()][0]
  const record = control === undefined ? undefined : parseRecord(new TextDecoder().decode(control))
  if (record === undefined) throw new BadInput('--deb', `${deb} does not say what package it is`)
  return { name: record.name, version: record.version, file: deb, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

const plain = (path: string): string => path.replace(/^\.?\/+/, '')

async function filesOf(tar: Bytes, wanted: (path: string) => boolean): Promise<Map<string, Uint8Array>> {
  const entries = await unpackTar(tar, {
    filter: header => {
      if (header.type !== 'file' || !wanted(plain(header.name))) return false
      if (header.size > LARGEST_FILE) throw new BadInput(plain(header.name), `${header.size} bytes are more than a kernel has`)
      return true
    },
  })
  return new Map(entries.flatMap(({ header, data }) => data === undefined ? [] : [[plain(header.name), data] as const]))
}

let dpkgDeb: boolean | undefined
const haveDpkgDeb = (): boolean => dpkgDeb ??= spawnSync('dpkg-deb', ['--version'], { stdio: 'ignore' }).status === 0

function throughDpkg(deb: string): { readonly stream: Bytes, readonly problem: (abandoned: boolean) => Promise<string | undefined> } {
  const child = spawn('dpkg-deb', ['--fsys-tarfile', deb], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => { said += chunk.toString() })
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))
  return {
    stream: Readable.toWeb(child.stdout) as Bytes,
    problem: async abandoned => {
      if (abandoned) child.kill()
      if (await ended === 0) return undefined
      return said.trim().split('\n')[0]?.replace(/^dpkg-deb: (?:error: )?/, '') || (abandoned ? undefined : 'dpkg-deb failed')
    },
  }
}

/** The decompressed member whose name begins with `prefix`. */
async function member(deb: string, bytes: Uint8Array, prefix: string): Promise<Bytes> {
  const found = readAr(bytes).find(({ name }) => name.startsWith(prefix))
  if (found === undefined) throw new BadInput(basename(deb), `not a Debian package: it has no ${prefix}`)
  const compression = found.name.slice(prefix.length)
  const stream = decompressStream(compression, found.bytes)
  if (stream === undefined) throw new BadInput(basename(deb), `the compression '${compression}' of ${prefix} is not supported`)
  return stream
}

/** By file name: nothing, `.gz`, `.xz`, `.zst`. Undefined for others. */
export function decompressStream(extension: string, bytes: Uint8Array): Promise<Bytes> | Bytes | undefined {
  switch (extension) {
    case '': return new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()
    case '.gz': return through(bytes, createGunzip())
    case '.zst': return through(bytes, createZstdDecompress())
    case '.xz': return unxz(bytes)
    default: return undefined
  }
}

async function unxz(bytes: Uint8Array): Promise<Bytes> {
  // A CommonJS module: Node finds its names only in the default export, whatever its types say.
  const module = await import('xz-decompress') as unknown as { readonly default: typeof import('xz-decompress') }
  return new module.default.XzReadableStream(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()) as Bytes
}

const through = (bytes: Uint8Array, transform: NodeJS.ReadWriteStream): Bytes => Readable.toWeb(Readable.from([bytes]).pipe(transform) as unknown as Readable) as Bytes

/** All of a stream. A small file that unpacks to more than any kernel file has is bad input. */
export async function collect(stream: Bytes, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size > LARGEST_FILE) throw new BadInput(what, `it unpacks to more than ${LARGEST_FILE} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
