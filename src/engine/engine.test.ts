import { describe, expect, it } from 'vitest'
import { encode } from '../isa/encode.ts'
import { factsOf } from '../isa/operands.ts'
import { VARIANTS } from '../isa/table.ts'
import { compareWithOracle } from './testing/compare.ts'
import { createFlat } from './testing/flat.ts'
import type { Flat, FlatOptions, Request } from './testing/flat.ts'

const COUNT = Number(process.env['NIDUS_FUZZ_COUNT'] ?? 20_000)
const BASE = 0x4000_0000

/** A machine with `program` at BASE; requests are collected, exceptions end the run. */
function machineWith(program: readonly number[], options: Partial<FlatOptions> = {}): Flat & { readonly requests: Request[] } {
  const flat = createFlat({ ramSize: 0x10_0000, codePages: 4, ...options })
  const requests: Request[] = []
  flat.onRequest = request => {
    requests.push(request)
    if (request.kind === 'exception') flat.engine.limit(0)
    else if (request.kind !== 'system') flat.engine.state.redirect(flat.engine.state.pc + 4n)
  }
  program.forEach((word, i) => flat.engine.ram.write32(BASE + 4 * i, word))
  flat.engine.state.pc = BigInt(BASE)
  return Object.assign(flat, { requests })
}

const movz = (Rd: number, imm16: number): number => encode('MOVZ', { sf: 1, Rd, imm16 })
const addImmediate = (Rd: number, Rn: number, imm12: number): number => encode('ADD (immediate)', { sf: 1, Rd, Rn, imm12 })
const branch = (instructions: number): number => encode('B', { imm26: instructions & 0x3ff_ffff })
const svc = encode('SVC', {})
const str = (Rt: number, Rn: number, offset = 0): number => encode('STR (immediate, unsigned offset)', { sf: 1, Rt, Rn, imm12: offset / 8 })
const ldr = (Rt: number, Rn: number, offset = 0): number => encode('LDR (immediate, unsigned offset)', { sf: 1, Rt, Rn, imm12: offset / 8 })
const movkHigh = (Rd: number): number => encode('MOVK', { sf: 1, hw: 1, imm16: BASE >>> 16, Rd })

describe('against the oracle', () => {
  it.each([[true, false], [false, false], [true, true]])('random programs (exact %s, slow %s)', (exact, slow) => {
    const result = compareWithOracle({ count: COUNT, seed: 11, exact, slow })
    expect(result.differences).toEqual([])
  })
  it('random programs, translated', () => {
    const result = compareWithOracle({ count: COUNT, seed: 12, exact: false, slow: false, translate: true })
    expect(result.differences).toEqual([])
    expect(result.regions).toBeGreaterThan(10)
  })
  it('bodies use the field cond for nothing but the condition', () => {
    // The interpreter has one handler for all conditions.
    for (const variant of VARIANTS) if ('cond' in variant.statics) expect(factsOf(variant).readsFlags || variant.statics['cond']! >= 14).toBe(true)
  })
})

describe.each([[false], [true]])('translated: %s', translate => {
  const machine = (program: readonly number[], options: Partial<FlatOptions> = {}): ReturnType<typeof machineWith> => machineWith(program, { translate, translateAfter: 1, ...options })

  describe('counting', () => {
    it('is exact in callbacks and after the run', () => {
      const m = machine([movz(0, 1), branch(2), movz(0, 2), movz(1, 3), svc, branch(0)])
      let seen = -1
      m.onRequest = () => {
        seen = m.engine.instructions(0)
        m.engine.limit(0)
      }
      expect(m.engine.run(1000)).toBe(4)
      expect(seen).toBe(3)
      expect(m.engine.state.pc).toBe(BigInt(BASE + 20))
    })
    it('ends at the first taken branch after the budget; exactly when exact', () => {
      const program = [addImmediate(0, 0, 1), addImmediate(0, 0, 1), addImmediate(0, 0, 1), branch(-3)]
      expect(machine(program).engine.run(5)).toBe(8)
      const exact = machine(program, { exact: true })
      expect(exact.engine.run(5)).toBe(5)
      expect(exact.engine.state.x(0)).toBe(4n)
      expect(exact.engine.state.pc).toBe(BigInt(BASE + 4))
      const stepped = machine(program)
      stepped.engine.step()
      expect([stepped.engine.instructions(0), stepped.engine.state.x(0)]).toEqual([1, 1n])
    })
    it('runs on through slices, and `limit` cuts what lies beyond the slice', () => {
      const m = machine([encode('MRS', { Rt: 3 }), addImmediate(0, 0, 1), branch(-2)])
      expect(m.engine.run(600_000)).toBe(600_000)
      m.onRequest = () => { m.engine.limit(10) }
      // The access itself, and 10 more up to the next branch.
      m.onRequest = () => { if (m.engine.left > 10) m.engine.limit(10) }
      expect(m.engine.run(600_000)).toBe(12)
    })
    it('counts an abandoned instruction once', () => {
      const m = machine([encode('UDF', {}), movz(0, 5), svc])
      expect(m.engine.run(100)).toBe(3)
      expect(m.requests.map(r => r.kind)).toEqual(['undefined', 'exception'])
    })
  })

  describe('code pages', () => {
    it('run over the end of a page', () => {
      const m = machine([])
      for (let i = 0; i < 1030; i++) m.engine.ram.write32(BASE + 4 * i, i === 1029 ? svc : addImmediate(0, 0, 1))
      expect(m.engine.run(5000)).toBe(1030)
      expect(m.engine.state.x(0)).toBe(1029n)
    })
    it('see stores into code, also into the page that runs', () => {
      // Overwrites the instruction at 24 (adds 1) with one that adds 2, after it has run once.
      const m = machine([movz(1, 24), movkHigh(1), ldr(2, 3), movz(5, 0), branch(2), str(2, 1), addImmediate(0, 0, 1), encode('CBNZ', { sf: 1, Rt: 5, imm19: 3 }), movz(5, 1), branch(-4), svc])
      m.engine.state.setX(3, BigInt(BASE + 0x2000))
      m.engine.ram.write32(BASE + 0x2000, addImmediate(0, 0, 2))
      m.engine.ram.write32(BASE + 0x2004, encode('CBNZ', { sf: 1, Rt: 5, imm19: 3 }))
      m.engine.run(1000)
      expect(m.engine.state.x(0)).toBe(3n)
    })
    it('are dropped when data is written over them, and the page becomes writable again', () => {
      const m = machine([movz(0, 7), svc])
      m.engine.run(10)
      const loop = BASE + 0x8000
      const words = [str(2, 1), addImmediate(1, 1, 8), encode('SUBS (immediate)', { sf: 1, Rd: 3, Rn: 3, imm12: 1 }), encode('B.cond', { cond: 1, imm19: -3 & 0x7_ffff }), svc]
      words.forEach((word, i) => m.engine.ram.write32(loop + 4 * i, word))
      m.engine.state.setX(1, BigInt(BASE))
      m.engine.state.setX(3, 512n)
      m.engine.state.pc = BigInt(loop)
      m.engine.run(10_000)
      expect(m.engine.ram.read64(BASE + 4088)).toBe(0n)
      m.engine.ram.write32(BASE, movz(0, 9))
      m.engine.ram.write32(BASE + 4, svc)
      m.engine.state.pc = BigInt(BASE)
      m.engine.run(10)
      expect(m.engine.state.x(0)).toBe(9n)
    })
    it('are evicted when there are too many', () => {
      const m = machine([])
      // 40 pages that jump to the next one, with room for 4.
      for (let i = 0; i < 40; i++) {
        m.engine.ram.write32(BASE + i * 4096, addImmediate(0, 0, 1))
        m.engine.ram.write32(BASE + i * 4096 + 4, i === 39 ? svc : branch(1023))
      }
      for (let round = 1; round <= 3; round++) {
        m.engine.state.pc = BigInt(BASE)
        m.engine.run(1000)
        expect(m.engine.state.x(0)).toBe(BigInt(40 * round))
      }
    })
  })

  describe('the CPU is asked', () => {
    it('for pages it does not know, with the halves of the address', () => {
      const m = machine([encode('LDR (immediate, unsigned offset)', { sf: 1, Rt: 0, Rn: 1 }), svc])
      m.engine.state.setX(1, 0xffff_8000_dead_bee8n)
      m.engine.run(10)
      expect(m.requests[0]).toMatchObject({ kind: 'fault', address: 0xffff_8000_dead_bee8n, write: false, size: 8 })
    })
    it('about SIMD&FP while it is trapped', () => {
      const m = machine([0x3dc0_0020 /* LDR Q0, [X1] */, svc])
      m.engine.state.fpTrap = true
      m.engine.run(10)
      expect(m.requests[0]).toEqual({ kind: 'fpAccess' })
    })
    it('about a misaligned SP only while that is checked', () => {
      const program = [ldr(0, 31), svc]
      for (const check of [false, true]) {
        const m = machine(program)
        m.engine.state.sp = BigInt(BASE + 0x1008)
        m.engine.ram.write64(BASE + 0x1008, 77n)
        m.engine.state.spAlignmentCheck = check
        m.engine.run(10)
        expect(m.requests.map(r => r.kind)).toEqual(check ? ['spAlignment', 'exception'] : ['exception'])
        expect(m.engine.state.x(0)).toBe(check ? 0n : 77n)
      }
    })
    it('about barriers only when it wants', () => {
      for (const barriers of [false, true]) {
        const m = machine([encode('DSB', { CRm: 15 }), encode('ISB', { CRm: 15 }), svc], { barriers })
        m.onRequest = request => {
          m.requests.push(request)
          if (request.kind === 'exception') m.engine.limit(0)
        }
        expect(m.engine.run(10)).toBe(3)
        expect(m.requests.length).toBe(barriers ? 3 : 1)
      }
    })
  })

  describe('exclusives', () => {
    const ldxr = encode('LDXR', { sf: 1, Rn: 1, Rt: 2 }), stxr = encode('STXR', { sf: 1, Rn: 1, Rt: 3, Rs: 4 })
    it.each([[false, 0n], [true, 1n]])('fail when another observer has written (%s)', (intrude, status) => {
      const m = machine([ldxr, encode('MRS', { Rt: 9 }), stxr, svc])
      m.engine.state.setX(1, BigInt(BASE + 0x1000))
      m.engine.state.setX(3, 5n)
      m.onRequest = request => {
        if (request.kind === 'exception') m.engine.limit(0)
        else if (intrude) m.engine.ram.write64(BASE + 0x1000, 99n)
      }
      m.engine.run(10)
      expect(m.engine.state.x(4)).toBe(status)
      expect(m.engine.ram.read64(BASE + 0x1000)).toBe(intrude ? 99n : 5n)
    })
  })

  describe('state', () => {
    it('is saved and restored, dirty pages are listed', () => {
      const m = machine([str(2, 1), addImmediate(1, 1, 8), branch(-2)])
      m.engine.state.setX(1, BigInt(BASE + 0x3000))
      m.engine.takeDirtyPages()
      m.engine.run(30)
      const saved = m.engine.savePe(0)
      expect(m.engine.takeDirtyPages()).toEqual([3])
      m.engine.run(3)
      expect(m.engine.takeDirtyPages()).toEqual([3])
      expect(m.engine.takeDirtyPages()).toEqual([])
      m.engine.restorePe(0, saved)
      const context = m.engine.tlb.context(1)
      m.engine.tlb.select(context, context, context)
      expect([m.engine.instructions(0), m.engine.state.x(1), m.engine.state.pc]).toEqual([30, BigInt(BASE + 0x3050), BigInt(BASE)])
      expect(m.engine.run(3)).toBe(3)
    })
  })
})

describe('PEs', () => {
  it('have state of their own', () => {
    const m = machineWith([addImmediate(0, 0, 1), branch(-1)])
    const context = m.engine.tlb.context(1)
    m.engine.run(10)
    m.engine.switchTo(1)
    expect(m.engine.state.x(0)).toBe(0n)
    m.engine.state.pc = BigInt(BASE)
    m.engine.tlb.select(context, context, context)
    m.engine.run(4)
    expect([m.engine.state.x(0), m.engine.instructions(0), m.engine.instructions(1)]).toEqual([2n, 10, 4])
    m.engine.switchTo(0)
    expect(m.engine.state.x(0)).toBe(5n)
  })
})
