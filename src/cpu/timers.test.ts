import { describe, expect, test } from 'vitest'
import type { Feature } from '../arch/features.ts'
import { PPI } from '../arch/gic.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import { SLOT, SLOTS } from '../sysreg/index.ts'
import { Timers } from './timers.ts'

function timers(features: readonly Feature[] = [], el2 = true) {
  const file = createRegisterFile(SLOTS), lines = new Map<number, boolean>()
  return { file, lines, t: new Timers(file, new Set(features), el2, (intid, level) => { lines.set(intid, level) }) }
}

describe('a timer', () => {
  test('waits for its compare value, raises its line then, and lowers it when it is moved on', () => {
    const { t, lines } = timers()
    t.writeCompare('CNTP', 1000n)
    t.writeControl('CNTP', 1n)
    t.update(10)
    expect([t.deadline, lines.get(PPI.physicalTimer)]).toEqual([1000, undefined])
    t.update(999)
    expect(lines.get(PPI.physicalTimer)).toBeUndefined()
    t.update(1000)
    expect(lines.get(PPI.physicalTimer)).toBe(true)
    t.writeTimerValue('CNTP', 50n, 1000)
    t.update(1000)
    expect([t.deadline, lines.get(PPI.physicalTimer)]).toEqual([1050, false])
  })

  test('ISTATUS shows the condition while the interrupt is masked, and nothing while the timer is off', () => {
    const { t, lines } = timers()
    t.writeCompare('CNTV', 5n)
    t.writeControl('CNTV', 3n)
    t.update(9)
    expect([t.readControl('CNTV', 9), lines.get(PPI.virtualTimer), t.deadline]).toEqual([7n, undefined, Infinity])
    t.writeControl('CNTV', 0n)
    expect(t.readControl('CNTV', 9)).toBe(0n)
  })

  test('TimerValue is signed and 32 bits wide', () => {
    const { t } = timers()
    t.writeTimerValue('CNTHP', 0xffff_ffffn, 100)
    expect(t.compare('CNTHP')).toBe(99n)
    expect(t.readTimerValue('CNTHP', 100)).toBe(0xffff_ffffn)
  })

  test('CNTVOFF_EL2 delays the virtual timer, and does nothing without EL2', () => {
    for (const [el2, deadline] of [[true, 1500], [false, 500]] as const) {
      const { t, file } = timers([], el2)
      file.u64[SLOT.CNTVOFF_EL2] = 1000n
      t.writeCompare('CNTV', 500n)
      t.writeControl('CNTV', 1n)
      t.update(200)
      // With the offset the virtual count is far above 500 (it is negative): the condition holds until it wraps to zero.
      expect(t.deadline).toBe(el2 ? 1000 : deadline)
      if (el2) {
        t.update(1000)
        expect(t.deadline).toBe(1500)
      }
    }
  })

  test('CNTPOFF_EL2 counts only with FEAT_ECV and CNTHCTL_EL2.ECV, and not for a host', () => {
    const { t, file } = timers(['FEAT_ECV', 'FEAT_VHE'])
    file.u64[SLOT.CNTPOFF_EL2] = 30n
    expect(t.physicalOffset()).toBe(0n)
    file.u64[SLOT.CNTHCTL_EL2] = 1n << 12n
    expect(t.physicalOffset()).toBe(30n)
    file.u64[SLOT.HCR_EL2] = (1n << 34n) | (1n << 27n)
    expect(t.physicalOffset()).toBe(0n)
  })

  test('lines survive saving', () => {
    const { t, lines } = timers()
    t.writeControl('CNTHV', 1n)
    t.update(1)
    expect(lines.get(PPI.hypVirtualTimer)).toBe(true)
    const other = timers()
    other.t.restoreState(t.saveState(), 'timers')
    expect(other.t.saveState()).toEqual(t.saveState())
    // The line is up already: nothing is said of it.
    other.t.writeControl('CNTHV', 1n)
    other.t.update(1)
    expect(other.lines.size).toBe(0)
  })
})
