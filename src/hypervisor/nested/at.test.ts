import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { MODE } from '../../arch/pstate.ts'
import { rowByName, SLOT } from '../../sysreg/index.ts'
import { fakeL0, RAM } from '../fake-host.test-support.ts'
import type { Fake } from '../fake-host.test-support.ts'

const EL1h = 0x3c0 | MODE.EL1h
const TABLE = RAM + 0x20_0000
const at = (fake: Fake, name: string, va: bigint): bigint => {
  fake.host.setX(0, va)
  expect(fake.exit(syndrome.systemRegister(rowByName(`AT ${name}`)!.key, 0, false), { pc: 0x4008_0000n, pstate: EL1h })).toContain('AT in software')
  return fake.host.file.u64[SLOT.PAR_EL1]!
}
/** Stage 2 of L1 with one 1 GiB block: IPA 0 is L1's RAM. */
const withStage2 = (on: boolean): Fake => {
  const fake = fakeL0({ el2: 'nvhe' }), { u64 } = fake.vcpu.virtual
  fake.l0.vms[0]!.memory.writeBytes(TABLE, new Uint8Array(new BigUint64Array([BigInt(RAM) | 0x7fdn]).buffer))
  u64[SLOT.HCR_EL2] = (1n << 31n) | (on ? 1n : 0n)
  u64[SLOT.VTTBR_EL2] = BigInt(TABLE)
  u64[SLOT.VTCR_EL2] = 0x8000_3559n
  return fake
}
const F = 1n, address = (par: bigint) => Number(par & 0xffff_ffff_f000n), fst = (par: bigint) => Number(par >> 1n & 0x3fn)

describe('AT of the guest hypervisor', () => {
  test('S12E1R goes through L1\'s stage 2, not the shadow', () => {
    const par = at(withStage2(true), 'S12E1R', 0x1234_5678n)
    expect([par & F, address(par)]).toEqual([0n, RAM + 0x1234_5000])
  })

  test('S1E1R of a VM with its MMU off is flat', () => {
    const par = at(withStage2(true), 'S1E1R', 0x1234_5678n)
    expect([par & F, address(par)]).toEqual([0n, 0x1234_5000])
  })

  test('a fault of stage 2 says so', () => {
    const par = at(withStage2(true), 'S12E1R', 0x4000_0000n)
    expect([par & F, fst(par), par >> 9n & 1n]).toEqual([1n, 5, 1n])
  })

  test('without stage 2, S12E1R is S1E1R', () => {
    const par = at(withStage2(false), 'S12E1W', 0x4000_0000n)
    expect([par & F, address(par)]).toEqual([0n, 0x4000_0000])
  })

  test('S1E2R uses virtual EL2\'s own regime', () => {
    const par = at(withStage2(true), 'S1E2R', 0x4567_8000n)
    expect([par & F, address(par)]).toEqual([0n, 0x4567_8000])
  })
})
