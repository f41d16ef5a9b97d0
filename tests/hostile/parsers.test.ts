/**
 * Damaged Images, EFI zboot files, gzip streams, cpio and ar archives, and PSCI and SMCCC calls with any arguments: BadInput or an answer, no more memory than
 * the limit that is given, and always an end. NIDUS_FUZZ: cases of each (default 300).
 */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAr } from '../../src/arch/archive/ar.ts'
import { readCpio, writeCpio } from '../../src/arch/archive/cpio.ts'
import { BadInput } from '../../src/arch/bad-input.ts'
import { parseArm64Image } from '../../src/arch/image/arm64-image.ts'
import { decompressGzip, unwrapImage } from '../../src/arch/image/compressed.ts'
import { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'
import { Assembler, Random } from '../assembler.ts'

const numRuns = Number(process.env['NIDUS_FUZZ'] ?? 300), seed = Number(process.env['NIDUS_SEED'] ?? 1)
const LIMIT = 1 << 16

function image(): Uint8Array {
  const bytes = new Uint8Array(256), view = new DataView(bytes.buffer)
  view.setUint32(0, 0x1400_0010, true)
  view.setBigUint64(16, 256n, true)
  view.setUint32(56, 0x644d_5241, true)
  return bytes
}
function zboot(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(64 + payload.length), view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode('MZ'), 0)
  bytes.set(new TextEncoder().encode('zimg'), 4)
  view.setUint32(8, 64, true)
  view.setUint32(12, payload.length, true)
  bytes.set(new TextEncoder().encode('gzip'), 24)
  bytes.set(payload, 64)
  return bytes
}
const member = (name: string, text: string): string => `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(text.length).padEnd(10)}\`\n${text}${text.length % 2 === 1 ? '\n' : ''}`
const packed = gzipSync(image())
const SEEDS: readonly (readonly [string, Uint8Array])[] = [
  ['Image', image()], ['gzip', packed], ['zboot', zboot(packed)], ['ar', new TextEncoder().encode(`!<arch>\n${member('debian-binary', '2.0\n')}${member('data.tar', 'abc')}`)],
  ['cpio', writeCpio([{ kind: 'folder', path: 'a' }, { kind: 'file', path: 'a/b', bytes: new TextEncoder().encode('text') }, { kind: 'link', path: 'l', target: 'a' }])],
  // Nothing that the packer would make: everything is zero.
  ['bomb', gzipSync(new Uint8Array(1 << 20))],
]

/** Bytes set, cut, moved and repeated. */
const damaged = (original: Uint8Array): fc.Arbitrary<Uint8Array> => fc.tuple(
  fc.array(fc.tuple(fc.oneof(fc.nat(Math.min(64, original.length - 1)), fc.nat(original.length - 1)), fc.oneof(fc.constantFrom(0, 0x7f, 0x80, 0xff, 0x30, 0x39, 0x20), fc.nat(255))), { maxLength: 8 }),
  fc.option(fc.nat(original.length)), fc.boolean(),
).map(([changes, length, twice]) => {
  const bytes = original.slice(0, length ?? original.length)
  for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
  return twice ? Uint8Array.from([...bytes, ...bytes]) : bytes
})

async function parse(bytes: Uint8Array): Promise<number> {
  let size = 0
  const attempt = async (what: () => unknown): Promise<void> => {
    try { await what() } catch (error) { if (!(error instanceof BadInput)) throw error }
  }
  await attempt(async () => { size = (await unwrapImage(bytes, (name, data) => decompressGzip(name, data, LIMIT))).length })
  await attempt(() => parseArm64Image(bytes))
  await attempt(() => readAr(bytes))
  await attempt(() => { for (const [, content] of readCpio(bytes)) expect(content.length).toBeLessThanOrEqual(bytes.length) })
  return size
}

describe('files', () => {
  test.each(SEEDS)('%s', async (_, original) => {
    await fc.assert(fc.asyncProperty(damaged(original), async bytes => { expect(await parse(bytes)).toBeLessThanOrEqual(Math.max(LIMIT, bytes.length)) }), { numRuns: Math.ceil(numRuns / SEEDS.length), seed })
  }, 600_000)
})

/** Calls with any function and arguments, then a branch to itself. */
function caller(r: Random, conduit: 'hvc' | 'smc'): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(0xd503_201f, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
  a.label('start')
  for (let n = 0; n < 12; n++) {
    const known = [0x8400_0000, 0x8400_0001, 0xc400_0001, 0x8400_0002, 0x8400_0003, 0xc400_0003, 0x8400_0004, 0xc400_0004, 0x8400_0006, 0x8400_000a, 0x8000_0000, 0x8000_0001, 0x8400_000c, 0xc400_000e, 0x8600_0000, 0xc600_0000]
    a.mov(0, r.chance(80) ? BigInt(r.pick(known)) | (r.chance(10) ? BigInt(r.next()) << 32n : 0n) : BigInt(r.next()))
    for (let x = 1; x < 4; x++) a.mov(x, r.pick([0n, 1n, 0x4000_0000n, 0x4000_0001n, 0x8000_0001n, BigInt(r.next()), (BigInt(r.next()) << 32n) | BigInt(r.next()), 0xffff_ffff_ffff_ffffn]))
    if (conduit === 'hvc') a.hvc(r.chance(90) ? 0 : r.below(65536))
    else a.smc(r.chance(90) ? 0 : r.below(65536))
  }
  a.label('end')
  a.b('end')
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

test('PSCI and SMCCC calls of a machine and of VMs', () => {
  // A machine each: a twelfth of the cases, with twelve calls.
  for (let n = 0; n < Math.ceil(numRuns / 12); n++) {
    const r = new Random(seed * 1_000_003 + n), kind = r.pick(['bare', 'el2', 'vm', 'hypervisor'])
    const vm = kind === 'vm' || kind === 'hypervisor', program = caller(r, kind === 'bare' || kind === 'vm' ? 'hvc' : 'smc')
    const machine = new Machine({
      profile: 'v8.4', smp: 2, memBytes: 16 << 20, hash: false, translate: false, el2: kind === 'el2',
      ...(vm ? { reservedBytes: 4 << 20, l0: createL0({ vms: [{ image: program, memBytes: 8 << 20, smp: 2, el2: kind === 'vm' ? 'none' : 'nvhe', console: () => {} }] }) } : {}),
    })
    if (!vm) machine.loadImage({ image: program })
    expect(['off', 'reset', 'limit', 'waiting', 'stuck', 'idle', 'unimplemented']).toContain(machine.run({ maxInstructions: 4000 }).kind)
  }
}, 600_000)
