/** Physical interrupts: L0 takes all of them (HCR_EL2.IMO, FMO), as the host kernel does for KVM. */
import { PPI } from '../arch/gic.ts'
import type { Core } from './core.ts'
import type { Pe } from './pe.ts'
import { intidOf, isSpurious, KICK } from './physical-gic.ts'
import { deadlineReached } from './scheduler.ts'
import { unloadGic } from './vgic.ts'
import { WORK } from './work.ts'

/** Acknowledges until nothing is pending. Returns what it took, in words; `timerFired`: a timer of the vCPU has been seen to fire. */
export function takeInterrupts(core: Core, pe: Pe, timerFired = false): string {
  const { host } = pe, { gic } = core
  let taken = ''
  for (;;) {
    const iar = gic.acknowledge(host)
    if (isSpurious(iar)) return taken !== '' ? taken : timerFired ? 'virtual timer' : 'spurious'
    host.charge(WORK.hostInterrupt)
    gic.end(host, iar)
    const intid = intidOf(iar)
    taken = taken === '' ? nameOf(intid) : `${taken}, ${nameOf(intid)}`
    if (intid === PPI.virtualTimer && pe.current !== undefined) {
      // Stays active: the guest's deactivation of its own interrupt ends it (HW bit). It has ended the one before, or this would not have fired.
      unloadGic(core, pe.current)
      pe.current.timers.physicalAcknowledged()
      pe.current.timers.sync(host)
      continue
    }
    if (intid === PPI.hypPhysicalTimer) deadlineReached(core, pe)
    else if (intid === PPI.maintenance && pe.current !== undefined) {
      // The cause is in the list registers: taking them out of the hardware lowers the line.
      unloadGic(core, pe.current)
      pe.current.gic.changed = true
    } else if (intid === KICK) for (const vcpu of pe.queue) vcpu.kicked = false
    gic.deactivate(host, iar)
  }
}

function nameOf(intid: number): string {
  switch (intid) {
    case KICK: return 'kick'
    case PPI.virtualTimer: return 'virtual timer'
    case PPI.hypPhysicalTimer: return 'L0 timer'
    case PPI.maintenance: return 'maintenance'
    default: return `interrupt ${intid}`
  }
}
