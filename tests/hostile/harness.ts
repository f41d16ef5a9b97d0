/**
 * Runs one hostile program in a VM of L0 with a well-behaved VM beside it, and looks at what must hold:
 *
 *   nothing is thrown, and the run ends within its budget of instructions and virtual time;
 *   L0 touches its own memory and the memory of the VM whose exit it handles, nothing else;
 *   every leaf of every stage 2 table lies in the VM's memory; guests run with stage 2 and L0's traps on;
 *   memory that is nobody's keeps its pattern, and the pattern is not seen in the VM's memory, registers or console;
 *   the other VM runs its benchmarks to the end.
 */
import { EC } from '../../src/arch/esr.ts'
import type { ExceptionClass } from '../../src/arch/esr.ts'
import { createBoard } from '../../src/arch/board.ts'
import { deviceTreeOf } from '../../src/arch/device-tree.ts'
import { writeFdt } from '../../src/arch/fdt.ts'
import type { GicVersion } from '../../src/arch/gic.ts'
import { HANDLERS } from '../../src/hypervisor/exits.ts'
import type { L0Environment, PhysicalMemory } from '../../src/hypervisor/host.ts'
import type { L0 } from '../../src/hypervisor/run.ts'
import type { Vm } from '../../src/hypervisor/vm.ts'
import { Machine } from '../../src/machine/machine.ts'
import { SLOT } from '../../src/sysreg/index.ts'
import type { TraceEvent, TraceSink } from '../../src/trace/event.ts'
import { createL0 } from '../../src/vmm/index.ts'
import { HCR } from './values.ts'
import { MEMORY, RAM_BASE } from './plan.ts'
import type { Plan } from './plan.ts'
import { hostileImage } from './program.ts'

export interface Report {
  readonly seed: number
  /** Instructions at virtual EL2. */
  readonly vEL2: number
  /** Exits of L2, and entries to it. */
  readonly L2: number
  readonly entries: number
  readonly exits: number
  readonly executed: number
  /** Of all PEs, the neighbour's included. */
  readonly instructions: number
  /** How the hostile program ended: 'limit' when its budget was used up. */
  readonly outcome: string
  readonly detail: string | undefined
  /** `stopped`: the machine had ended, by name. */
  readonly neighbour: 'done' | 'stopped' | 'lost'
  readonly traceHash: string | undefined
  /** What did not hold. */
  readonly violations: readonly string[]
}

/** Of the hostile VM: exits, instructions, and virtual time. Enough that most programs run through all of their blocks. */
export interface Budget { readonly exits: number, readonly instructions: number, readonly nanoseconds: number }
export const BUDGET: Budget = { exits: 2500, instructions: 60_000, nanoseconds: 20_000_000 }
const NEIGHBOUR = { instructions: 3_000_000, nanoseconds: 100_000_000 }

/** Exits that reached each handler, by the name of its exception class, from here on. */
export function countHandlers(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>(), handlers = HANDLERS as Record<ExceptionClass, (typeof HANDLERS)[ExceptionClass]>
  for (const [name, ec] of Object.entries(EC)) {
    const handler = handlers[ec]
    counts.set(name, 0)
    handlers[ec] = (core, vcpu, exit) => {
      counts.set(name, counts.get(name)! + 1)
      return handler(core, vcpu, exit)
    }
  }
  return counts
}

/** Memory that is nobody's. As a descriptor it would be a table far away. */
const PATTERN = 0x9d3c_5ae7
/** The top of the neighbour's RAM, which it does not use. */
const SECRET = 0x7b1e_c4d3
const SECRET_SIZE = 1 << 17
/** Of each area, at its two ends: touching a page of RAM for the first time is what takes time here. */
const POISONED = 1 << 17
const TRAPS = HCR.VM | HCR.IMO | HCR.FMO | HCR.AMO | (1n << 19n) | HCR.RW
const MOST_VIOLATIONS = 8

/** `observe` sees every event of the machine, for looking into a program. */
/** The neighbour: bench, or a guest hypervisor with bench in its nested VM. */
export type Neighbour = Uint8Array | { readonly hypervisor: Uint8Array, readonly nested: Uint8Array }
const NEST = { memory: 48 << 20, reserved: 2 << 20, instructions: 60_000_000, nanoseconds: 3_000_000_000 } as const

export function runHostile(plan: Plan, neighbour: Neighbour, budget: Budget = BUDGET, observe?: TraceSink): Report {
  const nest = neighbour instanceof Uint8Array ? undefined : neighbour
  const violations: string[] = []
  const violated = (what: string): void => { if (violations.length < MOST_VIOLATIONS) violations.push(what) }
  const counts = { vEL2: 0, L2: 0, entries: 0, exits: 0, executed: 0 }
  const since = new Float64Array(8), until = new Float64Array(8)
  const printed: number[] = []
  let text = '', running: Machine | undefined, l0: L0 | undefined, guard: MemoryGuard | undefined

  const onEvent = (event: TraceEvent, cycles: number): void => {
    observe?.(event, cycles)
    if (event.kind === 'eret' && event.from === 2) {
      since[event.pe] = event.instructions
      const hcr = running?.cpu.pes[event.pe]!.file.u64[SLOT.HCR_EL2]
      if (hcr === undefined) return
      if ((hcr & TRAPS) !== TRAPS || (hcr & HCR.E2H) !== 0n || (hcr & HCR.TGE) !== 0n && event.to !== 0) violated(`a guest runs with HCR_EL2 = 0x${hcr.toString(16)}`)
    } else if (event.kind === 'exception' && event.to === 2) until[event.pe] = event.instructions
    else if (event.kind === 'exit' && event.vm === 0) {
      const executed = until[event.pe]! - since[event.pe]!
      counts.exits++
      counts.executed += executed
      if (event.level === 'vEL2') counts.vEL2 += executed
      else if (event.level === 'L2') counts.L2++
      if (event.action === 'enter L2') counts.entries++
    }
  }
  const machine = new Machine({
    board: plan.board, gic: plan.gic, profile: plan.profile, hide: plan.hide, smp: plan.pes, memBytes: MEMORY.machine + (nest === undefined ? 0 : NEST.memory + NEST.reserved), reservedBytes: plan.reserved + (nest === undefined ? 0 : NEST.reserved), onEvent,
    l0: environment => {
      guard = new MemoryGuard(environment, () => l0, violated)
      return l0 = createL0({
        policy: plan.policy,
        vms: [
          { image: hostileImage(plan), dtb: deviceTree(plan.gic), memBytes: MEMORY.hostile, smp: plan.vcpus, el2: plan.offered, recursion: plan.recursion, ...(plan.paravirt === undefined ? {} : { paravirt: plan.paravirt }), console: byte => { printed.push(byte) } },
          {
            ...(neighbour instanceof Uint8Array ? { image: neighbour, dtb: deviceTree(plan.gic), memBytes: MEMORY.neighbour, append: 'ops=2 warm=1' }
              : { image: neighbour.hypervisor, initrd: neighbour.nested, memBytes: NEST.memory, append: 'vcpus=1 memory=8388608 -- quiet=1 ops=2 warm=1', el2: 'nvhe-or-vhe' as const, ...(plan.paravirt === undefined ? {} : { paravirt: plan.paravirt }) }),
            console: byte => { text += String.fromCharCode(byte) },
          },
        ],
      })({ ...environment, memory: guard.memory }) as L0
    },
  })
  const [hostile, other] = l0!.vms as [Vm, Vm]
  running = machine
  guard!.loaded()
  const poison = new Poison(machine, l0!)

  const neighbourCpu = other.vcpus[0]!, finished = (): boolean => text.includes('bench: done')
  if (plan.neighbour === 'after') neighbourCpu.state = 'off'
  let outcome = machine.lastOutcome
  const started = machine.nanoseconds
  const expired = (): boolean => counts.exits >= budget.exits || counts.executed >= budget.instructions || machine.nanoseconds - started >= budget.nanoseconds || hostile.end !== undefined
  while (!expired()) {
    outcome = machine.run({ maxInstructions: budget.instructions, interrupted: expired })
    if (outcome.kind !== 'limit' && outcome.kind !== 'interrupted') break
  }
  const ended = hostile.end?.kind ?? (outcome === undefined || outcome.kind === 'interrupted' ? 'limit' : outcome.kind)
  const detail = outcome?.kind === 'unimplemented' ? `${outcome.detail.what} ${outcome.detail.name}` : outcome?.kind === 'died' ? outcome.detail : undefined
  checkTables(l0!, violated)
  const stopped = outcome?.kind === 'unimplemented' || outcome?.kind === 'died'
  if (!stopped && !finished()) {
    if (plan.neighbour === 'after') l0!.power.turnOn(neighbourCpu, BigInt(other.config.entry), BigInt(other.config.argument))
    // The hostile VM is taken away, and the neighbour goes on.
    if (hostile.end === undefined) l0!.power.end(hostile, { kind: 'off' })
    const { instructions, nanoseconds } = nest === undefined ? NEIGHBOUR : NEST
    const end = machine.instructions + instructions, late = machine.nanoseconds + nanoseconds
    machine.run({ maxInstructions: end - machine.instructions, interrupted: () => finished() || machine.nanoseconds > late })
    if (!finished()) violated(`the other VM did not finish: ${JSON.stringify(text.slice(-200))}`)
  }
  checkTables(l0!, violated)
  const traceHash = machine.traceHash()
  poison.check(violated)
  if (firstPattern(Buffer.from(printed)) >= 0) violated('the pattern was printed')
  return {
    ...counts, seed: plan.seed, instructions: machine.instructions, outcome: ended, detail, neighbour: finished() ? 'done' : stopped ? 'stopped' : 'lost', traceHash, violations,
  }
}

/** The neighbour's; the hostile program does not look at its own. Making one for each program takes longer than many programs. */
const deviceTrees = new Map<GicVersion, Uint8Array>()
function deviceTree(gic: GicVersion): Uint8Array {
  let bytes = deviceTrees.get(gic)
  if (bytes === undefined) deviceTrees.set(gic, bytes = writeFdt(deviceTreeOf(createBoard({ name: 'virt', gic, memBytes: MEMORY.neighbour, el2: false, virtioSlots: 0 }), { modules: [] })))
  return bytes
}

/** L0's view of physical memory: what it touches must be its own, or of the VM that it serves. */
class MemoryGuard {
  readonly memory: PhysicalMemory
  readonly #reserved: { readonly base: number, readonly size: number }
  readonly #l0: () => L0 | undefined
  readonly #violated: (what: string) => void
  #loaded = false

  constructor({ memory, reserved }: L0Environment, l0: () => L0 | undefined, violated: (what: string) => void) {
    this.#reserved = reserved
    this.#l0 = l0
    this.#violated = violated
    const look = (pa: number, size: number): void => this.#look(pa, size)
    this.memory = {
      isRam: (pa, size) => memory.isRam(pa, size),
      read64: pa => { look(pa, 8); return memory.read64(pa) },
      write64: (pa, value) => { look(pa, 8); return memory.write64(pa, value) },
      read32: pa => { look(pa, 4); return memory.read32(pa) },
      write32: (pa, value) => { look(pa, 4); return memory.write32(pa, value) },
      readBytes: (pa, into) => { look(pa, into.length); return memory.readBytes(pa, into) },
      writeBytes: (pa, from) => { look(pa, from.length); return memory.writeBytes(pa, from) },
      fill: (pa, size, value) => { look(pa, size); return memory.fill(pa, size, value) },
    }
  }

  /** VMs are made; from here on the rule holds. */
  loaded(): void { this.#loaded = true }

  #look(pa: number, size: number): void {
    const { base, size: length } = this.#reserved
    if (!this.#loaded || (pa >= base && pa + size <= base + length)) return
    const served = this.#l0()?.busy?.current?.vm
    if (served === undefined) this.#violated(`L0 touches 0x${pa.toString(16)} for nobody`)
    else if (!served.memory.slots.some(slot => slot.kind === 'ram' && pa >= slot.pa && pa + size <= slot.pa + slot.size)) this.#violated(`L0 touches 0x${pa.toString(16)} for VM ${served.id}`)
  }
}

interface Area { readonly from: number, readonly to: number, readonly word: number }

/** Fills what is nobody's with a pattern, and looks afterwards that it is still there, and nowhere else. */
class Poison {
  readonly #machine: Machine
  readonly #l0: L0
  /** [from, to), and what must stand there. */
  readonly #areas: Area[] = []
  /** Of the poison in each VM's share of L0's memory. */
  readonly #ends: number[] = []
  /** Pages of RAM that have been written. */
  readonly #written = new Set<number>()

  constructor(machine: Machine, l0: L0) {
    this.#machine = machine
    this.#l0 = l0
    const { reserved } = machine
    const taken = l0.vms.flatMap(vm => vm.memory.slots.filter(slot => slot.kind === 'ram').map(slot => ({ from: slot.pa, to: slot.pa + slot.size })))
    taken.push({ from: reserved.base, to: reserved.base + reserved.size })
    taken.sort((a, b) => a.from - b.from)
    let at = RAM_BASE
    for (const { from, to } of taken) {
      if (from - at > 2 * POISONED) this.#areas.push({ from: at, to: at + POISONED, word: PATTERN }, { from: from - POISONED, to: from, word: PATTERN })
      at = to
    }
    const neighbour = l0.vms[1]!.memory.slots.find(slot => slot.kind === 'ram')!
    this.#areas.push({ from: neighbour.pa + neighbour.size - SECRET_SIZE, to: neighbour.pa + neighbour.size, word: SECRET })
    // What L0 has not allocated yet: pages come zeroed, so that the pattern must vanish with the allocation.
    for (const { from, to, word } of [...this.#areas, ...this.#untouched()]) this.#bytes(from, to).set(patternBytes(word, to - from))
    const { engine } = machine.cpu, take = engine.takeDirtyPages.bind(engine)
    engine.takeDirtyPages = () => {
      const pages = take()
      for (const page of pages) this.#written.add(page)
      return pages
    }
  }

  /** Clipped to what was poisoned: L0 allocates upwards. */
  #untouched(): Area[] {
    return this.#l0.vms.map((vm, n) => {
      const { from, to } = vm.pages.untouched, end = this.#ends[n] ??= Math.min(to, from + POISONED)
      return { from: Math.min(from, end), to: end, word: PATTERN }
    })
  }

  /** RAM itself: what is written here is no event of the machine. */
  #bytes(from: number, to: number): Buffer { return asBuffer(this.#machine.cpu.engine.ram.bytes(from, to - from)) }

  check(violated: (what: string) => void): void {
    for (const { from, to, word } of [...this.#areas, ...this.#untouched()]) {
      const bytes = this.#bytes(from, to), expected = patternBytes(word, to - from)
      if (!bytes.equals(expected)) violated(`0x${(from + bytes.findIndex((byte, i) => byte !== expected[i])).toString(16)} was written`)
    }
    const [hostile] = this.#l0.vms as [Vm]
    for (const slot of hostile.memory.slots) {
      if (slot.kind !== 'ram') continue
      for (const page of this.#written) {
        const pa = RAM_BASE + 4096 * page
        if (pa < slot.pa || pa >= slot.pa + slot.size) continue
        const at = firstPattern(this.#bytes(pa, pa + 4096))
        if (at >= 0) violated(`the VM has read the pattern: at IPA 0x${(pa - slot.pa + slot.ipa + at).toString(16)}`)
      }
    }
    for (const vcpu of hostile.vcpus) {
      for (const [name, values] of [['virtual', vcpu.virtual.u64], ['shadow', vcpu.shadow.u64], ['general', vcpu.x], ['FP', vcpu.fp]] as const) {
        if (firstPattern(asBuffer(values)) >= 0) violated(`the pattern is in a ${name} register`)
      }
    }
  }
}

const asBuffer = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer => Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)

const PATTERNS = new Map([PATTERN, SECRET].map(word => [word, asBuffer(new Uint32Array(Math.max(POISONED, SECRET_SIZE) / 4).fill(word))]))
const patternBytes = (word: number, size: number): Buffer => PATTERNS.get(word)!.subarray(0, size)

/** At any alignment. */
const firstPattern = (bytes: Buffer): number => Math.max(...[PATTERN, SECRET].map(word => bytes.indexOf(patternBytes(word, 4))))

/** Every leaf of every table of L0 lies in the VM's memory, or is a page made for this VM. */
export function checkTables(l0: L0, violated: (what: string) => void): void {
  for (const vm of l0.vms) {
    // Pairs of IPA and copy.
    const copies = new Set((vm.codePages?.saveState() as { readonly pages: readonly number[] } | undefined)?.pages.filter((_, i) => i % 2 === 1))
    const allowed = (pa: number, size: number): boolean => vm.memory.slots.some(slot => pa >= slot.pa && pa + size <= slot.pa + slot.size)
      || vm.vcpus.some(({ nested }) => nested?.gic.framePage === pa || (vm.config.rewritten?.registerPage !== undefined && nested?.page === pa)) || copies.has(pa)
    const walk = (table: number, shift: number, entries: number): void => {
      for (let i = 0; i < entries; i++) {
        const descriptor = l0.environment.memory.read64(table + 8 * i)!
        if ((descriptor & 1n) === 0n) continue
        const address = Number(descriptor & 0xffff_ffff_f000n)
        if (shift > 12 && (descriptor & 2n) !== 0n) walk(address, shift - 9, 512)
        else if (!allowed(address, 2 ** shift)) violated(`VM ${vm.id} is given 0x${address.toString(16)} by a leaf of 2^${shift} bytes`)
      }
    }
    for (const table of [vm.stage2, ...(vm.shadows?.all.map(shadow => shadow.table) ?? []), ...vm.vcpus.flatMap(vcpu => vcpu.nested?.ownStage2 ?? [])]) walk(table.root, 30, 1024)
  }
}
