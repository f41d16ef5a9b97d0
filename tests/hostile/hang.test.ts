/** Guests that make no progress: the run loop still gives control back, and only their own VM dies. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import type { L0Options, VirtualEL2 } from '../../src/vmm/index.ts'
import { Assembler } from '../assembler.ts'
import { imageHeader, imageOf } from './program.ts'
import { key } from './vectors.ts'

const MEGABYTE = 1 << 20
const NOWHERE = 0x3000_0000n, UNMAPPED = 0x10_0000_0000n

/** An undefined instruction with vectors at `vbar`; with `mmu` stage 1 is on over a table that maps the code alone. */
function image(register: 'VBAR_EL1' | 'VBAR_EL2', vbar: bigint, mmu: boolean): Uint8Array {
  const a = new Assembler(), el = register.at(-1)!
  imageHeader(a)
  a.label('start')
  if (mmu) {
    a.adr(0, 'table')
    a.msr(key(`TTBR0_EL${el}`), 0)
    a.mov(0, el === '1' ? 0x2_8000_3519n | (25n << 16n) | (1n << 23n) : 0x8082_3519n)
    a.msr(key(`TCR_EL${el}`), 0)
    a.mov(0, 0xffn)
    a.msr(key(`MAIR_EL${el}`), 0)
    a.isb()
    a.mov(0, 0x30d0_0801n)
    a.msr(key(`SCTLR_EL${el}`), 0)
    a.isb()
  }
  a.mov(0, vbar)
  a.msr(key(register), 0)
  a.isb()
  a.op('UDF', { imm16: 0 })
  a.align(4096)
  a.label('table')
  for (let i = 0; i < 512; i++) a.word(i === 1 ? 0x4000_0701 : 0, 0)
  return imageOf(a)
}

const bench = readFileSync(new URL('../../guests/built/bench', import.meta.url))

function run(vms: L0Options['vms'], smp: number, most: number): { readonly outcome: string, readonly ends: string[], readonly nanoseconds: number } {
  const ends: string[] = []
  const machine = new Machine({ profile: 'v8.3', smp, memBytes: 64 * MEGABYTE, hash: false, l0: createL0({ vms, onEnd: (vm, end) => ends.push(`${vm} ${end.kind}${end.kind === 'died' ? `: ${end.detail}` : ''}`) }) })
  let asked = 0
  const outcome = machine.run({ interrupted: () => ++asked >= most })
  return { outcome: outcome.kind, ends, nanoseconds: machine.nanoseconds }
}

describe('a guest that makes no progress', () => {
  test.each([['none', 'VBAR_EL1', NOWHERE, false], ['nvhe', 'VBAR_EL2', NOWHERE, false], ['none', 'VBAR_EL1', UNMAPPED, false]] as const)('EL2 %s, %s = %s: L0 handles an abort after the other, and the caller is asked in between', (el2, register, vbar, mmu) => {
    const { outcome, nanoseconds } = run([{ image: image(register, vbar, mmu), memBytes: 16 * MEGABYTE, el2: el2 satisfies VirtualEL2 }], 1, 1)
    expect(outcome).toBe('interrupted')
    expect(nanoseconds).toBeLessThan(200_000_000)
  })

  test.each([['none', 'VBAR_EL1'], ['nvhe', 'VBAR_EL2']] as const)('EL2 %s: vectors that %s puts where stage 1 maps nothing are the end of the VM, not of its neighbour', (el2, register) => {
    let text = ''
    const { outcome, ends } = run([
      { image: image(register, UNMAPPED, true), memBytes: 16 * MEGABYTE, el2 },
      { image: bench, memBytes: 16 * MEGABYTE, append: 'ops=1 warm=1', console: byte => { text += String.fromCharCode(byte) } },
    ], 2, 100_000)
    expect({ outcome, ends }).toEqual({ outcome: 'off', ends: expect.arrayContaining(['1 off', expect.stringContaining(`0 died: vCPU 0: the exception vector 0x1000000200 at EL${register.at(-1)} cannot be executed`)]) })
    expect(text).toContain('bench: done')
  })
})
