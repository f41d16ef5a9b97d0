import { describe, expect, test } from 'vitest'
import { EC, ecOf, syndrome } from '../../arch/esr.ts'
import { disassemble } from '../../isa/disassemble.ts'
import { encode } from '../../isa/encode.ts'
import { ROWS, rowByName } from '../../sysreg/index.ts'
import { classifier } from './classify.ts'
import { immediateOf, standinOf, standinOfSyndrome, trappedSyndrome } from './encoding.ts'
import { rewrite } from './rewrite.ts'

const ERET = 0xd69f03e0
const keyed = (name: string) => rowByName(name)!.key
const mrs = (name: string, Rt = 3): number => (0xd520_0000 | (keyed(name) << 5) | Rt) >>> 0
const msr = (name: string, Rt = 3): number => (0xd500_0000 | (keyed(name) << 5) | Rt) >>> 0

describe('the immediate of an hvc', () => {
  test('is a bijection on what it can stand for, and class 0 stays genuine', () => {
    let seen = 0
    for (let imm16 = 0; imm16 < 0x1_0000; imm16++) {
      const standin = standinOf(imm16)
      if (imm16 < 0x2000) expect(standin).toBeUndefined()
      if (standin === undefined) continue
      seen++
      expect(immediateOf(standin)).toBe(imm16)
      const trapped = trappedSyndrome(syndrome.hvc(imm16))!
      expect(standinOfSyndrome(trapped)).toEqual(standin)
    }
    expect(seen).toBeGreaterThan(32 * 100)
  })

  test('every register that exists from EL2 on has one', () => {
    for (const row of ROWS) {
      if (row.kind !== 'register' || row.minimumEL !== 2 || row.viewOf !== undefined || row.slot < 0) continue
      expect(immediateOf({ kind: 'register', key: row.key, Rt: 0, read: true }), row.name).toBeDefined()
    }
  })

  test('a genuine hvc and other classes are left alone', () => {
    expect(trappedSyndrome(syndrome.hvc(0))).toBeUndefined()
    expect(trappedSyndrome(syndrome.svc(0x6000))).toBeUndefined()
    expect(ecOf(trappedSyndrome(syndrome.hvc(0x6000))!)).toBe(EC.ERET)
  })
})

describe('classification', () => {
  const nvhe = classifier({ form: 'nv', guest: 'nvhe', gic: 2 }), vhe = classifier({ form: 'nv', guest: 'vhe', gic: 2 })
  const neve = classifier({ form: 'neve', guest: 'nvhe', gic: 2 }), neveVhe = classifier({ form: 'neve', guest: 'vhe', gic: 2 })
  const kinds = (word: number) => [nvhe, vhe, neve, neveVhe].map(classify => classify(word).kind)

  test.each([
    ['ERET', ERET, ['hvc', 'hvc', 'hvc', 'hvc']],
    ['mrs HCR_EL2', mrs('HCR_EL2'), ['hvc', 'hvc', 'load', 'load']],
    ['msr VTTBR_EL2', msr('VTTBR_EL2'), ['hvc', 'hvc', 'store', 'store']],
    ['mrs CPTR_EL2: cached copy', mrs('CPTR_EL2'), ['hvc', 'hvc', 'load', 'load']],
    ['msr CPTR_EL2: writes trap', msr('CPTR_EL2'), ['hvc', 'hvc', 'hvc', 'hvc']],
    ['mrs ESR_EL2: redirected', mrs('ESR_EL2'), ['hvc', 'hvc', 'redirect', 'redirect']],
    ['msr ELR_EL1: NV1', msr('ELR_EL1'), ['hvc', 'keep', 'store', 'keep']],
    ['msr SCTLR_EL1: TVM traps it on v8.0 as well', msr('SCTLR_EL1'), ['keep', 'keep', 'store', 'keep']],
    ['msr SCTLR_EL12', msr('SCTLR_EL12'), ['hvc', 'hvc', 'hvc', 'store']],
    ['mrs CurrentEL', mrs('CurrentEL'), ['constant', 'constant', 'constant', 'constant']],
    ['mrs TPIDR_EL1', mrs('TPIDR_EL1'), ['keep', 'keep', 'keep', 'keep']],
    ['ADD', encode('ADD (immediate)', { sf: 1, imm12: 1, Rn: 0, Rd: 0 }), ['keep', 'keep', 'keep', 'keep']],
  ] as const)('%s', (_, word, expected) => { expect(kinds(word)).toEqual(expected) })
})

describe('rewriting', () => {
  const base = 0x4020_0000
  const image = (words: readonly number[], size = 0x4000): Uint8Array => {
    const bytes = new Uint8Array(size), view = new DataView(bytes.buffer)
    words.forEach((word, i) => view.setUint32(4 * i, word, true))
    return bytes
  }
  const text = [mrs('HCR_EL2', 5), msr('VTTBR_EL2', 16), msr('TPIDR_EL2', 31), mrs('ESR_EL2'), ERET, encode('NOP'), msr('HCR_EL2', 1)]
  const spare = { text: { start: base + 0x1000, end: base + 0x1100 }, page: base + 0x2000 }
  const request = {
    imitation: { form: 'neve', guest: 'nvhe', gic: 2 }, image: image(text), base, executable: [{ start: base, end: base + 4 * text.length }],
    withoutStack: [{ start: base + 24, end: base + 28 }], spare,
  } as const
  const at = (result: ReturnType<typeof rewrite>, address: number) => disassemble(result.words.get(address) ?? 0)

  test('NEVE form: literal loads, trampolines that spill below SP, redirection, hvc where neither works', () => {
    const result = rewrite(request)
    expect(result.report).toMatchObject({ literal: 1, trampoline: 2, redirect: 1, hvc: 2, constant: 0 })
    expect(result.report.left).toEqual([{ address: base + 24, reason: 'no stack yet' }])
    expect(at(result, base)).toMatch(/^ldr x5, /i)
    expect([0, 4, 8, 12].map(i => at(result, base + 0x1000 + i)).join('; ')).toMatch(/str x17, \[sp, #-16\]!; adrp x17, .*; str x16, \[x17, #32\]; ldr x17, \[sp\], #16/i)
    expect(result.words.get(base + 20)).toBeUndefined()
    expect(result.plan.trampolinePages).toEqual([base + 0x1000])
  })

  test('NV form: only hvc, and no spare room is needed', () => {
    const result = rewrite({ ...request, imitation: { form: 'nv', guest: 'nvhe', gic: 2 }, spare: undefined })
    expect(result.report).toMatchObject({ hvc: 6, literal: 0, trampoline: 0, left: [] })
    expect(result.registerPage).toBeUndefined()
  })
})
