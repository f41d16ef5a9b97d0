/** Cross-check of the walk against the naive walker on random registers, tables and accesses. NIDUS_MMU_CASES sets the number of cases. */
import { expect, test } from 'vitest'
import { FEATURES, type Feature } from '../arch/features.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import { NaiveWalker, type AccessDescriptor, type NaiveFault, type NaiveOutput, type NaiveRegime } from './naive-walker.test-support.ts'
import { Random, RandomTables } from './random-tables.test-support.ts'
import { currentVmid, stage1Regime, stage2Regime, type RegimeKind, type TranslationSlots } from './regime.ts'
import { ACCESS, PERM, Translation } from './translation.ts'
import { translate, translateStage1Only, walkStage2 } from './walk.ts'

const CASES = Number(process.env['NIDUS_MMU_CASES'] ?? process.env['NIDUS_FUZZ'] ?? 40_000)

const NAMES = ['SCTLR_EL1', 'TCR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'MAIR_EL1', 'SCTLR_EL2', 'TCR_EL2', 'TTBR0_EL2', 'TTBR1_EL2', 'MAIR_EL2', 'HCR_EL2', 'VTCR_EL2', 'VTTBR_EL2'] as const
const SLOTS = Object.fromEntries(NAMES.map((name, i) => [name, i])) as unknown as TranslationSlots

const KINDS: readonly (readonly [RegimeKind, NaiveRegime])[] = [['EL1&0', 'EL10'], ['EL1&0', 'EL10'], ['EL1&0', 'EL10'], ['EL2', 'EL2'], ['EL2&0', 'EL20']]

const field = (value: number | bigint, shift: number): bigint => BigInt(value) << BigInt(shift)

function randomCase(seed: number) {
  const random = new Random(seed)
  const [kind, naive] = random.pick(KINDS)
  const ps = random.chance(70) ? 5 : random.below(8)
  const bitsOfPs = [32, 36, 40, 42, 44, 48, 48, 48][ps]!
  const stage2Granule = random.below(3)
  const startLevels = [[2, 1, 0], [3, 2, 1], [3, 2, 1]][stage2Granule]!
  const granulebits = [12, 16, 14][stage2Granule]!, stride = granulebits - 3
  const SL0 = random.chance(95) ? random.below(3) : 3
  const lowest = (3 - (startLevels[Math.min(SL0, 2)]!)) * stride + granulebits + 1
  const ipaBits = random.chance(95) ? Math.min(48, Math.max(25, lowest + random.below(stride + 4))) : 20 + random.below(30)
  const addressBits = Math.min(bitsOfPs, random.pick([32, 36, 40, 48]), kind === 'EL1&0' && random.chance(90) ? ipaBits : 48)
  const base = (): bigint => random.bits64() & ((1n << BigInt(random.chance(3) ? 48 : addressBits)) - 1n)
  const sz = (): number => (random.chance(90) ? 16 + random.below(24) : random.below(64))
  const flag = (percent: number, shift: number): bigint => field(random.chance(percent) ? 1 : 0, shift)

  const SCTLR = flag(95, 0) | flag(90, 2) | flag(90, 12) | flag(15, 19)
  let TCR: bigint
  if (kind === 'EL2') {
    TCR = field(sz(), 0) | field(random.below(4), 14) | field(ps, 16) | flag(30, 20) | flag(40, 21) | flag(60, 22) | flag(20, 29)
  } else {
    TCR = field(sz(), 0) | field(sz(), 16) | field(random.below(4), 14) | field(random.below(4), 30) | field(ps, 32) | flag(5, 7) | flag(5, 23)
      | flag(50, 22) | flag(50, 36) | flag(30, 37) | flag(30, 38) | flag(40, 39) | flag(60, 40) | flag(20, 51) | flag(20, 52) | flag(10, 55) | flag(10, 56)
  }
  // MAIR: Device kinds, NC, WT and WB with transient and hints, an odd one.
  let MAIR = 0n
  for (let i = 0; i < 8; i++) MAIR |= field(random.pick([0x00, 0x04, 0x0c, 0x44, 0xff, 0xff, 0xff, 0xbb, 0x77, 0xee, 0x4f, 0xf4, 0xf0, 0x13]), 8 * i)
  const VTCR = field((64 - ipaBits) & 63, 0) | field(SL0, 6) | field(stage2Granule, 14) | field(random.chance(80) ? 5 : random.below(8), 16) | flag(50, 19) | flag(40, 21) | flag(60, 22)
  const HCR = flag(60, 0) | flag(20, 2) | flag(5, 12) | flag(3, 27) | flag(10, 32) | flag(10, 33) | flag(3, 34) | flag(20, 42) | flag(50, 43) | flag(30, 46)
  const registers = { SCTLR, TCR, TTBR0: base() | field(random.below(0x10000), 48), TTBR1: base() | field(random.below(0x10000), 48), MAIR, HCR, VTCR, VTTBR: base() | field(random.below(0x10000), 48) }
  const features = new Set<Feature>(FEATURES.filter(() => random.chance(85)))

  let va = random.bits64()
  const upper = kind !== 'EL2' && random.chance(50)
  const inputBits = 64 - Math.max(16, Math.min(39, Number((upper ? TCR >> 16n : TCR) & 63n)))
  if (random.chance(95)) {
    const low = va & ((1n << BigInt(inputBits)) - 1n)
    va = upper ? BigInt.asUintN(64, low | (-1n << BigInt(inputBits))) : low
    if (random.chance(30)) va = (va & ~(0xffn << 56n)) | field(random.below(256), 56)
  }
  const type = random.below(10)
  const accdesc: AccessDescriptor = {
    acctype: type < 2 ? 'IFETCH' : type < 3 ? 'AT' : 'GPR', read: type >= 2 && type !== 5 && type !== 6, write: type === 5 || type === 6 || type === 7,
    el0: kind !== 'EL2' && random.chance(35), pan: type >= 2 && random.chance(20), aligned: random.chance(85),
  }
  return { kind, naive, registers, features, va, accdesc, addressBits, tableSeed: random.next(), abortPercent: random.chance(20) ? 5 : 0, stage1Only: random.chance(10) }
}

const accessOf = (a: AccessDescriptor): number =>
  (a.acctype === 'IFETCH' ? ACCESS.execute : (a.read ? ACCESS.read : 0) | (a.write ? ACCESS.write : 0))
  | (a.el0 ? ACCESS.unprivileged : 0) | (a.pan ? ACCESS.pan : 0) | (a.aligned ? 0 : ACCESS.unaligned) | (a.acctype === 'AT' ? ACCESS.at : 0)

function fileOf(kind: RegimeKind, r: ReturnType<typeof randomCase>['registers']) {
  const file = createRegisterFile(NAMES.length)
  const own = kind === 'EL1&0' ? 'EL1' : 'EL2'
  for (const name of ['SCTLR', 'TCR', 'TTBR0', 'TTBR1', 'MAIR'] as const) file.u64[SLOTS[`${name}_${own}`]] = r[name]
  file.u64[SLOTS.HCR_EL2] = r.HCR
  file.u64[SLOTS.VTCR_EL2] = r.VTCR
  file.u64[SLOTS.VTTBR_EL2] = r.VTTBR
  return file
}

function describeNaive(result: NaiveOutput | NaiveFault): string {
  if ('status' in result) return `fault ${result.status.toString(16)} stage ${result.stage} s1ptw ${result.s1ptw} wnr ${result.wnr}${result.stage === 2 ? ` ipa ${result.ipa.toString(16)}` : ''}`
  return `pa ${result.pa.toString(16)} ipa ${result.ipa.toString(16)} attr ${result.attr.toString(16)} sh ${result.sh} size ${result.size.toString(16)} global ${result.global} level ${result.level}`
}
function describeOurs(success: boolean, out: Translation): string {
  if (!success) return `fault ${out.status.toString(16)} stage ${out.stage} s1ptw ${out.s1ptw} wnr ${out.wnr}${out.stage === 2 ? ` ipa ${out.ipa.toString(16)}` : ''}`
  return `pa ${out.pa.toString(16)} ipa ${out.ipa.toString(16)} attr ${out.attr.toString(16)} sh ${out.sh} size ${(2 ** out.pageShift).toString(16)} global ${out.global} level ${out.level}`
}

const featuresOf = (features: ReadonlySet<Feature>) => ({
  hafdbs: features.has('FEAT_HAFDBS'), pauth: features.has('FEAT_PAuth'), e0pd: features.has('FEAT_E0PD'), nv: features.has('FEAT_NV'),
  fwb: features.has('FEAT_S2FWB'), vhe: features.has('FEAT_VHE'),
})

test('random translations agree with the naive walker: result, attributes, fault and descriptor updates', () => {
  const out = new Translation()
  const counts = new Map<string, number>()
  for (let seed = 1; seed <= CASES; seed++) {
    const c = randomCase(seed)
    const naiveMemory = new RandomTables(c.tableSeed, c.addressBits, c.abortPercent)
    const ourMemory = new RandomTables(c.tableSeed, c.addressBits, c.abortPercent)
    const walker = new NaiveWalker(c.registers, featuresOf(c.features), c.naive, { read: pa => naiveMemory.at(pa), swap: (pa, value) => naiveMemory.swap(pa, value) })
    const expected = walker.fullTranslate(c.va, c.accdesc, c.stage1Only)

    const file = fileOf(c.kind, c.registers)
    const stage1 = stage1Regime(file, SLOTS, c.features, c.kind)
    const stage2 = c.kind === 'EL1&0' ? stage2Regime(file, SLOTS, c.features) : undefined
    const walk = c.stage1Only ? translateStage1Only : translate
    const success = walk(stage1, stage2, Number(c.va >> 32n) | 0, Number(c.va & 0xffff_ffffn) | 0, accessOf(c.accdesc), ourMemory, out)
    const got = describeOurs(success, out)
    if (got !== describeNaive(expected) || ourMemory.writes.join() !== naiveMemory.writes.join()) {
      expect({ seed, got, writes: ourMemory.writes }).toEqual({ seed, got: describeNaive(expected), writes: naiveMemory.writes })
    }
    const key = success ? stage2 && !c.stage1Only ? 'ok through both' : 'ok' : `stage ${out.stage}${out.s1ptw ? ' of walk' : ''} ${(out.status & 0x3c).toString(16)}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
    if (naiveMemory.writes.length > 0) counts.set('updates', (counts.get('updates') ?? 0) + 1)
  }
  if (process.env['NIDUS_MMU_CASES'] !== undefined) console.log(counts)
  // The generator must reach every outcome.
  for (const key of ['ok', 'updates', 'stage 1 0', 'stage 1 4', 'stage 1 8', 'stage 1 c', 'stage 1 20', 'stage 1 14', 'ok through both', 'stage 2 0', 'stage 2 14', 'stage 2 4', 'stage 2 8', 'stage 2 c', 'stage 2 20', 'stage 2 of walk 4', 'stage 2 of walk 8', 'stage 2 of walk c', 'stage 2 of walk 0']) {
    expect(counts.get(key) ?? 0, key).toBeGreaterThan(2)
  }
})

test('permissions of a translation are exactly the accesses that succeed', () => {
  const out = new Translation()
  let checked = 0
  for (let seed = 1; checked < CASES / 20; seed++) {
    const c = randomCase(seed)
    const file = fileOf(c.kind, c.registers)
    const stage1 = stage1Regime(file, SLOTS, c.features, c.kind)
    const stage2 = c.kind === 'EL1&0' ? stage2Regime(file, SLOTS, c.features) : undefined
    const vaHi = Number(c.va >> 32n) | 0, vaLo = Number(c.va & 0xffff_ffffn) | 0
    // With a top byte that only data accesses ignore, a fetch is another address.
    if (vaHi >> 23 !== 0 && vaHi >> 23 !== -1) continue
    // AT leaves descriptors alone: a later access may fail to update one.
    if (c.accdesc.acctype === 'AT') continue
    const memory = new RandomTables(c.tableSeed, c.addressBits, 0)
    const access = accessOf({ ...c.accdesc, aligned: true })
    if (!translate(stage1, stage2, vaHi, vaLo, access, memory, out)) continue
    checked++
    const perms = out.perms, pa = out.pa
    for (const [bit, wanted] of [
      [PERM.UR, ACCESS.read | ACCESS.unprivileged], [PERM.UW, ACCESS.write | ACCESS.unprivileged], [PERM.UX, ACCESS.execute | ACCESS.unprivileged],
      [PERM.PR, ACCESS.read], [PERM.PW, ACCESS.write], [PERM.PX, ACCESS.execute],
    ] as const) {
      if (stage1.singlePrivilege && wanted & ACCESS.unprivileged) continue
      if (stage1.lower.unprivilegedDisabled || stage1.upper?.unprivilegedDisabled) continue
      const before = memory.writes.length
      const ok = translate(stage1, stage2, vaHi, vaLo, wanted, memory, out)
      // A store that has to mark a descriptor dirty succeeds but is not in perms.
      const cleanStore = ok && (wanted & ACCESS.write) !== 0 && memory.writes.length > before
      if (!cleanStore && ok !== ((perms & bit) !== 0)) expect({ seed, bit, ok }).toEqual({ seed, bit, ok: (perms & bit) !== 0 })
      if (cleanStore && (perms & bit) !== 0) expect({ seed, bit, dirty: true }).toEqual({ seed, bit, dirty: false })
      if (ok) expect(out.pa).toBe(pa)
      // Undo what the probe changed.
      if (memory.writes.length > before) break
    }
  }
})

test('random stage 2 walks agree', () => {
  const out = new Translation()
  for (let seed = 1; seed <= CASES / 4; seed++) {
    const c = randomCase(seed)
    const registers = { ...c.registers, HCR: (c.registers.HCR | 1n) & ~(1n << 34n) }
    const naiveMemory = new RandomTables(c.tableSeed, c.addressBits, c.abortPercent)
    const ourMemory = new RandomTables(c.tableSeed, c.addressBits, c.abortPercent)
    const ipa = c.va & 0xffff_ffff_ffffn & ((1n << (64n - (registers.VTCR & 63n))) - 1n)
    const walker = new NaiveWalker(registers, featuresOf(c.features), 'EL10', { read: pa => naiveMemory.at(pa), swap: (pa, value) => naiveMemory.swap(pa, value) })
    const expected = walker.stage2(ipa, c.accdesc)
    const file = fileOf('EL1&0', registers)
    const success = walkStage2(stage2Regime(file, SLOTS, c.features)!, Number(ipa), accessOf(c.accdesc), ourMemory, out)
    expect({ seed, got: describeOurs(success, out), writes: ourMemory.writes }).toEqual({ seed, got: describeNaive(expected), writes: naiveMemory.writes })
  }
})

test('VMID width', () => {
  const file = createRegisterFile(NAMES.length)
  file.u64[SLOTS.VTTBR_EL2] = 0x1234n << 48n
  expect(currentVmid(file, SLOTS, new Set(['FEAT_VMID16']))).toBe(0x34)
  file.u64[SLOTS.VTCR_EL2] = 1n << 19n
  expect(currentVmid(file, SLOTS, new Set(['FEAT_VMID16']))).toBe(0x1234)
  expect(currentVmid(file, SLOTS, new Set())).toBe(0x34)
})
