/** `nidus gdb`: `nidus run` that waits for GDB. */
import { buildCommand } from '@stricli/core'
import { imagesToRun, type ImagesContext } from '../and.ts'
import { GDB_PORT, gdbAddress, type GdbAddress } from '../gdb-server.ts'
import { IMAGE_PARAMETER, RUN_FLAGS, type RunFlags } from '../run-flags.ts'
import { printMessages, runSession } from '../session.ts'
import { EXIT_CODES } from './run.ts'

interface Flags extends RunFlags { readonly gdb: GdbAddress }

export const gdbCommand = buildCommand({
  docs: {
    brief: 'Run images under GDB: an inferior for the machine, one for L1, one for each nested VM',
    fullDescription: [
      'Takes what nidus run takes (see nidus run --help), listens for gdb-multiarch, and runs nothing before it says so. Inferior 1 is the machine, 2 is L1,',
      '3 is L2; each has its threads, registers, addresses, breakpoints and watchpoints. monitor help lists what GDB has no word for. See docs/debugging.md.',
      '',
      'Examples:',
      '  nidus gdb guests/built/bench.elf',
      '  nidus gdb guests/built/mini-kvm-vhe.elf --on vm --el2 --initrd guests/built/bench --gdb unix:/tmp/nidus.sock',
      '  nidus gdb debian:6.12 --gdb 1235',
      '  gdb-multiarch -x docs/nidus.gdb -ex "nidus :1234"',
      '',
      EXIT_CODES,
    ].join('\n'),
  },
  parameters: {
    flags: {
      ...RUN_FLAGS,
      gdb: { kind: 'parsed', parse: gdbAddress, brief: 'Where GDB connects: 1234, HOST:1234 or unix:PATH', default: String(GDB_PORT), placeholder: 'PORT|PATH' },
    },
    positional: { kind: 'tuple', parameters: [IMAGE_PARAMETER] },
  },
  async func(this: ImagesContext, flags: Flags, path: string) {
    const finished = (await runSession(flags, await imagesToRun(flags, path, this.others), { gdb: { address: flags.gdb, wait: true } }))!
    printMessages(finished)
    process.exitCode = finished.code
  },
})
