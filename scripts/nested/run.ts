/** Runs one row of the nested suite. */
import { checkList } from '../../src/cli/debian/command-list.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { Outcome } from '../../src/machine/outcome.ts'
import { ExitStatistics } from '../../src/trace/exit-statistics.ts'
import { benchGuest, hypervisor, hypervisorGuest, INPUT_MARK, kernel, shellGuest } from './levels.ts'
import type { Guest } from './levels.ts'
import { buildMachine } from './machine.ts'
import type { Boot } from './machine.ts'
import { choosesMode, expectedMode, hiddenFor } from './rows.ts'
import type { Row } from './rows.ts'
import { xenImage } from './xen.ts'

const MOST_INSTRUCTIONS = 60_000_000_000
/** A run is looked at this often. */
const SLICE = 250_000_000
/** Nothing printed for so long in virtual time: it hangs. PEs that wait pass it quickly. */
const SILENCE = 300e9
/** Every character costs traps, but the kernel's mode must be seen. */
const QUIET = 'cryptomgr.notests'

const ASKS = new RegExp(`${INPUT_MARK}\\r*\\n$`)

export interface Result { readonly row: Row, readonly wrong: readonly string[], readonly instructions: number, readonly cycles: number, readonly traps: number, readonly seconds: number, readonly printed: string }

async function below(row: Row): Promise<Guest> {
  switch (row.below) {
    case 'bench': return benchGuest(row.smp, row.gic)
    case 'shell': return shellGuest(row.l1, row.smp, row.mode === 'VHE', row.gic)
    // L2 has L1's kernel, and a small one is at the bottom.
    case 'levels 3': return hypervisorGuest(row.l1, await shellGuest('6.1', 1, false), 'quiet')
    case 'levels 4': return hypervisorGuest(row.l1, await hypervisorGuest(row.l1, benchGuest(1), 'quiet'), 'quiet kvm-arm.mode=nested')
  }
}

interface Prepared extends Boot { readonly input?: string, readonly check: (printed: string) => string[] }

async function prepare(row: Row): Promise<Prepared> {
  if (row.mode === 'Xen') {
    const { image, initrd } = await kernel('6.12')
    return {
      image: await xenImage(row.l1), modules: [{ bytes: image, bootargs: 'console=hvc0 cryptomgr.notests do=list' }, { bytes: initrd }], append: 'dom0_mem=384M console=dtuart dtuart=/pl011@9000000', megabytes: 1024,
      check: checkList,
    }
  }
  const guest = row.bare === true ? await hypervisorGuest(row.l1, await below(row), QUIET) : await below(row), { image, initrd, vmm, megabytes } = await hypervisor(row.l1, guest)
  const mode = row.mode === 'VHE' || !choosesMode(row.l1) ? '' : ` kvm-arm.mode=${row.mode.toLowerCase()}`
  return { image, initrd, append: `${QUIET}${mode} -- ${vmm}`, megabytes, ...(guest.input === undefined ? {} : { input: guest.input }), check: guest.check }
}

export interface RunOptions {
  readonly translate?: boolean
  /** Called after every slice of the run. */
  readonly look?: (machine: Machine, counters: ExitStatistics, printed: string) => void
}

export async function runRow(row: Row, { translate, look }: RunOptions = {}): Promise<Result> {
  const prepared = await prepare(row), counters = new ExitStatistics()
  let printed = '', sent = prepared.input === undefined
  const console = (byte: number): void => {
    printed += String.fromCharCode(byte)
    // Each level's terminal puts a carriage return before the newline.
    if (!sent && byte === 10 && ASKS.test(printed.slice(-40))) {
      sent = true
      machine.input([...prepared.input!].map(character => character.charCodeAt(0)))
    }
  }
  const machine = buildMachine(prepared, {
    bare: row.bare === true, arch: row.arch, smp: row.smp, gic: row.gic ?? 3, hide: hiddenFor(row), el2: true, paravirt: row.arch === 'v8.0', recursion: row.mode === 'nested', console,
    machine: { onEvent: counters.sink, ...(translate === undefined ? {} : { translate }) },
  })
  const before = process.cpuUsage()
  let outcome: Outcome = { kind: 'limit' }, shown = 0, since = 0
  while (outcome.kind === 'limit' && machine.instructions < MOST_INSTRUCTIONS && machine.nanoseconds - since < SILENCE) {
    outcome = machine.run({ maxInstructions: SLICE })
    look?.(machine, counters, printed)
    if (printed.length > shown) since = machine.nanoseconds
    shown = printed.length
  }
  const { user, system } = process.cpuUsage(before)
  const wrong = prepared.check(printed)
  if (outcome.kind === 'limit') wrong.push(machine.nanoseconds - since < SILENCE ? 'did not end' : `hangs: it has printed nothing for ${SILENCE / 1e9} s of virtual time`)
  else if (outcome.kind !== 'off') wrong.push(`ended with ${outcome.kind}${outcome.kind === 'died' ? `: ${outcome.detail}` : outcome.kind === 'unimplemented' ? `: ${outcome.detail.name}` : ''}`)
  if (row.mode !== 'Xen' && !/^vmm: the VM is off/m.test(printed)) wrong.push('vmm did not see its VM end')
  if (!expectedMode[row.mode].test(printed)) wrong.push(`the hypervisor does not say ${expectedMode[row.mode].source}`)
  const traps = counters.rows().reduce((sum, { count }) => sum + count, 0)
  return { row, wrong, instructions: machine.instructions, cycles: Math.round(machine.nanoseconds), traps, seconds: (user + system) / 1e6, printed }
}
