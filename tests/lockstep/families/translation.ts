/**
 * Stage 1 of EL1&0, EL2 and EL2&0, and stage 2, over tables in which everything may be wrong: faults of every kind and level, permissions,
 * access flag and dirty state by hardware, contiguous and table bits, address sizes, block sizes, AT and TLB maintenance between.
 */
import { DAIF_MASK, MODE } from '../../../src/arch/pstate.ts'
import { rowByName } from '../../../src/sysreg/index.ts'
import type { Assembler, Random } from '../../assembler.ts'
import { CODE, DATA, DATA_BYTES, TABLES } from '../program.ts'
import type { ProgramBuilder } from '../program.ts'
import { levelShift, pageShift, Tables } from '../tables.ts'
import type { Granule } from '../tables.ts'

const TABLE_BYTES = { 1: 0x4_0000, 2: 0x4_0000 } as const
const RET = 0xd65f_03c0
const AF = 1n << 10n, INNER = 3n << 8n
const key = (name: string): number => rowByName(name)!.key
const VA_TOP = 40

interface Mapping { readonly address: bigint, readonly level: number }

/** Output of a leaf at `level`: the page or block that has DATA in it. */
const outputOf = (granule: Granule, level: number): bigint => BigInt(DATA) & ~((1n << BigInt(levelShift(granule, level))) - 1n)

function startLevelOf(granule: Granule, inputBits: number): number {
  let level = 3
  while (level > 0 && levelShift(granule, level) + (granule === 4 ? 9 : granule === 16 ? 11 : 13) < inputBits) level--
  return level
}

/** Blocks: level 1 with 4K alone (no LPA), level 2 with all. */
const leafLevels = (granule: Granule): readonly number[] => granule === 4 ? [1, 2, 3, 3] : [2, 3, 3]

function stage1Leaf(r: Random, granule: Granule, level: number): bigint {
  let value = outputOf(granule, level) | (level === 3 ? 3n : 1n) | (r.chance(85) ? AF : 0n) | INNER
  value |= BigInt(r.below(4)) << 6n | BigInt(r.pick([0, 0, 0, 1, 2, 3])) << 2n
  if (r.chance(25)) value |= 1n << 53n
  if (r.chance(25)) value |= 1n << 54n
  // QEMU 10 lets what hardware may make writable be executed as if it were read-only, until it is: execute-never, then.
  if (r.chance(30)) value |= (1n << 51n) | (3n << 53n)
  if (r.chance(20)) value |= 1n << 11n
  if (r.chance(6)) value ^= 3n
  if (r.chance(6)) value |= BigInt(1 + r.below(255)) << 40n
  return value
}

/** With HCR_EL2.FWB: Device of two kinds, Non-cacheable, Write-Back, what stage 1 says. */
const FWB_ATTRIBUTES = [7, 7, 6, 5, 0, 1] as const

function stage2Leaf(r: Random, granule: Granule, level: number, fwb: boolean): bigint {
  let value = outputOf(granule, level) | (level === 3 ? 3n : 1n) | (r.chance(85) ? AF : 0n) | INNER
  value |= BigInt(r.pick([3, 3, 3, 0, 1, 2])) << 6n | BigInt(r.pick(fwb ? FWB_ATTRIBUTES : [0xf, 0xf, 0xf, 0, 1, 5])) << 2n
  if (r.chance(25)) value |= 1n << 54n
  if (r.chance(30)) value |= 1n << 51n
  if (r.chance(6)) value ^= 3n
  if (r.chance(6)) value |= BigInt(1 + r.below(255)) << 40n
  return value
}

/** Test addresses above the program's own, mapped at random; the program itself to its own addresses. */
function fill(r: Random, tables: Tables, inputBits: number, leaf: (level: number) => bigint, identity: (level: number) => bigint, tableBits: () => bigint): Mapping[] {
  const { granule } = tables, mappings: Mapping[] = []
  if (granule === 4) for (let at = 0x4000_0000; at < 0x4040_0000; at += 0x20_0000) tables.put(BigInt(at), 2, BigInt(at) | identity(2))
  else tables.put(0x4000_0000n, 2, 0x4000_0000n | identity(2))
  for (let n = 0; n < 5; n++) {
    const level = r.pick(leafLevels(granule)), region = (BigInt(2 + n) << 30n) & ((1n << BigInt(inputBits)) - 1n)
    const shift = BigInt(levelShift(granule, level)), block = (region | (BigInt(r.below(64)) << shift)) & ((1n << BigInt(inputBits)) - 1n)
    if ((block >> 29n) === 2n) continue
    // The same place in the block that DATA has in its own.
    const address = (block & ~((1n << shift) - 1n)) | (BigInt(DATA) & ((1n << shift) - 1n))
    if (level >= tables.startLevel && tables.put(address, level, leaf(level), r.chance(20) ? tableBits() : 0n)) mappings.push({ address, level })
  }
  return mappings
}

export function translation(b: ProgramBuilder): void {
  const { r, target } = b, hafdbs = target.features.has('FEAT_HAFDBS'), vhe = target.features.has('FEAT_VHE')
  const regime = r.pick(target.withoutEL2 === true ? ['EL1'] as const : vhe ? ['EL1', 'EL1', 'EL1', 'EL2', 'EL2&0'] as const : ['EL1', 'EL1', 'EL1', 'EL2'] as const)
  const granule = r.pick([4, 4, 16, 64] as const), usable: Granule = granule === 16 && !target.features.has('FEAT_VHE') ? 4 : granule
  // Without LPA2: the start level is 0 to 2.
  const inputBits = r.pick([32, 36, 39, 40, 42, 48].filter(bits => bits >= 32)), stage1On = r.chance(90), stage2On = regime === 'EL1' && r.chance(60) && target.withoutEL2 !== true
  // 48 bits, or the 44 of QEMU's v8.0 CPU.
  const most = vhe ? 5 : 4, ps = BigInt(r.pick([2, 2, most, 1]))

  const first = new Tables(regime === 'EL1' ? TABLES.stage1 : TABLES.el2, TABLE_BYTES[1], usable, inputBits, startLevelOf(usable, inputBits))
  const addresses: bigint[] = []
  // EL0 cannot execute what EL1 can write: read-only for both, and the program's data through the test addresses.
  const el0 = r.chance(35) && regime !== 'EL2'
  // What can be written cannot be executed with WXN.
  const readOnly = el0 || r.chance(40)
  const identity1 = (level: number): bigint => AF | INNER | (level === 3 ? 3n : 1n) | (el0 ? 3n << 6n : readOnly ? 2n << 6n : 0n)
  const tableBits = (): bigint => BigInt(r.below(32)) << 59n
  for (const { address } of fill(r, first, inputBits, level => stage1Leaf(r, usable, level), identity1, tableBits)) addresses.push(address)
  const base = regime === 'EL1' ? TABLES.stage1 : TABLES.el2, suffix = regime === 'EL1' ? '1' : '2'
  b.place(base, first.bytes())
  b.compare(base, Math.min(first.bytes().length, 0x1000))

  const tg0 = usable === 4 ? 0n : usable === 64 ? 1n : 2n, tg1 = usable === 4 ? 2n : usable === 16 ? 1n : 3n
  const t0sz = BigInt(64 - inputBits), walk = 0x3500n
  const hardware = (a: bigint, d: bigint): bigint => hafdbs && r.chance(40) ? a | (r.chance(60) ? d : 0n) : 0n
  if (regime === 'EL2') b.set('TCR_EL2', t0sz | walk | (tg0 << 14n) | (ps << 16n) | hardware(1n << 21n, 1n << 22n) | (r.chance(25) ? 1n << 20n : 0n))
  else b.set(`TCR_EL${suffix}`, t0sz | walk | (tg0 << 14n) | (t0sz << 16n) | (walk << 16n) | (tg1 << 30n) | (ps << 32n) | hardware(1n << 39n, 1n << 40n) | (r.chance(20) ? 1n << 23n : 0n) | (r.chance(25) ? 1n << 37n : 0n) | (r.chance(25) ? 1n << 22n : 0n))
  b.set(`TTBR0_EL${suffix}`, BigInt(base) | (BigInt(r.below(4)) << 48n))
  if (regime !== 'EL2') b.set(`TTBR1_EL${suffix}`, BigInt(base) | (BigInt(r.below(4)) << 48n))
  b.set(`MAIR_EL${suffix}`, 0x44_bb_04_00_ff_44_00_ffn)
  b.set(`SCTLR_EL${suffix}`, (stage1On ? 1n : 0n) | 4n | 0x1000n | (r.chance(15) ? 2n : 0n) | (readOnly && r.chance(40) ? 1n << 19n : 0n) | (r.chance(60) ? 1n << 23n : 0n) | (1n << 26n))

  let hcr = 1n << 31n
  if (regime === 'EL2&0') hcr |= (1n << 34n) | (1n << 27n)
  if (stage2On) {
    const granule2 = r.pick([4, 4, 64] as const), bits2 = r.pick([36, 39, 40])
    const level2 = granule2 === 4 ? 1 : 2
    const fwb = target.features.has('FEAT_S2FWB') && target.oneRouting !== true && r.chance(30)
    const second = new Tables(TABLES.stage2, TABLE_BYTES[2], granule2, bits2, level2)
    const identity2 = (level: number): bigint => AF | INNER | (level === 3 ? 3n : 1n) | (3n << 6n) | ((fwb ? 6n : 0xfn) << 2n)
    for (const { address } of fill(r, second, bits2, level => stage2Leaf(r, granule2, level, fwb), identity2, () => 0n)) addresses.push(address)
    b.place(TABLES.stage2, second.bytes())
    hcr |= 1n
    const sl0 = 1n, ps2 = BigInt(r.pick([2, 2, most, 1]))
    b.set('VTCR_EL2', (1n << 31n) | BigInt(64 - bits2) | (sl0 << 6n) | walk | ((granule2 === 4 ? 0n : 1n) << 14n) | (ps2 << 16n) | hardware(1n << 21n, 1n << 22n))
    b.set('VTTBR_EL2', BigInt(TABLES.stage2) | (BigInt(r.below(4)) << 48n))
    if (fwb) hcr |= 1n << 46n
    if (r.chance(20)) hcr |= 1n << 2n
  }
  if (r.chance(10) && regime === 'EL1') hcr |= 1n << 12n
  if (regime === 'EL1' && vhe && r.chance(20)) hcr |= 1n << 34n
  b.set('HCR_EL2', hcr)
  b.pstate = DAIF_MASK | (el0 ? MODE.EL0t : regime === 'EL1' ? MODE.EL1h : MODE.EL2h) | (target.features.has('FEAT_PAN') && r.chance(25) ? 1 << 22 : 0)
  b.set('SP_EL0', BigInt(DATA + 0x1000))

  const data = new Uint8Array(DATA_BYTES), view = new DataView(data.buffer)
  for (let at = 0; at < DATA_BYTES; at += 8) {
    view.setUint32(at, RET, true)
    view.setUint32(at + 4, r.next(), true)
  }
  b.place(DATA, data)

  for (let n = 0; n < 14; n++) b.snippet(a => access(a, b, addresses, inputBits, pageShift(usable)))
}

const ATS = ['AT S1E1R', 'AT S1E1W', 'AT S1E0R', 'AT S1E0W', 'AT S1E2R', 'AT S1E2W', 'AT S12E1R', 'AT S12E1W', 'AT S12E0R', 'AT S12E0W']
const TLBIS = ['TLBI VMALLE1', 'TLBI ALLE2', 'TLBI ALLE1', 'TLBI VMALLS12E1', 'TLBI VAE1', 'TLBI VAAE1', 'TLBI VAE2', 'TLBI ASIDE1', 'TLBI VALE1']

function access(a: Assembler, b: ProgramBuilder, addresses: readonly bigint[], inputBits: number, shift: number): void {
  const { r } = b, rt = r.below(8), base = 8 + r.below(8)
  let address = addresses.length > 0 && r.chance(85) ? r.pick(addresses) : BigInt(r.pick([0x4020_0000, 0x4021_0000, 0x8020_0000])) + (BigInt(r.below(16)) << BigInt(shift))
  address += BigInt(r.pick([0, 0, 8, 16, 0x100, 0xff8]) + (r.chance(10) ? r.below(8) : 0))
  if (r.chance(15)) address |= r.pick([0xffffn << 48n, 0x5an << 56n, 1n << BigInt(inputBits), 0xffff_ff00_0000_0000n])
  if (address >> BigInt(VA_TOP) === 0n && address < 0x4000_0000n) address += 0x8000_0000n
  a.mov(base, address)
  const kind = r.below(100)
  if (kind < 30) a.load(rt, base, r.below(4))
  else if (kind < 48) a.store(rt, base, r.below(4))
  else if (kind < 54) a.op(r.chance(50) ? 'LDTR' : 'STTR', { sf: 1, imm9: 0, Rn: base, Rt: rt })
  else if (kind < 60) {
    a.mov(base, address & ~7n)
    a.op('BLR', { Rn: base })
  }
  else if (kind < 84) {
    const name = r.pick(ATS)
    a.msr(key(name), base)
    a.isb()
    a.mrs(key('PAR_EL1'), rt)
  } else if (kind < 90) {
    a.mov(base, address >> 12n)
    a.msr(key(r.pick(TLBIS)), base)
    a.dsb()
  } else if (kind < 94) a.msr(key(r.pick(['DC CIVAC', 'DC CVAC', 'IC IVAU', 'DC ZVA'])), base)
  else if (kind < 97) a.op('LDP (signed offset)', { sf: 1, imm7: 0, Rt2: (rt + 1) & 7, Rn: base, Rt: rt })
  else a.mov(rt, BigInt(CODE))
}
