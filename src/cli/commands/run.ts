/** `nidus run`: an image on the bare machine or in a VM of L0. */
import { buildCommand } from '@stricli/core'
import { writeFileSync } from 'node:fs'
import { BadInput } from '../../arch/bad-input.ts'
import { PROFILE_NAMES, type Feature, type ProfileName } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { unwrapImage } from '../../arch/image/compressed.ts'
import { isElf, parseElf } from '../../arch/image/elf.ts'
import { createMachine, type Machine } from '../../machine/machine.ts'
import type { MachineOptions } from '../../machine/options.ts'
import type { Outcome } from '../../machine/outcome.ts'
import { ExitStatistics } from '../../trace/exit-statistics.ts'
import { createL0, type Paravirtualised, type VmEnd } from '../../vmm/index.ts'
import { connectConsole } from '../console.ts'
import { isDebianName } from '../debian/name.ts'
import { decompress } from '../decompress.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { gicVersion, hiddenFeature, inputFile, integerBetween, memorySize, oneOf, profileName, seconds } from '../options.ts'
import { diskOption, openPlugs, seedOption, type PlugFlags } from '../plugs.ts'
import { executedText, leftSites, rewritingText } from '../rewriting-text.ts'
import { formatTable, grouped } from '../table.ts'

interface Flags extends PlugFlags {
  readonly on: 'machine' | 'vm'
  readonly el2: boolean
  readonly arch: ProfileName
  readonly hide: readonly Feature[]
  readonly board: 'virt' | 'moonshot'
  readonly gic?: GicVersion
  readonly smp?: number
  readonly mem: number
  readonly initrd?: string
  readonly module: readonly string[]
  readonly dtb?: string
  readonly dumpdtb?: string
  readonly append?: string
  readonly l0: 'split' | 'lazy'
  readonly paravirt?: 'nv' | 'neve'
  readonly until?: string
  readonly timeout?: number
  readonly stat: boolean
  readonly json: boolean
}

/** RAM that the machine has beside a VM's: L0's tables and pages. */
const L0_MEMORY = 64 * 2 ** 20
const L0_RESERVED = 32 * 2 ** 20
/** Milliseconds between looks at the keyboard and Ctrl-C. */
const SLICE = 50

/** Combinations that cannot work, said before anything starts. */
function checkCombination(flags: Flags): void {
  const hasNv = flags.arch !== 'v8.0' && flags.arch !== 'v8.1' && !flags.hide.includes('FEAT_NV')
  if (flags.on === 'vm' && flags.el2 && !hasNv && flags.paravirt === undefined) {
    throw new BadInput('--el2', `a VM on ${flags.arch}${flags.hide.includes('FEAT_NV') ? ' without FEAT_NV' : ''} has no EL2 of its own; choose --arch v8.3, neve or v8.4, or rewrite the guest hypervisor with --paravirt nv`)
  }
  if (flags.paravirt !== undefined && (flags.on !== 'vm' || !flags.el2)) throw new BadInput('--paravirt', 'it needs --on vm --el2')
  if (flags.paravirt !== undefined && hasNv) throw new BadInput('--paravirt', `${flags.arch} has FEAT_NV; the paravirtual method is for v8.0`)
  if (flags.board === 'moonshot' && flags.gic === 3) throw new BadInput('--gic', 'moonshot has a GICv2; choose --board virt')
}

export const runCommand = buildCommand({
  docs: {
    brief: 'Run an image on the bare machine or in a VM of the host hypervisor',
    fullDescription: [
      'IMAGE is an ELF file or an arm64 Image, plain or as gzip, zstd or EFI zboot, or debian:X (see nidus fetch --help), which brings its initramfs',
      'and console=ttyAMA0. The console is stdout and stdin (Ctrl-A X ends); everything else is on stderr.',
      '',
      'Examples:',
      '  nidus run guests/built/bench --smp 2',
      '  nidus run guests/built/bench --on vm --smp 2 --stat',
      '  nidus run guests/built/mini-kvm-nvhe --el2 --smp 2 --initrd guests/built/bench --append vcpus=2',
      '  nidus run guests/built/mini-kvm-vhe --on vm --el2 --arch v8.4 --smp 2 --initrd guests/built/bench --append vcpus=2',
      '  nidus run xen-4.20-arm64 --on vm --el2 --mem 1G --module Image,console=hvc0 --module initrd.gz --append "dom0_mem=384M console=dtuart dtuart=/pl011@9000000"',
      '  nidus run debian:6.12 --append do=list',
      '  nidus run debian:6.12 --disk disk.img,overlay --rng 1 --append do=shell',
      '  nidus run Image --initrd initrd.gz --append console=ttyAMA0 --until login: --timeout 60',
      '',
      'Exit codes: 0 done (PSCI off, or --until seen), 1 the guest ended without printing --until, 2 bad input, 3 the guest died or hit something unimplemented, 4 timeout, 130 Ctrl-C.',
    ].join('\n'),
  },
  parameters: {
    flags: {
      on: { kind: 'parsed', parse: oneOf('--on', ['machine', 'vm']), brief: 'machine (bare) or vm (of L0)', default: 'machine' },
      el2: { kind: 'boolean', brief: 'Give the image EL2, real or virtual', default: false, withNegated: false },
      arch: { kind: 'parsed', parse: profileName, brief: `Profile: ${PROFILE_NAMES.join(', ')}`, default: 'v8.4' },
      hide: { kind: 'parsed', parse: hiddenFeature, brief: 'Take a feature away, e.g. VHE (repeatable)', variadic: true, default: [] },
      board: { kind: 'parsed', parse: oneOf('--board', ['virt', 'moonshot']), brief: 'virt or moonshot', default: 'virt' },
      gic: { kind: 'parsed', parse: gicVersion, brief: 'v2 or v3 (default: the board\'s)', optional: true },
      smp: { kind: 'parsed', parse: integerBetween('--smp', 1, 8), brief: 'CPUs, 1 to 8 (default: 1)', optional: true },
      mem: { kind: 'parsed', parse: memorySize, brief: 'Memory, e.g. 512M', default: '512M' },
      initrd: { kind: 'parsed', parse: String, brief: 'Initial RAM disk; for mini-kvm its nested VM', optional: true, placeholder: 'FILE' },
      module: { kind: 'parsed', parse: String, brief: 'multiboot,module: first the kernel, then the ramdisk (repeatable)', variadic: true, default: [], placeholder: 'FILE[,APPEND]' },
      dtb: { kind: 'parsed', parse: String, brief: 'Device tree instead of the generated one', optional: true, placeholder: 'FILE' },
      dumpdtb: { kind: 'parsed', parse: String, brief: 'Write the device tree and stop', optional: true, placeholder: 'FILE' },
      append: { kind: 'parsed', parse: String, brief: 'Kernel command line', optional: true, placeholder: 'TEXT' },
      l0: { kind: 'parsed', parse: oneOf('--l0', ['split', 'lazy']), brief: 'World switches of L0: split (Linux 4.10) or lazy', default: 'lazy' },
      paravirt: { kind: 'parsed', parse: oneOf('--paravirt', ['nv', 'neve']), brief: 'On v8.0: rewrite the guest hypervisor', optional: true },
      disk: { kind: 'parsed', parse: diskOption, brief: 'Disk image (raw); ,ro: only read; ,overlay: what the guest writes is lost (repeatable)', variadic: true, default: [], placeholder: 'FILE[,ro|,overlay]' },
      rng: { kind: 'parsed', parse: seedOption, brief: 'virtio-rng with the stream of this seed', optional: true, placeholder: 'SEED' },
      virtioConsole: { kind: 'boolean', brief: 'virtio-console on this terminal (console=hvc0); the UART prints as well', default: false, withNegated: false },
      until: { kind: 'parsed', parse: String, brief: 'Stop at once when the console has printed TEXT', optional: true, placeholder: 'TEXT' },
      timeout: { kind: 'parsed', parse: seconds, brief: 'Stop after this many seconds', optional: true, placeholder: 'SECONDS' },
      stat: { kind: 'boolean', brief: 'Print exits by level and reason at the end', default: false, withNegated: false },
      json: { kind: 'boolean', brief: 'End with one line of JSON on stderr', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'ELF file, arm64 Image or debian:X', parse: String, placeholder: 'IMAGE' }] },
  },
  async func(flags: Flags, path: string) {
    checkCombination(flags)
    // Loaded when it is used: most images are files.
    const debian = isDebianName(path) ? await (await import('../debian/image.ts')).debianImage(path) : undefined
    const image = await unwrapImage(debian?.image ?? inputFile('image', path), decompress)
    const elf = isElf(image) ? parseElf(image) : undefined
    const optional = (what: string, file: string | undefined) => file === undefined ? undefined : inputFile(what, file)
    const initrd = optional('--initrd', flags.initrd) ?? debian?.initrd, dtb = optional('--dtb', flags.dtb)
    const append = [debian?.bootargs, flags.append].filter(text => text !== undefined).join(' ') || undefined
    const modules = await Promise.all(flags.module.map(async text => {
      const comma = text.indexOf(',')
      const bytes = await unwrapImage(inputFile('--module', comma < 0 ? text : text.slice(0, comma)), decompress)
      return comma < 0 ? { bytes } : { bytes, bootargs: text.slice(comma + 1) }
    }))
    const plugs = openPlugs(flags)
    const counters = new ExitStatistics()
    const console_ = connectConsole()
    let vmEnd: VmEnd | undefined, rewriting: Paravirtualised | undefined
    const common: MachineOptions = {
      board: flags.board, ...(flags.gic === undefined ? {} : { gic: flags.gic }), smp: flags.smp ?? 1, profile: flags.arch, hide: flags.hide,
      hash: flags.json, ...(flags.stat || flags.json ? { onEvent: counters.sink } : {}), symbolAt: pc => elf?.symbolize(pc),
    }
    let machine: Machine
    try {
      if (flags.on === 'vm') {
        machine = createMachine({
          ...common, memBytes: flags.mem + L0_MEMORY, reservedBytes: L0_RESERVED, console: console_.output,
          l0: createL0({
            policy: flags.l0,
            onEnd: (_, end) => { vmEnd = end },
            vms: [{
              image, memBytes: flags.mem, smp: flags.smp ?? 1, plugs, complaint, el2: flags.el2 ? 'nvhe-or-vhe' : 'none',
              ...(initrd === undefined ? {} : { initrd }), ...(dtb === undefined ? {} : { dtb }), ...(append === undefined ? {} : { append }), ...(modules.length === 0 ? {} : { modules }),
              ...(flags.paravirt === undefined ? {} : { paravirt: flags.paravirt, onRewritten: result => tellRewriting(rewriting = result) }),
            }],
          }),
        })
      } else {
        machine = createMachine({ ...common, memBytes: flags.mem, el2: flags.el2, console: console_.output, plugs, complaint })
        const plan = machine.loadImage({
          image, ...(initrd === undefined ? {} : { initrd }), ...(dtb === undefined ? {} : { dtb }), ...(append === undefined ? {} : { bootargs: append }), ...(modules.length === 0 ? {} : { modules }),
        })
        if (flags.dumpdtb !== undefined) {
          writeFileSync(flags.dumpdtb, plan.dtb)
          process.exitCode = EXIT.done
          return
        }
      }
      const { outcome, code, message } = await runToTheEnd(machine, flags, console_.bytes, () => vmEnd, pc => elf?.symbolize(pc))
      console_.close()
      if (message !== undefined) process.stderr.write(`nidus: ${message}\n`)
      if (rewriting !== undefined) process.stderr.write(`nidus: rewritten, ${executedText(rewriting)}\n`)
      if (flags.stat) process.stderr.write(`${statTable(counters)}\n`)
      if (flags.json) process.stderr.write(`${JSON.stringify(report(machine, outcome, code, counters, rewriting))}\n`)
      process.exitCode = code
    } finally { console_.close() }
  },
})

/** What a guest's driver has done wrong. */
const complaint = (text: string): void => { process.stderr.write(`nidus: ${text}\n`) }

/** The report of the paravirtual method, before the guest starts. */
function tellRewriting(result: Paravirtualised): void {
  const text = rewritingText(result)
  if (text !== undefined) process.stderr.write(`nidus: to be rewritten, ${text}\n${leftSites(result).map(line => `  left: ${line}\n`).join('')}`)
}

interface End { readonly outcome: Outcome | { readonly kind: 'timeout' }, readonly code: ExitCode, readonly message: string | undefined }

async function runToTheEnd(machine: Machine, flags: Flags, typed: () => Uint8Array, vmEnd: () => VmEnd | undefined, symbolAt: (pc: bigint) => string | undefined): Promise<End> {
  const deadline = flags.timeout === undefined ? Infinity : performance.now() + flags.timeout * 1000
  for (;;) {
    // Time, not instructions: a guest that only traps executes few. Where a run is cut is not seen by the guest.
    const end = Math.min(deadline, performance.now() + SLICE)
    const outcome = machine.run({ ...(flags.until === undefined ? {} : { until: flags.until }), interrupted: () => performance.now() > end })
    if (outcome.kind !== 'idle' && outcome.kind !== 'interrupted') return { outcome, ...verdict(outcome, flags, vmEnd(), symbolAt) }
    if (performance.now() > deadline) return { outcome: { kind: 'timeout' }, code: EXIT.timeout, message: `timeout after ${flags.timeout} s and ${grouped(machine.instructions)} instructions` }
    // The event loop sees the keyboard and Ctrl-C; an idle machine waits for them.
    await new Promise<void>(resolve => { if (outcome.kind === 'idle') setTimeout(resolve, 10); else setImmediate(resolve) })
    const bytes = typed()
    if (bytes.length > 0) machine.post({ device: `${flags.on === 'vm' ? 'vm0.' : ''}${flags.virtioConsole ? 'console0' : 'uart0'}`, kind: 'data', id: 0, bytes })
    else if (outcome.kind === 'idle' && deadline === Infinity && !process.stdin.isTTY) {
      return { outcome, code: EXIT.guestDied, message: 'every CPU waits for an interrupt and nothing is left that could raise one' }
    }
  }
}

function verdict(outcome: Outcome, flags: Flags, vmEnd: VmEnd | undefined, symbolAt: (pc: bigint) => string | undefined): { readonly code: ExitCode, readonly message: string | undefined } {
  switch (outcome.kind) {
    case 'until': return { code: EXIT.done, message: undefined }
    case 'off': case 'reset':
      if (vmEnd?.kind === 'died') return { code: EXIT.guestDied, message: `the VM died: ${vmEnd.detail}` }
      return flags.until === undefined ? { code: EXIT.done, message: undefined } : { code: EXIT.guestFailed, message: `the guest ended without printing '${flags.until}'` }
    case 'unimplemented': {
      const { what, name, pc, el, feature, pe } = outcome.detail, symbol = symbolAt(pc)
      return { code: EXIT.guestDied, message: `unimplemented ${what} ${name}${feature === undefined ? '' : ` (${feature})`} at PC 0x${pc.toString(16)}${symbol === undefined ? '' : ` <${symbol}>`}, EL${el}, CPU ${pe}` }
    }
    case 'died': return { code: EXIT.guestDied, message: `the guest died: ${outcome.detail}` }
    default: return { code: EXIT.guestDied, message: outcome.kind }
  }
}

function statTable(counters: ExitStatistics): string {
  const rows = counters.rowsBy(row => `${row.level} ${row.reason}`).map(({ level, reason, count }) => [level, reason, grouped(count)])
  return rows.length === 0 ? 'no exits to EL2' : formatTable(['level', 'exit', 'count'], rows, ['left', 'left', 'right'])
}

function report(machine: Machine, outcome: { readonly kind: string }, exit: ExitCode, counters: ExitStatistics, rewriting: Paravirtualised | undefined) {
  const { user, system } = process.cpuUsage()
  return {
    exit, outcome: outcome.kind, guestInstructions: machine.instructions, virtualNs: machine.nanoseconds, hostCpuMs: Math.round((user + system) / 1000),
    traps: counters.byLevel(), traceHash: machine.traceHash() ?? null,
    ...(rewriting === undefined ? {} : { paravirt: { form: rewriting.form, executed: rewriting.executed() } }),
  }
}
