/**
 * A second, naive implementation of address translation for cross-checks: BigInt, records and exceptions, in the structure of the Arm
 * ARM's pseudocode (AArch64.FullTranslate and what it calls), straight from register values. Shares no code with the walk.
 */

export interface NaiveRegisters {
  readonly SCTLR: bigint, readonly TCR: bigint, readonly TTBR0: bigint, readonly TTBR1: bigint, readonly MAIR: bigint
  readonly HCR: bigint, readonly VTCR: bigint, readonly VTTBR: bigint
}
export interface NaiveFeatures { readonly hafdbs: boolean, readonly pauth: boolean, readonly e0pd: boolean, readonly nv: boolean, readonly fwb: boolean, readonly vhe: boolean }
export type NaiveRegime = 'EL10' | 'EL2' | 'EL20'

export interface AccessDescriptor {
  readonly acctype: 'GPR' | 'IFETCH' | 'AT' | 'TTW'
  readonly read: boolean
  readonly write: boolean
  readonly el0: boolean
  readonly pan: boolean
  readonly aligned: boolean
  /** WnR of the access that a table walk serves. */
  readonly walkWnr?: boolean
}

export interface NaiveMemory {
  /** Undefined: External abort. */
  read(pa: bigint): bigint | undefined
  swap(pa: bigint, value: bigint): void
}

export interface NaiveFault { readonly status: number, readonly stage: 1 | 2, readonly s1ptw: boolean, readonly wnr: boolean, readonly ipa: bigint }
interface MemAttrs { readonly device: boolean, readonly deviceType: bigint, readonly outer: bigint, readonly inner: bigint, readonly sh: 'NSH' | 'ISH' | 'OSH' }
export interface NaiveOutput { readonly pa: bigint, readonly ipa: bigint, readonly attr: number, readonly sh: number, readonly size: bigint, readonly global: boolean, readonly level: number }

class Fault extends Error {
  readonly fault: NaiveFault
  constructor(fault: NaiveFault) {
    super('fault')
    this.fault = fault
  }
}

const CODE = { AddressSize: 0, Translation: 4, AccessFlag: 8, Permission: 12, ExternalOnWalk: 20, Alignment: 33 } as const

const bits = (value: bigint, high: number, low: number): bigint => (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n)
const bit = (value: bigint, n: number): boolean => bits(value, n, n) === 1n
const outputSize = (ps: bigint): number => [32, 36, 40, 42, 44, 48, 48, 48][Number(ps)]!

interface WalkParams {
  readonly granulebits: number, readonly txsz: number, readonly oasize: number, readonly tbi: boolean, readonly tbid: boolean
  readonly e0pd: boolean, readonly epd: boolean, readonly ha: boolean, readonly hd: boolean, readonly wxn: boolean, readonly nv1: boolean
}

export class NaiveWalker {
  readonly regs: NaiveRegisters
  readonly features: NaiveFeatures
  readonly regime: NaiveRegime
  readonly memory: NaiveMemory

  constructor(regs: NaiveRegisters, features: NaiveFeatures, regime: NaiveRegime, memory: NaiveMemory) {
    this.regs = regs
    this.features = features
    this.regime = regime
    this.memory = memory
  }

  fullTranslate(va: bigint, accdesc: AccessDescriptor, stage1Only = false): NaiveOutput | NaiveFault {
    try {
      const s1 = this.s1Translate(va, accdesc)
      const stage1Output = (): NaiveOutput => ({ ...s1, ipa: s1.pa, attr: encodeAttrs(s1.attrs), sh: encodeSh(s1.attrs) })
      if (this.regime !== 'EL10' || !this.s2Enabled() || stage1Only) return stage1Output()
      const s2 = this.s2Translate(s1.pa, s1.attrs, accdesc)
      return { pa: s2.pa, ipa: s1.pa, attr: encodeAttrs(s2.attrs), sh: encodeSh(s2.attrs), size: s1.size < s2.size ? s1.size : s2.size, global: s1.global, level: s1.level }
    } catch (error) {
      if (error instanceof Fault) return error.fault
      throw error
    }
  }

  stage2(ipa: bigint, accdesc: AccessDescriptor): NaiveOutput | NaiveFault {
    try {
      const s2 = this.s2Translate(ipa, NORMAL_WB, accdesc)
      return { pa: s2.pa, ipa, attr: encodeAttrs(s2.attrs), sh: encodeSh(s2.attrs), size: s2.size, global: true, level: s2.level }
    } catch (error) {
      if (error instanceof Fault) return error.fault
      throw error
    }
  }

  private s2Enabled(): boolean {
    const hcr = this.regs.HCR
    if (this.features.vhe && bit(hcr, 34) && bit(hcr, 27)) return false
    return bit(hcr, 0) || bit(hcr, 12)
  }

  private s1Params(upper: boolean): WalkParams {
    const { TCR, SCTLR, HCR } = this.regs
    const wxn = bit(SCTLR, 19)
    if (this.regime === 'EL2') {
      const ha = this.features.hafdbs && bit(TCR, 21)
      return {
        granulebits: [12, 16, 14, 12][Number(bits(TCR, 15, 14))]!, txsz: Number(bits(TCR, 5, 0)), oasize: outputSize(bits(TCR, 18, 16)),
        tbi: bit(TCR, 20), tbid: this.features.pauth && bit(TCR, 29), e0pd: false, epd: false, ha, hd: ha && bit(TCR, 22), wxn, nv1: false,
      }
    }
    const ha = this.features.hafdbs && bit(TCR, 39)
    const common = {
      oasize: outputSize(bits(TCR, 34, 32)), ha, hd: ha && bit(TCR, 40), wxn,
      nv1: this.regime === 'EL10' && this.features.nv && bit(HCR, 42) && bit(HCR, 43),
    }
    if (upper) {
      return {
        ...common, granulebits: [12, 14, 12, 16][Number(bits(TCR, 31, 30))]!, txsz: Number(bits(TCR, 21, 16)), tbi: bit(TCR, 38), tbid: this.features.pauth && bit(TCR, 52),
        e0pd: this.features.e0pd && bit(TCR, 56), epd: bit(TCR, 23),
      }
    }
    return {
      ...common, granulebits: [12, 16, 14, 12][Number(bits(TCR, 15, 14))]!, txsz: Number(bits(TCR, 5, 0)), tbi: bit(TCR, 37), tbid: this.features.pauth && bit(TCR, 51),
      e0pd: this.features.e0pd && bit(TCR, 55), epd: bit(TCR, 7),
    }
  }

  private s1Translate(va: bigint, accdesc: AccessDescriptor): { pa: bigint, attrs: MemAttrs, size: bigint, global: boolean, level: number } {
    const { SCTLR, HCR, MAIR } = this.regs
    const wnr = accdesc.write && !accdesc.read
    const raise = (code: number, level: number, wnrNow = wnr): never => {
      throw new Fault({ status: code === CODE.Alignment ? code : code + level, stage: 1, s1ptw: false, wnr: wnrNow, ipa: 0n })
    }
    const hasUnprivileged = this.regime !== 'EL2'
    const upper = hasUnprivileged && bit(va, 55)
    const params = this.s1Params(upper)
    const fetch = accdesc.acctype === 'IFETCH'
    const addrtop = params.tbi && !(params.tbid && fetch) ? 55 : 63

    const el10 = this.regime === 'EL10'
    if (!bit(SCTLR, 0) || (el10 && (bit(HCR, 12) || bit(HCR, 27)))) {
      // AArch64.S1DisabledOutput
      let attrs: MemAttrs
      if (el10 && bit(HCR, 12)) attrs = { ...NORMAL_WB, sh: 'NSH' }
      else if (fetch) attrs = { device: false, deviceType: 0n, outer: bit(SCTLR, 12) ? 0b1010n : 0b0100n, inner: bit(SCTLR, 12) ? 0b1010n : 0b0100n, sh: 'OSH' }
      else attrs = { device: true, deviceType: 0n, outer: 0n, inner: 0n, sh: 'OSH' }
      if (bits(va, addrtop, 48) !== 0n) raise(CODE.AddressSize, 0)
      if (attrs.device && !accdesc.aligned && !fetch) raise(CODE.Alignment, 0)
      return { pa: bits(va, 47, 0), attrs, size: 1n << 48n, global: true, level: 0 }
    }

    const txsz = Math.max(16, Math.min(39, params.txsz))
    const iasize = 64 - txsz
    const top = bits(va, addrtop, iasize)
    if (top !== (upper ? (1n << BigInt(addrtop - iasize + 1)) - 1n : 0n)) raise(CODE.Translation, 0)
    if (accdesc.el0 && params.e0pd) raise(CODE.Translation, 0)
    if (params.epd) raise(CODE.Translation, 0)

    const granule = BigInt(params.granulebits), stride = granule - 3n
    const levels = Math.ceil((iasize - params.granulebits) / (params.granulebits - 3))
    const startlevel = 4 - levels
    const tsize = BigInt(iasize) - (BigInt(3 - startlevel) * stride + granule) + 3n
    let table = ((upper ? this.regs.TTBR1 : this.regs.TTBR0) & 0xffff_ffff_ffffn) >> tsize << tsize
    if (table >> BigInt(params.oasize) !== 0n) raise(CODE.AddressSize, 0)

    let level = startlevel
    let apTable = 0n, uxnTable = false, pxnTable = false
    for (;;) {
      const lsb = BigInt(3 - level) * stride + granule
      const msb = level === startlevel ? BigInt(iasize) : lsb + stride
      const index = (va >> lsb) & ((1n << (msb - lsb)) - 1n)
      const descaddr = table + index * 8n
      const walk: AccessDescriptor = { acctype: 'TTW', read: true, write: false, el0: false, pan: false, aligned: true, walkWnr: wnr }
      const through = el10 && this.s2Enabled()
      let physical = through ? this.s2Translate(descaddr, NORMAL_WB, { ...walk, acctype: 'TTW' }, accdesc.acctype === 'AT').pa : descaddr
      const descriptor = this.memory.read(physical)
      if (descriptor === undefined) return raise(CODE.ExternalOnWalk, level)
      const type = decodeDescriptorType(descriptor, level, params.granulebits)
      if (type === 'invalid') raise(CODE.Translation, level)
      if (type === 'table') {
        if (params.nv1) {
          apTable |= bits(descriptor, 62, 62) << 1n
          pxnTable ||= bit(descriptor, 60)
        } else if (hasUnprivileged) {
          apTable |= bits(descriptor, 62, 61)
          uxnTable ||= bit(descriptor, 60)
          pxnTable ||= bit(descriptor, 59)
        } else {
          apTable |= bits(descriptor, 62, 62) << 1n
          pxnTable ||= bit(descriptor, 60)
        }
        table = bits(descriptor, 47, params.granulebits) << granule
        if (table >> BigInt(params.oasize) !== 0n) raise(CODE.AddressSize, level)
        level++
        continue
      }
      const base = descriptor & 0xffff_ffff_ffffn & ~((1n << lsb) - 1n)
      if (base >> BigInt(params.oasize) !== 0n) raise(CODE.AddressSize, level)
      if (!bit(descriptor, 10) && !params.ha) raise(CODE.AccessFlag, level)

      let ap = bits(descriptor, 7, 6)
      let pxn = bit(descriptor, 53), uxn = bit(descriptor, 54)
      if (params.nv1) {
        ap &= 0b10n
        pxn = bit(descriptor, 54)
        uxn = false
      }
      if (params.ha && params.hd && bit(descriptor, 51)) ap &= 0b01n
      let attrs = s1DecodeMemAttrs(MAIR >> (8n * bits(descriptor, 4, 2)), bits(descriptor, 9, 8))
      if (attrs.device && !accdesc.aligned && !fetch) raise(CODE.Alignment, level)

      // AArch64.S1DirectBasePermissions and S1CheckPermissions
      let pr = true, pw = ap < 2n, ur = (ap & 1n) === 1n, uw = ap === 1n, px: boolean, ux: boolean
      if (hasUnprivileged) {
        if (apTable & 1n) ur = uw = false
        if (apTable & 2n) pw = uw = false
        px = !(pxn || pxnTable || uw)
        ux = !(uxn || uxnTable)
        if (accdesc.pan && !params.nv1 && (ur || uw)) pr = pw = false
      } else {
        if (apTable & 2n) pw = false
        px = !(bit(descriptor, 54) || pxnTable)
        ur = uw = ux = false
      }
      const r = accdesc.el0 ? ur : pr, w = accdesc.el0 ? uw : pw
      let x = accdesc.el0 ? ux : px
      if (params.wxn && w) x = false
      if (fetch) {
        if (!x) raise(CODE.Permission, level)
      } else if (accdesc.read && !r) {
        raise(CODE.Permission, level, false)
      } else if (accdesc.write && !w) {
        raise(CODE.Permission, level, true)
      }

      let updated = descriptor
      if (params.ha && accdesc.acctype !== 'AT') updated |= 1n << 10n
      if (params.ha && params.hd && bit(descriptor, 51) && accdesc.write && accdesc.acctype !== 'AT') updated &= ~(1n << 7n)
      if (updated !== descriptor) {
        if (through) physical = this.s2Translate(descaddr, NORMAL_WB, { ...walk, acctype: 'TTW', write: true }).pa
        this.memory.swap(physical, updated)
      }
      if (!attrs.device && !(fetch ? bit(SCTLR, 12) : bit(SCTLR, 2))) attrs = { ...attrs, outer: 0b0100n, inner: 0b0100n }
      return { pa: base | (va & ((1n << lsb) - 1n)), attrs, size: 1n << lsb, global: !hasUnprivileged || !bit(descriptor, 11), level }
    }
  }

  private s2Translate(ipa: bigint, s1attrs: MemAttrs, accdesc: AccessDescriptor, forAt = false): { pa: bigint, attrs: MemAttrs, size: bigint, level: number } {
    const { VTCR, VTTBR, HCR } = this.regs
    const s1ptw = accdesc.acctype === 'TTW'
    const wnr = s1ptw ? accdesc.walkWnr! : accdesc.write && !accdesc.read
    const raise = (code: number, level: number, wnrNow = wnr): never => {
      throw new Fault({ status: code === CODE.Alignment ? code : code + level, stage: 2, s1ptw, wnr: wnrNow, ipa })
    }
    const granulebits = [12, 16, 14, 12][Number(bits(VTCR, 15, 14))]!
    const stride = granulebits - 3
    const t0sz = Number(bits(VTCR, 5, 0)), sl0 = Number(bits(VTCR, 7, 6))
    const iasize = 64 - t0sz
    const oasize = outputSize(bits(VTCR, 18, 16))
    const ha = this.features.hafdbs && bit(VTCR, 21), hd = ha && bit(VTCR, 22)
    const startlevel = (granulebits === 12 ? 2 : 3) - sl0
    if (t0sz < 16 || t0sz > 39) raise(CODE.Translation, 0)
    if (sl0 === 3) raise(CODE.Translation, 0)
    const slMin = (3 - startlevel) * stride + granulebits + 1
    if (iasize < slMin || iasize > slMin + stride - 1 + 4) raise(CODE.Translation, 0)
    if (ipa >> BigInt(iasize) !== 0n) raise(CODE.Translation, 0)
    const tsize = BigInt(iasize - ((3 - startlevel) * stride + granulebits) + 3)
    let table = (VTTBR & 0xffff_ffff_ffffn) >> tsize << tsize
    if (table >> BigInt(oasize) !== 0n) raise(CODE.AddressSize, 0)
    let level = startlevel
    for (;;) {
      const lsb = (3 - level) * stride + granulebits
      const msb = level === startlevel ? iasize : lsb + stride
      const descaddr = table + bits(ipa, msb - 1, lsb) * 8n
      const descriptor = this.memory.read(descaddr)
      if (descriptor === undefined) return raise(CODE.ExternalOnWalk, level)
      const type = decodeDescriptorType(descriptor, level, granulebits)
      if (type === 'invalid') raise(CODE.Translation, level)
      if (type === 'table') {
        table = bits(descriptor, 47, granulebits) << BigInt(granulebits)
        if (table >> BigInt(oasize) !== 0n) raise(CODE.AddressSize, level)
        level++
        continue
      }
      const offset = (1n << BigInt(lsb)) - 1n
      const base = descriptor & 0xffff_ffff_ffffn & ~offset
      if (base >> BigInt(oasize) !== 0n) raise(CODE.AddressSize, level)
      if (!bit(descriptor, 10) && !ha) raise(CODE.AccessFlag, level)
      const fwb = this.features.fwb && bit(HCR, 46)
      let walkattrs = fwb ? s2ApplyFWB(s1attrs, bits(descriptor, 5, 2), bits(descriptor, 9, 8)) : s2DecodeMemAttrs(bits(descriptor, 5, 2), bits(descriptor, 9, 8))
      const fetch = accdesc.acctype === 'IFETCH'
      if (walkattrs.device && !accdesc.aligned && !fetch) raise(CODE.Alignment, level)
      const dirty = ha && hd && bit(descriptor, 51)
      const r = bit(descriptor, 6), w = bit(descriptor, 7) || dirty, x = !bit(descriptor, 54)
      if (s1ptw) {
        if (bit(HCR, 2) && walkattrs.device) raise(CODE.Permission, level)
        if (!r || (accdesc.write && !w)) raise(CODE.Permission, level)
      } else if (fetch) {
        if (!x) raise(CODE.Permission, level)
      } else if (accdesc.read && !r) {
        raise(CODE.Permission, level, false)
      } else if (accdesc.write && !w) {
        raise(CODE.Permission, level, true)
      }
      let updated = descriptor
      const at = accdesc.acctype === 'AT' || forAt
      if (ha && !at) updated |= 1n << 10n
      if (dirty && accdesc.write && !at) updated |= 1n << 7n
      if (updated !== descriptor) this.memory.swap(descaddr, updated)
      const cacheOff = bit(HCR, fetch ? 33 : 32)
      if (cacheOff && !walkattrs.device) walkattrs = { ...walkattrs, outer: 0b0100n, inner: 0b0100n }
      const attrs = fwb ? walkattrs : s2CombineS1(s1attrs, walkattrs)
      return { pa: base | (ipa & offset), attrs, size: offset + 1n, level }
    }
  }
}

const NORMAL_WB: MemAttrs = { device: false, deviceType: 0n, outer: 0b1111n, inner: 0b1111n, sh: 'NSH' }

function decodeDescriptorType(descriptor: bigint, level: number, granulebits: number): 'invalid' | 'table' | 'leaf' {
  if (!bit(descriptor, 0)) return 'invalid'
  if (bit(descriptor, 1)) return level === 3 ? 'leaf' : 'table'
  const supported = granulebits === 12 ? level === 1 || level === 2 : level === 2
  return supported ? 'leaf' : 'invalid'
}

const decodeSh = (sh: bigint): MemAttrs['sh'] => (sh === 2n ? 'OSH' : sh === 3n ? 'ISH' : 'NSH')

function s1DecodeMemAttrs(mair: bigint, sh: bigint): MemAttrs {
  const attr = mair & 0xffn
  if (attr >> 4n === 0n) return { device: true, deviceType: bits(attr, 3, 2), outer: 0n, inner: 0n, sh: decodeSh(sh) }
  return { device: false, deviceType: 0n, outer: attr >> 4n, inner: attr & 15n || attr >> 4n, sh: decodeSh(sh) }
}

const S2_CACHEABILITY = [0b0100n, 0b0100n, 0b1000n, 0b1100n] as const
function s2DecodeMemAttrs(attr: bigint, sh: bigint): MemAttrs {
  if (attr >> 2n === 0n) return { device: true, deviceType: attr & 3n, outer: 0n, inner: 0n, sh: decodeSh(sh) }
  return { device: false, deviceType: 0n, outer: S2_CACHEABILITY[Number(attr >> 2n)]!, inner: S2_CACHEABILITY[Number(attr & 3n)]!, sh: decodeSh(sh) }
}

type Cacheability = 'NC' | 'WT' | 'WB'
const cacheabilityOf = (nibble: bigint): Cacheability => (nibble === 0b0100n ? 'NC' : bit(nibble, 2) ? 'WB' : 'WT')
const isTransient = (nibble: bigint): boolean => !bit(nibble, 3)

function s2CombineHints(s1: bigint, s2: bigint): bigint {
  const a = cacheabilityOf(s1), b = cacheabilityOf(s2)
  if (a === 'NC' || b === 'NC') return 0b0100n
  const hints = s1 & 3n
  const result: Cacheability = a === 'WT' || b === 'WT' ? 'WT' : 'WB'
  return encodeNibble(result, hints, isTransient(s1))
}

function encodeNibble(type: Cacheability, hints: bigint, transient: boolean): bigint {
  if (type === 'NC') return 0b0100n
  if (type === 'WT') return (transient ? 0b0000n : 0b1000n) | hints
  return (transient ? 0b0100n : 0b1100n) | hints
}

const widerSh = (a: MemAttrs['sh'], b: MemAttrs['sh']): MemAttrs['sh'] => (a === 'OSH' || b === 'OSH' ? 'OSH' : a === 'ISH' || b === 'ISH' ? 'ISH' : 'NSH')

function s2CombineS1(s1: MemAttrs, s2: MemAttrs): MemAttrs {
  const sh = widerSh(s1.sh, s2.sh)
  if (s1.device && s2.device) return { ...s1, deviceType: s1.deviceType < s2.deviceType ? s1.deviceType : s2.deviceType, sh }
  if (s1.device) return { ...s1, sh }
  if (s2.device) return { ...s2, sh }
  return { device: false, deviceType: 0n, outer: s2CombineHints(s1.outer, s2.outer), inner: s2CombineHints(s1.inner, s2.inner), sh }
}

function s2ApplyFWB(s1: MemAttrs, attr: bigint, s2sh: bigint): MemAttrs {
  const sh = widerSh(s1.sh, decodeSh(s2sh))
  if (!bit(attr, 2)) {
    const type = attr & 3n
    return { device: true, deviceType: s1.device && s1.deviceType < type ? s1.deviceType : type, outer: 0n, inner: 0n, sh }
  }
  if ((attr & 3n) === 3n) return { ...s1, sh }
  if ((attr & 3n) === 2n) {
    const force = (nibble: bigint): bigint => (!s1.device && cacheabilityOf(nibble) !== 'NC' ? encodeNibble('WB', nibble & 3n, isTransient(nibble)) : 0b1111n)
    return { device: false, deviceType: 0n, outer: force(s1.outer), inner: force(s1.inner), sh }
  }
  return s1.device ? { ...s1, sh } : { device: false, deviceType: 0n, outer: 0b0100n, inner: 0b0100n, sh }
}

function encodeAttrs(attrs: MemAttrs): number {
  return Number(attrs.device ? attrs.deviceType << 2n : (attrs.outer << 4n) | attrs.inner)
}

function encodeSh(attrs: MemAttrs): number {
  if (attrs.device || (attrs.outer === 0b0100n && attrs.inner === 0b0100n)) return 2
  return { NSH: 0, OSH: 2, ISH: 3 }[attrs.sh]
}
