import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { MODE, PSTATE } from '../../arch/pstate.ts'
import { SLOT } from '../../sysreg/index.ts'
import { fakeL0 } from '../fake-host.test-support.ts'
import { returnKind } from './eret.ts'

const EL1h = 0x3c0 | MODE.EL1h
const E2H = 1n << 34n, TGE = 1n << 27n

describe('where a return goes', () => {
  test.each([
    // SPSR.M, E2H, TGE, kind
    [MODE.EL2h, false, false, 'vEL2'], [MODE.EL2t, false, false, 'vEL2'], [MODE.EL1h, false, false, 'below'], [MODE.EL1t, true, false, 'below'],
    [MODE.EL0t, false, false, 'below'], [MODE.EL0t, true, false, 'below'], [MODE.EL0t, true, true, 'vEL2'], [MODE.EL0t, false, true, 'below'],
    [MODE.EL1h, false, true, 'illegal'], [MODE.EL1h, true, true, 'illegal'], [MODE.EL1t, true, true, 'illegal'],
    [0b0001, false, false, 'illegal'], [0b0010, false, false, 'illegal'], [0b0110, false, false, 'illegal'], [0b0111, false, false, 'illegal'],
    [0b1010, false, false, 'illegal'], [0b1100, false, false, 'illegal'], [0b1101, false, false, 'illegal'], [0b1111, false, false, 'illegal'],
    [PSTATE.nRW | 0b0000, false, false, 'illegal'], [PSTATE.nRW | 0b0011, false, false, 'illegal'],
  ])('M=%i E2H=%s TGE=%s: %s', (m, e2h, tge, kind) => {
    expect(returnKind(m, e2h, tge)).toBe(kind)
  })
})

describe('ERET of the guest hypervisor', () => {
  const returnTo = (spsr: number, hcr = 1n << 31n) => {
    const fake = fakeL0({ el2: 'nvhe-or-vhe' }), { u64 } = fake.vcpu.virtual
    // As L1 would by trapped accesses.
    u64[SLOT.HCR_EL2] = hcr
    fake.vcpu.nested!.e2h = (hcr & E2H) !== 0n
    fake.host.file.u64[SLOT.ELR_EL1] = 0x4010_0000n
    // v8.3 with NV1 keeps EL1 and EL2 exchanged in SPSR_EL1.
    const stored = fake.vcpu.nested!.e2h ? spsr : (spsr & 0xc) === 4 ? spsr ^ 0xc : (spsr & 0xc) === 8 ? spsr ^ 0xc : spsr
    fake.host.file.u64[SLOT.SPSR_EL1] = BigInt(stored >>> 0)
    const said = fake.exit(syndrome.eret(0), { pc: 0x4008_0000n, pstate: EL1h })
    return { fake, said }
  }

  test('to EL1 without stage 2: L1 itself runs below, without NV', () => {
    const { fake, said } = returnTo(0x3c0 | MODE.EL1h)
    expect(said).toBe('vEL2 ERET: enter L1 EL1 (run)')
    expect(fake.vcpu.context.kind).toBe('vEL1')
    expect([fake.host.elr, fake.host.spsr]).toEqual([0x4010_0000n, 0x3c0 | MODE.EL1h])
    expect(fake.host.hcr & (7n << 42n)).toBe(0n)
  })

  test('to EL2: nothing is loaded, the hardware stays at EL1', () => {
    const { fake, said } = returnTo(0x3c0 | MODE.EL2h)
    expect(said).toBe('vEL2 ERET: return within vEL2 (run)')
    expect(fake.host.spsr).toBe(0x3c0 | MODE.EL1h)
    expect(fake.host.log.some(line => line.startsWith('restore'))).toBe(false)
  })

  test('to the EL0 of a VHE host stays in its regime', () => {
    const { fake, said } = returnTo(MODE.EL0t, (1n << 31n) | E2H | TGE)
    expect(said).toBe('vEL2 ERET: return within vEL2 (run)')
    expect([fake.vcpu.context.kind, fake.host.spsr]).toEqual(['vEL2', MODE.EL0t])
  })

  test.each([[MODE.EL1h, (1n << 31n) | TGE], [0b1101, 1n << 31n], [PSTATE.nRW, 1n << 31n]])('illegal: M=%i keeps the EL and sets IL', (m, hcr) => {
    const { fake, said } = returnTo((PSTATE.Z | 0x80 | m) >>> 0, hcr)
    expect(said).toBe('vEL2 ERET: illegal return (run)')
    expect([fake.vcpu.context.kind, fake.host.elr, fake.host.spsr]).toEqual(['vEL2', 0x4010_0000n, PSTATE.Z | PSTATE.IL | 0x80 | MODE.EL1h])
  })
})
