/**
 * vCPUs on PEs: pinned in order of creation, so that each has a PE of its own while PEs suffice; after that the vCPUs of a PE take
 * turns in slices of virtual time. Blocking, waking and kicks are here; so is L0's timer.
 */
import { SLOT } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { NEVER } from './pe.ts'
import type { Pe } from './pe.ts'
import { KICK } from './physical-gic.ts'
import { changeVcpu, put } from './switch.ts'
import type { Vcpu } from './vcpu.ts'
import { foldInUse, hasPendingInterrupt } from './vgic.ts'
import { WORK } from './work.ts'

/** 1 ms of the 62.5 MHz counter. */
const SLICE = 62_500n

/** The next runnable vCPU of this PE, in turn. */
export function pick(pe: Pe): Vcpu | undefined {
  const { queue } = pe
  for (let i = 0; i < queue.length; i++) {
    const at = (pe.next + i) % queue.length
    const vcpu = queue[at]!
    if (vcpu.state === 'runnable') {
      pe.next = at
      return vcpu
    }
  }
  return undefined
}

const isAlone = (pe: Pe): boolean => pe.queue.reduce((n, vcpu) => vcpu.state === 'runnable' ? n + 1 : n, 0) < 2

/** Makes `next` (or nobody) the vCPU whose state is on the PE. */
export function switchTo(core: Core, pe: Pe, next: Vcpu | undefined): void {
  const { current, host } = pe
  if (current === next) return
  if (current !== undefined) {
    put(core.policy, current, host, core.gic)
    foldInUse(current)
    current.timers.releaseActive(host, core.gic)
  }
  changeVcpu(current, next, host)
  pe.current = next
  if (next !== undefined) next.gic.changed = true
}

/** A time slice begins when others wait for this PE. */
export function startSlice(pe: Pe): void {
  if (pe.queue.length < 2) return
  if (isAlone(pe)) pe.sliceEnd = NEVER
  else if (pe.sliceEnd === NEVER) pe.sliceEnd = pe.host.counter() + SLICE
}

/** The slice is over: the next one in turn. */
export function endSlice(pe: Pe): void {
  if (pe.sliceEnd === NEVER) return
  if (pe.host.counter() < pe.sliceEnd) return
  pe.next = (pe.next + 1) % pe.queue.length
  pe.sliceEnd = NEVER
}

/** WFI: the vCPU waits unless something is pending already. Its state must be in the files, because interrupts are looked for there. */
export function block(core: Core, vcpu: Vcpu): boolean {
  const { pe } = vcpu
  pe.host.charge(WORK.block)
  put(core.policy, vcpu, pe.host, core.gic)
  foldInUse(vcpu)
  vcpu.timers.sync(pe.host)
  if (hasPendingInterrupt(vcpu)) return false
  vcpu.state = 'blocked'
  return true
}

/** The virtual distributor has something for `vcpu`: wake it, or make it leave the guest so that it is seen. */
export function notify(core: Core, vcpu: Vcpu): void {
  vcpu.gic.changed = true
  if (vcpu.state === 'blocked') {
    if (hasPendingInterrupt(vcpu)) wake(core, vcpu)
  } else if (vcpu.state === 'runnable' && vcpu.pe !== core.busy && vcpu.vm.distributor.highestPending(vcpu.index) !== undefined) kick(core, vcpu)
}

export function wake(core: Core, vcpu: Vcpu): void {
  vcpu.state = 'runnable'
  kick(core, vcpu)
}

/** Makes the vCPU's PE enter L0. */
export function kick(core: Core, vcpu: Vcpu): void {
  const { pe } = vcpu
  if (pe === core.busy || vcpu.kicked) return
  vcpu.kicked = true
  const host = (core.busy ?? core.pes[0]!).host
  host.sendSgi(pe.index, KICK)
}

/** L0's own timer for the next thing that has to happen on this PE. */
export function programDeadline(pe: Pe, running: Vcpu | undefined): void {
  let next = pe.sliceEnd
  for (const vcpu of pe.queue) {
    if (vcpu.state === 'off') continue
    const rise = vcpu.timers.nextRise(vcpu !== running)
    if (rise < next) next = rise
  }
  if (next === pe.deadline) return
  pe.deadline = next
  if (next === NEVER) pe.host.msr(SLOT.CNTHP_CTL_EL2, 0n)
  else {
    pe.host.msr(SLOT.CNTHP_CVAL_EL2, next)
    pe.host.msr(SLOT.CNTHP_CTL_EL2, 1n)
  }
}

/** L0's timer has fired: the timers of every vCPU of this PE are looked at, and it is programmed anew before the next entry. */
export function deadlineReached(core: Core, pe: Pe): void {
  pe.host.msr(SLOT.CNTHP_CTL_EL2, 0n)
  pe.deadline = NEVER
  for (const vcpu of pe.queue) {
    if (vcpu.state === 'off') continue
    vcpu.timers.sync(pe.host)
    if (vcpu.state === 'blocked' && hasPendingInterrupt(vcpu)) vcpu.state = 'runnable'
  }
  endSlice(pe)
}
