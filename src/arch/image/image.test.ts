import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BadInput } from '../bad-input.ts'
import { RAM_BASE, createBoard } from '../board.ts'
import { nodeAt, readFdt, stringsOf, cellsOf, writeFdt } from '../fdt.ts'
import { deviceTreeOf } from '../device-tree.ts'
import { parseArm64Image } from './arm64-image.ts'
import { decompressGzip, imageFormat, parseZboot, unwrapImage } from './compressed.ts'
import { buildElf, buildImage } from './elf-builder.test-support.ts'
import { parseElf } from './elf.ts'
import { planLoad } from './load.ts'

const RUNS = Number(process.env['NIDUS_FUZZ'] ?? 300)
const code = Uint8Array.from({ length: 64 }, (_, i) => i)
const elf = buildElf(0xffff_0000_0008_0010n, [
  { vaddr: 0xffff_0000_0008_0000n, paddr: 0x4008_0000n, bytes: code, memsz: 0x1000 },
  { vaddr: 0xffff_0000_0009_0000n, paddr: 0x4009_0000n, bytes: code, flags: 6 },
], [
  { name: 'start', value: 0xffff_0000_0008_0000n, info: 0x10 }, { name: 'main', value: 0xffff_0000_0008_0010n, size: 0x20n, info: 0x12 },
  { name: '$x', value: 0xffff_0000_0008_0000n, info: 0 }, { name: 'data', value: 0xffff_0000_0009_0000n, size: 8n, info: 0x11 },
  { name: 'undefined', value: 0n, info: 0x12, section: 0 }, { name: 'file.c', value: 0n, info: 4 },
])
const board = createBoard({ name: 'virt', memBytes: 2 ** 28, el2: false })

describe('ELF', () => {
  test('segments and symbols', () => {
    const parsed = parseElf(elf)
    expect(parsed.segments).toMatchObject([
      { physicalAddress: 0x4008_0000n, fileSize: 64, memorySize: 0x1000, executable: true, writable: false },
      { physicalAddress: 0x4009_0000n, fileSize: 64, memorySize: 64, executable: false, writable: true },
    ])
    expect(parsed.symbols().map(symbol => symbol.name)).toEqual(['start', 'main', 'data'])
    expect(parsed.symbolize(0xffff_0000_0008_0000n)).toBe('start')
    expect(parsed.symbolize(0xffff_0000_0008_0014n)).toBe('main+0x4')
    expect(parsed.symbolize(0xffff_0000_0008_0030n), 'behind a sized symbol').toBeUndefined()
    expect(parsed.symbolize(0xffff_0000_0009_0000n)).toBe('data')
    expect(parsed.symbolize(1n)).toBeUndefined()
    expect(parsed.symbol('main')?.size).toBe(0x20)
  })

  const patched = (offset: number, ...values: number[]): Uint8Array => {
    const copy = elf.slice()
    copy.set(values, offset)
    return copy
  }
  test.each([
    ['short', elf.slice(0, 40), 0, /less than an ELF64 header/], ['class', patched(4, 1), 4, /AArch32/], ['endianness', patched(5, 2), 5, /little/],
    ['machine', patched(18, 62), 18, /machine 62/], ['object file', patched(16, 1), 16, /not an executable/], ['no headers', patched(56, 0), 56, /no program headers/],
    ['headers outside', patched(32, 0xff, 0xff, 0xff), 32, /run out of the file/], ['segment outside', patched(64 + 34, 1), 64 + 8, /segment 0/],
    ['memory below file size', patched(64 + 40, 1, 0), 64 + 40, /less memory/], ['huge', patched(64 + 46, 1), 64 + 40, /asks for/],
  ])('%s', (_name, bytes, offset, message) => {
    let error: unknown
    try { parseElf(bytes) } catch (caught) { error = caught }
    expect(error).toBeInstanceOf(BadInput)
    expect((error as BadInput).offset).toBe(offset)
    expect((error as BadInput).message).toMatch(message)
  })

  test('damaged files throw BadInput and nothing else', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(elf.length - 1), fc.nat(255)), { maxLength: 6 }), fc.option(fc.nat(elf.length)), (changes, length) => {
      const copy = elf.slice(0, length ?? elf.length)
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value
      try {
        const parsed = parseElf(copy)
        parsed.symbolize(parsed.entry)
        planLoad(board, { image: copy })
      } catch (error) { if (!(error instanceof BadInput)) throw error }
    }), { numRuns: RUNS })
  })
})

describe('arm64 Image', () => {
  test('header', () => {
    expect(parseArm64Image(buildImage(0n, 0x2500000n, 0xan))).toEqual({ textOffset: 0, imageSize: 0x2500000, pageSize: 1, anywhere: true })
    expect(parseArm64Image(buildImage(5n, 0n, 0n)), 'before image_size').toMatchObject({ textOffset: 0x8_0000 })
    expect(() => parseArm64Image(buildImage(0n, 0x1000n, 1n))).toThrow(/big-endian/)
    expect(() => parseArm64Image(buildImage(0x20_0000n, 0x1000n, 0n))).toThrow(/text_offset/)
    expect(() => parseArm64Image(buildImage(0n, 1n << 60n, 0n))).toThrow(/too large/)
  })
})

const zboot = (compression: string, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(64 + payload.length + 16)
  const view = new DataView(bytes.buffer)
  bytes.set([0x4d, 0x5a, 0, 0, 0x7a, 0x69, 0x6d, 0x67])
  view.setUint32(8, 64, true)
  view.setUint32(12, payload.length, true)
  bytes.set(new TextEncoder().encode(compression), 24)
  bytes.set(payload, 64)
  return bytes
}

describe('wrappings', () => {
  const image = buildImage(0n, 0x1000n, 2n, 4096)
  test('formats by content', () => {
    expect([elf, image, gzipSync(image), zboot('gzip', image), Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), Uint8Array.of(1, 2), new Uint8Array(0)].map(imageFormat))
      .toEqual(['elf', 'arm64-image', 'gzip', 'efi-zboot', 'zstd', 'unknown', 'unknown'])
  })
  test('gzip and EFI zboot come off', async () => {
    expect(await unwrapImage(new Uint8Array(gzipSync(image)))).toEqual(image)
    expect(await unwrapImage(zboot('gzip', new Uint8Array(gzipSync(image))))).toEqual(image)
    expect(await unwrapImage(elf)).toBe(elf)
    const given = await unwrapImage(zboot('zstd22', Uint8Array.of(1)), compression => (compression === 'zstd22' ? Promise.resolve(image) : undefined))
    expect(given).toBe(image)
  })
  test('damaged, too large, unsupported', async () => {
    const packed = new Uint8Array(gzipSync(new Uint8Array(100_000)))
    await expect(unwrapImage(packed.slice(0, 40))).rejects.toThrow(BadInput)
    await expect(unwrapImage(packed, decompressGzip, 50_000)).rejects.toThrow(/more than 50000 bytes/)
    await expect(unwrapImage(zboot('lz4', image))).rejects.toThrow(/"lz4" is not supported/)
    expect(() => parseZboot(zboot('gzip', image).slice(0, 70))).toThrow(/runs out/)
    let nested = new Uint8Array(gzipSync(image))
    for (let i = 0; i < 5; i++) nested = new Uint8Array(gzipSync(nested))
    await expect(unwrapImage(nested)).rejects.toThrow(/wrapped more than/)
  })
})

describe('placement', () => {
  test('ELF: physical addresses, entry through its segment, device tree at the start of RAM', () => {
    const plan = planLoad(board, { image: elf, bootargs: 'vcpus=2' })
    expect(plan.entry).toBe(0x4008_0010)
    expect(plan.dtbAddress).toBe(RAM_BASE)
    expect(plan.placements.map(({ what, address, memorySize }) => [what, address.toString(16), memorySize])).toEqual([
      ['image', '40080000', 0x1000], ['image', '40090000', 64], ['device tree', '40000000', plan.dtb.length],
    ])
    expect(stringsOf(nodeAt(readFdt(plan.dtb), '/chosen')!.properties.get('bootargs')!)).toEqual(['vcpus=2'])
    expect(plan.elf!.symbol('main')).toBeDefined()
  })

  test('ELF at the start of RAM: the device tree goes behind everything', () => {
    const plan = planLoad(board, { image: buildElf(0x4000_0000n, [{ vaddr: 0x4000_0000n, paddr: 0x4000_0000n, bytes: code }]) })
    expect(plan.dtbAddress).toBe(0x4020_0000)
  })

  test('Image, modules, initrd', () => {
    const plan = planLoad(board, { image: buildImage(0n, 0x123_4567n, 0xan), initrd: new Uint8Array(100), modules: [{ bytes: new Uint8Array(10), bootargs: 'k' }, { bytes: new Uint8Array(20) }] })
    expect(plan.entry).toBe(0x4020_0000)
    expect(plan.placements.map(({ what, address }) => [what, address.toString(16)])).toEqual([
      ['image', '40200000'], ['module', '41440000'], ['module', '41450000'], ['initrd', '41460000'], ['device tree', '40000000'],
    ])
    const chosen = nodeAt(readFdt(plan.dtb), '/chosen')!
    expect(cellsOf(chosen.properties.get('linux,initrd-start')!)).toEqual([0, 0x4146_0000])
    expect(cellsOf(chosen.properties.get('linux,initrd-end')!)).toEqual([0, 0x4146_0064])
    expect(chosen.children.map(child => [child.name, stringsOf(child.properties.get('compatible')!)[0]])).toEqual([['module@41440000', 'multiboot,kernel'], ['module@41450000', 'multiboot,ramdisk']])
  })

  test('an Image with text_offset, raw code, a user\'s tree', () => {
    expect(planLoad(board, { image: buildImage(0x8_0000n, 0x1000n, 2n) }).entry).toBe(0x4008_0000)
    expect(planLoad(board, { image: code, allowRaw: true }).entry).toBe(0x4008_0000)
    const dtb = writeFdt(deviceTreeOf(board))
    expect(readFdt(planLoad(board, { image: elf, dtb }).dtb)).toEqual(readFdt(dtb))
  })

  test.each([
    ['an Image larger than RAM', { image: buildImage(0n, 0x1000_0000n, 2n) }, /image: its memory \[0x40200000, 0x50200000\) is outside RAM/],
    ['a vmlinux', { image: buildElf(0xffff_8000_0000_0000n, [{ vaddr: 0xffff_8000_0000_0000n, paddr: 0xffff_8000_0000_0000n, bytes: code }]) }, /use the Image, not vmlinux/],
    ['a low ELF', { image: buildElf(0x1000n, [{ vaddr: 0x1000n, paddr: 0x1000n, bytes: code }]) }, /outside RAM/],
    ['an initrd that does not fit', { image: elf, initrd: new Uint8Array(2 ** 28) }, /initrd: 268435456 bytes at 0x400a0000 do not fit/],
    ['entry in no segment', { image: buildElf(0x5000_0000n, [{ vaddr: 0x4000_0000n, paddr: 0x4000_0000n, bytes: code }]) }, /in no segment/],
    ['overlapping segments', { image: buildElf(0x4000_0000n, [{ vaddr: 0x4000_0000n, paddr: 0x4000_0000n, bytes: code }, { vaddr: 0x5000_0000n, paddr: 0x4000_0020n, bytes: code }]) }, /overlap/],
    ['unknown bytes', { image: code }, /neither ELF nor/],
    ['wrapped', { image: new Uint8Array(gzipSync(code)) }, /still wrapped \(gzip\)/],
    ['a huge tree', { image: elf, bootargs: 'x'.repeat(2 ** 21) }, /more than the 2 MiB/],
    ['reserved memory', { image: elf, reservedBytes: 2 ** 28 - 2 ** 19 }, /outside RAM/],
  ])('%s', (_name, request, message) => {
    expect(() => planLoad(board, request)).toThrow(message)
    expect(() => planLoad(board, request)).toThrow(BadInput)
  })
})
