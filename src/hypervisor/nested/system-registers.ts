/**
 * Trapped accesses of the guest hypervisor at virtual EL2. What a name means there is asked of `resolve` as if at EL2, with the virtual
 * controls: EL1 names of a VHE L1, `_EL12`, UNDEFINED. Then the access is performed where the register lives.
 */
import { syndrome } from '../../arch/esr.ts'
import { resolve, sanitise, SLOT } from '../../sysreg/index.ts'
import type { Row } from '../../sysreg/index.ts'
import type { Core } from '../core.ts'
import { debugWritten } from '../debug-registers.ts'
import type { Exit } from '../exit.ts'
import { injectExternalAbort, injectHere, injectUndefined } from '../inject.ts'
import { EMULATED, IGNORED, nextInstruction } from '../outcome.ts'
import type { Outcome } from '../outcome.ts'
import { readClaim, writeClaim, writeOsLock } from '../os-lock.ts'
import { HCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import { sendVirtualSgi, unloadGic } from '../vgic.ts'
import { timerRegister } from '../vtimer.ts'
import { WORK } from '../work.ts'
import { emulateAt } from './at.ts'
import { reconsiderE2H, remap } from './context.ts'
import { emulateTlbi } from './tlbi.ts'
import { exchangeSpsr, fromEL1, homeOf, placeOf } from './virtual-el2.ts'
import { SHARED_SLOTS } from '../register-lists.ts'

const SHARED = new Set(SHARED_SLOTS)
const SGI = new Set<number>([SLOT.ICC_SGI1R_EL1, SLOT.ICC_ASGI1R_EL1, SLOT.ICC_SGI0R_EL1])
const COMPUTED = new Set<number>([SLOT.ICH_MISR_EL2, SLOT.ICH_EISR_EL2, SLOT.ICH_ELRSR_EL2])

export function emulateAtVirtualEL2(core: Core, vcpu: Vcpu, exit: Exit, row: Row | undefined, read: boolean, Rt: number): Outcome {
  const nested = vcpu.nested!
  // A page lets L1 change E2H unseen. The access may have trapped only because the machine still runs the other mode: try again.
  if (nested.pageLive) {
    if (reconsiderE2H(core, vcpu)) return { kind: 'resume', action: 'E2H has changed' }
    // `resolve` reads the virtual file; while the page is live its HCR_EL2 is the truth.
    vcpu.virtual.u64[SLOT.HCR_EL2] = nested.e2h ? nested.get(SLOT.HCR_EL2) | HCR.E2H : nested.get(SLOT.HCR_EL2)
  }
  const resolution = resolve(row, read ? 'read' : 'write', vcpu.el, vcpu.controls)
  if (resolution.kind === 'trap') return injectHere(vcpu, syndrome.systemRegister(row!.key, Rt, read), `inject to vEL2: ${resolution.rule}`)
  if (resolution.kind !== 'register') return injectUndefined(vcpu, resolution.rule)
  const target = resolution.row
  if (target.kind === 'instruction') return emulateInstruction(core, vcpu, exit, target, vcpu.getX(Rt))
  if (read) {
    vcpu.setX(Rt, readVirtual(vcpu, target))
    return EMULATED
  }
  return writeVirtual(core, vcpu, target, vcpu.getX(Rt))
}

function readVirtual(vcpu: Vcpu, row: Row): bigint {
  const nested = vcpu.nested!, { host } = vcpu.pe, { slot } = row
  const home = homeOf(slot)
  if (home !== undefined && placeOf(home, nested) === 'as is') {
    return fromEL1(home, nested, nested.get(slot), vcpu.readEL1(home.el1))
  }
  if (SHARED.has(slot)) return vcpu.readEL1(slot)
  if (timerRegister(slot) !== undefined) return vcpu.timers.read(host, slot)
  if (COMPUTED.has(slot)) return nested.gic.readComputed(slot)
  if (slot === SLOT.ICH_VTR_EL2) return BigInt(nested.gic.vtr >>> 0)
  if (slot === SLOT.CNTPCT_EL0 || slot === SLOT.CNTPCTSS_EL0) return host.counter()
  if (slot === SLOT.PMCCNTR_EL0) return host.counter() << 4n
  return slot < 0 ? 0n : readClaim(vcpu, slot) ?? nested.get(slot)
}

function writeVirtual(core: Core, vcpu: Vcpu, row: Row, written: bigint): Outcome {
  const nested = vcpu.nested!, { host } = vcpu.pe, { slot } = row
  if (slot < 0) return IGNORED
  if (SGI.has(slot)) {
    unloadGic(core, vcpu)
    sendVirtualSgi(vcpu, written)
    host.charge(WORK.injectSgi)
    return nextInstruction('virtual SGI')
  }
  if (timerRegister(slot) !== undefined) {
    vcpu.timers.write(host, slot, written)
    return EMULATED
  }
  if (slot === SLOT.OSLAR_EL1) {
    writeOsLock(vcpu, written)
    return EMULATED
  }
  if (writeClaim(vcpu, slot, written)) return EMULATED
  let value = sanitise(row, written, vcpu.controls, vcpu.virtual.u64[slot])
  if (slot === SLOT.HCR_EL2 && vcpu.vm.config.el2 === 'vhe') value |= HCR.E2H
  const home = homeOf(slot)
  if (home !== undefined) {
    const place = placeOf(home, nested)
    // The file (and a cached copy in the page) has the value L1 wrote; the machine's register what it means at EL1.
    nested.set(slot, value)
    if (place === 'as is') vcpu.writeEL1(home.el1, slot === SLOT.SPSR_EL2 ? exchangeSpsr(value, nested) : value)
    else if (place !== 'none') vcpu.writeEL1(home.el1, place(value))
    return EMULATED
  }
  if (SHARED.has(slot)) {
    vcpu.writeEL1(slot, value)
    return EMULATED
  }
  nested.set(slot, value)
  debugWritten(vcpu, slot)
  switch (slot) {
    case SLOT.HCR_EL2:
      if (!nested.settled) {
        // L1 has chosen E2H: from here on the page can be used.
        remap(core, vcpu, () => {
          nested.settled = true
          nested.e2h = nested.virtualE2H
        })
      } else reconsiderE2H(core, vcpu)
      break
    case SLOT.CNTVOFF_EL2:
      vcpu.timers.changed()
      if (vcpu.loaded) host.msr(SLOT.CNTVOFF_EL2, vcpu.timers.hardwareOffset())
      vcpu.timers.sync(host)
      break
    case SLOT.CNTKCTL_EL1:
      if (!nested.e2h) vcpu.writeEL1(slot, value)
      break
    default:
      if (row.name.startsWith('ICH_')) nested.gic.registersWritten()
  }
  return EMULATED
}

function emulateInstruction(core: Core, vcpu: Vcpu, exit: Exit, row: Row, argument: bigint): Outcome {
  if (row.name.startsWith('TLBI ')) return nextInstruction(emulateTlbi(core, vcpu, row, argument))
  if (row.name.startsWith('AT ')) {
    const par = emulateAt(core, vcpu, row, argument)
    if (par === undefined) return injectExternalAbort(vcpu, false, true, true, argument)
    vcpu.writeEL1(SLOT.PAR_EL1, par)
    vcpu.virtual.u64[SLOT.PAR_EL1] = par
    return nextInstruction('AT in software')
  }
  exit.direction = null
  return IGNORED
}
