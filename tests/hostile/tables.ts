/**
 * Translation tables of a hostile guest: a few that work, and pages of descriptors that point at each other, at themselves, at L0's memory, at
 * devices and at nothing. VTTBR_EL2 and TTBR0_EL2 may take any of these pages as a table of any granule and level.
 */
import type { Assembler, Random } from '../assembler.ts'
import { IMAGE_BASE } from './plan.ts'
import { anyAddress } from './values.ts'

/** Pages of descriptors behind 'random'; a 64 KiB granule reads them as one table. */
export const RANDOM_PAGES = 12

/** Block and page attributes of stage 2: Normal read/write/execute, Device read/write; of stage 1: index 0 and 1 of MAIR, read/write at EL2. */
export const STAGE2 = { normal: 0x7fcn, device: 0x4c4n } as const
export const STAGE1 = { normal: 0x700n, device: 0x404n } as const
const GIGABYTE = 1n << 30n, ACCESS_FLAG = 1n << 10n

export function tables(a: Assembler, r: Random): void {
  a.align(0x1_0000)
  // Stage 2, 4 KiB granule, start at level 1: the first GiB as it is (devices), RAM as it is.
  page(a, 'identity', i => i === 0 ? STAGE2.device | 1n : i === 1 ? GIGABYTE | STAGE2.normal | 1n : 0n)
  // The same, RAM in blocks of 2 MiB that the program's abort handler fills in.
  const demand = address(a, 1)
  page(a, 'lazy', i => i === 0 ? STAGE2.device | 1n : i === 1 ? demand | 3n : 0n)
  page(a, 'demand', () => 0n)
  // RAM in pages without access flags, which hardware sets where it may: the first 2 MiB that the program does not stand in, and the program's.
  const pages = address(a, 2), own = address(a, 3)
  page(a, 'flags', i => i === 0 ? STAGE2.device | 1n : i === 1 ? (pages | 3n) : 0n)
  page(a, 'flags of blocks', i => i === 1 ? own | 3n : i < 4 ? (GIGABYTE + BigInt(i) * 0x20_0000n) | (STAGE2.normal & ~ACCESS_FLAG) | 1n : 0n)
  page(a, 'flags of pages', i => (BigInt(IMAGE_BASE) + BigInt(i) * 0x1000n) | (STAGE2.normal & ~ACCESS_FLAG & ~(r.chance(30) ? 0x80n : 0n)) | 3n)
  // Stage 1 of virtual EL2 and of L2.
  page(a, 'stage 1', i => i === 0 ? STAGE1.device | 1n : i === 1 ? GIGABYTE | STAGE1.normal | 1n : i < 8 ? descriptor(a, r) : 0n)
  for (let n = 0; n < RANDOM_PAGES; n++) {
    // Some are orderly tables of pages of this VM, most are not.
    const orderly = r.chance(25)
    page(a, `random ${n}`, () => orderly ? ((anyAddress(r) & 0xffff_f000n) | (r.chance(50) ? STAGE2.normal : STAGE2.normal & ~ACCESS_FLAG) | 3n) : descriptor(a, r))
  }
}

/** One that a walk may meet: invalid, table, block, page, with addresses of all kinds and attributes of no kind. */
export function descriptor(a: Assembler, r: Random): bigint {
  const target = r.chance(50) ? address(a, r.below(RANDOM_PAGES)) : anyAddress(r) & 0xffff_ffff_f000n
  switch (r.below(8)) {
    case 0: return 0n
    case 1: case 2: return target | 3n
    case 3: return (target & ~0x1f_ffffn) | STAGE2.normal | 1n
    case 4: return (target & ~(GIGABYTE - 1n)) | STAGE2.normal | 1n
    case 5: return target | STAGE2.normal | 3n
    case 6: return target | (BigInt(r.below(0x1000)) & ~2n) | (r.u64() & 0xfff0_0000_0000_0000n)
    default: return r.u64()
  }
}

/** IPA of the page `n` pages further on, counted from the one that is being written. */
function address(a: Assembler, n: number): bigint {
  return BigInt(IMAGE_BASE + (a.size & ~0xfff) + n * 0x1000) & 0xffff_ffff_f000n
}

function page(a: Assembler, label: string, entry: (i: number) => bigint): void {
  a.align(4096)
  a.label(label)
  for (let i = 0; i < 512; i++) {
    const value = entry(i)
    a.word(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn))
  }
}
