import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRegisterFile } from '../arch/register-file.ts'
import * as algorithm from '../isa/pauth-algorithm.ts'
import type { PacKey } from '../isa/semantics.ts'
import type { Stage1, VaRange } from '../mmu/index.ts'
import { SLOT, SLOTS } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { PointerAuthentication } from './pauth.ts'

const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
/** Pointers that are canonical or nearly so are the interesting ones. */
const pointer = fc.oneof(u64, u64.map(x => x & 0xffff_ffff_ffffn), u64.map(x => x | 0xffff_0000_0000_0000n))
const keys: readonly PacKey[] = ['IA', 'IB', 'DA', 'DB']

function pauthWith(lower: Partial<VaRange>, upper: Partial<VaRange> | undefined, keyLow: bigint, keyHigh: bigint, sctlr = (1n << 31n) | (1n << 30n) | (1n << 27n) | (1n << 13n)): PointerAuthentication {
  const file = createRegisterFile(SLOTS)
  file.u64[SLOT.SCTLR_EL1] = sctlr
  for (const key of ['IA', 'IB', 'DA', 'DB', 'GA'] as const) {
    file.u64[SLOT[`AP${key}KeyLo_EL1`]] = keyLow
    file.u64[SLOT[`AP${key}KeyHi_EL1`]] = keyHigh
  }
  const pauth = new PointerAuthentication({} as unknown as Core)
  pauth.select({ kind: 'EL1&0', stage1: { lower, upper } as unknown as Stage1 }, { file })
  return pauth
}

const range = (tbi: boolean, inputBits: number) => ({ topByteIgnored: tbi, topByteIgnoredForFetch: tbi, inputBits: Math.max(inputBits, 33) })

test('the halves compute what isa/pauth-algorithm.ts computes', () => {
  fc.assert(fc.property(pointer, u64, u64, u64, fc.boolean(), fc.boolean(), fc.integer({ min: 25, max: 48 }), fc.integer({ min: 33, max: 48 }), fc.boolean(), (p, modifier, low, high, tbi0, tbi1, bits0, bits1, two) => {
    const pauth = pauthWith(range(tbi0, bits0), two ? range(tbi1, bits1) : undefined, low, high)
    const layout: algorithm.PointerLayout = { tbi: [tbi0, tbi1], bottom: [Math.max(bits0, 33), bits1], twoRanges: two }
    for (const key of keys) {
      const signed = algorithm.addPAC(p, modifier, { low, high }, layout)
      expect(pauth.add(key, p, modifier)).toBe(signed)
      const number = key.endsWith('A') ? 0 : 1
      for (const q of [signed, p]) expect(pauth.authenticate(key, q, modifier)).toBe(algorithm.authenticate(q, modifier, { low, high }, number, layout))
    }
    expect(pauth.strip(true, p)).toBe(algorithm.strip(p, layout))
    expect(pauth.generic(p, modifier)).toBe(algorithm.genericPAC(p, modifier, { low, high }))
  }), { numRuns: 200 })
})

test('a key that SCTLR_EL1 does not enable leaves the pointer alone', () => {
  const pauth = pauthWith({ inputBits: 48 }, undefined, 1n, 2n, 1n << 31n)
  expect(pauth.add('IA', 0x1000n, 5n)).not.toBe(0x1000n)
  expect(pauth.add('DB', 0x1000n, 5n)).toBe(0x1000n)
})
