/** The stage 2 walk (AArch64.S2Translate, S2Walk and S2CheckPermissions of the pseudocode) on int32 halves, without allocation. */
import { addressOf } from '../arch/address.ts'
import { FSC } from '../arch/esr.ts'
import { combineAttributes, combineForced, stage2Device } from './attributes.ts'
import { HI, INVALID, LEAF, LO, descriptorType, levelShift } from './descriptor.ts'
import type { Stage2 } from './regime.ts'
import { ACCESS, type DescriptorMemory } from './translation.ts'

/** Internal access bit: the access is a stage 1 table walk (AccessType_TTW). */
export const WALK = 1 << 16

/** Stage 2 permissions: R, W, X in bits 2:0. */
export const S2_R = 1
export const S2_W = 2
export const S2_X = 4

/** What `lookupStage2` found. One instance per use that must outlive the next lookup. */
export class Stage2Result {
  /** Output address, upper 16 and lower 32 bits. */
  paHi = 0
  paLo = 0
  pageShift = 12
  /** S2_R, S2_W, S2_X; no S2_W while the leaf is writable-clean. */
  perms = 0
  memAttr = 0
  sh = 0
  level = 0
  /** On a fault: status with level, and WnR. */
  status = 0
  wnr = false

  get pa(): number { return addressOf(this.paLo, this.paHi) }
}

/** Rewalks after a lost compare-and-swap before the memory is taken to refuse it. */
const MAX_RETRIES = 16

/**
 * Translates the IPA with halves `ipaHi` (16 bits), `ipaLo`. `access` are ACCESS bits and WALK; with no read, write or execute bit
 * no permission is checked and nothing is updated. `s1Attr` matters for FWB only: whether the result is Device.
 */
export function lookupStage2(s2: Stage2, ipaHi: number, ipaLo: number, access: number, s1Attr: number, memory: DescriptorMemory, r: Stage2Result): boolean {
  r.wnr = (access & (ACCESS.write | ACCESS.read)) === ACCESS.write
  if (s2.malformed || outOfRange(ipaHi, ipaLo, s2.inputBits)) return fail(r, FSC.Translation)
  if (s2.baseTooLarge) return fail(r, FSC.AddressSize)

  for (let retry = 0; ; retry++) {
    const granuleShift = s2.granuleShift, stride = granuleShift - 3
    let level = s2.startLevel
    let shift = levelShift(granuleShift, level)
    let address = s2.base + 8 * bitsOf(ipaHi, ipaLo, shift, (1 << (s2.inputBits - shift)) - 1)
    let lo: number, hi: number
    for (;;) {
      if (!memory.read(address)) return fail(r, FSC.SyncExternalOnWalk | level)
      lo = memory.lo
      hi = memory.hi
      const type = descriptorType(lo, level, granuleShift)
      if (type === INVALID) return fail(r, FSC.Translation | level)
      if (addressTooLarge(hi, s2.outputBits)) return fail(r, FSC.AddressSize | level)
      if (type === LEAF) break
      level++
      shift -= stride
      address = addressOf((lo & -(1 << granuleShift)) | (bitsOf(ipaHi, ipaLo, shift, (1 << stride) - 1) << 3), hi)
    }

    if ((lo & LO.AF) === 0 && !s2.hardwareAccessFlag) return fail(r, FSC.AccessFlag | level)
    const memAttr = (lo >>> LO.memAttrShift) & 15
    const device = s2.forceWriteBack ? (combineForced(s1Attr, memAttr) & 0xf0) === 0 : stage2Device(memAttr, false)
    if (device && (access & (ACCESS.unaligned | ACCESS.execute)) === ACCESS.unaligned) return fail(r, FSC.Alignment)

    const writableClean = s2.hardwareDirty && (hi & HI.DBM) !== 0 && (lo & LO.S2W) === 0
    const perms = (lo & LO.S2R ? S2_R : 0) | (lo & LO.S2W || writableClean ? S2_W : 0) | (hi & HI.XN ? 0 : S2_X)
    if (access & WALK) {
      // A stage 1 walk is checked as a read, whatever the access it serves; an update of the table as a write too.
      if (s2.protectWalk && device) return fail(r, FSC.Permission | level)
      if ((perms & S2_R) === 0 || ((access & ACCESS.write) !== 0 && (perms & S2_W) === 0)) return fail(r, FSC.Permission | level)
    } else {
      if (access & ACCESS.execute && (perms & S2_X) === 0) return fail(r, FSC.Permission | level)
      if (access & ACCESS.read && (perms & S2_R) === 0) {
        r.wnr = false
        return fail(r, FSC.Permission | level)
      }
      if (access & ACCESS.write && (perms & S2_W) === 0) {
        r.wnr = true
        return fail(r, FSC.Permission | level)
      }
    }

    let newLo = lo
    if ((access & ACCESS.at) === 0 && (access & (ACCESS.read | ACCESS.write | ACCESS.execute | WALK)) !== 0) {
      if (s2.hardwareAccessFlag) newLo |= LO.AF
      if (writableClean && access & ACCESS.write) newLo |= LO.S2W
      if (newLo !== lo && !memory.compareAndSwap(address, lo, hi, newLo, hi)) {
        if (retry < MAX_RETRIES) continue
        return fail(r, FSC.SyncExternalOnWalk | level)
      }
    }

    const offset = (1 << shift) - 1
    r.paHi = hi & 0xffff
    r.paLo = (lo & ~offset) | (ipaLo & offset)
    r.pageShift = shift
    r.perms = writableClean && (newLo & LO.S2W) === 0 ? perms & ~S2_W : perms
    r.memAttr = memAttr
    r.sh = (lo >>> LO.shShift) & 3
    r.level = level
    return true
  }
}

function fail(r: Stage2Result, status: number): boolean {
  r.status = status
  return false
}

/** Type of memory after both stages; HCR_EL2.CD and ID make Normal memory Non-cacheable first. */
export function stage2Attribute(s2: Stage2, s1Attr: number, memAttr: number, access: number): number {
  const nonCacheable = access & ACCESS.execute ? s2.fetchNonCacheable : s2.dataNonCacheable
  if (s2.forceWriteBack) {
    const attr = combineForced(s1Attr, memAttr)
    return nonCacheable && (attr & 0xf0) !== 0 ? 0x44 : attr
  }
  return combineAttributes(s1Attr, nonCacheable && (memAttr & 0b1100) !== 0 ? 0b0101 : memAttr)
}

/** `width`-masked bits of a 48-bit address from bit `shift` (12 or more) up; the field is at most 17 bits wide. */
export function bitsOf(hi: number, lo: number, shift: number, mask: number): number {
  return (shift >= 32 ? hi >>> (shift - 32) : (lo >>> shift) | (hi << (32 - shift))) & mask
}

/** Any bit at or above `bits` (25 to 64) set. */
export function outOfRange(hi: number, lo: number, bits: number): boolean {
  return bits >= 32 ? (bits === 64 ? false : hi >>> (bits - 32) !== 0) : hi !== 0 || lo >>> bits !== 0
}

/** Bits 47:outputBits of a descriptor's address. */
export function addressTooLarge(hi: number, outputBits: number): boolean {
  return outputBits < 48 && (hi & 0xffff) >>> (outputBits - 32) !== 0
}
