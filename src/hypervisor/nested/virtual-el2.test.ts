import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { MODE } from '../../arch/pstate.ts'
import { rowByName, SLOT } from '../../sysreg/index.ts'
import type { RegisterName } from '../../sysreg/index.ts'
import { fakeL0 } from '../fake-host.test-support.ts'
import type { Fake, FakeOptions } from '../fake-host.test-support.ts'
import { exchangeSpsr, HOMES, homeOf, placeOf, shadowToVirtual, virtualToShadow } from './virtual-el2.ts'

const EL1h = 0x3c0 | MODE.EL1h
const E2H = 1n << 34n, TGE = 1n << 27n, RW = 1n << 31n
const HCR = { TVM: 1n << 26n, TRVM: 1n << 30n, NV: 1n << 42n, NV1: 1n << 43n, AT: 1n << 44n, NV2: 1n << 45n, TTLB: 1n << 25n }

const write = (fake: Fake, name: RegisterName, value: bigint): string => {
  fake.host.setX(0, value)
  return fake.exit(syndrome.systemRegister(rowByName(name)!.key, 0, false), { pc: 0x4008_0000n, pstate: EL1h })
}
const read = (fake: Fake, name: RegisterName): bigint => {
  fake.exit(syndrome.systemRegister(rowByName(name)!.key, 1, true), { pc: 0x4008_0000n, pstate: EL1h })
  return fake.host.x(1)
}
const l1 = (options: FakeOptions = {}) => fakeL0({ el2: 'nvhe-or-vhe', ...options })

describe('translations for an nVHE guest hypervisor', () => {
  const nested = { e2h: false, pageKind: undefined } as never
  const translate = (name: RegisterName, value: bigint): bigint => {
    const place = placeOf(homeOf(SLOT[name])!, nested)
    return typeof place === 'function' ? place(value) : value
  }
  test.each([
    ['SCTLR_EL2', 0x30c5_0830n | 0x1005n, 0x30d0_1805n],
    ['SCTLR_EL2', 0x0208_000fn, 0x32d8_080fn],
    // T0SZ 25, TG0 64K, PS 40 bits, TBI, HA
    ['TCR_EL2', 0x8080_0000n | 25n | (1n << 14n) | (2n << 16n) | (1n << 20n) | (1n << 21n), 25n | (1n << 14n) | (1n << 23n) | (2n << 30n) | (2n << 32n) | (1n << 37n) | (1n << 39n)],
    ['TTBR0_EL2', 0xabcd_0000_4000_1000n, 0x4000_1000n],
    ['CPTR_EL2', 0x33ffn, 0x30_0000n],
    ['CPTR_EL2', 0x33ffn | (1n << 10n) | (1n << 20n), 1n << 28n],
  ] as const)('%s 0x%x', (name, value, el1) => {
    expect(translate(name, value).toString(16)).toBe(el1.toString(16))
  })

  test.each([[0x3c5n, 0x3c9n], [0x3c9n, 0x3c5n], [0x3c0n, 0x3c0n], [0x6000_0004n, 0x6000_0008n]])('SPSR 0x%x is kept as 0x%x under NV1 without a page', (virtual, kept) => {
    expect(exchangeSpsr(virtual, nested)).toBe(kept)
    expect(exchangeSpsr(kept, nested)).toBe(virtual)
    expect(exchangeSpsr(virtual, { e2h: true, pageKind: undefined } as never)).toBe(virtual)
    expect(exchangeSpsr(virtual, { e2h: false, pageKind: 'NV2' } as never)).toBe(virtual)
  })
})

describe('registers of virtual EL2', () => {
  test('there and back gives the same values in both modes', () => {
    for (const e2h of [false, true]) {
      const { vcpu } = l1()
      vcpu.nested!.e2h = e2h
      for (const { el2 } of HOMES) vcpu.virtual.u64[el2] = BigInt(el2) * 0x1_0001n
      vcpu.virtual.u64[SLOT.SPSR_EL2] = 0x3c9n
      const before = vcpu.virtual.u64.slice()
      virtualToShadow(vcpu)
      shadowToVirtual(vcpu)
      for (const { el2, name } of HOMES) expect(`${name} ${vcpu.virtual.u64[el2]}`).toBe(`${name} ${before[el2]}`)
    }
  })

  test('v8.3: what traps at virtual EL2, nVHE and VHE', () => {
    const fake = l1()
    expect(fake.host.hcr & (HCR.NV | HCR.NV1 | HCR.NV2 | HCR.TVM | HCR.TRVM | HCR.AT | HCR.TTLB)).toBe(HCR.NV | HCR.NV1 | HCR.TVM | HCR.TRVM | HCR.AT | HCR.TTLB)
    expect(write(fake, 'HCR_EL2', RW | E2H | TGE)).toBe('vEL2 HCR_EL2 write: emulate (run)')
    expect(fake.host.hcr & (HCR.NV | HCR.NV1 | HCR.NV2 | HCR.TVM | HCR.TRVM)).toBe(HCR.NV)
  })

  test('v8.4: the page is used once L1 has chosen E2H', () => {
    const fake = l1({ profile: 'v8.4' })
    expect([fake.host.hcr & HCR.NV2, fake.host.file.u64[SLOT.VNCR_EL2]]).toEqual([0n, 0n])
    write(fake, 'HCR_EL2', RW)
    expect(fake.host.hcr & (HCR.NV | HCR.NV1 | HCR.NV2 | HCR.TVM)).toBe(HCR.NV | HCR.NV1 | HCR.NV2)
    const page = Number(fake.host.file.u64[SLOT.VNCR_EL2])
    expect(page % 4096).toBe(0)
    expect(fake.host.memory.read64(page + 0x078)).toBe(RW)
  })

  test('neve: Enable is set in VNCR_EL2, cached copies are kept', () => {
    const fake = l1({ profile: 'neve' })
    write(fake, 'HCR_EL2', RW)
    const vncr = fake.host.file.u64[SLOT.VNCR_EL2]!
    expect(vncr & 1n).toBe(1n)
    write(fake, 'CPTR_EL2', 0x33ffn | (1n << 20n))
    expect(fake.host.memory.read64(Number(vncr & ~0xfffn) + rowByName('CPTR_EL2')!.neve!.offset!)).toBe(0x33ffn | (1n << 20n))
  })

  test('a register held as is goes to the machine; a translated one in its EL1 format', () => {
    const fake = l1()
    write(fake, 'VBAR_EL2', 0x4020_0800n)
    expect([fake.host.file.u64[SLOT.VBAR_EL1], read(fake, 'VBAR_EL2')]).toEqual([0x4020_0800n, 0x4020_0800n])
    write(fake, 'CPTR_EL2', 0x33ffn | (1n << 10n))
    expect(fake.host.file.u64[SLOT.CPACR_EL1]! & (3n << 20n)).toBe(0n)
    expect(read(fake, 'CPTR_EL2')).toBe(0x33ffn | (1n << 10n))
  })

  test('EL1 names of an nVHE L1 are the VM\'s registers, not the machine\'s', () => {
    const fake = l1()
    write(fake, 'TTBR0_EL1', 0x4444_0000n)
    expect(fake.host.file.u64[SLOT.TTBR0_EL1]).not.toBe(0x4444_0000n)
    expect([fake.vcpu.virtual.u64[SLOT.TTBR0_EL1], read(fake, 'TTBR0_EL1')]).toEqual([0x4444_0000n, 0x4444_0000n])
  })

  test('_EL12 is UNDEFINED until E2H is set', () => {
    const fake = l1()
    expect(write(fake, 'TTBR0_EL12' as RegisterName, 1n)).toMatch(/^vEL2 TTBR0_EL12 write: UNDEFINED/)
    expect(fake.host.file.u64[SLOT.ESR_EL1]).toBe(BigInt(syndrome.unknown()))
    write(fake, 'HCR_EL2', RW | E2H)
    expect(write(fake, 'TTBR0_EL12' as RegisterName, 0x5555_0000n)).toBe('vEL2 TTBR0_EL12 write: emulate (run)')
    expect(fake.vcpu.virtual.u64[SLOT.TTBR0_EL1]).toBe(0x5555_0000n)
  })

  test('switching E2H translates the registers again', () => {
    const fake = l1()
    write(fake, 'TCR_EL2', 25n | (2n << 16n))
    expect(fake.host.file.u64[SLOT.TCR_EL1]! >> 32n & 7n).toBe(2n)
    write(fake, 'HCR_EL2', RW | E2H)
    expect(fake.host.file.u64[SLOT.TCR_EL1]! & 0xffff_ffffn).toBe(fake.vcpu.virtual.u64[SLOT.TCR_EL2]! & 0xffff_ffffn)
  })

  test('values in the page are raw; L0 applies RES0 when it reads them', () => {
    const fake = l1({ profile: 'v8.4' })
    write(fake, 'HCR_EL2', RW)
    const page = Number(fake.host.file.u64[SLOT.VNCR_EL2])
    fake.host.memory.write64(page + 0x078, 0xffff_ffff_ffff_ffffn)
    expect(fake.vcpu.nested!.get(SLOT.HCR_EL2) & (HCR.NV | HCR.NV2 | (1n << 63n))).toBe(0n)
    expect(fake.vcpu.nested!.get(SLOT.HCR_EL2) & HCR.TVM).toBe(HCR.TVM)
  })
})
