/**
 * Every system register of the profile, as the software of a level sees it. Nothing here has an effect: no interrupt is acknowledged, no
 * counter is told that it was read, nothing is charged.
 */
import type { PE } from '../cpu/pe.ts'
import type { Host } from '../hypervisor/host.ts'
import { SHARED_SLOTS } from '../hypervisor/register-lists.ts'
import { fromEL1, homeOf, placeOf } from '../hypervisor/nested/virtual-el2.ts'
import type { Vcpu } from '../hypervisor/vcpu.ts'
import { timerRegister } from '../hypervisor/vtimer.ts'
import type { Machine } from '../machine/machine.ts'
import { ROWS, SLOT } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Levels, Thread } from './levels.ts'
import { Refused, registersOf } from './thread-registers.ts'

/** Reading them does something: acknowledges an interrupt. */
const ACKNOWLEDGES = /^ICC_IAR[01]_EL1$/
/** What GICv3 gives to EL1 while HCR_EL2.IMO is set. */
const VIRTUAL_INTERFACE = /^ICC_(?!SRE_EL[23])/
const COUNTERS = new Set(['CNTPCT_EL0', 'CNTPCTSS_EL0', 'CNTVCT_EL0', 'CNTVCTSS_EL0'])
const SHARED = new Set(SHARED_SLOTS)

/** Registers that the machine has, in the order of the table: no aliases, no `_EL12` names, nothing that can only be written. */
export function systemRegistersOf(machine: Machine): readonly Row[] {
  const { features } = machine.profile, { gic } = machine.board, { el2 } = machine.cpu.core
  return ROWS.filter(row => row.kind === 'register' && row.aliasOf === undefined && row.viewOf === undefined && row.slot >= 0 && row.access !== 'WO'
    && (row.features.length === 0 || row.features.some(feature => feature === 'GICv3' ? gic === 3 : (features as ReadonlySet<string>).has(feature)))
    && (row.minimumEL < 2 || el2) && row.minimumEL < 3 && !ACKNOWLEDGES.test(row.name))
}

/** Undefined: this level has no such register, or it is not known where it is now. */
export function readSystemRegister(levels: Levels, thread: Thread, row: Row): bigint | undefined {
  const { machine } = levels, { level } = thread
  if (level.kind === 'machine' || (level.kind === 'L1' && levels.l0 === undefined)) return peek(machine, machine.cpu.pes[thread.pe!]!, row, false)
  const pe = levels.peOf(thread)
  if (level.kind === 'nested') {
    if (row.minimumEL >= 2) return undefined
    if (pe !== undefined) return readNested(machine, machine.cpu.pes[pe]!, row)
    const slot = row.name === 'MPIDR_EL1' ? SLOT.VMPIDR_EL2 : row.name === 'MIDR_EL1' ? SLOT.VPIDR_EL2 : row.slot
    return row.storage === 'slot' ? thread.captured?.file.u64[slot] : undefined
  }
  const vcpu = thread.vcpu!
  if (row.features.length > 0 && !row.features.some(feature => feature === 'GICv3' || (vcpu.controls.features as ReadonlySet<string>).has(feature))) return undefined
  return readVirtual(levels, vcpu, row)
}

/** Writes as MSR at EL2 would. Only on PEs: L0 keeps what vCPUs have in many places. */
export function writeSystemRegister(levels: Levels, thread: Thread, row: Row, value: bigint): void {
  const { machine } = levels, { cpu } = machine, { level } = thread
  if (level.kind !== 'machine' && levels.l0 !== undefined) throw new Refused(`system registers of ${level.name} are written in inferior 1, on the PE that runs it`)
  const pe = level.kind === 'nested' ? levels.peOf(thread) : thread.pe
  if (pe === undefined) throw new Refused('it does not run now')
  if (row.access === 'RO') throw new Refused(`${row.name} cannot be written`)
  levels.on(pe, () => { if (!cpu.system.store(row, value, true)) throw new Refused(`${row.name} cannot be written`); cpu.stateChanged() })
  cpu.stateChanged()
}

/** `virtual`: the virtual CPU interface, where EL1 reaches that. */
function peek(machine: Machine, pe: PE, row: Row, virtual: boolean): bigint | undefined {
  const { cpu } = machine, { core } = cpu
  if (row.storage === 'slot') return pe.file.u64[row.slot]!
  if (COUNTERS.has(row.name)) return BigInt.asUintN(64, BigInt(core.count(pe)) - (row.name.startsWith('CNTV') ? pe.timers.offset('CNTV') : pe.timers.physicalOffset()))
  const timer = /^(CNTP|CNTV|CNTHP|CNTHV)_(TVAL|CTL)_EL[02]$/.exec(row.name)
  if (timer !== null) {
    const name = timer[1] as 'CNTP' | 'CNTV' | 'CNTHP' | 'CNTHV'
    return timer[2] === 'CTL' ? pe.timers.readControl(name, core.count(pe)) : pe.timers.readTimerValue(name, core.count(pe))
  }
  if (virtual && VIRTUAL_INTERFACE.test(row.name)) return pe.gic.readRegister(row.name, true)
  const current = core.pe
  core.switchTo(pe)
  try {
    return cpu.system.load(row)
  } finally { core.switchTo(current) }
}

/** A nested VM on a PE of the bare machine or of L0: EL1 is the PE's, identity what EL2 says. */
function readNested(machine: Machine, pe: PE, row: Row): bigint | undefined {
  if (row.name === 'MPIDR_EL1') return pe.file.u64[SLOT.VMPIDR_EL2]!
  if (row.name === 'MIDR_EL1') return pe.file.u64[SLOT.VPIDR_EL2]!
  return peek(machine, pe, row, true)
}

/** A vCPU of L0: where its registers live depends on what it runs (hypervisor/nested/virtual-el2.ts). */
function readVirtual(levels: Levels, vcpu: Vcpu, row: Row): bigint | undefined {
  const { machine } = levels, { slot } = row, pe = machine.cpu.pes[vcpu.pe.index]!, { nested } = vcpu
  const el1 = (at: number): bigint => vcpu.loaded ? pe.file.u64[at]! : vcpu.active.u64[at]!
  if (row.minimumEL >= 2 && nested === undefined) return undefined
  if (row.name === 'MIDR_EL1' || row.name === 'MPIDR_EL1' || row.name.startsWith('ID_')) return vcpu.virtual.u64[slot]!
  if (row.name === 'CurrentEL') return BigInt((registersOf(levels, levels.all[1 + vcpu.vm.id]!.threads[vcpu.index]!).pstate() >>> 2 & 3) << 2)
  if (timerRegister(slot) !== undefined) return quietly(machine, vcpu, host => vcpu.timers.read(host, slot))
  if (COUNTERS.has(row.name)) return BigInt.asUintN(64, BigInt(machine.cpu.core.count(pe)) - (row.name.startsWith('CNTV') ? nested === undefined ? vcpu.vm.counterOffset : nested.get(SLOT.CNTVOFF_EL2) : 0n))
  if (row.name.startsWith('ICC_')) return vcpu.loaded ? peek(machine, pe, row, true) : undefined
  if (nested === undefined || vcpu.context.kind !== 'vEL2') {
    if (nested !== undefined && row.minimumEL >= 2) return nested.get(slot)
    if (row.storage !== 'slot') return undefined
    return vcpu.loaded ? peek(machine, pe, row, true) : vcpu.virtual.u64[slot]!
  }
  const home = homeOf(slot)
  if (home !== undefined && placeOf(home, nested) === 'as is') return fromEL1(home, nested, nested.get(slot), el1(home.el1))
  if (SHARED.has(slot)) return el1(slot)
  return row.storage === 'slot' || row.name.startsWith('ICH_') ? nested.get(slot) : undefined
}

/** Lets a part of L0 read through a Host that counts and charges nothing. */
function quietly<T>(machine: Machine, vcpu: Vcpu, action: (host: Host) => T): T {
  const { pe } = vcpu, { host } = pe, physical = machine.cpu.pes[pe.index]!
  const bySlot = (slot: number): Row => ROWS.find(row => row.slot === slot && row.aliasOf === undefined && row.viewOf === undefined)!
  const quiet = new Proxy(host, {
    get: (target, name) => {
      if (name === 'mrs') return (slot: number) => peek(machine, physical, bySlot(slot), false) ?? 0n
      if (name === 'counter') return () => BigInt(machine.cpu.core.count(physical))
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value === 'function') return () => undefined
      return value
    },
  })
  pe.host = quiet
  try {
    return action(quiet)
  } finally { pe.host = host }
}
