/** `nidus paper`: the tables of the NEVE paper, measured beside published. */
import { buildCommand } from '@stricli/core'
import { writeFileSync } from 'node:fs'
import { BadInput } from '../../arch/bad-input.ts'
import type { ProfileName } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import type { ExecutedReport } from '../../hypervisor/paravirt/page-rewriter.ts'
import { unwrapImage } from '../../arch/image/compressed.ts'
import { APPS_MEMORY, appConfigurationName, appConfigurations, appRows, measureApps, PARAMETERS, type AppConfiguration, type AppMeasurement } from '../../lab/apps.ts'
import { BENCHMARKS, type Benchmark } from '../../lab/benchmarks.ts'
import { neve2017 } from '../../lab/cost-models.ts'
import { measure } from '../../lab/experiment.ts'
import { checkHypervisor, LINUX_MEMORY, LINUX_QUIET, type LinuxHypervisor } from '../../lab/linux.ts'
import { benchmarksOf, configurationName, configurations, rowsOf, x86Rows, type Configuration, type GuestKind, type PaperRow, type PaperSelection, type ParavirtForm } from '../../lab/paper.ts'
import { isDebianName } from '../debian/name.ts'
import { decompress } from '../decompress.ts'
import { appChart, appLine, appTables } from '../apps-output.ts'
import { loadApps, loadGuests, loadVmm } from '../guest-images.ts'
import { gicVersion, inputFile, oneOf, profileName, profileNames } from '../options.ts'
import { createProgress } from '../progress.ts'
import { compareTable, linuxTable } from '../linux-tables.ts'
import { paperTables, whyTable } from '../paper-tables.ts'
import { executedText, rewritingText } from '../rewriting-text.ts'

interface Flags {
  readonly only?: Benchmark
  readonly arch?: readonly ProfileName[]
  readonly guest?: GuestKind
  readonly gic: GicVersion
  readonly why?: string
  readonly l1?: string
  readonly compare: boolean
  readonly against?: string
  readonly apps: boolean
  readonly svg?: string
  readonly json: boolean
}

/** B@ARCH[,nvhe|vhe][,nv|neve][,v2|v3]. */
export function parseWhy(text: string): { readonly benchmark: Benchmark, readonly configuration: Configuration } {
  const [benchmark = '', rest = ''] = text.split('@')
  const [arch = '', ...details] = rest.split(',')
  const only = oneOf('--why', BENCHMARKS)(benchmark)
  if (rest === '') throw new BadInput('--why', `'${text}' names no profile; write ${only}@v8.3`)
  let guest: GuestKind | 'vm' = 'nvhe', paravirt: ParavirtForm | null = null, gic: GicVersion = 2
  for (const detail of details) {
    switch (oneOf('--why', ['nvhe', 'vhe', 'vm', 'nv', 'neve', 'v2', 'v3'])(detail)) {
      case 'nvhe': guest = 'nvhe'; break
      case 'vhe': guest = 'vhe'; break
      case 'vm': guest = 'vm'; break
      case 'nv': paravirt = 'nv'; break
      case 'neve': paravirt = 'neve'; break
      case 'v2': gic = 2; break
      case 'v3': gic = 3; break
    }
  }
  const profile = profileName(arch)
  if (guest === 'vm') return { benchmark: only, configuration: { arch: profile, level: 'vm', guest: null, paravirt: null, gic } }
  if ((profile === 'v8.0' || profile === 'v8.1') && paravirt === null) throw new BadInput('--why', `${profile} has no FEAT_NV; name the paravirtual form: ${only}@${profile},${guest},nv`)
  if (profile !== 'v8.0' && paravirt !== null) throw new BadInput('--why', 'the paravirtual method is for v8.0')
  return { benchmark: only, configuration: { arch: profile, level: 'nested', guest, paravirt, gic } }
}

/** Rewriting is for one kind of guest hypervisor, and Linux is nVHE where its ID registers have no FEAT_VHE. */
const linuxRuns = ({ paravirt, guest }: Configuration): boolean => paravirt === null || guest === 'nvhe'

/** `below`: bytes of what it starts, beside itself; `memory`: of its VM. */
async function linuxHypervisor(name: string, below: (image: Uint8Array) => number, memory: number): Promise<LinuxHypervisor & { readonly initrd: Uint8Array | undefined }> {
  const debian = isDebianName(name) ? await (await import('../debian/image.ts')).debianImage(name) : undefined, bytes = debian?.image ?? inputFile('--l1', name)
  const image = await unwrapImage(bytes, decompress), vmm = loadVmm()
  if (debian === undefined) checkHypervisor('--l1', name, image, vmm.length + below(image), memory)
  return { image, vmm, bootargs: LINUX_QUIET, initrd: debian?.initrd, ...(debian === undefined ? { supplied: name } : {}) }
}

/** `--apps`: another table, from Linux at every level. */
async function applications(flags: Flags): Promise<void> {
  if (flags.only !== undefined || flags.why !== undefined || flags.compare) throw new BadInput('--apps', 'it has no microbenchmarks; leave out --only, --why and --compare')
  const arch = flags.arch?.find(profile => profile !== 'v8.3' && profile !== 'neve' && profile !== 'v8.4')
  if (arch !== undefined) throw new BadInput('--arch', `Linux as the guest hypervisor of --apps needs FEAT_NV: v8.3, neve or v8.4, not ${arch}`)
  const kernel = flags.l1 ?? 'debian:6.12', apps = loadApps(), { image, initrd, supplied } = await linuxHypervisor(kernel, ({ length }) => length + apps.length, APPS_MEMORY)
  if (flags.svg !== undefined) writeOutput('--svg', flags.svg, '')
  const modules = initrd === undefined ? [] : (await import('../debian/network-modules.ts')).networkModules(kernel, initrd)
  const images = { kernel: image, vmm: loadVmm(), apps, modules, ...(supplied === undefined ? {} : { supplied }) }, progress = createProgress()
  const measured: { readonly configuration: AppConfiguration, readonly measurement: AppMeasurement }[] = []
  for (const configuration of appConfigurations({ arch: flags.arch, guest: flags.guest, gic: flags.gic })) {
    progress.update(`running ${appConfigurationName(configuration)}`)
    measured.push({ configuration, measurement: measureApps(configuration, images) })
    progress.clear()
    process.stderr.write(`${appLine(appRows(measured).filter(row => row.configuration === configuration))}\n`)
  }
  for (const { configuration, measurement: { printed } } of measured) {
    if (printed.join('\n') !== measured[0]!.measurement.printed.join('\n')) throw new Error(`${appConfigurationName(configuration)} printed other results than native:\n${printed.join('\n')}`)
  }
  const rows = appRows(measured)
  process.stdout.write(flags.json ? `${JSON.stringify({ costModel: neve2017.name, kernel, parameters: PARAMETERS, rows }, null, 2)}\n` : `${appTables(rows, kernel, neve2017.name)}\n`)
  if (flags.svg !== undefined) writeOutput('--svg', flags.svg, appChart(rows, kernel, neve2017.name))
}

function writeOutput(option: string, path: string, text: string): void {
  try { writeFileSync(path, text) } catch (error) { throw new BadInput(option, `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`) }
}

export const paperCommand = buildCommand({
  docs: {
    brief: 'The tables of the NEVE paper, every number obtained by running',
    fullDescription: [
      'Runs a real guest hypervisor (mini-kvm, shaped like KVM/ARM of Linux 4.10) with its nested VM (bench) on each architecture level and',
      'prints the paper\'s Tables 1, 6 and 7: cycles, ratio to the plain VM, and traps to the host hypervisor, measured beside published.',
      'Traps are counted; cycles are a model fitted to single-level figures alone (see docs/paper.md).',
      '',
      'Examples:',
      '  nidus paper',
      '  nidus paper --only hypercall --arch v8.3,neve',
      '  nidus paper --gic v3 --guest vhe',
      '  nidus paper --why hypercall@v8.3,vhe        every trap of one operation, in order',
      '  nidus paper --why deviceIo@v8.0,nvhe,neve   the paravirtual method of the paper, NEVE form',
      '  nidus paper --l1 debian:5.10 --arch v8.3     the same benchmarks with a Linux kernel as the guest hypervisor',
      '  nidus paper --l1 arch/arm64/boot/Image       any arm64 kernel with KVM, initramfs support and the PL011 as its console',
      '  nidus paper --l1 debian:5.10 --arch v8.0     its pages rewritten as virtual EL2 comes to execute them',
      '  nidus paper --l1 debian:5.10 --compare      its traps beside those of mini-kvm (hypercall on v8.3, nVHE; another with --why)',
      '  nidus paper --l1 debian:7 --compare --against debian:6.12 --why hypercall@v8.3,vhe     two kernels, access by access',
      '  nidus paper --apps --svg apps.svg            hackbench, kernbench, netperf and memcached in small on Linux: native, in a VM, nested (Figure 2, scaled down)',
      '  nidus paper --json > paper.json',
    ].join('\n'),
  },
  parameters: {
    flags: {
      only: { kind: 'parsed', parse: oneOf('--only', BENCHMARKS), brief: `One benchmark: ${BENCHMARKS.join(', ')}`, optional: true, placeholder: 'B' },
      arch: { kind: 'parsed', parse: profileNames, brief: 'Profiles, separated by commas', optional: true, placeholder: 'LIST' },
      guest: { kind: 'parsed', parse: oneOf('--guest', ['nvhe', 'vhe']), brief: 'Kind of guest hypervisor: nvhe or vhe', optional: true, placeholder: 'KIND' },
      gic: { kind: 'parsed', parse: gicVersion, brief: 'v2 (board moonshot, as in the paper) or v3 (board virt)', default: 'v2', placeholder: 'V' },
      why: { kind: 'parsed', parse: (text: string) => { parseWhy(text); return text }, brief: 'List the traps of one operation: B@ARCH[,nvhe|vhe][,nv|neve][,v2|v3]', optional: true, placeholder: 'B@ARCH' },
      l1: { kind: 'parsed', parse: String, brief: 'Guest hypervisor: an arm64 kernel Image with KVM, or debian:X, instead of mini-kvm', optional: true, placeholder: 'IMAGE' },
      compare: { kind: 'boolean', brief: 'With --l1: the traps of one operation beside those of mini-kvm', default: false, withNegated: false },
      against: { kind: 'parsed', parse: String, brief: 'With --compare: another guest hypervisor in the place of mini-kvm', optional: true, placeholder: 'IMAGE' },
      apps: { kind: 'boolean', brief: 'Application loads on a Linux kernel (--l1, default debian:6.12) at every level, instead of the microbenchmarks', default: false, withNegated: false },
      svg: { kind: 'parsed', parse: String, brief: 'With --apps: write the chart to FILE', optional: true, placeholder: 'FILE' },
      json: { kind: 'boolean', brief: 'Print JSON', default: false, withNegated: false },
    },
  },
  async func(flags: Flags) {
    if (flags.compare && flags.l1 === undefined) throw new BadInput('--compare', 'it compares mini-kvm with the guest hypervisor of --l1; name one')
    if (flags.against !== undefined && !flags.compare) throw new BadInput('--against', 'it names the other side of --compare')
    if (flags.apps) return applications(flags)
    if (flags.svg !== undefined) throw new BadInput('--svg', 'it is for --apps')
    const guests = loadGuests()
    const linux = flags.l1 === undefined ? undefined : await linuxHypervisor(flags.l1, () => guests.benchImage.length, LINUX_MEMORY)
    const rewritings: { readonly configuration: string, readonly text: string, readonly executed: ExecutedReport }[] = []
    const progress = createProgress()
    const run = (configuration: Configuration) => {
      progress.update(`running ${configurationName(configuration)}`)
      return measure(configuration, guests, linux === undefined ? {} : { linux })
    }
    const print = (rows: readonly PaperRow[], text: () => string): void => {
      progress.clear()
      process.stdout.write(flags.json ? `${JSON.stringify({ costModel: neve2017.name, ...(flags.l1 === undefined ? {} : { l1: flags.l1 }), rows, ...(rewritings.length === 0 ? {} : { rewritten: rewritings.map(({ configuration, executed }) => ({ configuration, executed })) }) }, null, 2)}\n` : `${text()}\n`)
    }
    if (flags.compare) {
      const { benchmark, configuration } = parseWhy(flags.why ?? `hypercall@v8.3,v${flags.gic}`)
      if (configuration.paravirt !== null || configuration.level === 'vm') throw new BadInput('--compare', 'Linux is not rewritten and needs virtual EL2; choose v8.3, neve or v8.4')
      const other = flags.against === undefined ? {} : { linux: await linuxHypervisor(flags.against, () => guests.benchImage.length, LINUX_MEMORY) }
      const [mini] = rowsOf(configuration, measure(configuration, guests, other), [benchmark], true), [own] = rowsOf(configuration, run(configuration), [benchmark], true)
      print([mini!, own!], () => compareTable(mini!, own!, configurationName(configuration), flags.l1!, flags.against))
      return
    }
    if (flags.why !== undefined) {
      const { benchmark, configuration } = parseWhy(flags.why)
      if (linux !== undefined && !linuxRuns(configuration)) throw new BadInput('--why', 'Linux is a VHE guest hypervisor only where there is FEAT_VHE; with --l1 choose nvhe on v8.0')
      const rows = rowsOf(configuration, run(configuration), [benchmark], true)
      print(rows, () => whyTable(rows[0]!, configurationName(configuration)))
      return
    }
    const selection: PaperSelection = flags
    const benchmarks = benchmarksOf(selection)
    const rows = configurations(selection).filter(each => linux === undefined || linuxRuns(each)).flatMap(configuration => {
      const measurement = run(configuration)
      const { rewriting } = measurement
      if (rewriting !== undefined) {
        rewritings.push({ configuration: configurationName(configuration), text: rewritingText(rewriting) ?? executedText(rewriting), executed: rewriting.executed() })
      }
      return rowsOf(configuration, measurement, benchmarks, false)
    })
    const rewritten = rewritings.map(({ configuration, text }) => `Rewritten ${configuration}: ${text}`)
    if (flags.l1 !== undefined) {
      print(rows, () => [linuxTable(rows, flags.l1!), ...rewritten].join('\n'))
      return
    }
    print([...rows, ...x86Rows(benchmarks)], () => [paperTables([...rows, ...x86Rows(benchmarks)], neve2017.name), ...rewritten].join('\n'))
  },
})
