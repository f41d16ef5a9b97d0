/** Exit handlers with any syndrome in any context, those included that no guest can cause: they decide, and throw nothing. */
import { expect, test } from 'vitest'
import { EC } from '../../src/arch/esr.ts'
import { fakeL0 } from '../../src/hypervisor/fake-host.test-support.ts'
import { SLOT } from '../../src/sysreg/index.ts'
import { Random } from '../assembler.ts'
import { anyAddress, anyValue, HCR } from './values.ts'

const CASES = [
  ['none', 'v8.3', 2], ['none', 'v8.4', 3], ['nvhe', 'v8.3', 2], ['nvhe', 'v8.4', 3], ['vhe', 'v8.3', 3], ['vhe', 'v8.4', 2], ['nvhe', 'neve', 2], ['vhe', 'neve', 3],
] as const

test.each(CASES)('EL2 %s on %s, GICv%i: any exception class, any ISS', (el2, profile, gic) => {
  const r = new Random(gic * 100 + el2.length), actions = new Set<string>()
  for (const policy of ['split', 'lazy'] as const) {
    const fake = fakeL0({ el2, profile, gic, policy, cpus: 2, pes: 2 })
    const { host, vcpu, l0 } = fake
    for (let i = 0; i < 4000; i++) {
      host.now += BigInt(r.below(100))
      // A VM that has ended itself stays off.
      if (vcpu.state !== 'runnable') vcpu.state = 'runnable'
      vcpu.vm.end = undefined
      if (vcpu.nested !== undefined && r.chance(5)) vcpu.nested.set(SLOT.HCR_EL2, (r.chance(50) ? r.u64() & r.u64() : 0n) | HCR.RW | (r.chance(50) ? HCR.VM | HCR.IMO : 0n))
      host.setX(r.below(31), anyValue(r))
      const ec = r.chance(85) ? r.pick(Object.values(EC)) : r.below(64)
      fake.exit(((ec << 26) | (r.next() & 0x3ff_ffff)) >>> 0, { pc: anyAddress(r) & ~3n, pstate: 0x3c0 | r.pick([0, 4, 5]), far: anyValue(r), ipa: Number(anyAddress(r) & 0xffff_ffff_ffffn) })
      actions.add(fake.actions.at(-1)!.replace(/0x[0-9a-f]+/g, '#'))
    }
    expect(l0.vms.length).toBe(1)
  }
  expect(actions.size).toBeGreaterThan(20)
})
