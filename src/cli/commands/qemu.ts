/** `nidus qemu`: QEMU's command line for -M virt. */
import { buildCommand } from '@stricli/core'
import { packageVersion } from '../package-files.ts'

export const qemuCommand = buildCommand({
  docs: {
    brief: 'Take the command line of qemu-system-aarch64 -M virt, for existing Makefiles and test runners',
    fullDescription: [
      'What comes after -- are the options of qemu-system-aarch64; docs/qemu.md says what each becomes. What has no effect is named on stderr, what is',
      'unknown ends with exit code 2. bin/nidus-qemu-system-aarch64 is the same under a name that QEMU\'s scripts can be given.',
      '',
      'Examples:',
      '  nidus qemu -- -M virt -cpu cortex-a57 -m 512 -nographic -kernel Image -initrd initrd.gz -append console=ttyAMA0',
      '  nidus qemu -- -M virt,virtualization=on,gic-version=3 -cpu max -nographic -kernel test.elf -semihosting',
      '  nidus qemu -- -M virt -cpu cortex-a57 -m 512 -nographic -bios /usr/lib/u-boot/qemu_arm64/u-boot.bin',
      '  nidus qemu -- -M virt -cpu cortex-a57 -m 512 -nographic -drive if=pflash,format=raw,readonly=on,file=AAVMF_CODE.fd -drive if=pflash,format=raw,file=vars.fd',
      '  make test QEMU="nidus qemu --"',
      '',
      'Exit codes: those of QEMU (0 off, -no-reboot, Ctrl-A X; the code of semihosting or of a test device), 2 bad input, 3 the guest died or hit something unimplemented.',
    ].join('\n'),
  },
  parameters: { flags: {}, positional: { kind: 'array', parameter: { brief: 'QEMU\'s options, after --', parse: String, placeholder: 'OPTION' } } },
  async func(_flags: Record<never, never>, ...argv: readonly string[]) {
    const { runQemu } = await import('../qemu/run.ts')
    process.exitCode = await runQemu(argv, packageVersion())
  },
})
