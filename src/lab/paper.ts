/**
 * The NEVE paper's Tables 1, 6 and 7 (SOSP 2017): which configurations make their rows, and the rows measured by running them.
 * A configuration runs once and gives all its benchmarks.
 */
import type { ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { BENCHMARKS, type Benchmark } from './benchmarks.ts'
import { published, type Column, type Published } from './data/published.ts'
import type { Measurement } from './experiment.ts'
import { whyLines, type WhyLine } from './operations.ts'

export type GuestKind = 'nvhe' | 'vhe'
export type ParavirtForm = 'nv' | 'neve'

/** One run of the machine: a plain VM, or a guest hypervisor with its nested VM. */
export interface Configuration {
  readonly arch: ProfileName
  readonly level: 'vm' | 'nested'
  readonly guest: GuestKind | null
  readonly paravirt: ParavirtForm | null
  readonly gic: GicVersion
}

export interface PaperRow {
  readonly benchmark: Benchmark
  readonly arch: ProfileName | 'x86'
  readonly method: 'hardware' | 'paravirtual'
  readonly paravirt: ParavirtForm | null
  readonly level: 'vm' | 'nested'
  readonly guest: GuestKind | null
  readonly gic: 'v2' | 'v3' | null
  readonly operations: number | null
  /** The mean; a tick of the guest hypervisor's timer that falls into one operation is in it. */
  readonly traps: number | null
  /** The commonest number of traps of one operation. */
  readonly commonest: number | null
  readonly cycles: number | null
  readonly published: Published | null
  readonly why?: readonly WhyLine[]
}

export interface PaperSelection {
  readonly only?: Benchmark | undefined
  readonly arch?: readonly ProfileName[] | undefined
  readonly guest?: GuestKind | undefined
  readonly gic: GicVersion
}

const GUESTS: readonly GuestKind[] = ['nvhe', 'vhe']
/** Profiles on which an unmodified guest hypervisor runs. */
const NESTED_PROFILES: readonly ProfileName[] = ['v8.3', 'neve', 'v8.4']
const FORMS: readonly ParavirtForm[] = ['nv', 'neve']

/** All configurations of the tables in the order of the rows, those of the selection only. */
export function configurations({ arch, guest, gic }: PaperSelection): Configuration[] {
  const wanted = (profile: ProfileName) => arch === undefined || arch.includes(profile)
  const guests = GUESTS.filter(each => guest === undefined || each === guest)
  return [
    { arch: 'v8.0', level: 'vm', guest: null, paravirt: null, gic },
    ...NESTED_PROFILES.filter(wanted).flatMap(profile => guests.map((each): Configuration => ({ arch: profile, level: 'nested', guest: each, paravirt: null, gic }))),
    ...(wanted('v8.0') ? FORMS.flatMap(form => guests.map((each): Configuration => ({ arch: 'v8.0', level: 'nested', guest: each, paravirt: form, gic }))) : []),
  ]
}

/** The column of the paper that a configuration reproduces; v8.4 came after the paper. */
export function columnOf({ arch, level, guest, paravirt }: Configuration): Column | undefined {
  if (level === 'vm') return 'vm'
  const evaluated = paravirt === null ? arch : paravirt === 'nv' ? 'v8.3' : 'neve'
  return evaluated === 'v8.3' || evaluated === 'neve' ? `${evaluated} ${guest!}` : undefined
}

/** Name of a configuration as `--why` takes it after the @: `v8.3,vhe,v3`. */
export const configurationName = ({ arch, level, guest, paravirt, gic }: Configuration): string =>
  level === 'vm' ? `${arch},vm,v${gic}` : [arch, guest, ...(paravirt === null ? [] : [paravirt]), `v${gic}`].join(',')

export function benchmarksOf({ only }: PaperSelection): readonly Benchmark[] {
  return only === undefined ? BENCHMARKS : [only]
}

/** Rows of one configuration. Means are rounded to 1/100 so that the text is the same on every run and machine. */
export function rowsOf(configuration: Configuration, measurement: Measurement, benchmarks: readonly Benchmark[], why: boolean): PaperRow[] {
  const { arch, level, guest, paravirt, gic } = configuration
  const column = columnOf(configuration)
  return benchmarks.map(benchmark => {
    const summary = measurement.summary(benchmark)
    return {
      benchmark, arch, method: paravirt === null ? 'hardware' : 'paravirtual', paravirt, level, guest, gic: gic === 2 ? 'v2' : 'v3',
      operations: summary?.operations ?? null, traps: rounded(summary?.traps), commonest: summary?.typical?.traps.length ?? null, cycles: rounded(summary?.cycles),
      published: column === undefined ? null : published(benchmark, column),
      ...(why && summary?.typical !== undefined ? { why: whyLines(summary.typical, measurement.symbolAt) } : {}),
    }
  })
}

/** The comparison columns of the paper that nothing here measures. */
export function x86Rows(benchmarks: readonly Benchmark[]): PaperRow[] {
  return benchmarks.flatMap(benchmark => (['vm', 'nested'] as const).map((level): PaperRow => ({
    benchmark, arch: 'x86', method: 'hardware', paravirt: null, level, guest: null, gic: null,
    operations: null, traps: null, commonest: null, cycles: null, published: published(benchmark, `x86 ${level}`),
  })))
}

const rounded = (value: number | undefined): number | null => value === undefined ? null : Math.round(value * 100) / 100
