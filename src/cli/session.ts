/** One run of the machine with what was asked for on it, to its end: what `nidus run`, `stat` and `trace` have in common. */
import { writeFileSync } from 'node:fs'
import { BadInput } from '../arch/bad-input.ts'
import type { CostModel } from '../arch/cost.ts'
import type { Plug } from '../devices/index.ts'
import { createMachine, type Machine } from '../machine/machine.ts'
import type { MachineOptions } from '../machine/options.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Outcome } from '../machine/outcome.ts'
import type { Symbols } from '../debug/gdb/monitor.ts'
import { kernelSymbols } from '../lab/kernel-symbols.ts'
import { TextMatcher } from '../machine/text-matcher.ts'
import type { TraceSink } from '../trace/event.ts'
import { recipeOf, restoreMachine } from '../snapshot/index.ts'
import { createL0, type L0Options, type Paravirtualised, type VmEnd } from '../vmm/index.ts'
import { connectConsole, type Console } from './console.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { GdbServer, type GdbAddress } from './gdb-server.ts'
import { loadImage, type LoadedImage } from './loaded-image.ts'
import { diskDigest } from './disk.ts'
import type { NodeNetwork } from './network.ts'
import { Pace } from './pace.ts'
import { openPlugs } from './plugs.ts'
import { checkFiles, Recorder, sha256, type Asked, type Recording } from './recording.ts'
import { executedText, leftSites, rewritingText } from './rewriting-text.ts'
import { checkCombination, type RunFlags, type VmFlags } from './run-flags.ts'
import { answeringShare, recordingAnswers, replayedAnswers } from './share-log.ts'
import type { RestoredSession } from './snapshot-file.ts'
import { grouped } from './table.ts'
import { fileConsole, plainConsole, SharedTerminal, type VmConsole } from './vm-consoles.ts'

/** An image with its options. */
export interface Requested { readonly path: string, readonly flags: VmFlags }

export interface SessionOptions {
  readonly onEvent?: TraceSink | undefined
  readonly costs?: CostModel
  /** Compute traceHash. */
  readonly hash?: boolean
  /** Looked at every 50 ms: true ends the run. */
  readonly enough?: () => boolean
  /** Right after the machine is made and before it runs. */
  readonly onMachine?: (machine: Machine) => void
  /** GDB may connect here; with `wait` nothing runs before it says so. */
  readonly gdb?: { readonly address: GdbAddress, readonly wait: boolean } | undefined
  /** Goes on from here; images are not read. */
  readonly restored?: RestoredSession | undefined
  /** Ends the run after so many instructions. */
  readonly after?: number | undefined
  /** Writes down what comes from outside; replays it instead of the keyboard and the clock. */
  readonly record?: string | undefined
  readonly replay?: Recording | undefined
  /** Everything an image has printed. */
  readonly onConsole?: (byte: number) => void
}

export interface Finished {
  readonly machine: Machine
  readonly outcome: Outcome['kind'] | 'timeout' | 'enough'
  /** How the machine is made again. */
  readonly recipe: Saved
  readonly code: ExitCode
  /** For stderr, one line each. */
  readonly messages: readonly string[]
  /** By image. */
  readonly codes: readonly ExitCode[]
  readonly rewritings: readonly (Paravirtualised | undefined)[]
}

/** RAM that the machine has beside the VMs': L0's tables and pages. */
const L0_MEMORY = 64 * 2 ** 20
const L0_RESERVED = 32 * 2 ** 20
const MOST_PES = 8
/** Milliseconds between looks at the keyboard and Ctrl-C. */
const SLICE = 50

/** What is known of one image while it runs. */
interface Running {
  readonly flags: VmFlags
  readonly loaded: LoadedImage
  readonly console: VmConsole
  readonly matcher: TextMatcher | undefined
  /** It has printed `--until`. */
  seen: boolean
  end: VmEnd | undefined
  readonly plugs: readonly Plug[]
  readonly network: NodeNetwork | undefined
  rewriting: Paravirtualised | undefined
}

export function printMessages({ messages }: Finished): void {
  for (const message of messages) process.stderr.write(`nidus: ${message}\n`)
}

/** Undefined: there was nothing to run (`--dumpdtb`). */
export async function runSession(flags: RunFlags, images: readonly Requested[], options: SessionOptions = {}): Promise<Finished | undefined> {
  checkCombination(flags, images.map(image => image.flags))
  const { restored } = options
  const loaded = restored === undefined ? await Promise.all(images.map(({ path, flags: each }) => loadImage(path, each))) : images.map((): LoadedImage => ({ image: new Uint8Array(), elf: undefined }))
  const recorder = new Recorder(options.record), asked = (): Asked => ({ flags, images, snapshot: restored?.path, files: filesOf(images, loaded, restored) })
  if (options.replay !== undefined) checkFiles(options.replay.asked.files, asked().files)
  recorder.begin(asked)
  const opened = images.map(({ flags: each }, i) => openPlugs(each, {
    mute: options.replay !== undefined,
    share: (tag, readOnly, open) => {
      const name = `${i}.${tag}`, answers = options.replay?.answers.filter(({ share }) => share === name)
      // A run that broke off without --record has none: the folder itself is asked.
      if (answers !== undefined && answers.length > 0) return answeringShare(readOnly, open, replayedAnswers(name, answers))
      const files = open()
      return options.record === undefined ? files : answeringShare(readOnly, () => files, recordingAnswers(name, recorder.answer))
    },
  }))
  const files = images.map(({ flags: each }) => each.console === undefined ? undefined : fileConsole(each.console))
  const terminal = connectConsole(images.length)
  const shared = images.length > 1 ? new SharedTerminal(terminal) : undefined
  const running = images.map(({ flags: each }, i): Running => ({
    flags: each, loaded: loaded[i]!, console: files[i] ?? shared?.console(i) ?? plainConsole(terminal),
    matcher: each.until === undefined ? undefined : new TextMatcher(each.until), seen: false, end: undefined, ...opened[i]!, rewriting: undefined,
  }))
  const close = (): void => {
    for (const { console } of running) console.close()
    terminal.close()
    for (const { network } of running) network?.close()
  }
  // Ctrl-C leaves whole files.
  process.once('exit', close)
  let machine: Machine | undefined
  const brokenOff = (): void => {
    if (machine !== undefined) recorder.end({ position: machine.position, outcome: 'interrupted', code: EXIT.interrupted, traceHash: machine.traceHash() })
  }
  try {
    let gdb: GdbServer | undefined
    /** All who wait for a text have seen it. */
    let reached = false
    const output = (each: Running) => (byte: number): void => {
      // What comes after the text of `--until` is not part of the run.
      if (reached || gdb?.replaying === true) return
      each.console.output(byte)
      options.onConsole?.(byte)
      if (each.seen || each.matcher?.next(byte) !== true) return
      each.seen = true
      if (running.every(({ matcher, seen }) => matcher === undefined || seen)) {
        reached = true
        machine?.interrupt()
      }
    }
    const [first] = running as [Running, ...Running[]]
    const common: MachineOptions = {
      board: flags.board, ...(flags.gic === undefined ? {} : { gic: flags.gic }), profile: flags.arch, hide: flags.hide, translate: flags.translate, hash: (options.hash ?? false) || options.record !== undefined || options.replay !== undefined, ...(options.costs === undefined ? {} : { costs: options.costs }),
      console: output(first), ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }), symbolAt: pc => first.loaded.elf?.symbolize(pc), onOutside: recorder.event,
    }
    let recipe: Saved = restored?.file.recipe
    if (restored !== undefined) {
      const { onEnd, vms } = l0Options(flags, running, output)
      machine = restoreMachine(restored.file, { machine: { ...common, ...(flags.on === 'vm' ? {} : { plugs: first.plugs, complaint: complaint('') }) }, vms, ...(onEnd === undefined ? {} : { onEnd }) })
    } else if (flags.on === 'vm') {
      const l0 = l0Options(flags, running, output), chosen = { ...common, ...sizes(running) }
      machine = createMachine({ ...chosen, l0: createL0(l0) })
      recipe = recipeOf(chosen, l0)
    } else {
      const chosen = { ...common, smp: flags.smp ?? 1, memBytes: flags.mem, el2: flags.el2, plugs: first.plugs, complaint: complaint('') }
      machine = createMachine(chosen)
      recipe = recipeOf(chosen)
      const { append, ...request } = first.loaded
      const plan = machine.loadImage({ ...request, ...(append === undefined ? {} : { bootargs: append }) })
      if (flags.dumpdtb !== undefined) {
        writeFileSync(flags.dumpdtb, plan.dtb)
        return undefined
      }
    }
    const made = machine
    running.forEach(({ network }, i) => { network?.attach(event => { gdb?.posted(); made.post({ ...event, device: `${flags.on === 'vm' ? `vm${i}.` : ''}network0` }) }) })
    options.onMachine?.(machine)
    gdb = options.gdb === undefined ? undefined
      : await GdbServer.listen({ machine, ...options.gdb, symbols: symbolsOf(first.loaded), say: text => { process.stderr.write(`nidus: ${text}\n`) } })
    process.once('exit', brokenOff)
    try {
      const finished = { ...await runToTheEnd(machine, flags, running, terminal, () => reached, options, gdb), recipe }
      recorder.end({ position: machine.position, outcome: finished.outcome, code: finished.code, traceHash: machine.traceHash() })
      return finished
    } finally { gdb?.close() }
  } catch (error) {
    if (error instanceof BadInput) throw error
    // `run` has one cost model.
    const path = options.costs === undefined ? recorder.keep() : undefined
    if (path !== undefined) process.stderr.write(`nidus: to see this again: nidus run --replay ${path}\n`)
    throw error
  } finally {
    process.off('exit', brokenOff)
    close()
  }
}

/** What a run depends on. */
function filesOf(images: readonly Requested[], loaded: readonly LoadedImage[], restored: RestoredSession | undefined): Asked['files'] {
  const files = restored === undefined ? [] : [{ what: restored.path, sha256: restored.sha256() }]
  loaded.forEach(({ image, initrd, dtb, modules }, i) => {
    const { path, flags } = images[i]!, parts: [string, Uint8Array | undefined][] = [[path, image], ['--initrd', initrd], ['--dtb', dtb], ...(modules ?? []).map(({ bytes }, n): [string, Uint8Array] => [`--module ${n + 1}`, bytes])]
    for (const [what, bytes] of parts) if (bytes !== undefined && bytes.length > 0) files.push({ what: images.length > 1 ? `VM ${i}: ${what}` : what, sha256: sha256(bytes) })
    for (const disk of flags.drive) files.push({ what: disk.path, sha256: diskDigest(disk.path) })
  })
  return files
}

function sizes(running: readonly Running[]): { readonly smp: number, readonly memBytes: number, readonly reservedBytes: number } {
  const memory = running.reduce((sum, each) => sum + each.flags.mem, 0), pes = running.reduce((sum, each) => sum + (each.flags.smp ?? 1), 0)
  return { smp: Math.min(pes, MOST_PES), memBytes: memory + L0_MEMORY * running.length, reservedBytes: L0_RESERVED * running.length }
}

function l0Options(flags: RunFlags, running: readonly Running[], output: (each: Running) => (byte: number) => void): L0Options {
  const several = running.length > 1
  return {
    policy: flags.l0,
    onEnd: (vm, end) => { running[vm]!.end = end },
    vms: running.map((each, id) => {
      const { elf: _, ...description } = each.loaded
      return {
        ...description, memBytes: each.flags.mem, smp: each.flags.smp ?? 1, hide: each.flags.hide, plugs: each.plugs, complaint: complaint(several ? `vm${id}: ` : ''), el2: each.flags.el2 ? 'nvhe-or-vhe' : 'none',
        // One VM prints on the machine's console.
        ...(several ? { console: output(each) } : {}),
        ...(each.flags.paravirt === undefined ? {} : { paravirt: each.flags.paravirt, onRewritten: (result: Paravirtualised) => { tellRewriting(each.rewriting = result, several ? `vm${id}: ` : '') } }),
      } as const
    }),
  }
}

/** Of the ELF file, or of a Linux kernel from the table in its Image. */
const symbolsOf = ({ image, elf }: LoadedImage): Symbols => trapped => elf === undefined ? kernelSymbols(image, trapped) : pc => elf.symbolize(pc)

/** What a guest's driver has done wrong. */
const complaint = (who: string) => (text: string): void => { process.stderr.write(`nidus: ${who}${text}\n`) }

/** The report of the paravirtual method, before the guest starts. */
function tellRewriting(result: Paravirtualised, who: string): void {
  const text = rewritingText(result)
  if (text !== undefined) process.stderr.write(`nidus: ${who}to be rewritten, ${text}\n${leftSites(result).map(line => `  left: ${line}\n`).join('')}`)
}

type Ended = Omit<Finished, 'recipe'>

async function runToTheEnd(machine: Machine, flags: RunFlags, running: readonly Running[], terminal: Console, reached: () => boolean, options: SessionOptions, gdb: GdbServer | undefined): Promise<Ended> {
  const { enough = () => false, replay } = options, stop = options.after === undefined ? undefined : { instructions: machine.instructions + options.after, idleTurns: 0 }
  const deadline = flags.timeout === undefined ? Infinity : performance.now() + flags.timeout * 1000
  const pace = new Pace(running.flatMap(({ network }) => network ?? []))
  const finished = (outcome: Finished['outcome'], code: ExitCode, message?: string): Ended =>
    ({ machine, outcome, code, messages: [...(message === undefined ? [] : [message]), ...executedTexts(running)], codes: running.map(() => code), rewritings: running.map(({ rewriting }) => rewriting) })
  if (replay !== undefined) {
    const outcome = replayEntries(machine, replay, reached)
    if (outcome !== undefined) return verdict(machine, outcome, running)
    return finished(replay.ending!.outcome as Ended['outcome'], replay.ending!.code as ExitCode)
  }
  for (;;) {
    await gdb?.standing()
    if (gdb?.killed === true) return finished('off', EXIT.done, 'ended by GDB')
    // Time, not instructions: a guest that only traps executes few. Where a run is cut is not seen by the guest.
    const end = Math.min(deadline, performance.now() + pace.slice(SLICE))
    const limits = { interrupted: () => performance.now() > end, waits: pace.waits, ...(stop === undefined ? {} : { to: stop }) }, outcome = gdb?.run(limits) ?? machine.run(limits)
    if (reached()) return verdict(machine, { kind: 'until', text: '' }, running)
    if (outcome.kind === 'limit') return finished('enough', EXIT.done)
    if (outcome.kind !== 'idle' && outcome.kind !== 'interrupted' && outcome.kind !== 'waiting') return verdict(machine, outcome, running)
    if (enough()) return finished('enough', EXIT.done)
    if (performance.now() > deadline) return finished('timeout', EXIT.timeout, `timeout after ${flags.timeout} s and ${grouped(machine.instructions)} instructions`)
    for (const { console } of running) console.tick()
    // The event loop sees the keyboard and Ctrl-C; an idle machine waits for them.
    if (outcome.kind === 'waiting') await pace.wait(outcome.nanoseconds, machine.instructions)
    else await new Promise<void>(resolve => { if (outcome.kind === 'idle') setTimeout(resolve, 10); else setImmediate(resolve) })
    const bytes = terminal.bytes()
    const vm = terminal.selected()
    if (bytes.length > 0) gdb?.posted()
    if (bytes.length > 0) machine.post({ device: `${flags.on === 'vm' ? `vm${vm}.` : ''}${running[vm]!.flags.virtioConsole ? 'console0' : 'uart0'}`, kind: 'data', id: 0, bytes })
    else if (outcome.kind === 'idle' && deadline === Infinity && !process.stdin.isTTY && gdb === undefined && !pace.isBusy) {
      return finished(outcome.kind, EXIT.guestDied, 'every CPU waits for an interrupt and nothing is left that could raise one')
    }
  }
}

/** Runs with what was recorded, to the end of the recording. Undefined: the recorded run was ended from outside (a timeout, Ctrl-C) here. */
function replayEntries(machine: Machine, { entries, ending }: Recording, reached: () => boolean): Outcome | undefined {
  for (const { position, event } of [...entries, ...(ending === undefined ? [] : [{ position: ending.position, event: undefined }])]) {
    const outcome = machine.run({ to: position })
    if (reached()) return { kind: 'until', text: '' }
    if (outcome.kind !== 'limit' && outcome.kind !== 'idle') return outcome
    if (event !== undefined && !machine.post(event)) throw new BadInput('recording', `no device is called ${event.device}`)
  }
  return ending === undefined ? machine.run() : undefined
}

/** Of all images: the worst of them (a guest that died, then one that failed). */
function verdict(machine: Machine, outcome: Outcome, running: readonly Running[]): Ended {
  const several = running.length > 1
  const each = running.map((vm, i) => {
    const { code, message } = verdictOf(outcome, vm)
    return { code, message: message === undefined ? undefined : several ? `vm${i}: ${message}` : message }
  })
  const codes = each.map(({ code }) => code)
  return {
    machine, outcome: outcome.kind, code: codes.reduce((worst, code) => code > worst ? code : worst), codes, rewritings: running.map(({ rewriting }) => rewriting),
    messages: [...each.flatMap(({ message }) => message ?? []), ...executedTexts(running)],
  }
}

const executedTexts = (running: readonly Running[]): string[] =>
  running.flatMap(({ rewriting }, i) => rewriting === undefined ? [] : `${running.length > 1 ? `vm${i}: ` : ''}rewritten, ${executedText(rewriting)}`)

function verdictOf(outcome: Outcome, { flags, seen, end, loaded }: Running): { readonly code: ExitCode, readonly message: string | undefined } {
  if (end?.kind === 'died') return { code: EXIT.guestDied, message: `the VM died: ${end.detail}` }
  switch (outcome.kind) {
    case 'until': return { code: EXIT.done, message: undefined }
    case 'off': case 'reset':
      return flags.until === undefined || seen ? { code: EXIT.done, message: undefined } : { code: EXIT.guestFailed, message: `the guest ended without printing '${flags.until}'` }
    case 'unimplemented': {
      const { what, name, pc, el, feature, pe } = outcome.detail, symbol = loaded.elf?.symbolize(pc)
      return { code: EXIT.guestDied, message: `unimplemented ${what} ${name}${feature === undefined ? '' : ` (${feature})`} at PC 0x${pc.toString(16)}${symbol === undefined ? '' : ` <${symbol}>`}, EL${el}, CPU ${pe}` }
    }
    case 'died': return { code: EXIT.guestDied, message: `the guest died: ${outcome.detail}` }
    default: return { code: EXIT.guestDied, message: outcome.kind }
  }
}
