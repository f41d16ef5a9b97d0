import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { MODE } from '../../arch/pstate.ts'
import { rowByName, SLOT } from '../../sysreg/index.ts'
import { fakeL0, RAM, VM_PA } from '../fake-host.test-support.ts'
import type { Fake, FakeOptions } from '../fake-host.test-support.ts'
import { unmapL1 } from './shadow-stage2.ts'
import type { ShadowStage2 } from './shadow-stage2.ts'

const EL1h = 0x3c0 | MODE.EL1h
/** L1's tables at L1 addresses: level 1, 2 and 3 of a 39-bit stage 2. */
const L1_TABLE = 0x4020_0000, L2_TABLE = 0x4020_1000, L3_TABLE = 0x4020_2000
const VTCR = 0x8000_3559n, NORMAL = 0x7fcn, READ_ONLY = 0x77cn, XN = 1n << 54n
/** L2's memory: IPA 0x8000_0000 is L1's 0x4040_0000. */
const IPA = 0x8000_0000, L1_IPA = 0x4040_0000

const setUp = (leaf: { level: 2 | 3, attributes?: bigint, ipa?: number, to?: number }, options: FakeOptions = { profile: 'v8.3' }): { fake: Fake, shadow: ShadowStage2, descriptor: number } => {
  const fake = fakeL0({ el2: 'nvhe', ...options }), { memory } = fake.l0.vms[0]!
  const put = (ipa: number, value: bigint) => { memory.writeBytes(ipa, new Uint8Array(new BigUint64Array([value]).buffer)) }
  const { ipa = IPA, to = L1_IPA, attributes = NORMAL } = leaf
  put(L1_TABLE + 8 * Math.floor(ipa / 2 ** 30), BigInt(L2_TABLE) | 3n)
  const at2 = L2_TABLE + 8 * (Math.floor(ipa / 2 ** 21) & 511), at3 = L3_TABLE + 8 * (Math.floor(ipa / 2 ** 12) & 511)
  put(at2, leaf.level === 2 ? BigInt(to) | attributes | 1n : BigInt(L3_TABLE) | 3n)
  if (leaf.level === 3) put(at3, BigInt(to) | attributes | 3n)
  enter(fake)
  const { context } = fake.vcpu
  if (context.kind !== 'L2') throw new Error('not in L2')
  return { fake, shadow: context.shadow, descriptor: leaf.level === 2 ? at2 : at3 }
}

/** L1 sets its controls and returns to L2. */
function enter(fake: Fake, vttbr = (5n << 48n) | BigInt(L1_TABLE), hcr = (1n << 31n) | 1n): void {
  const write = (name: string, value: bigint) => {
    fake.host.setX(0, value)
    fake.exit(syndrome.systemRegister(rowByName(name)!.key, 0, false), { pc: 0x4008_0000n, pstate: EL1h })
  }
  write('HCR_EL2', hcr)
  write('VTTBR_EL2', vttbr)
  write('VTCR_EL2', VTCR)
  write('SPSR_EL2', BigInt(EL1h))
  write('ELR_EL2', 0x8000_0000n)
  fake.exit(syndrome.eret(0), { pc: 0x4008_0000n, pstate: EL1h })
}
const abort = (fake: Fake, ipa: number, write = false) => fake.exit(syndrome.dataAbort(false, { dfsc: 6, write }), { pc: 0x8000_0000n, pstate: EL1h, far: 0xffff_0000_0000_0000n | BigInt(ipa), ipa })
const pa = (shadow: ShadowStage2, ipa: number) => { const leaf = shadow.table.lookup(ipa); return leaf && { pa: Number(leaf.descriptor & 0xffff_ffff_f000n), shift: leaf.shift, write: (leaf.descriptor & 0x80n) !== 0n, xn: (leaf.descriptor & XN) !== 0n } }
const back = (fake: Fake) => fake.exit(syndrome.hvc(0), { pc: 0x8000_0004n, pstate: EL1h })
const tlbi = (fake: Fake, name: string, argument = 0n) => {
  fake.host.setX(0, argument)
  return fake.exit(syndrome.systemRegister(rowByName(`TLBI ${name}`)!.key, 0, false), { pc: 0x4008_0000n, pstate: EL1h })
}

describe('shadow stage 2', () => {
  test('entering L2 selects the shadow and its VMID', () => {
    const { fake, shadow } = setUp({ level: 2 })
    expect(fake.host.file.u64[SLOT.VTTBR_EL2]).toBe((BigInt(shadow.vmid) << 48n) | BigInt(shadow.table.root))
    expect([fake.l0.vms[0]!.vmid, fake.l0.vms[0]!.vmidOfVirtualEL2]).not.toContain(shadow.vmid)
  })

  test.each([
    ['a block of both', { level: 2 }, { pa: VM_PA + L1_IPA - RAM, shift: 21, write: true, xn: false }],
    ['a page of L1', { level: 3 }, { pa: VM_PA + L1_IPA - RAM, shift: 12, write: true, xn: false }],
    ['read-only', { level: 2, attributes: READ_ONLY }, { pa: VM_PA + L1_IPA - RAM, shift: 21, write: false, xn: false }],
    ['execute never', { level: 3, attributes: NORMAL | XN }, { pa: VM_PA + L1_IPA - RAM, shift: 12, write: true, xn: true }],
  ] as const)('fill: %s', (_, leaf, expected) => {
    const { fake, shadow } = setUp(leaf)
    expect(abort(fake, IPA + 0x123)).toBe('L2 stage 2 abort: shadow stage 2 fill (run)')
    expect(pa(shadow, IPA)).toEqual(expected)
    expect(fake.host.elr).toBe(0x8000_0000n)
  })

  test('a block of L1 at the edge of its memory is mapped by pages', () => {
    // The last MiB of the VM's 16 MiB is half of a block.
    const { fake, shadow } = setUp({ level: 2, to: RAM + (16 << 20) })
    expect(abort(fake, IPA)).toMatch(/External abort/)
    expect(shadow.table.lookup(IPA)).toBeUndefined()
  })

  test.each([
    ['nothing mapped', { level: 2, ipa: 0xc000_0000 }, IPA + 0x5000, false, 0x05],
    ['write to read-only', { level: 2, attributes: READ_ONLY }, IPA + 0x5000, true, 0x0e],
    ['access flag clear', { level: 3, attributes: NORMAL & ~0x400n }, IPA, false, 0x0b],
    ['beyond L1\'s input size', { level: 2 }, 2 ** 39, false, 0x04],
    ['beyond 40 bits', { level: 2 }, 2 ** 41, false, 0x04],
  ] as const)('L1 gets the abort: %s', (_, leaf, ipa, write, status) => {
    const { fake } = setUp(leaf)
    expect(abort(fake, ipa, write)).toBe('L2 stage 2 abort: inject to vEL2 (run)')
    expect(fake.vcpu.context.kind).toBe('vEL2')
    const { u64 } = fake.host.file
    expect(Number(u64[SLOT.ESR_EL1]! & 0x3fn)).toBe(status)
    expect(Number(u64[SLOT.ESR_EL1]!) >>> 26).toBe(0x24)
    expect(fake.vcpu.virtual.u64[SLOT.HPFAR_EL2]).toBe(BigInt(Math.floor(ipa / 4096)) << 4n)
    expect(u64[SLOT.FAR_EL1]).toBe(0xffff_0000_0000_0000n | BigInt(ipa))
    expect(u64[SLOT.ELR_EL1]).toBe(0x8000_0000n)
  })

  test('L1 relaxes a permission without TLBI: the old leaf goes', () => {
    const { fake, shadow, descriptor } = setUp({ level: 2, attributes: READ_ONLY })
    abort(fake, IPA)
    fake.l0.vms[0]!.memory.writeBytes(descriptor, new Uint8Array(new BigUint64Array([BigInt(L1_IPA) | NORMAL | 1n]).buffer))
    expect(abort(fake, IPA, true)).toBe('L2 stage 2 abort: shadow stage 2 fill (run)')
    expect(pa(shadow, IPA)?.write).toBe(true)
    expect(fake.host.log).toContain('tlbi VMALLS12E1IS')
  })

  test('a device of L1 mapped for L2 is emulated by L0', () => {
    const { fake } = setUp({ level: 3, ipa: IPA, to: 0x0900_0000 })
    const isv = { sas: 2, sse: false, srt: 7, sf: false, ar: false }
    expect(fake.exit(syndrome.dataAbort(false, { dfsc: 7, write: false, isv }), { pc: 0x8000_0000n, pstate: EL1h, ipa: IPA })).toBe('L2 MMIO 0x9000000 read: device of the VMM (run)')
    expect(fake.host.x(7)).toBe(0x5an)
  })

  test('the same VTTBR and VTCR find the shadow again; CnP does not matter', () => {
    const { fake, shadow } = setUp({ level: 2 })
    abort(fake, IPA)
    back(fake)
    enter(fake, (5n << 48n) | BigInt(L1_TABLE) | 1n)
    expect(fake.vcpu.context).toEqual({ kind: 'L2', shadow })
    expect(shadow.table.lookup(IPA)).toBeDefined()
  })

  test('more VMs of L1 than shadows: the one not used for longest is emptied and used', () => {
    const { fake, shadow } = setUp({ level: 2 })
    abort(fake, IPA)
    for (const vmid of [6n, 7n]) {
      back(fake)
      enter(fake, (vmid << 48n) | BigInt(L1_TABLE))
    }
    expect(fake.vcpu.context).toEqual({ kind: 'L2', shadow })
    expect(shadow.table.lookup(IPA)).toBeUndefined()
    expect(shadow.key?.vttbr).toBe((7n << 48n) | BigInt(L1_TABLE))
  })

  test('an L1 whose VM nests has a regime per level below on one vCPU: all of them stay', () => {
    const { fake, shadow } = setUp({ level: 2 }, { profile: 'v8.4', recursion: true })
    abort(fake, IPA)
    for (const vmid of [6n, 7n, 8n, 9n, 5n]) {
      back(fake)
      enter(fake, (vmid << 48n) | BigInt(L1_TABLE))
    }
    expect(fake.vcpu.context).toEqual({ kind: 'L2', shadow })
    expect(shadow.table.lookup(IPA)).toBeDefined()
  })
})

describe('TLB maintenance of L1', () => {
  test.each([
    // instruction, argument, gone?
    ['VMALLS12E1IS', 0n, true], ['ALLE1IS', 0n, true], ['ALLE1', 0n, true],
    ['IPAS2E1IS', BigInt(IPA / 4096), true], ['IPAS2E1IS', BigInt((IPA + 0x20_0000) / 4096), false], ['IPAS2LE1IS', BigInt(IPA / 4096), true],
    // Any page of L1's 2 MiB block names all of it.
    ['IPAS2E1IS', BigInt((IPA + 0x12_3000) / 4096), true],
    ['VMALLE1IS', 0n, false], ['VAE1IS', 0n, false], ['ALLE2IS', 0n, false], ['VAE2IS', 0n, false],
  ])('%s 0x%x', (name, argument, gone) => {
    const { fake, shadow } = setUp({ level: 2 })
    abort(fake, IPA)
    back(fake)
    tlbi(fake, name, argument)
    expect(shadow.table.lookup(IPA) === undefined).toBe(gone)
    expect(shadow.leaves.size).toBe(gone ? 0 : 1)
    expect(shadow.reverse.size).toBe(gone ? 0 : 512)
    if (gone) expect(fake.host.log).toContain('tlbi VMALLS12E1IS')
  })

  test('another VMID of L1 is left alone', () => {
    const { fake, shadow } = setUp({ level: 2 })
    abort(fake, IPA)
    back(fake)
    fake.host.setX(0, (9n << 48n) | BigInt(L1_TABLE))
    fake.exit(syndrome.systemRegister(rowByName('VTTBR_EL2')!.key, 0, false), { pc: 0x4008_0000n, pstate: EL1h })
    expect(tlbi(fake, 'VMALLS12E1IS')).toContain('no shadow stage 2')
    expect(shadow.table.lookup(IPA)).toBeDefined()
  })

  test('EL2 maintenance invalidates vEL2\'s VMID on the machine', () => {
    const { fake } = setUp({ level: 2 })
    back(fake)
    tlbi(fake, 'VAE2IS', 0x4000n)
    expect(fake.host.log).toContain('tlbi VAAE1IS')
    tlbi(fake, 'ALLE2IS')
    expect(fake.host.log).toContain('tlbi VMALLE1IS')
  })

  test('memory that L0 takes away goes from the shadow by the reverse map', () => {
    const { fake, shadow } = setUp({ level: 3 })
    abort(fake, IPA)
    unmapL1(shadow, fake.host, L1_IPA - 0x1000, L1_IPA)
    expect(shadow.table.lookup(IPA)).toBeDefined()
    unmapL1(shadow, fake.host, L1_IPA, L1_IPA + 0x1000)
    expect(shadow.table.lookup(IPA)).toBeUndefined()
    expect(shadow.reverse.size).toBe(0)
  })
})
