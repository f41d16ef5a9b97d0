import { describe, expect, test } from 'vitest'
import { EC, ecOf, syndrome } from '../../arch/esr.ts'
import { disassemble } from '../../isa/disassemble.ts'
import { encode } from '../../isa/encode.ts'
import { ROWS, rowByName } from '../../sysreg/index.ts'
import { classifier } from './classify.ts'
import { immediateOf, standinOf, standinOfSyndrome, trappedSyndrome } from './encoding.ts'
import { PageRewriter } from './page-rewriter.ts'
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

describe('rewriting page by page', () => {
  const page = (words: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(4096)
    new Uint32Array(bytes.buffer).set(words)
    return bytes
  }
  const words = (bytes: Uint8Array | undefined | 'void', count: number): string[] => {
    if (!(bytes instanceof Uint8Array)) throw new Error(`no copy: ${bytes}`)
    return Array.from(new Uint32Array(bytes.slice(0, 4 * count).buffer), word => disassemble(word))
  }
  const hvc = (imm16: number): number => encode('HVC', { imm16 })
  const nv = () => new PageRewriter({ form: 'nv', guest: 'nvhe', gic: 2 })

  test('pages without anything to rewrite are not copied, and data is looked at as code is', () => {
    const rewriter = nv()
    expect(rewriter.rewrite(0, page([encode('NOP'), hvc(0), hvc(0x1fff), 0x1234_5678]))).toBeUndefined()
    expect(words(rewriter.rewrite(0, page([0, 0, ERET, 0])), 4)[2]).toMatch(/^hvc/i)
  })

  test('a page that was read and written elsewhere means the same there', () => {
    const rewriter = nv(), original = page([mrs('HCR_EL2', 5), ERET, msr('TTBR0_EL2', 1), hvc(0x2003)])
    const copy = rewriter.rewrite(0, original)
    expect(rewriter.rewrite(0x5000, copy as Uint8Array)).toBeUndefined()
    expect(rewriter.report().sites).toMatchObject({ hvc: 3, escape: 1 })
  })

  test('an hvc that L0 has not written is the guest hypervisor\'s own', () => {
    const rewriter = nv(), imm16 = immediateOf({ kind: 'eret' })!
    const [renumbered] = words(rewriter.rewrite(0, page([hvc(imm16)])), 1)
    expect(renumbered).toMatch(/#0xa000/)
    expect(rewriter.standsFor(syndrome.hvc(0xa000))).toEqual({ kind: 'hvc', syndrome: syndrome.hvc(imm16) })
    expect(rewriter.standsFor(syndrome.hvc(imm16))).toEqual({ kind: 'trap', syndrome: syndrome.eret(0) })
    expect(rewriter.standsFor(syndrome.hvc(0xbfff))).toBeUndefined()
    expect(rewriter.standsFor(syndrome.hvc(7))).toBeUndefined()
  })

  test('when all numbers are given out everything has to go, and then there are numbers again', () => {
    const rewriter = nv(), own = (n: number): Uint8Array => page(Array.from({ length: 1024 }, (_, i) => hvc(0x2000 + 1024 * n + i)))
    const answers = Array.from({ length: 9 }, (_, n) => rewriter.rewrite(4096 * n, own(n)))
    expect(answers.map(answer => answer instanceof Uint8Array)).toEqual([true, true, true, true, true, true, true, true, false])
    expect(answers[8]).toBe('void')
    expect(words(rewriter.rewrite(0, own(8)), 1)[0]).toMatch(/#0xa000/)
    expect(rewriter.standsFor(syndrome.hvc(0xa000))).toEqual({ kind: 'hvc', syndrome: syndrome.hvc(0x4000) })
  })

  test('a planned word holds as long as the image has what it was planned for; trampolines hold together', () => {
    const base = 0x4020_0000, image = new Uint8Array(0x4000)
    new Uint32Array(image.buffer).set([msr('VTTBR_EL2', 16), encode('NOP')])
    const imitation = { form: 'neve', guest: 'nvhe', gic: 2 } as const
    const { plan } = rewrite({ imitation, image, base, executable: [{ start: base, end: base + 8 }], spare: { text: { start: base + 0x1000, end: base + 0x1100 }, page: base + 0x2000 } })
    const rewriter = new PageRewriter(imitation, plan)
    expect(rewriter.companions()).toEqual([base + 0x1000])
    expect(words(rewriter.rewrite(base, image.slice(0, 4096)), 1)[0]).toMatch(/^b /i)
    expect(words(rewriter.rewrite(base + 0x1000, new Uint8Array(4096)), 1)[0]).toMatch(/^str x17/i)
    expect(words(rewriter.rewrite(base, page([mrs('HCR_EL2', 1)])), 1)[0]).toMatch(/^hvc/i)
    expect(rewriter.report().sites).toMatchObject({ hvc: 1, left: 1, trampoline: 0 })
    expect(rewriter.rewrite(base + 0x1000, page([1]))).toBe('void')
    expect(rewriter.companions()).toEqual([])
    expect(words(rewriter.rewrite(base, image.slice(0, 4096)), 1)[0]).toMatch(/^hvc/i)
  })
})
