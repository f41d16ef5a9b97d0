/**
 * Levels: each piece of software that has a machine to itself is an inferior of the debugger. 1 is the machine as it is; 2 is L1, what boots
 * on it or in a VM of L0; nested VMs follow in the order in which they are first seen. The first nested VM is there from the start, so that
 * breakpoints can be set in it before it exists.
 *
 * A nested VM is known by the table in VTTBR_EL2 that its hypervisor gives it, and its vCPUs by VMPIDR_EL2: the hypervisor is any software,
 * nothing of it is looked at.
 */
import { elOf } from '../arch/pstate.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { HOT } from '../engine/layout.ts'
import { State } from '../engine/state.ts'
import { L0 } from '../hypervisor/run.ts'
import { virtualPstate } from '../hypervisor/vcpu.ts'
import type { Vcpu } from '../hypervisor/vcpu.ts'
import type { Vm } from '../hypervisor/vm.ts'
import type { Machine } from '../machine/machine.ts'
import { SLOT, SLOTS } from '../sysreg/index.ts'

/** More nested VMs than these are taken for the one that was seen least recently. */
const MOST_LEVELS = 64
/** vCPUs of a nested VM that are told apart. */
const MOST_THREADS = 64
/** VTTBR_EL2.BADDR. */
const BADDR_LOW = ~1, BADDR_HIGH = 0xffff

export type LevelKind = 'machine' | 'L1' | 'nested'

export class Level {
  readonly id: number
  readonly kind: LevelKind
  /** As users see it: machine, L1, L2 ... */
  readonly name: string
  /** The VM of L0 that this is, or that runs it. */
  readonly vm: Vm | undefined
  readonly parent: Level | undefined
  readonly threads: Thread[] = []
  /** Nested: VTTBR_EL2.BADDR of its hypervisor; undefined before it has been seen. */
  table: number | undefined
  lastSeen = 0

  constructor(id: number, kind: LevelKind, name: string, vm?: Vm, parent?: Level) {
    this.id = id
    this.kind = kind
    this.name = name
    this.vm = vm
    this.parent = parent
  }
}

/** A PE, a vCPU of L0, or a vCPU of a nested VM. */
export class Thread {
  readonly level: Level
  readonly id: number
  /** Machine and L1 on it: the PE. */
  readonly pe: number | undefined
  /** The vCPU of L0 that this is, or (nested) that ran it last. */
  vcpu: Vcpu | undefined
  /** Nested on a bare machine: the PE that ran it last. */
  lastPe: number | undefined
  /** Registers as they were when the PE went to another level. */
  captured: Captured | undefined

  constructor(level: Level, id: number, pe?: number, vcpu?: Vcpu) {
    this.level = level
    this.id = id
    this.pe = pe
    this.vcpu = vcpu
  }
}

/** Registers of software that a PE has left. */
export class Captured {
  readonly state = new State(new ArrayBuffer(HOT.SIZE))
  readonly file: RegisterFile = createRegisterFile(SLOTS)
  pc = 0n
  pstate = 0

  copyFrom(other: Captured): void {
    this.state.u64.set(other.state.u64)
    this.file.u64.set(other.file.u64)
    this.pc = other.pc
    this.pstate = other.pstate
  }
}

interface Seen { low: number, high: number, mpidr: number, thread: Thread }

export class Levels {
  readonly machine: Machine
  readonly l0: L0 | undefined
  readonly all: Level[] = []
  readonly hardware: Level
  readonly #seen: (Seen | undefined)[] = []
  /** By PE: what was captured on the way out, and whose it is. */
  readonly #leaving: Captured[]
  readonly #left: (Thread | undefined)[] = []
  readonly #nests: boolean
  #clock = 0

  constructor(machine: Machine) {
    this.machine = machine
    this.l0 = machine.l0 instanceof L0 ? machine.l0 : undefined
    const { pes } = machine.cpu
    this.hardware = this.#add('machine', 'machine')
    for (const pe of pes) this.hardware.threads.push(new Thread(this.hardware, pe.index + 1, pe.index))
    if (this.l0 !== undefined) {
      const { vms } = this.l0
      for (const vm of vms) {
        const level = this.#add('L1', vms.length === 1 ? 'L1' : `L1 (VM ${vm.id})`, vm)
        for (const vcpu of vm.vcpus) level.threads.push(new Thread(level, vcpu.index + 1, undefined, vcpu))
      }
    } else if (machine.cpu.core.el2) {
      const level = this.#add('L1', 'L1')
      for (const pe of pes) level.threads.push(new Thread(level, pe.index + 1, pe.index))
    }
    const hypervisors = this.all.filter(({ kind, vm }) => kind === 'L1' && (vm === undefined || vm.hasEL2))
    this.#nests = hypervisors.length > 0
    if (hypervisors.length === 1) this.#nested(hypervisors[0]!)
    this.#leaving = pes.map(() => new Captured())
  }

  #add(kind: LevelKind, name: string, vm?: Vm, parent?: Level): Level {
    const level = new Level(this.all.length + 1, kind, name, vm, parent)
    this.all.push(level)
    return level
  }

  #nested(parent: Level): Level {
    const siblings = this.all.filter(level => level.parent === parent).length
    const level = this.#add('nested', siblings === 0 ? 'L2' : `L2 (VM ${siblings + 1} of ${parent.name})`, parent.vm, parent)
    level.threads.push(new Thread(level, 1))
    return level
  }

  level(id: number): Level | undefined { return this.all[id - 1] }
  thread(level: number, id: number): Thread | undefined { return this.level(level)?.threads.find(thread => thread.id === id) }

  /** The software that the PE in the engine runs; undefined while L0 has nothing for it. The machine's own threads are never meant. */
  running(): Thread | undefined {
    const { core } = this.machine.cpu, { pe } = core
    if (this.l0 !== undefined) {
      const vcpu = this.l0.pes[pe.index]!.current
      if (vcpu === undefined) return undefined
      const { context, vm } = vcpu
      if (context.kind !== 'L2') return this.all[1 + vm.id]!.threads[vcpu.index]
      const { key } = context.shadow
      if (key === undefined) return undefined
      return this.#nestedThread(this.all[1 + vm.id]!, pe.index, Number(key.vttbr & 0xffff_ffffn) | 0, Number(key.vttbr >> 32n) & BADDR_HIGH, vcpu)
    }
    if (!core.el2) return undefined
    const l1 = this.all[1]!, { i32 } = pe.file
    if ((i32[2 * SLOT.HCR_EL2]! & 1) === 0 || core.el === 2 || (core.el === 0 && core.host(pe))) return l1.threads[pe.index]
    return this.#nestedThread(l1, pe.index, i32[2 * SLOT.VTTBR_EL2]!, i32[2 * SLOT.VTTBR_EL2 + 1]! & BADDR_HIGH, undefined)
  }

  #nestedThread(parent: Level, pe: number, vttbrLow: number, high: number, vcpu: Vcpu | undefined): Thread {
    const low = vttbrLow & BADDR_LOW, mpidr = this.machine.cpu.core.pe.file.i32[2 * SLOT.VMPIDR_EL2]!
    const seen = this.#seen[pe]
    if (seen !== undefined && seen.low === low && seen.high === high && seen.mpidr === mpidr && seen.thread.level.parent === parent && seen.thread.vcpu === vcpu) return seen.thread
    const table = high * 0x1_0000_0000 + (low >>> 0)
    const level = this.#levelOf(parent, table)
    level.table = table
    level.lastSeen = ++this.#clock
    // Aff0 is up to 16 (GICv3) in what Linux tells its guests.
    const id = 1 + Math.min((mpidr & 0xff) + 16 * ((mpidr >>> 8) & 0xff), MOST_THREADS - 1)
    let thread = level.threads.find(each => each.id === id)
    if (thread === undefined) level.threads.push(thread = new Thread(level, id))
    thread.vcpu = vcpu
    thread.lastPe = pe
    this.#seen[pe] = { low, high, mpidr, thread }
    return thread
  }

  #levelOf(parent: Level, table: number): Level {
    const children = this.all.filter(level => level.parent === parent)
    const known = children.find(level => level.table === table) ?? children.find(level => level.table === undefined)
    if (known !== undefined) return known
    if (this.all.length < MOST_LEVELS) return this.#nested(parent)
    this.#seen.fill(undefined)
    return children.reduce((a, b) => a.lastSeen <= b.lastSeen ? a : b)
  }

  // ---- what is known of software that does not run ----

  /** Hook: the software that runs on this PE may be left; `pc` is where it stands. */
  leaving(pc: bigint): void {
    if (!this.#nests) return
    const { core } = this.machine.cpu, { pe, engine } = core, at = this.#leaving[pe.index]!
    at.state.u64.set(engine.state.u64)
    at.file.u64.set(pe.file.u64)
    at.pc = pc
    at.pstate = core.pstate()
    this.#left[pe.index] = this.running()
    const vcpu = this.l0?.pes[pe.index]!.current
    if (vcpu !== undefined) at.pstate = virtualPstate(at.pstate, vcpu.context)
  }

  /** Hook: whether the PE runs other software than it did. */
  arrived(): Thread | undefined {
    const now = this.running()
    if (!this.#nests) return now
    const { index } = this.machine.cpu.core.pe, left = this.#left[index]
    if (left !== undefined && now !== undefined && now !== left) (left.captured ??= new Captured()).copyFrom(this.#leaving[index]!)
    return now
  }

  // ---- access to PEs ----

  /** Runs `action` with the PE in the engine; nothing that the guest could tell changes. */
  on<T>(pe: number, action: () => T): T {
    const { core, pes } = this.machine.cpu, before = core.pe
    if (before.index === pe) return action()
    core.switchTo(pes[pe]!)
    try {
      return action()
    } finally {
      core.switchTo(before)
    }
  }

  /** The PE that runs this thread now. */
  peOf(thread: Thread): number | undefined {
    if (thread.level.kind === 'machine') return thread.pe
    for (const { index, power } of this.machine.cpu.pes) if (power === 'on' && this.on(index, () => this.running()) === thread) return index
    return undefined
  }

  /** The thread to speak of when a PE is meant: what it runs, or the PE itself. */
  threadOn(pe: number): Thread { return this.on(pe, () => this.running()) ?? this.hardware.threads[pe]! }

  /** One line about where the thread is. */
  describe(thread: Thread): string {
    const pe = this.peOf(thread), { level } = thread
    if (level.kind === 'machine') {
      const { power, waiting } = this.machine.cpu.pes[thread.pe!]!
      const el = this.on(thread.pe!, () => this.machine.cpu.core.el), software = this.on(thread.pe!, () => this.running())
      return power !== 'on' ? `PE ${thread.pe}, off` : `PE ${thread.pe}, EL${el}${waiting === 'none' ? '' : `, waits (${waiting})`}${software === undefined ? '' : `, runs ${software.level.name}`}`
    }
    const what = `${level.name} vCPU ${thread.id - 1}`
    if (level.kind === 'nested' && level.table === undefined) return `${what}, not seen yet`
    if (pe !== undefined) return `${what}, on PE ${pe}, EL${elOf(this.on(pe, () => this.pstateOn(pe)))}`
    if (thread.vcpu !== undefined && level.kind === 'L1' && thread.vcpu.context.kind !== 'L2') return `${what}, ${thread.vcpu.state}`
    return thread.captured === undefined ? `${what}, not started` : level.kind === 'nested' ? `${what}, stands where it left to its hypervisor` : `${what}, stands where it entered its VM`
  }

  /** PSTATE of the PE in the engine as its software sees it. */
  pstateOn(pe: number): number {
    const pstate = this.machine.cpu.core.pstate(), vcpu = this.l0?.pes[pe]!.current
    return vcpu === undefined ? pstate : virtualPstate(pstate, vcpu.context)
  }
}
