import { describe, expect, test } from 'vitest'
import { LR_STATE } from './list-register.ts'
import { fakeL0 } from './fake-host.test-support.ts'
import type { Fake } from './fake-host.test-support.ts'
import { isSignalled, sendVirtualSgi, VirtualInterface } from './vgic.ts'
import { PPI } from '../arch/gic.ts'

/** A vCPU whose distributor has everything enabled in group 0 with priority 0xa0, and its list registers out of the hardware. */
function setUp(cpus = 1): Fake {
  const fake = fakeL0({ cpus, pes: cpus }), { distributor } = fake.l0.vms[0]!
  distributor.writeDistributor(0, 0, 4, 3)
  for (let cpu = 0; cpu < cpus; cpu++) distributor.writeDistributor(cpu, 0x100, 4, 0xffff_ffff)
  distributor.writeDistributor(0, 0x104, 4, 0xffff_ffff)
  for (let intid = 32; intid < 40; intid++) distributor.writeDistributor(0, 0x800 + intid, 1, 1)
  for (const vcpu of fake.l0.vms[0]!.vcpus) vcpu.loaded = false
  return fake
}
const states = ({ vcpu }: Fake) => vcpu.gic.own.lrs.slice(0, vcpu.gic.own.used).map(({ intid, state, hw, eoi, source }) => ({ intid, state, hw, eoi, source }))

describe('virtual GIC', () => {
  test('an SGI that comes while the one before is in a list register is a second one', () => {
    const fake = setUp(), { distributor } = fake.l0.vms[0]!, { gic } = fake.vcpu
    distributor.sendSgi(0, 0, 3)
    gic.fill(fake.host)
    expect(states(fake)).toEqual([{ intid: 3, state: LR_STATE.pending, hw: false, eoi: false, source: 0 }])
    distributor.sendSgi(0, 0, 3)
    gic.own.lrs[0]!.state = LR_STATE.active // the guest acknowledges the first
    gic.fold()
    expect(distributor.isActive(0, 3)).toBe(true)
    gic.fill(fake.host)
    expect(states(fake)).toEqual([{ intid: 3, state: LR_STATE.both, hw: false, eoi: false, source: 0 }])
    gic.own.lrs[0]!.state = LR_STATE.invalid
    gic.fold()
    expect([distributor.isActive(0, 3), distributor.isPending(0, 3)]).toEqual([false, false])
  })

  test('what the guest has not acknowledged goes back to the distributor', () => {
    const fake = setUp(), { distributor } = fake.l0.vms[0]!, { gic } = fake.vcpu
    distributor.sendSgi(0, 0, 3)
    gic.fill(fake.host)
    expect(distributor.isPending(0, 3)).toBe(false)
    gic.fold()
    expect(distributor.isPending(0, 3)).toBe(true)
    gic.fold() // telling twice changes nothing
    distributor.writeDistributor(0, 0xf10, 4, 0xff00_0000) // CPENDSGIR of SGI 3
    expect(distributor.isPending(0, 3)).toBe(false)
    gic.fold()
    expect(distributor.isPending(0, 3)).toBe(false)
  })

  test('a second source of the same SGI waits for the first to end', () => {
    const fake = setUp(2), { distributor } = fake.l0.vms[0]!, { gic } = fake.vcpu
    distributor.sendSgi(0, 0, 5)
    distributor.sendSgi(1, 0, 5)
    gic.fill(fake.host)
    expect(states(fake)).toEqual([{ intid: 5, state: LR_STATE.pending, hw: false, eoi: true, source: 0 }])
    gic.own.lrs[0]!.state = LR_STATE.invalid
    gic.fold()
    gic.fill(fake.host)
    expect(states(fake)).toEqual([{ intid: 5, state: LR_STATE.pending, hw: false, eoi: false, source: 1 }])
  })

  test('a level stays pending while its line is high, and asks for maintenance', () => {
    const fake = setUp(), { distributor } = fake.l0.vms[0]!, { gic } = fake.vcpu
    distributor.setSpiLevel(33, true)
    gic.fill(fake.host)
    expect(states(fake)).toEqual([{ intid: 33, state: LR_STATE.pending, hw: false, eoi: true, source: 0 }])
    gic.own.lrs[0]!.state = LR_STATE.active
    gic.fold()
    gic.fill(fake.host)
    expect(states(fake)[0]!.state).toBe(LR_STATE.active)
    gic.own.lrs[0]!.state = LR_STATE.invalid
    gic.fold()
    gic.fill(fake.host)
    expect(states(fake)[0]!.state).toBe(LR_STATE.pending)
    distributor.setSpiLevel(33, false)
    gic.fill(fake.host)
    expect(states(fake)).toEqual([])
  })

  test('the virtual timer is tied to the physical one', () => {
    const fake = setUp(), { distributor } = fake.l0.vms[0]!
    distributor.setPpiLevel(0, PPI.virtualTimer, true)
    distributor.setPpiLevel(0, PPI.physicalTimer, true)
    fake.vcpu.gic.fill(fake.host)
    expect(fake.vcpu.gic.own.lrs.slice(0, 2).map(({ intid, hw, physical }) => [intid, hw, physical])).toEqual([[27, true, 27], [30, false, 0]])
  })

  test('more interrupts than list registers: the best go first, and underflow brings L0 back', () => {
    const fake = setUp(), { distributor } = fake.l0.vms[0]!
    for (let intid = 0; intid < 6; intid++) distributor.sendSgi(0, 0, intid)
    fake.vcpu.gic.fill(fake.host)
    expect(fake.vcpu.gic.own.lrs.map(({ intid }) => intid)).toEqual([0, 1, 2, 3])
    expect(fake.vcpu.gic.own.hcr & 2).toBe(2)
  })

  test.each([
    ['group disabled', 0xf800_0000, 0, 0x80, false], ['masked', 0x8000_0001, 0, 0x80, false], ['signalled', 0xf800_0001, 0, 0x80, true],
    ['preempts', 0xf800_0001, 1 << 20, 0x80, true], ['does not preempt', 0xf800_0001, 1 << 16, 0x80, false],
  ])('signalling: %s', (_, vmcr, apr, priority, expected) => {
    const face = new VirtualInterface(4)
    face.vmcr = vmcr
    face.apr[0] = apr
    expect(isSignalled(face, 2, priority, 0)).toBe(expected)
  })

  test.each([1, 0])('list registers of whoever ran before are empty for the next one, which uses %i', usedAfter => {
    const fake = fakeL0(), { host, l0: { gic, pes } } = fake, [before, after] = [new VirtualInterface(4), new VirtualInterface(4)]
    for (const [face, used] of [[before, 3], [after, usedAfter]] as const) {
      face.used = used
      for (let i = 0; i < used; i++) Object.assign(face.lrs[i]!, { state: LR_STATE.pending, intid: 40 + i })
    }
    before.restore(pes[0]!, gic)
    before.save(host, gic)
    after.restore(pes[0]!, gic)
    const registers = (): number[] => [0, 1, 2, 3].map(i => ((host.frames.get(`GICH ${(0x100 + 4 * i).toString(16)}`) ?? 0) >>> 28) & 3)
    expect(registers()).toEqual([usedAfter * LR_STATE.pending, 0, 0, 0])
  })

  test('ICC_SGI1R_EL1: a list of targets, and all but self', () => {
    const fake = fakeL0({ gic: 3, cpus: 3, pes: 3 }), vm = fake.l0.vms[0]!, got: string[] = []
    vm.distributor.sendSgi = (source, target, intid) => { got.push(`${source}>${target}:${intid}`) }
    sendVirtualSgi(vm.vcpus[1]!, (7n << 24n) | 0b101n)
    sendVirtualSgi(vm.vcpus[1]!, (1n << 40n) | (2n << 24n))
    sendVirtualSgi(vm.vcpus[1]!, (1n << 16n) | 1n) // Aff1 = 1: nobody
    expect(got).toEqual(['1>0:7', '1>2:7', '1>0:2', '1>2:2'])
  })
})
