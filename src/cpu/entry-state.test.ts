import { describe, expect, test } from 'vitest'
import { DAIF_MASK, MODE, PSTATE } from '../arch/pstate.ts'
import { entryPSTATE, isIllegalReturn, reportedPSTATE, returnPSTATE, vectorOffset } from './entry-state.ts'

const controls = { el2: true, TGE: false, PANimplemented: true, UAOimplemented: true }

test.each([
  ['EL1t to EL1', MODE.EL1t, 1, 'sync', 0x000], ['EL1h to EL1', MODE.EL1h, 1, 'irq', 0x280], ['EL0 to EL1', MODE.EL0t, 1, 'fiq', 0x500],
  ['EL1h to EL2', MODE.EL1h, 2, 'serror', 0x580], ['EL2h to EL2', MODE.EL2h, 2, 'sync', 0x200], ['EL2t to EL2', MODE.EL2t, 2, 'irq', 0x080],
] as const)('vector of %s', (_text, pstate, target, type, offset) => expect(vectorOffset(pstate, target, type)).toBe(offset))

describe('exception entry', () => {
  test('masks DAIF, selects SP_ELx, keeps NZCV, clears SS, IL and UAO', () => {
    const from = PSTATE.N | PSTATE.C | PSTATE.SS | PSTATE.IL | PSTATE.UAO | MODE.EL0t
    expect(entryPSTATE(from, 1, { PANimplemented: true, SPAN: true })).toBe(PSTATE.N | PSTATE.C | DAIF_MASK | MODE.EL1h)
  })
  test('PAN is set when SCTLR_ELx.SPAN = 0 and kept when it is 1', () => {
    expect(entryPSTATE(MODE.EL0t, 1, { PANimplemented: true, SPAN: false }) & PSTATE.PAN).toBe(PSTATE.PAN)
    expect(entryPSTATE(MODE.EL0t, 1, { PANimplemented: true, SPAN: true }) & PSTATE.PAN).toBe(0)
    expect(entryPSTATE(MODE.EL1h | PSTATE.PAN, 2, { PANimplemented: true, SPAN: true }) & PSTATE.PAN).toBe(PSTATE.PAN)
    expect(entryPSTATE(MODE.EL0t, 1, { PANimplemented: false, SPAN: false })).toBe(DAIF_MASK | MODE.EL1h)
  })
  test('SPSR_EL1 reports EL2 to a guest hypervisor, for exceptions from EL1 to EL1 alone', () => {
    expect(reportedPSTATE(MODE.EL1h, 1, true)).toBe(MODE.EL2h)
    expect(reportedPSTATE(MODE.EL1t, 1, true)).toBe(MODE.EL2t)
    expect(reportedPSTATE(MODE.EL0t, 1, true)).toBe(MODE.EL0t)
    expect(reportedPSTATE(MODE.EL1h, 2, true)).toBe(MODE.EL1h)
    expect(reportedPSTATE(MODE.EL1h, 1, false)).toBe(MODE.EL1h)
  })
})

describe('exception return', () => {
  test.each([
    ['EL2 to EL1', 2, MODE.EL1h, {}, false], ['EL1 to EL2', 1, MODE.EL2h, {}, true], ['EL1 to EL0', 1, MODE.EL0t, {}, false],
    ['AArch32', 1, PSTATE.nRW, {}, true], ['M[1]', 1, 2, {}, true], ['EL0h', 1, 1, {}, true], ['EL3', 2, 0xc, {}, true],
    ['EL2 to EL1 with TGE', 2, MODE.EL1h, { TGE: true }, true], ['EL2 to EL0 with TGE', 2, MODE.EL0t, { TGE: true }, false],
    ['EL2h to EL2t', 2, MODE.EL2t, {}, false],
  ] as const)('%s', (_text, current, spsr, change, illegal) => expect(isIllegalReturn(current, spsr, { ...controls, ...change })).toBe(illegal))

  test('an illegal return keeps EL and SP, takes NZCV and DAIF, and sets IL', () => {
    expect(returnPSTATE(MODE.EL1h, PSTATE.Z | PSTATE.I | MODE.EL2h, true, controls)).toBe(PSTATE.Z | PSTATE.I | PSTATE.IL | MODE.EL1h)
  })
  test('PAN and UAO come from SPSR only where they are implemented', () => {
    const spsr = PSTATE.PAN | PSTATE.UAO | MODE.EL0t
    expect(returnPSTATE(MODE.EL1h, spsr, false, controls)).toBe(spsr)
    expect(returnPSTATE(MODE.EL1h, spsr, false, { ...controls, PANimplemented: false, UAOimplemented: false })).toBe(MODE.EL0t)
  })
})
