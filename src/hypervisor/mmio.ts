/** Stage 2 aborts outside the VM's memory: device accesses, described by ISS when ISS.ISV is 1. */
import { parseDataAbort } from '../arch/esr.ts'
import { affectsGic, gicAccess } from './gic-frames.ts'
import type { Core } from './core.ts'
import type { Exit } from './exit.ts'
import { injectExternalAbort } from './inject.ts'
import { EMULATED, IGNORED } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import type { Vcpu } from './vcpu.ts'
import { WORK } from './work.ts'

/** `ipa` is a VM physical address (L1's, for a nested VM whose stage 2 maps it). */
export function emulateMmio(core: Core, vcpu: Vcpu, exit: Exit, ipa: number): Outcome {
  const abort = parseDataAbort(exit.iss), { host } = vcpu.pe
  host.charge(WORK.mmio)
  if (abort.cm === true) return IGNORED // cache maintenance of a device
  if (abort.s1ptw === true) return injectExternalAbort(vcpu, false, true, abort.write, exit.far)
  if (abort.isv === undefined) return injectExternalAbort(vcpu, false, false, abort.write, exit.far)
  const { sas, sse, srt, sf } = abort.isv
  const size = (1 << sas) as 1 | 2 | 4 | 8
  exit.direction = abort.write ? 'write' : 'read'
  const store = sas === 3 ? vcpu.getX(srt) : vcpu.getX(srt) & ((1n << BigInt(8 * size)) - 1n)
  const finish = (value: number): void => { if (!abort.write) vcpu.setX(srt, extend(value, size, sse, sf)) }

  const frame = affectsGic(vcpu, ipa)
  if (frame !== undefined) {
    exit.subject = frame.name
    host.charge(WORK.vgicMmio)
    const value = gicAccess(core, vcpu, frame, ipa - frame.base, size, abort.write, Number(BigInt.asUintN(53, store)))
    if (value === undefined) return injectExternalAbort(vcpu, false, false, abort.write, exit.far)
    finish(value)
    return EMULATED
  }
  return { kind: 'user', exit: { ipa, size, write: abort.write, value: Number(BigInt.asUintN(53, store)), finish } }
}

/** A loaded value as it ends in the register. */
function extend(value: number, size: 1 | 2 | 4 | 8, signed: boolean, wide: boolean): bigint {
  const bits = 8 * size, loaded = BigInt(value)
  const extended = signed ? BigInt.asUintN(64, BigInt.asIntN(bits, loaded)) : BigInt.asUintN(bits, loaded)
  return wide ? extended : BigInt.asUintN(32, extended)
}
