/** What comes from outside, written down where it reached its device and posted again at the same positions, gives the same run: idle times included. */
import { describe, expect, test } from 'vitest'
import type { OutsideEvent } from '../../src/arch/outside.ts'
import { PPI } from '../../src/arch/gic.ts'
import { createMachine } from '../../src/machine/machine.ts'
import type { Machine } from '../../src/machine/machine.ts'
import type { MachineOptions, Position } from '../../src/machine/options.ts'
import { BASE, Program } from '../../src/machine/program.test-support.ts'
import { NESTED_RUNS, nameOf, nestedMachine } from './nested-runs.ts'

interface Entry { readonly position: Position, readonly event: OutsideEvent }

function replay(machine: Machine, entries: readonly Entry[], end: Position): string | undefined {
  for (const { position, event } of entries) {
    machine.run({ to: position })
    expect(machine.position).toEqual(position)
    machine.post(event)
  }
  machine.run({ to: end })
  return machine.traceHash()
}

/** Sleeps between timer interrupts, which it does not take, and stores what the UART has received; its other PE sleeps for good. */
function sleeper(options: Partial<MachineOptions> = {}): Machine {
  const SGI_BASE = 0x080b_0000
  const p = new Program().mov(0, 0xc400_0003n).mov(1, 1).adr(2, 'second').hvc().setLabel('VBAR_EL1', 'vectors')
  p.mov(1, 0x0800_0000).mov(2, 0x37).str(2, 1, 0, 0).mov(1, SGI_BASE + 0x80).mov(2, 0xffff_ffff).str(2, 1, 0, 0).mov(1, SGI_BASE + 0x100).mov(2, 1 << PPI.virtualTimer).str(2, 1, 0, 0)
  p.set('ICC_PMR_EL1', 0xff).set('ICC_IGRPEN1_EL1', 1).set('CNTV_TVAL_EL0', 500).set('CNTV_CTL_EL0', 1)
  p.mov(1, 0x0900_0000).mov(3, BASE + 0x1_0000).label('loop').insn('WFI').ldr(2, 1, 0, 0).str(2, 3).add(3, 3, 8).set('CNTV_TVAL_EL0', 700).b('loop')
  p.label('second').insn('WFI').b('second')
  p.vectors(0x800, 'vectors', {})
  const machine = createMachine({ memBytes: 16 << 20, smp: 2, ...options })
  machine.memory.writeBytes(BASE, p.bytes())
  machine.startAt(BigInt(BASE), 0n)
  return machine
}

/** Runs in short pieces and posts now and then, as a terminal does. */
function record(make: (options: Partial<MachineOptions>) => Machine, pieces: number): { readonly entries: readonly Entry[], readonly end: Position, readonly hash: string | undefined } {
  const entries: Entry[] = []
  const machine = make({ onOutside: (position, event) => { entries.push({ position, event }) } })
  const device = machine.l0 === undefined ? 'uart0' : 'vm0.uart0'
  for (let i = 0, turns = 0; i < pieces; i++) {
    machine.run({ interrupted: () => ++turns % 3 === 0 })
    if (i % 2 === 0) machine.post({ device, kind: 'data', id: 0, bytes: Uint8Array.of(0x61 + i % 26) })
  }
  machine.run({ interrupted: () => true })
  return { entries, end: machine.position, hash: machine.traceHash() }
}

describe('replay', { timeout: 120_000 }, () => {
  test('of a machine that mostly sleeps', () => {
    const { entries, end, hash } = record(sleeper, 40)
    expect(entries.length).toBe(20)
    expect(new Set(entries.map(({ position }) => position.instructions)).size).toBeGreaterThan(5)
    expect(replay(sleeper(), entries, end)).toBe(hash)
    // In the middle of a recording as well, from a snapshot.
    const machine = sleeper()
    machine.run({ to: entries[9]!.position })
    expect(replay(machine, [], entries[9]!.position)).not.toBe(hash)
  })

  test.each([NESTED_RUNS[2]!, NESTED_RUNS[4]!].map(run => [nameOf(run), run] as const))('of %s', (_, run) => {
    const { entries, end, hash } = record(options => nestedMachine(run, options), 60)
    expect(replay(nestedMachine(run), entries, end)).toBe(hash)
    // What enters at another place makes another run.
    const { position: { instructions } } = entries[3]!
    expect(replay(nestedMachine(run), entries.slice(0, 3), end)).not.toBe(hash)
    expect(instructions).toBeGreaterThan(0)
  })
})
