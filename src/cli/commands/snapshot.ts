/** `nidus snapshot`: runs to a point and keeps the whole machine in a file. */
import { buildCommand } from '@stricli/core'
import { BadInput } from '../../arch/bad-input.ts'
import { parseOthers, type ImagesContext } from '../and.ts'
import { EXIT } from '../exit-codes.ts'
import { integerBetween } from '../options.ts'
import { IMAGE_PARAMETER, RUN_FLAGS, type RunFlags } from '../run-flags.ts'
import { printMessages, runSession } from '../session.ts'
import { writeSnapshotOf } from '../snapshot-file.ts'
import { grouped } from '../table.ts'

interface Flags extends RunFlags {
  readonly after?: number
  readonly output: string
}

export const snapshotCommand = buildCommand({
  docs: {
    brief: 'Run to a point and keep the machine, its VMs and devices in a file',
    fullDescription: [
      'Takes the options of nidus run; nidus run --snapshot FILE goes on from there, in any process, as often as wanted. --until TEXT: at the branch',
      'after the console has printed TEXT; --after N: after N instructions. FILE is whole or not there. Only the same version of Nidus reads it.',
      '',
      'Examples:',
      '  nidus snapshot debian:6.12 --append do=shell --until "# " --output booted.nidus',
      '  nidus run --snapshot booted.nidus',
      '  nidus snapshot guests/built/mini-kvm-vhe --on vm --el2 --smp 2 --initrd guests/built/bench --append vcpus=2 --after 3000000 --output nested.nidus',
      '',
      'Exit codes: 0 written, 1 the guest ended before, 2 bad input, 3 the guest died, 4 timeout, 130 Ctrl-C.',
    ].join('\n'),
  },
  parameters: {
    flags: {
      ...RUN_FLAGS,
      after: { kind: 'parsed', parse: integerBetween('--after', 1, Number.MAX_SAFE_INTEGER), brief: 'Instructions of all CPUs together', optional: true, placeholder: 'N' },
      output: { kind: 'parsed', parse: String, brief: 'The file', placeholder: 'FILE' },
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [IMAGE_PARAMETER] },
  },
  async func(this: ImagesContext, flags: Flags, path: string) {
    const images = [{ flags, path }, ...await parseOthers(this.others)], { after, output } = flags
    if (after === undefined && images.every(image => image.flags.until === undefined)) throw new BadInput('snapshot', 'say when: --until TEXT or --after N')
    const finished = await runSession(flags, images, { hash: true, after })
    if (finished === undefined) return
    const { outcome, machine, recipe } = finished
    if (outcome === 'enough' || outcome === 'until') {
      const size = await writeSnapshotOf(machine, recipe, { flags, images }, output)
      process.stderr.write(`nidus: ${output}: ${grouped(size)} bytes after ${grouped(machine.instructions)} instructions, traceHash ${machine.traceHash()}\n`)
      process.exitCode = EXIT.done
      return
    }
    printMessages(finished)
    process.stderr.write(`nidus: no snapshot was written: the run ended before ${after === undefined ? 'that was printed' : `${grouped(after)} instructions`}\n`)
    process.exitCode = finished.code === EXIT.done ? EXIT.guestFailed : finished.code
  },
})
