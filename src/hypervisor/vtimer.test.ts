import { describe, expect, test } from 'vitest'
import { PPI } from '../arch/gic.ts'
import { SLOT } from '../sysreg/index.ts'
import { fakeL0 } from './fake-host.test-support.ts'
import type { FakeOptions } from './fake-host.test-support.ts'
import { VIRTUAL_EL1 } from './vcpu.ts'
import { NEVER } from './pe.ts'

const setUp = (options: FakeOptions = {}) => {
  const fake = fakeL0(options)
  fake.vcpu.loaded = false
  return { ...fake, timers: fake.vcpu.timers, distributor: fake.l0.vms[0]!.distributor, file: fake.vcpu.virtual.u64 }
}

describe('timers of a vCPU', () => {
  test.each<[string, FakeOptions, 'e2h' | 'nvhe' | 'below' | 'guest', string | undefined]>([
    ['a plain VM', {}, 'guest', 'V'],
    ['v8.3, nVHE virtual EL2', { el2: 'nvhe' }, 'nvhe', 'V'],
    ['v8.4, nVHE virtual EL2: V is in the page', { el2: 'nvhe', profile: 'v8.4' }, 'nvhe', undefined],
    ['neve, nVHE virtual EL2', { el2: 'nvhe', profile: 'neve' }, 'nvhe', 'V'],
    ['VHE virtual EL2: CNTV means CNTHV', { el2: 'vhe' }, 'e2h', 'HV'],
    ['below virtual EL2', { el2: 'vhe', profile: 'v8.4' }, 'below', 'V'],
  ])('on the machine\'s CNTV: %s', (_, options, context, expected) => {
    const { vcpu, timers } = setUp(options)
    if (context === 'below') vcpu.context = VIRTUAL_EL1
    expect(timers.onHardware?.name).toBe(expected)
    expect(timers.physicalOf(PPI.hypVirtualTimer)).toBe(expected === 'HV' ? PPI.virtualTimer : undefined)
  })

  test('a timer in software raises its PPI when its time has come, and lowers it when it is masked', () => {
    const { host, timers, distributor, file } = setUp()
    file[SLOT.CNTP_CVAL_EL0] = 2000n
    file[SLOT.CNTP_CTL_EL0] = 1n
    timers.changed()
    expect([timers.needsSync, timers.nextRise(false)]).toEqual([true, 2000n])
    expect([timers.sync(host), distributor.isPending(0, PPI.physicalTimer)]).toEqual([false, false])
    host.now = 2000n
    expect([timers.sync(host), distributor.isPending(0, PPI.physicalTimer), timers.nextRise(false)]).toEqual([true, true, NEVER])
    timers.write(host, SLOT.CNTP_CTL_EL0, 3n)
    expect([distributor.isPending(0, PPI.physicalTimer), timers.read(host, SLOT.CNTP_CTL_EL0)]).toEqual([false, 7n])
  })

  test('TVAL is signed, relative to the counter of the timer', () => {
    const { host, timers, file, l0 } = setUp()
    l0.vms[0]!.counterOffset = 400n
    timers.write(host, SLOT.CNTV_TVAL_EL0, 0xffff_fff6n)
    expect(file[SLOT.CNTV_CVAL_EL0]).toBe(590n)
    expect(timers.read(host, SLOT.CNTV_TVAL_EL0)).toBe(0xffff_fff6n)
    timers.write(host, SLOT.CNTP_TVAL_EL0, 10n)
    expect(file[SLOT.CNTP_CVAL_EL0]).toBe(1010n)
  })

  test('L1\'s CNTVOFF_EL2 shifts V, and reaches the machine where V is on it', () => {
    const { timers, vcpu, file, host } = setUp({ el2: 'nvhe-or-vhe' })
    file[SLOT.CNTVOFF_EL2] = 300n
    expect(timers.hardwareOffset()).toBe(300n)
    vcpu.nested!.e2h = true
    expect(timers.hardwareOffset()).toBe(0n)
    file[SLOT.CNTV_CVAL_EL0] = 700n
    file[SLOT.CNTV_CTL_EL0] = 1n
    timers.changed()
    expect(timers.nextRise(false)).toBe(1000n)
    expect(timers.sync(host)).toBe(true)
  })

  test('the physical interrupt stays active while the guest has been told', () => {
    const { host, timers, vcpu, l0, file } = setUp()
    host.log.length = 0
    timers.flushActive(host, l0.gic)
    expect(host.log).toEqual([])
    file[SLOT.CNTV_CTL_EL0] = 1n
    timers.sync(host)
    timers.flushActive(host, l0.gic)
    timers.flushActive(host, l0.gic)
    expect(host.log).toEqual(['write GICD+300'])
    timers.releaseActive(host, l0.gic)
    expect(host.log.at(-1)).toBe('write GICD+380')
    expect(vcpu.state).toBe('runnable')
  })

  test('a control in the page shows ISTATUS', () => {
    const { host, timers, vcpu } = setUp({ el2: 'nvhe', profile: 'v8.4' })
    vcpu.nested!.set(SLOT.CNTV_CTL_EL0, 1n)
    timers.sync(host)
    expect(host.memory.read64(vcpu.nested!.page + 0x170)).toBe(5n)
  })
})
