import { describe, expect, test } from 'vitest'
import { BadInput } from '../arch/bad-input.ts'
import { checkHypervisor, vmmBootargs, vmmInitramfs, whyItEnded } from './linux.ts'

const text = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)

describe('Linux as the guest hypervisor', () => {
  test('what stands behind -- goes to vmm; the command line of its VM is one quoted word', () => {
    expect(vmmBootargs('quiet', 2, 'quiet=1 ops=64')).toBe('quiet -- vcpus=2 "append=quiet=1 ops=64"')
  })

  test('the initramfs has vmm as its first process, a console, and what vmm starts', () => {
    const archive = text(vmmInitramfs(new Uint8Array([1, 2, 3]), { kernel: new TextEncoder().encode('the kernel'), initrd: new TextEncoder().encode('its initrd') }))
    for (const part of ['dev/console\0', 'init\0', 'kernel\0', 'the kernel', 'initrd\0', 'its initrd']) expect(archive).toContain(part)
    // Mode of /init: an executable file.
    expect(archive).toContain('000081ed')
  })
})

/** 64 KiB with these bytes in them. */
const bytes = (parts: Readonly<Record<number, readonly number[] | string>>): Uint8Array => {
  const image = new Uint8Array(0x1_0000)
  for (const [at, part] of Object.entries(parts)) image.set(typeof part === 'string' ? new TextEncoder().encode(part) : part, Number(at))
  return image
}
const MIB = 2 ** 20
/** Header of an Image that says that it takes so many MiB. */
const image = (mib: number): Uint8Array => bytes({ 16: [0, 0, (mib & 15) << 4, mib >>> 4], 0x38: 'ARM\x64' })

describe('a kernel that cannot be the guest hypervisor is told before anything starts', () => {
  const check = (given: Uint8Array, initrd = MIB) => () => { checkHypervisor('--l1', 'kernel', given, initrd, 320 * MIB) }
  test.each([
    ['x86', bytes({ 0: 'MZ', 0x202: 'HdrS' }), /not an arm64 Image but a kernel for x86/],
    ['32-bit Arm', bytes({ 0x24: [0x18, 0x28, 0x6f, 0x01] }), /a kernel for 32-bit Arm/],
    ['RISC-V', bytes({ 0x30: 'RISCV', 0x38: 'RSC\x05' }), /a kernel for RISC-V/],
    ['vmlinux', bytes({ 0: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 18: [0xb7, 0] }), /ELF file; the Image that is made from a vmlinux/],
    ['vmlinux of x86-64', bytes({ 0: [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 18: [0x3e, 0] }), /ELF file for x86-64/],
    ['U-Boot', bytes({ 0: [0x27, 0x05, 0x19, 0x56] }), /uImage/],
    ['anything', bytes({ 0: 'hello' }), /of no known form/],
    ['too big', image(220), /too big: with what it starts 221 MiB, and its VM has 320 MiB/],
    ['big-endian', bytes({ 16: [0, 0, 1], 24: [1], 0x38: 'ARM\x64' }), /big-endian/],
  ])('%s', (_, given, message) => {
    expect(check(given)).toThrow(BadInput)
    expect(check(given)).toThrow(message)
  })

  test('one that fits passes; it need not say what symbols it has', () => {
    expect(check(image(200))).not.toThrow()
    expect(check(image(200), 20 * MIB)).toThrow(/too big/)
  })
})

test('why a run ended, from what was printed', () => {
  expect(whyItEnded('vmm: /dev/kvm: error 2\nvmm: exit code 2\n', 'reset', 5)).toContain('its KVM cannot be used (vmm: /dev/kvm: error 2)')
  expect(whyItEnded('vmm: 2 vCPUs, 64 MiB\nvmm: vcpu 0: exit reason 9\nvmm: the VM cannot go on\n', 'reset', 5)).toBe('vmm: the VM cannot go on')
  expect(whyItEnded('[  1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n[ 1.1] more\n', 'limit', 5)).toMatch(/^Kernel panic - not syncing: VFS: Unable to mount root fs .* \(it needs CONFIG_BLK_DEV_INITRD\)$/)
  expect(whyItEnded('', 'limit', 8_000_000_000)).toMatch(/printed nothing in 8,000,000,000 instructions \(limit\)/)
  expect(whyItEnded('bench: done\n', 'off', 7)).toMatch(/never started the first process/)
  expect(whyItEnded('vmm: 2 vCPUs\n', 'limit', 1234)).toBe('it ended with limit after 1,234 instructions')
})
