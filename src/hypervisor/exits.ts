/**
 * Exit handlers: a total table by exception class. A handler looks and decides; it changes nothing but the registers of the access it
 * emulates. Exits that belong to L1 do not come here (`nested/owner.ts`).
 */
import { EC } from '../arch/esr.ts'
import type { ExceptionClass } from '../arch/esr.ts'
import type { Core } from './core.ts'
import type { Exit } from './exit.ts'
import { injectExternalAbort, injectUndefined } from './inject.ts'
import { emulateMmio } from './mmio.ts'
import { nextInstruction, resume } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { firmwareCall, isFirmwareCall } from './psci.ts'
import type { PsciPower } from './psci.ts'
import { mapGuestPage } from './guest-faults.ts'
import { fillShadow } from './nested/shadow-stage2.ts'
import { vncrAbort } from './nested/vncr.ts'
import { SLOT } from '../sysreg/index.ts'
import { HCR } from './traps.ts'
import { systemRegister } from './system-registers.ts'
import type { Vcpu } from './vcpu.ts'
import { WORK } from './work.ts'

export interface ExitContext extends Core { readonly power: PsciPower }
type ExitHandler = (core: ExitContext, vcpu: Vcpu, exit: Exit) => Outcome

/** ISS of a data abort: the access was a write. */
const WNR = 1 << 6

const unexpected: ExitHandler = (_core, vcpu, exit) => injectUndefined(vcpu, `no handler for exception class 0x${exit.ec.toString(16)}`)

const waitForInterrupt: ExitHandler = (_core, _vcpu, exit) => {
  const wfe = (exit.iss & 1) !== 0
  exit.subject = wfe ? 'WFE' : 'WFI'
  return wfe ? nextInstruction('yield') : { kind: 'wait', advance: true, action: 'wait' }
}

/** From a VM without EL2 (others go to L1, or come from virtual EL2 itself and stay there). */
const hypercall: ExitHandler = (core, vcpu, exit) => {
  exit.subject = 'HVC'
  if (vcpu.context.kind === 'vEL2') {
    if ((vcpu.nested!.get(SLOT.HCR_EL2) & HCR.HCD) !== 0n) {
      // An UNDEFINED instruction is where its exception returns to.
      vcpu.pc -= 4n
      return injectUndefined(vcpu, 'HCR_EL2.HCD is 1')
    }
    return { kind: 'inject', to: 'vEL2', type: 'sync', syndrome: exit.syndrome, action: 'inject to vEL2' }
  }
  vcpu.pe.host.charge(WORK.hypercall)
  if (isFirmwareCall(Number(vcpu.getX(0) & 0xffff_ffffn))) return firmwareCall(vcpu, core.power, 'HVC')
  // Any other call does nothing and says so: the paper's hypercall benchmark. HVC returns behind itself.
  vcpu.setX(0, 0xffff_ffff_ffff_ffffn)
  return resume('hypercall')
}

/** PSCI of a VM with EL2, from virtual EL2 or from L1's kernel; UNDEFINED in a VM without EL2 (no EL3, as 4.10 has it). */
const secureMonitorCall: ExitHandler = (core, vcpu, exit) => {
  exit.subject = 'SMC'
  if (!vcpu.vm.hasEL2) return injectUndefined(vcpu, 'SMC')
  return firmwareCall(vcpu, core.power, 'SMC')
}

const exceptionReturn: ExitHandler = (_core, vcpu, exit) => {
  exit.subject = 'ERET'
  return vcpu.context.kind === 'vEL2' ? { kind: 'nestedReturn', form: exit.iss & 3 } : injectUndefined(vcpu, 'ERET')
}

const abort = (fetch: boolean): ExitHandler => (core, vcpu, exit) => {
  exit.subject = 'stage 2 abort'
  const { vm, context } = vcpu
  // For L2 the walk of L1's tables has succeeded (`ownerOf`): its result is an address of L1.
  const ipa = context.kind === 'L2' ? vcpu.nested!.walk.pa : exit.ipa
  const slot = vm.memory.slotAt(ipa)
  // Nothing to execute there; frames of the machine's GIC are mapped without execute permission.
  if (fetch && slot?.kind !== 'ram') return injectExternalAbort(vcpu, true, (exit.iss & 0x80) !== 0, false, exit.far)
  if (slot === undefined) return emulateMmio(core, vcpu, exit, ipa)
  if (context.kind === 'L2') {
    if (!fetch && (exit.iss & WNR) !== 0) vm.codePages?.written(vcpu.pe.host, ipa)
    if (!fillShadow(core, vcpu, context.shadow, exit.ipa, slot)) return injectExternalAbort(vcpu, fetch, false, false, exit.far)
    return resume('shadow stage 2 fill')
  }
  return mapGuestPage(core, vcpu, exit, ipa, slot, fetch)
}

/** From the guest's point of view the instruction has done what it would have done without L0. */
const unalignedOrIllegal: ExitHandler = (_core, vcpu, exit) =>
  ({ kind: 'inject', to: vcpu.context.kind === 'vEL2' ? 'vEL2' : 'vEL1', type: 'sync', syndrome: exit.syndrome, addresses: { far: exit.far }, action: 'inject' })

/** L0 steps virtual EL2 alone (`nested/one-step.ts`), and has ended the step already. */
const stepped: ExitHandler = (core, vcpu, exit) => {
  if (vcpu.vm.codePages === undefined) return unexpected(core, vcpu, exit)
  exit.subject = 'step'
  return resume('over a write to its own page')
}

export const HANDLERS: Readonly<Record<ExceptionClass, ExitHandler>> = {
  [EC.Unknown]: (_core, vcpu) => injectUndefined(vcpu, 'instruction'),
  [EC.WFx]: waitForInterrupt,
  // L0's lazy FP is handled before (`giveFp`): what arrives here is nobody's.
  [EC.FPAdvSIMD]: unexpected,
  [EC.PAuth]: unexpected,
  [EC.IllegalState]: unalignedOrIllegal,
  [EC.SVC64]: unalignedOrIllegal,
  [EC.HVC64]: hypercall,
  [EC.SMC64]: secureMonitorCall,
  [EC.SystemRegister]: systemRegister,
  [EC.ERET]: exceptionReturn,
  [EC.PACFail]: unalignedOrIllegal,
  [EC.InstructionAbortLower]: abort(true),
  [EC.InstructionAbortSame]: unexpected,
  [EC.PCAlignment]: unalignedOrIllegal,
  [EC.DataAbortLower]: abort(false),
  // Only VNCR_EL2 accesses abort like this. L0's own pages are always there: it is the page of an L1 that nests.
  [EC.DataAbortSame]: (core, vcpu, exit) => vncrAbort(vcpu, exit) ?? unexpected(core, vcpu, exit),
  [EC.SPAlignment]: unalignedOrIllegal,
  [EC.FPException]: unalignedOrIllegal,
  [EC.SError]: unexpected,
  [EC.BreakpointLower]: unexpected,
  [EC.BreakpointSame]: unexpected,
  [EC.SoftwareStepLower]: stepped,
  [EC.SoftwareStepSame]: unexpected,
  [EC.WatchpointLower]: unexpected,
  [EC.WatchpointSame]: unexpected,
  [EC.BRK64]: unalignedOrIllegal,
}

export function handleExit(core: ExitContext, vcpu: Vcpu, exit: Exit): Outcome {
  return (HANDLERS[exit.ec as ExceptionClass] ?? unexpected)(core, vcpu, exit)
}
