import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Pl011 } from './pl011.ts'

function uart(): { uart: Pl011, sent: number[], level: () => boolean, get: (offset: number) => number, set: (offset: number, value: number) => void } {
  const sent: number[] = []
  let level = false
  const device = new Pl011({ irq: on => { level = on }, output: byte => sent.push(byte) })
  return { uart: device, sent, level: () => level, get: offset => device.read(offset, 4)!, set: (offset, value) => { expect(device.write(offset, 4, value)).toBe(true) } }
}

const DR = 0x00, FR = 0x18, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34, IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44
const FEN = 0x10, RX = 0x10, TX = 0x20, RT = 0x40

describe('registers', () => {
  test.each([
    ['UARTDR', 0x00, 0, 0], ['UARTRSR', 0x04, 0, 0], ['UARTFR', 0x18, 0x90, 0x90], ['UARTILPR', 0x20, 0, 0xff], ['UARTIBRD', 0x24, 0, 0xffff], ['UARTFBRD', 0x28, 0, 0x3f],
    ['UARTLCR_H', 0x2c, 0, 0xff], ['UARTCR', 0x30, 0x300, 0xff87], ['UARTIFLS', 0x34, 0x12, 0x3f], ['UARTIMSC', 0x38, 0, 0x7ff], ['UARTRIS', 0x3c, 0, 0], ['UARTMIS', 0x40, 0, 0],
    ['UARTICR', 0x44, 0, 0], ['UARTDMACR', 0x48, 0, 7], ['UARTPeriphID0', 0xfe0, 0x11, 0x11], ['UARTPeriphID1', 0xfe4, 0x10, 0x10], ['UARTPeriphID2', 0xfe8, 0x14, 0x14], ['UARTPeriphID3', 0xfec, 0, 0],
    ['UARTPCellID0', 0xff0, 0x0d, 0x0d], ['UARTPCellID1', 0xff4, 0xf0, 0xf0], ['UARTPCellID2', 0xff8, 0x05, 0x05], ['UARTPCellID3', 0xffc, 0xb1, 0xb1],
  ])('%s at 0x%x resets to 0x%x, holds 0x%x', (_name, offset, reset, ones) => {
    const { get, set } = uart()
    expect(get(offset)).toBe(reset)
    set(offset, 0xffff_ffff)
    if (offset !== DR) expect(get(offset)).toBe(ones)
  })

  test('bytes and half words are allowed, other offsets and sizes are not', () => {
    const { uart: device } = uart()
    expect([device.read(CR, 1), device.read(CR, 2), device.read(CR, 8), device.read(0x08, 4), device.read(0x31, 1)]).toEqual([0, 0x300, undefined, undefined, undefined])
    expect([device.write(DR, 1, 65), device.write(DR, 8, 65), device.write(0x1000, 4, 0)]).toEqual([true, false, false])
  })
})

describe('transmission', () => {
  test('a byte goes out at once and raises the transmit interrupt', () => {
    const { sent, level, get, set } = uart()
    set(DR, 0x141)
    expect([sent, get(RIS), get(FR), level()]).toEqual([[0x41], TX, 0x90, false])
    set(IMSC, TX)
    expect([level(), get(MIS)]).toEqual([true, TX])
    set(ICR, TX)
    expect([level(), get(RIS)]).toEqual([false, 0])
  })

  test('loopback', () => {
    const { sent, get, set } = uart()
    set(CR, 0x381)
    set(DR, 7)
    expect([sent, get(FR), get(DR), get(FR)]).toEqual([[], 0xc0, 7, 0x90])
  })
})

describe('reception', () => {
  test('one byte at a time without FIFOs', () => {
    const { uart: device, level, get, set } = uart()
    set(IMSC, RX)
    device.receive([1, 2])
    expect([level(), get(FR)]).toEqual([true, 0xc0])
    expect([get(DR), level(), get(DR), level(), get(DR)]).toEqual([1, true, 2, false, 0])
  })

  test('with FIFOs: trigger level, timeout, and the line waits when it is full', () => {
    const { uart: device, level, get, set } = uart()
    set(LCR_H, FEN)
    device.receive([1, 2, 3])
    expect([get(RIS), get(FR)]).toEqual([RT, 0x80])
    device.receive(Array.from({ length: 30 }, (_, n) => n))
    expect([get(RIS), get(FR)]).toEqual([RX | RT, 0xc0])
    set(IMSC, RX | RT)
    expect(level()).toBe(true)
    const read: number[] = []
    while ((get(FR) & 0x10) === 0) read.push(get(DR))
    expect(read).toEqual([1, 2, 3, ...Array.from({ length: 30 }, (_, n) => n)])
    expect([level(), get(RIS)]).toEqual([false, 0])
  })

  test.each([[0, 2], [1, 4], [2, 8], [3, 12], [4, 14], [7, 16]])('RXIFLSEL %i triggers at %i bytes', (select, trigger) => {
    const { uart: device, get, set } = uart()
    set(LCR_H, FEN)
    set(IFLS, select << 3)
    device.receive(Array.from({ length: trigger - 1 }, () => 1))
    expect(get(RIS) & RX).toBe(0)
    device.receive([1])
    expect(get(RIS) & RX).toBe(RX)
    get(DR)
    expect(get(RIS) & RX).toBe(0)
  })

  test('changing the FIFO mode loses nothing', () => {
    const { uart: device, get, set } = uart()
    device.receive([1, 2, 3])
    set(LCR_H, FEN)
    expect([get(DR), get(DR)]).toEqual([1, 2])
    set(LCR_H, 0x60)
    expect([get(DR), get(FR) & 0x10]).toEqual([3, 0x10])
  })
})

test('save and restore through JSON at any moment; all bytes arrive in order', () => {
  const step = fc.oneof(
    fc.array(fc.nat(255), { maxLength: 20 }).map(bytes => ({ receive: bytes })),
    fc.constant({ read: true as const }), fc.constantFrom(0, FEN).map(lcr => ({ lcr })), fc.nat(0x7ff).map(imsc => ({ imsc })),
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
    let { uart: device, level, get, set } = uart()
    const expected: number[] = [], read: number[] = []
    for (const each of steps) {
      if ('receive' in each) {
        device.receive(each.receive)
        expected.push(...each.receive)
      } else if ('read' in each) {
        if ((get(FR) & 0x10) === 0) read.push(get(DR))
      } else if ('lcr' in each) set(LCR_H, each.lcr)
      else set(IMSC, each.imsc)
      expect(level()).toBe((get(RIS) & get(IMSC)) !== 0)
      const saved = JSON.parse(JSON.stringify(device.save()))
      const before = level()
      ;({ uart: device, level, get, set } = uart())
      device.restore(saved)
      expect([level(), device.save()]).toEqual([before, saved])
    }
    while ((get(FR) & 0x10) === 0) read.push(get(DR))
    expect(read).toEqual(expected)
    device.reset()
    expect([level(), get(IMSC), get(CR)]).toEqual([false, 0, 0x300])
  }), { numRuns: 50 })
})

test('a snapshot that is not one is refused', () => {
  const { uart: device } = uart()
  const good = device.save() as Record<string, unknown>
  for (const bad of [null, {}, { ...good, fifo: Array.from({ length: 17 }, () => 0) }, { ...good, registers: {} }, { ...good, raw: -1 }]) expect(() => device.restore(bad)).toThrow('snapshot')
})
