/**
 * Address translation (AArch64.FullTranslate, S1Translate, S1Walk and S1CheckPermissions of the pseudocode). The order of the checks
 * is the priority of the faults. Numbers are int32 halves; nothing is allocated.
 */
import { PA_BITS, addressOf } from '../arch/address.ts'
import { FSC } from '../arch/esr.ts'
import {
  DEVICE_nGnRnE, NORMAL_NC, NORMAL_WB, NORMAL_WT_FETCH, NSH, OSH, combineShareability, decodeShareability, effectiveShareability, isDevice, mairAttribute,
} from './attributes.ts'
import { HI, HIERARCHY, INVALID, LEAF, LO, descriptorType, levelShift } from './descriptor.ts'
import type { Stage1, Stage2 } from './regime.ts'
import { Stage2Result, WALK, addressTooLarge, bitsOf, lookupStage2, outOfRange, stage2Attribute } from './stage2.ts'
import { ACCESS, PERM, PERM_ALL, type DescriptorMemory, type Translation } from './translation.ts'

const PRIVILEGED = PERM.PR | PERM.PW | PERM.PX
const MAX_RETRIES = 16

/** Of the table accesses, and of the final address. */
const tableResult = new Stage2Result()
const finalResult = new Stage2Result()

/** Stage 1's output, before stage 2. */
const s1 = { hi: 0, lo: 0, attr: 0, sh: 0, shift: 0, perms: 0, level: 0, global: false }

/**
 * Translates the VA with halves `vaHi`, `vaLo` for `access` (ACCESS bits). True: `out` holds the translation. False: it holds the fault.
 * `stage2` is given for the EL1&0 regime only, when stage 2 is on.
 */
export function translate(stage1: Stage1, stage2: Stage2 | undefined, vaHi: number, vaLo: number, access: number, memory: DescriptorMemory, out: Translation): boolean {
  if (!translateStage1(stage1, stage2, vaHi, vaLo, access, memory, out)) return false
  if (stage2 === undefined) return deliver(out, addressOf(s1.lo, s1.hi))
  const r = finalResult
  const ipa = addressOf(s1.lo, s1.hi)
  if (!lookupStage2(stage2, s1.hi, s1.lo, access, s1.attr, memory, r)) return stage2Fault(out, r, ipa, false)
  deliver(out, r.pa)
  out.ipa = ipa
  out.pageShift = Math.min(s1.shift, r.pageShift)
  out.perms = s1.perms & bothPrivileges(r.perms)
  out.attr = stage2Attribute(stage2, s1.attr, r.memAttr, access)
  out.sh = effectiveShareability(out.attr, combineShareability(s1.sh, decodeShareability(r.sh)))
  return true
}

/** Stage 1 alone: `out.pa` is its output address. `stage2` translates the table accesses. For AT S1*. */
export function translateStage1Only(stage1: Stage1, stage2: Stage2 | undefined, vaHi: number, vaLo: number, access: number, memory: DescriptorMemory, out: Translation): boolean {
  return translateStage1(stage1, stage2, vaHi, vaLo, access, memory, out) && deliver(out, addressOf(s1.lo, s1.hi))
}

/** Stage 2 alone: `ipa` to PA. `out.perms` holds UR/UW/UX mirrored to PR/PW/PX; `access` 0 checks no permission (L0 looking). */
export function walkStage2(stage2: Stage2, ipa: number, access: number, memory: DescriptorMemory, out: Translation): boolean {
  const r = finalResult
  if (!lookupStage2(stage2, Math.floor(ipa / 0x1_0000_0000), ipa | 0, access, NORMAL_WB, memory, r)) return stage2Fault(out, r, ipa, false)
  out.pa = r.pa
  out.ipa = ipa
  out.pageShift = r.pageShift
  out.perms = bothPrivileges(r.perms)
  out.attr = stage2Attribute(stage2, NORMAL_WB, r.memAttr, access)
  out.sh = effectiveShareability(out.attr, decodeShareability(r.sh))
  out.global = true
  out.level = r.level
  return true
}

const bothPrivileges = (perms: number): number => perms | (perms << 3)

function deliver(out: Translation, pa: number): boolean {
  out.pa = pa
  out.ipa = pa
  out.pageShift = s1.shift
  out.perms = s1.perms
  out.attr = s1.attr
  out.sh = effectiveShareability(s1.attr, s1.sh)
  out.global = s1.global
  out.level = s1.level
  return true
}

function stage1Fault(out: Translation, status: number, access: number): boolean {
  out.status = status
  out.stage = 1
  out.s1ptw = false
  out.wnr = (access & (ACCESS.write | ACCESS.read)) === ACCESS.write
  return false
}

function stage2Fault(out: Translation, r: Stage2Result, ipa: number, s1ptw: boolean): boolean {
  out.status = r.status
  out.stage = 2
  out.s1ptw = s1ptw
  out.ipa = ipa
  out.wnr = r.wnr
  return false
}

/** AArch64.S1Translate: fills `s1`, or the fault in `out`. */
function translateStage1(stage1: Stage1, stage2: Stage2 | undefined, vaHi: number, vaLo: number, access: number, memory: DescriptorMemory, out: Translation): boolean {
  if (!stage1.enabled) return untranslated(stage1, vaHi, vaLo, access, out)
  const upper = (vaHi & 0x80_0000) !== 0
  const range = upper && stage1.upper !== undefined ? stage1.upper : stage1.lower
  // AArch64.VAIsOutOfRange: bits from the top (below the ignored byte) to the input size repeat bit 55, or are 0 in a single range.
  const ignoreTop = access & ACCESS.execute ? range.topByteIgnoredForFetch : range.topByteIgnored
  const ones = upper && stage1.upper !== undefined
  const checkHi = (ones ? ~vaHi : vaHi) & (ignoreTop ? 0xff_ffff : -1)
  if (outOfRange(checkHi, ones ? ~vaLo : vaLo, range.inputBits)) return stage1Fault(out, FSC.Translation, access)
  if (range.unprivilegedDisabled && access & ACCESS.unprivileged) return stage1Fault(out, FSC.Translation, access)
  if (range.walkDisabled) return stage1Fault(out, FSC.Translation, access)
  if (range.baseTooLarge) return stage1Fault(out, FSC.AddressSize, access)

  for (let retry = 0; ; retry++) {
    const granuleShift = range.granuleShift, stride = granuleShift - 3
    let level = range.startLevel
    let shift = levelShift(granuleShift, level)
    // The descriptor's address: an IPA when there is a stage 2, and the PA it stands at.
    let ipa = range.base + 8 * bitsOf(vaHi, vaLo, shift, (1 << (range.inputBits - shift)) - 1)
    let pa = ipa
    let hierarchy = 0
    let lo: number, hi: number
    for (;;) {
      if (stage2 !== undefined) {
        if (!walkAccess(stage2, ipa, access, 0, memory)) return stage2Fault(out, tableResult, ipa, true)
        pa = tableResult.pa
      } else {
        pa = ipa
      }
      if (!memory.read(pa)) return stage1Fault(out, FSC.SyncExternalOnWalk | level, access)
      lo = memory.lo
      hi = memory.hi
      const type = descriptorType(lo, level, granuleShift)
      if (type === INVALID) return stage1Fault(out, FSC.Translation | level, access)
      if (addressTooLarge(hi, stage1.outputBits)) return stage1Fault(out, FSC.AddressSize | level, access)
      if (type === LEAF) break
      hierarchy |= hi & HIERARCHY
      level++
      shift -= stride
      ipa = addressOf((lo & -(1 << granuleShift)) | (bitsOf(vaHi, vaLo, shift, (1 << stride) - 1) << 3), hi)
    }

    if ((lo & LO.AF) === 0 && !stage1.hardwareAccessFlag) return stage1Fault(out, FSC.AccessFlag | level, access)
    let attr = mairAttribute(stage1.mairLo, stage1.mairHi, (lo >>> LO.attrIndexShift) & 7)
    if (isDevice(attr) && (access & (ACCESS.unaligned | ACCESS.execute)) === ACCESS.unaligned) return stage1Fault(out, FSC.Alignment, access)

    const writableClean = stage1.hardwareDirty && (hi & HI.DBM) !== 0 && (lo & LO.AP2) !== 0
    const perms = stage1Permissions(stage1, writableClean ? lo & ~LO.AP2 : lo, hi, hierarchy)
    const refused = missingPermission(stage1, perms, access)
    if (refused !== 0) {
      stage1Fault(out, FSC.Permission | level, access)
      out.wnr = refused === ACCESS.write
      return false
    }

    let newLo = lo
    if ((access & ACCESS.at) === 0) {
      if (stage1.hardwareAccessFlag) newLo |= LO.AF
      if (writableClean && access & ACCESS.write) newLo &= ~LO.AP2
      if (newLo !== lo) {
        if (stage2 !== undefined) {
          // The update is a write to the table: stage 2 must allow it, and may have to mark its own page dirty.
          if (!walkAccess(stage2, ipa, access, ACCESS.write, memory)) return stage2Fault(out, tableResult, ipa, true)
          pa = tableResult.pa
        }
        if (!memory.compareAndSwap(pa, lo, hi, newLo, hi)) {
          if (retry < MAX_RETRIES) continue
          return stage1Fault(out, FSC.SyncExternalOnWalk | level, access)
        }
      }
    }

    if (!isDevice(attr) && !(access & ACCESS.execute ? stage1.fetchCacheable : stage1.dataCacheable)) attr = NORMAL_NC
    const offset = (1 << shift) - 1
    s1.hi = hi & 0xffff
    s1.lo = (lo & ~offset) | (vaLo & offset)
    s1.attr = attr
    s1.sh = decodeShareability((lo >>> LO.shShift) & 3)
    s1.shift = shift
    s1.perms = writableClean && newLo & LO.AP2 ? perms & ~(PERM.UW | PERM.PW) : perms
    s1.level = level
    s1.global = stage1.singlePrivilege || (lo & LO.nG) === 0
    return true
  }
}

/** Stage 2 of a stage 1 table access; WnR is the one of the access that is translated. */
function walkAccess(stage2: Stage2, ipa: number, access: number, update: number, memory: DescriptorMemory): boolean {
  if (lookupStage2(stage2, Math.floor(ipa / 0x1_0000_0000), ipa | 0, WALK | update | (access & ACCESS.at), NORMAL_WB, memory, tableResult)) return true
  tableResult.wnr = (access & (ACCESS.write | ACCESS.read)) === ACCESS.write
  return false
}

/** AArch64.S1DisabledOutput: stage 1 off. */
function untranslated(stage1: Stage1, vaHi: number, vaLo: number, access: number, out: Translation): boolean {
  const range = (vaHi & 0x80_0000) !== 0 && stage1.upper !== undefined ? stage1.upper : stage1.lower
  const fetch = (access & ACCESS.execute) !== 0
  const ignoreTop = fetch ? range.topByteIgnoredForFetch : range.topByteIgnored
  if (outOfRange(vaHi & (ignoreTop ? 0xff_ffff : -1), vaLo, PA_BITS)) return stage1Fault(out, FSC.AddressSize, access)
  if (stage1.defaultCacheable) {
    s1.attr = NORMAL_WB
    s1.sh = NSH
  } else if (fetch) {
    s1.attr = stage1.fetchCacheable ? NORMAL_WT_FETCH : NORMAL_NC
    s1.sh = OSH
  } else {
    s1.attr = DEVICE_nGnRnE
    s1.sh = OSH
    if (access & ACCESS.unaligned) return stage1Fault(out, FSC.Alignment, access)
  }
  s1.hi = vaHi & 0xffff
  s1.lo = vaLo | 0
  s1.shift = PA_BITS
  s1.perms = stage1.singlePrivilege ? PRIVILEGED : PERM_ALL
  s1.level = 0
  s1.global = true
  return true
}

/** AArch64.S1DirectBasePermissions, both privileges at once, without PAN. `hierarchy` is the OR of the table descriptors' controls. */
function stage1Permissions(stage1: Stage1, lo: number, hi: number, hierarchy: number): number {
  const readOnly = (lo & LO.AP2) !== 0 || (hierarchy & HI.APTable1) !== 0
  let perms: number
  if (stage1.singlePrivilege) {
    perms = PERM.PR | (readOnly ? 0 : PERM.PW) | ((hi & HI.XN) | (hierarchy & HI.XNTable) ? 0 : PERM.PX)
  } else if (stage1.nv1) {
    // EL2's format in an EL1&0 table: bit 54 is PXN and bit 60 PXNTable, UXN and AP[1] are 0 (nested-virtualization rules of FEAT_NV).
    perms = PERM.PR | (readOnly ? 0 : PERM.PW) | PERM.UX | ((hi & HI.UXN) | (hierarchy & HI.UXNTable) ? 0 : PERM.PX)
  } else {
    const unprivileged = (lo & LO.AP1) !== 0 && (hierarchy & HI.APTable0) === 0
    perms = PERM.PR | (readOnly ? 0 : PERM.PW)
      | (unprivileged ? PERM.UR | (readOnly ? 0 : PERM.UW) : 0)
      | ((hi & HI.UXN) | (hierarchy & HI.UXNTable) ? 0 : PERM.UX)
      // What EL0 can write, privileged software does not execute.
      | ((hi & HI.PXN) | (hierarchy & HI.PXNTable) || (unprivileged && !readOnly) ? 0 : PERM.PX)
  }
  if (stage1.wxn) {
    if (perms & PERM.PW) perms &= ~PERM.PX
    if (perms & PERM.UW) perms &= ~PERM.UX
  }
  return perms
}

/** The first of execute, read, write that `access` needs and `perms` lacks; 0 if none. */
function missingPermission(stage1: Stage1, perms: number, access: number): number {
  if (access & ACCESS.unprivileged) {
    if (access & ACCESS.execute && (perms & PERM.UX) === 0) return ACCESS.execute
    if (access & ACCESS.read && (perms & PERM.UR) === 0) return ACCESS.read
    return access & ACCESS.write && (perms & PERM.UW) === 0 ? ACCESS.write : 0
  }
  if (access & ACCESS.execute) return perms & PERM.PX ? 0 : ACCESS.execute
  const pan = (access & ACCESS.pan) !== 0 && !stage1.nv1 && (perms & (PERM.UR | PERM.UW)) !== 0
  if (access & ACCESS.read && ((perms & PERM.PR) === 0 || pan)) return ACCESS.read
  return access & ACCESS.write && ((perms & PERM.PW) === 0 || pan) ? ACCESS.write : 0
}

