/**
 * Functions of a Linux kernel at addresses it has run at. Its own table of symbols says where they are in the Image; where the Image is, in the
 * kernel's address space and again in the one of an nVHE hypervisor part, is found by what was executed there: at an address that trapped as a
 * system register access or an ERET stands such an instruction.
 */
import { findKallsyms } from '../arch/image/kallsyms.ts'

/** Kernels are placed at multiples of it, also by KASLR. */
const GRANULE = 0x1_0000
/** Address spaces are told apart by these bits. */
const SPACE_SHIFT = 36n

const isSystemInstruction = (word: number): boolean => (word & 0xffc0_0000) >>> 0 === 0xd500_0000 || word === 0xd69f_03e0

/** What comes behind has no name: in 5.10 the nVHE hypervisor part, whose symbols are left out of the table. */
const ENDS: ReadonlySet<string> = new Set(['_etext', '_einittext'])

/** `trapped`: addresses of system instructions. The function that is returned knows the spaces that they are in. */
export function kernelSymbols(image: Uint8Array, trapped: Iterable<bigint>): (pc: bigint) => string | undefined {
  const kallsyms = findKallsyms(image), spaces = new Map<bigint, Set<bigint>>(), bases = new Map<bigint, bigint>()
  if (kallsyms === undefined) return () => undefined
  for (const pc of trapped) spaces.set(pc >> SPACE_SHIFT, (spaces.get(pc >> SPACE_SHIFT) ?? new Set()).add(pc))
  for (const [space, pcs] of spaces) {
    const base = baseOf(image, [...pcs])
    if (base !== undefined) bases.set(space, base)
  }
  return pc => {
    const base = bases.get(pc >> SPACE_SHIFT), offset = base === undefined ? -1 : Number(pc - base)
    const symbol = offset < 0 || offset >= image.length ? undefined : kallsyms.at(offset)
    return symbol === undefined || ENDS.has(symbol.name) ? undefined : `${symbol.name}${offset === symbol.offset ? '' : `+0x${(offset - symbol.offset).toString(16)}`}`
  }
}

/** The place of the Image at which most of `pcs` are system instructions; undefined if no place makes it so for more than half. */
function baseOf(image: Uint8Array, pcs: readonly bigint[]): bigint | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const first = pcs[0]!, low = Number(first & BigInt(GRANULE - 1))
  let best: bigint | undefined, most = pcs.length / 2
  for (let offset = low; offset < image.length; offset += GRANULE) {
    const base = first - BigInt(offset)
    let count = 0
    for (const pc of pcs) {
      const at = Number(pc - base)
      if (at >= 0 && at + 4 <= image.length && isSystemInstruction(view.getUint32(at, true))) count++
    }
    if (count > most) {
      most = count
      best = base
    }
  }
  return best
}
