/** What is typed reaches the guest's UART: on the bare machine, and in the first VM when there is L0. */
import { expect, test } from 'vitest'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import { Assembler } from '../assembler.ts'

/** Sends back one byte, then powers off. */
function echo(): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(0xd503_201f, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  a.label('start')
  a.mov(1, 0x0900_0000n)
  a.label('empty')
  a.load(2, 1, 2, 6) // UARTFR
  a.shiftRight(2, 2, 4)
  a.low(2, 2, 1) // RXFE
  a.cbnz(2, 'empty')
  a.load(0, 1, 2)
  a.store(0, 1, 2)
  a.mov(0, 0x8400_0008n)
  a.hvc(0)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

test.each(['bare', 'VM'])('%s', place => {
  let said = ''
  const image = echo(), console = (byte: number): void => { said += String.fromCharCode(byte) }, common = { board: 'virt', profile: 'v8.4', memBytes: 64 << 20, hash: false } as const
  const machine = place === 'bare' ? new Machine({ ...common, console }) : new Machine({ ...common, l0: createL0({ vms: [{ image, memBytes: 32 << 20, console }] }) })
  if (place === 'bare') machine.loadImage({ image })
  machine.run({ maxInstructions: 10_000 })
  machine.input([0x78])
  expect([machine.run({ maxInstructions: 1_000_000 }).kind, said]).toEqual(['off', 'x'])
})
