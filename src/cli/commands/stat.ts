/** `nidus stat`: where the exits of a run come from and what they cost. */
import { buildCommand } from '@stricli/core'
import { neve2017 } from '../../lab/cost-models.ts'
import { ExitStatistics } from '../../trace/exit-statistics.ts'
import { imagesToRun, type ImagesContext } from '../and.ts'
import { integerBetween, levelNames, oneOf } from '../options.ts'
import { IMAGE_PARAMETER, RUN_FLAGS, type RunFlags } from '../run-flags.ts'
import { printMessages, runSession } from '../session.ts'
import { exitReport, exitTables, GROUPINGS, ROWS, type Grouping, type RowKind } from '../stat-tables.ts'
import { EXIT_CODES, runReport } from './run.ts'
import type { Level } from '../../trace/event.ts'

interface Flags extends RunFlags {
  readonly by: Grouping
  readonly rows: RowKind
  readonly level?: readonly Level[]
  readonly vcpu?: number
  readonly top?: number
  readonly json: boolean
}

export const statCommand = buildCommand({
  docs: {
    brief: 'Run images and print their exits by level, vCPU, class and register, like perf kvm stat',
    fullDescription: [
      'Takes what nidus run takes (see nidus run --help). Counts every exception to EL2 by the level that ran, the vCPU, and the register or the class;',
      'with cycles in the host hypervisor (modelled, as in nidus paper), cycles until the same level ran again, and host time.',
      '',
      'Examples:',
      '  nidus stat guests/built/mini-kvm-vhe --on vm --el2 --arch v8.3 --smp 2 --initrd guests/built/bench --append vcpus=2',
      '  nidus stat guests/built/bench --on vm --smp 2 --by vcpu --top 5',
      '  nidus stat guests/built/mini-kvm-nvhe --on vm --el2 --initrd guests/built/bench --rows class --by vcpu',
      '  nidus stat debian:6.12 --on vm --until MARK-BOOT --level vm',
      '  nidus stat guests/built/bench --on vm --json 2> exits.json',
      '',
      EXIT_CODES,
    ].join('\n'),
  },
  parameters: {
    flags: {
      ...RUN_FLAGS,
      by: { kind: 'parsed', parse: oneOf('--by', GROUPINGS), brief: 'One table per level, per level and VM, or per level and vCPU', default: 'level' },
      rows: { kind: 'parsed', parse: oneOf('--rows', ROWS), brief: 'A row per register, address or instruction, or per exception class', default: 'reason' },
      level: { kind: 'parsed', parse: levelNames, brief: 'Only these levels, e.g. vEL2,L2', optional: true, placeholder: 'LIST' },
      vcpu: { kind: 'parsed', parse: integerBetween('--vcpu', 0, 7), brief: 'Only this vCPU', optional: true },
      top: { kind: 'parsed', parse: integerBetween('--top', 1, 1000), brief: 'Most rows of each table', optional: true },
      json: { kind: 'boolean', brief: 'One line of JSON on stderr instead of tables', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [IMAGE_PARAMETER] },
  },
  async func(this: ImagesContext, flags: Flags, path: string) {
    const statistics = new ExitStatistics(() => performance.now())
    const print = (report: object): void => {
      process.stderr.write(flags.json ? `${JSON.stringify({ ...report, exits: exitReport(statistics) })}\n` : `${exitTables(statistics, { by: flags.by, rows: flags.rows, costs: neve2017.name, levels: flags.level, vcpu: flags.vcpu, top: flags.top })}\n`)
    }
    // Ctrl-C: what has been counted until then.
    let printed = false
    process.once('exit', () => { if (!printed) print({ exit: Number(process.exitCode ?? 0) }) })
    try {
      const finished = (await runSession(flags, await imagesToRun(flags, path, this.others), { onEvent: statistics.sink, costs: neve2017 }))!
      printMessages(finished)
      print(runReport(finished))
      process.exitCode = finished.code
    } finally { printed = true }
  },
})
