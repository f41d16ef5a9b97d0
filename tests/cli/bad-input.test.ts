/** Bad input on the command line: one clear line on stderr, exit code 2, nothing on stdout, nothing written. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { encode } from '../../src/isa/encode.ts'
import { rowByName } from '../../src/sysreg/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'nidus-cli-'))
afterAll(() => { rmSync(folder, { recursive: true }) })
const file = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
const nidus = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', 'bin/nidus.js', ...args], { encoding: 'utf8', input: '' })
  return { status, stdout, stderr }
}
const bench = 'guests/built/bench', elf = readFileSync('guests/built/bench.elf')
/** The same pseudo-random bytes every time. */
const noise = Uint8Array.from({ length: 5000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24)

describe('exit code 2 and one line', { timeout: 60_000 }, () => {
  test.each([
    ['a missing file', ['run', join(folder, 'missing')], /there is no file/],
    ['an empty file', ['run', file('empty', new Uint8Array())], /is empty/],
    ['a folder', ['run', folder], /is a folder/],
    ['random bytes', ['run', file('noise', noise)], /neither ELF nor an arm64 Image/],
    ['a truncated ELF', ['run', file('truncated.elf', elf.subarray(0, 5000))], /ELF image: segment 0/],
    ['an Image too large for memory', ['run', file('large', Uint8Array.from(readFileSync(bench), (byte, i) => (i >= 16 && i < 24 ? [0, 0, 0, 0x7f, 0, 0, 0, 0][i - 16]! : byte))), '--mem', '64M'], /too large|does not fit|memory/i],
    ['a bad initrd', ['run', bench, '--initrd', join(folder, 'missing')], /--initrd: there is no file/],
    ['an unknown profile', ['run', bench, '--arch', 'v9'], /unknown profile 'v9'/],
    ['an unknown feature', ['run', bench, '--hide', 'WARP'], /unknown feature 'WARP'/],
    ['virtual EL2 on v8.0', ['run', bench, '--on', 'vm', '--el2', '--arch', 'v8.0'], /--paravirt/],
    ['--paravirt where the machine has FEAT_NV', ['run', bench, '--on', 'vm', '--el2', '--arch', 'v8.3', '--paravirt', 'nv'], /FEAT_NV/],
    ['a root file system of a kernel', ['rootfs', 'debian:6.12'], /debian:X, X a suite/],
    ['a package that is a pattern', ['rootfs', '--include', '?all'], /--include: '\?all' is no name of a package/],
    ['a size of a root file system', ['rootfs', '--size', '5'], /--size: '5' is not a size/],
    ['--smp 0', ['run', bench, '--smp', '0'], /--smp: '0'/],
    ['--smp 9', ['run', bench, '--smp', '9'], /--smp: '9'/],
    ['--mem 7x', ['run', bench, '--mem', '7x'], /--mem: '7x' is not a size/],
    ['--mem 64G', ['run', bench, '--mem', '64G'], /--mem/],
    ['--timeout never', ['run', bench, '--timeout', 'never'], /--timeout/],
    ['GICv3 on moonshot', ['run', bench, '--board', 'moonshot', '--gic', 'v3'], /moonshot has a GICv2/],
    ['a disk that is not there', ['run', bench, '--drive', join(folder, 'missing.img')], /--drive: there is no file/],
    ['a disk of half a sector', ['run', bench, '--drive', `${file('half.img', noise)},overlay`], /5000 bytes, which is no multiple of 512/],
    ['an empty disk', ['run', bench, '--drive', join(folder, 'empty')], /--drive: .* is empty/],
    ['a folder as a disk', ['run', bench, '--drive', folder], /--drive: .* is a folder/],
    ['a word that no disk has', ['run', bench, '--drive', 'x.img,rw'], /--drive: 'rw' is not one of ro, overlay, pci/],
    ['a share that is not there', ['run', bench, '--share', join(folder, 'missing')], /--share: there is no folder/],
    ['a file as a share', ['run', bench, '--share', bench], /--share: .* is not a folder/],
    ['a tag that is none', ['run', bench, '--share', `${folder}:a b`], /'a b' is no tag/],
    ['two shares with one tag', ['run', bench, '--share', folder, '--share', folder], /--share: two have the tag share/],
    ['a network that is none', ['run', bench, '--net', 'tap'], /--net: 'tap' is not user/],
    ['a forward that is none', ['run', bench, '--net', 'user,hostfwd=udp::1-:2'], /--net: 'udp::1-:2' is no forward/],
    ['a forwarded port 0', ['run', bench, '--net', 'user,hostfwd=tcp::0-:2'], /--net: '0' is not a whole number from 1/],
    ['a seed that is none', ['run', bench, '--rng', '-1'], /--rng/],
    ['an unknown option', ['run', bench, '--frobnicate'], /--frobnicate/],
    ['an unknown command', ['walk'], /no command 'walk'/],
    ['virtual EL2 where FEAT_NV is hidden', ['run', bench, '--on', 'vm', '--el2', '--arch', 'v8.4', '--hide', 'NV'], /FEAT_NV/],
    ['--compare without --l1', ['paper', '--compare'], /--compare: .*--l1/],
    ['--against without --compare', ['paper', '--l1', bench, '--against', bench], /--against: .*--compare/],
    ['an --l1 that is no kernel', ['paper', '--l1', file('kernel', noise)], /--l1: .* is not an arm64 Image but of no known form/],
    ['an --l1 that is an ELF file', ['paper', '--l1', `${bench}.elf`], /--l1: .* is not an arm64 Image but an ELF file; the Image/],
    ['a kernel of --apps too large for the VM', ['paper', '--apps', '--l1', file('large-kernel', Uint8Array.from(readFileSync(bench), (byte, i) => (i >= 16 && i < 24 ? [0, 0, 0, 0x7f, 0, 0, 0, 0][i - 16]! : byte)))], /--l1: .* is too big: .* MiB, and its VM has 448 MiB/],
    ['--compare with the rewritten form', ['paper', '--l1', bench, '--compare', '--why', 'hypercall@v8.0,nvhe,nv'], /--compare: .*v8.3, neve or v8.4/],
    ['--why without a profile', ['paper', '--why', 'hypercall'], /names no profile/],
    ['a question that is none', ['explain', 'add x0, x0, x0'], /explain/],
  ] as const)('%s', (_, args, message) => {
    const before = readdirSync(folder)
    const { status, stdout, stderr } = nidus(...args)
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stdout).toBe('')
    expect(status).toBe(2)
    expect(readdirSync(folder)).toEqual(before)
  })
})

describe('what the guest does', { timeout: 60_000 }, () => {
  /** An Image of these instructions at its entry. */
  const image = (words: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(0x1000), view = new DataView(bytes.buffer)
    view.setUint32(0, encode('B', { imm26: 16 }), true)
    view.setBigUint64(16, 0x1000n, true)
    view.setUint32(56, 0x644d5241, true)
    words.forEach((word, i) => { view.setUint32(64 + 4 * i, word, true) })
    return bytes
  }
  const spin = encode('B', { imm26: 0 })

  test('a device that is not there: its name, PC, EL, exit code 3', () => {
    // MOVZ X1, #0x0a00 << 16 is virtio-mmio; 0x0900_0000 + 0xf00 is a hole of the PL011.
    const { status, stderr } = nidus('run', file('hole', image([
      encode('MOVZ', { sf: 1, hw: 1, imm16: 0x1000, Rd: 1 }), encode('LDR (immediate, unsigned offset)', { sf: 1, imm12: 0, Rn: 1, Rt: 0 }), spin,
    ])), '--timeout', '20')
    expect(stderr).toMatch(/unimplemented device access .* at PC 0x40[0-9a-f]+, EL1, CPU 0/)
    expect(status).toBe(3)
  })

  test('a register of a feature that is not there: named, exit code 3', () => {
    const { status, stderr } = nidus('run', file('register', image([(0xd530_0000 | (rowByName('ZCR_EL1')!.key << 5)) >>> 0, spin])), '--timeout', '20')
    expect(stderr).toMatch(/MRS ZCR_EL1 \(FEAT_SVE\) at PC 0x40[0-9a-f]+, EL1, was UNDEFINED/)
    expect(status).toBe(3)
  })

  test('--until ends at once with 0, a guest that ends without it with 1, --timeout with 4', () => {
    expect(nidus('run', bench, '--until', 'hypercall:')).toMatchObject({ status: 0 })
    expect(nidus('run', bench, '--until', 'never printed')).toMatchObject({ status: 1 })
    expect(nidus('run', file('spin', image([spin])), '--timeout', '0.5')).toMatchObject({ status: 4 })
  })

  test('--json ends with one line of JSON on stderr', () => {
    const { stderr, stdout } = nidus('run', bench, '--json')
    expect(stdout).toContain('bench: done')
    expect(JSON.parse(stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({ exit: 0, traceHash: expect.stringMatching(/^[0-9a-f]{16}$/) as unknown, traps: {} })
  })

  test('Ctrl-C ends with 130', async () => {
    const child = spawn(process.execPath, ['--no-warnings', 'bin/nidus.js', 'run', bench, '--append', 'ops=1000000000'], { stdio: ['pipe', 'pipe', 'ignore'] })
    // It has started when the guest prints.
    child.stdout.once('data', () => { child.kill('SIGINT') })
    child.stdout.resume()
    expect(await new Promise(resolve => { child.on('exit', code => { resolve(code) }) })).toBe(130)
  })
})
