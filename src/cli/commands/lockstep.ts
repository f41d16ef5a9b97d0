/** `nidus lockstep`: an image here and on QEMU, side by side, to the first instruction after which they differ. */
import { buildCommand } from '@stricli/core'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BadInput } from '../../arch/bad-input.ts'
import { PROFILE_NAMES, type ProfileName } from '../../arch/features.ts'
import { DAIF_MASK, MODE } from '../../arch/pstate.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { Debugger } from '../../debug/debugger.ts'
import { Comparison, type ComparisonResult } from '../../debug/lockstep/comparison.ts'
import { describeDifference, differenceReport } from '../../debug/lockstep/describe.ts'
import { MachineStepper } from '../../debug/lockstep/machine-stepper.ts'
import { createMachine, type Machine } from '../../machine/machine.ts'
import { EXIT } from '../exit-codes.ts'
import { loadImage, type LoadedImage } from '../loaded-image.ts'
import { ORACLE_CPU } from '../lockstep/oracle-cpu.ts'
import { Qemu } from '../lockstep/qemu.ts'
import { gicVersion, inputFile, integerBetween, memorySize, oneOf, profileName, seconds } from '../options.ts'
import { VM_FLAGS } from '../run-flags.ts'
import { grouped } from '../table.ts'

interface Flags {
  readonly oracle: 'qemu'
  readonly arch: ProfileName
  readonly gic?: GicVersion
  readonly el2: boolean
  readonly mem: number
  readonly initrd?: string
  readonly dtb?: string
  readonly append?: string
  readonly raw: boolean
  readonly cpu?: string
  readonly from?: string
  readonly steps: number
  readonly history: number
  readonly interrupts: boolean
  readonly timeout?: number
  readonly json: boolean
}

const NAMES = { ours: 'nidus', theirs: 'qemu' } as const
const RAW_AT = 0x4008_0000
const MOST_STEPS = 1_000_000_000

export const lockstepCommand = buildCommand({
  docs: {
    brief: 'Run an image here and on QEMU side by side; show the first instruction that differs',
    fullDescription: [
      'Steps the image on a machine of Nidus and on qemu-system-aarch64 (10 or newer, as a child process over GDB\'s protocol), both with one CPU and the same memory, device tree and registers,',
      'and compares X0 to X30, SP, PC and PSTATE after each instruction. IMAGE is an ELF file, an arm64 Image, debian:X, or with --raw code that is loaded and started at 0x40080000.',
      'What two machines need not agree on is copied from ours: counters and timer values, identification registers, what device registers read. Differences that are QEMU\'s own and explained',
      '(docs/lockstep.md) are mended and counted. Interrupts stay pending on both sides unless --interrupts is given: QEMU\'s timers follow its own clock.',
      '',
      'Examples:',
      '  nidus lockstep guests/built/bench.elf',
      '  nidus lockstep guests/built/mini-kvm-nvhe.elf --el2 --initrd guests/built/bench --from 2000 --steps 3000',
      '  nidus lockstep program.bin --raw --el2 --arch v8.0 --gic v2',
      '  nidus lockstep debian:6.12 --steps 5000 --json',
      '',
      'Exit codes: 0 no difference (in --steps instructions, or to the end of the image or its first WFI), 1 a difference, 2 bad input, also where QEMU is missing.',
    ].join('\n'),
  },
  parameters: {
    flags: {
      oracle: { kind: 'parsed', parse: oneOf('--oracle', ['qemu']), brief: 'The other side: qemu', default: 'qemu' },
      arch: { kind: 'parsed', parse: profileName, brief: `Profile: ${PROFILE_NAMES.filter(name => name !== 'neve').join(', ')}`, default: 'v8.4' },
      gic: { kind: 'parsed', parse: gicVersion, brief: 'v2 or v3 (default: v3)', optional: true },
      el2: { kind: 'boolean', brief: 'Start the image in EL2', default: false, withNegated: false },
      mem: { kind: 'parsed', parse: memorySize, brief: 'Memory, e.g. 512M', default: '256M' },
      initrd: VM_FLAGS.initrd, dtb: VM_FLAGS.dtb, append: VM_FLAGS.append,
      raw: { kind: 'boolean', brief: 'IMAGE is plain code for 0x40080000', default: false, withNegated: false },
      cpu: { kind: 'parsed', parse: String, brief: 'CPU of QEMU, with its options (default: the nearest to --arch)', optional: true, placeholder: 'NAME' },
      from: { kind: 'parsed', parse: String, brief: 'Run both freely to a SYMBOL, an ADDRESS (0x...), or a COUNT of instructions, and compare from there', optional: true, placeholder: 'SYMBOL|ADDRESS|COUNT' },
      steps: { kind: 'parsed', parse: integerBetween('--steps', 1, MOST_STEPS), brief: 'Instructions to compare', default: '100000' },
      history: { kind: 'parsed', parse: integerBetween('--history', 0, 10_000), brief: 'Instructions shown before the difference', default: '12' },
      interrupts: { kind: 'boolean', brief: 'Let both take interrupts', default: false, withNegated: false },
      timeout: { kind: 'parsed', parse: seconds, brief: 'Stop after this many seconds', optional: true, placeholder: 'SECONDS' },
      json: { kind: 'boolean', brief: 'One JSON object instead of words', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'ELF file, arm64 Image, debian:X or (--raw) code', parse: String, placeholder: 'IMAGE' }] },
  },
  async func(flags: Flags, path: string) {
    if (flags.arch === 'neve') throw new BadInput('--arch', 'no other machine has the registers of neve; its rules are those of v8.3 and v8.4 where docs/lockstep.md says so')
    const loaded: LoadedImage = flags.raw ? { image: inputFile('image', path), elf: undefined } : await loadImage(path, { ...NOTHING_ELSE, ...flags })
    const machine = createMachine({ profile: flags.arch, gic: flags.gic ?? 3, el2: flags.el2, memBytes: flags.mem, hash: false, symbolAt: pc => loaded.elf?.symbolize(pc) })
    if (flags.raw) {
      machine.memory.writeBytes(RAW_AT, loaded.image)
      machine.startAt(BigInt(RAW_AT), 0n)
    } else {
      const { append, ...request } = loaded
      machine.loadImage({ ...request, ...(append === undefined ? {} : { bootargs: append }) })
    }
    if (flags.mem < 2 * TREE_BYTES) throw new BadInput('--mem', 'QEMU needs 2M or more')
    const start = machine.cpu.pes[0]!.start!
    const from = flags.from === undefined ? undefined : startingPoint(flags.from, loaded)
    const folder = mkdtempSync(join(tmpdir(), 'nidus-lockstep-'))
    try {
      const qemu = await Qemu.start({ cpu: flags.cpu ?? ORACLE_CPU[flags.arch], gic: flags.gic ?? 3, el2: flags.el2, megabytes: flags.mem >> 20, interrupts: flags.interrupts, arguments: memoryFiles(machine, folder) })
      try {
        const first = new Uint8Array(TREE_BYTES)
        machine.memory.readBytes(RAM_AT, first)
        await qemu.write(RAM_AT, first)
        await qemu.setPc(start.entry)
        await qemu.setX(0, start.context)
        // QEMU's reset leaves Z set.
        await qemu.setPstate(DAIF_MASK | (flags.el2 ? MODE.EL2h : MODE.EL1h))
        const ours = new MachineStepper(machine, flags.interrupts), began = performance.now()
        ours.begin()
        if (from !== undefined) await runBothTo(machine, ours, qemu, from)
        const comparison = new Comparison(ours, qemu), unequal = await comparison.atStart()
        const limits = { steps: flags.steps, history: flags.history, interrupted: () => flags.timeout !== undefined && performance.now() - began > flags.timeout * 1000 }
        const symbolAt = (pc: bigint): string | undefined => loaded.elf?.symbolize(pc)
        if (unequal.length > 0) {
          report(flags, { differsAtStart: unequal.map(({ what, ours: a, theirs: b }) => ({ register: what, ours: `0x${a.toString(16)}`, theirs: `0x${b.toString(16)}` })) },
            `They differ where the comparison would begin: ${unequal.map(({ what, ours: a, theirs: b }) => `${what} 0x${a.toString(16)} / 0x${b.toString(16)}`).join(', ')}`)
          process.exitCode = EXIT.guestFailed
          return
        }
        const result = await comparison.run(limits), { difference } = result
        report(flags, { steps: result.steps, end: result.end, detail: result.detail ?? null, copied: Object.fromEntries(result.copied), difference: difference === undefined ? null : differenceReport(difference, symbolAt) },
          [...(difference === undefined ? [] : [describeDifference(difference, symbolAt, NAMES), '']), endText(result), ...copiedText(result)].join('\n'))
        process.exitCode = difference === undefined ? EXIT.done : EXIT.guestFailed
      } finally { qemu.end() }
    } finally { rmSync(folder, { recursive: true, force: true }) }
  },
})

const NOTHING_ELSE = { hide: [], module: [], drive: [], share: [], virtioConsole: false } as const

function report(flags: Flags, data: Record<string, unknown>, text: string): void { process.stdout.write(`${flags.json ? JSON.stringify(data) : text}\n`) }

function endText({ steps, end, detail }: ComparisonResult): string {
  switch (end) {
    case 'difference': return `${grouped(steps)} instructions compared.`
    case 'steps': return `No difference in ${grouped(steps)} instructions.`
    case 'ended': return `No difference in ${grouped(steps)} instructions, then the image ended (${detail}).`
    case 'waits': return `No difference in ${grouped(steps)} instructions, then the image waits for an interrupt (${detail}).`
    case 'known': return `No difference in ${grouped(steps)} instructions; the next is QEMU's own, and the two cannot be brought together again: ${detail}`
  }
}

const copiedText = ({ copied }: ComparisonResult): string[] => [...copied].map(([what, times]) => `  ${times === 1 ? 'once' : `${grouped(times)} times`} not compared, or mended: ${what}`)

/** RAM that is not zero, for QEMU's loader: what lies behind QEMU's own device tree. */
function memoryFiles(machine: Machine, folder: string): string[] {
  const { address, size } = ramBehindTree(machine), page = 1 << 16, bytes = new Uint8Array(page), found: { at: number, parts: Uint8Array[] }[] = []
  for (let at = address; at < address + size; at += page) {
    machine.memory.readBytes(at, bytes)
    if (!bytes.some(byte => byte !== 0)) continue
    const last = found.at(-1)
    if (last !== undefined && last.at + last.parts.length * page === at) last.parts.push(bytes.slice())
    else found.push({ at, parts: [bytes.slice()] })
  }
  return found.flatMap(({ at, parts }, n) => {
    const file = join(folder, `memory${n}`)
    writeFileSync(file, Buffer.concat(parts))
    return ['-device', `loader,file=${file},addr=0x${at.toString(16)},force-raw=on`]
  })
}

const RAM_AT = 0x4000_0000
/** QEMU puts a device tree of its own there, which is overwritten. */
const TREE_BYTES = 1 << 20
const ramBehindTree = (machine: Machine): { readonly address: number, readonly size: number } => ({ address: RAM_AT + TREE_BYTES, size: machine.board.memBytes - TREE_BYTES })

type StartingPoint = { readonly kind: 'address', readonly address: bigint } | { readonly kind: 'count', readonly count: number }

export function startingPoint(text: string, { elf }: Pick<LoadedImage, 'elf'>): StartingPoint {
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) return { kind: 'address', address: BigInt(text) }
  if (/^[0-9]+$/.test(text)) return { kind: 'count', count: integerBetween('--from', 1, MOST_STEPS)(text) }
  const symbol = elf?.symbol(text)
  if (symbol === undefined) throw new BadInput('--from', elf === undefined ? `'${text}' is neither an address (0x...) nor a count, and the image has no symbols` : `the image has no symbol '${text}'`)
  return { kind: 'address', address: symbol.address }
}

async function runBothTo(machine: Machine, ours: MachineStepper, qemu: Qemu, from: StartingPoint): Promise<void> {
  if (from.kind === 'count') {
    for (let n = 0; n < from.count; n++) {
      ours.step()
      if (machine.lastOutcome !== undefined || machine.cpu.core.pe.waiting !== 'none') throw new BadInput('--from', `the image ends or waits after ${grouped(n)} instructions`)
      await qemu.skip()
    }
    return
  }
  const debug = new Debugger(machine)
  debug.attach()
  debug.breakpoints.setBreakpoint(debug.levels.hardware, from.address, true)
  debug.resume()
  const stop = debug.run({ maxInstructions: MOST_STEPS })
  debug.detach()
  if (stop.kind !== 'breakpoint') throw new BadInput('--from', `the image does not get to 0x${from.address.toString(16)}${stop.kind === 'outcome' ? `: ${stop.outcome.kind}` : ''}`)
  if (!await qemu.reaches(from.address)) throw new BadInput('--from', `on QEMU the image does not get to 0x${from.address.toString(16)}`)
}
