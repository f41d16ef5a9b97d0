import { describe, expect, test } from 'vitest'
import { FSC } from '../arch/esr.ts'
import { AT_OPERATIONS, atOperation, atRegime, parFromTranslation, parsePar, performAt } from './at.ts'
import { ALL_FEATURES, SLOTS, SparseMemory, TableBuilder, registers } from './page-tables.test-support.ts'
import { stage1Regime, stage2Regime } from './regime.ts'
import { Translation } from './translation.ts'

const memory = new SparseMemory()
const first = new TableBuilder(memory, 0x1_0000, { granuleShift: 12, inputBits: 39, startLevel: 1 }, 0x100_0000)
const second = new TableBuilder(memory, 0x8000_0000, { granuleShift: 12, inputBits: 40, startLevel: 1 }, 0x9000_0000)
first.stage1(0x1000, 0x5000_1000, { ap: 1, attrIndex: 0 })
first.stage1(0x2000, 0x5000_2000, { ap: 0, attrIndex: 1 })
first.stage1(0x3000, 0x5000_3000, { ap: 2, attrIndex: 2, sh: 0 })
// Another level 2 table, which stage 2 does not map.
first.stage1(0x4000_1000, 0x5000_1000)
for (const ipa of [0x1_0000, 0x100_0000, 0x100_1000]) second.stage2(ipa, ipa)
second.stage2(0x5000_1000, 0x7000_0000, { write: false, sh: 2 })
const file = registers({
  SCTLR_EL1: 0x1005n, TCR_EL1: 25n | (5n << 32n), TTBR0_EL1: 0x1_0000n, MAIR_EL1: 0x44_04ffn,
  HCR_EL2: 1n, VTCR_EL2: 24n | (1n << 6n) | (5n << 16n), VTTBR_EL2: 0x8000_0000n,
})
const stage1 = stage1Regime(file, SLOTS, ALL_FEATURES, 'EL1&0'), stage2 = stage2Regime(file, SLOTS, ALL_FEATURES)!
const out = new Translation()
const run = (name: string, va: bigint, executedAt: 1 | 2 = 2, pan = false) => performAt(atOperation(name)!, stage1, stage2, va, pan, executedAt, memory, out)
const fault = (status: number, stage: 1 | 2 = 1, ptw = false): bigint => BigInt(0x801 | (status << 1) | (stage === 2 ? 0x200 : 0) | (ptw ? 0x100 : 0))

describe('PAR_EL1', () => {
  test.each([
    ['S1E1R', 0x1234n, 0xff00_0000_5000_1000n | 0x800n | (3n << 7n)],
    ['S1E0W', 0x1234n, 0xff00_0000_5000_1000n | 0x800n | (3n << 7n)],
    // Device and Non-cacheable memory reads as outer shareable.
    ['S1E1R', 0x2000n, 0x0400_0000_5000_2000n | 0x800n | (2n << 7n)],
    ['S1E1R', 0x3000n, 0x4400_0000_5000_3000n | 0x800n | (2n << 7n)],
    ['S12E1R', 0x1234n, 0xff00_0000_7000_0000n | 0x800n | (2n << 7n)],
    ['S1E0R', 0x2000n, fault(FSC.Permission | 3)],
    ['S1E1W', 0x3000n, fault(FSC.Permission | 3)],
    ['S1E1R', 0x9000n, fault(FSC.Translation | 3)],
    ['S1E1R', 1n << 45n, fault(FSC.Translation | 0)],
    ['S12E1W', 0x1234n, fault(FSC.Permission | 3, 2)],
    ['S12E1R', 0x2000n, fault(FSC.Translation | 3, 2)],
    ['S1E1R', 0x4000_1000n, fault(FSC.Translation | 3, 2, true)],
    ['S12E0R', 0x4000_1000n, fault(FSC.Translation | 3, 2, true)],
  ])('AT %s', (name, va, par) => {
    expect(run(name, va)?.toString(16)).toBe(par.toString(16))
  })

  test('AT S1E1RP honours PSTATE.PAN, S1E1R does not', () => {
    expect(run('S1E1R', 0x1000n, 2, true)! & 1n).toBe(0n)
    expect(run('S1E1RP', 0x1000n, 2, true)).toBe(fault(FSC.Permission | 3))
    expect(run('S1E1RP', 0x1000n, 2, false)! & 1n).toBe(0n)
  })

  test('at EL1 a stage 2 fault on the walk, and anywhere an External abort on the walk, is an exception', () => {
    expect(run('S1E1R', 0x4000_1000n, 1)).toBeUndefined()
    expect([out.status, out.stage, out.s1ptw, out.ipa]).toEqual([FSC.Translation | 3, 2, true, 0x100_2000])
    memory.limit = 0x8000_0000
    expect(run('S1E1R', 0x1000n, 2)).toBeUndefined()
    expect(out.status).toBe(FSC.SyncExternalOnWalk | 1)
    memory.limit = 2 ** 48
  })

  test('parsePar mirrors', () => {
    run('S1E1R', 0x4000_1000n)
    expect(parsePar(parFromTranslation(false, out))).toEqual({ fault: true, pa: 0, attr: 0, sh: 0, status: FSC.Translation | 3, stage: 2, s1ptw: true })
    expect(parsePar(run('S12E1R', 0x1234n)!)).toEqual({ fault: false, pa: 0x7000_0000, attr: 0xff, sh: 2, status: 0, stage: 1, s1ptw: false })
  })
})

test('regime of each operation', () => {
  expect(AT_OPERATIONS.map(op => `${op.name} ${atRegime(op, false, false)} ${atRegime(op, true, false)} ${atRegime(op, true, true)}`)).toEqual([
    ...['S1E1R', 'S1E1W', 'S1E0R', 'S1E0W', 'S1E1RP', 'S1E1WP'].map(name => `${name} EL1&0 EL1&0 EL2&0`),
    ...['S1E2R', 'S1E2W'].map(name => `${name} EL2 EL2&0 EL2&0`),
    ...['S12E1R', 'S12E1W'].map(name => `${name} EL1&0 EL1&0 EL1&0`), ...['S12E0R', 'S12E0W'].map(name => `${name} EL1&0 EL1&0 EL2&0`),
  ])
  expect(atOperation('AT S12E0W')).toMatchObject({ stages: 12, el: 0, write: true, pan: false, key: 0b01_100_0111_1000_111 })
})
