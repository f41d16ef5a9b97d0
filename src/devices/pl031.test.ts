import { expect, test } from 'vitest'
import { DEFAULT_EPOCH, Pl031 } from './pl031.ts'

const DR = 0x00, MR = 0x04, LR = 0x08, CR = 0x0c, IMSC = 0x10, RIS = 0x14, MIS = 0x18, ICR = 0x1c
const SECOND = 1e9

function clock(epochSeconds?: number): { rtc: Pl031, at: (nanoseconds: number) => void, level: () => boolean, get: (offset: number) => number, set: (offset: number, value: number) => void } {
  let now = 0, level = false
  const rtc = new Pl031({ irq: on => { level = on }, nanoseconds: () => now, ...(epochSeconds === undefined ? {} : { epochSeconds }) })
  return { rtc, at: nanoseconds => { now = nanoseconds }, level: () => level, get: offset => rtc.read(offset, 4)!, set: (offset, value) => { expect(rtc.write(offset, 4, value)).toBe(true) } }
}

test('the epoch is 2026-01-01', () => expect(new Date(DEFAULT_EPOCH * 1000).toISOString()).toBe('2026-01-01T00:00:00.000Z'))

test('RTCDR counts seconds of virtual time from the epoch or from RTCLR', () => {
  const { at, get, set } = clock(1000)
  expect(get(DR)).toBe(1000)
  at(2.9 * SECOND)
  expect(get(DR)).toBe(1002)
  set(LR, 0xffff_ffff)
  expect([get(DR), get(LR)]).toEqual([0xffff_ffff, 0xffff_ffff])
  at(3 * SECOND)
  expect(get(DR)).toBe(0)
})

test('the alarm', () => {
  const { rtc, at, level, get, set } = clock(1000)
  set(MR, 1005)
  expect(rtc.alarmAt()).toBeUndefined() // masked
  set(IMSC, 1)
  expect(rtc.alarmAt()).toBe(5 * SECOND)
  at(4.999 * SECOND)
  rtc.poll()
  expect(level()).toBe(false)
  at(5 * SECOND)
  rtc.poll()
  expect([level(), get(RIS), get(MIS), rtc.alarmAt()]).toEqual([true, 1, 1, undefined])
  set(IMSC, 0)
  expect([level(), get(RIS), get(MIS)]).toEqual([false, 1, 0])
  set(IMSC, 1)
  set(ICR, 1)
  expect([level(), get(RIS)]).toEqual([false, 0])
  set(MR, 1005) // now
  expect(level()).toBe(true)
})

test('a match in the past comes round after 2^32 seconds', () => {
  const { rtc, set } = clock(1000)
  set(IMSC, 1)
  set(MR, 999)
  expect(rtc.alarmAt()).toBe((2 ** 32 - 1) * SECOND)
})

test('identification, sizes, unknown offsets', () => {
  const { rtc, get } = clock()
  expect([0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map(get)).toEqual([0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1])
  expect([get(CR), get(ICR), rtc.write(CR, 4, 0), rtc.write(0xfe0, 4, 0)]).toEqual([1, 0, true, true])
  expect([rtc.read(DR, 8), rtc.read(0x20, 4), rtc.read(0x02, 4), rtc.write(MR, 8, 0), rtc.write(0x1000, 4, 0)]).toEqual([undefined, undefined, undefined, false, false])
  // Read-only registers ignore writes of any size.
  const before = [DR, RIS, MIS, 0xfe0].map(get)
  expect([DR, RIS, MIS, 0xfe0].flatMap(offset => ([1, 2, 4] as const).map(size => rtc.write(offset, size, 0xdead_beef))).every(Boolean)).toBe(true)
  expect([DR, RIS, MIS, 0xfe0].map(get)).toEqual(before)
})

test('save, reset, restore', () => {
  const { rtc, at, level, get, set } = clock(1000)
  set(LR, 5000)
  set(MR, 5002)
  set(IMSC, 1)
  const saved = JSON.parse(JSON.stringify(rtc.save()))
  at(2 * SECOND)
  rtc.poll()
  rtc.reset()
  expect([level(), get(DR), get(IMSC)]).toEqual([false, 1002, 0])
  rtc.restore(saved)
  expect(level()).toBe(false) // saved before the alarm; time has gone on
  expect([get(DR), get(MR), get(RIS), level()]).toEqual([5002, 5002, 1, true])
  for (const bad of [null, {}, { ...saved, match: -1 }, { ...saved, due: 'x' }]) expect(() => rtc.restore(bad)).toThrow('snapshot')
})
