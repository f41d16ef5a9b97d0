/** A static AArch64 ELF executable made of segments (ELF-64 Object File Format; e_machine EM_AARCH64). */
export interface Segment { readonly address: bigint, readonly bytes: Uint8Array, readonly flags: 'rw' | 'rx' }

const PAGE = 0x1000

export function elfExecutable(entry: bigint, segments: readonly Segment[]): Uint8Array {
  let end = PAGE
  const offsets = segments.map(segment => {
    const offset = end
    end += Math.ceil(segment.bytes.length / PAGE) * PAGE
    return offset
  })
  const file = new Uint8Array(end), view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true) // ET_EXEC
  view.setUint16(18, 183, true) // EM_AARCH64
  view.setUint32(20, 1, true)
  view.setBigUint64(24, entry, true)
  view.setBigUint64(32, 64n, true) // e_phoff
  view.setUint16(52, 64, true) // e_ehsize
  view.setUint16(54, 56, true) // e_phentsize
  view.setUint16(56, segments.length, true)
  view.setUint16(58, 64, true)
  segments.forEach((segment, i) => {
    const at = 64 + 56 * i
    view.setUint32(at, 1, true) // PT_LOAD
    view.setUint32(at + 4, segment.flags === 'rw' ? 6 : 5, true)
    view.setBigUint64(at + 8, BigInt(offsets[i]!), true)
    view.setBigUint64(at + 16, segment.address, true)
    view.setBigUint64(at + 24, segment.address, true)
    view.setBigUint64(at + 32, BigInt(segment.bytes.length), true)
    view.setBigUint64(at + 40, BigInt(segment.bytes.length), true)
    view.setBigUint64(at + 48, BigInt(PAGE), true)
    file.set(segment.bytes, offsets[i]!)
  })
  return file
}
