import { describe, expect, it } from 'vitest'
import { plan } from './plan.ts'
import { Recorder } from './recorder.ts'

describe('plan', () => {
  it('gives what is used once no local', () => {
    const s = new Recorder()
    s.setX('Rd', 64, s.add(64, s.X('Rn', 64), s.X('Rm', 64)))
    const { shared, before } = plan(s.recording())
    expect([shared.size, before.size]).toEqual([0, 0])
  })
  it('reads a register before it is overwritten', () => {
    const s = new Recorder()
    const old = s.X('Rn', 64)
    s.setX('Rd', 64, s.constant(64, 1))
    s.setX('Rn', 64, old)
    expect(plan(s.recording()).before.get(0)).toEqual([old])
  })
  it('reads a register after a write when the body asks for it then', () => {
    const s = new Recorder()
    s.setX('Rd', 64, s.constant(64, 1))
    s.setX('Rm', 64, s.X('Rn', 64))
    expect(plan(s.recording()).before.size).toBe(0)
  })
  it('evaluates a condition before the flags change', () => {
    const s = new Recorder()
    const holds = s.condition(0)
    s.subSettingFlags(64, s.X('Rn', 64), s.X('Rm', 64))
    s.setNZCV(s.select(32, holds, s.nzcv(), s.imm('flags', 32)))
    expect(plan(s.recording()).before.get(0)).toEqual([holds])
  })
  it('computes what a conditional body and the code after it need before the condition', () => {
    const s = new Recorder()
    const value = s.add(64, s.X('Rn', 64), s.imm('imm', 64))
    s.when(s.isZero(64, s.X('Rm', 64)), () => { s.setX('Rd', 64, value) })
    s.setX('Rt', 64, value)
    const { before, shared } = plan(s.recording())
    expect(before.get(0)).toContain(value)
    expect(shared.has(value)).toBe(true)
  })
})
