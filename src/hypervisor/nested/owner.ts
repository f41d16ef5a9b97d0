/**
 * Whose exit is it? Asked once, before any handler runs, for exits from below virtual EL2: L1 owns what L1's own control registers
 * would have trapped on a real machine, or what its stage 2 does not translate. The answer comes from the same pure decisions that the
 * PE uses (`sysreg/`), asked with L1's virtual registers.
 */
import { EC, parseSystemRegister } from '../../arch/esr.ts'
import type { EL } from '../../arch/el.ts'
import { brkTarget, eretTrap, fpTrap, pauthTrap, resolve, rowByKey, SLOT, smcTrap, svcTarget, wfxTrap } from '../../sysreg/index.ts'
import type { Controls, Resolution } from '../../sysreg/index.ts'
import type { Exit } from '../exit.ts'
import { HCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import { accessOf, walkL1 } from './shadow-stage2.ts'

export type Owner = 'L0' | 'L1'

const trapsToEL2 = (resolution: Resolution | undefined): Owner => resolution?.kind === 'trap' && resolution.to === 2 ? 'L1' : 'L0'

type Rule = (exit: Exit, el: EL, controls: Controls, vcpu: Vcpu) => Owner

/** By exception class; a class without a rule is L0's. */
const RULES: Readonly<Partial<Record<number, Rule>>> = {
  [EC.WFx]: (exit, el, controls) => trapsToEL2(wfxTrap((exit.iss & 1) === 0 ? 'WFI' : 'WFE', el, controls)),
  [EC.FPAdvSIMD]: (_, el, controls, vcpu) => {
    vcpu.refreshControls()
    return trapsToEL2(fpTrap(el, controls))
  },
  [EC.PAuth]: (_, el, controls) => trapsToEL2(pauthTrap(el, controls)),
  [EC.SVC64]: (_, el, controls) => trapsToEL2(svcTarget(el, controls)),
  // HVC from below virtual EL2 always goes there; HCR_EL2.HCD of L1 is in the machine's HCR_EL2.
  [EC.HVC64]: () => 'L1',
  [EC.SMC64]: (_, el, controls) => trapsToEL2(smcTrap(el, controls)),
  [EC.SystemRegister]: (exit, el, controls, vcpu) => {
    if (el === 0) vcpu.refreshControls()
    const { key, read } = parseSystemRegister(exit.iss)
    return trapsToEL2(resolve(rowByKey(key), read ? 'read' : 'write', el, controls))
  },
  [EC.ERET]: (_, el, controls) => trapsToEL2(eretTrap(el, controls)),
  [EC.BRK64]: (_, el, controls) => trapsToEL2(brkTarget(el, controls)),
  [EC.BreakpointLower]: (_, el, controls) => trapsToEL2(brkTarget(el, controls)),
  [EC.SoftwareStepLower]: (_, el, controls) => trapsToEL2(brkTarget(el, controls)),
  [EC.WatchpointLower]: (_, el, controls) => trapsToEL2(brkTarget(el, controls)),
  [EC.InstructionAbortLower]: (exit, _el, _controls, vcpu) => ownerOfAbort(exit, vcpu, true),
  [EC.DataAbortLower]: (exit, _el, _controls, vcpu) => ownerOfAbort(exit, vcpu, false),
}

/** A stage 2 abort is L1's if L1's own tables refuse the access; the walk stays in `vcpu.nested.walk` for whoever handles the abort. */
function ownerOfAbort(exit: Exit, vcpu: Vcpu, fetch: boolean): Owner {
  if (vcpu.context.kind !== 'L2') return 'L0'
  return walkL1(vcpu, vcpu.context.shadow, exit.ipa, accessOf(exit, fetch)) ? 'L0' : 'L1'
}

export function ownerOf(vcpu: Vcpu, exit: Exit): Owner {
  if (!vcpu.isNested || exit.kind !== 'sync') return 'L0'
  const { el } = vcpu
  // What has no rule is for EL1, or for EL2 from EL0 with HCR_EL2.TGE.
  return RULES[exit.ec]?.(exit, el, vcpu.controls, vcpu) ?? (el === 0 && (vcpu.nested!.get(SLOT.HCR_EL2) & HCR.TGE) !== 0n ? 'L1' : 'L0')
}

