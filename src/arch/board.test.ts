import { describe, expect, test } from 'vitest'
import { BadInput } from './bad-input.ts'
import { RAM_BASE, affinityOf, createBoard, rowAt, rowsOf } from './board.ts'

const MIB = 2 ** 20

describe('boards', () => {
  test('virt with GICv3: QEMU\'s addresses and interrupts', () => {
    const board = createBoard({ name: 'virt', cpus: 2, memBytes: 256 * MIB, el2: true })
    expect(board.gic).toBe(3)
    expect(board.rows.filter(row => row.kind !== 'absent' && row.kind !== 'virtio-mmio').map(row => `${row.name} ${row.base.toString(16)} ${row.size.toString(16)} ${row.spi ?? ''}`)).toEqual([
      'GICD 8000000 10000 ', 'GICR of CPU 0 80a0000 20000 ', 'GICR of CPU 1 80c0000 20000 ',
      'uart0 9000000 1000 1', 'rtc 9010000 1000 2', 'RAM 40000000 10000000 ',
    ])
    const slots = rowsOf(board, 'virtio-mmio')
    expect([slots.length, slots[31]!.base, slots[31]!.spi, slots[31]!.trigger]).toEqual([32, 0xa00_3e00, 47, 'edge'])
  })

  test('moonshot: 8 CPUs, GICv2 with GICH and GICV at EL2 only', () => {
    const board = createBoard({ name: 'moonshot', memBytes: 256 * MIB, el2: true })
    expect([board.cpus, board.gic]).toEqual([8, 2])
    expect(rowsOf(board, 'gich')[0]!.base).toBe(0x803_0000)
    expect(rowsOf(board, 'gicv')[0]!.base).toBe(0x804_0000)
    expect(rowsOf(createBoard({ name: 'moonshot', memBytes: 256 * MIB, el2: false }), 'gich')).toEqual([])
  })

  test('rows are found by address, named holes too', () => {
    const board = createBoard({ name: 'virt', memBytes: 256 * MIB, el2: false })
    expect(rowAt(board, 0x900_0fff)?.name).toBe('uart0')
    expect(rowAt(board, 0x902_0000)?.kind).toBe('absent')
    expect(rowAt(board, 0x0a00_0200)?.index).toBe(1)
    expect(rowAt(board, RAM_BASE - 1)?.name).toBe('PCIe configuration space')
    expect(rowAt(board, RAM_BASE + 256 * MIB)).toBeUndefined()
    expect(rowAt(board, 0x0b00_0000)).toBeUndefined()
    for (const row of board.rows) expect([rowAt(board, row.base), rowAt(board, row.base + row.size - 1)]).toEqual([row, row])
  })

  test.each([
    [{ name: 'moonshot', gic: 3, memBytes: 256 * MIB, el2: true }, 'board moonshot: it has no GICv3; it has GICv2'],
    [{ name: 'virt', cpus: 9, memBytes: 256 * MIB, el2: true }, 'number of CPUs: 9 is not in 1 to 8'],
    [{ name: 'virt', memBytes: 1000, el2: true }, 'memory size: 1000 is not a multiple of 4 KiB of at least 1 MiB'],
    [{ name: 'virt', memBytes: 2 ** 48, el2: true }, 'memory size: 281474976710656 bytes do not fit the physical address size of 48 bits'],
  ] as const)('%o is refused', (options, message) => {
    expect(() => createBoard(options)).toThrow(new BadInput(message.split(': ')[0]!, message.split(': ')[1]!))
  })

  test('affinity', () => {
    expect([0, 7, 8].map(cpu => affinityOf(cpu, 2))).toEqual([0, 7, 0x100])
    expect([0, 8, 17].map(cpu => affinityOf(cpu, 3))).toEqual([0, 8, 0x101])
  })
})
