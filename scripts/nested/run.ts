/** Runs one row of the nested suite. */
import { checkList } from '../../src/cli/debian/command-list.ts'
import { ExitStatistics } from '../../src/trace/exit-statistics.ts'
import { Console, drive } from './drive.ts'
import type { Driven, Look } from './drive.ts'
import { benchGuest, hypervisor, hypervisorGuest, kernel, shellGuest } from './levels.ts'
import type { Guest } from './levels.ts'
import { buildMachine } from './machine.ts'
import type { Boot } from './machine.ts'
import { choosesMode, expectedMode, hiddenFor } from './rows.ts'
import type { Row } from './rows.ts'
import { xenImage } from './xen.ts'

const MOST_INSTRUCTIONS = 60_000_000_000
/** Every character costs traps, but the kernel's mode must be seen. */
const QUIET = 'cryptomgr.notests'

export interface Result extends Driven { readonly row: Row }

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
  readonly look?: Look
  /** A file for the machine's console. */
  readonly log?: string
}

export async function runRow(row: Row, { translate, look, log }: RunOptions = {}): Promise<Result> {
  const { input, check, ...boot } = await prepare(row), counters = new ExitStatistics(), console = new Console(input, log)
  const machine = buildMachine(boot, {
    bare: row.bare === true, arch: row.arch, smp: row.smp, gic: row.gic ?? 3, hide: hiddenFor(row), el2: true, ...(row.arch === 'v8.0' ? { paravirt: row.paravirt ?? 'nv' } as const : {}), recursion: row.mode === 'nested', console: console.byte,
    machine: { onEvent: counters.sink, ...(translate === undefined ? {} : { translate }) },
  })
  const driven = drive(machine, console, counters, MOST_INSTRUCTIONS, look), { printed } = console
  const wrong = [...check(printed), ...driven.wrong]
  if (row.mode !== 'Xen' && !/^vmm: the VM is off/m.test(printed)) wrong.push('vmm did not see its VM end')
  if (!expectedMode[row.mode].test(printed)) wrong.push(`the hypervisor does not say ${expectedMode[row.mode].source}`)
  return { ...driven, row, wrong }
}
