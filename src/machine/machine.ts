/** The machine: PEs, RAM, devices and firmware of one board, and optionally L0 at its EL2. */
import { RAM_BASE, affinityOf, createBoard } from '../arch/board.ts'
import type { Board } from '../arch/board.ts'
import type { OutsideEvent } from '../arch/outside.ts'
import { BadInput } from '../arch/bad-input.ts'
import { UNIT_COSTS } from '../arch/cost.ts'
import { COUNT, integer, listOf, objectOf } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import { profile } from '../arch/features.ts'
import type { Profile } from '../arch/features.ts'
import { planLoad } from '../arch/image/load.ts'
import type { LoadPlan, LoadRequest } from '../arch/image/load.ts'
import { DAIF_MASK, MODE, elOf } from '../arch/pstate.ts'
import { Cpu } from '../cpu/cpu.ts'
import { VirtualBytes } from '../cpu/virtual-bytes.ts'
import type { Environment } from '../cpu/core.ts'
import type { PE } from '../cpu/pe.ts'
import { HASHED, TraceHash } from '../cpu/trace-hash.ts'
import { DEFAULT_EPOCH } from '../devices/index.ts'
import { Engine } from '../engine/engine.ts'
import type { AfterExit, EL2Exception, EL2Software, PhysicalMemory } from '../hypervisor/host.ts'
import { SLOT, SLOTS, resetValues } from '../sysreg/index.ts'
import { FLASH_BYTES, FlashBanks } from './flash-banks.ts'
import { HostPort } from './host-port.ts'
import type { MachineOptions, Position, RunLimits } from './options.ts'
import { OutsideEvents } from './outside-events.ts'
import { savedOutcome } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { PageStore } from './page-store.ts'
import { physicalMemory } from './physical-memory.ts'
import { firmwareCall } from './psci.ts'
import type { PowerControl } from './psci.ts'
import { RunLoop } from './run-loop.ts'
import { Semihosting } from './semihosting.ts'
import { HASH, HELD, restoreDevices, restorePe, saveDevices, savePe } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { TextMatcher } from './text-matcher.ts'
import { wire } from './wiring.ts'
import type { Wiring } from './wiring.ts'

const MEGABYTE = 1 << 20
const MAXIMUM_PES = 8
/** HCR_EL2.APK and API. */
const HCR_APK_API = 3n << 40n

export class Machine {
  readonly board: Board
  readonly profile: Profile
  readonly cpu: Cpu
  readonly wiring: Wiring
  /** RAM for whoever is outside: nothing is counted or charged. */
  readonly memory: PhysicalMemory
  readonly reserved: { readonly base: number, readonly size: number }
  readonly hostPorts: readonly HostPort[]
  readonly #options: MachineOptions
  /** The software that is attached at EL2. */
  readonly l0: EL2Software | undefined
  readonly #loop: RunLoop
  readonly #hash: TraceHash | undefined
  readonly #pages: PageStore
  #outcome: Outcome | undefined
  #matcher: TextMatcher | undefined
  #finished = false
  /** Console bytes after the end of a run. */
  readonly #held: number[] = []
  readonly #flash: FlashBanks | undefined
  readonly #semihosting: Semihosting | undefined
  readonly #outside = new OutsideEvents(event => {
    this.#hash?.add(HASHED.outside)
    for (const byte of event.bytes) this.#hash?.add(byte)
  })

  constructor(options: MachineOptions) {
    const name = options.board ?? 'virt'
    const attached = options.l0 !== undefined, el2 = attached || (options.el2 ?? false)
    const selected = profile(options.profile ?? 'v8.4', options.hide ?? [])
    const memBytes = options.memBytes ?? 256 * MEGABYTE
    this.#options = options
    this.profile = selected
    this.board = createBoard({
      name, memBytes, el2, vhe: selected.features.has('FEAT_VHE'), firmware: options.firmware !== undefined, ...(options.gic === undefined ? {} : { gic: options.gic }), ...(options.smp === undefined ? {} : { cpus: options.smp }),
      pci: (options.pci ?? false) || (options.plugs ?? []).some(({ transport }) => transport === 'pci'),
    })
    const { cpus } = this.board
    if (cpus < 1 || cpus > MAXIMUM_PES) throw new RangeError(`${cpus} PEs: the machine has 1 to ${MAXIMUM_PES}`)
    if (attached && options.firmware !== undefined) throw new BadInput('firmware', 'its devices are those of a bare machine, not of VMs')
    const flashImages = options.firmware?.flash ?? []
    this.#flash = options.firmware === undefined ? undefined
      : new FlashBanks(RAM_BASE + memBytes, flashImages, () => this.cpu.engine.ram, () => { this.cpu.engine.tlb.invalidate(() => true) })
    this.#semihosting = options.semihosting === undefined ? undefined : new Semihosting(options.semihosting)
    this.wiring = wire({
      flash: this.#flash?.devices ?? [], fwCfg: options.firmware,
      board: this.board, console: byte => this.#print(byte), currentPe: () => this.cpu.core.pe.index, nanoseconds: () => this.cpu.core.cycles(this.cpu.core.pe),
      plugs: options.plugs ?? [], legacyVirtio: options.legacyVirtio ?? false, complaint: options.complaint,
      // RAM comes with the engine, after the devices.
      memory: {
        isRam: (address, size) => this.memory.isRam(address, size), readBytes: (address, into) => this.memory.readBytes(address, into),
        writeBytes: (address, from) => this.memory.writeBytes(address, from),
      },
    })
    const { gic, bus } = this.wiring
    const environment: Environment = {
      bus: {
        isNarrow: pa => bus.isNarrow(pa),
        read: (pe, pa, size) => {
          const result = bus.read(pe, pa, size)
          if (result.kind === 'value') this.#hashAccess(HASHED.mmioRead, pe, pa, size, result.value)
          return result
        },
        write: (pe, pa, size, value) => {
          this.#hashAccess(HASHED.mmioWrite, pe, pa, size, value)
          return bus.write(pe, pa, size, value)
        },
      },
      place: this.#flash === undefined ? undefined : (pa, write) => this.#flash!.place(pa, write),
      semihosting: this.#semihosting === undefined ? undefined : pe => this.#callHost(pe),
      firmware: pe => this.#firmware(pe),
      enterEL2: attached ? (pe, kind) => this.#enterEL2(pe, kind) : undefined,
      symbolAt: options.symbolAt,
      unimplemented: detail => { this.#stop({ kind: 'unimplemented', detail: { ...detail, symbol: options.symbolAt?.(detail.pc) } }) },
      died: detail => { this.#stop({ kind: 'died', detail }) },
      // One VM of L0 must not take the others with it.
      stuck: (pe, vector, syndrome) => {
        if (this.l0?.stuck === undefined) return false
        this.l0.stuck(this.hostPorts[pe.index]!, vector, syndrome)
        this.cpu.core.endTurn()
        return true
      },
    }
    this.cpu = new Cpu({
      features: selected.features, gicVersion: this.board.gic, el2, costs: options.costs ?? UNIT_COSTS, environment, pes: cpus, gic: gic.cpuInterfaces,
      engine: callbacks => new Engine({
        ramSize: memBytes + (this.#flash === undefined ? 0 : FLASH_BYTES), ramPa: RAM_BASE, features: selected.features, callbacks, registerSlots: SLOTS, translate: options.translate ?? true,
        ...(options.translateAfter === undefined ? {} : { translateAfter: options.translateAfter }),
      }),
      setPpiLevel: (pe, intid, level) => gic.distributor.setPpiLevel(pe, intid, level),
    })
    if (this.#semihosting !== undefined) this.#outside.listen('semihosting', ({ bytes }) => { this.#semihosting!.receive(bytes) })
    this.#outside.listen('uart0', ({ bytes }) => { this.wiring.uart.receive(bytes) })
    for (const { name, device: { model } } of this.wiring.plugged) if (model.outside !== undefined) this.#outside.listen(name, event => { model.outside!(event) })
    this.#hash = options.hash === false ? undefined : new TraceHash()
    this.cpu.core.hash = this.#hash
    this.cpu.core.onEvent = options.onEvent
    this.memory = physicalMemory(this.cpu.engine.ram, undefined, memBytes)
    this.#flash?.load(flashImages, this.cpu.engine.ram)
    this.#pages = new PageStore(this.cpu.engine)
    const reservedSize = options.reservedBytes ?? (attached ? 16 * MEGABYTE : 0)
    this.reserved = { base: RAM_BASE + memBytes - reservedSize, size: reservedSize }
    this.#loop = new RunLoop({
      cpu: this.cpu, quantum: options.quantum ?? 1000, start: pe => this.#start(pe), wakeEL2: pe => this.#callEL2(pe, 'irq'),
      deviceDeadline: () => Math.min(this.wiring.clock.alarmAt() ?? Infinity, this.#outside.deadline),
      pollDevices: () => {
        this.wiring.clock.poll()
        this.#outside.deliverScheduled(this.cpu.core.cycles(this.cpu.core.pe))
      },
    })
    for (const pe of this.cpu.pes) this.#reset(pe, 0n, 0n)
    this.hostPorts = attached ? this.cpu.pes.map(pe => new HostPort({
      cpu: this.cpu, pe, profile: selected.name, features: selected.features, gicVersion: this.board.gic, distributor: gic.distributor, reserved: this.reserved,
    })) : []
    this.l0 = options.l0?.({
      memory: this.memory, ram: { base: RAM_BASE, size: memBytes }, reserved: this.reserved, peCount: cpus, profile: selected.name, features: selected.features, gicVersion: this.board.gic,
      console: byte => { this.#print(byte) }, listen: (device, receiver) => { this.#outside.listen(device, receiver) },
    })
    if (this.l0 !== undefined) {
      for (const pe of this.cpu.pes) {
        pe.power = 'on'
        this.cpu.core.switchTo(pe)
        this.#after(pe, this.l0.start(this.hostPorts[pe.index]!))
      }
    }
  }

  // ---- loading ----

  /** Puts an image, its initrd and device tree into RAM and starts the first PE there. Throws BadInput. */
  loadImage(request: LoadRequest): LoadPlan {
    const plan = planLoad(this.board, request)
    for (const { address, bytes, memorySize } of plan.placements) {
      this.memory.writeBytes(address, bytes)
      this.memory.fill(address + bytes.length, memorySize - bytes.length, 0)
    }
    this.startAt(BigInt(plan.entry), BigInt(plan.dtbAddress))
    return plan
  }

  /** Starts the first PE at `entry` with X0, in the boot EL. */
  startAt(entry: bigint, x0: bigint): void {
    const pe = this.cpu.pes[0]!
    pe.power = 'on-pending'
    pe.start = { entry, context: x0 }
  }

  // ---- running ----

  run(limits: RunLimits = {}): Outcome {
    if (this.#finished && this.#outcome !== undefined) return this.#outcome
    this.#outcome = undefined
    // A run that goes on waits for the rest of the text.
    if (this.#matcher?.text !== limits.until) this.#matcher = limits.until === undefined ? undefined : new TextMatcher(limits.until)
    for (const byte of this.#held.splice(0)) {
      if (this.#outcome === undefined) this.#show(byte)
      else this.#held.push(byte)
    }
    const end = limits.maxInstructions === undefined ? Infinity : this.instructions + limits.maxInstructions
    for (let turns = 1; this.#outcome === undefined; turns++) {
      let left = end === Infinity ? Infinity : end - this.instructions
      if (left <= 0) return { kind: 'limit' }
      if (limits.to !== undefined) {
        const before = limits.to.instructions - this.instructions
        if (before < 0 || (before === 0 && this.#loop.idleTurns >= limits.to.idleTurns)) return { kind: 'limit' }
        left = Math.min(left, Math.max(1, before))
      }
      if (this.#outside.hasPosted) this.#deliver()
      const turn = this.#loop.turn(left, limits.waits)
      if (turn === undefined) this.#stop(this.#nobodyRuns())
      else if (typeof turn === 'number') return { kind: 'waiting', nanoseconds: turn }
      if (this.#loop.isSuspended) return this.#outcome ?? { kind: 'stopped' }
      if ((turns & 15) === 0 && limits.interrupted?.() === true) return { kind: 'interrupted' }
    }
    return this.#outcome
  }

  /** From a callback of a run: it ends with 'interrupted' after this turn and can go on. */
  interrupt(): void { this.#stop({ kind: 'interrupted' }) }

  #nobodyRuns(): Outcome {
    return this.cpu.pes.every(pe => pe.power === 'off') ? { kind: 'off' } : { kind: 'idle' }
  }

  #stop(outcome: Outcome): void {
    this.#outcome ??= outcome
    this.#finished = outcome.kind === 'off' || outcome.kind === 'reset' || outcome.kind === 'exit' || outcome.kind === 'unimplemented' || outcome.kind === 'died'
    this.cpu.core.endTurn()
  }

  // ---- from outside ----

  /** Bytes typed at the console. With L0 nobody listens at the machine's own: it is that of the first VM. */
  input(bytes: Iterable<number>): void { this.post({ device: this.l0 === undefined ? 'uart0' : 'vm0.uart0', kind: 'data', id: 0, bytes: Uint8Array.from(bytes) }) }

  /**
   * The one way in for what happens outside: the event reaches its device before the next turn. False: no device of the machine or of a VM listens
   * under this name.
   */
  post(event: OutsideEvent): boolean { return this.#outside.post(event) }

  /**
   * The same in the future: when the clock of a PE reaches cycle `at`, which is what idle PEs then wait for. For what is modelled and not outside,
   * such as the far end of a wire.
   */
  schedule(event: OutsideEvent, at: number): boolean { return this.#outside.schedule(event, at) }

  #deliver(): void {
    const { onOutside } = this.#options
    this.#outside.deliverPosted(onOutside === undefined ? undefined : event => { onOutside(this.position, event) })
  }

  // ---- facts about the run ----

  /** Instructions of all PEs. */
  get instructions(): number { return this.cpu.pes.reduce((sum, pe) => sum + this.cpu.engine.instructions(pe.index), 0) }
  /** Where between turns the run is. The same run comes by the same positions, however it is cut into calls. */
  get position(): Position { return { instructions: this.instructions, idleTurns: this.#loop.idleTurns } }
  /** Virtual time: the clock of the PE that is furthest. */
  get nanoseconds(): number { return Math.max(...this.cpu.pes.map(pe => this.cpu.core.cycles(pe))) }
  /** A debugger has stopped it in the middle of a turn: it cannot be saved there. */
  get isSuspended(): boolean { return this.#loop.isSuspended }
  get lastOutcome(): Outcome | undefined { return this.#outcome }

  /** The hash of the trace so far and of the present state (design D9); undefined when it was switched off. */
  traceHash(): string | undefined {
    if (this.#hash === undefined) return undefined
    const hash = new TraceHash()
    hash.restore(this.#hash.save())
    const { engine, core } = this.cpu, current = core.pe
    for (const pe of this.cpu.pes) {
      core.switchTo(pe)
      hash.add(HASHED.registers)
      hash.add(pe.index)
      hash.addCount(engine.instructions(pe.index))
      for (let n = 0; n < 31; n++) {
        hash.add(engine.state.xLow(n))
        hash.add(engine.state.xHigh(n))
      }
      hash.add64(engine.state.sp)
      hash.add64(engine.state.pc)
      hash.add(core.pstate())
      for (let n = 0; n < 32; n++) for (const half of [0, 1] as const) hash.add64(engine.state.v(n, half))
      for (const word of pe.file.i32) hash.add(word)
    }
    this.#switchTo(current)
    hash.addMemory(this.#pages.capture())
    return hash.text()
  }

  #switchTo(pe: PE): void {
    this.cpu.core.switchTo(pe)
    this.cpu.stateChanged()
  }

  // ---- snapshots ----

  /**
   * All of the machine and of what is attached to it. Between runs, not while a debugger has suspended one. The translations that the TLB
   * holds are no part of it: they are dropped here as well, so that both machines go on from the same state.
   */
  save(): Snapshot {
    if (this.#loop.isSuspended) throw new RangeError('the machine is in the middle of a turn')
    const { core, engine, pes, pmu } = this.cpu
    if (this.l0 !== undefined && this.l0.saveState === undefined) throw new RangeError('the software at EL2 cannot be saved')
    this.#forgetTranslations()
    return {
      machine: this.#description(), pages: this.#pages.capture(),
      state: {
        pes: pes.map(pe => savePe(pe, engine)), current: core.pe.index, ...saveDevices(this.wiring), pmu: pmu.saveState(), lastCount: core.lastCount, turn: this.#loop.saveState(),
        hash: HASH.save(this.#hash?.save()), held: [...this.#held], ...this.#outside.saveState(), ended: this.#finished ? structuredClone(this.#outcome) as Saved : undefined,
        hostPorts: this.hostPorts.map(port => port.saveState()), l0: this.l0?.saveState?.(),
      },
    }
  }

  /** Goes back to a snapshot of this machine or of one that is made of the same. Throws BadInput when it is not, or damaged: the machine must not be used then. */
  restore(snapshot: Snapshot): void {
    if (snapshot.machine !== this.#description()) throw new BadInput('snapshot', `is of another machine: ${snapshot.machine} instead of ${this.#description()}`)
    const { core, engine, pes, pmu } = this.cpu, state = objectOf(snapshot.state, 'state')
    const saved = listOf(state['pes'], 'PEs', pes.length), ports = listOf(state['hostPorts'], 'Hosts', this.hostPorts.length)
    this.#pages.restore(snapshot.pages)
    restoreDevices(this.wiring, snapshot.state)
    this.l0?.restoreState?.(state['l0'])
    this.hostPorts.forEach((port, i) => port.restoreState(ports[i], `Host ${i}`))
    pmu.restoreState(state['pmu'])
    // After all that raises lines.
    pes.forEach((pe, i) => restorePe(pe, engine, saved[i], `PE ${i}`, core.el2))
    core.lastCount = COUNT.restore(state['lastCount'], 'lastCount', 0)
    this.#hash?.restore(HASH.restore(state['hash'], 'hash', undefined) ?? new TraceHash().save())
    this.#loop.restoreState(state['turn'])
    HELD.restore(state['held'], 'held', this.#held)
    this.#outside.restoreState(snapshot.state)
    this.#outcome = savedOutcome(state['ended'])
    this.#finished = this.#outcome !== undefined
    this.#matcher = undefined
    this.#forgetTranslations()
    for (const pe of pes) this.cpu.selfHosted.changed(pe)
    this.#switchTo(pes[integer(0, pes.length - 1).restore(state['current'], 'current', 0)]!)
  }

  /** Another machine in the same state, that goes on by itself; pages of RAM are copied. What is attached by `options` (console, L0's devices) is made anew. */
  fork(options: Partial<MachineOptions> = {}): Machine {
    const { onOutside: _, ...own } = this.#options, other = new Machine({ ...own, ...options })
    other.restore(this.save())
    return other
  }

  #forgetTranslations(): void {
    this.cpu.engine.tlb.invalidate(() => true)
    for (const pe of this.cpu.pes) pe.vncrPage = -1
    this.cpu.memory.forgetPages()
  }

  #description(): string {
    const { name, gic, cpus, el2, memBytes, firmware } = this.board
    const plugs = this.wiring.plugged.map(({ name, transport, slot, device }) => `, ${device.model.name} ${name} at ${transport} ${slot}`).join('')
    const pci = this.wiring.devices.has('PCIe configuration space') ? ', PCIe' : ''
    return `${name} GICv${gic}, ${cpus} PEs, ${memBytes} bytes, EL2 ${el2 ? 'yes' : 'no'}${firmware ? ', firmware devices' : ''}${pci}${plugs}, ${[...this.profile.features].join(' ')}`
  }

  #hashAccess(kind: number, pe: number, pa: number, size: number, value: number): void {
    const hash = this.#hash
    if (hash === undefined) return
    hash.add(kind | (pe << 8) | (size << 16))
    hash.addCount(pa)
    hash.addCount(value)
  }

  #print(byte: number): void {
    this.#hash?.add(HASHED.console | (byte << 8))
    // A run ends at the next branch after the byte that ends it: what comes in between belongs to the next run.
    if (this.#outcome !== undefined) {
      this.#held.push(byte)
      return
    }
    this.#show(byte)
  }

  #show(byte: number): void {
    this.#options.console?.(byte)
    if (this.#matcher?.next(byte) === true) {
      this.#outcome ??= { kind: 'until', text: this.#matcher.text }
      this.#matcher = undefined
      this.cpu.core.endTurn()
    }
  }

  // ---- power ----

  /** Registers as after a cold reset, in the boot EL at `entry`. The PE need not be the one that runs. */
  #reset(pe: PE, entry: bigint, x0: bigint): void {
    const { core, engine } = this.cpu, { state } = engine
    resetValues(this.profile, { pe: pe.index, gicVersion: this.board.gic, el2: core.el2 }, pe.file)
    // Without EL2 nothing traps to it: the controls that trap when they are 0 are set.
    if (!core.el2) pe.file.u64[SLOT.HCR_EL2] = HCR_APK_API
    core.switchTo(pe)
    for (let n = 0; n < 31; n++) state.setX(n, 0n)
    for (let n = 0; n < 32; n++) for (const half of [0, 1] as const) state.setV(n, half, 0n)
    state.setX(0, x0)
    state.sp = 0n
    core.setPstate(DAIF_MASK | (core.el2 ? MODE.EL2h : MODE.EL1h))
    state.pc = entry
    state.clearExclusive()
    pe.registersReplaced()
    this.cpu.selfHosted.changed(pe)
    pe.waiting = 'none'
    pe.event = false
    pe.timers.update(core.count(pe))
    this.cpu.stateChanged()
  }

  #start(pe: PE): void {
    const { entry, context } = pe.start!
    pe.start = undefined
    pe.power = 'on'
    this.#reset(pe, entry, context)
  }

  #firmware(pe: PE): void {
    const { state } = this.cpu.engine
    const result = firmwareCall(pe.index, state.x(0), state.x(1), state.x(2), state.x(3), this.#power)
    if (result.kind === 'value') state.setX(0, result.x0)
    // Not a call of ours: NOT_SUPPORTED, as SMCCC says of all unknown functions.
    else if (result.kind === 'unknown') state.setX(0, 0xffff_ffff_ffff_ffffn)
  }

  /** HLT #0xF000. */
  #callHost(pe: PE): boolean {
    const { core, engine } = this.cpu, { state } = engine, host = this.#semihosting!
    if (elOf(state.pstate) === 0 && !host.userSpace) return false
    state.setX(0, host.call(Number(state.x(0) & 0xffff_ffffn), state.x(1), {
      bytes: new VirtualBytes(core, this.cpu.memory), nanoseconds: core.cycles(pe), epochSeconds: DEFAULT_EPOCH, ram: { base: RAM_BASE, size: this.board.memBytes },
      exit: code => { this.#stop({ kind: 'exit', code }) },
    }))
    return true
  }

  readonly #power: PowerControl = {
    peWithAffinity: affinity => {
      for (const pe of this.cpu.pes) if (BigInt(affinityOf(pe.index, this.board.gic)) === affinity) return pe.index
      return undefined
    },
    powerState: pe => this.cpu.pes[pe]!.power,
    turnOn: (pe, entry, context) => {
      const target = this.cpu.pes[pe]!
      target.power = 'on-pending'
      target.start = { entry, context }
      target.changedAt = this.cpu.core.cycles(this.cpu.core.pe)
      this.cpu.core.endTurn()
    },
    turnOff: pe => {
      this.cpu.pes[pe]!.power = 'off'
      this.cpu.core.endTurn()
    },
    standby: pe => {
      const target = this.cpu.pes[pe]!
      if (this.cpu.interrupts.wakes(target)) return
      target.waiting = 'WFI'
      this.cpu.core.endTurn()
    },
    systemOff: () => this.#stop({ kind: 'off' }),
    systemReset: () => this.#stop({ kind: 'reset' }),
    isExecutable: entry => (this.memory.isRam(Number(entry), 4) || (this.#flash !== undefined && entry < BigInt(FLASH_BYTES))) && entry % 4n === 0n,
  }

  // ---- L0 ----

  /** An exception to EL2 has been taken: L0 handles it, and the PE goes on as it says. */
  #enterEL2(pe: PE, kind: EL2Exception): void { this.#callEL2(pe, kind) }

  #callEL2(pe: PE, kind: EL2Exception): void { this.#after(pe, this.l0!.handle(this.hostPorts[pe.index]!, kind)) }

  #after(pe: PE, next: AfterExit): void {
    switch (next) {
      case 'run':
        this.cpu.returnFromException(pe.file.u64[SLOT.ELR_EL2]!)
        return
      case 'idle':
        pe.waiting = 'EL2'
        break
      case 'off':
        pe.power = 'off'
    }
    this.cpu.core.endTurn()
  }
}

export function createMachine(options: MachineOptions = {}): Machine { return new Machine(options) }
