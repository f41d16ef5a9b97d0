/** `nidus trace`: a run's entries, exits and what was done with them, as text or for Perfetto. */
import { buildCommand } from '@stricli/core'
import { BadInput } from '../../arch/bad-input.ts'
import { BENCHMARKS, PHASE } from '../../lab/benchmarks.ts'
import { neve2017 } from '../../lab/cost-models.ts'
import type { Level } from '../../trace/event.ts'
import { PerfettoTrace } from '../../trace/perfetto.ts'
import { Stretches } from '../../trace/stretch.ts'
import { EVENT_NAMES, TextTrace, type EventName } from '../../trace/text.ts'
import { imagesToRun, type ImagesContext } from '../and.ts'
import { integerBetween, levelNames, oneOf } from '../options.ts'
import { IMAGE_PARAMETER, RUN_FLAGS, type RunFlags } from '../run-flags.ts'
import { printMessages, runSession } from '../session.ts'
import { TraceFile } from '../trace-file.ts'
import { EXIT_CODES } from './run.ts'

type Format = 'text' | 'perfetto'

interface Flags extends RunFlags {
  readonly out?: string
  readonly format?: Format
  readonly level?: readonly Level[]
  readonly events?: readonly EventName[]
  readonly from?: number
  readonly to?: number
  readonly times?: number
}

const PHASES: Readonly<Record<string, number>> = { begin: PHASE.begin, end: PHASE.end, 'series-begin': PHASE.seriesBegin, 'series-end': PHASE.seriesEnd }

/** A marker: the value of X0 at HINT #126, or the name of one of bench's: `hypercall.begin`. */
const marker = (option: string) => (text: string): number => {
  const [benchmark = '', phase = ''] = text.split('.'), number = BENCHMARKS.findIndex(name => name === benchmark) + 1
  if (number > 0 && PHASES[phase] !== undefined) return number << 8 | PHASES[phase]
  if (!/^(?:0x[0-9a-f]+|\d+)$/i.test(text) || Number(text) > 0xffff_ffff) throw new BadInput(option, `'${text}' is neither a marker's value nor the name of one, such as hypercall.begin (${BENCHMARKS.join(', ')}; ${Object.keys(PHASES).join(', ')})`)
  return Number(text)
}

const formatOf = ({ format, out }: Flags): Format => format ?? (out !== undefined && /\.(?:pftrace|perfetto-trace)$/.test(out) ? 'perfetto' : 'text')

export const traceCommand = buildCommand({
  docs: {
    brief: 'Run images and write every entry, exit and its handling, as text or for ui.perfetto.dev',
    fullDescription: [
      'Takes what nidus run takes (see nidus run --help). Text has the names of KVM\'s trace points and goes to stderr or to --out FILE; a FILE that ends',
      'with .pftrace gets Perfetto\'s protobuf: a track per VM, vCPU and level, arrows from each trap to its handling and to what runs next.',
      'The file is whole whenever the run ends, by Ctrl-C too. Times are modelled (as in nidus paper): 1 cycle is 1 ns.',
      '',
      'Examples:',
      '  nidus trace guests/built/mini-kvm-vhe --on vm --el2 --arch v8.4 --smp 2 --initrd guests/built/bench --append vcpus=2 --out nest.pftrace',
      '  nidus trace guests/built/bench --on vm --smp 2 --from hypercall.begin --to hypercall.end --times 1',
      '  nidus trace debian:6.12 --on vm --until MARK-BOOT --events kvm_mmio,vgic_update_irq_pending --out mmio.txt',
      '',
      `Events: ${EVENT_NAMES.join(', ')}.`,
      EXIT_CODES,
    ].join('\n'),
  },
  parameters: {
    flags: {
      ...RUN_FLAGS,
      out: { kind: 'parsed', parse: String, brief: 'Write the trace to FILE', optional: true, placeholder: 'FILE' },
      format: { kind: 'parsed', parse: oneOf('--format', ['text', 'perfetto']), brief: 'text or perfetto (default: by the name of FILE)', optional: true },
      level: { kind: 'parsed', parse: levelNames, brief: 'Exits from these levels and entries to them, e.g. L2', optional: true, placeholder: 'LIST' },
      events: { kind: 'parsed', parse: (text: string) => text.split(',').map(oneOf('--events', EVENT_NAMES)), brief: 'Only these events (text)', optional: true, placeholder: 'LIST' },
      from: { kind: 'parsed', parse: marker('--from'), brief: 'Trace from each marker of this value on', optional: true, placeholder: 'MARKER' },
      to: { kind: 'parsed', parse: marker('--to'), brief: 'Trace up to the next marker of this value', optional: true, placeholder: 'MARKER' },
      times: { kind: 'parsed', parse: integerBetween('--times', 1, 1_000_000), brief: 'End the run after so many stretches from --from to --to', optional: true },
    },
    positional: { kind: 'tuple', parameters: [IMAGE_PARAMETER] },
  },
  async func(this: ImagesContext, flags: Flags, path: string) {
    const images = await imagesToRun(flags, path, this.others)
    const format = formatOf(flags)
    if (format === 'perfetto' && flags.out === undefined) throw new BadInput('--format', 'perfetto needs --out FILE')
    if (format === 'perfetto' && flags.events !== undefined) throw new BadInput('--events', 'it is for text; a Perfetto trace has all of them as slices')
    if (flags.times !== undefined && flags.to === undefined) throw new BadInput('--times', 'it counts what ends with --to')
    const file = new TraceFile(flags.out), stretches = new Stretches(flags.from, flags.to)
    const filter = { levels: flags.level, open: () => stretches.open }
    const perfetto = format === 'perfetto' ? new PerfettoTrace({ write: file.write, ...filter }) : undefined
    const sink = perfetto?.sink ?? new TextTrace({ write: file.line, events: flags.events, ...filter }).sink
    const close = (): void => {
      perfetto?.finish()
      file.close()
    }
    process.once('exit', close)
    try {
      const enough = (): boolean => flags.times !== undefined && stretches.ended >= flags.times
      const finished = (await runSession(flags, images, { onEvent: stretches.around((event, cycles) => { if (!enough()) sink(event, cycles) }), costs: neve2017, enough }))!
      close()
      printMessages(finished)
      if (flags.out !== undefined) process.stderr.write(`nidus: ${flags.out}: ${file.bytes} bytes\n`)
      process.exitCode = finished.code
    } finally { close() }
  },
})
