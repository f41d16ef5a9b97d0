/** `--watch`: where a run is every so many instructions, and what it traps for, to see whether it is slow or hangs. */
import { elOf } from '../../src/arch/pstate.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { ExitStatistics } from '../../src/trace/exit-statistics.ts'
import type { L0 } from '../../src/hypervisor/run.ts'

const COMMONEST = 10

/** A function that tells of a run what has changed since it was called before. */
export function watcher(say: (text: string) => void): (machine: Machine, counters: ExitStatistics, printed: string) => void {
  const before = new Map<string, number>()
  let shown = 0, time = 0
  return (machine, counters, printed) => {
    const text = printed.slice(shown)
    shown = printed.length
    const exits: { readonly what: string, readonly count: number }[] = []
    for (const { level, reason, count } of counters.rowsBy(row => `${row.level} ${row.reason}`)) {
      const what = `${level} ${reason}`, since = count - (before.get(what) ?? 0)
      before.set(what, count)
      if (since > 0) exits.push({ what, count: since })
    }
    exits.sort((a, b) => b.count - a.count)
    const vcpus = (machine.l0 as L0 | undefined)?.vms.flatMap(vm => vm.vcpus) ?? [], passed = machine.nanoseconds - time
    time = machine.nanoseconds
    const where = machine.cpu.pes.map((pe, n) => {
      machine.cpu.core.switchTo(pe)
      const vcpu = vcpus.find(each => each.pe.index === n), pc = `0x${machine.cpu.engine.state.pc.toString(16)}`
      return vcpu === undefined ? `EL${elOf(machine.cpu.core.pstate())} ${pc}` : vcpu.state === 'runnable' ? `${vcpu.level} EL${vcpu.el} ${pc}` : `${vcpu.level} ${vcpu.state}`
    })
    say(`${text === '' || text.endsWith('\n') ? text : `${text}\n`}-- ${(machine.instructions / 1e9).toFixed(2)} G instructions, ${(time / 1e9).toFixed(3)} s (+${(passed / 1e9).toFixed(3)}): ${where.join(', ')}\n` +
      `-- ${exits.reduce((sum, { count }) => sum + count, 0)} exits: ${exits.slice(0, COMMONEST).map(({ what, count }) => `${count} ${what}`).join(', ')}\n`)
  }
}
