import { describe, expect, test } from 'vitest'
import { EC, ecOf, parseDataAbort } from '../arch/esr.ts'
import { MODE } from '../arch/pstate.ts'
import { Program, run } from './program.test-support.ts'

const TABLE = 0x4020_0000, STAGE1 = 0x4020_2000
const HCR = (1n << 31n) | (3n << 40n) | 1n
/** 4 KiB granule, 40-bit IPA, level 1 with 2 concatenated tables: T0SZ 24, SL0 1, PS 40 bits. */
const VTCR = 24n | (1n << 6n) | (2n << 16n) | (1n << 31n)
const S2_BLOCK = 0x1n | (1n << 10n) | (3n << 6n) | (0xfn << 2n) | (3n << 8n)
const S2_DEVICE_READ_ONLY = 0x1n | (1n << 10n) | (1n << 6n) | (1n << 2n)

/** Stage 2: IPA 1 GiB to itself as Normal memory, the device gigabyte below read-only, everything else unmapped. Guest at EL1 with stage 1 off. */
function guest(body: (p: Program) => void, stage1 = false): Program {
  const p = new Program().setLabel('VBAR_EL2', 'vectors').set('HCR_EL2', HCR).set('VTCR_EL2', VTCR).set('VTTBR_EL2', BigInt(TABLE) | (5n << 48n))
  p.mov(1, TABLE).mov(2, S2_DEVICE_READ_ONLY).str(2, 1, 0).mov(2, 0x4000_0000n | S2_BLOCK).str(2, 1, 8)
  if (stage1) {
    // VA 1 GiB to IPA 1 GiB through a level 1 block; VA 0 through a level 2 table at an IPA that stage 2 does not map.
    p.mov(1, STAGE1).mov(2, 0x4000_0000n | (1n << 10n) | 1n | (1n << 54n)).str(2, 1, 8).mov(2, 0x2_0000_0000n | 3n).str(2, 1, 0)
    p.set('TTBR0_EL1', STAGE1).set('TCR_EL1', 25n | (1n << 23n) | (2n << 32n)).set('MAIR_EL1', 0xff).set('SCTLR_EL1', 1)
  }
  p.sys('TLBI VMALLS12E1').insn('ISB', { CRm: 15 }).enter('guest', MODE.EL1h | 0x3c0, 2).label('guest')
  body(p)
  p.hvc(0x7fff).vectors(0x1000, 'vectors', { 0x400: 'trap' })
  return p.label('trap').mrs(20, 'ESR_EL2').mrs(21, 'ELR_EL2').mrs(22, 'FAR_EL2').mrs(23, 'HPFAR_EL2').off('smc')
}
const go = (p: Program) => {
  const { x, outcome } = run(p, { el2: true, profile: 'v8.0' })
  expect(outcome.kind).toBe('off')
  return { ec: ecOf(Number(x(20))), abort: parseDataAbort(Number(x(20)) & 0x1ff_ffff), elr: x(21), far: x(22), hpfar: x(23), x }
}

describe('stage 2 aborts', () => {
  test('a store to a read-only device page: syndrome of the instruction, FAR, HPFAR', () => {
    const p = guest(q => q.mov(1, 0x0900_0018).mov(5, 0xab).label('store').insn('STRH (immediate, unsigned offset)', { Rn: 1, Rt: 5 }))
    const { ec, abort, elr, far, hpfar } = go(p)
    expect(ec).toBe(EC.DataAbortLower)
    expect(abort).toMatchObject({ dfsc: 0x0d, write: true, s1ptw: false, isv: { sas: 1, sse: false, srt: 5, sf: false, ar: false } })
    expect([far, hpfar]).toEqual([0x0900_0018n, 0x0900_0000n >> 8n])
    expect(elr).toBe(p.addressOf('store'))
  })

  test.each<[string, string, Record<string, number>, object]>([
    ['LDRSB W', 'LDRSB (immediate, unsigned offset)', { opc0: 1, Rn: 1, Rt: 3 }, { sas: 0, sse: true, srt: 3, sf: false, ar: false }],
    ['LDRSW', 'LDRSW (immediate, unsigned offset)', { Rn: 1, Rt: 4 }, { sas: 2, sse: true, srt: 4, sf: true, ar: false }],
    ['LDR X', 'LDR (immediate, unsigned offset)', { sf: 1, Rn: 1, Rt: 6 }, { sas: 3, sse: false, srt: 6, sf: true, ar: false }],
    ['LDR W to WZR', 'LDR (immediate, unsigned offset)', { sf: 0, Rn: 1, Rt: 31 }, { sas: 2, sse: false, srt: 31, sf: false, ar: false }],
  ])('%s from an unmapped IPA', (_name, row, fields, isv) => {
    const { abort, hpfar } = go(guest(q => q.mov(1, 0x8000_0000).insn(row, fields)))
    expect(abort).toMatchObject({ dfsc: 0x05, write: false, isv })
    expect(hpfar).toBe(0x8000_0000n >> 8n)
  })

  test.each<[string, string, Record<string, number>]>([
    ['a pair', 'LDP (signed offset)', { sf: 1, Rn: 1, Rt: 2, Rt2: 3 }],
    ['writeback', 'LDR (immediate, post-index)', { sf: 1, imm9: 8, Rn: 1, Rt: 2 }],
  ])('no instruction syndrome for %s', (_name, row, fields) => {
    const { abort, x } = go(guest(q => q.mov(1, 0x8000_0000).mov(2, 0x77).insn(row, fields)))
    expect(abort.isv).toBeUndefined()
    // Nothing of the instruction has happened.
    expect([x(1), x(2)]).toEqual([0x8000_0000n, 0x77n])
  })

  test('an instruction fetch', () => {
    const { ec, far, hpfar } = go(guest(q => q.mov(1, 0x8000_0040).insn('BR', { Rn: 1 })))
    expect(ec).toBe(EC.InstructionAbortLower)
    expect([far, hpfar]).toEqual([0x8000_0040n, 0x8000_0000n >> 8n])
  })

  test('a stage 1 table that stage 2 does not map: S1PTW, FAR is the VA and HPFAR the table', () => {
    const { ec, abort, far, hpfar } = go(guest(q => q.mov(1, 0x1234).insn('LDRB (immediate, unsigned offset)', { Rn: 1, Rt: 2 }), true))
    expect(ec).toBe(EC.DataAbortLower)
    expect(abort).toMatchObject({ s1ptw: true, write: false })
    expect(abort.isv).toBeUndefined()
    expect([far, hpfar]).toEqual([0x1234n, 0x2_0000_0000n >> 8n])
  })

  test('a mapped page works, TLBI by IPA makes a changed mapping visible', () => {
    // The guest asks by HVC #1 for its memory to be unmapped; EL2 does so, invalidates and returns.
    const p = new Program().setLabel('VBAR_EL2', 'vectors').set('HCR_EL2', HCR).set('VTCR_EL2', VTCR).set('VTTBR_EL2', TABLE)
    p.mov(1, TABLE).mov(2, 0x4000_0000n | S2_BLOCK).str(2, 1, 8).mov(2, 0x4000_0000n | S2_BLOCK).str(2, 1, 16)
    p.enter('guest', MODE.EL1h | 0x3c0, 2).label('guest')
    p.mov(1, 0x8030_0000).mov(2, 0x55).str(2, 1).mov(3, 0x4030_0000).ldr(4, 3).hvc(1).ldr(5, 1).hvc(2)
    p.vectors(0x1000, 'vectors', { 0x400: 'trap' }).label('trap').mrs(20, 'ESR_EL2').mrs(23, 'HPFAR_EL2').insn('ANDS (immediate)', { sf: 1, N: 1, immr: 0, imms: 0, Rn: 20, Rd: 21 })
    p.cbz(21, 'end').mov(6, TABLE).str(31, 6, 16).mov(7, 0x8_0300).sys('TLBI IPAS2E1IS', 7).eret().label('end').off('smc')
    const { x } = run(p, { el2: true, profile: 'v8.0' })
    expect(x(4)).toBe(0x55n)
    expect(ecOf(Number(x(20)))).toBe(EC.DataAbortLower)
    expect(x(23)).toBe(0x8030_0000n >> 8n)
  })

  test('AT S12E1R reports the translation of both stages in PAR_EL1', () => {
    const p = new Program().set('HCR_EL2', HCR).set('VTCR_EL2', VTCR).set('VTTBR_EL2', TABLE).mov(1, TABLE).mov(2, 0x4000_0000n | S2_BLOCK).str(2, 1, 16)
    p.mov(3, 0x8012_3456).sys('AT S12E1R', 3).mrs(4, 'PAR_EL1').mov(3, 0xc000_0000).sys('AT S12E1R', 3).mrs(5, 'PAR_EL1').off('smc')
    const { x } = run(p, { el2: true, profile: 'v8.0' })
    expect(x(4) & 0xffff_ffff_f001n).toBe(0x4012_3000n)
    expect(x(5) & 1n).toBe(1n)
    // Stage 2, translation fault, level 1.
    expect((x(5) >> 1n) & 0x3fn).toBe(5n)
    expect((x(5) >> 9n) & 1n).toBe(1n)
  })
})

