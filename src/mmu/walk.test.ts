import { describe, expect, test } from 'vitest'
import { FSC } from '../arch/esr.ts'
import type { Feature } from '../arch/features.ts'
import { MEMATTR, MEMATTR_FWB, decodeStage1, decodeStage2, encodeStage1Leaf, encodeStage1Table, encodeStage2Leaf, encodeStage2Table, stage2Geometry } from './descriptor.ts'
import { ALL_FEATURES, SLOTS, SparseMemory, TableBuilder, registers } from './page-tables.test-support.ts'
import { stage1Regime, stage2Regime, type RegimeKind } from './regime.ts'
import { ACCESS, PERM, Translation, faultLevel, isFault, withPan } from './translation.ts'
import { translate, walkStage2 } from './walk.ts'

const READ = ACCESS.read, WRITE = ACCESS.write, EXECUTE = ACCESS.execute, USER = ACCESS.unprivileged
/** MAIR: 0 Normal WB, 1 Device-nGnRE, 2 Normal NC. */
const MAIR = 0x44_04ffn
const T0SZ = (bits: number): bigint => BigInt(64 - bits)
const IPS48 = 5n << 32n, PS48 = 5n << 16n
const TG1_4K = 2n << 30n
const SCTLR = 0x1005n

/** EL1&0, 4K, 48-bit VAs in both halves, no stage 2: tables at 0x10000 (TTBR0) and 0x20000 (TTBR1). */
function el1(extra: { TCR?: bigint, SCTLR?: bigint, HCR?: bigint } = {}, features: ReadonlySet<Feature> = ALL_FEATURES, kind: RegimeKind = 'EL1&0') {
  const memory = new SparseMemory()
  const geometry = { granuleShift: 12, inputBits: 48, startLevel: 0 }
  const low = new TableBuilder(memory, 0x1_0000, geometry, 0x100_0000), high = new TableBuilder(memory, 0x2_0000, geometry, 0x200_0000)
  const own = kind === 'EL1&0' ? 'EL1' : 'EL2'
  const file = registers({
    [`SCTLR_${own}`]: SCTLR | (extra.SCTLR ?? 0n), [`TCR_${own}`]: T0SZ(48) | (T0SZ(48) << 16n) | TG1_4K | IPS48 | (extra.TCR ?? 0n),
    [`TTBR0_${own}`]: 0x1_0000n | (0x42n << 48n), [`TTBR1_${own}`]: 0x2_0000n | (0x43n << 48n), [`MAIR_${own}`]: MAIR, HCR_EL2: extra.HCR ?? 0n,
  })
  const out = new Translation()
  const stage1 = stage1Regime(file, SLOTS, features, kind)
  return { memory, low, high, out, stage1, go: (va: bigint, access: number) => translate(stage1, undefined, Number(va >> 32n) | 0, Number(va & 0xffff_ffffn) | 0, access, memory, out) }
}

describe('stage 1 faults: one line per case', () => {
  const VA = 0x1234_5678_9000
  const cases: readonly (readonly [string, (s: ReturnType<typeof el1>) => void, number, number])[] = [
    ['nothing at level 0', () => undefined, READ, FSC.Translation | 0],
    ['nothing at level 1', s => { s.low.slot(VA, 1, encodeStage1Table) }, READ, FSC.Translation | 1],
    ['nothing at level 2', s => { s.low.slot(VA, 2, encodeStage1Table) }, READ, FSC.Translation | 2],
    ['nothing at level 3', s => { s.low.slot(VA, 3, encodeStage1Table) }, READ, FSC.Translation | 3],
    ['block at level 0', s => { s.memory.words.set(s.low.slot(VA, 0, encodeStage1Table), 0x401n) }, READ, FSC.Translation | 0],
    ['block descriptor at level 3', s => { s.memory.words.set(s.low.slot(VA, 3, encodeStage1Table), 0x401n) }, READ, FSC.Translation | 3],
    ['access flag of a page', s => { s.low.stage1(VA, 0x5000, { accessFlag: false }) }, READ, FSC.AccessFlag | 3],
    ['access flag of a level 1 block', s => { s.low.stage1(VA, 0x4000_0000, { accessFlag: false }, 1) }, READ, FSC.AccessFlag | 1],
    ['read-only page written', s => { s.low.stage1(VA, 0x5000, { ap: 2 }) }, WRITE, FSC.Permission | 3],
    ['read-only block written', s => { s.low.stage1(VA, 0x20_0000, { ap: 2 }, 2) }, WRITE, FSC.Permission | 2],
    ['privileged page read by EL0', s => { s.low.stage1(VA, 0x5000, { ap: 0 }) }, READ | USER, FSC.Permission | 3],
    ['PXN', s => { s.low.stage1(VA, 0x5000, { pxn: true }) }, EXECUTE, FSC.Permission | 3],
    ['UXN', s => { s.low.stage1(VA, 0x5000, { uxn: true }) }, EXECUTE | USER, FSC.Permission | 3],
    ['writable by EL0 is not executed at EL1', s => { s.low.stage1(VA, 0x5000, { ap: 1 }) }, EXECUTE, FSC.Permission | 3],
    ['PAN and a page of EL0', s => { s.low.stage1(VA, 0x5000, { ap: 1 }) }, READ | ACCESS.pan, FSC.Permission | 3],
    ['APTable forbids writes', s => { s.low.stage1(VA, 0x5000, {}, 3, { apTable: 2 }) }, WRITE, FSC.Permission | 3],
    ['APTable forbids EL0', s => { s.low.stage1(VA, 0x5000, { ap: 1 }, 3, { apTable: 1 }) }, READ | USER, FSC.Permission | 3],
    ['PXNTable', s => { s.low.stage1(VA, 0x5000, {}, 3, { pxnTable: true }) }, EXECUTE, FSC.Permission | 3],
    ['UXNTable', s => { s.low.stage1(VA, 0x5000, {}, 3, { uxnTable: true }) }, EXECUTE | USER, FSC.Permission | 3],
    ['unaligned access to Device', s => { s.low.stage1(VA, 0x5000, { attrIndex: 1 }) }, READ | ACCESS.unaligned, FSC.Alignment],
    ['Device alignment comes before permission', s => { s.low.stage1(VA, 0x5000, { attrIndex: 1, ap: 2 }) }, WRITE | ACCESS.unaligned, FSC.Alignment],
    ['access flag comes before Device alignment', s => { s.low.stage1(VA, 0x5000, { attrIndex: 1, accessFlag: false }) }, READ | ACCESS.unaligned, FSC.AccessFlag | 3],
    ['External abort on the level 0 table', s => { s.memory.limit = 0x1000 }, READ, FSC.SyncExternalOnWalk | 0],
    ['External abort on the level 2 table', s => { s.low.stage1(VA, 0x5000); s.memory.limit = 0x100_1000 }, READ, FSC.SyncExternalOnWalk | 2],
  ]
  test.each(cases)('%s', (_name, prepare, access, status) => {
    const s = el1()
    prepare(s)
    expect(s.go(BigInt(VA), access)).toBe(false)
    expect(s.out.status).toBe(status)
    expect(s.out.stage).toBe(1)
    expect(s.out.s1ptw).toBe(false)
    expect(s.out.wnr).toBe((access & WRITE) !== 0)
  })

  test('output and base address sizes', () => {
    const IPS36 = 1n << 32n
    const file = registers({ SCTLR_EL1: SCTLR, TCR_EL1: T0SZ(48) | T0SZ(48) << 16n | TG1_4K | IPS36, TTBR0_EL1: 0x1_0000n, TTBR1_EL1: 0x10_0000_0000n })
    const memory = new SparseMemory(), out = new Translation()
    const low = new TableBuilder(memory, 0x1_0000, { granuleShift: 12, inputBits: 48, startLevel: 0 }, 0x100_0000)
    low.stage1(0x1000, 2 ** 36)
    low.stage1(0x2000, 2 ** 36 - 4096)
    const stage1 = stage1Regime(file, SLOTS, ALL_FEATURES, 'EL1&0')
    expect(translate(stage1, undefined, 0, 0x1000, READ, memory, out)).toBe(false)
    expect(out.status).toBe(FSC.AddressSize | 3)
    expect(translate(stage1, undefined, 0, 0x2000, READ, memory, out)).toBe(true)
    expect(translate(stage1, undefined, -1, -4096, READ, memory, out)).toBe(false)
    expect(out.status).toBe(FSC.AddressSize | 0)
  })
})

describe('virtual address ranges', () => {
  test('TTBR1 translates the upper half; between the halves is a level 0 fault', () => {
    const s = el1()
    s.high.stage1(0xffff_8000_0000_0000 % 2 ** 48, 0x7000)
    expect(s.go(0xffff_8000_0000_0123n, READ)).toBe(true)
    expect(s.out.pa).toBe(0x7123)
    expect(s.go(0x1_0000_0000_0000n, READ)).toBe(false)
    expect(s.out.status).toBe(FSC.Translation)
    expect(s.go(0xff00_8000_0000_0123n, READ)).toBe(false)
    expect(s.out.status).toBe(FSC.Translation)
  })

  test('TBI ignores the top byte; with TBID of data only', () => {
    const s = el1({ TCR: (1n << 37n) | (1n << 51n) })
    s.low.stage1(0x1000, 0x7000)
    expect(s.go(0xab00_0000_0000_1000n, READ)).toBe(true)
    expect(s.go(0xab00_0000_0000_1000n, EXECUTE)).toBe(false)
    expect(s.out.status).toBe(FSC.Translation)
    const without = el1({ TCR: (1n << 37n) | (1n << 51n) }, new Set())
    without.low.stage1(0x1000, 0x7000)
    expect(without.go(0xab00_0000_0000_1000n, EXECUTE), 'TBID needs FEAT_PAuth').toBe(true)
  })

  test('EPD0 and E0PD0', () => {
    const s = el1({ TCR: 1n << 7n })
    s.low.stage1(0x1000, 0x7000)
    expect(s.go(0x1000n, READ)).toBe(false)
    expect(s.out.status).toBe(FSC.Translation)
    const e0pd = el1({ TCR: 1n << 55n })
    e0pd.low.stage1(0x1000, 0x7000, { ap: 1 })
    expect(e0pd.go(0x1000n, READ)).toBe(true)
    expect(e0pd.go(0x1000n, READ | USER)).toBe(false)
    expect(e0pd.out.status).toBe(FSC.Translation)
  })

  test('ASID from the TTBR that TCR.A1 names, 8 or 16 bits', () => {
    expect(el1().stage1.asid).toBe(0x42)
    expect(el1({ TCR: 1n << 22n }).stage1.asid).toBe(0x43)
    const wide = registers({ TTBR0_EL1: 0x1234n << 48n, TCR_EL1: 1n << 36n })
    expect(stage1Regime(wide, SLOTS, ALL_FEATURES, 'EL1&0').asid).toBe(0x1234)
  })

  const shapes: readonly (readonly [number, number, number, number])[] = [
    // granule, VA bits, starting level, leaf level
    [12, 48, 0, 3], [12, 39, 1, 3], [12, 39, 1, 1], [12, 30, 2, 2], [12, 25, 2, 3],
    [14, 48, 0, 3], [14, 47, 1, 2], [14, 36, 2, 3], [14, 25, 3, 3],
    [16, 48, 1, 3], [16, 42, 2, 2], [16, 29, 3, 3], [16, 25, 3, 3],
  ]
  test.each(shapes)('granule 2^%i, %i bits, from level %i, leaf at level %i', (granuleShift, inputBits, startLevel, level) => {
    const memory = new SparseMemory(), out = new Translation()
    const builder = new TableBuilder(memory, 0x10_0000, { granuleShift, inputBits, startLevel }, 0x1000_0000)
    const shift = granuleShift + (3 - level) * (granuleShift - 3)
    const va = 2 ** inputBits - 2 ** shift
    builder.stage1(va, 3 * 2 ** shift, { ap: 1 }, level)
    const TG0 = { 12: 0n, 14: 2n, 16: 1n }[granuleShift]!
    const stage1 = stage1Regime(registers({ SCTLR_EL1: SCTLR, TCR_EL1: T0SZ(inputBits) | (TG0 << 14n) | IPS48, TTBR0_EL1: 0x10_0000n, MAIR_EL1: MAIR }), SLOTS, ALL_FEATURES, 'EL1&0')
    expect(stage1.lower.startLevel).toBe(startLevel)
    expect(translate(stage1, undefined, Math.floor(va / 2 ** 32), (va + 0x6d8) | 0, READ, memory, out)).toBe(true)
    expect([out.pa, out.pageShift, out.level]).toEqual([3 * 2 ** shift + 0x6d8, shift, level])
  })
})

describe('permissions and formats', () => {
  test.each([
    ['AP 00', { ap: 0, uxn: true }, PERM.PR | PERM.PW | PERM.PX],
    ['AP 01', { ap: 1 }, PERM.UR | PERM.UW | PERM.UX | PERM.PR | PERM.PW],
    ['AP 10', { ap: 2, pxn: true, uxn: true }, PERM.PR],
    ['AP 11', { ap: 3 }, PERM.UR | PERM.UX | PERM.PR | PERM.PX],
  ] as const)('%s', (_name, leaf, perms) => {
    const s = el1()
    s.low.stage1(0x1000, 0x7000, { ...leaf, notGlobal: true })
    expect(s.go(0x1000n, leaf.ap & 1 ? READ | USER : READ)).toBe(true)
    expect(s.out.perms).toBe(perms)
    expect(s.out.global).toBe(false)
  })

  test('PAN takes data access to EL0 pages away, not fetches', () => {
    expect(withPan(PERM.UR | PERM.PR | PERM.PW | PERM.PX)).toBe(PERM.UR | PERM.PX)
    expect(withPan(PERM.PR | PERM.PW)).toBe(PERM.PR | PERM.PW)
  })

  test('WXN', () => {
    const s = el1({ SCTLR: 1n << 19n })
    s.low.stage1(0x1000, 0x7000, { ap: 0 })
    s.low.stage1(0x2000, 0x7000, { ap: 2 })
    expect(s.go(0x1000n, EXECUTE)).toBe(false)
    expect(s.go(0x2000n, EXECUTE)).toBe(true)
  })

  test('atomics: WnR is 0 if the read alone faults', () => {
    const s = el1()
    s.low.stage1(0x1000, 0x7000, { ap: 2 })
    s.low.stage1(0x2000, 0x7000, { ap: 0 })
    expect(s.go(0x1000n, READ | WRITE)).toBe(false)
    expect([s.out.status, s.out.wnr]).toEqual([FSC.Permission | 3, true])
    expect(s.go(0x2000n, READ | WRITE | USER)).toBe(false)
    expect([s.out.status, s.out.wnr]).toEqual([FSC.Permission | 3, false])
    expect(s.go(0x3000n, READ | WRITE)).toBe(false)
    expect([s.out.status, s.out.wnr]).toEqual([FSC.Translation | 3, false])
  })

  test('EL2 regime: one range, XN in bit 54, AP[1] and PXN do not count', () => {
    const memory = new SparseMemory(), out = new Translation()
    const builder = new TableBuilder(memory, 0x1_0000, { granuleShift: 12, inputBits: 39, startLevel: 1 }, 0x100_0000)
    builder.stage1(0x1000, 0x7000, { ap: 1, pxn: true, notGlobal: true })
    builder.stage1(0x2000, 0x7000, { uxn: true })
    const stage1 = stage1Regime(registers({ SCTLR_EL2: SCTLR, TCR_EL2: T0SZ(39) | PS48, TTBR0_EL2: 0x1_0000n, MAIR_EL2: MAIR }), SLOTS, ALL_FEATURES, 'EL2')
    expect(translate(stage1, undefined, 0, 0x1000, EXECUTE, memory, out)).toBe(true)
    expect([out.perms, out.global]).toEqual([PERM.PR | PERM.PW | PERM.PX, true])
    expect(translate(stage1, undefined, 0, 0x1000, READ | ACCESS.pan, memory, out)).toBe(true)
    expect(translate(stage1, undefined, 0, 0x2000, EXECUTE, memory, out)).toBe(false)
    expect(translate(stage1, undefined, -1, -4096, READ, memory, out)).toBe(false)
    expect(out.status).toBe(FSC.Translation)
  })

  test('HCR_EL2.{NV,NV1} = {1,1}: EL1&0 tables in the EL2 format, no PAN', () => {
    const NV = 1n << 42n, NV1 = 1n << 43n
    const s = el1({ HCR: NV | NV1 })
    s.low.stage1(0x1000, 0x7000, { ap: 1, pxn: true })
    s.low.stage1(0x2000, 0x7000, { ap: 0, uxn: true })
    expect(s.go(0x1000n, EXECUTE)).toBe(true)
    expect(s.out.perms).toBe(PERM.PR | PERM.PW | PERM.PX | PERM.UX)
    expect(s.go(0x1000n, READ | ACCESS.pan)).toBe(true)
    expect(s.go(0x1000n, READ | USER)).toBe(false)
    expect(s.go(0x2000n, EXECUTE)).toBe(false)
    expect(el1({ HCR: NV }).stage1.nv1).toBe(false)
    expect(el1({ HCR: NV | NV1 }, new Set()).stage1.nv1).toBe(false)
  })
})

describe('hardware update of AF and dirty state', () => {
  const HA = 1n << 39n, HD = 1n << 40n
  test('AF is set by any access, AP[2] cleared by a store', () => {
    const s = el1({ TCR: HA | HD })
    const slot = s.low.stage1(0x1000, 0x7000, { ap: 2, accessFlag: false, dirtyManaged: true })
    expect(s.go(0x1000n, READ)).toBe(true)
    expect(s.out.perms & PERM.PW, 'writable-clean: the first store walks').toBe(0)
    expect(decodeStage1(s.memory.words.get(slot)!, 3)).toMatchObject({ accessFlag: true, ap: 2 })
    expect(s.go(0x1000n, WRITE)).toBe(true)
    expect(s.out.perms & PERM.PW).toBe(PERM.PW)
    expect(decodeStage1(s.memory.words.get(slot)!, 3)).toMatchObject({ accessFlag: true, ap: 0 })
  })
  test('AT changes nothing', () => {
    const s = el1({ TCR: HA | HD })
    const slot = s.low.stage1(0x1000, 0x7000, { ap: 2, accessFlag: false, dirtyManaged: true })
    const before = s.memory.words.get(slot)
    expect(s.go(0x1000n, WRITE | ACCESS.at)).toBe(true)
    expect(s.memory.words.get(slot)).toBe(before)
  })
  test('without FEAT_HAFDBS the bits mean nothing', () => {
    const s = el1({ TCR: HA | HD }, new Set())
    s.low.stage1(0x1000, 0x7000, { ap: 2, accessFlag: false, dirtyManaged: true })
    expect(s.go(0x1000n, READ)).toBe(false)
    expect(s.out.status).toBe(FSC.AccessFlag | 3)
  })
  test('a descriptor that cannot be written is an External abort on the walk', () => {
    const s = el1({ TCR: HA })
    s.low.stage1(0x1000, 0x7000, { accessFlag: false })
    s.memory.compareAndSwap = () => false
    expect(s.go(0x1000n, READ)).toBe(false)
    expect(s.out.status).toBe(FSC.SyncExternalOnWalk | 3)
  })
})

/** Stage 1 as in el1(); stage 2 with 40-bit IPAs (one level 1 start of two tables), root at 0x8000_0000. Stage 1 tables at IPA = 0x1_0000 and 0x100_0000 on. */
function nested(extra: { HCR?: bigint, VTCR?: bigint, TCR?: bigint } = {}, features: ReadonlySet<Feature> = ALL_FEATURES) {
  const memory = new SparseMemory(), out = new Translation()
  const HOST = 0x10_0000_0000
  const low = new TableBuilder(memory, HOST + 0x1_0000, { granuleShift: 12, inputBits: 39, startLevel: 1 }, HOST + 0x100_0000)
  const second = new TableBuilder(memory, 0x8000_0000, { granuleShift: 12, inputBits: 40, startLevel: 1 }, 0x9000_0000)
  const file = registers({
    SCTLR_EL1: SCTLR, TCR_EL1: T0SZ(39) | IPS48 | (extra.TCR ?? 0n), TTBR0_EL1: 0x1_0000n, MAIR_EL1: MAIR,
    HCR_EL2: 1n | (extra.HCR ?? 0n), VTCR_EL2: T0SZ(40) | (1n << 6n) | PS48 | (extra.VTCR ?? 0n), VTTBR_EL2: 0x8000_0000n | (7n << 48n),
  })
  const stage1 = stage1Regime(file, SLOTS, features, 'EL1&0'), stage2 = stage2Regime(file, SLOTS, features)!
  return {
    memory, second, out, stage1, stage2, HOST,
    /** Stage 1 VA -> IPA; descriptors hold IPAs though the builder writes them at HOST + IPA. */
    map1: (va: number, ipa: number, leaf = {}) => {
      const slot = low.slot(va, 3, pa => encodeStage1Table(pa - HOST))
      memory.words.set(slot, encodeStage1Leaf({ pa: ipa, ...leaf }, 3))
      return slot
    },
    mapTables: (leaf = {}) => { for (const ipa of [0x1_0000, 0x100_0000, 0x100_1000]) second.stage2(ipa, HOST + ipa, leaf) },
    go: (va: number, access: number) => translate(stage1, stage2, Math.floor(va / 2 ** 32), va | 0, access, memory, out),
  }
}

describe('two stages', () => {
  test('maps through both, smaller page, permissions ANDed', () => {
    const s = nested()
    s.mapTables()
    s.map1(0x4000_0000, 0x5000_1000, { ap: 1 })
    s.second.stage2(0x5000_0000, 0x70_0000_0000, { write: false }, 2)
    expect(s.go(0x4000_0123, READ | USER)).toBe(true)
    expect([s.out.pa, s.out.ipa, s.out.pageShift]).toEqual([0x70_0000_1123, 0x5000_1123, 12])
    expect(s.out.perms).toBe(PERM.UR | PERM.UX | PERM.PR)
    expect(s.stage2.vmid).toBe(7)
    expect(s.go(0x4000_0123, WRITE)).toBe(false)
    expect([s.out.status, s.out.stage, s.out.s1ptw, s.out.ipa, s.out.wnr]).toEqual([FSC.Permission | 2, 2, false, 0x5000_1123, true])
  })

  test.each([
    ['stage 1 table not mapped by stage 2', (s: ReturnType<typeof nested>) => { s.second.stage2(0x1_0000, s.HOST + 0x1_0000) }, FSC.Translation | 2, true, 0x100_0000],
    ['stage 1 table not readable', (s: ReturnType<typeof nested>) => { s.mapTables({ read: false }) }, FSC.Permission | 3, true, 0x1_0008],
    ['stage 1 table without access flag', (s: ReturnType<typeof nested>) => { s.mapTables({ accessFlag: false }) }, FSC.AccessFlag | 3, true, 0x1_0008],
    ['output not mapped', (s: ReturnType<typeof nested>) => { s.mapTables() }, FSC.Translation | 1, false, 0x5000_1000],
    ['output without access flag', (s: ReturnType<typeof nested>) => { s.mapTables(); s.second.stage2(0x5000_1000, 0x1000, { accessFlag: false }) }, FSC.AccessFlag | 3, false, 0x5000_1000],
    ['output not readable', (s: ReturnType<typeof nested>) => { s.mapTables(); s.second.stage2(0x5000_1000, 0x1000, { read: false }) }, FSC.Permission | 3, false, 0x5000_1000],
  ] as const)('%s', (_name, prepare, status, s1ptw, ipa) => {
    const s = nested()
    s.map1(0x4000_0000, 0x5000_1000)
    prepare(s)
    expect(s.go(0x4000_0000, READ)).toBe(false)
    expect([s.out.status, s.out.stage, s.out.s1ptw, s.out.ipa]).toEqual([status, 2, s1ptw, ipa])
  })

  test('an IPA beyond VTCR_EL2.T0SZ is a level 0 Translation fault', () => {
    const s = nested()
    s.mapTables()
    s.map1(0x4000_0000, 2 ** 40)
    expect(s.go(0x4000_0000, READ)).toBe(false)
    expect([s.out.status, s.out.stage, s.out.ipa]).toEqual([FSC.Translation, 2, 2 ** 40])
  })

  test('HCR_EL2.PTW: a stage 1 table in Device memory', () => {
    const s = nested({ HCR: 1n << 2n })
    s.mapTables({ memAttr: MEMATTR.deviceNGnRE })
    s.map1(0x4000_0000, 0x5000_1000)
    expect(s.go(0x4000_0000, READ)).toBe(false)
    expect([s.out.status, s.out.s1ptw]).toEqual([FSC.Permission | 3, true])
    const without = nested()
    without.mapTables({ memAttr: MEMATTR.deviceNGnRE })
    without.map1(0x4000_0000, 0x5000_1000)
    without.second.stage2(0x5000_1000, 0x1000)
    expect(without.go(0x4000_0000, READ)).toBe(true)
  })

  test('hardware AF in a read-only stage 1 table is a stage 2 Permission fault', () => {
    const s = nested({ TCR: 1n << 39n })
    s.mapTables({ write: false })
    s.map1(0x4000_0000, 0x5000_1000, { accessFlag: false })
    s.second.stage2(0x5000_1000, 0x1000)
    expect(s.go(0x4000_0000, READ)).toBe(false)
    expect([s.out.status, s.out.stage, s.out.s1ptw, s.out.wnr]).toEqual([FSC.Permission | 3, 2, true, false])
  })

  test('stage 2 dirty state: the store sets S2AP[1]', () => {
    const s = nested({ VTCR: (1n << 21n) | (1n << 22n) })
    s.mapTables()
    s.map1(0x4000_0000, 0x5000_1000)
    const slot = s.second.stage2(0x5000_1000, 0x1000, { write: false, dirtyManaged: true, accessFlag: false })
    expect(s.go(0x4000_0000, READ)).toBe(true)
    expect(s.out.perms & PERM.PW).toBe(0)
    expect(s.go(0x4000_0000, WRITE)).toBe(true)
    expect(decodeStage2(s.memory.words.get(slot)!, 3)).toMatchObject({ write: true, accessFlag: true })
  })

  test('stage 1 off: VA is IPA; Device unless HCR_EL2.DC', () => {
    const s = nested()
    s.second.stage2(0x5000_1000, 0x1000)
    const off = stage1Regime(registers({ HCR_EL2: 1n }), SLOTS, ALL_FEATURES, 'EL1&0')
    expect(translate(off, s.stage2, 0, 0x5000_1008, READ, s.memory, s.out)).toBe(true)
    expect([s.out.pa, s.out.ipa, s.out.attr, s.out.device]).toEqual([0x1008, 0x5000_1008, 0, true])
    expect(translate(off, s.stage2, 0, 0x5000_1008, READ | ACCESS.unaligned, s.memory, s.out)).toBe(false)
    expect([s.out.status, s.out.stage]).toEqual([FSC.Alignment, 1])
    expect(translate(off, undefined, 1 << 16, 0, READ, s.memory, s.out)).toBe(false)
    expect(s.out.status).toBe(FSC.AddressSize)
    const dc = stage1Regime(registers({ SCTLR_EL1: 1n, HCR_EL2: 1n << 12n }), SLOTS, ALL_FEATURES, 'EL1&0')
    expect(dc.enabled).toBe(false)
    expect(stage2Regime(registers({ HCR_EL2: 1n << 12n }), SLOTS, ALL_FEATURES), 'DC makes VM 1').toBeDefined()
    expect(translate(dc, s.stage2, 0, 0x5000_1008, READ | ACCESS.unaligned, s.memory, s.out)).toBe(true)
    expect([s.out.attr, s.out.sh]).toEqual([0xff, 3])
  })

  test('stage 2 makes it Device: the alignment fault is stage 2', () => {
    const s = nested()
    s.mapTables()
    s.map1(0x4000_0000, 0x5000_1000)
    s.second.stage2(0x5000_1000, 0x1000, { memAttr: MEMATTR.deviceNGnRE })
    expect(s.go(0x4000_0001, READ | ACCESS.unaligned)).toBe(false)
    expect([s.out.status, s.out.stage]).toEqual([FSC.Alignment, 2])
    expect(s.go(0x4000_0001, READ)).toBe(true)
    expect(s.out.attr).toBe(0x04)
  })

  test.each([
    // MAIR index, MemAttr, FWB, result
    [0, MEMATTR.normalNC, false, 0x44], [1, MEMATTR.normalWB, false, 0x04], [2, MEMATTR.normalWB, false, 0x44],
    [2, MEMATTR_FWB.forceWB, true, 0xff], [1, MEMATTR_FWB.forceWB, true, 0xff], [2, MEMATTR_FWB.stage1, true, 0x44], [1, MEMATTR_FWB.normalNC, true, 0x04], [0, MEMATTR_FWB.normalNC, true, 0x44],
  ] as const)('memory type of MAIR index %i with MemAttr %i, FWB %s', (attrIndex, memAttr, fwb, attr) => {
    const s = nested({ HCR: fwb ? 1n << 46n : 0n })
    s.mapTables({ memAttr: fwb ? MEMATTR_FWB.stage1 : MEMATTR.normalWB })
    s.map1(0x4000_0000, 0x5000_1000, { attrIndex })
    s.second.stage2(0x5000_1000, 0x1000, { memAttr })
    expect(s.go(0x4000_0000, READ)).toBe(true)
    expect(s.out.attr).toBe(attr)
  })

  test('{E2H,TGE} = {1,1} has no stage 2', () => {
    expect(stage2Regime(registers({ HCR_EL2: 1n | (1n << 34n) | (1n << 27n) }), SLOTS, ALL_FEATURES)).toBeUndefined()
    expect(stage2Regime(registers({ HCR_EL2: 0n }), SLOTS, ALL_FEATURES)).toBeUndefined()
  })
})

describe('stage 2 shapes', () => {
  test.each([
    // granule, IPA bits, SL0, starting level, concatenated
    [12, 40, 1, 1, 2], [12, 44, 2, 0, 1], [12, 43, 1, 1, 16], [12, 48, 2, 0, 1], [12, 32, 0, 2, 4], [12, 30, 0, 2, 1], [12, 34, 0, 2, 16], [12, 35, 1, 1, 1],
    [14, 40, 1, 2, 16], [14, 48, 2, 1, 2], [16, 42, 1, 2, 1], [16, 46, 1, 2, 16], [16, 48, 2, 1, 1],
  ] as const)('granule 2^%i, %i-bit IPAs', (granuleShift, ipaBits, SL0, startLevel, concatenated) => {
    const shape = stage2Geometry(ipaBits, granuleShift)
    expect([shape.SL0, shape.startLevel, shape.concatenated]).toEqual([SL0, startLevel, concatenated])
    const TG0 = { 12: 0n, 14: 2n, 16: 1n }[granuleShift]
    const root = 0x4000_0000
    const stage2 = stage2Regime(registers({ HCR_EL2: 1n, VTCR_EL2: BigInt(shape.T0SZ) | BigInt(SL0 << 6) | (TG0 << 14n) | PS48, VTTBR_EL2: BigInt(root) }), SLOTS, ALL_FEATURES)!
    expect(stage2.malformed).toBe(false)
    const memory = new SparseMemory(), out = new Translation()
    const builder = new TableBuilder(memory, root, { granuleShift, inputBits: ipaBits, startLevel }, 0x5000_0000)
    const ipa = 2 ** ipaBits - 2 ** granuleShift
    builder.stage2(ipa, 2 ** granuleShift * 5)
    expect(walkStage2(stage2, ipa + 8, READ, memory, out)).toBe(true)
    expect([out.pa, out.level, out.pageShift]).toEqual([2 ** granuleShift * 5 + 8, 3, granuleShift])
    expect(walkStage2(stage2, 2 ** ipaBits, READ, memory, out)).toBe(false)
    expect(isFault(out.status, FSC.Translation) && faultLevel(out.status) === 0).toBe(true)
  })

  test('T0SZ and SL0 that do not agree: level 0 Translation fault', () => {
    for (const [T0SZ, SL0] of [[64 - 48, 1], [64 - 30, 1], [64 - 40, 3], [15, 2], [40, 0]] as const) {
      const stage2 = stage2Regime(registers({ HCR_EL2: 1n, VTCR_EL2: BigInt(T0SZ) | BigInt(SL0 << 6) }), SLOTS, ALL_FEATURES)!
      const out = new Translation()
      expect(walkStage2(stage2, 0, 0, new SparseMemory(), out)).toBe(false)
      expect(out.status).toBe(FSC.Translation)
    }
  })
})

describe('descriptor encoding', () => {
  test('stage 2 round trips', () => {
    const leaf = { pa: 0x1234_5678_9000, read: true, write: false, execute: false, memAttr: 0b0111, sh: 3 as const, accessFlag: true, dirtyManaged: true, contiguous: true, software: 9 }
    expect(decodeStage2(encodeStage2Leaf(leaf, 3), 3)).toEqual({ kind: 'leaf', ...leaf })
    expect(decodeStage2(encodeStage2Leaf({ ...leaf, pa: 0x1234_4000_0000 }, 1), 1)).toEqual({ kind: 'leaf', ...leaf, pa: 0x1234_4000_0000 })
    expect(decodeStage2(encodeStage2Table(0x1000), 2)).toEqual({ kind: 'table', pa: 0x1000 })
    expect(decodeStage2(0n, 1)).toEqual({ kind: 'invalid' })
    expect(decodeStage2(1n, 1, 14)).toEqual({ kind: 'invalid' })
  })
  test('stage 1 round trips', () => {
    const leaf = { pa: 0x1234_5678_9000, ap: 3, attrIndex: 5, sh: 2 as const, accessFlag: true, notGlobal: true, pxn: true, uxn: false, dirtyManaged: true, contiguous: false, software: 3 }
    expect(decodeStage1(encodeStage1Leaf(leaf, 3), 3)).toEqual({ kind: 'leaf', ...leaf })
    expect(decodeStage1(encodeStage1Table(0x1000, { apTable: 3, uxnTable: true }), 0)).toEqual({ kind: 'table', pa: 0x1000, apTable: 3, uxnTable: true, pxnTable: false })
  })
})
