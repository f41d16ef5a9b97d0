/** `nidus run`: images on the bare machine or in VMs of L0. */
import { buildCommand } from '@stricli/core'
import { BadInput } from '../../arch/bad-input.ts'
import { UNIT_COSTS } from '../../arch/cost.ts'
import { ExitStatistics } from '../../trace/exit-statistics.ts'
import { parseOthers, type ImagesContext } from '../and.ts'
import { gdbAddress, type GdbAddress } from '../gdb-server.ts'
import { IMAGE_PARAMETER, RUN_FLAGS, type RunFlags } from '../run-flags.ts'
import { runSession, type Finished } from '../session.ts'
import { exitTables } from '../stat-tables.ts'

interface Flags extends RunFlags {
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
      '  nidus run debian:6.12 --disk disk.img,overlay --rng 1 --append do=shell',
      '  nidus run Image --initrd initrd.gz --append console=ttyAMA0 --until login: --timeout 60',
      '',
      EXIT_CODES,
    ].join('\n'),
  },
  parameters: {
    flags: {
      ...RUN_FLAGS,
      stat: { kind: 'boolean', brief: 'Print exits by level and reason at the end, as nidus stat does', default: false, withNegated: false },
      gdb: { kind: 'parsed', parse: gdbAddress, brief: 'Let GDB connect to this port or unix socket (see nidus gdb --help)', optional: true, placeholder: 'PORT|PATH' },
      wait: { kind: 'boolean', brief: 'With --gdb: run nothing before GDB says so', default: false, withNegated: false },
      json: { kind: 'boolean', brief: 'End with one line of JSON on stderr', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [IMAGE_PARAMETER] },
  },
  async func(this: ImagesContext, flags: Flags, path: string) {
    const statistics = new ExitStatistics(() => performance.now())
    const gdb = flags.gdb === undefined ? undefined : { address: flags.gdb, wait: flags.wait }
    if (gdb === undefined && flags.wait) throw new BadInput('--wait', 'it needs --gdb')
    const finished = await runSession(flags, [{ flags, path }, ...await parseOthers(this.others)], { hash: flags.json, gdb, onEvent: flags.stat || flags.json ? statistics.sink : undefined })
    if (finished === undefined) return
    for (const message of finished.messages) process.stderr.write(`nidus: ${message}\n`)
    if (flags.stat) process.stderr.write(`${exitTables(statistics, { by: 'level', costs: UNIT_COSTS.name })}\n`)
    if (flags.json) process.stderr.write(`${JSON.stringify({ ...runReport(finished), traps: statistics.byLevel(), traceHash: finished.machine.traceHash() ?? null })}\n`)
    process.exitCode = finished.code
  },
})

/** The part of `--json` that every command has. */
export function runReport({ machine, outcome, code, codes, rewritings }: Finished) {
  const { user, system } = process.cpuUsage()
  return {
    exit: code, outcome, guestInstructions: machine.instructions, virtualNs: machine.nanoseconds, hostCpuMs: Math.round((user + system) / 1000),
    ...(rewritings[0] === undefined ? {} : { paravirt: { form: rewritings[0].form, executed: rewritings[0].executed() } }),
    ...(codes.length > 1 ? { vms: codes.map((exit, vm) => ({ vm, exit })) } : {}),
  }
}
