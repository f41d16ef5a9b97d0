import { describe, expect, test } from 'vitest'
import { decodeLrV2, decodeLrV3, emptyListRegister, emptyMask, encodeLrV2, encodeLrV3, endedMask, GICH_HCR, maintenanceStatus } from './list-register.ts'
import type { ListRegister } from './list-register.ts'

const lr = (fields: Partial<ListRegister>): ListRegister => ({ ...emptyListRegister(), ...fields })

describe('list registers', () => {
  test.each([
    [lr({ state: 1, intid: 27, hw: true, physical: 27, group: 1, priority: 0xa0 }), 0xda00_6c1b],
    [lr({ state: 2, intid: 33, eoi: true, priority: 0xf8 }), 0x2f88_0021],
    [lr({ state: 3, intid: 5, source: 3 }), 0x3000_0c05],
  ])('GICH_LR %#', (fields, raw) => {
    expect(encodeLrV2(fields)).toBe(raw)
    const back = emptyListRegister()
    decodeLrV2(raw, back)
    expect(back).toEqual(fields)
  })

  test.each([
    [lr({ state: 1, intid: 27, hw: true, physical: 27, group: 1, priority: 0xa0 }), 0x70a0_001b_0000_001bn],
    [lr({ state: 2, intid: 33, eoi: true, priority: 0xff }), 0x80ff_0200_0000_0021n],
  ])('ICH_LR %#', (fields, raw) => {
    expect(encodeLrV3(fields)).toBe(raw)
    const back = emptyListRegister()
    decodeLrV3(raw, back)
    expect(back).toEqual(fields)
  })

  test('an ended interrupt that asked for maintenance is in EISR and not in ELRSR', () => {
    const lrs = [lr({ state: 0, intid: 33, eoi: true }), lr({ state: 1, intid: 34, eoi: true }), emptyListRegister()]
    expect(endedMask(lrs)).toBe(1)
    expect(emptyMask(lrs)).toBe(4)
  })

  test.each([
    ['disabled: the register says it, the interrupt does not come', GICH_HCR.UIE, 2],
    ['underflow', GICH_HCR.En | GICH_HCR.UIE, 2],
    ['no pending', GICH_HCR.En | GICH_HCR.NPIE, 8],
    ['EOI count', GICH_HCR.En | GICH_HCR.LRENPIE | 0x0800_0000, 4],
    ['group 1 enabled', GICH_HCR.En | GICH_HCR.VGrp1EIE, 0x40],
    ['group 0 disabled', GICH_HCR.En | GICH_HCR.VGrp0DIE, 0x20],
  ])('MISR: %s', (_, hcr, misr) => {
    expect(maintenanceStatus(hcr, [lr({ state: 2 }), emptyListRegister()], 0, false, true)).toBe(misr)
  })
})
