import { describe, expect, test } from 'vitest'
import { createMachine } from './machine.ts'
import type { MachineOptions } from './options.ts'
import { BASE, Program, registers, run } from './program.test-support.ts'
import type { SemihostingFile, SemihostingHost } from './semihosting.ts'

const MIB = 1 << 20

function inFlash(program: Program, options: MachineOptions = {}) {
  const written: [number, number][] = []
  const machine = createMachine({ memBytes: 16 * MIB, ...options, firmware: { flash: [{ bytes: program.bytes() }, { bytes: Uint8Array.of(1, 2, 3, 4), onWrite: (offset, { length }) => { written.push([offset, length]) } }] } })
  machine.loadImage({})
  return { machine, written }
}

describe('flash', () => {
  test.each([false, true])('is executed in place, and read as memory until a command (translate: %s)', translate => {
    const program = new Program()
      .mov(1, 0x400_0000).ldr(2, 1, 0, 0)
      .mov(3, 0x70_0070).str(3, 1, 0, 0).ldr(4, 1, 0, 0)
      .mov(3, 0x40_0040).str(3, 1, 0, 0).mov(3, 0x1234_5678).str(3, 1, 0, 0)
      .mov(3, 0xff_00ff).str(3, 1, 0, 0).ldr(5, 1, 0, 0)
      .off('hvc')
    const { machine, written } = inFlash(program, { translate })
    expect(machine.run({ maxInstructions: 1000 }).kind).toBe('off')
    expect(registers(machine, 0).slice(2, 6)).toEqual([0x0403_0201n, 0xff_00ffn, 0x80_0080n, 0x1234_5678n])
    expect(written).toEqual([[0, 4]])
  })

  test('where its bytes lie behind RAM the guest finds nothing', () => {
    const program = new Program().setLabel('VBAR_EL1', 'table').mov(1, 0x4000_0000 + 16 * MIB).ldr(2, 1).b('end')
      .vectors(0x800, 'table', { 0x200: 'abort' }).label('abort').mrs(3, 'ESR_EL1').label('end').off('hvc')
    const { machine } = inFlash(program)
    expect(machine.run({ maxInstructions: 1000 }).kind).toBe('off')
    // A data abort from the same EL, synchronous External abort.
    expect(registers(machine, 0)[3]! & 0xfc00_003fn).toBe(0x9400_0010n)
  })

  test('a snapshot has what was programmed, and the command that is under way', () => {
    const program = new Program().mov(1, 0x400_0000).mov(3, 0x40_0040).str(3, 1, 0, 0).mov(3, 0x55).str(3, 1, 0, 0).ldr(4, 1, 0, 0).mov(3, 0xff).str(3, 1, 0, 0).ldr(5, 1, 0, 0).off('hvc')
    const one = inFlash(program).machine, other = inFlash(program).machine
    for (let i = 0; i < 12 && one.run({ maxInstructions: 1 }).kind === 'limit'; i++) {
      other.restore(one.save())
      expect(other.run({ maxInstructions: 1000 }).kind).toBe('off')
      expect(registers(other, 0).slice(4, 6)).toEqual([0x80_0080n, 0x55n])
    }
  })
})

test('a board without firmware devices says what would be there', () => {
  expect(run(new Program().mov(1, 0x902_0000).ldr(2, 1, 0, 0)).outcome).toMatchObject({ kind: 'unimplemented', detail: { name: 'fw-cfg +0x0 (read of 4 bytes)' } })
})

// ---- semihosting ----

const DATA = BASE + 0x1000
const HLT = { imm16: 0xf000 }

/** X0 after each call. Blocks of words and texts stand at DATA. */
function call(host: Partial<SemihostingHost>, calls: readonly (readonly [operation: number, parameter: number])[], memory: readonly (readonly [offset: number, content: string | readonly number[]])[] = []) {
  const printed: number[] = [], program = new Program()
  calls.forEach(([operation, parameter], i) => { program.mov(0, operation).mov(1, parameter).insn('HLT', HLT).copy(10 + i, 0) })
  program.off('hvc')
  for (const [offset, content] of memory) {
    program.org(0x1000 + offset)
    if (typeof content !== 'string') for (const word of content) program.quad(BigInt(word))
    else for (let at = 0; at < content.length; at += 4) program.word(Array.from(content.slice(at, at + 4)).reduceRight((word, letter) => word * 256 + letter.charCodeAt(0), 0))
  }
  const ran = run(program, { semihosting: { commandLine: 'guest 1 2', output: bytes => { printed.push(...bytes) }, ...host } })
  return { ...ran, printed: String.fromCharCode(...printed), results: calls.map((_, i) => BigInt.asIntN(64, ran.x(10 + i))) }
}

describe('semihosting', () => {
  test('HLT is UNDEFINED without it, and with another immediate', () => {
    for (const [imm16, options] of [[0xf000, {}], [0xf001, { semihosting: { commandLine: '', output: () => {} } }]] as const) {
      const program = new Program().setLabel('VBAR_EL1', 'table').insn('HLT', { imm16 }).vectors(0x800, 'table', { 0x200: 'undefined' }).label('undefined').mrs(3, 'ESR_EL1').off('hvc')
      const { outcome, x } = run(program, options)
      expect([outcome.kind, x(3)]).toEqual(['off', 0x0200_0000n])
    }
  })

  test('WRITE0, WRITEC, and WRITE to :tt', () => {
    const { printed, results } = call({}, [[4, DATA], [3, DATA], [1, DATA + 0x40], [5, DATA + 0x60]], [[0, 'hello\0\0\0'], [0x20, ':tt\0'], [0x40, [DATA + 0x20, 4, 3]], [0x60, [2, DATA, 3]]])
    expect([printed, results.slice(2)]).toEqual(['hellohhel', [2n, 0n]])
  })

  test.each([[[0x20026, 7], 7], [[0x20026, 0], 0], [[0x20024, 0], 1]] as const)('EXIT %j ends the run with %i', (block, code) => {
    for (const operation of [0x18, 0x20]) expect(call({}, [[operation, DATA]], [[0, block]]).outcome).toEqual({ kind: 'exit', code })
  })

  test('CLOCK, TIME, ELAPSED and TICKFREQ are virtual time', () => {
    const { results, machine } = call({}, [[0x10, 0], [0x11, 0], [0x30, DATA], [0x31, 0]])
    expect([results, machine.memory.read64(DATA)! > 0n]).toEqual([[0n, 1_767_225_600n, 0n, 1_000_000_000n], true])
  })

  test('GET_CMDLINE and HEAPINFO', () => {
    const { machine, results } = call({}, [[0x15, DATA], [0x16, DATA + 0x10]], [[0, [DATA + 0x100, 80]], [0x10, [DATA + 0x200]]])
    const text = new Uint8Array(10)
    machine.memory.readBytes(DATA + 0x100, text)
    expect([results, String.fromCharCode(...text), machine.memory.read64(DATA + 8), machine.memory.read64(DATA + 0x208)]).toEqual([[0n, 0n], 'guest 1 2\0', 9n, 0x4100_0000n])
  })

  const NAME = 'data.txt'
  const names: (readonly [number, string | readonly number[]])[] = [[0, NAME], [0x20, [DATA, NAME.length, NAME.length]], [0x40, [DATA, 2, NAME.length]], [0x60, [2, DATA + 0x200, 4]], [0x80, [2, 1]], [0xa0, [2]]]

  test('there are no files unless they are given', () => {
    const { results } = call({}, [[1, DATA + 0x20], [0x13, 0], [0x0e, DATA + 0x20], [0x12, DATA + 0x20], [0x02, DATA + 0xa0]], [...names, [0x20, [DATA, 0, NAME.length]]])
    expect(results).toEqual([-1n, 13n, -1n, -1n, -1n])
  })

  test('given files are opened, read, sought and closed', () => {
    const content = new TextEncoder().encode('abcdefgh'), opened: string[] = []
    const file: SemihostingFile = {
      read: (offset, into) => {
        const part = content.subarray(offset, offset + into.length)
        into.set(part)
        return part.length
      },
      write: () => undefined, size: () => content.length, close: () => { opened.push('closed') },
    }
    const files = { open: (path: string, mode: string) => { opened.push(`${path} ${mode}`); return file }, remove: () => false, rename: () => false }
    const { machine, results } = call({ files }, [[1, DATA + 0x40], [0x0c, DATA + 0xa0], [0x0a, DATA + 0x80], [6, DATA + 0x60], [5, DATA + 0x60], [2, DATA + 0xa0]], [...names, [0x40, [DATA, 2, NAME.length]]])
    expect([results, opened, machine.memory.read32(DATA + 0x200)]).toEqual([[2n, 8n, 0n, 0n, 4n, 0n], ['data.txt r+', 'closed'], 0x6564_6362])
  })

  test('blocks and lengths that are nowhere are errors', () => {
    for (const operation of [1, 2, 5, 6, 8, 9, 0xa, 0xc, 0xe, 0xf, 0x15, 0x16, 0x30]) {
      expect(call({}, [[operation, 0x9000_0000]]).results, `operation ${operation}`).toEqual([-1n])
    }
    expect(call({}, [[5, DATA], [6, DATA + 0x20]], [[0, [1, 0x9000_0000, 16]], [0x20, [1, 0, -1]]]).results).toEqual([16n, -1n])
  })
})
