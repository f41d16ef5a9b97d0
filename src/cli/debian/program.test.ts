import { expect, test } from 'vitest'
import { parseDynamicElf } from '../../arch/image/elf-dynamic.ts'
import { parseInstallations } from './apt.ts'
import { programEntries } from './program.ts'

/** One PT_LOAD at 0 that is the whole file, PT_DYNAMIC, PT_INTERP: as ld writes them. */
function elf({ needed = [], soname, interpreter }: { readonly needed?: readonly string[], readonly soname?: string, readonly interpreter?: string }): Uint8Array {
  const bytes = new Uint8Array(2048), view = new DataView(bytes.buffer), BASE = 0x10000n
  let names = 1024
  const text = (value: string): number => {
    const at = names
    bytes.set(new TextEncoder().encode(value), at)
    names += value.length + 1
    return at
  }
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(18, 183, true)
  view.setBigUint64(32, 64n, true)
  view.setUint16(54, 56, true)
  const dynamic: [number, bigint][] = [[5, BASE + 1024n], ...needed.map((name): [number, bigint] => [1, BigInt(text(name) - 1024)]), ...soname === undefined ? [] : [[14, BigInt(text(soname) - 1024)] as [number, bigint]], [0, 0n]]
  dynamic.forEach(([tag, value], i) => {
    view.setBigInt64(512 + 16 * i, BigInt(tag), true)
    view.setBigUint64(520 + 16 * i, value, true)
  })
  const segments: [type: number, offset: number, size: number][] = [[1, 0, 2048], [2, 512, 16 * dynamic.length], ...interpreter === undefined ? [] : [[3, text(interpreter), interpreter.length + 1] as [number, number, number]]]
  view.setUint16(56, segments.length, true)
  segments.forEach(([type, offset, size], i) => {
    const at = 64 + 56 * i
    view.setUint32(at, type, true)
    view.setBigUint64(at + 8, BigInt(offset), true)
    view.setBigUint64(at + 16, BASE + BigInt(offset), true)
    view.setBigUint64(at + 32, BigInt(size), true)
  })
  return bytes
}

const PROGRAM = elf({ needed: ['libb.so.1', 'libc.so.6'], interpreter: '/lib/ld-linux-aarch64.so.1' })

test('what a file asks the dynamic linker for', () => {
  expect(parseDynamicElf(PROGRAM)).toEqual({ interpreter: '/lib/ld-linux-aarch64.so.1', needed: ['libb.so.1', 'libc.so.6'], soname: undefined })
  expect(parseDynamicElf(elf({ soname: 'libb.so.1' }))).toEqual({ interpreter: undefined, needed: [], soname: 'libb.so.1' })
})

test('a damaged file is none, and nothing throws', () => {
  for (let length = 0; length < 700; length++) expect(parseDynamicElf(PROGRAM.subarray(0, length))).toBeUndefined()
  for (let at = 0; at < 600; at++) for (const value of [0, 0xff]) parseDynamicElf(Uint8Array.from(PROGRAM, (byte, i) => i === at ? value : byte))
})

test('a program comes with the libraries of its libraries, and no others', () => {
  const libraries = new Map([
    ['libb.so.1', elf({ soname: 'libb.so.1', needed: ['libc.so.6'] })], ['libc.so.6', elf({ soname: 'libc.so.6', needed: ['ld-linux-aarch64.so.1'] })],
    ['ld-linux-aarch64.so.1', elf({ soname: 'ld-linux-aarch64.so.1' })], ['libunused.so.3', elf({ soname: 'libunused.so.3' })],
  ])
  expect(programEntries(new Map([['usr/bin/program', PROGRAM]]), libraries).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    'folder lib', 'folder usr', 'folder usr/bin', 'folder usr/lib', 'folder usr/lib/aarch64-linux-gnu', 'file lib/ld-linux-aarch64.so.1', 'file usr/bin/program',
    ...['ld-linux-aarch64.so.1', 'libb.so.1', 'libc.so.6'].map(name => `file usr/lib/aarch64-linux-gnu/${name}`),
  ])
  libraries.delete('libb.so.1')
  expect(() => programEntries(new Map([['usr/bin/program', PROGRAM]]), libraries)).toThrow('libb.so.1 is in none')
})

test('what apt would install', () => {
  expect(parseInstallations(`Reading package lists...
Inst libaio1t64 (0.3.113-8+b1 Debian:13.1/stable [arm64])
Inst qemu-system-data (1:10.0.13+ds-0+deb13u1 Debian:13.1/stable [all]) []
Inst zlib1g:arm64 [1.2] (1:1.3 Debian:13.1/stable [arm64])
Conf libaio1t64 (0.3.113-8+b1 Debian:13.1/stable [arm64])`)).toEqual([
    { name: 'libaio1t64', version: '0.3.113-8+b1', architecture: 'arm64' }, { name: 'qemu-system-data', version: '1:10.0.13+ds-0+deb13u1', architecture: 'all' }, { name: 'zlib1g', version: '1:1.3', architecture: 'arm64' },
  ])
})
