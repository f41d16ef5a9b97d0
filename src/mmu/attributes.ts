/**
 * Memory types (Arm ARM D8.6 "Memory region attributes" and D8.6.6 "Stage 2 memory type and Cacheability"). A type is a byte in MAIR_ELx
 * format: 0b0000dd00 Device, otherwise outer and inner nibbles.
 */

export const DEVICE_nGnRnE = 0x00
export const NORMAL_NC = 0x44
export const NORMAL_WB = 0xff
/** Untranslated instruction fetches with SCTLR.I: Write-Through, read-allocate. */
export const NORMAL_WT_FETCH = 0xaa

export const NSH = 0
export const OSH = 2
export const ISH = 3

export const isDevice = (attr: number): boolean => (attr & 0xf0) === 0

/** The type that MAIR_ELx holds at `index`. UNPREDICTABLE encodings: Device bits other than dd are ignored; a Normal type without an inner nibble is inner = outer. */
export function mairAttribute(mairLo: number, mairHi: number, index: number): number {
  const attr = ((index < 4 ? mairLo : mairHi) >>> ((index & 3) * 8)) & 0xff
  if ((attr & 0xf0) === 0) return attr & 0x0c
  return attr & 0x0f ? attr : attr | (attr >>> 4)
}

/** Shareability from descriptor bits; the reserved value is treated as non-shareable. */
export const decodeShareability = (sh: number): number => (sh === 1 ? NSH : sh)

/** Device and Normal Non-cacheable memory is outer shareable whatever the descriptor says. */
export const effectiveShareability = (attr: number, sh: number): number => (isDevice(attr) || attr === NORMAL_NC ? OSH : sh)

/** S2CombineS1Shareability: the wider one. */
export function combineShareability(s1: number, s2: number): number {
  if (s1 === OSH || s2 === OSH) return OSH
  return s1 === ISH || s2 === ISH ? ISH : NSH
}

const NC = 0b0100
const isWriteThrough = (nibble: number): boolean => (nibble & 0b0100) === 0

/** S2CombineS1AttrHints on one nibble; `s2` is 1 Non-cacheable, 2 Write-Through, 3 Write-Back (0 reserved: taken as Non-cacheable). Hints come from stage 1. */
function combineNibble(s1: number, s2: number): number {
  if (s1 === NC || s2 < 2) return NC
  if (isWriteThrough(s1) || s2 === 3) return s1
  // Write-Back made Write-Through: 11RW -> 10RW, transient 01RW -> 00RW.
  return s1 & 0b1011
}

/** Stage 1 type and MemAttr[3:0] of stage 2 without FWB (S2CombineS1MemAttrs). */
export function combineAttributes(s1: number, memAttr: number): number {
  const s2Device = (memAttr & 0b1100) === 0
  // The more restrictive Device type is the smaller number.
  if (isDevice(s1)) return s2Device ? Math.min(s1, memAttr << 2) : s1
  if (s2Device) return memAttr << 2
  return (combineNibble(s1 >>> 4, memAttr >>> 2) << 4) | combineNibble(s1 & 15, memAttr & 3)
}

/** The same with HCR_EL2.FWB (AArch64.S2ApplyFWBMemAttrs). */
export function combineForced(s1: number, memAttr: number): number {
  if ((memAttr & 0b0100) === 0) {
    const device = (memAttr & 3) << 2
    return isDevice(s1) ? Math.min(s1, device) : device
  }
  switch (memAttr & 3) {
    case 3: return s1
    case 2: return isDevice(s1) ? NORMAL_WB : (forceNibble(s1 >>> 4) << 4) | forceNibble(s1 & 15)
    default: return isDevice(s1) ? s1 : NORMAL_NC
  }
}

function forceNibble(s1: number): number {
  if (s1 === NC) return 0b1111
  return s1 | 0b0100
}

/** Whether stage 2 alone makes the memory Device (the HCR_EL2.PTW check, and alignment). */
export const stage2Device = (memAttr: number, forced: boolean): boolean => (forced ? (memAttr & 0b0100) === 0 : (memAttr & 0b1100) === 0)
