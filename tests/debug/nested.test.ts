/** The debugger on a nested run, without GDB: levels, breakpoints, registers, addresses, steps, and the same backwards. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseElf } from '../../src/arch/image/elf.ts'
import { traceText } from '../../src/debug/address.ts'
import { Debugger } from '../../src/debug/debugger.ts'
import type { Stop } from '../../src/debug/debugger.ts'
import { readSystemRegister } from '../../src/debug/system-registers.ts'
import { registersOf } from '../../src/debug/thread-registers.ts'
import { createMachine } from '../../src/machine/machine.ts'
import type { Machine } from '../../src/machine/machine.ts'
import { rowByName } from '../../src/sysreg/index.ts'
import { createL0 } from '../../src/vmm/index.ts'

const MEGABYTE = 1 << 20
const guest = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const bench = parseElf(guest('bench.elf')), hypervisors = { nvhe: parseElf(guest('mini-kvm-nvhe.elf')), vhe: parseElf(guest('mini-kvm-vhe.elf')) }
const addressOf = (elf: typeof bench, name: string): bigint => elf.symbol(name)!.address

function vm(guestKind: 'nvhe' | 'vhe', profile: 'v8.4' | 'neve'): Machine {
  return createMachine({
    smp: 2, memBytes: 160 * MEGABYTE, profile, translate: true, translateAfter: 50,
    l0: createL0({ vms: [{ image: guest(`mini-kvm-${guestKind}`), initrd: guest('bench'), memBytes: 96 * MEGABYTE, smp: 2, el2: guestKind, append: 'vcpus=2 -- ops=2 warm=1' }] }),
  })
}
function bare(guestKind: 'nvhe' | 'vhe'): Machine {
  const machine = createMachine({ smp: 1, memBytes: 128 * MEGABYTE, profile: 'v8.4', el2: true })
  machine.loadImage({ image: guest(`mini-kvm-${guestKind}`), initrd: guest('bench'), bootargs: 'vcpus=1 -- ops=2 warm=1' })
  return machine
}

/** Runs until something stops it. */
function go(target: Debugger): Stop {
  for (;;) {
    const stop = target.run({ maxInstructions: 5_000_000 })
    if (stop.kind !== 'outcome' || stop.outcome.kind !== 'limit') return stop
  }
}
const threadOf = (stop: Stop): string => stop.kind === 'outcome' ? stop.outcome.kind : `${stop.kind} ${stop.thread.level.name}.${stop.thread.id}`

/** Breaking and looking in the first and third, going back in the others: together all kinds of guest hypervisor, with and without L0. */
describe.each([
  ['bare, nVHE', () => bare('nvhe'), 'nvhe', false], ['bare, VHE', () => bare('vhe'), 'vhe', true],
  ['v8.4, VHE', () => vm('vhe', 'v8.4'), 'vhe', false], ['neve, nVHE', () => vm('nvhe', 'neve'), 'nvhe', true],
] as const)('%s', (_, make, kind, goesBack) => {
  test.skipIf(goesBack)('breaks in L1 and L2, each by its own addresses', { timeout: 120_000 }, () => {
    const machine = make(), target = new Debugger(machine)
    target.attach()
    const l1 = target.levels.level(2)!, l2 = target.levels.level(3)!, read = (thread: Parameters<typeof readSystemRegister>[1], name: string) => readSystemRegister(target.levels, thread, rowByName(name)!)
    // The same name is at two addresses; L2's lies inside another function of L1.
    target.breakpoints.setBreakpoint(l1, addressOf(hypervisors[kind], 'guest_main'), false)
    target.breakpoints.setBreakpoint(l2, addressOf(bench, 'guest_main'), true)
    expect(threadOf(go(target))).toBe('breakpoint L1.1')
    expect(registersOf(target.levels, l1.threads[0]!).pc()).toBe(addressOf(hypervisors[kind], 'guest_main'))
    target.breakpoints.clear(l1)
    target.resume()
    const inL2 = go(target)
    expect(threadOf(inL2)).toBe('breakpoint L2.1')
    const thread = l2.threads[0]!
    expect(registersOf(target.levels, thread).pc()).toBe(addressOf(bench, 'guest_main'))
    expect(read(thread, 'CurrentEL')).toBe(4n)
    expect(read(thread, 'HCR_EL2')).toBeUndefined()
    // L1 stands at the ERET that entered L2, at EL2.
    const hypervisor = registersOf(target.levels, l1.threads[0]!)
    expect(hypervisor.kind).toBe('left')
    expect(hypervisors[kind].symbolize(hypervisor.pc())).toMatch(/^__guest_enter/)
    expect(hypervisor.pstate() & 0xf).toBe(9)
    const text = traceText(target.addresses.trace(l1.threads[0]!, hypervisor.pc()))
    expect(text).toMatch(/= PA 0x[0-9a-f]+/)
    // L2's own code, through L1's stage 2 and L0's.
    expect([...target.addresses.read(thread, addressOf(bench, 'guest_main'), 4)]).toEqual([...readOf(guest('bench'), addressOf(bench, 'guest_main') - 0x4020_0000n, 4)])
    expect(traceText(target.addresses.trace(thread, addressOf(bench, 'guest_main')))).toMatch(/L2 VA[^]*= L2 IPA[^]*L1's VTTBR_EL2[^]*level 3 at[^]*= /)
    expect(read(l1.threads[0]!, 'VTTBR_EL2')! & 0xffff_ffff_fffen).toBe(BigInt(l2.table!))
    target.detach()
    expect(machine.run({ maxInstructions: 2e9 }).kind).toBe('off')
  })

  test.runIf(goesBack)('steps, watches and goes back', { timeout: 120_000 }, () => {
    const undisturbed = make()
    expect(undisturbed.run({ maxInstructions: 2e9 }).kind).toBe('off')
    const machine = make(), target = new Debugger(machine)
    target.attach()
    const l2 = target.levels.level(3)!, hvc = addressOf(bench, 'smccc_hvc')
    target.breakpoints.setBreakpoint(l2, hvc, false)
    expect(threadOf(go(target))).toBe('breakpoint L2.1')
    const thread = l2.threads[0]!, shown = (): string => {
      const registers = registersOf(target.levels, thread)
      return [registers.pc(), registers.sp(), registers.pstate(), ...Array.from({ length: 31 }, (_, n) => registers.x(n))].join()
    }
    // Over the trap and on; each place and what it looks like.
    const places = [shown()]
    target.breakpoints.clear()
    for (let i = 0; i < 6; i++) {
      target.resume({ thread })
      expect(threadOf(go(target))).toBe('step L2.1')
      places.push(shown())
    }
    expect(places[1]!.split(',')[0]).toBe(String(hvc + 4n))
    for (let i = 5; i >= 0; i--) {
      const stop = target.history.stepBack(thread)
      expect(typeof stop === 'string' ? stop : threadOf(stop)).toBe('step L2.1')
      expect(shown()).toBe(places[i])
    }
    // Back to what happened long before, and to the beginning.
    target.breakpoints.setBreakpoint(l2, addressOf(bench, 'guest_main'), false)
    const back = target.history.continueBack(thread)
    expect(typeof back === 'string' ? back : threadOf(back)).toBe('breakpoint L2.1')
    expect(registersOf(target.levels, thread).pc()).toBe(addressOf(bench, 'guest_main'))
    const beginning = target.history.continueBack(thread)
    expect(typeof beginning === 'string' ? beginning : beginning.kind).toBe('beginning')
    expect(machine.instructions).toBe(0)
    // And forwards again, with a watchpoint; the run is still the same run.
    target.resume()
    expect(threadOf(go(target))).toBe('breakpoint L2.1')
    target.breakpoints.clear()
    const memoryEnd = addressOf(bench, 'memory_end')
    target.breakpoints.setWatchpoint(l2, memoryEnd, 8, 'write')
    target.resume()
    const written = go(target)
    expect(written.kind === 'watchpoint' && written.address).toBe(memoryEnd)
    expect([...target.addresses.read(thread, memoryEnd, 8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    target.breakpoints.clear()
    target.resume({ thread })
    expect(threadOf(go(target))).toBe('step L2.1')
    expect([...target.addresses.read(thread, memoryEnd, 8)]).not.toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    target.resume()
    expect(threadOf(go(target))).toBe('off')
    expect(`${machine.instructions} ${machine.traceHash()}`).toBe(`${undisturbed.instructions} ${undisturbed.traceHash()}`)
  })
})

/** Of an Image: its bytes are as they lie in memory. */
const readOf = (image: Uint8Array, offset: bigint, size: number): Uint8Array => image.subarray(Number(offset), Number(offset) + size)
