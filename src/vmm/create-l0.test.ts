import { describe, expect, test } from 'vitest'
import { profile } from '../arch/features.ts'
import type { ProfileName } from '../arch/features.ts'
import type { L0Environment } from '../hypervisor/host.ts'
import { FakeMemory, RAM, RAM_SIZE, RESERVED } from '../hypervisor/fake-host.test-support.ts'
import type { L0 } from '../hypervisor/run.ts'
import { createL0 } from './create-l0.ts'
import { guestFeatures } from './guest-features.ts'
import type { VmDescription } from './options.ts'

const MEGABYTE = 1 << 20
const environment = (name: ProfileName = 'v8.3', gicVersion: 2 | 3 = 2): L0Environment => ({
  memory: new FakeMemory(), ram: { base: RAM, size: RAM_SIZE }, reserved: RESERVED, peCount: 2, profile: name, features: profile(name).features, gicVersion, console: () => {}, listen: () => {},
})
/** The smallest arm64 Image: a branch to itself. */
const image = (): Uint8Array => {
  const bytes = new Uint8Array(64), view = new DataView(bytes.buffer)
  view.setUint32(0, 0x1400_0000, true)
  view.setBigUint64(16, 64n, true)
  view.setBigUint64(24, 0xan, true)
  view.setUint32(56, 0x644d_5241, true)
  return bytes
}
const vm = (more: Partial<VmDescription> = {}): VmDescription => ({ image: image(), memBytes: 16 * MEGABYTE, ...more })

describe('createL0', () => {
  test.each<[string, readonly VmDescription[], L0Environment, RegExp]>([
    ['no VM', [], environment(), /no VM to run/],
    ['more memory than there is', [vm({ memBytes: 64 * MEGABYTE })], environment(), /no room for VM 0/],
    ['a memory size that is none', [vm({ memBytes: -1 })], environment(), /memory size/],
    ['a GIC that the machine does not have', [vm({ gic: 3 })], environment(), /GICv3.*GICv2/],
    ['EL2 without FEAT_NV', [vm({ el2: 'nvhe' })], environment('v8.1'), /FEAT_NV.*--paravirt/],
    ['rewriting for a machine that has more than v8.1', [vm({ el2: 'nvhe', paravirt: 'nv' })], environment('v8.4'), /v8.0 and v8.1.*v8.4/],
    ['an image that is none', [vm({ image: new Uint8Array(100) })], environment(), /./],
  ])('refuses %s in one line', (_, vms, where, message) => {
    let caught: unknown
    try { createL0({ vms })(where) } catch (error) { caught = error }
    expect(caught).toMatchObject({ name: 'BadInput' })
    expect((caught as Error).message).toMatch(message)
    expect((caught as Error).message).not.toContain('\n')
  })

  test('a rewritten guest hypervisor is not offered what its virtual EL2 cannot have at EL1', () => {
    const { features } = (createL0({ vms: [vm({ el2: 'nvhe', paravirt: 'nv' })] })(environment('v8.1')) as L0).environment
    expect(features).toContain('FEAT_PAN')
    expect(guestFeatures('v8.1', [], features, 'nvhe', { paravirt: true })).toEqual(new Set([...features].filter(feature => !['FEAT_PAN', 'FEAT_VHE'].includes(feature))))
  })

  test('VMs are laid out from the top, apart from each other and from L0', () => {
    const l0 = createL0({ vms: [vm(), vm({ memBytes: 8 * MEGABYTE })] })(environment()) as L0
    const host = l0.environment.memory
    expect(l0.environment.reserved.base).toBe(RESERVED.base)
    // The image is where IPA 0x4020_0000 (2 MiB into RAM) of each VM is.
    for (const pa of [RESERVED.base - 16 * MEGABYTE, RESERVED.base - 24 * MEGABYTE]) expect(host.read32(pa + 2 * MEGABYTE)).toBe(0x1400_0000)
  })
})

describe('what a VM is told', () => {
  test.each([
    ['no EL2', 'none', {}, ['FEAT_VHE', 'FEAT_ECV'], ['FEAT_NV', 'FEAT_NV2']],
    ['EL2', 'nvhe-or-vhe', {}, ['FEAT_VHE', 'FEAT_FGT'], ['FEAT_NV', 'FEAT_NV2', 'FEAT_ECV', 'FEAT_S2FWB']],
    ['EL2 without VHE', 'nvhe', {}, ['FEAT_FGT'], ['FEAT_VHE', 'FEAT_NV']],
    ['recursion', 'vhe', { recursion: true }, ['FEAT_VHE', 'FEAT_NV', 'FEAT_NV2'], ['FEAT_ECV']],
  ] as const)('%s', (_, el2, more, has, hasNot) => {
    const features = guestFeatures('v8.4', [], profile('v8.4').features, el2, more)
    expect(has.filter(feature => !features.has(feature))).toEqual([])
    expect(hasNot.filter(feature => features.has(feature))).toEqual([])
  })

  test('never more than the machine has', () => {
    expect(guestFeatures('v8.4', [], profile('v8.0').features, 'none').has('FEAT_LSE')).toBe(false)
  })
})
