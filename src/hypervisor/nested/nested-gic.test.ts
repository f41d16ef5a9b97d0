import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { PPI } from '../../arch/gic.ts'
import { MODE } from '../../arch/pstate.ts'
import { rowByName, SLOT } from '../../sysreg/index.ts'
import { fakeL0 } from '../fake-host.test-support.ts'
import type { FakeOptions } from '../fake-host.test-support.ts'
import { encodeLrV2, encodeLrV3, emptyListRegister, GICH_HCR, LR_STATE } from '../list-register.ts'
import type { ListRegister } from '../list-register.ts'
import { VIRTUAL_EL1 } from '../vcpu.ts'

const lr = (fields: Partial<ListRegister>): ListRegister => ({ ...emptyListRegister(), ...fields })
const GICH = { HCR: 0, VTR: 4, VMCR: 8, MISR: 0x10, EISR0: 0x20, ELRSR0: 0x30, APR: 0xf0, LR: 0x100 }

const setUp = (options: FakeOptions = {}) => {
  const fake = fakeL0({ el2: 'nvhe', ...options }), nested = fake.vcpu.nested!
  return { fake, gic: nested.gic, host: fake.host, vcpu: fake.vcpu, distributor: fake.l0.vms[0]!.distributor }
}
/** As when the context below has just been entered. */
function build({ vcpu, gic, host }: ReturnType<typeof setUp>): void {
  vcpu.nested!.pageLive = false
  vcpu.context = VIRTUAL_EL1
  vcpu.virtual.u64[SLOT.HCR_EL2] = (1n << 31n) | (1n << 4n)
  gic.build(host)
}

describe('shadow list registers', () => {
  test('those in use are compacted, and come back at L1\'s own indices', () => {
    const s = setUp()
    s.gic.writeFrame(GICH.LR + 4, encodeLrV2(lr({ state: 1, intid: 40, priority: 0x80 })))
    s.gic.writeFrame(GICH.LR + 12, encodeLrV2(lr({ state: 1, intid: 41, priority: 0x88 })))
    build(s)
    expect(s.gic.shadow.lrs.slice(0, s.gic.shadow.used).map(({ intid }) => intid)).toEqual([40, 41])
    s.gic.shadow.lrs[1]!.state = LR_STATE.active
    s.gic.fold()
    expect([0, 1, 2, 3].map(n => s.gic.lrs[n]!.state)).toEqual([0, 1, 0, 2])
  })

  test('the HW bit: L1\'s virtual timer interrupt is the machine\'s; deactivation reaches L1\'s distributor', () => {
    const s = setUp()
    s.distributor.markActive(0, PPI.virtualTimer, 0)
    s.gic.writeFrame(GICH.LR, encodeLrV2(lr({ state: 1, intid: 27, hw: true, physical: PPI.virtualTimer })))
    build(s)
    expect(s.gic.shadow.lrs[0]).toMatchObject({ hw: true, physical: 27 })
    s.gic.shadow.lrs[0]!.state = LR_STATE.invalid
    s.gic.fold()
    expect(s.distributor.isActive(0, PPI.virtualTimer)).toBe(false)
    expect(s.gic.readFrame(GICH.LR) & 0xb000_0000).toBe(0x8000_0000 | 0)
  })

  test('an interrupt of L1 that the machine does not have loses the HW bit, and L0 sees its end', () => {
    const s = setUp()
    s.distributor.markActive(0, 35, 0)
    s.gic.writeFrame(GICH.LR, encodeLrV2(lr({ state: 1, intid: 50, hw: true, physical: 35 })))
    build(s)
    expect(s.gic.shadow.lrs[0]).toMatchObject({ hw: false, eoi: true })
    s.gic.shadow.lrs[0]!.state = LR_STATE.invalid
    s.gic.fold()
    expect(s.distributor.isActive(0, 35)).toBe(false)
    // L1 did not ask for a maintenance interrupt.
    expect(s.gic.readFrame(GICH.EISR0)).toBe(0)
  })

  test.each([[35, 8191], [0, 1023]])('physical INTIDs from L1 are not trusted: %i, %i', (_, physical) => {
    const s = setUp({ gic: 3 })
    s.vcpu.nested!.set(SLOT.ICH_LR0_EL2, encodeLrV3(lr({ state: 1, intid: 0xffff_ffff, hw: true, physical })))
    build(s)
    s.gic.shadow.lrs[0]!.state = LR_STATE.invalid
    s.gic.fold()
    expect(s.gic.lrs[0]!.state).toBe(LR_STATE.invalid)
  })
})

describe('the maintenance interrupt of L1', () => {
  const pending = (s: ReturnType<typeof setUp>) => s.distributor.isPending(0, PPI.maintenance)
  test('follows MISR as L1 writes GICH_HCR', () => {
    const s = setUp()
    s.gic.writeFrame(GICH.HCR, GICH_HCR.En | GICH_HCR.UIE)
    expect([s.gic.readFrame(GICH.MISR), pending(s)]).toEqual([2, true])
    s.gic.writeFrame(GICH.HCR, GICH_HCR.UIE)
    // En is for the interrupt, not for the register.
    expect([s.gic.readFrame(GICH.MISR), pending(s)]).toEqual([2, false])
  })

  test('an interrupt that the nested VM ended is in EISR until L1 takes the list register back', () => {
    const s = setUp()
    s.gic.writeFrame(GICH.HCR, GICH_HCR.En)
    s.gic.writeFrame(GICH.LR, encodeLrV2(lr({ state: 1, intid: 40, eoi: true })))
    build(s)
    s.gic.shadow.lrs[0]!.state = LR_STATE.invalid
    s.gic.fold()
    expect([s.gic.readFrame(GICH.MISR), s.gic.readFrame(GICH.EISR0), s.gic.readFrame(GICH.ELRSR0), pending(s)]).toEqual([1, 1, 0xe, true])
    s.gic.writeFrame(GICH.LR, 0)
    expect([s.gic.readFrame(GICH.EISR0), s.gic.readFrame(GICH.ELRSR0), pending(s)]).toEqual([0, 0xf, false])
  })
})

describe('copies that L1 reads without a trap', () => {
  test('neve, GICv2: the frame page', () => {
    const s = setUp({ profile: 'neve' }), page = s.gic.framePage!
    const at = (offset: number) => s.host.memory.read32(page + offset)
    expect([at(GICH.VTR), at(GICH.ELRSR0)]).toEqual([3, 0xf])
    s.gic.writeFrame(GICH.HCR, GICH_HCR.En | GICH_HCR.NPIE)
    s.gic.writeFrame(GICH.LR + 8, encodeLrV2(lr({ state: 2, intid: 40 })))
    expect([at(GICH.HCR), at(GICH.MISR), at(GICH.ELRSR0), at(GICH.LR + 8)]).toEqual([9, 8, 0xb, s.gic.readFrame(GICH.LR + 8)])
  })

  test('GICv3: L1 changes list registers in the page, MISR is computed from there', () => {
    const s = setUp({ profile: 'v8.4', gic: 3 }), { nested } = s.vcpu
    expect(nested!.pageLive).toBe(true)
    s.host.memory.write64(nested!.page + 0x4c0, BigInt(GICH_HCR.En | GICH_HCR.NPIE))
    expect(s.gic.readComputed(SLOT.ICH_MISR_EL2)).toBe(8n)
    s.host.memory.write64(nested!.page + 0x400, encodeLrV3(lr({ state: 1, intid: 40 })))
    expect(s.gic.readComputed(SLOT.ICH_MISR_EL2)).toBe(0n)
    expect(s.gic.readComputed(SLOT.ICH_ELRSR_EL2)).toBe(0xen)
  })

  test('v8.4, GICv3: L1 ends the cause of its maintenance interrupt in the page', () => {
    const s = setUp({ profile: 'v8.4', gic: 3 }), { nested } = s.vcpu
    const pending = () => s.distributor.isPending(0, PPI.maintenance)
    s.host.memory.write64(nested!.page + 0x4c0, BigInt(GICH_HCR.En | GICH_HCR.UIE))
    s.gic.registersWritten()
    expect(pending()).toBe(true)
    // Linux: ICH_HCR_EL2 = 0 on the way out of its VM. The next entry sees it, whatever the exit was.
    s.host.memory.write64(nested!.page + 0x4c0, 0n)
    s.fake.exit(syndrome.systemRegister(rowByName('ID_AA64PFR0_EL1')!.key, 0, true), { pc: 0x4008_0000n, pstate: 0x3c0 | MODE.EL1h })
    expect(pending()).toBe(false)
  })
})
