/** Small ELF files and arm64 Images for tests. */
export interface TestSegment { readonly vaddr: bigint, readonly paddr: bigint, readonly bytes: Uint8Array, readonly memsz?: number, readonly flags?: number }
export interface TestSymbol { readonly name: string, readonly value: bigint, readonly size?: bigint, readonly info?: number, readonly section?: number }

export function buildElf(entry: bigint, segments: readonly TestSegment[], symbols: readonly TestSymbol[] = []): Uint8Array {
  const names = new TextEncoder().encode(`\0${symbols.map(symbol => `${symbol.name}\0`).join('')}`)
  const headerEnd = 64 + 56 * segments.length
  const dataAt: number[] = []
  let at = headerEnd
  for (const segment of segments) {
    dataAt.push(at)
    at += segment.bytes.length
  }
  const symtabAt = at
  const symtabSize = 24 * (symbols.length + 1)
  const stringsAt = symtabAt + symtabSize
  const sectionsAt = stringsAt + names.length
  const bytes = new Uint8Array(sectionsAt + 3 * 64)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, 183, true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, entry, true)
  view.setBigUint64(32, 64n, true)
  view.setBigUint64(40, BigInt(sectionsAt), true)
  view.setUint16(52, 64, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, segments.length, true)
  view.setUint16(58, 64, true)
  view.setUint16(60, 3, true)
  segments.forEach((segment, i) => {
    const p = 64 + 56 * i
    view.setUint32(p, 1, true)
    view.setUint32(p + 4, segment.flags ?? 5, true)
    view.setBigUint64(p + 8, BigInt(dataAt[i]!), true)
    view.setBigUint64(p + 16, segment.vaddr, true)
    view.setBigUint64(p + 24, segment.paddr, true)
    view.setBigUint64(p + 32, BigInt(segment.bytes.length), true)
    view.setBigUint64(p + 40, BigInt(segment.memsz ?? segment.bytes.length), true)
    bytes.set(segment.bytes, dataAt[i]!)
  })
  let nameOffset = 1
  symbols.forEach((symbol, i) => {
    const s = symtabAt + 24 * (i + 1)
    view.setUint32(s, nameOffset, true)
    view.setUint8(s + 4, symbol.info ?? 2)
    view.setUint16(s + 6, symbol.section ?? 1, true)
    view.setBigUint64(s + 8, symbol.value, true)
    view.setBigUint64(s + 16, symbol.size ?? 0n, true)
    nameOffset += new TextEncoder().encode(symbol.name).length + 1
  })
  bytes.set(names, stringsAt)
  const section = (index: number, type: number, offset: number, size: number, link: number): void => {
    const s = sectionsAt + 64 * index
    view.setUint32(s + 4, type, true)
    view.setBigUint64(s + 24, BigInt(offset), true)
    view.setBigUint64(s + 32, BigInt(size), true)
    view.setUint32(s + 40, link, true)
  }
  section(1, 2, symtabAt, symtabSize, 2)
  section(2, 3, stringsAt, names.length, 0)
  return bytes
}

export function buildImage(textOffset: bigint, imageSize: bigint, flags: bigint, length = 128): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(8, textOffset, true)
  view.setBigUint64(16, imageSize, true)
  view.setBigUint64(24, flags, true)
  view.setUint32(0x38, 0x644d_5241, true)
  return bytes
}
