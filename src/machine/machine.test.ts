import { describe, expect, test } from 'vitest'
import { UNIT_COSTS } from '../arch/cost.ts'
import { EC, ecOf } from '../arch/esr.ts'
import { MODE } from '../arch/pstate.ts'
import type { AfterExit, EL2Exception, EL2Software, Host } from '../hypervisor/host.ts'
import { SLOT, SLOTS } from '../sysreg/index.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import type { TraceEvent } from '../trace/event.ts'
import { createMachine } from './machine.ts'
import { BASE, Program, registers, run } from './program.test-support.ts'

const UART = 0x0900_0000
const print = (p: Program, text: string): Program => {
  p.mov(1, UART)
  for (const c of text) p.mov(2, c.charCodeAt(0)).str(2, 1, 0, 0)
  return p
}

describe('a run ends', () => {
  test('at the text that was waited for, right after its last byte', () => {
    const bytes: number[] = []
    const { outcome } = run(print(new Program(), 'aab done, more').off('hvc'), { console: byte => { bytes.push(byte) } }, { until: 'ab done' })
    expect(outcome).toEqual({ kind: 'until', text: 'ab done' })
    expect(String.fromCharCode(...bytes)).toBe('aab done')
  })

  test('at the limit of instructions, and goes on from there', () => {
    const machine = createMachine({ memBytes: 16 << 20 })
    machine.memory.writeBytes(BASE, new Program().label('loop').add(1, 1, 1).b('loop').bytes())
    machine.startAt(BigInt(BASE), 0n)
    expect(machine.run({ maxInstructions: 1000 })).toEqual({ kind: 'limit' })
    expect(machine.instructions).toBe(1000)
    expect(machine.run({ maxInstructions: 500 })).toEqual({ kind: 'limit' })
    expect(registers(machine, 0)[1]).toBe(750n)
  })

  test('when the caller interrupts it', () => {
    let asked = 0
    expect(run(new Program().label('loop').b('loop'), {}, { interrupted: () => ++asked === 2 }).outcome).toEqual({ kind: 'interrupted' })
  })

  test('by name at a device register that does not exist', () => {
    const { outcome } = run(new Program().mov(1, 0x0901_0100).ldr(2, 1, 0, 0))
    expect(outcome).toMatchObject({ kind: 'unimplemented', detail: { what: 'device access', el: 1 } })
  })

  test('by SYSTEM_RESET, and stays ended', () => {
    const { outcome, machine } = run(new Program().mov(0, 0x8400_0009n).hvc())
    expect(outcome).toEqual({ kind: 'reset' })
    expect(machine.run()).toEqual({ kind: 'reset' })
  })
})

/** Prints, and sleeps until a timer. */
const program = (): Program => print(new Program(), 'x').set('CNTV_TVAL_EL0', 100).set('CNTV_CTL_EL0', 1).insn('WFI').off('hvc')
const hash = (p: Program, costs = UNIT_COSTS) => run(p, { costs }).machine.traceHash()

describe('determinism', () => {
  test('equal runs have equal hashes, another byte or another cost another one', () => {
    expect(hash(program())).toBe(hash(program()))
    expect(hash(print(new Program(), 'y').off('hvc'))).not.toBe(hash(print(new Program(), 'x').off('hvc')))
    // Costs change when things happen.
    expect(hash(program(), { ...UNIT_COSTS, systemRegisterRead: 0 })).not.toBe(hash(program().nop()))
  })

  test('the marker hint reports X0 and the clock', () => {
    const events: TraceEvent[] = []
    run(new Program().mov(0, 0x102).insn('HINT, marker').off('hvc'), { onEvent: event => { events.push(event) } })
    expect(events.find(event => event.kind === 'marker')).toMatchObject({ pe: 0, value: 0x102, instructions: 1, cycles: 1 })
  })
})

// ---- L0 ----------------------------------------------------------------------------------------------------------------------

/** L0 that starts a guest at EL1 at BASE on PE 0 and answers every exception with `handler`. */
function l0(handler: (host: Host, kind: EL2Exception) => AfterExit, hcr = (1n << 31n) | (3n << 40n) | (1n << 4n) | (1n << 19n)): () => EL2Software {
  return () => ({
    start(host) {
      if (host.pe !== 0) return 'off'
      host.msr(SLOT.HCR_EL2, hcr)
      host.msr(SLOT.ELR_EL2, BigInt(BASE))
      host.msr(SLOT.SPSR_EL2, BigInt(MODE.EL1h | 0x3c0))
      return 'run'
    },
    handle: handler,
  })
}

function runUnderL0(program: Program, software: () => EL2Software, options = {}) {
  const machine = createMachine({ memBytes: 32 << 20, l0: software, ...options })
  machine.memory.writeBytes(BASE, program.bytes())
  return { machine, outcome: machine.run({ maxInstructions: 100_000 }) }
}

describe('L0', () => {
  test('handles exceptions to EL2, changes registers, and the PE goes on', () => {
    const seen: number[] = []
    const { outcome, machine } = runUnderL0(new Program().mov(0, 5).hvc(1).copy(10, 0).hvc(2), l0(host => {
      const esr = Number(host.mrs(SLOT.ESR_EL2))
      seen.push(ecOf(esr), esr & 0xffff)
      host.setX(0, host.x(0) + 100n)
      return (esr & 0xffff) === 2 ? 'off' : 'run'
    }))
    expect(outcome).toEqual({ kind: 'off' })
    expect(seen).toEqual([EC.HVC64, 1, EC.HVC64, 2])
    expect(registers(machine, 0)[10]).toBe(105n)
    expect(machine.cpu.pes[0]!.counters.syncToEL2[EC.HVC64]).toBe(2)
  })

  test('every access is counted and charged', () => {
    const costs = { ...UNIT_COSTS, exceptionEntry: 1000, exceptionReturn: 2000, systemRegisterRead: 7, systemRegisterWrite: 11, memoryAccess: 3, work: { dispatch: 500 } }
    const list = { name: 'some', moves: [{ register: SLOT.TTBR0_EL1, slot: 0 }, { register: SLOT.TCR_EL1, slot: 1 }] }
    const file = createRegisterFile(SLOTS)
    let before = 0, after = 0
    const machine = createMachine({ memBytes: 32 << 20, costs, l0: l0(host => {
      const { core } = machine.cpu
      before = core.cycles(core.pe)
      host.save(list, file)
      host.restore(list, file)
      host.charge('dispatch', 2)
      host.charge('nothing that has a price')
      host.memory.write64(0x4100_0000, 1n)
      after = core.cycles(core.pe)
      return 'off'
    }) })
    machine.memory.writeBytes(BASE, new Program().hvc(1).bytes())
    machine.run({ maxInstructions: 100 })
    expect(after - before).toBe(2 * (7 + 3) + 2 * (11 + 3) + 1000 + 3)
    const port = machine.hostPorts[0]!
    expect([port.counters.registerReads[SLOT.TTBR0_EL1], port.counters.registerWrites[SLOT.TCR_EL1], port.counters.memoryWords]).toEqual([1, 1, 5])
    expect([...port.counters.unpriced]).toEqual(['nothing that has a price'])
  })

  test('idle waits for a physical interrupt and comes back as irq', () => {
    const kinds: EL2Exception[] = []
    const { outcome, machine } = runUnderL0(new Program().hvc(1), l0((host, kind) => {
      kinds.push(kind)
      if (kind === 'irq') {
        expect(host.mrs(SLOT.ICC_IAR1_EL1)).toBe(26n)
        return 'off'
      }
      host.mmioWrite('GICD', 0, 0x37)
      host.mmioWrite('GICR', 0x1_0080, 0xffff_ffff)
      host.mmioWrite('GICR', 0x1_0100, 1 << 26)
      host.msr(SLOT.ICC_PMR_EL1, 0xffn)
      host.msr(SLOT.ICC_IGRPEN1_EL1, 1n)
      host.msr(SLOT.CNTHP_CVAL_EL2, host.counter() + 1000n)
      host.msr(SLOT.CNTHP_CTL_EL2, 1n)
      return 'idle'
    }))
    expect(outcome).toEqual({ kind: 'off' })
    expect(kinds).toEqual(['sync', 'irq'])
    expect(machine.nanoseconds).toBeGreaterThanOrEqual(16_000)
  })

  test('an interrupt that is pending when L0 returns is taken before the next instruction', () => {
    const kinds: EL2Exception[] = []
    runUnderL0(new Program().hvc(1).label('loop').add(5, 5, 1).b('loop'), l0((host, kind) => {
      kinds.push(kind)
      if (kind === 'irq') return 'off'
      host.mmioWrite('GICD', 0, 0x37)
      host.mmioWrite('GICR', 0x1_0080, 0xffff_ffff)
      host.mmioWrite('GICR', 0x1_0100, 1 << 5)
      host.msr(SLOT.ICC_PMR_EL1, 0xffn)
      host.msr(SLOT.ICC_IGRPEN1_EL1, 1n)
      host.sendSgi(0, 5)
      return 'run'
    }))
    expect(kinds).toEqual(['sync', 'irq'])
  })

  test('reads and writes FP registers, translates by AT, and cannot reach what is not RAM', () => {
    const area = new Uint8Array(528)
    const { machine } = runUnderL0(new Program().hvc(1), l0(host => {
      area[0] = 0xaa
      area[511] = 0xbb
      host.restoreFp(area)
      const back = new Uint8Array(528)
      host.saveFp(back)
      expect(back).toEqual(area)
      host.at('S1E1R', 0x4123_4567n)
      expect(host.mrs(SLOT.PAR_EL1) & 0xffff_f001n).toBe(0x4123_4000n)
      host.tlbi('VMALLS12E1')
      expect([host.memory.read64(0x10), host.memory.write64(0x8000_0000, 1n), host.memory.isRam(0x4000_0000, 8)]).toEqual([undefined, false, true])
      expect(host.reserved.base + host.reserved.size).toBe(0x4000_0000 + (32 << 20))
      return 'off'
    }))
    expect(machine.cpu.engine.state.v(0, 0)).toBe(0xaan)
  })
})
