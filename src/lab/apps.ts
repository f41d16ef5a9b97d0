/**
 * Loads in the shape of the paper's applications (NEVE Figure 2), scaled down: `guests/apps` as the first process of a Debian kernel on the bare
 * machine, in a VM of L0, and in a nested VM below the same kernel with KVM. What is compared is modelled time between the marks of a load.
 */
import { BadInput } from '../arch/bad-input.ts'
import type { CostModel } from '../arch/cost.ts'
import type { ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { createMachine, type Machine } from '../machine/machine.ts'
import type { ExitEvent, Level, TraceEvent, TraceSink } from '../trace/event.ts'
import { reasonOf } from '../trace/timeline.ts'
import { createL0 } from '../vmm/index.ts'
import { neve2017 } from './cost-models.ts'
import { NetworkPeer } from './network-peer.ts'
import { LINUX_QUIET, vmmBootargs, vmmInitramfs, whyItEnded } from './linux.ts'
import type { GuestKind } from './paper.ts'

/** In the order of their markers: value = (16 + n) << 8 | phase, 1 begin and 2 end. */
export const APPS = ['hackbench', 'kernbench', 'tcp_rr', 'tcp_stream', 'tcp_maerts', 'memcached'] as const
export type App = (typeof APPS)[number]
const FIRST_MARKER = 16
const PHASE = { begin: 1, end: 2 } as const

/** What the paper ran (neve-paper.md 2.2), and what is run here; words of the command line of `guests/apps`. */
export const PARAMETERS: Readonly<Record<App, { readonly words: string, readonly here: string, readonly paper: string, /** What a run consists of. */ readonly unit: string, readonly units: number }>> = {
  hackbench: { words: 'hackbench=2,4,40', here: '2 groups of 4 senders and 4 receivers, 40 loops, Unix sockets', paper: '100 groups of 20 and 20, 500 loops', unit: 'message of 100 bytes', units: 1280 },
  tcp_rr: { words: 'tcp_rr=20,1', here: '20 transactions of 1 byte each way', paper: 'netperf TCP_RR, 1 byte each way, 10 s', unit: 'transaction', units: 20 },
  tcp_stream: { words: 'tcp_stream=64', here: '64 KiB from the client', paper: 'netperf TCP_STREAM, 10 s', unit: 'KiB', units: 64 },
  tcp_maerts: { words: 'tcp_maerts=64', here: '64 KiB to the client', paper: 'netperf TCP_MAERTS, 10 s', unit: 'KiB', units: 64 },
  memcached: { words: 'memcached=32,4', here: '32 connections with 4 requests each, a SET and ten GETs of 32 bytes, a server of our own with one thread', paper: 'memtier_benchmark: 200 connections with 10,000 requests each, the same mixture', unit: 'request', units: 128 },
  kernbench: { words: 'kernbench=12,2,512', here: '12 files of 512 lines by a compiler of our own, 2 at a time', paper: 'Linux 3.17, allnoconfig, make -j', unit: 'file', units: 12 },
}

/** Runs of each load that are measured, after one that is not: how two CPUs share a short load is partly chance. */
const REPEAT = 4, NETWORK_REPEAT = 2
const LOCAL: ReadonlySet<App> = new Set(['hackbench', 'kernbench'])
const wordsOf = (local: boolean): string => `repeat=${local ? REPEAT : NETWORK_REPEAT} ${APPS.filter(app => LOCAL.has(app) === local).map(app => PARAMETERS[app].words).join(' ')}`

export interface AppConfiguration {
  readonly system: 'native' | 'vm' | 'nested'
  readonly arch: ProfileName
  readonly guest: GuestKind | null
  readonly gic: GicVersion
}

export interface AppSelection {
  readonly arch?: readonly ProfileName[] | undefined
  readonly guest?: GuestKind | undefined
  readonly gic: GicVersion
}

/** Native and VM are what the others are compared with: always there. */
export function appConfigurations({ arch = ['v8.3', 'neve', 'v8.4'], guest, gic }: AppSelection): AppConfiguration[] {
  const guests = (['nvhe', 'vhe'] as const).filter(each => guest === undefined || each === guest)
  return [
    { system: 'native', arch: 'v8.4', guest: null, gic }, { system: 'vm', arch: 'v8.4', guest: null, gic },
    ...arch.flatMap(profile => guests.map((each): AppConfiguration => ({ system: 'nested', arch: profile, guest: each, gic }))),
  ]
}

export const appConfigurationName = ({ system, arch, guest }: AppConfiguration): string =>
  system === 'native' ? 'native' : system === 'vm' ? 'VM' : `${arch} nested, ${guest === 'nvhe' ? 'nVHE' : 'VHE'}`

export interface AppImages {
  /** arm64 Image with KVM: the kernel of every level. */
  readonly kernel: Uint8Array
  readonly vmm: Uint8Array
  readonly apps: Uint8Array
  /** The kernel's modules for a virtio-mmio network card, in the order of loading; without them the loads with a network are left out. */
  readonly modules: readonly Uint8Array[]
  /** As in LinuxHypervisor. */
  readonly supplied?: string
}

export interface AppResult {
  readonly app: App
  /** Means of `runs` runs. On the PE that marked the load; other PEs' clocks agree to a turn. */
  readonly cycles: number
  /** Exceptions to EL2 of all PEs meanwhile. */
  readonly traps: number
  readonly runs: number
  /** Cycles of the fastest and of the slowest. */
  readonly fastest: number
  readonly slowest: number
  /** Exits that L0 handled, by the level that ran and by register, address or class: means per run, the commonest first. */
  readonly exits: readonly AppExits[]
}

export interface AppExits { readonly level: Level, readonly reason: string, readonly count: number }

export interface AppMeasurement {
  readonly results: readonly AppResult[]
  /** Lines of the program: they do not depend on where it ran. */
  readonly printed: readonly string[]
  readonly instructions: number
}

const MIB = 2 ** 20
/** The paper's innermost system has four. */
const CPUS = 2
/** A guest hypervisor has two more than its VM, as in the paper. */
const L1_CPUS = CPUS + 2
const PES = 8
const MEMORY = { guest: 192 * MIB, l1: 448 * MIB, l0: 64 * MIB, reserved: 32 * MIB } as const
/** Of a guest hypervisor's VM. */
export const APPS_MEMORY = MEMORY.l1
const MOST_INSTRUCTIONS = 40_000_000_000

/** Times loads by their markers. */
export class LoadTimer {
  readonly #runs = new Map<App, { readonly cycles: number, readonly traps: number }[]>()
  /** Of all runs of a load. */
  readonly #exits = new Map<App, Map<string, AppExits & { count: number }>>()
  #traps = 0
  readonly #begun = new Map<App, { readonly cycles: number, readonly traps: number }>()

  readonly sink = (event: TraceEvent, cycles: number): void => {
    if (event.kind === 'exception') {
      if (event.to === 2) this.#traps++
    } else if (event.kind === 'exit') {
      if (this.#begun.size > 0) this.#count(event)
    } else if (event.kind === 'marker') {
      const app = APPS[(event.value >>> 8) - FIRST_MARKER], phase = event.value & 0xff
      if (app === undefined) return
      const begun = this.#begun.get(app)
      if (phase === PHASE.begin) this.#begun.set(app, { cycles, traps: this.#traps })
      else if (phase === PHASE.end && begun !== undefined) {
        this.#begun.delete(app)
        this.#runs.set(app, [...this.#runs.get(app) ?? [], { cycles: cycles - begun.cycles, traps: this.#traps - begun.traps }])
      }
    }
  }

  #count(event: ExitEvent): void {
    const { level } = event, reason = reasonOf(event), key = `${level} ${reason}`
    for (const app of this.#begun.keys()) {
      let exits = this.#exits.get(app)
      if (exits === undefined) this.#exits.set(app, exits = new Map())
      const entry = exits.get(key)
      if (entry === undefined) exits.set(key, { level, reason, count: 1 })
      else entry.count++
    }
  }

  get results(): AppResult[] {
    return [...this.#runs].map(([app, runs]) => {
      const cycles = runs.map(run => run.cycles), mean = (values: readonly number[]): number => Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
      const exits = [...this.#exits.get(app)?.values() ?? []].map(({ level, reason, count }) => ({ level, reason, count: Math.round(count / runs.length * 10) / 10 }))
        .sort((a, b) => b.count - a.count || (`${a.level} ${a.reason}` < `${b.level} ${b.reason}` ? -1 : 1))
      return { app, cycles: mean(cycles), traps: mean(runs.map(run => run.traps)), runs: runs.length, fastest: Math.min(...cycles), slowest: Math.max(...cycles), exits }
    })
  }
}

export interface MeasureAppsOptions {
  readonly costs?: CostModel
  readonly policy?: 'split' | 'lazy'
  /** Instead of PARAMETERS: words for `guests/apps`. */
  readonly words?: string
  readonly console?: (byte: number) => void
  /** Told of every event of the whole run. */
  readonly onEvent?: TraceSink
}

/** Throws an Error when a load did not run to its end. */
export function measureApps({ system, arch, guest, gic }: AppConfiguration, { kernel, vmm, apps, modules, supplied }: AppImages, options: MeasureAppsOptions = {}): AppMeasurement {
  const timer = new LoadTimer(), bytes: number[] = [], { onEvent } = options
  const sink: TraceSink = onEvent === undefined ? timer.sink : (event, cycles) => {
    timer.sink(event, cycles)
    onEvent(event, cycles)
  }
  const print = (byte: number): void => {
    bytes.push(byte)
    options.console?.(byte)
  }
  const quiet = `${LINUX_QUIET} ipv6.disable=1`, append = `${quiet} -- ${options.words ?? (modules.length === 0 ? wordsOf(true) : `${wordsOf(true)} ${wordsOf(false)}`)}`
  const moduleFiles = Object.fromEntries(modules.map((bytes, i) => [`modules/${i}`, bytes])), initrd = vmmInitramfs(apps, moduleFiles)
  const peer: NetworkPeer = new NetworkPeer({
    now: () => machine.nanoseconds,
    schedule: (event, at) => { machine.schedule({ ...event, device: system === 'native' ? 'network0' : 'vm0.network0' }, at) },
  })
  const plugs = [{ kind: 'network', host: peer, delayedAcknowledgements: true }] as const
  const common = { board: gic === 2 ? 'moonshot' : 'virt', gic, profile: arch, costs: options.costs ?? neve2017, onEvent: sink, hash: false, console: print } as const
  const nested = system === 'nested', memory = nested ? MEMORY.l1 : MEMORY.guest
  const machine: Machine = system === 'native' ? createMachine({ ...common, smp: CPUS, memBytes: memory, plugs }) : createMachine({
    ...common, smp: PES, memBytes: memory + MEMORY.l0, reservedBytes: MEMORY.reserved,
    l0: createL0({
      policy: options.policy ?? 'split',
      vms: [{
        image: kernel, memBytes: memory, smp: nested ? L1_CPUS : CPUS, gic, plugs,
        ...(nested ? {
          initrd: vmmInitramfs(vmm, { kernel, initrd, ...moduleFiles }), el2: guest === 'vhe' ? 'nvhe-or-vhe' : 'nvhe',
          append: `${vmmBootargs(quiet, CPUS, append)} initrd=/initrd net memory=${MEMORY.guest / MIB}`,
        } as const : { initrd, append }),
      }],
    }),
  })
  if (system === 'native') machine.loadImage({ image: kernel, initrd, bootargs: append })
  const outcome = machine.run({ maxInstructions: MOST_INSTRUCTIONS })
  const text = String.fromCharCode(...bytes)
  const ended = outcome.kind === 'off' && text.includes('apps: done')
  if (!ended && supplied !== undefined) throw new BadInput('kernel of the loads', `${supplied} did not come to their end (${appConfigurationName({ system, arch, guest, gic })}): ${whyItEnded(text, outcome.kind, machine.instructions)}`)
  if (!ended) throw new Error(`${appConfigurationName({ system, arch, guest, gic })} ended with ${outcome.kind} after ${machine.instructions} instructions and printed:\n${text}`)
  if (peer.complaints.length > 0) throw new Error(`${appConfigurationName({ system, arch, guest, gic })}: ${peer.complaints[0]}`)
  return { results: timer.results, printed: text.split('\n').map(line => line.trimEnd()).filter(line => line.startsWith('apps: ')), instructions: machine.instructions }
}

export interface AppRow extends AppResult {
  readonly configuration: AppConfiguration
  /** Time relative to native. */
  readonly overhead: number
}

/** Rows of all configurations. `measured` begins with native. */
export function appRows(measured: readonly { readonly configuration: AppConfiguration, readonly measurement: AppMeasurement }[]): AppRow[] {
  const native = measured[0]!.measurement.results
  return measured.flatMap(({ configuration, measurement }) => measurement.results.map((result): AppRow => {
    const base = native.find(({ app }) => app === result.app)!.cycles
    return { ...result, configuration, overhead: Math.round(result.cycles / base * 1000) / 1000 }
  }))
}

/** Of the exits of one unit (a transaction, a request): the VM's own, and those of the guest hypervisor by what they are. */
export interface UnitExits { readonly vm: number, readonly registers: number, readonly switches: number, readonly gic: number, readonly devices: number, readonly waiting: number }

export function exitsPerUnit({ app, exits }: Pick<AppResult, 'app' | 'exits'>): UnitExits {
  const of = (wanted: (exit: AppExits) => boolean): number => exits.reduce((sum, exit) => wanted(exit) ? sum + exit.count : sum, 0) / PARAMETERS[app].units
  const kind = ({ level, reason }: AppExits): keyof UnitExits => level === 'L2' || level === 'vm' ? 'vm' : reason === 'ERET' || reason === 'HVC' || reason === 'SMC' ? 'switches'
    : reason.startsWith('GIC') ? 'gic' : reason.startsWith('MMIO') ? 'devices' : /^(?:IRQ|FIQ|WF)/.test(reason) ? 'waiting' : 'registers'
  return { vm: of(exit => kind(exit) === 'vm'), registers: of(exit => kind(exit) === 'registers'), switches: of(exit => kind(exit) === 'switches'), gic: of(exit => kind(exit) === 'gic'), devices: of(exit => kind(exit) === 'devices'), waiting: of(exit => kind(exit) === 'waiting') }
}
