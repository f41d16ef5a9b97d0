/** `nidus run`: images on the bare machine or in VMs of L0. */
import { buildCommand } from '@stricli/core'
import { BadInput } from '../../arch/bad-input.ts'
import { UNIT_COSTS } from '../../arch/cost.ts'
import { ExitStatistics } from '../../trace/exit-statistics.ts'
import { parseOthers, type ImagesContext } from '../and.ts'
import { onlyOptions } from '../asked.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { gdbAddress, type GdbAddress } from '../gdb-server.ts'
import { readRecording, type Recording } from '../recording.ts'
import { IMAGE_PARAMETER, RUN_FLAGS, type RunFlags } from '../run-flags.ts'
import { printMessages, runSession, type Finished, type Requested } from '../session.ts'
import { openSnapshot, type RestoredSession } from '../snapshot-file.ts'
import { exitTables } from '../stat-tables.ts'
import { grouped } from '../table.ts'

interface Flags extends RunFlags {
  readonly snapshot?: string
  readonly record?: string
  readonly replay?: string
  readonly stat: boolean
  readonly json: boolean
  readonly gdb?: GdbAddress
  readonly wait: boolean
}

/** Of every command that runs images. */
export const EXIT_CODES = 'Exit codes: 0 done (PSCI off, or --until seen), 1 the guest ended without printing --until, 2 bad input, 3 the guest died or hit something unimplemented, 4 timeout, 130 Ctrl-C. Of several VMs the worst counts; --until ends the run when all VMs that have one have printed it.'

export const runCommand = buildCommand({
  docs: {
    brief: 'Run an image on the bare machine or in a VM of the host hypervisor',
    fullDescription: [
      'IMAGE is an ELF file or an arm64 Image, plain or as gzip, zstd or EFI zboot, or debian:X (see nidus fetch --help), which brings its initramfs',
      'and console=ttyAMA0. The console is stdout and stdin (Ctrl-A X ends); everything else is on stderr.',
      'With --on vm, --and IMAGE adds a VM with options of its own (--el2, --smp, --mem, --initrd, --append, --until, --console ...); lines of stdout',
      'then begin with the VM\'s number, keys go to VM 0, and Ctrl-A 1 sends them to VM 1.',
      '',
      'Examples:',
      '  nidus run guests/built/bench --smp 2',
      '  nidus run guests/built/bench --on vm --smp 2 --stat',
      '  nidus run guests/built/mini-kvm-nvhe --el2 --smp 2 --initrd guests/built/bench --append vcpus=2',
      '  nidus run guests/built/mini-kvm-vhe --on vm --el2 --arch v8.4 --smp 2 --initrd guests/built/bench --append vcpus=2',
      '  nidus run --on vm guests/built/mini-kvm-vhe --el2 --smp 2 --initrd guests/built/bench --append vcpus=2 --and guests/built/bench --smp 2 --console bench.txt',
      '  nidus run xen-4.20-arm64 --on vm --el2 --mem 1G --module Image,console=hvc0 --module initrd.gz --append "dom0_mem=384M console=dtuart dtuart=/pl011@9000000"',
      '  nidus run debian:6.12 --append do=list',
      '  nidus run debian:6.12-full --share . --append do=shell    # in the guest: mount -t 9p -o trans=virtio share /mnt',
      '  nidus run debian:6.12 --net user,hostfwd=tcp::8080-:80 --append do=shell    # in the guest: udhcpc; wget http://10.0.2.2:PORT/',
      '  nidus run debian:6.12 --drive disk.img,overlay --rng 1 --append do=shell',
      '  nidus run --snapshot booted.nidus --record session.log',
      '  nidus run --replay session.log',
      '  nidus run Image --initrd initrd.gz --append console=ttyAMA0 --until login: --timeout 60',
      '',
      EXIT_CODES,
    ].join('\n'),
  },
  parameters: {
    flags: {
      ...RUN_FLAGS,
      snapshot: { kind: 'parsed', parse: String, brief: 'Go on from a snapshot (nidus snapshot) instead of an image', optional: true, placeholder: 'FILE' },
      record: { kind: 'parsed', parse: String, brief: 'Write down what comes from outside (keys, network) and when', optional: true, placeholder: 'FILE' },
      replay: { kind: 'parsed', parse: String, brief: 'Run what was recorded once more and compare', optional: true, placeholder: 'FILE' },
      stat: { kind: 'boolean', brief: 'Print exits by level and reason at the end, as nidus stat does', default: false, withNegated: false },
      gdb: { kind: 'parsed', parse: gdbAddress, brief: 'Let GDB connect to this port or unix socket (see nidus gdb --help)', optional: true, placeholder: 'PORT|PATH' },
      wait: { kind: 'boolean', brief: 'With --gdb: run nothing before GDB says so', default: false, withNegated: false },
      json: { kind: 'boolean', brief: 'End with one line of JSON on stderr', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [{ ...IMAGE_PARAMETER, optional: true }] },
  },
  async func(this: ImagesContext, flags: Flags, path?: string) {
    const statistics = new ExitStatistics(() => performance.now())
    const gdb = flags.gdb === undefined ? undefined : { address: flags.gdb, wait: flags.wait }
    if (gdb === undefined && flags.wait) throw new BadInput('--wait', 'it needs --gdb')
    const { flags: asked, images, restored, replay } = await whatToRun(flags, path, this.others)
    const finished = await runSession(asked, images, { hash: flags.json, gdb, restored, replay, record: flags.record, onEvent: flags.stat || flags.json ? statistics.sink : undefined })
    if (finished === undefined) return
    printMessages(finished)
    if (flags.stat) process.stderr.write(`${exitTables(statistics, { by: 'level', costs: UNIT_COSTS.name })}\n`)
    if (flags.json) process.stderr.write(`${JSON.stringify({ ...runReport(finished), traps: statistics.byLevel(), traceHash: finished.machine.traceHash() ?? null })}\n`)
    process.exitCode = replay === undefined ? finished.code : compare(finished, replay)
  },
})

interface ToRun { readonly flags: RunFlags, readonly images: readonly Requested[], readonly restored?: RestoredSession | undefined, readonly replay?: Recording | undefined }

const BESIDE_REPLAY = ['replay', 'stat', 'json', 'console'], BESIDE_SNAPSHOT = ['snapshot', 'record', 'stat', 'json', 'until', 'timeout', 'console', 'gdb', 'wait']

/** From the command line, from a snapshot, or from a recording. */
async function whatToRun(flags: Flags, path: string | undefined, others: ImagesContext['others']): Promise<ToRun> {
  const given = process.argv.slice(3)
  if (flags.replay !== undefined) {
    if (path !== undefined) throw new BadInput('--replay', 'the recording says which image')
    onlyOptions(given, BESIDE_REPLAY, '--replay')
    const replay = readRecording(flags.replay), { asked } = replay
    return { flags: asked.flags, images: withConsole(asked.images, flags), replay, restored: asked.snapshot === undefined ? undefined : await openSnapshot(asked.snapshot, 'snapshot of the recording') }
  }
  if (flags.snapshot !== undefined) {
    if (path !== undefined) throw new BadInput('--snapshot', 'the snapshot is what runs; leave the image out')
    onlyOptions(given, BESIDE_SNAPSHOT, '--snapshot')
    const restored = await openSnapshot(flags.snapshot), { until: _, ...first } = restored.images[0]!.flags, { timeout: __, ...machine } = restored.flags
    const images = restored.images.map(({ path: image, flags: { until: ___, ...own } }, i) => ({ path: image, flags: i === 0 ? { ...first, ...(flags.until === undefined ? {} : { until: flags.until }) } : own }))
    return { flags: { ...machine, ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }) }, images: withConsole(images, flags), restored }
  }
  if (path === undefined) throw new BadInput('run', 'an image is missing; see nidus run --help')
  return { flags, images: [{ flags, path }, ...await parseOthers(others)] }
}

const withConsole = (images: readonly Requested[], { console }: Flags): readonly Requested[] =>
  console === undefined ? images : images.map((each, i) => i === 0 ? { ...each, flags: { ...each.flags, console } } : each)

/** The exit code of a replay: that of the run, unless it was another run. */
function compare({ machine, code }: Finished, { ending }: Recording): ExitCode {
  if (ending === undefined) {
    process.stderr.write('nidus: the recording breaks off before the end of its run\n')
    return code
  }
  const hash = machine.traceHash(), { instructions } = machine.position
  if (hash === ending.traceHash && instructions === ending.position.instructions) {
    process.stderr.write(`nidus: replayed ${grouped(instructions)} instructions, traceHash ${hash} as recorded\n`)
    return code
  }
  process.stderr.write(`nidus: this replay is another run: traceHash ${hash} after ${grouped(instructions)} instructions, recorded ${ending.traceHash} after ${grouped(ending.position.instructions)}; this is a bug of Nidus, please report it\n`)
  return EXIT.ourBug
}

/** The part of `--json` that every command has. */
export function runReport({ machine, outcome, code, codes, rewritings }: Finished) {
  const { user, system } = process.cpuUsage()
  return {
    exit: code, outcome, guestInstructions: machine.instructions, virtualNs: machine.nanoseconds, hostCpuMs: Math.round((user + system) / 1000),
    ...(rewritings[0] === undefined ? {} : { paravirt: { form: rewritings[0].form, executed: rewritings[0].executed() } }),
    ...(codes.length > 1 ? { vms: codes.map((exit, vm) => ({ vm, exit })) } : {}),
  }
}
