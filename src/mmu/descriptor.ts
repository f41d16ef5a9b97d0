/**
 * VMSAv8-64 translation table descriptors (Arm ARM D8.3 "Translation table descriptor formats"): where the bits are, table geometry, and
 * pure encoders and decoders. The walk works on two halves; encode and decode take and give whole descriptors for L0's tables and tests.
 */

/** Bits of the lower half (31:0), both stages unless named otherwise. */
export const LO = {
  valid: 1 << 0, table: 1 << 1, attrIndexShift: 2, AP1: 1 << 6, AP2: 1 << 7, shShift: 8, AF: 1 << 10, nG: 1 << 11,
  /** Stage 2: S2AP[0] allows reads, S2AP[1] writes; MemAttr[3:0] stands at bit 2. */
  S2R: 1 << 6, S2W: 1 << 7, memAttrShift: 2,
} as const
/** Bits of the upper half, as bit numbers of the descriptor minus 32. In a table descriptor of stage 1 the top bits are the hierarchical controls. */
export const HI = {
  DBM: 1 << 19, contiguous: 1 << 20, PXN: 1 << 21, UXN: 1 << 22, XN: 1 << 22,
  PXNTable: 1 << 27, UXNTable: 1 << 28, XNTable: 1 << 28, APTable0: 1 << 29, APTable1: 1 << 30,
} as const
export const HIERARCHY = HI.PXNTable | HI.UXNTable | HI.APTable0 | HI.APTable1

export type GranuleShift = 12 | 14 | 16

/** log2 of what one entry at `level` covers. */
export const levelShift = (granuleShift: number, level: number): number => granuleShift + (3 - level) * (granuleShift - 3)

/** Whether a block descriptor is allowed at this level (without FEAT_LPA2): 4K 1 and 2, 16K and 64K 2. */
export const blockAllowed = (granuleShift: number, level: number): boolean => level === 2 || (level === 1 && granuleShift === 12)

/** Index into the table at `level` of an address; `bits` is the width at the starting level, granuleShift - 3 elsewhere. */
export function tableIndex(address: number, granuleShift: number, level: number, bits = granuleShift - 3): number {
  return Math.floor(address / 2 ** levelShift(granuleShift, level)) % 2 ** bits
}

/** MemAttr[3:0] of stage 2 without FWB. */
export const MEMATTR = { deviceNGnRnE: 0b0000, deviceNGnRE: 0b0001, normalNC: 0b0101, normalWB: 0b1111 } as const
/** MemAttr[3:0] of stage 2 with HCR_EL2.FWB: device forces Device, the others as named. */
export const MEMATTR_FWB = { deviceNGnRnE: 0b0000, deviceNGnRE: 0b0001, normalNC: 0b0101, forceWB: 0b0110, stage1: 0b0111 } as const
export const SH = { none: 0, outer: 2, inner: 3 } as const

export interface Stage2Leaf {
  readonly pa: number
  readonly read: boolean
  readonly write: boolean
  readonly execute: boolean
  /** Bits 5:2. */
  readonly memAttr: number
  readonly sh: 0 | 2 | 3
  readonly accessFlag: boolean
  /** DBM: with VTCR_EL2.HD a store sets S2AP[1]. */
  readonly dirtyManaged: boolean
  readonly contiguous: boolean
  /** Bits 58:55, ignored by hardware. */
  readonly software: number
}

const PA_MASK = 0xffff_ffff_f000n

/** A page (level 3) or block descriptor; `pa` must be aligned to its size. */
export function encodeStage2Leaf(leaf: Partial<Stage2Leaf> & { readonly pa: number }, level: number): bigint {
  const lo = LO.valid | (level === 3 ? LO.table : 0) | ((leaf.memAttr ?? MEMATTR.normalWB) << LO.memAttrShift)
    | (leaf.read ?? true ? LO.S2R : 0) | (leaf.write ?? true ? LO.S2W : 0)
    | ((leaf.sh ?? SH.inner) << LO.shShift) | (leaf.accessFlag ?? true ? LO.AF : 0)
  const hi = (leaf.execute ?? true ? 0 : HI.XN) | (leaf.dirtyManaged ? HI.DBM : 0) | (leaf.contiguous ? HI.contiguous : 0) | ((leaf.software ?? 0) << 23)
  return (BigInt(hi) << 32n) | BigInt(leaf.pa) | BigInt(lo)
}

/** A table descriptor of stage 2 (no hierarchical bits). */
export const encodeStage2Table = (pa: number): bigint => BigInt(pa) | 3n

export type Stage2Descriptor = { readonly kind: 'invalid' } | { readonly kind: 'table', readonly pa: number } | ({ readonly kind: 'leaf' } & Stage2Leaf)

export function decodeStage2(descriptor: bigint, level: number, granuleShift: number = 12): Stage2Descriptor {
  const lo = Number(descriptor & 0xffff_ffffn), hi = Number((descriptor >> 32n) & 0xffff_ffffn)
  const type = descriptorType(lo, level, granuleShift)
  if (type === INVALID) return { kind: 'invalid' }
  if (type === TABLE) return { kind: 'table', pa: Number(descriptor & PA_MASK & -(1n << BigInt(granuleShift))) }
  const sh = (lo >>> LO.shShift) & 3
  return {
    kind: 'leaf', pa: Number(descriptor & PA_MASK & -(1n << BigInt(levelShift(granuleShift, level)))),
    read: (lo & LO.S2R) !== 0, write: (lo & LO.S2W) !== 0, execute: (hi & HI.XN) === 0, memAttr: (lo >>> LO.memAttrShift) & 15,
    sh: sh === 1 ? 0 : sh as 0 | 2 | 3, accessFlag: (lo & LO.AF) !== 0, dirtyManaged: (hi & HI.DBM) !== 0,
    contiguous: (hi & HI.contiguous) !== 0, software: (hi >>> 23) & 15,
  }
}

export interface Stage1Leaf {
  readonly pa: number
  /** AP[2:1]: 0 RW privileged, 1 RW both, 2 RO privileged, 3 RO both. */
  readonly ap: number
  readonly attrIndex: number
  readonly sh: 0 | 2 | 3
  readonly accessFlag: boolean
  readonly notGlobal: boolean
  readonly pxn: boolean
  /** UXN, or XN in EL2's format. */
  readonly uxn: boolean
  readonly dirtyManaged: boolean
  readonly contiguous: boolean
  readonly software: number
}

export function encodeStage1Leaf(leaf: Partial<Stage1Leaf> & { readonly pa: number }, level: number): bigint {
  const lo = LO.valid | (level === 3 ? LO.table : 0) | ((leaf.attrIndex ?? 0) << LO.attrIndexShift) | ((leaf.ap ?? 0) << 6)
    | ((leaf.sh ?? SH.inner) << LO.shShift) | (leaf.accessFlag ?? true ? LO.AF : 0) | (leaf.notGlobal ? LO.nG : 0)
  const hi = (leaf.pxn ? HI.PXN : 0) | (leaf.uxn ? HI.UXN : 0) | (leaf.dirtyManaged ? HI.DBM : 0) | (leaf.contiguous ? HI.contiguous : 0) | ((leaf.software ?? 0) << 23)
  return (BigInt(hi) << 32n) | BigInt(leaf.pa) | BigInt(lo)
}

/** Hierarchical controls of a stage 1 table descriptor. */
export function encodeStage1Table(pa: number, controls: { readonly apTable?: number, readonly uxnTable?: boolean, readonly pxnTable?: boolean } = {}): bigint {
  const hi = ((controls.apTable ?? 0) << 29) | (controls.uxnTable ? HI.UXNTable : 0) | (controls.pxnTable ? HI.PXNTable : 0)
  return (BigInt(hi >>> 0) << 32n) | BigInt(pa) | 3n
}

export type Stage1Descriptor = { readonly kind: 'invalid' }
  | { readonly kind: 'table', readonly pa: number, readonly apTable: number, readonly uxnTable: boolean, readonly pxnTable: boolean }
  | ({ readonly kind: 'leaf' } & Stage1Leaf)

export function decodeStage1(descriptor: bigint, level: number, granuleShift: number = 12): Stage1Descriptor {
  const lo = Number(descriptor & 0xffff_ffffn), hi = Number((descriptor >> 32n) & 0xffff_ffffn)
  const type = descriptorType(lo, level, granuleShift)
  if (type === INVALID) return { kind: 'invalid' }
  if (type === TABLE) {
    return {
      kind: 'table', pa: Number(descriptor & PA_MASK & -(1n << BigInt(granuleShift))),
      apTable: (hi >>> 29) & 3, uxnTable: (hi & HI.UXNTable) !== 0, pxnTable: (hi & HI.PXNTable) !== 0,
    }
  }
  const sh = (lo >>> LO.shShift) & 3
  return {
    kind: 'leaf', pa: Number(descriptor & PA_MASK & -(1n << BigInt(levelShift(granuleShift, level)))), ap: (lo >>> 6) & 3,
    attrIndex: (lo >>> LO.attrIndexShift) & 7, sh: sh === 1 ? 0 : sh as 0 | 2 | 3, accessFlag: (lo & LO.AF) !== 0, notGlobal: (lo & LO.nG) !== 0,
    pxn: (hi & HI.PXN) !== 0, uxn: (hi & HI.UXN) !== 0, dirtyManaged: (hi & HI.DBM) !== 0, contiguous: (hi & HI.contiguous) !== 0, software: (hi >>> 23) & 15,
  }
}

export const INVALID = 0
export const TABLE = 1
export const LEAF = 2

/** AArch64.DecodeDescriptorType of the pseudocode. */
export function descriptorType(lo: number, level: number, granuleShift: number): 0 | 1 | 2 {
  if ((lo & LO.valid) === 0) return INVALID
  if (lo & LO.table) return level === 3 ? LEAF : TABLE
  return blockAllowed(granuleShift, level) ? LEAF : INVALID
}

export interface Stage2Geometry {
  readonly T0SZ: number
  readonly SL0: number
  readonly startLevel: number
  /** Tables that stand side by side at the starting level: 1 to 16. */
  readonly concatenated: number
  /** Size and alignment of the first table(s). */
  readonly rootSize: number
}

/** The stage 2 shape for an IPA size, with as few levels as concatenation allows (what KVM does). */
export function stage2Geometry(ipaBits: number, granuleShift: GranuleShift = 12): Stage2Geometry {
  const stride = granuleShift - 3
  let startLevel = 4 - Math.ceil((ipaBits - granuleShift) / stride)
  let bits = ipaBits - levelShift(granuleShift, startLevel)
  if (bits <= 4 && startLevel < 3 && ipaBits > granuleShift + stride) {
    startLevel++
    bits += stride
  }
  return {
    T0SZ: 64 - ipaBits, startLevel, SL0: granuleShift === 12 ? 2 - startLevel : 3 - startLevel,
    concatenated: 2 ** Math.max(0, bits - stride), rootSize: 2 ** (bits + 3),
  }
}
