/**
 * Debian's kernels on the bare machine and as plain VMs of L0: each boots to its shell, runs the list of commands of `do=list`, and says in
 * which mode KVM came up. Xen on the bare machine with Debian 6.12 as dom0, which runs the same list. One row per boot, as a Markdown table.
 *
 *   node scripts/suite-boots.ts [--kernel 5.10,6.12-full,xen-4.20] [--config NAME,..] [--smp 1,4] [--gic 3,2] [--log FOLDER]
 *   node scripts/suite-boots.ts --sample TEXT [--most N]   a sample in which every pair of values occurs, or its first N, chosen by TEXT (a commit)
 *   node scripts/suite-boots.ts --list                     names of the boots, none is run
 *
 * Kernels are those of `nidus fetch debian:X`. Exit status 1 if a boot is not as it should be.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheFolder } from '../src/cli/debian/cache.ts'
import { checkList } from '../src/cli/debian/command-list.ts'
import { BOOT_MARK } from '../src/cli/debian/init.ts'
import { compareReleases, parseDebianName } from '../src/cli/debian/name.ts'
import { fetchDebian, initramfsPath, kernelPath, storedKernel } from '../src/cli/debian/store.ts'
import { xenImage } from './nested/xen.ts'
import { pairwiseSample } from './pairwise.ts'

interface Config {
  readonly name: string
  readonly args: readonly string[]
  readonly append?: string
  /** The first kernel that knows the value of kvm-arm.mode. */
  readonly since?: string
  /** What the kernel says about EL2. */
  readonly kvm: RegExp
  /** For Xen and not for kernels. */
  readonly xen?: boolean
  /** What kernels from `since` on say instead on a machine with a GICv2, which this mode of KVM does not take there. */
  readonly onGicV2?: { readonly since: string, readonly kvm: RegExp }
}

const NONE = /HYP mode not available/, NVHE = /(Hyp|Hyp nVHE) mode initialized/, VHE = /\bVHE mode initialized/
const CONFIGS: readonly Config[] = [
  { name: 'v8.0-EL1', args: ['--arch', 'v8.0'], kvm: NONE },
  { name: 'v8.4-EL1', args: ['--arch', 'v8.4'], kvm: NONE },
  { name: 'v8.0-EL2', args: ['--arch', 'v8.0', '--el2'], kvm: NVHE },
  { name: 'v8.1-EL2', args: ['--arch', 'v8.1', '--el2'], kvm: VHE },
  { name: 'v8.4-EL2', args: ['--arch', 'v8.4', '--el2'], kvm: VHE },
  { name: 'v8.4-EL2-hidden', args: ['--arch', 'v8.4', '--el2', '--hide', 'VHE'], kvm: NVHE },
  { name: 'v8.4-EL2-nvhe', args: ['--arch', 'v8.4', '--el2'], append: 'kvm-arm.mode=nvhe', since: '6.1', kvm: NVHE },
  { name: 'v8.4-EL2-protected', args: ['--arch', 'v8.4', '--el2'], append: 'kvm-arm.mode=protected', since: '6.1', kvm: /Protected (nVHE|hVHE) mode initialized/,
    onGicV2: { since: '7', kvm: /GICv2 not supported in protected mode/ } },
  { name: 'v8.4-EL2-nested', args: ['--arch', 'v8.4', '--el2'], append: 'kvm-arm.mode=nested', since: '6.16', kvm: /VHE\+NV2 mode initialized/,
    onGicV2: { since: '6.16', kvm: /NV support requires GICv3/ } },
  { name: 'v8.0-Xen', args: ['--arch', 'v8.0', '--el2'], xen: true, kvm: NONE },
  { name: 'v8.4-Xen', args: ['--arch', 'v8.4', '--el2'], xen: true, kvm: NONE },
  { name: 'v8.0-vm', args: ['--arch', 'v8.0', '--on', 'vm'], kvm: NONE },
  { name: 'v8.4-vm', args: ['--arch', 'v8.4', '--on', 'vm'], kvm: NONE },
]
/** Of Xen: dom0 is this kernel, whose own EL2 is Xen's. */
const DOM0 = '6.12'
const isXen = (kernel: string): boolean => kernel.startsWith('xen-')
const KERNELS = ['5.10', '5.10-full', '6.1', '6.1-full', '6.12', '6.12-full', '7', '7-full', 'xen-4.17', 'xen-4.20']
/** Host seconds after which a boot counts as hung. */
const PATIENCE = 600

const { values } = parseArgs({
  options: {
    kernel: { type: 'string', default: KERNELS.join() }, config: { type: 'string', default: CONFIGS.map(({ name }) => name).join() }, smp: { type: 'string', default: '1,4' },
    gic: { type: 'string', default: '3,2' }, sample: { type: 'string' }, most: { type: 'string', default: '1000' }, list: { type: 'boolean', default: false }, log: { type: 'string' },
  },
})

interface Boot { readonly kernel: string, readonly config: Config, readonly smp: string, readonly gic: string }
const isSince = (kernel: string, since: string): boolean => compareReleases(kernel, since) >= 0
const nameOf = ({ kernel, config, smp, gic }: Boot): string => `${kernel} ${config.name} ${smp} CPU${smp === '1' ? '' : 's'} GICv${gic}`

function allBoots(): Boot[] {
  const configs = values.config.split(',').map(name => CONFIGS.find(each => each.name === name) ?? fail(`there is no configuration '${name}'; there are ${CONFIGS.map(each => each.name).join(', ')}`))
  return values.kernel.split(',').flatMap(kernel => configs.filter(({ since, xen }) => (xen ?? false) === isXen(kernel) && (since === undefined || isSince(kernel, since)))
    .flatMap(config => values.smp.split(',').flatMap(smp => values.gic.split(',').map(gic => ({ kernel, config, smp, gic })))))
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

interface Row { readonly boot: Boot, readonly wrong: readonly string[], readonly instructions: number, readonly seconds: number }

/** Image, files and command lines. */
function imageArgs({ kernel, config }: Boot): readonly string[] {
  if (!isXen(kernel)) return [`debian:${kernel}`, '--append', `do=list ${config.append ?? ''}`]
  const { image, ramdisk } = dom0!
  return [xens.get(kernel)!, '--mem', '1G', '--module', `${image},console=hvc0 cryptomgr.notests do=list`, '--module', ramdisk, '--append', 'dom0_mem=384M console=dtuart dtuart=/pl011@9000000']
}

function run(boot: Boot, release: string): Row {
  const { kernel, config, smp, gic } = boot, what = imageArgs(boot)
  const found = spawnSync(process.execPath, [
    join(import.meta.dirname, '..', 'bin', 'nidus.js'), 'run', ...what, ...config.args, '--smp', smp, '--gic', `v${gic}`, '--timeout', String(PATIENCE), '--json',
  ], { input: '', encoding: 'latin1', maxBuffer: 1 << 26 })
  if (values.log !== undefined) writeFileSync(join(values.log, `${nameOf(boot).replaceAll(' ', '_')}.log`), found.stdout + found.stderr)
  const report = JSON.parse(/^\{"exit".*$/m.exec(found.stderr)?.[0] ?? '{}') as { guestInstructions?: number, hostCpuMs?: number }
  const wrong: string[] = []
  if (found.status !== 0) wrong.push(`exit status ${found.status}: ${/^nidus: (.*)$/m.exec(found.stderr)?.[1] ?? 'no message'}`)
  if (!found.stdout.includes(`Linux version ${release} `)) wrong.push(`${release} does not say its version`)
  if (!found.stdout.includes(BOOT_MARK)) wrong.push('no shell')
  else wrong.push(...checkList(found.stdout))
  const kvm = gic === '2' && config.onGicV2 !== undefined && isSince(kernel, config.onGicV2.since) ? config.onGicV2.kvm : config.kvm
  if (!kvm.test(found.stdout)) wrong.push(`the kernel does not say ${kvm.source}`)
  if (isXen(kernel) && !found.stdout.includes(`Xen version ${kernel.replace('xen-', '')}.`)) wrong.push('Xen does not say its version')
  if (smp !== '1' && isXen(kernel) && !new RegExp(`Brought up ${smp} CPUs`).test(found.stdout)) wrong.push(`Xen has not all ${smp} CPUs`)
  if (smp !== '1' && !new RegExp(`Brought up 1 node, ${smp} CPUs`).test(found.stdout)) wrong.push(`not all ${smp} CPUs are up`)
  for (const [trouble] of found.stdout.matchAll(/(WARNING: CPU|BUG:|Oops|Call trace:|rcu_\w+ self-detected stall).*/g)) wrong.push(trouble)
  return { boot, wrong, instructions: report.guestInstructions ?? 0, seconds: (report.hostCpuMs ?? 0) / 1000 }
}

const boots = values.sample === undefined ? allBoots() : pairwiseSample(allBoots(), ({ kernel, config, smp, gic }) => [`kernel ${kernel}`, config.name, `smp ${smp}`, `gic ${gic}`], values.sample).slice(0, Number(values.most))
if (values.list) {
  process.stdout.write(boots.map(boot => `${nameOf(boot)}\n`).join(''))
  process.exit(0)
}
if (values.log !== undefined) mkdirSync(values.log, { recursive: true })
const releases = new Map<string, string>(), xens = new Map<string, string>(), cache = cacheFolder()
let dom0: { readonly image: string, readonly ramdisk: string } | undefined, folder: string | undefined
for (const kernel of new Set(boots.map(boot => boot.kernel))) {
  const name = parseDebianName(`debian:${isXen(kernel) ? DOM0 : kernel}`), manifest = storedKernel(name, cache) ?? await fetchDebian(name, {}, { cache })
  releases.set(kernel, manifest.release)
  if (!isXen(kernel)) continue
  folder ??= mkdtempSync(join(tmpdir(), 'nidus-boots-'))
  dom0 ??= { image: kernelPath(manifest, cache), ramdisk: initramfsPath(manifest, cache) }
  xens.set(kernel, join(folder, kernel))
  writeFileSync(xens.get(kernel)!, await xenImage(kernel))
}
process.on('exit', () => { if (folder !== undefined) rmSync(folder, { recursive: true }) })
process.stdout.write('| kernel | configuration | CPUs | GIC | instructions | CPU s | result |\n|---|---|---|---|---|---|---|\n')
let bad = 0
for (const boot of boots) {
  const release = releases.get(boot.kernel)!, { wrong, instructions, seconds } = run(boot, release)
  if (wrong.length > 0) bad++
  process.stdout.write(`| ${isXen(boot.kernel) ? `${boot.kernel}, dom0 ` : ''}${release} | ${boot.config.name} | ${boot.smp} | v${boot.gic} | ${(instructions / 1e9).toFixed(2)} G | ${seconds.toFixed(1)} | ${wrong.length === 0 ? 'ok' : `**${wrong.join('; ')}**`} |\n`)
}
process.stdout.write(`\n${boots.length - bad} of ${boots.length} boots are as they should be.\n`)
process.exit(bad === 0 ? 0 : 1)
