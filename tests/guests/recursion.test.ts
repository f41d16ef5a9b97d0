/**
 * Recursion, by hand: L1 is offered FEAT_NV2 and runs an L2 at its own virtual EL2. L2's EL2 accesses go to the page that L1 named in its VNCR_EL2
 * without reaching anybody; its ERET, and an access to a page that is not there, reach L1 through L0.
 */
import { describe, expect, test } from 'vitest'
import { Machine } from '../../src/machine/machine.ts'
import { rowByName } from '../../src/sysreg/index.ts'
import type { ExitEvent } from '../../src/trace/event.ts'
import { createL0 } from '../../src/vmm/index.ts'
import { Assembler } from '../assembler.ts'

const key = (name: string): number => rowByName(name)!.key
const UART = 0x0900_0000n
const RW = 1n << 31n, NV = 1n << 42n, NV1 = 1n << 43n, NV2 = 1n << 45n

/** L1 writes X0 (below 10) as a digit. */
function digit(a: Assembler): void {
  a.addImmediate(0, 0, 48)
  a.mov(1, UART)
  a.store(0, 1, 2)
}

function image(vncr: 'page' | 'nowhere'): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(0xd503_201f, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  a.align(2048)
  a.label('vectors')
  while (a.size % 2048 !== 0x400) a.word(0xd503_201f)
  // Synchronous, from below: EC as two digits, then what L2 stored in HCR_EL2's place, then off.
  a.mrs(key('ESR_EL2'), 2)
  a.word(0xd35a_fc42) // LSR X2, X2, #26
  a.word(0xd344_fc40) // LSR X0, X2, #4
  digit(a)
  a.word(0x9240_0c40) // AND X0, X2, #15
  digit(a)
  a.adr(3, 'page')
  a.word(0xf940_3c60) // LDR X0, [X3, #0x78]
  digit(a)
  a.mov(0, 0x8400_0008n)
  a.smc(0)
  a.align(2048)
  a.label('start')
  a.mov(0, RW)
  a.msr(key('HCR_EL2'), 0)
  a.adr(0, 'vectors')
  a.msr(key('VBAR_EL2'), 0)
  if (vncr === 'page') a.adr(0, 'page')
  else a.mov(0, 0x20_0000_0000n)
  a.msr(key('VNCR_EL2'), 0)
  a.mov(0, RW | NV | NV1 | NV2)
  a.msr(key('HCR_EL2'), 0)
  a.adr(0, 'L2')
  a.msr(key('ELR_EL2'), 0)
  a.mov(0, 0x3c5n)
  a.msr(key('SPSR_EL2'), 0)
  a.eret()
  a.label('L2')
  a.mov(0, 7n)
  a.msr(key('HCR_EL2'), 0)
  a.mrs(key('HCR_EL2'), 4)
  a.msr(key('VTTBR_EL2'), 4)
  a.eret()
  a.align(4096)
  a.label('page')
  for (let i = 0; i < 1024; i++) a.word(0)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

function run(vncr: 'page' | 'nowhere'): { console: string, outcome: string, below: string[] } {
  let console = ''
  const below: string[] = []
  const machine = new Machine({
    board: 'virt', profile: 'v8.4', memBytes: 64 << 20, hash: false,
    l0: createL0({ vms: [{ image: image(vncr), memBytes: 32 << 20, el2: 'nvhe', recursion: true, console: byte => { console += String.fromCharCode(byte) } }] }),
    onEvent: event => { if (event.kind === 'exit' && (event as ExitEvent).level === 'L1') below.push(`${(event as ExitEvent).subject}: ${(event as ExitEvent).action}`) },
  })
  return { outcome: machine.run({ maxInstructions: 100_000 }).kind, console, below }
}

describe('a guest hypervisor whose VM is a hypervisor', () => {
  test('L2 reaches L1\'s page without an exit, and its ERET is L1\'s', () => {
    // EC 0x1a as its two hexadecimal digits: '1' and the character after '9'.
    expect(run('page')).toEqual({ console: '1:7', outcome: 'off', below: ['ERET: inject to vEL2'] })
  })

  test('a page that is not there is L1\'s abort: EC 0x25', () => {
    expect(run('nowhere')).toEqual({ console: '250', outcome: 'off', below: ['VNCR_EL2 abort: inject to vEL2'] })
  })
})
