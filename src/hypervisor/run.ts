/**
 * L0: the host hypervisor as software at EL2. One exit is one screen (`handle`); the order is the documentation:
 *
 *   leave     state out of the hardware, as the policy says      enter     pick a vCPU, flush its timers and list registers,
 *   sync      list registers and timers tell the distributor               arrive: state into the hardware, ERET
 *   decide    whose exit is it, and what is to happen
 *   apply     the only place that changes PC or context
 */
import { EC, ecName, parseSystemRegister } from '../arch/esr.ts'
import { listOf, objectOf } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import { rowByKey, SLOT } from '../sysreg/index.ts'
import { chargedMemory } from './charged-memory.ts'
import type { L0Environment } from './host.ts'
import type { Exit } from './exit.ts'
import { handleExit } from './exits.ts'
import type { ExitContext } from './exits.ts'
import type { AfterExit, EL2Exception, EL2Software, Host, PhysicalMemory } from './host.ts'
import { injectExternalAbort, takeToEL1 } from './inject.ts'
import { takeInterrupts } from './interrupts.ts'
import { moveMemory, unmapMemory } from './memory-changes.ts'
import { reconsiderE2H } from './nested/context.ts'
import { takeToVirtualEL2 } from './nested/enter.ts'
import { emulateEret } from './nested/eret.ts'
import { ownerOf } from './nested/owner.ts'
import { refreshVncr } from './nested/vncr.ts'
import { resume } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { PageAllocator } from './page-allocator.ts'
import { NEVER, Pe } from './pe.ts'
import { KICK, physicalGic } from './physical-gic.ts'
import type { PhysicalGic } from './physical-gic.ts'
import type { PsciPower } from './psci.ts'
import { block, endSlice, kick, notify, pick, programDeadline, startSlice, switchTo, wake } from './scheduler.ts'
import { arrive, giveFp, initialiseControls, leave, POLICIES, put } from './switch.ts'
import type { SwitchPolicy } from './switch.ts'
import { createVcpu, resetVcpu } from './reset.ts'
import { hardwarePstate, virtualPstate } from './vcpu.ts'
import type { Vcpu } from './vcpu.ts'
import { flushGic, foldInUse } from './vgic.ts'
import { Vm } from './vm.ts'
import type { StandsFor, VmConfig, VmEnd } from './vm.ts'
import { VmidAllocator } from './vmid.ts'
import { WORK } from './work.ts'

const ADDRESS_MASK = 0xffff_ffffn

export class L0 implements EL2Software, ExitContext {
  readonly policy: SwitchPolicy
  readonly gic: PhysicalGic
  readonly memory: PhysicalMemory
  readonly vmids: VmidAllocator
  readonly pes: readonly Pe[]
  readonly vms: Vm[] = []
  readonly power: PsciPower
  readonly environment: L0Environment
  busy: Pe | undefined
  readonly #configs: readonly VmConfig[]

  constructor(environment: L0Environment, policy: SwitchPolicy['name'], configs: readonly VmConfig[]) {
    this.environment = environment
    this.policy = POLICIES[policy]
    this.gic = physicalGic(environment.gicVersion)
    this.memory = chargedMemory(environment.memory, () => this.busy?.host)
    this.vmids = new VmidAllocator(environment.features.has('FEAT_VMID16'))
    this.pes = Array.from({ length: environment.peCount }, (_, n) => new Pe(n))
    this.#configs = configs
    this.power = {
      turnOn: (vcpu, entry, argument) => {
        resetVcpu(vcpu, entry, argument)
        wake(this, vcpu)
      },
      turnOff: vcpu => { vcpu.state = 'off' },
      end: (vm, end) => this.#end(vm, end),
    }
  }

  /** First entry on a PE. The boot PE makes the VMs; their first vCPUs start where they are pinned. */
  start(host: Host): AfterExit {
    const pe = this.pes[host.pe]!
    pe.host = host
    this.busy = pe
    this.gic.initialise(host)
    initialiseControls(pe)
    if (this.vms.length === 0) this.#createVms(host)
    return this.#enter(pe)
  }

  #createVms(host: Host): void {
    const listRegisters = this.gic.listRegisterCount(host), vtr = this.gic.readType(host)
    const { base, size } = this.environment.reserved, share = Math.floor(size / this.#configs.length)
    let next = 0
    for (const config of this.#configs) {
      const vm = new Vm(config, this.environment.memory, this.memory, new PageAllocator(this.memory, { base: base + this.vms.length * share, size: share }), this.vmids)
      this.vms.push(vm)
      if (!vm.hasEL2) vm.counterOffset = host.counter()
      for (let n = 0; n < config.cpus; n++) {
        const pe = this.pes[next++ % this.pes.length]!
        const vcpu = createVcpu(this, vm, n, pe, listRegisters, vtr)
        vm.vcpus.push(vcpu)
        pe.queue.push(vcpu)
      }
      this.#listen(vm)
    }
    for (const vm of this.vms) {
      const first = vm.vcpus[0]!
      resetVcpu(first, BigInt(vm.config.entry), BigInt(vm.config.argument))
      // A PE that has not started yet picks its vCPUs when it does.
      first.state = 'runnable'
    }
  }

  #listen(vm: Vm): void {
    vm.distributor.onChange = cpu => { notify(this, vm.vcpus[cpu]!) }
    vm.distributor.onSignal = (cpu, intid, level) => {
      const { host: { trace }, index } = this.busy ?? this.pes[0]!
      trace?.({ kind: 'interrupt', pe: index, vm: vm.id, vcpu: cpu, intid, level })
    }
  }

  /**
   * Takes [from, to) of a VM's physical addresses out of all tables; it comes back as the VM uses it. From outside a run `host` is that of the PE that ran last.
   */
  unmapMemory(vm: Vm, host: Host, from: number, to: number): void { unmapMemory(this, vm, host, from, to) }

  /** Moves memory of a VM to `pa` with its contents; false if it cannot be. */
  moveMemory(vm: Vm, host: Host, ipa: number, size: number, pa: number): boolean { return moveMemory(this, vm, host, ipa, size, pa) }

  saveState(): Saved { return { vmids: this.vmids.saveState(), vms: this.vms.map(vm => vm.saveState()), pes: this.pes.map(pe => pe.saveState()) } }

  restoreState(saved: Saved): void {
    const { vmids, vms, pes } = objectOf(saved, 'L0'), vmList = listOf(vms, 'L0.vms', this.vms.length), peList = listOf(pes, 'L0.pes', this.pes.length)
    this.vmids.restoreState(vmids, 'L0.vmids')
    // What devices and the distributor say while they are restored is not news: whoever was woken by it is awake already.
    for (const { distributor } of this.vms) {
      distributor.onChange = () => {}
      distributor.onSignal = undefined
    }
    this.vms.forEach((vm, i) => vm.restoreState(vmList[i], `L0.vms[${i}]`))
    for (const vm of this.vms) this.#listen(vm)
    this.pes.forEach((pe, i) => pe.restoreState(peList[i], `L0.pes[${i}]`))
  }

  handle(host: Host, kind: EL2Exception): AfterExit {
    const pe = this.pes[host.pe]!, vcpu = pe.current
    pe.host = host
    this.busy = pe
    if (vcpu === undefined || vcpu.state !== 'runnable') {
      // Its VM has ended on another PE. Nothing of it is kept, but its timer and list registers must not stay in the hardware.
      if (vcpu?.loaded === true) leave(this.policy, vcpu, host, this.gic)
      takeInterrupts(this, pe)
      return this.#enter(pe)
    }
    const { exit } = pe
    exit.read(host, kind)
    vcpu.pc = host.mrs(SLOT.ELR_EL2)
    vcpu.pstate = virtualPstate(Number(host.mrs(SLOT.SPSR_EL2) & ADDRESS_MASK) | 0, vcpu.context)
    vcpu.nested?.oneStep.finish(vcpu, host)
    const standsFor = vcpu.context.kind === 'vEL2' && exit.ec === EC.HVC64 ? vcpu.vm.config.rewritten?.standsFor(exit.syndrome) : undefined
    if (standsFor?.kind === 'trap') vcpu.pc -= 4n
    if (standsFor !== undefined && standsFor.kind !== 'load') exit.setSyndrome(standsFor.syndrome)
    const trace = host.trace, { level } = vcpu, pc = vcpu.pc
    const tell = trace === undefined ? undefined : (action: string): void => trace({
      kind: 'exit', pe: pe.index, vm: vcpu.vm.id, vcpu: vcpu.index, level, pc, syndrome: exit.syndrome, subject: exit.subject, direction: exit.direction, action, ipa: exit.ipa,
    })

    // The guest's first use of FP since entry: fixed up without leaving.
    if (exit.ec === EC.FPAdvSIMD && pe.fpTrapped && ownerOf(vcpu, exit) === 'L0') {
      exit.subject = 'FP'
      giveFp(vcpu, host)
      this.busy = undefined
      trace?.({ kind: 'entry', pe: pe.index, vm: vcpu.vm.id, vcpu: vcpu.index, level, pc })
      tell?.('give FP registers')
      return 'run'
    }

    leave(this.policy, vcpu, host, this.gic)
    if (!vcpu.loaded) foldInUse(vcpu)
    // `split` has stopped the virtual timer already, so that its interrupt is gone: what tells is the timer itself.
    const timerFired = (kind !== 'sync' || vcpu.timers.needsSync) && vcpu.timers.sync(host)

    const action = kind === 'sync' ? this.#apply(vcpu, exit, standsFor?.kind === 'load' ? loadLiteral(vcpu, exit, standsFor) : this.#decide(vcpu, exit)) : takeInterrupts(this, pe, timerFired)
    const after = this.#enter(pe)
    tell?.(pe.current === vcpu && pe.interruptsL1 ? `${action}, inject IRQ to vEL2` : action)
    return after
  }

  /** The VM has died, unless it is L1's to deal with. */
  stuck(host: Host, vector: bigint, syndrome: number): void {
    const vcpu = this.pes[host.pe]!.current
    if (vcpu === undefined || vcpu.isNested) return
    this.#end(vcpu.vm, { kind: 'died', detail: `vCPU ${vcpu.index}: the exception vector 0x${vector.toString(16)} at EL${vcpu.context.kind === 'vEL2' ? 2 : 1} cannot be executed (ESR 0x${syndrome.toString(16)})` })
  }

  #decide(vcpu: Vcpu, exit: Exit): Outcome {
    if (ownerOf(vcpu, exit) === 'L1') return forward(vcpu, exit)
    return handleExit(this, vcpu, exit)
  }

  #apply(vcpu: Vcpu, exit: Exit, outcome: Outcome): string {
    switch (outcome.kind) {
      case 'resume': break
      case 'nextInstruction':
        vcpu.nextInstruction()
        break
      case 'inject':
        if (outcome.to === 'vEL2') takeToVirtualEL2(this, vcpu, outcome.type, outcome.syndrome, outcome.addresses)
        else takeToEL1(vcpu, outcome.type, outcome.syndrome, outcome.addresses)
        break
      case 'nestedReturn': {
        const refused = this.#refuseTables(vcpu)
        if (refused === undefined) return emulateEret(this, vcpu, outcome.form)
        this.#end(vcpu.vm, { kind: 'died', detail: refused })
        return 'EL2 tables refused'
      }
      case 'user': {
        const { ipa, size, write, value, finish } = outcome.exit, { user } = vcpu.vm.config
        vcpu.pe.host.charge(WORK.userExit)
        exit.subject = `MMIO 0x${ipa.toString(16)}`
        const loaded = write ? (user.mmioWrite(vcpu.index, ipa, size, value) ? 0 : undefined) : user.mmioRead(vcpu.index, ipa, size)
        if (loaded === undefined) return this.#apply(vcpu, exit, injectExternalAbort(vcpu, false, false, write, exit.far))
        vcpu.pe.host.trace?.({ kind: 'mmio', pe: vcpu.pe.index, vm: vcpu.vm.id, vcpu: vcpu.index, ipa, size, write, value: write ? value : loaded })
        finish(loaded)
        vcpu.nextInstruction()
        return 'device of the VMM'
      }
      case 'wait':
        if (outcome.advance) vcpu.nextInstruction()
        block(this, vcpu)
        break
      case 'stopped': break
    }
    return outcome.action
  }

  /** To the vCPU whose turn it is on this PE, or to sleep. */
  #enter(pe: Pe): AfterExit {
    const { host } = pe
    endSlice(pe)
    const vcpu = pick(pe)
    if (vcpu !== pe.current) {
      switchTo(this, pe, vcpu)
      pe.sliceEnd = NEVER
    }
    startSlice(pe)
    if (vcpu === undefined) {
      programDeadline(pe, undefined)
      this.busy = undefined
      host.trace?.({ kind: 'idle', pe: pe.index })
      return this.vms.every(vm => vm.end !== undefined) ? 'off' : 'idle'
    }
    vcpu.vm.codePages?.settle(host)
    // With a page L1 changes E2H, and what its maintenance interrupt depends on, without a trap.
    if (vcpu.nested?.pageLive === true) {
      reconsiderE2H(this, vcpu)
      vcpu.nested.gic.resample()
    } else if (vcpu.nested?.vncrStale === true && vcpu.isNested) {
      refreshVncr(vcpu)
      put(this.policy, vcpu, host, this.gic)
    }
    pe.interruptsL1 = flushGic(this, vcpu)
    if (pe.interruptsL1) {
      takeToVirtualEL2(this, vcpu, 'irq', 0)
      flushGic(this, vcpu)
    }
    vcpu.timers.flushActive(host, this.gic)
    programDeadline(pe, vcpu)
    arrive(this.policy, vcpu, host, this.gic)
    host.msr(SLOT.ELR_EL2, vcpu.pc)
    host.msr(SLOT.SPSR_EL2, BigInt((hardwarePstate(vcpu.pstate, vcpu.context) | (vcpu.nested?.oneStep.begin(vcpu, host) ?? 0)) >>> 0))
    vcpu.kicked = false
    this.busy = undefined
    host.trace?.({ kind: 'entry', pe: pe.index, vm: vcpu.vm.id, vcpu: vcpu.index, level: vcpu.level, pc: vcpu.pc })
    return 'run'
  }

  /** A rewritten nVHE guest hypervisor runs with its EL2 tables at EL1: looked at when they are new, at the first return that uses them. */
  #refuseTables(vcpu: Vcpu): string | undefined {
    const { vm: { config: { rewritten }, memory }, nested } = vcpu
    if (rewritten === undefined || nested!.e2h || (vcpu.readEL1(SLOT.SCTLR_EL1) & 1n) === 0n) return undefined
    const ttbr0 = nested!.get(SLOT.TTBR0_EL2)
    if (nested!.checkedTables === ttbr0) return undefined
    nested!.checkedTables = ttbr0
    return rewritten.refuseTables(ipa => memory.read64(ipa), ttbr0, nested!.get(SLOT.TCR_EL2))
  }

  #end(vm: Vm, end: VmEnd): void {
    vm.end = end
    for (const vcpu of vm.vcpus) {
      if (vcpu.state !== 'off') kick(this, vcpu)
      vcpu.state = 'off'
    }
    vm.config.user.ended(end)
    // PEs that sleep must learn that nothing is left.
    if (this.vms.every(each => each.end !== undefined)) for (const pe of this.pes) if (pe !== this.busy) (this.busy ?? pe).host.sendSgi(pe.index, KICK)
  }
}

const NAMES: Readonly<Partial<Record<number, string>>> = {
  [EC.WFx]: 'WFx', [EC.FPAdvSIMD]: 'FP', [EC.HVC64]: 'HVC', [EC.SMC64]: 'SMC', [EC.ERET]: 'ERET', [EC.SVC64]: 'SVC', [EC.DataAbortLower]: 'stage 2 abort', [EC.InstructionAbortLower]: 'stage 2 abort',
}
/** For the trace: what a handler would have called it. */
function describe(exit: Exit): void {
  if (exit.ec !== EC.SystemRegister) {
    exit.subject = NAMES[exit.ec] ?? ecName(exit.ec)
    return
  }
  const { key, read } = parseSystemRegister(exit.iss), row = rowByKey(key)
  exit.subject = row?.name ?? `encoding 0x${key.toString(16)}`
  exit.direction = row?.kind === 'instruction' ? null : read ? 'read' : 'write'
}

function loadLiteral(vcpu: Vcpu, exit: Exit, { Rt, value }: StandsFor & { kind: 'load' }): Outcome {
  exit.subject = 'literal'
  vcpu.setX(Rt, value)
  return resume('load of rewritten bytes')
}

/** The exit goes to virtual EL2 with the syndrome of the machine, adapted where L1's tables or formats decide. */
function forward(vcpu: Vcpu, exit: Exit): Outcome {
  const isAbort = exit.ec === EC.DataAbortLower || exit.ec === EC.InstructionAbortLower
  describe(exit)
  if (!isAbort) return { kind: 'inject', to: 'vEL2', type: 'sync', syndrome: exit.syndrome, action: 'inject to vEL2' }
  // The fault status is that of the walk of L1's tables, not of the shadow table.
  const syndrome = ((exit.syndrome & ~0x3f) | vcpu.nested!.walk.status) >>> 0
  return { kind: 'inject', to: 'vEL2', type: 'sync', syndrome, addresses: { far: exit.far, ipa: vcpu.nested!.walk.ipa }, action: 'inject to vEL2' }
}
