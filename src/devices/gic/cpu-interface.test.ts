import { describe, expect, test } from 'vitest'
import { SPURIOUS } from '../../arch/gic.ts'
import type { GicCpuInterface } from '../../arch/gic.ts'
import type { ListingDistributor } from '../../arch/gic-listing.ts'
import { createGic, gicFrames } from './gic.ts'
import type { GicOptions } from './gic.ts'

const make = (options: Partial<GicOptions> & { version: 2 | 3 }): { distributor: ListingDistributor, pe: GicCpuInterface, others: readonly GicCpuInterface[] } => {
  const { distributor, cpuInterfaces } = createGic({ cpus: 2, ...options })
  return { distributor, pe: cpuInterfaces[0]!, others: cpuInterfaces }
}

/** Group 1 interrupts 32 and up, enabled, at priority 0x80 + 8 * (INTID - 32), to CPU 0; PMR open, both groups on. */
function ready3(options: Partial<GicOptions> = {}): ReturnType<typeof make> & { get: (name: string) => number, set: (name: string, value: number) => void } {
  const gic = make({ version: 3, ...options })
  gic.distributor.writeDistributor(0, 0, 4, 3)
  gic.distributor.writeDistributor(0, 0x84, 4, 0xffff_ffff)
  gic.distributor.writeDistributor(0, 0x104, 4, 0xffff_ffff)
  gic.distributor.writeRedistributor(0, 0x1_0080, 4, 0xffff_ffff)
  gic.distributor.writeRedistributor(0, 0x1_0100, 4, 0xffff_ffff)
  for (let n = 0; n < 16; n++) gic.distributor.writeDistributor(0, 0x420 + n, 1, 0x80 + 8 * n)
  const get = (name: string): number => Number(gic.pe.readRegister(name, false))
  const set = (name: string, value: number): void => gic.pe.writeRegister(name, BigInt(value), false)
  set('ICC_PMR_EL1', 0xff)
  set('ICC_IGRPEN0_EL1', 1)
  set('ICC_IGRPEN1_EL1', 1)
  return { ...gic, get, set }
}

function ready2(): ReturnType<typeof make> & { get: (offset: number) => number, set: (offset: number, value: number) => void } {
  const gic = make({ version: 2 })
  gic.distributor.writeDistributor(0, 0, 4, 3)
  gic.distributor.writeDistributor(0, 0x104, 4, 0xffff_ffff)
  for (let n = 0; n < 16; n++) {
    gic.distributor.writeDistributor(0, 0x420 + n, 1, 0x80 + 8 * n)
    gic.distributor.writeDistributor(0, 0x820 + n, 1, 1)
  }
  const get = (offset: number): number => gic.pe.readFrame('GICC', offset, 4)!
  const set = (offset: number, value: number): void => { expect(gic.pe.writeFrame('GICC', offset, 4, value)).toBe(true) }
  set(0x04, 0xff)
  set(0x00, 3)
  return { ...gic, get, set }
}

describe('GICv3 registers', () => {
  test.each([
    ['ICC_PMR_EL1', 0, 0xf8], ['ICC_RPR_EL1', 0xff, 0xff], ['ICC_BPR0_EL1', 2, 7], ['ICC_BPR1_EL1', 3, 7], ['ICC_IGRPEN0_EL1', 0, 1], ['ICC_IGRPEN1_EL1', 0, 1],
    ['ICC_CTLR_EL1', 0x8400, 0x8403], ['ICC_SRE_EL1', 7, 7], ['ICC_SRE_EL2', 0xf, 0xf], ['ICC_AP0R0_EL1', 0, 0xffff_ffff], ['ICC_AP1R0_EL1', 0, 0xffff_ffff], ['ICC_AP1R1_EL1', 0, 0],
    ['ICC_IAR0_EL1', SPURIOUS, SPURIOUS], ['ICC_IAR1_EL1', SPURIOUS, SPURIOUS], ['ICC_HPPIR0_EL1', SPURIOUS, SPURIOUS], ['ICC_HPPIR1_EL1', SPURIOUS, SPURIOUS],
    ['ICV_PMR_EL1', 0, 0xf8], ['ICV_RPR_EL1', 0xff, 0xff], ['ICV_BPR0_EL1', 2, 7], ['ICV_BPR1_EL1', 3, 7], ['ICV_IGRPEN0_EL1', 0, 1], ['ICV_IGRPEN1_EL1', 0, 1],
    ['ICV_CTLR_EL1', 0x8400, 0x8403], ['ICV_IAR1_EL1', SPURIOUS, SPURIOUS], ['ICV_HPPIR0_EL1', SPURIOUS, SPURIOUS], ['ICV_AP0R0_EL1', 0, 0xffff_ffff], ['ICV_AP1R0_EL1', 0, 0xffff_ffff],
    ['ICH_HCR_EL2', 0, 0xf800_7cff], ['ICH_VTR_EL2', 0x9038_000f, 0x9038_000f], ['ICH_VMCR_EL2', 0x004c_0008, 0xf8fc_021b], ['ICH_MISR_EL2', 0, 0],
    ['ICH_EISR_EL2', 0, 0], ['ICH_ELRSR_EL2', 0xffff, 0xffff], ['ICH_AP0R0_EL2', 0, 0xffff_ffff], ['ICH_AP1R0_EL2', 0, 0xffff_ffff], ['ICH_AP1R3_EL2', 0, 0],
  ] as const)('%s resets to 0x%x, holds 0x%x', (name, reset, ones) => {
    const { pe } = make({ version: 3 })
    expect(pe.readRegister(name, false)).toBe(BigInt(reset))
    pe.writeRegister(name, 0xffff_ffff_ffff_ffffn, false)
    expect(pe.readRegister(name, false)).toBe(BigInt(ones))
  })

  test('with 8 priority bits there are 128 levels in four registers', () => {
    const { pe } = make({ version: 3, priorityBits: 8, virtualPriorityBits: 8, listRegisters: 2 })
    pe.writeRegister('ICC_PMR_EL1', 0xffn, false)
    pe.writeRegister('ICC_BPR0_EL1', 0n, false)
    pe.writeRegister('ICC_BPR1_EL1', 0n, false)
    pe.writeRegister('ICH_AP1R3_EL2', 5n, false)
    expect(['ICC_PMR_EL1', 'ICC_BPR0_EL1', 'ICC_BPR1_EL1', 'ICC_CTLR_EL1', 'ICH_AP1R3_EL2', 'ICH_VTR_EL2'].map(name => pe.readRegister(name, false)))
      .toEqual([0xffn, 0n, 1n, 0x8700n, 5n, 0xf838_0001n])
  })

  test('an ICC_ name is ICV_ when the CPU says so', () => {
    const { pe } = make({ version: 3 })
    pe.writeRegister('ICC_PMR_EL1', 0x80n, true)
    expect([pe.readRegister('ICC_PMR_EL1', false), pe.readRegister('ICC_PMR_EL1', true), pe.readRegister('ICV_PMR_EL1', false)]).toEqual([0n, 0x80n, 0x80n])
    expect(pe.readRegister('ICH_VMCR_EL2', false) >> 24n).toBe(0x80n)
  })

  test('a list register that is not implemented is RAZ/WI; other names are a bug of the caller', () => {
    const { pe } = make({ version: 3, listRegisters: 4 })
    pe.writeRegister('ICH_LR4_EL2', -1n, false)
    expect(pe.readRegister('ICH_LR4_EL2', false)).toBe(0n)
    expect(pe.readRegister('ICH_ELRSR_EL2', false)).toBe(0xfn)
    for (const name of ['ICC_NONE_EL1', 'ICH_NONE_EL2', 'ICC_EOIR1_EL1']) expect(() => pe.readRegister(name, false)).toThrow()
    for (const name of ['ICC_NONE_EL1', 'ICH_NONE_EL2']) expect(() => pe.writeRegister(name, 0n, false)).toThrow()
    expect(pe.readFrame('GICC', 0, 4)).toBeUndefined()
    expect(pe.writeFrame('GICC', 0, 4, 0)).toBe(false)
  })

  test('ICC_SRE_EL2.Enable is storage', () => {
    const { pe } = make({ version: 3 })
    pe.writeRegister('ICC_SRE_EL2', 0n, false)
    expect(pe.readRegister('ICC_SRE_EL2', false)).toBe(7n)
  })

  test('CBPR: ICC_BPR1_EL1 is one more than ICC_BPR0_EL1 and cannot be written', () => {
    const { get, set } = ready3()
    set('ICC_BPR0_EL1', 5)
    set('ICC_CTLR_EL1', 1)
    set('ICC_BPR1_EL1', 4)
    expect(get('ICC_BPR1_EL1')).toBe(6)
    set('ICC_BPR0_EL1', 7)
    expect(get('ICC_BPR1_EL1')).toBe(7)
    set('ICC_CTLR_EL1', 0)
    expect(get('ICC_BPR1_EL1')).toBe(3)
  })
})

describe('GICv2 registers', () => {
  test.each([
    ['GICC', 0x00, 0, 0x3ff & ~0], ['GICC', 0x04, 0, 0xf8], ['GICC', 0x08, 2, 7], ['GICC', 0x0c, 1023, 1023], ['GICC', 0x10, 0, 0], ['GICC', 0x14, 0xff, 0xff], ['GICC', 0x18, 1023, 1023],
    ['GICC', 0x1c, 3, 7], ['GICC', 0x20, 1023, 1023], ['GICC', 0x24, 0, 0], ['GICC', 0x28, 1023, 1023], ['GICC', 0xd0, 0, 0xffff_ffff], ['GICC', 0xd4, 0, 0],
    ['GICC', 0xe0, 0, 0xffff_ffff], ['GICC', 0xfc, 0x0202_143b, 0x0202_143b], ['GICC', 0x1000, 0, 0],
    ['GICV', 0x00, 0, 0x21f], ['GICV', 0x04, 0, 0xf8], ['GICV', 0x08, 2, 7], ['GICV', 0x0c, 1023, 1023], ['GICV', 0x1c, 3, 7], ['GICV', 0xd0, 0, 0xffff_ffff], ['GICV', 0xfc, 0x0202_143b, 0x0202_143b],
    ['GICH', 0x00, 0, 0xf800_00ff], ['GICH', 0x04, 0x9000_0003, 0x9000_0003], ['GICH', 0x08, 0x004c_0000, 0xf8fc_021f], ['GICH', 0x10, 0, 0], ['GICH', 0x20, 0, 0], ['GICH', 0x24, 0, 0],
    ['GICH', 0x30, 0xf, 0xf], ['GICH', 0x34, 0, 0], ['GICH', 0xf0, 0, 0xffff_ffff], ['GICH', 0x100, 0, 0xff8f_ffff], ['GICH', 0x10c, 0, 0xff8f_ffff],
  ] as const)('%s 0x%x resets to 0x%x, holds 0x%x', (frame, offset, reset, ones) => {
    const { pe } = make({ version: 2 })
    expect(pe.readFrame(frame, offset, 4)).toBe(reset)
    expect(pe.writeFrame(frame, offset, 4, 0xffff_ffff)).toBe(true)
    expect(pe.readFrame(frame, offset, 4)).toBe(offset === 0x00 && frame === 'GICC' ? 0x3ff : ones)
  })

  test.each([[0xe0, 4], [0x0d, 4], [0x10, 8], [0x10ac, 4], [0x00, 1]])('GICV + %i in %i bytes is RAZ/WI: a VM must not end the machine', (offset, size) => {
    const { pe } = make({ version: 2 })
    expect([pe.readFrame('GICV', offset, size), pe.writeFrame('GICV', offset, size, 1), pe.readFrame('GICV', 0, 4)]).toEqual([0, true, 0])
  })

  test.each([['GICC', 0x30], ['GICC', 0x0d], ['GICH', 0x0c], ['GICH', 0x110], ['GICH', 0xfc], ['GICH', 0x102]] as const)('no register at %s 0x%x', (frame, offset) => {
    const { pe } = make({ version: 2 })
    expect(pe.readFrame(frame, offset, 4)).toBeUndefined()
    expect(pe.writeFrame(frame, offset, 4, 0)).toBe(false)
    expect(pe.readFrame(frame, 0, 1)).toBeUndefined()
    expect(pe.writeFrame(frame, 0, 8, 0)).toBe(false)
  })

  test('system registers of GICv2 do not exist', () => {
    const { pe } = make({ version: 2 })
    expect(() => pe.readRegister('ICC_PMR_EL1', false)).toThrow()
    expect(() => make({ version: 2, listRegisters: 65 })).toThrow(RangeError)
    expect(() => make({ version: 2, virtualPriorityBits: 8 })).toThrow(RangeError)
  })

  test('64 list registers fill both words of EISR and ELRSR', () => {
    const { pe } = make({ version: 2, listRegisters: 64 })
    pe.writeFrame('GICH', 0x100 + 4 * 40, 4, 1 << 19 | 33)
    expect([0x20, 0x24, 0x30, 0x34].map(offset => pe.readFrame('GICH', offset, 4))).toEqual([0, 1 << 8, 0xffff_ffff, 0xffff_feff])
  })
})

describe('acknowledge, priority drop, deactivation', () => {
  test('GICv3: one interrupt from line to line', () => {
    const { pe, distributor, get, set } = ready3()
    distributor.setSpiLevel(34, true)
    expect([pe.irqLine(), pe.fiqLine(), get('ICC_HPPIR1_EL1'), get('ICC_HPPIR0_EL1'), get('ICC_IAR0_EL1')]).toEqual([true, false, 34, SPURIOUS, SPURIOUS])
    expect(get('ICC_IAR1_EL1')).toBe(34)
    expect([pe.irqLine(), get('ICC_RPR_EL1'), get('ICC_AP1R0_EL1'), distributor.isActive(0, 34)]).toEqual([false, 0x90, 1 << 18, true])
    distributor.setSpiLevel(34, false)
    set('ICC_EOIR0_EL1', 34) // not the running group
    expect(distributor.isActive(0, 34)).toBe(true)
    set('ICC_EOIR1_EL1', 34)
    expect([get('ICC_RPR_EL1'), distributor.isActive(0, 34), pe.irqLine()]).toEqual([0xff, false, false])
    set('ICC_EOIR1_EL1', 34) // nothing is active
    set('ICC_EOIR1_EL1', 1023)
    expect(get('ICC_RPR_EL1')).toBe(0xff)
  })

  test('the same level active in both groups is dropped in Group 0 first', () => {
    const { get, set } = ready3()
    set('ICC_AP0R0_EL1', 1 << 4)
    set('ICC_AP1R0_EL1', 1 << 4)
    set('ICC_EOIR1_EL1', 40)
    expect([get('ICC_AP0R0_EL1'), get('ICC_AP1R0_EL1')]).toEqual([1 << 4, 1 << 4])
    set('ICC_EOIR0_EL1', 40)
    expect([get('ICC_AP0R0_EL1'), get('ICC_AP1R0_EL1'), get('ICC_RPR_EL1')]).toEqual([0, 1 << 4, 0x20])
  })

  test('EOImode 1: EOIR drops the priority, DIR deactivates; with EOImode 0 DIR does nothing', () => {
    const { pe, distributor, get, set } = ready3()
    set('ICC_CTLR_EL1', 2)
    distributor.setSpiLevel(33, true)
    expect(get('ICC_IAR1_EL1')).toBe(33)
    set('ICC_EOIR1_EL1', 33)
    expect([get('ICC_RPR_EL1'), distributor.isActive(0, 33), pe.irqLine()]).toEqual([0xff, true, false])
    set('ICC_CTLR_EL1', 0)
    set('ICC_DIR_EL1', 33)
    expect(distributor.isActive(0, 33)).toBe(true)
    set('ICC_CTLR_EL1', 2)
    set('ICC_DIR_EL1', 1023)
    set('ICC_DIR_EL1', 33)
    expect([distributor.isActive(0, 33), pe.irqLine()]).toEqual([false, true])
  })

  test('preemption goes by group priority, the mask by the whole priority', () => {
    const { pe, distributor, get, set } = ready3()
    distributor.setSpiLevel(36, true) // 0xa0
    expect(get('ICC_IAR1_EL1')).toBe(36)
    distributor.setSpiLevel(33, true) // 0x88
    expect(pe.irqLine()).toBe(true)
    set('ICC_BPR1_EL1', 7) // group priority is bit 7 alone: 0x80 for both
    expect([pe.irqLine(), get('ICC_IAR1_EL1'), get('ICC_HPPIR1_EL1')]).toEqual([false, SPURIOUS, 33])
    set('ICC_BPR1_EL1', 3)
    set('ICC_PMR_EL1', 0x88)
    expect(pe.irqLine()).toBe(false)
    set('ICC_PMR_EL1', 0x90)
    expect([pe.irqLine(), get('ICC_IAR1_EL1'), get('ICC_RPR_EL1'), get('ICC_AP1R0_EL1')]).toEqual([true, 33, 0x88, 1 << 17 | 1 << 20])
    set('ICC_EOIR1_EL1', 33)
    expect(get('ICC_RPR_EL1')).toBe(0xa0)
  })

  test('without any binary point left, an idle PE still takes interrupts, and only the first', () => {
    const { pe, distributor, get, set } = ready3()
    set('ICC_BPR0_EL1', 7)
    set('ICC_CTLR_EL1', 1)
    distributor.setSpiLevel(36, true)
    expect(get('ICC_IAR1_EL1')).toBe(36)
    expect(get('ICC_RPR_EL1')).toBe(0)
    distributor.setSpiLevel(32, true)
    expect(pe.irqLine()).toBe(false)
  })

  test('GICv3: Group 0 is FIQ; a group that is off does not hide the other', () => {
    const { pe, distributor, get, set } = ready3()
    distributor.writeDistributor(0, 0x84, 4, 0xffff_fffe)
    distributor.setSpiLevel(32, true)
    distributor.setSpiLevel(33, true)
    expect([pe.fiqLine(), pe.irqLine(), get('ICC_IAR1_EL1'), get('ICC_HPPIR0_EL1')]).toEqual([true, false, SPURIOUS, 32])
    set('ICC_IGRPEN0_EL1', 0)
    expect([pe.fiqLine(), pe.irqLine(), get('ICC_HPPIR0_EL1'), get('ICC_HPPIR1_EL1')]).toEqual([false, true, SPURIOUS, 33])
    set('ICC_IGRPEN0_EL1', 1)
    expect([get('ICC_IAR0_EL1'), get('ICC_AP0R0_EL1'), get('ICC_RPR_EL1')]).toEqual([32, 1 << 16, 0x80])
    set('ICC_EOIR0_EL1', 32)
    expect(distributor.isActive(0, 32)).toBe(false)
  })

  test('GICv2: IAR, AIAR and 1022', () => {
    const { pe, distributor, get, set } = ready2()
    distributor.writeDistributor(0, 0x84, 4, 1)
    distributor.setSpiLevel(32, true)
    expect([pe.irqLine(), pe.fiqLine(), get(0x0c), get(0x18), get(0x28)]).toEqual([true, false, 1022, 1022, 32])
    expect(get(0x20)).toBe(32)
    expect([get(0x14), get(0xd0), get(0xe0)]).toEqual([0x80, 0, 1 << 16])
    set(0x24, 32)
    expect([get(0x14), distributor.isActive(0, 32)]).toEqual([0xff, false])
    set(0x00, 7) // AckCtl
    expect(get(0x18)).toBe(32)
    expect(get(0x0c)).toBe(32)
    set(0x10, 32)
    expect(distributor.isActive(0, 32)).toBe(false)
    distributor.writeDistributor(0, 0x84, 4, 0)
    expect([get(0x20), get(0x28)]).toEqual([1023, 1023])
    set(0x00, 3 | 8) // FIQEn
    expect([pe.irqLine(), pe.fiqLine()]).toEqual([false, true])
  })

  test('GICv2: EOImode with GICC_DIR, and the CPUID of an SGI', () => {
    const { pe, distributor, get, set } = ready2()
    set(0x00, 3 | 1 << 9)
    distributor.writeDistributor(1, 0xf00, 4, 0x0001_0004)
    expect(pe.irqLine()).toBe(true)
    expect(get(0x18)).toBe(1 << 10 | 4)
    expect(get(0x0c)).toBe(1 << 10 | 4)
    set(0x10, 1 << 10 | 4)
    expect(distributor.isActive(0, 4)).toBe(true)
    set(0x1000, 1 << 10 | 4)
    expect(distributor.isActive(0, 4)).toBe(false)
  })

  test('GICv2: the first of two targets to read IAR gets the interrupt, the other reads 1023', () => {
    const { distributor, others, get } = ready2()
    distributor.writeDistributor(0, 0x820, 1, 3)
    others[1]!.writeFrame('GICC', 0x04, 4, 0xff)
    others[1]!.writeFrame('GICC', 0x00, 4, 1)
    distributor.setSpiLevel(32, true)
    expect(others.map(each => each.irqLine())).toEqual([true, true])
    expect([others[1]!.readFrame('GICC', 0x0c, 4), get(0x0c)]).toEqual([32, 1023])
    expect(others.map(each => each.irqLine())).toEqual([false, false])
  })
})

describe('GICv3 software-generated interrupts', () => {
  /** Value, the CPUs of four whose INTID 9 becomes pending when CPU 1 writes it. */
  test.each([
    ['ICC_SGI1R_EL1', 0x0900_0005n, [0, 2]], ['ICC_SGI1R_EL1', 1n << 40n | 0x0900_0000n, [0, 2, 3]], ['ICC_SGI1R_EL1', 0x0901_0001n, []], ['ICC_SGI1R_EL1', 1n << 44n | 0x0900_0001n, []],
    ['ICC_SGI1R_EL1', 1n << 32n | 0x0900_0001n, []], ['ICC_SGI1R_EL1', 1n << 48n | 0x0900_0001n, []], ['ICC_SGI1R_EL1', 0x0902_0001n, []], ['ICC_SGI1R_EL1', 0x0900_fff0n, []],
    ['ICC_SGI0R_EL1', 0x0900_0005n, [0]], ['ICC_ASGI1R_EL1', 0x0900_0005n, [0]],
  ] as const)('%s = 0x%x', (name, value, targets) => {
    const { distributor, cpuInterfaces } = createGic({ version: 3, cpus: 4 })
    distributor.writeRedistributor(2, 0x1_0080, 4, 1 << 9) // Group 1 at CPU 2 alone
    cpuInterfaces[1]!.writeRegister(name, value, false)
    expect([0, 1, 2, 3].filter(cpu => distributor.isPending(cpu, 9))).toEqual(targets)
  })

  test('Aff1 reaches CPU 16', () => {
    const { distributor, cpuInterfaces } = createGic({ version: 3, cpus: 16 })
    cpuInterfaces[0]!.writeRegister('ICC_SGI1R_EL1', 0x0900_8000n, false)
    expect(distributor.isPending(15, 9)).toBe(true)
  })
})

test('onChange is called when a line changes, and only then', () => {
  const { pe, distributor, get, set } = ready3()
  let calls = 0
  pe.onChange = () => calls++
  const during = (action: () => void): number => {
    calls = 0
    action()
    return calls
  }
  expect(during(() => distributor.setSpiLevel(34, true))).toBe(1)
  expect(during(() => distributor.setSpiLevel(35, true))).toBe(0)
  expect(during(() => get('ICC_HPPIR1_EL1'))).toBe(0)
  expect(during(() => get('ICC_IAR1_EL1'))).toBe(1)
  expect(during(() => set('ICC_EOIR1_EL1', 34))).toBe(1)
  expect(during(() => set('ICC_PMR_EL1', 0))).toBe(1)
  expect(during(() => set('ICH_HCR_EL2', 1))).toBe(0)
})

test('frames as devices: banked by the current CPU, saved once, reset', () => {
  let current = 0
  const gic = createGic({ version: 2, cpus: 2 })
  const frames = gicFrames(gic.distributor, gic.cpuInterfaces, () => current)
  expect(Object.values(frames).map(each => [each!.name, each!.sizeBytes])).toEqual([['GICD', 0x1000], ['GICC', 0x2000], ['GICH', 0x1000], ['GICV', 0x2000]])
  frames.GICC!.write(0x04, 4, 0x80)
  frames.GICV!.write(0x04, 4, 0x48)
  current = 1
  expect([frames.GICC!.read(0x04, 4), frames.GICV!.read(0x04, 4), frames.GICD!.read(0x800, 4)]).toEqual([0, 0, 0x0202_0202])
  current = 0
  const saved = JSON.parse(JSON.stringify(Object.values(frames).map(each => each!.save())))
  for (const each of Object.values(frames)) each!.reset()
  expect(frames.GICC!.read(0x04, 4)).toBe(0)
  Object.values(frames).forEach((each, index) => each!.restore(saved[index]))
  expect([frames.GICC!.read(0x04, 4), frames.GICV!.read(0x04, 4)]).toEqual([0x80, 0x48])

  const three = createGic({ version: 3, cpus: 2 })
  const frames3 = gicFrames(three.distributor, three.cpuInterfaces, () => 0)
  expect(Object.keys(frames3)).toEqual(['GICD', 'GICR'])
  expect([frames3.GICR!.sizeBytes, frames3.GICR!.read(0x2_0008, 4), frames3.GICR!.read(0x2_0008, 8)]).toEqual([0x4_0000, 0x110, 2 ** 32 + 0x110])
  expect(frames3.GICR!.write(0x3_0100, 4, 0x80)).toBe(true)
  expect(three.distributor.isEnabled(1, 7)).toBe(true)
  expect(Object.keys(gicFrames(gic.distributor, [], () => 0))).toEqual(['GICD'])
})

test('a snapshot that is not one is refused by name', () => {
  const { distributor, pe } = make({ version: 2 })
  const good = JSON.parse(JSON.stringify(pe.save())) as Record<string, Record<string, unknown>>
  for (const bad of [undefined, null, 5, {}, { ...good, sreEnable: 'x' }, { ...good, physical: { ...good['physical'], priorityMask: 1e9 } }, { ...good, virtual: { ...good['virtual'], lists: { low: [1e12], high: [] } } }]) {
    expect(() => pe.restore(bad)).toThrow('snapshot')
  }
  const state = distributor.save() as Record<string, unknown>
  for (const bad of [null, {}, { ...state, route: [1] }, { ...state, groupEnables: 4 }, { ...state, active: 'no' }, { ...state, enabled: [0.5] }]) expect(() => distributor.restore(bad)).toThrow('snapshot')
})
