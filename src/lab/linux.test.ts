import { describe, expect, test } from 'vitest'
import { vmmBootargs, vmmInitramfs } from './linux.ts'

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
