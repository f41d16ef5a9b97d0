/**
 * A guest hypervisor that treats its code as data, at virtual EL2 of a machine with FEAT_NV and, rewritten, of one without: it patches the
 * page it runs in and others, from virtual EL2 and from its own EL1, moves code, executes what was data, jumps into the middle of what it
 * has patched, and reads what it executes. Both must say the same.
 */
import { describe, expect, test } from 'vitest'
import { encode } from '../../src/isa/encode.ts'
import { Machine } from '../../src/machine/machine.ts'
import { rowByName } from '../../src/sysreg/index.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { Paravirtualised } from '../../src/vmm/paravirtualise.ts'
import { Assembler } from '../assembler.ts'

const key = (name: string): number => rowByName(name)!.key
const UART = 0x0900_0000n
const RW = 1n << 31n
const mrs = (name: string, rt: number): number => (0xd520_0000 | (key(name) << 5) | rt) >>> 0
const RET = 0xd65f_03c0, NOP = 0xd503_201f
const movz = (value: number): number => encode('MOVZ', { sf: 1, hw: 0, imm16: value, Rd: 0 })

/** L1 writes X0 (below 10) as a digit. */
function digit(a: Assembler): void {
  a.addImmediate(0, 0, 48)
  a.mov(1, UART)
  a.store(0, 1, 2)
}
/** X0 is the address of words that were written. */
function synchronise(a: Assembler): void {
  a.msr(key('DC CVAU'), 0)
  a.dsb()
  a.msr(key('IC IVAU'), 0)
  a.dsb()
  a.isb()
}
function storeWords(a: Assembler, label: string, words: readonly number[]): void {
  words.forEach((word, i) => {
    a.adr(0, label)
    a.mov(1, BigInt(word))
    a.store(1, 0, 2, i)
    synchronise(a)
  })
}

function image(): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(NOP, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  a.align(2048)
  a.label('vectors')
  while (a.size % 2048 !== 0x200) a.nop()
  // Synchronous, from virtual EL2 itself: the immediate of its own hvc.
  a.mrs(key('ESR_EL2'), 0)
  a.low(0, 0, 16)
  a.eret()
  while (a.size % 2048 !== 0x400) a.nop()
  // Synchronous, from below.
  a.b('back')
  a.align(4096)

  a.label('start')
  a.adr(0, 'vectors')
  a.msr(key('VBAR_EL2'), 0)
  a.mov(0, RW)
  a.msr(key('HCR_EL2'), 0)
  a.mov(0, 5n)
  a.msr(key('TPIDR_EL2'), 0)
  // 2: CurrentEL, from code that L1's EL1 will run as well.
  a.bl('level')
  digit(a)
  // 5: patched in the page that patches, by a single store and by a pair, which has no syndrome.
  storeWords(a, 'patched', [mrs('TPIDR_EL2', 0)])
  a.label('patched')
  a.nop()
  digit(a)
  // 3 5
  a.adr(2, 'pair')
  a.mov(3, (BigInt(movz(3)) << 32n) | BigInt(NOP))
  a.mov(4, (BigInt(NOP) << 32n) | BigInt(NOP))
  a.op('STP (signed offset)', { sf: 1, imm7: 0, Rt2: 4, Rn: 2, Rt: 3 })
  a.adr(0, 'pair')
  synchronise(a)
  a.align(8)
  a.label('pair')
  for (let i = 0; i < 4; i++) a.nop()
  digit(a)
  a.mrs(key('TPIDR_EL2'), 0)
  digit(a)
  // 2, 7: another page, executed before and after a patch.
  storeWords(a, 'other', [mrs('CurrentEL', 0), encode('UBFM', { sf: 1, N: 1, immr: 2, imms: 63, Rn: 0, Rd: 0 }), RET])
  a.bl('other')
  digit(a)
  storeWords(a, 'other', [movz(7), RET])
  a.bl('other')
  digit(a)
  // 5: what stands there after the jump into its middle.
  storeWords(a, 'other', [movz(1), mrs('TPIDR_EL2', 0), RET])
  a.adr(2, 'other')
  a.addImmediate(2, 2, 4)
  a.op('BLR', { Rn: 2 })
  digit(a)
  // 5: read and moved by virtual EL2, word by word, into a page that was data.
  a.adr(2, 'other')
  a.adr(3, 'moved')
  for (let i = 0; i < 3; i++) {
    a.load(1, 2, 2, i)
    a.store(1, 3, 2, i)
  }
  a.adr(0, 'moved')
  synchronise(a)
  a.bl('moved')
  digit(a)
  // 4 2: the last digits of literals that look like instructions, in 64 bits and sign-extended.
  a.b('behind')
  a.align(8)
  a.label('literal')
  a.word(mrs('ESR_EL2', 4), mrs('ESR_EL2', 2))
  a.label('behind')
  const literal = (offset: number): number => ((a.offsetOf('literal') + offset - a.size) / 4) & 0x7_ffff
  a.op('LDR (literal)', { sf: 1, imm19: literal(0), Rt: 0 })
  a.low(0, 0, 3)
  digit(a)
  a.op('LDRSW (literal)', { imm19: literal(4), Rt: 0 })
  a.low(0, 0, 3)
  digit(a)
  // 9: its own hvc, with an immediate that L0 uses.
  a.hvc(0x2009)
  a.low(0, 0, 4)
  digit(a)
  a.adr(0, 'below')
  a.msr(key('ELR_EL2'), 0)
  a.mov(0, 0x3c5n)
  a.msr(key('SPSR_EL2'), 0)
  a.eret()

  // 1: L1's own EL1 executes the page itself; then it patches what virtual EL2 executes.
  a.label('below')
  a.bl('level')
  digit(a)
  storeWords(a, 'other', [movz(8), RET])
  a.hvc(0)
  a.label('back')
  a.bl('other')
  digit(a)
  a.mov(0, 0x8400_0008n)
  a.smc(0)
  a.label('level')
  a.mrs(key('CurrentEL'), 0)
  a.shiftRight(0, 0, 2)
  a.word(RET)

  a.align(4096)
  a.label('other')
  for (let i = 0; i < 1024; i++) a.word(0)
  a.label('moved')
  for (let i = 0; i < 1024; i++) a.word(0)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

/** The same under L1's own tables: code is read-only and executable, and a second mapping of all of it is writable and execute-never. */
function mappedImage(): Uint8Array {
  const a = new Assembler(), ALIAS = 0x4000_0000n
  const header = (): void => {
    a.b('start')
    a.word(NOP, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  }
  const patch = (label: string, words: readonly number[]): void => words.forEach((word, i) => {
    a.adr(0, label)
    a.mov(1, ALIAS)
    a.addShifted(0, 0, 1, 0)
    a.mov(1, BigInt(word))
    a.store(1, 0, 2, i)
    a.adr(0, label)
    synchronise(a)
  })
  header()
  a.align(2048)
  a.label('vectors')
  while (a.size % 2048 !== 0x200) a.nop()
  // EC - 0x20 and the level of a Permission fault; back to the caller.
  a.mrs(key('ESR_EL2'), 2)
  a.shiftRight(0, 2, 26)
  a.low(0, 0, 5)
  digit(a)
  a.low(0, 2, 6)
  a.subImmediate(0, 0, 12)
  digit(a)
  a.msr(key('ELR_EL2'), 30)
  a.eret()
  a.align(4096)
  a.label('start')
  for (const [name, value] of [['TPIDR_EL2', 5n], ['HCR_EL2', RW], ['MAIR_EL2', 0x04ffn], ['TCR_EL2', 0x8080_0000n | (2n << 16n) | (3n << 12n) | (1n << 10n) | (1n << 8n) | 25n]] as const) {
    a.mov(0, value)
    a.msr(key(name), 0)
  }
  for (const [name, label] of [['VBAR_EL2', 'vectors'], ['TTBR0_EL2', 'table']] as const) {
    a.adr(0, label)
    a.msr(key(name), 0)
  }
  a.isb()
  a.mov(0, 0x30c5_1835n)
  a.msr(key('SCTLR_EL2'), 0)
  a.isb()
  // 5 7 5: through the second mapping, before, between and after executions.
  for (const words of [[mrs('TPIDR_EL2', 0), RET], [movz(7), RET], [NOP, mrs('TPIDR_EL2', 0), RET]]) {
    patch('other', words)
    a.bl('other')
    digit(a)
  }
  // 1 1: data is not executed by the mapping that is execute-never, and 9, executed by the other.
  a.adr(2, 'data')
  a.mov(1, ALIAS)
  a.addShifted(2, 2, 1, 0)
  a.op('BLR', { Rn: 2 })
  a.bl('data')
  digit(a)
  a.mov(0, 0x8400_0008n)
  a.smc(0)
  a.align(4096)
  a.label('other')
  for (let i = 0; i < 1024; i++) a.word(0)
  a.label('data')
  a.word(movz(9), RET)
  a.align(4096)
  a.label('table')
  const entry = (value: bigint): void => a.word(Number(value & 0xffff_ffffn), Number(value >> 32n))
  const AF = 1n << 10n, SHARED = 3n << 8n, READ_ONLY = 1n << 7n, AP1 = 1n << 6n, XN = 1n << 54n
  entry(AF | AP1 | XN | (1n << 2n) | 1n)
  entry(0x4000_0000n | AF | SHARED | READ_ONLY | AP1 | 1n)
  entry(0x4000_0000n | AF | SHARED | AP1 | XN | 1n)
  for (let i = 3; i < 512; i++) entry(0n)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}
const MAPPED_MEANT = '575' + '11' + '9'

/** Two CPUs at virtual EL2 in one page: each writes what the other polls, next to the code that both run, and patches what the other executes. */
function pingPongImage(rounds: number): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(NOP, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  a.align(4096)
  a.label('start')
  a.mov(0, RW)
  a.msr(key('HCR_EL2'), 0)
  a.adr(2, 'second')
  a.mov(0, 0xc400_0003n)
  a.mov(1, 1n)
  a.smc(0)
  // X19: the round. X20, X21: this CPU's flag and the other's.
  a.adr(20, 'flags')
  a.addImmediate(21, 20, 8)
  a.b('play')
  a.label('second')
  a.adr(21, 'flags')
  a.addImmediate(20, 21, 8)
  a.label('play')
  a.mov(19, 0n)
  a.label('round')
  a.addImmediate(19, 19, 1)
  // MOVZ X0, #round: what the other CPU is going to run.
  a.mov(1, BigInt(movz(0)))
  a.addShifted(1, 1, 19, 5)
  a.adr(0, 'patched')
  a.store(1, 0, 2)
  synchronise(a)
  a.store(19, 20, 3)
  a.label('wait')
  a.load(1, 21, 3)
  a.op('SUBS (shifted register)', { sf: 1, Rm: 19, Rn: 1, Rd: 31 })
  a.op('B.cond', { imm19: -2 & 0x7_ffff, cond: 3 })
  a.isb()
  a.label('patched')
  a.op('MOVZ', { sf: 1, hw: 0, imm16: 0, Rd: 0 })
  a.mrs(key('TPIDR_EL2'), 1)
  a.mov(1, BigInt(rounds))
  a.op('SUB (shifted register)', { sf: 1, Rm: 19, Rn: 1, Rd: 1 })
  a.cbnz(1, 'round')
  a.mrs(key('MPIDR_EL1'), 1)
  a.low(1, 1, 8)
  a.cbnz(1, 'stop')
  a.low(0, 0, 3)
  digit(a)
  a.mov(0, 0x8400_0008n)
  a.smc(0)
  a.label('stop')
  a.b('stop')
  a.align(8)
  a.label('flags')
  a.word(0, 0, 0, 0)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

const MEANT = '2' + '5' + '35' + '27' + '5' + '5' + '42' + '9' + '18'

function run(profile: 'v8.0' | 'v8.3', paravirt?: 'nv' | 'neve', bytes = image(), cpus = 1) {
  let console = '', rewriting: Paravirtualised | undefined
  const exits = new Map<string, number>()
  const machine = new Machine({
    board: 'virt', profile, memBytes: 64 << 20, hash: false, smp: cpus,
    l0: createL0({
      vms: [{
        image: bytes, memBytes: 32 << 20, smp: cpus, el2: 'nvhe', console: byte => { console += String.fromCharCode(byte) },
        ...(paravirt === undefined ? {} : { paravirt, onRewritten: result => { rewriting = result } }),
      }],
    }),
    onEvent: event => { if (event.kind === 'exit') exits.set(event.action, (exits.get(event.action) ?? 0) + 1) },
  })
  const outcome = machine.run({ maxInstructions: 200_000 })
  return { outcome: outcome.kind, console, exits, executed: rewriting?.executed() }
}

describe('a guest hypervisor that patches its own code', () => {
  test('with FEAT_NV', () => { expect(run('v8.3')).toMatchObject({ outcome: 'off', console: MEANT }) })

  test.each(['nv', 'neve'] as const)('rewritten for v8.0, %s form', form => {
    const { outcome, console, exits, executed } = run('v8.0', form)
    expect({ outcome, console }).toEqual({ outcome: 'off', console: MEANT })
    // Stores to their own page are stepped over: one by one, as each makes the page data.
    expect(exits.get('over a write to its own page')).toBeGreaterThanOrEqual(2)
    expect(exits.get('load of rewritten bytes')).toBe(2)
    expect(executed!.sites).toMatchObject({ escape: 3, trampoline: 0 })
    expect(executed!.withdrawn).toBeGreaterThanOrEqual(5)
    expect(executed!.refused).toEqual([])
  })

  test.each([['v8.3', undefined], ['v8.0', 'nv'], ['v8.0', 'neve']] as const)('through a second mapping, with data that is execute-never: %s %s', (profile, form) => {
    const { outcome, console, executed } = run(profile, form, mappedImage())
    expect({ outcome, console }).toEqual({ outcome: 'off', console: MAPPED_MEANT })
    if (executed !== undefined) expect(executed.withdrawn).toBeGreaterThanOrEqual(2)
  })

  test.each([['v8.3', undefined], ['v8.0', 'nv']] as const)('two CPUs that write the page that both execute: %s %s', (profile, form) => {
    const { outcome, console, executed } = run(profile, form, pingPongImage(27), 2)
    expect({ outcome, console }).toEqual({ outcome: 'off', console: '3' })
    if (executed !== undefined) expect(executed.withdrawn).toBeGreaterThanOrEqual(2 * 27)
  })
})
