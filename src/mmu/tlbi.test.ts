import { describe, expect, test } from 'vitest'
import { encodingKey } from '../arch/esr.ts'
import { rowByKey } from '../sysreg/index.ts'
import { AT_OPERATIONS } from './at.ts'
import { TLBI_ROWS, createScope, decodeTlbi, matches, tlbiRow, tlbiRowByKey, type TlbEntryKey, type TlbiControls } from './tlbi.ts'

const GUEST: TlbiControls = { e2h: false, tge: false, vmid: 5, ttl: true }
const HOST: TlbiControls = { e2h: true, tge: true, vmid: 5, ttl: true }
const scope = createScope()
const decode = (name: string, argument: bigint, controls = GUEST) => {
  expect(decodeTlbi(tlbiRow(name)!, argument, controls, scope)).toBe(true)
  return scope
}

test('rows: 11 + 6 mnemonics of EL1 and EL2 in three domains, 12 by IPA; encodings are unique', () => {
  expect(TLBI_ROWS).toHaveLength(3 * (11 + 6) + 12)
  expect(new Set(TLBI_ROWS.map(row => row.key)).size).toBe(TLBI_ROWS.length)
  expect(tlbiRow('TLBI VAE1IS')!.key).toBe(encodingKey(1, 0, 8, 3, 1))
  expect(tlbiRow('VMALLS12E1')!.key).toBe(encodingKey(1, 4, 8, 7, 6))
  expect(tlbiRow('IPAS2E1OS')!.key).toBe(encodingKey(1, 4, 8, 4, 0))
  expect(tlbiRow('RVAE2OS')!.key).toBe(encodingKey(1, 4, 8, 5, 1))
  expect(tlbiRowByKey(encodingKey(1, 0, 8, 7, 0))!.name).toBe('VMALLE1')
  expect(tlbiRow('VAE3')).toBeUndefined()
})

test('the register table has the same instructions under the same names', () => {
  for (const row of TLBI_ROWS) expect(rowByKey(row.key)?.name).toBe(`TLBI ${row.name}`)
  for (const operation of AT_OPERATIONS) expect(rowByKey(operation.key)?.name).toBe(`AT ${operation.name}`)
})

describe('regime and tags', () => {
  test.each([
    ['VMALLE1', GUEST, 'EL1&0', 5, -1], ['VMALLE1', HOST, 'EL2&0', -1, -1], ['VAE1', HOST, 'EL2&0', -1, 9], ['VAE1', GUEST, 'EL1&0', 5, 9], ['VAAE1', GUEST, 'EL1&0', 5, -1],
    ['VAE2', GUEST, 'EL2', -1, -1], ['VAE2', { ...HOST, tge: false }, 'EL2&0', -1, 9], ['ALLE2', HOST, 'EL2&0', -1, -1],
    ['ALLE1', HOST, 'EL1&0', -1, -1], ['VMALLS12E1', HOST, 'EL1&0', 5, -1], ['IPAS2E1', HOST, 'EL1&0', 5, -1], ['ASIDE1', GUEST, 'EL1&0', 5, 9],
  ] as const)('%s', (name, controls, regime, vmid, asid) => {
    decode(name, 9n << 48n, controls)
    expect([scope.regime, scope.vmid, scope.asid]).toEqual([regime, vmid, asid])
  })
})

describe('addresses', () => {
  test('by VA, without and with a TTL hint', () => {
    decode('VAE1', 0x12345n)
    expect([scope.vaFrom, scope.vaTo, scope.level]).toEqual([0x1234_5000, 0x1234_6000, -1])
    decode('VAE1', 0x12345n | (0b0110n << 44n))
    expect([scope.vaFrom, scope.vaTo, scope.level, scope.granuleShift]).toEqual([0x1220_0000, 0x1240_0000, 2, 12])
    decode('VAE1', 0x12345n | (0b0110n << 44n), { ...GUEST, ttl: false })
    expect(scope.level).toBe(-1)
    decode('VAE1', 0xfff_ffff_ffffn)
    expect([scope.vaFrom, scope.vaTo]).toEqual([2 ** 56 - 4096, 2 ** 56])
  })
  test('by IPA', () => {
    decode('IPAS2LE1IS', 0x8_0001n | (0b0111n << 44n))
    expect([scope.ipaFrom, scope.ipaTo, scope.stage1, scope.stage2, scope.lastLevel]).toEqual([0x8000_1000, 0x8000_2000, false, true, true])
  })
  test('ranges: granule, scale and number, level', () => {
    // TG 4K, SCALE 1, NUM 3, TTL 3: 4 * 2^6 pages from BaseADDR.
    decode('RVAE1IS', (1n << 46n) | (1n << 44n) | (3n << 39n) | (3n << 37n) | 0x40000n)
    expect([scope.vaFrom, scope.vaTo - scope.vaFrom, scope.level]).toEqual([0x4000_0000, 4 * 64 * 4096, 3])
    // 64K granules, the upper half: BaseADDR is sign-extended.
    decode('RVAAE1', (3n << 46n) | BigInt.asUintN(37, -1n))
    expect([scope.vaFrom, scope.vaTo, scope.granuleShift]).toEqual([2 ** 56 - 65536, 2 ** 56, 16])
    decode('RIPAS2E1', (2n << 46n) | 0x10n)
    expect([scope.ipaFrom, scope.ipaTo, scope.level]).toEqual([0x10 * 16384, 0x12 * 16384, -1])
    expect(decodeTlbi(tlbiRow('RVAE1')!, 0n, GUEST, scope), 'TG 0b00 is reserved').toBe(false)
  })
})

const entry = (changes: Partial<TlbEntryKey> = {}): TlbEntryKey => ({ regime: 'EL1&0', vmid: 5, asid: 9, global: false, va: 0x4000_0000, pageShift: 21, ...changes })
describe('matches', () => {
  test.each([
    ['VAE1', 0x40100n | (9n << 48n), {}, true],
    ['VAE1', 0x40200n | (9n << 48n), {}, false],
    ['VAE1', 0x40100n | (8n << 48n), {}, false],
    ['VAE1', 0x40100n | (8n << 48n), { global: true }, true],
    ['VAAE1', 0x40100n, {}, true],
    ['VAE1', 0x40100n | (9n << 48n), { vmid: 6 }, false],
    ['VAE1', 0x40100n | (9n << 48n), { regime: 'EL2' }, false],
    ['ASIDE1', 9n << 48n, {}, true],
    ['ASIDE1', 9n << 48n, { global: true }, false],
    ['VMALLE1', 0n, {}, true],
    ['VMALLE1', 0n, { vmid: 6 }, false],
    ['ALLE1', 0n, { vmid: 6 }, true],
    ['ALLE2', 0n, { regime: 'EL2' }, true],
    ['IPAS2E1', 0n, {}, true],
    ['IPAS2E1', 0n, { vmid: 6 }, false],
  ] as const)('%s %s', (name, argument, changes, expected) => {
    expect(matches(decode(name, argument), entry(changes))).toBe(expected)
  })
})
