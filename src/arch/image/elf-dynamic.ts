/** What a dynamic linker needs of an ELF64 file (System V ABI, 5): its interpreter, the libraries it asks for, and its own name. */
import { isElf } from './elf.ts'

export interface DynamicElf {
  /** Path of the dynamic linker; undefined for libraries. */
  readonly interpreter: string | undefined
  readonly needed: readonly string[]
  readonly soname: string | undefined
}

const EM_AARCH64 = 183
const PT = { load: 1, dynamic: 2, interpreter: 3 } as const
const DT = { null: 0, needed: 1, strings: 5, soname: 14 } as const
const MOST_TEXT = 4096

interface Segment { readonly type: number, readonly offset: number, readonly address: bigint, readonly size: number }

/** Undefined for what is not a dynamic file for AArch64, or is damaged. */
export function parseDynamicElf(bytes: Uint8Array): DynamicElf | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!isElf(bytes) || bytes.length < 64 || bytes[4] !== 2 || bytes[5] !== 1 || view.getUint16(18, true) !== EM_AARCH64) return undefined
  const table = Number(view.getBigUint64(32, true)), entrySize = view.getUint16(54, true), count = view.getUint16(56, true)
  if (entrySize < 56 || table + count * entrySize > bytes.length) return undefined
  const segments = Array.from({ length: count }, (_, i): Segment => {
    const at = table + i * entrySize
    return { type: view.getUint32(at, true), offset: Number(view.getBigUint64(at + 8, true)), address: view.getBigUint64(at + 16, true), size: Number(view.getBigUint64(at + 32, true)) }
  })
  const text = (at: number): string | undefined => {
    const end = at < bytes.length ? bytes.subarray(at, at + MOST_TEXT).indexOf(0) : -1
    return end < 0 ? undefined : new TextDecoder('latin1').decode(bytes.subarray(at, at + end))
  }
  const dynamic = segments.find(({ type }) => type === PT.dynamic)
  if (dynamic === undefined || dynamic.offset + dynamic.size > bytes.length) return undefined
  const entries: (readonly [tag: number, value: bigint])[] = []
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
    const tag = Number(view.getBigInt64(at, true))
    if (tag === DT.null) break
    entries.push([tag, view.getBigUint64(at + 8, true)])
  }
  const strings = entries.find(([tag]) => tag === DT.strings)?.[1]
  const loaded = strings === undefined ? undefined : segments.find(({ type, address, size }) => type === PT.load && strings >= address && strings < address + BigInt(size))
  if (strings === undefined || loaded === undefined) return undefined
  const names = loaded.offset + Number(strings - loaded.address), named = (tag: number): (string | undefined)[] => entries.flatMap(([each, value]) => each === tag ? [text(names + Number(value))] : [])
  const segment = segments.find(({ type }) => type === PT.interpreter), interpreter = segment && text(segment.offset), needed = named(DT.needed), [soname] = named(DT.soname)
  if (needed.some(name => name === undefined) || (segment !== undefined && interpreter === undefined)) return undefined
  return { interpreter, needed: needed.filter(name => name !== undefined), soname }
}
