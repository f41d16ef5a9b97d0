import { expect, test } from 'vitest'
import { createRegisterFile } from '../arch/register-file.ts'
import { PAC_KEYS, PointerCodes } from '../engine/pointer-codes.ts'
import { PAC } from '../engine/layout.ts'
import type { Stage1 } from '../mmu/index.ts'
import { SLOT, SLOTS } from '../sysreg/index.ts'
import { PointerAuthentication } from './pauth.ts'

const memory = new ArrayBuffer(PAC.END), words = new Int32Array(memory)
const stage1 = (inputBits: number): Stage1 => ({ lower: { inputBits, topByteIgnored: true, topByteIgnoredForFetch: false }, upper: undefined } as unknown as Stage1)
const bits = (...keys: string[]): number => keys.reduce((set, key) => set | 1 << PAC_KEYS.indexOf(key as 'IA'), 0)

test('generated code is told enables, traps and layout, of SCTLR_EL2 in the regimes of EL2', () => {
  const file = createRegisterFile(SLOTS), pauth = new PointerAuthentication(new PointerCodes(memory)), view = stage1(48)
  file.u64[SLOT.SCTLR_EL1] = 1n << 31n
  file.u64[SLOT.SCTLR_EL2] = 1n << 13n | 1n << 30n
  pauth.select({ kind: 'EL1&0', stage1: view }, { file }, false)
  expect([words[PAC.ENABLED / 4], words[PAC.TRAPPED / 4]]).toEqual([bits('IA', 'GA'), 0])
  pauth.select({ kind: 'EL2', stage1: view }, { file }, true)
  expect([words[PAC.ENABLED / 4], words[PAC.TRAPPED / 4]]).toEqual([bits('IB', 'DB', 'GA'), bits('IB', 'DB', 'GA')])
  const field = (address: number): bigint => new DataView(memory).getBigUint64(address, true)
  // Instructions first; data pointers have their top byte ignored.
  expect([field(PAC.SELECT), field(PAC.SELECT + 8)]).toEqual([63n, 55n])
  expect([field(PAC.EXTENSION), field(PAC.EXTENSION + 64)]).toEqual([0xffff_0000_0000_0000n, 0x00ff_0000_0000_0000n])
  pauth.select({ kind: 'EL1&0', stage1: stage1(39) }, { file }, false)
  expect(field(PAC.CODE)).toBe(0xff7f_ff80_0000_0000n)
})
