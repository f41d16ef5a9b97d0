/** ELF64 executables for AArch64 (System V ABI; "ELF for the Arm 64-bit Architecture"): what a loader needs, and symbols on demand. */
import { BadInput } from '../bad-input.ts'

export interface ElfSegment {
  /** p_paddr; of a vmlinux linked at virtual addresses it may lie far outside RAM. */
  readonly physicalAddress: bigint
  readonly virtualAddress: bigint
  readonly fileOffset: number
  readonly fileSize: number
  /** At least fileSize: the rest is zero. */
  readonly memorySize: number
  readonly executable: boolean
  readonly writable: boolean
}
export interface ElfSymbol { readonly name: string, readonly address: bigint, readonly size: number }

export interface Elf {
  readonly entry: bigint
  /** PT_LOAD segments that occupy memory, in file order. */
  readonly segments: readonly ElfSegment[]
  /** Functions, objects and labels, sorted by address; read at the first use. */
  symbols(): readonly ElfSymbol[]
  /** `name` or `name+0x12`, or undefined if no symbol covers the address. */
  symbolize(address: bigint): string | undefined
  symbol(name: string): ElfSymbol | undefined
}

const EM_AARCH64 = 183
const PT_LOAD = 1
const SHT_SYMTAB = 2
const STT = { object: 1, function: 2, none: 0 } as const
const MAX_SEGMENTS = 1024
const MAX_NAME = 1024
/** Memory that one segment may ask for; the board says later whether it fits. */
const MAX_SIZE = 2 ** 40

export const isElf = (bytes: Uint8Array): boolean => bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46

/** Throws BadInput; a damaged symbol table only makes `symbols` empty. */
export function parseElf(bytes: Uint8Array): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!isElf(bytes)) fail(0, 'no ELF magic number')
  if (bytes.length < 64) fail(0, `${bytes.length} bytes are less than an ELF64 header`)
  if (bytes[4] !== 2) fail(4, 'not ELF64 (AArch32 images are not supported)')
  if (bytes[5] !== 1) fail(5, 'not little-endian')
  const type = view.getUint16(16, true), machine = view.getUint16(18, true)
  if (machine !== EM_AARCH64) fail(18, `machine ${machine}, not AArch64 (${EM_AARCH64})`)
  if (type !== 2 && type !== 3) fail(16, `type ${type} is not an executable`)
  const tableOffset = view.getBigUint64(32, true)
  const entrySize = view.getUint16(54, true), count = view.getUint16(56, true)
  if (count === 0) fail(56, 'no program headers')
  if (count > MAX_SEGMENTS) fail(56, `${count} program headers are more than ${MAX_SEGMENTS}`)
  if (entrySize < 56) fail(54, `program headers of ${entrySize} bytes`)
  if (tableOffset + BigInt(count * entrySize) > BigInt(bytes.length)) fail(32, `program headers at 0x${tableOffset.toString(16)} run out of the file`)

  const segments: ElfSegment[] = []
  for (let i = 0; i < count; i++) {
    const at = Number(tableOffset) + i * entrySize
    if (view.getUint32(at, true) !== PT_LOAD) continue
    const flags = view.getUint32(at + 4, true)
    const fileOffset = view.getBigUint64(at + 8, true), fileSize = view.getBigUint64(at + 32, true), memorySize = view.getBigUint64(at + 40, true)
    if (fileOffset + fileSize > BigInt(bytes.length)) fail(at + 8, `segment ${i} (offset 0x${fileOffset.toString(16)}, 0x${fileSize.toString(16)} bytes) runs out of the file`)
    if (memorySize < fileSize) fail(at + 40, `segment ${i} has less memory than bytes in the file`)
    if (memorySize > BigInt(MAX_SIZE)) fail(at + 40, `segment ${i} asks for 0x${memorySize.toString(16)} bytes`)
    if (memorySize === 0n) continue
    segments.push({
      physicalAddress: view.getBigUint64(at + 24, true), virtualAddress: view.getBigUint64(at + 16, true),
      fileOffset: Number(fileOffset), fileSize: Number(fileSize), memorySize: Number(memorySize),
      executable: (flags & 1) !== 0, writable: (flags & 2) !== 0,
    })
  }
  if (segments.length === 0) fail(Number(tableOffset), 'no segment to load')
  return new ParsedElf(view, view.getBigUint64(24, true), segments)
}

class ParsedElf implements Elf {
  readonly entry: bigint
  readonly segments: readonly ElfSegment[]
  private readonly view: DataView
  private sorted: readonly ElfSymbol[] | undefined

  constructor(view: DataView, entry: bigint, segments: readonly ElfSegment[]) {
    this.view = view
    this.entry = entry
    this.segments = segments
  }

  symbols(): readonly ElfSymbol[] {
    return this.sorted ??= readSymbols(this.view)
  }

  symbol(name: string): ElfSymbol | undefined {
    return this.symbols().find(symbol => symbol.name === name)
  }

  symbolize(address: bigint): string | undefined {
    const list = this.symbols()
    let low = 0, high = list.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (list[middle]!.address <= address) low = middle + 1
      else high = middle
    }
    const found = list[low - 1]
    if (found === undefined) return undefined
    const offset = address - found.address
    // An assembly label has no size: it reaches to the next symbol, within its segment.
    if (found.size > 0 ? offset >= BigInt(found.size) : !this.sameSegment(found.address, address)) return undefined
    return offset === 0n ? found.name : `${found.name}+0x${offset.toString(16)}`
  }

  private sameSegment(a: bigint, b: bigint): boolean {
    return this.segments.some(segment => holds(segment, a) && holds(segment, b))
  }
}

const holds = (segment: ElfSegment, address: bigint): boolean => address >= segment.virtualAddress && address < segment.virtualAddress + BigInt(segment.memorySize)

function readSymbols(view: DataView): ElfSymbol[] {
  const length = BigInt(view.byteLength)
  const sectionsAt = view.getBigUint64(40, true)
  const sectionSize = view.getUint16(58, true), sectionCount = view.getUint16(60, true)
  if (sectionSize < 64 || sectionsAt + BigInt(sectionSize * sectionCount) > length) return []
  const section = (index: number) => {
    const at = Number(sectionsAt) + index * sectionSize
    const offset = view.getBigUint64(at + 24, true), size = view.getBigUint64(at + 32, true)
    return { type: view.getUint32(at + 4, true), link: view.getUint32(at + 40, true), offset, size, inside: offset + size <= length }
  }
  const decoder = new TextDecoder()
  const found: ElfSymbol[] = []
  for (let index = 0; index < sectionCount; index++) {
    const table = section(index)
    if (table.type !== SHT_SYMTAB || !table.inside || table.link >= sectionCount) continue
    const names = section(table.link)
    if (!names.inside) continue
    const namesStart = Number(names.offset), namesEnd = namesStart + Number(names.size)
    for (let at = Number(table.offset); at + 24 <= Number(table.offset + table.size); at += 24) {
      const kind = view.getUint8(at + 4) & 15
      if (kind !== STT.object && kind !== STT.function && kind !== STT.none) continue
      // Undefined symbols have no address; absolute ones (SHN_ABS) are constants.
      const home = view.getUint16(at + 6, true)
      if (home === 0 || home === 0xfff1) continue
      const start = namesStart + view.getUint32(at, true)
      let end = start
      while (end < namesEnd && end - start < MAX_NAME && view.getUint8(end) !== 0) end++
      // `$x` and `$d` only mark code and data.
      if (end === start || view.getUint8(start) === 0x24) continue
      const size = view.getBigUint64(at + 16, true)
      found.push({
        name: decoder.decode(new Uint8Array(view.buffer, view.byteOffset + start, end - start)),
        address: view.getBigUint64(at + 8, true), size: size > BigInt(MAX_SIZE) ? 0 : Number(size),
      })
    }
  }
  // Of symbols at one address the sized one stands last, where symbolize() finds it.
  return found.toSorted((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.size - b.size || (a.name < b.name ? 1 : -1)))
}

function fail(offset: number, problem: string): never {
  throw new BadInput('ELF image', problem, offset)
}
