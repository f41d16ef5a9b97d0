/**
 * Addresses in the engine's one WebAssembly memory. Fixed parts first; the parts whose size depends on the machine follow, guest
 * RAM last. Numbers are byte addresses. Everything that decides what a guest sees lies in here or in JavaScript objects that
 * `machine/` saves: the memory can be copied as a whole.
 */

/** Largest number of PEs. */
export const MAXIMUM_PES = 8

/**
 * The hot block: the state of the PE that runs now. It starts at address 0 so that a decode record can hold the address of a
 * register in 16 bits. `Engine.switchTo` copies it out and another PE's in.
 */
export const HOT = {
  /** X0..X30, 8 bytes each. */
  X: 0x000,
  /** The stack pointer in use: register 31 of instructions that name SP. */
  SP: 0x0f8,
  /** Always 0: register 31 as a source. */
  ZERO: 0x100,
  /** Written and never read: register 31 as a destination. */
  DUMMY: 0x108,
  /** V0..V31, 16 bytes each. */
  V: 0x110,
  /** i64: address of the current instruction; exact whenever JavaScript runs. */
  PC: 0x310,
  /** i64: virtual address of the page being executed. */
  PAGE_VA: 0x318,
  /** i32: its decode records. */
  RECORDS: 0x320,
  /** i32: record of the current instruction, and the credit (see interpreter.ts) before it; valid while JavaScript runs. */
  RECORD: 0x324,
  CREDIT: 0x328,
  /** i32: flags, N is bit 3, V is bit 0. */
  NZCV: 0x32c,
  /** i32: set by a callback that has changed PC: the current instruction is abandoned. */
  REDIRECT: 0x330,
  /** i32: TLB contexts in use. */
  DATA_TLB: 0x334,
  UNPRIVILEGED_TLB: 0x338,
  FETCH_TLB: 0x33c,
  /** i32: not 0 when SIMD&FP instructions trap or are disabled at the current EL. */
  FP_TRAP: 0x340,
  /** i32: PSTATE without NZCV in SPSR format; the CPU's, kept here so that it is saved and switched with the rest. */
  PSTATE: 0x344,
  /** Local exclusive monitor: virtual address, wasm address of the bytes (0 = open), size, the bytes as they were read. */
  EXCLUSIVE_VA: 0x348,
  EXCLUSIVE_ADDRESS: 0x350,
  EXCLUSIVE_SIZE: 0x354,
  EXCLUSIVE_LOW: 0x358,
  EXCLUSIVE_HIGH: 0x360,
  /** i32: what is left of the budget (times 16) when `run` returns or is entered. */
  LEFT: 0x368,
  /** i32: address of the PE's register file. */
  FILE: 0x36c,
  /** 16 bytes: data of the access that a callback performs. */
  DATA: 0x370,
  /** i64 per register: 15 for SP while SP alignment is checked, else 0. Indexed like X, so that it costs one load. */
  SP_MASK: 0x380,
  SIZE: 0x480,
} as const

/** What generated code needs for accesses to system registers (inline-system.ts). The CPU writes it for the PE that runs. */
export const SYSTEM = {
  /** i32: cycles that may be charged before the run has to be shortened; cycles of a read, of a write; not 0 while an interrupt line may be up. */
  SLACK: 0x600,
  READ_COST: 0x604,
  WRITE_COST: 0x608,
  PENDING: 0x60c,
  /** From here on what the CPU replaces as a whole: values of DCZID_EL0 and CurrentEL (i64) ... */
  TABLE: 0x610,
  DCZID: 0x610,
  CURRENT_EL: 0x618,
  /** ... not 0 where MRS and MSR DAIF, MSR DAIFSet and DAIFClr, DC ZVA, and cache maintenance by VA are performed here (i32) ... */
  DAIF_READ: 0x620,
  DAIF_WRITE: 0x624,
  DAIF_IMMEDIATE: 0x628,
  ZERO_BLOCK: 0x62c,
  CACHE: 0x630,
  /** ... and addresses of the values of registers, by their place in INLINE_READS and INLINE_WRITES (i32, 0: not here). */
  READ: 0x640,
  READS: 40,
  WRITE: 0x640 + 40 * 4,
  WRITES: 24,
  END: 0x640 + 64 * 4,
} as const

/** What generated code needs for pointer authentication (pointer-codes.ts). The CPU writes it for the PE that runs. */
export const PAC = {
  /** i32: keys that are enabled, and of these the ones whose instructions trap; a bit per key. */
  ENABLED: 0x780,
  TRAPPED: 0x784,
  /** i32: addresses of the low and of the high half of each of five keys. */
  KEYS: 0x788,
  /** i64 for instruction and for data pointers: the bit that selects the VA range when a code is added. */
  SELECT: 0x7b0,
  /** i64, 64 bytes on for data pointers and 32 for the upper range: bits that a code replaces with those above it, bits of the code, ... */
  EXTENSION: 0x7c0,
  CODE: 0x7c8,
  /** ... the bit that is inverted in the code of a pointer that is not canonical, and the lower bit of the error code. */
  POISON: 0x7d0,
  ERROR: 0x7d8,
  END: 0x840,
} as const

/** Saved hot blocks of the PEs that do not run. */
export const BACKING = 0x1000
export const BACKING_STRIDE = 0x600

/** One register file (arch/register-file.ts) per PE. */
export const REGISTER_FILES = 0x4000
export const REGISTER_FILE_STRIDE = 0x2000
export const REGISTER_FILE_SLOTS = REGISTER_FILE_STRIDE / 8

/** Tables of 256 words for CRC32 and CRC32C. */
export const CRC_TABLES = 0x1_4000

/** Operands of a floating-point operation that JavaScript performs, three times 16 bytes, and another result. Nothing is kept here. */
export const FP_SCRATCH = CRC_TABLES + 2 * 1024
/** A register file in which FPCR is 0 and FPSR.IXC set: see SoftFloat. */
export const FP_FILE = 0x1_6000

/** 64-bit constants that do not fit into a decode record; a record holds the index in 16 bits. */
export const POOL = 0x2_0000
export const POOL_ENTRIES = 0x1_0000

/** TLB contexts; entries are 16 bytes: i64 tag, i32 addend, i32 flags. */
export const TLB = {
  BASE: POOL + POOL_ENTRIES * 8,
  CONTEXTS: 64,
  /** Entries of the read and of the write part. */
  DATA_ENTRIES: 1024,
  FETCH_ENTRIES: 512,
  READ: 0,
  WRITE: 1024 * 16,
  FETCH: 2 * 1024 * 16,
  STRIDE: (2 * 1024 + 512) * 16,
} as const

/** How often taken branches to a record may still come before the translator is told: 16 bits each, by a hash of the record's address. */
export const HEAT = { BASE: TLB.BASE + TLB.CONTEXTS * TLB.STRIDE, ENTRIES: 16384, MASK: 2 * 16384 - 1 - 1 } as const

/** Beside the records of a page with translated regions: per record 16 bits for the region's slot, 16 for the handler it stands for. */
export const SIDE = { SIZE: 4, STRIDE: 4096, PAGES: 1024, REGIONS: 8192 } as const

/** Decode records of one 4 KiB page: 1024 of 16 bytes, the record that stands for the page's end, and words about the page. */
export const RECORDS = {
  SIZE: 16,
  END: 1024 * 16,
  RAM_OFFSET: 1024 * 16 + 16,
  /** i32: address of the side page (SIDE). */
  SIDE: 1024 * 16 + 28,
  STRIDE: 1024 * 16 + 32,
} as const

export const PAGE_SHIFT = 12
export const PAGE_SIZE = 4096
const WASM_PAGE = 0x1_0000

export interface Layout {
  /** i32 per RAM page: address of its decode records or 0. */
  readonly pageRecords: number
  /** One byte per RAM page, see PAGE_FLAGS. */
  readonly pageFlags: number
  readonly recordPages: number
  readonly recordPageCount: number
  /** Pages of SIDE; none without the translator. */
  readonly sidePages: number
  readonly sidePageCount: number
  readonly ramBase: number
  readonly ramSize: number
  /** Of the whole memory. */
  readonly bytes: number
}

export const PAGE_FLAGS = {
  /** Has been writable since the flag was cleared: by a write TLB entry or by `Ram`. For snapshots. */
  DIRTY: 1,
  /** Some write TLB entry may refer to this page. */
  WRITE_MAPPED: 2,
} as const

const align = (n: number, to: number): number => Math.ceil(n / to) * to

/** @throws RangeError when RAM and the parts before it exceed what a 32-bit memory holds. */
export function layoutFor(ramSize: number, recordPageCount: number, sidePageCount = 0): Layout {
  const pages = align(ramSize, PAGE_SIZE) / PAGE_SIZE
  const pageRecords = HEAT.BASE + HEAT.ENTRIES * 2
  const pageFlags = pageRecords + pages * 4
  const recordPages = align(pageFlags + pages, 64)
  const sidePages = align(recordPages + recordPageCount * RECORDS.STRIDE, 64)
  const ramBase = align(sidePages + sidePageCount * SIDE.STRIDE, WASM_PAGE)
  const bytes = align(ramBase + pages * PAGE_SIZE, WASM_PAGE)
  if (bytes > 0x1_0000_0000) throw new RangeError(`${ramSize} bytes of RAM do not fit beside the engine's tables`)
  return { pageRecords, pageFlags, recordPages, recordPageCount, sidePages, sidePageCount, ramBase, ramSize: pages * PAGE_SIZE, bytes }
}
