import { execFileSync, spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadInput } from './bad-input.ts'
import { createBoard, type BoardOptions } from './board.ts'
import { completeDeviceTree, deviceTreeOf } from './device-tree.ts'
import { EMPTY, cells, cells64, cellsOf, node, nodeAt, readFdt, strings, stringsOf, writeFdt, type FdtTree } from './fdt.ts'

const RUNS = Number(process.env['NIDUS_FUZZ'] ?? 300)
const hasDtc = spawnSync('dtc', ['--version']).status === 0

const tree: FdtTree = {
  root: node('', { compatible: strings('a', 'b'), '#address-cells': cells(2), empty: EMPTY, odd: new Uint8Array([1, 2, 3]) }, [
    node('one@1', { reg: cells64(1, 2 ** 40) }, [node('deep', {})]),
    node('two', { 'a,b': cells(0xffff_ffff) }),
  ]),
  reservations: [{ address: 0x8000_0000n, size: 0x1000n }], bootCpu: 3,
}

describe('format', () => {
  test('round trip', () => {
    expect(readFdt(writeFdt(tree))).toEqual(tree)
  })
  test('values', () => {
    expect(cellsOf(cells(1, 0xdead_beef))).toEqual([1, 0xdead_beef])
    expect(stringsOf(strings('one', 'two'))).toEqual(['one', 'two'])
    expect(nodeAt(tree, '/one/deep')?.name).toBe('deep')
    expect(nodeAt(tree, '/one@2')).toBeUndefined()
  })

  const blob = writeFdt(tree)
  const patched = (offset: number, value: number): Uint8Array => {
    const copy = blob.slice()
    new DataView(copy.buffer).setUint32(offset, value)
    return copy
  }
  test.each([
    ['empty', new Uint8Array(0), 0], ['no magic', patched(0, 0), 0], ['totalsize', patched(4, blob.length + 1), 4], ['version', patched(20, 16), 20],
    ['structure outside', patched(8, 0x1000), 8], ['structure size', patched(36, 0xffff_ffff), 8], ['strings outside', patched(32, 0x8000_0000), 12], ['reservations outside', patched(16, 0xffff_fff8), 16],
    ['truncated structure', patched(36, 8), 80], ['no root', patched(72, 9), 72],
  ])('%s', (_name, bytes, offset) => {
    let error: unknown
    try { readFdt(bytes) } catch (caught) { error = caught }
    expect(error).toBeInstanceOf(BadInput)
    expect((error as BadInput).offset).toBe(offset)
  })

  test('nesting, names and repetition are bounded', () => {
    let deep = node('x', {})
    for (let i = 0; i < 70; i++) deep = node('x', {}, [deep])
    expect(() => readFdt(writeFdt({ root: deep, reservations: [], bootCpu: 0 }))).toThrow(/nest more than 64/)
    expect(() => readFdt(writeFdt({ root: node('', { ['p'.repeat(300)]: EMPTY }), reservations: [], bootCpu: 0 }))).toThrow(/no end or more than 255/)
  })

  test('damaged blobs throw BadInput and nothing else', () => {
    const real = writeFdt(deviceTreeOf(createBoard({ name: 'virt', memBytes: 2 ** 28, el2: true })))
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 8 }), fc.nat(real.length), fc.boolean(), (changes, length, truncate) => {
      const copy = real.slice(0, truncate ? length : real.length)
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value
      try { readFdt(copy) } catch (error) { if (!(error instanceof BadInput)) throw error }
    }), { numRuns: RUNS })
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bytes => {
      const copy = blob.slice(0, 40)
      const all = new Uint8Array(440)
      all.set(copy)
      all.set(bytes, 40)
      new DataView(all.buffer).setUint32(4, 440)
      try { readFdt(all) } catch (error) { if (!(error instanceof BadInput)) throw error }
    }), { numRuns: RUNS })
  })
})

describe('generated tree', () => {
  const boards: readonly BoardOptions[] = [
    { name: 'virt', memBytes: 2 ** 28, el2: false }, { name: 'virt', gic: 3, cpus: 4, memBytes: 2 ** 32, el2: true, vhe: true },
    { name: 'virt', gic: 2, memBytes: 2 ** 28, el2: false, virtioSlots: 0 }, { name: 'moonshot', memBytes: 2 ** 30, el2: true },
  ]
  test.skipIf(!hasDtc).each(boards)('dtc accepts it: %o', options => {
    const blob = writeFdt(deviceTreeOf(createBoard(options), {
      bootargs: 'console=ttyAMA0', initrd: { start: 0x4800_0000, end: 0x4900_0000 }, modules: [{ address: 0x4700_0000, size: 0x1000, kind: 'kernel', bootargs: 'root=/dev/ram' }],
    }))
    const run = spawnSync('dtc', ['-I', 'dtb', '-O', 'dts', '-'], { input: blob, encoding: 'utf8' })
    expect(run.status).toBe(0)
    // The `interrupts` of a node with an interrupt-parent at the root, and so on: no warning of dtc's checks may be about our shape.
    expect(run.stderr.split('\n').filter(line => /Warning|ERROR/.test(line))).toEqual([])
    expect(run.stdout).toContain('stdout-path = "/pl011@9000000";')
  })

  test.skipIf(!hasDtc)('a blob that dtc wrote reads back', () => {
    const blob = execFileSync('dtc', ['-I', 'dts', '-O', 'dtb', '-'], { input: '/dts-v1/; /memreserve/ 0x1000 0x2000; / { a = "b"; n@1 { reg = <1>; }; };', stdio: ['pipe', 'pipe', 'ignore'] })
    const read = readFdt(new Uint8Array(blob))
    expect(read.reservations).toEqual([{ address: 0x1000n, size: 0x2000n }])
    expect(cellsOf(nodeAt(read, '/n@1')!.properties.get('reg')!)).toEqual([1])
  })

  test('GICv2 with EL2: four register pairs, the maintenance PPI with its CPU mask', () => {
    const intc = nodeAt(deviceTreeOf(createBoard({ name: 'moonshot', memBytes: 2 ** 30, el2: true })), '/intc')!
    expect(stringsOf(intc.properties.get('compatible')!)).toEqual(['arm,cortex-a15-gic'])
    expect(cellsOf(intc.properties.get('reg')!).filter((_, i) => i % 2 === 1)).toEqual([0x800_0000, 0x1_0000, 0x801_0000, 0x1_0000, 0x803_0000, 0x1_0000, 0x804_0000, 0x1_0000])
    expect(cellsOf(intc.properties.get('interrupts')!)).toEqual([1, 9, 0xff04])
    const plain = nodeAt(deviceTreeOf(createBoard({ name: 'virt', gic: 2, memBytes: 2 ** 30, el2: false })), '/intc')!
    expect(plain.properties.get('reg')).toHaveLength(32)
    expect(plain.properties.has('interrupts')).toBe(false)
  })

  test('GICv3, timer, PSCI, CPUs', () => {
    const tree = deviceTreeOf(createBoard({ name: 'virt', cpus: 2, memBytes: 2 ** 30, el2: true, vhe: true }))
    expect(stringsOf(nodeAt(tree, '/intc')!.properties.get('compatible')!)).toEqual(['arm,gic-v3'])
    expect(cellsOf(nodeAt(tree, '/intc')!.properties.get('reg')!)).toEqual([0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0x4_0000])
    expect(cellsOf(nodeAt(tree, '/timer')!.properties.get('interrupts')!)).toEqual([1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4, 1, 12, 4])
    expect(nodeAt(tree, '/timer')!.properties.has('always-on')).toBe(true)
    expect(stringsOf(nodeAt(tree, '/psci')!.properties.get('method')!)).toEqual(['smc'])
    expect(nodeAt(tree, '/cpus')!.children.map(cpu => [cpu.name, ...stringsOf(cpu.properties.get('enable-method')!)])).toEqual([['cpu@0', 'psci'], ['cpu@1', 'psci']])
    expect(stringsOf(nodeAt(deviceTreeOf(createBoard({ name: 'virt', memBytes: 2 ** 30, el2: false })), '/psci')!.properties.get('method')!)).toEqual(['hvc'])
  })

  test('/chosen of a user\'s tree is completed, the rest stays', () => {
    const user: FdtTree = { root: node('', { model: strings('mine') }, [node('chosen', { 'stdout-path': strings('/x'), bootargs: strings('old') }), node('x', {})]), reservations: [], bootCpu: 0 }
    const done = completeDeviceTree(user, { bootargs: 'new', initrd: { start: 0x4000_0000, end: 0x4000_1000 } })
    const chosen = nodeAt(done, '/chosen')!
    expect(stringsOf(chosen.properties.get('bootargs')!)).toEqual(['new'])
    expect(stringsOf(chosen.properties.get('stdout-path')!)).toEqual(['/x'])
    expect(cellsOf(chosen.properties.get('linux,initrd-end')!)).toEqual([0, 0x4000_1000])
    expect(stringsOf(done.root.properties.get('model')!)).toEqual(['mine'])
    expect(nodeAt(done, '/x')).toBeDefined()
  })
})
