/** A guest may access anything: no offset, size or value makes a device throw or answer outside the width of the access. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGic, gicFrames, Pl011, Pl031 } from './index.ts'
import type { AccessSize, MmioDevice } from './index.ts'

const RUNS = Number(process.env['NIDUS_GIC_RUNS'] ?? process.env['NIDUS_FUZZ'] ?? 100)
const ICC = ['ICC_PMR_EL1', 'ICC_BPR0_EL1', 'ICC_BPR1_EL1', 'ICC_CTLR_EL1', 'ICC_IGRPEN0_EL1', 'ICC_IGRPEN1_EL1', 'ICC_EOIR0_EL1', 'ICC_EOIR1_EL1', 'ICC_DIR_EL1', 'ICC_AP0R0_EL1', 'ICC_AP1R0_EL1', 'ICC_AP1R3_EL1',
  'ICC_SGI0R_EL1', 'ICC_SGI1R_EL1', 'ICC_ASGI1R_EL1', 'ICC_SRE_EL1', 'ICC_SRE_EL2']
const ICH = ['ICH_HCR_EL2', 'ICH_VMCR_EL2', 'ICH_AP0R0_EL2', 'ICH_AP1R0_EL2', 'ICH_AP0R3_EL2', ...Array.from({ length: 16 }, (_, n) => `ICH_LR${n}_EL2`)]
const READS = ['ICC_IAR0_EL1', 'ICC_IAR1_EL1', 'ICC_HPPIR0_EL1', 'ICC_HPPIR1_EL1', 'ICC_RPR_EL1', 'ICH_VTR_EL2', 'ICH_MISR_EL2', 'ICH_EISR_EL2', 'ICH_ELRSR_EL2']
const WRITE_ONLY = /EOIR|DIR|SGI/

const access = fc.record({
  device: fc.nat(3), cpu: fc.nat(3), size: fc.constantFrom<AccessSize>(1, 2, 4, 8), value: fc.oneof(fc.maxSafeInteger().map(Math.abs), fc.constantFrom(0, 0xffff_ffff, 0x8000_0000)),
  // Mostly where registers are.
  offset: fc.oneof(fc.nat(0x1_ffff), fc.nat(0x100).map(n => 4 * n), fc.nat(0x1000), fc.nat(0x400).map(n => 0x1_0000 + 4 * n)), write: fc.boolean(),
})

function perform(devices: readonly MmioDevice[], each: { device: number, size: AccessSize, offset: number, write: boolean, value: number }): void {
  const device = devices[each.device % devices.length]!
  const limit = each.size === 8 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * each.size)
  if (each.write) {
    expect(typeof device.write(each.offset, each.size, each.value % limit)).toBe('boolean')
    return
  }
  const value = device.read(each.offset, each.size)
  if (value !== undefined) expect(Number.isSafeInteger(value) && value >= 0 && value < limit, `${device.name} + 0x${each.offset.toString(16)} size ${each.size}: ${value}`).toBe(true)
}

test.each([2, 3] as const)('GICv%i frames', version => {
  fc.assert(fc.property(fc.array(access, { maxLength: 150, size: 'max' }), list => {
    let current = 0
    const gic = createGic({ version, cpus: 4 })
    const devices = Object.values(gicFrames(gic.distributor, gic.cpuInterfaces, () => current))
    for (const each of list) {
      current = each.cpu
      perform(devices, each)
    }
  }), { numRuns: RUNS })
})

test('GICv3 system registers', () => {
  const step = fc.record({ name: fc.constantFrom(...ICC, ...ICH, ...READS), value: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), virtual: fc.boolean(), write: fc.boolean() })
  fc.assert(fc.property(fc.array(step, { maxLength: 150, size: 'max' }), list => {
    const { distributor, cpuInterfaces: [pe] } = createGic({ version: 3, cpus: 2 })
    distributor.writeDistributor(0, 0, 4, 3)
    distributor.writeRedistributor(0, 0x1_0100, 4, 0xffff_ffff)
    for (const { name, value, virtual, write } of list) {
      if (write && !READS.includes(name)) pe!.writeRegister(name, value, virtual)
      else if (!WRITE_ONLY.test(name)) {
        const read = pe!.readRegister(name, virtual)
        expect(read >= 0n && read < (name.startsWith('ICH_LR') ? 1n << 64n : 1n << 32n), `${name} ${read}`).toBe(true)
      }
    }
  }), { numRuns: RUNS })
})

test('PL011 and PL031', () => {
  fc.assert(fc.property(fc.array(access, { maxLength: 100, size: 'max' }), list => {
    const devices = [new Pl011({ irq: () => {}, output: () => {} }), new Pl031({ irq: () => {}, nanoseconds: () => 5e9 })]
    for (const each of list) perform(devices, { ...each, offset: each.offset & 0xfff })
  }), { numRuns: RUNS })
})
