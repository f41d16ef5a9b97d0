/** Trapped system register accesses and instructions of a VM at EL0 and EL1 (also below virtual EL2, where L1 did not ask for the trap). */
import { parseSystemRegister, syndrome } from '../arch/esr.ts'
import { resolve, rowByKey, sanitise, SLOT } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { Core } from './core.ts'
import { debugWritten } from './debug-registers.ts'
import type { Exit } from './exit.ts'
import { injectHere, injectUndefined } from './inject.ts'
import { EMULATED, IGNORED, nextInstruction } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { readClaim, writeClaim, writeOsLock } from './os-lock.ts'
import { COMMON_STATE, EL1_STATE } from './register-lists.ts'
import type { Vcpu } from './vcpu.ts'
import { sendVirtualSgi, unloadGic } from './vgic.ts'
import { timerRegister } from './vtimer.ts'
import { emulateAtVirtualEL2 } from './nested/system-registers.ts'
import { WORK } from './work.ts'

const SWITCHED = new Set([...EL1_STATE.moves, ...COMMON_STATE.moves].map(({ slot }) => slot))
const SGI = new Set<number>([SLOT.ICC_SGI1R_EL1, SLOT.ICC_ASGI1R_EL1, SLOT.ICC_SGI0R_EL1])

export function systemRegister(core: Core, vcpu: Vcpu, exit: Exit): Outcome {
  const { key, Rt, read } = parseSystemRegister(exit.iss), row = rowByKey(key), { host } = vcpu.pe
  exit.subject = row?.name ?? `encoding 0x${key.toString(16)}`
  exit.direction = row?.kind === 'instruction' ? null : read ? 'read' : 'write'
  host.charge(WORK.systemRegister)
  if (vcpu.context.kind === 'vEL2') return emulateAtVirtualEL2(core, vcpu, exit, row, read, Rt)
  if (vcpu.el === 0) vcpu.refreshControls()

  const resolution = resolve(row, read ? 'read' : 'write', vcpu.el, vcpu.controls)
  if (resolution.kind === 'trap' && resolution.to === 1) return injectHere(vcpu, syndrome.systemRegister(key, Rt, read), `inject to vEL1: ${resolution.rule}`)
  if (resolution.kind !== 'register') return injectUndefined(vcpu, resolution.rule)
  const target = resolution.row
  if (target.kind === 'instruction') return IGNORED // cache maintenance by set and way; TLBI and AT are not trapped by L0
  if (SGI.has(target.slot)) {
    unloadGic(core, vcpu)
    sendVirtualSgi(vcpu, vcpu.getX(Rt))
    host.charge(WORK.injectSgi)
    return nextInstruction('virtual SGI')
  }
  if (read) vcpu.setX(Rt, readRegister(vcpu, target))
  else writeRegister(vcpu, target, vcpu.getX(Rt))
  return EMULATED
}

function readRegister(vcpu: Vcpu, row: Row): bigint {
  const { host } = vcpu.pe, { slot } = row
  if (timerRegister(slot) !== undefined) return vcpu.timers.read(host, slot)
  if (slot === SLOT.CNTPCT_EL0 || slot === SLOT.CNTPCTSS_EL0) return host.counter()
  // The PMU of a VM counts cycles and nothing else.
  if (slot === SLOT.PMCCNTR_EL0) return host.counter() << 4n
  return SWITCHED.has(slot) ? vcpu.readEL1(slot) : readClaim(vcpu, slot) ?? vcpu.virtual.u64[slot] ?? 0n
}

function writeRegister(vcpu: Vcpu, row: Row, value: bigint): void {
  const { slot } = row
  if (timerRegister(slot) !== undefined) vcpu.timers.write(vcpu.pe.host, slot, value)
  else if (slot === SLOT.OSLAR_EL1) writeOsLock(vcpu, value)
  else if (SWITCHED.has(slot)) vcpu.writeEL1(slot, value)
  else if (slot >= 0 && !writeClaim(vcpu, slot, value)) {
    vcpu.virtual.u64[slot] = sanitise(row, value, vcpu.controls, vcpu.virtual.u64[slot])
    debugWritten(vcpu, slot)
  }
}
