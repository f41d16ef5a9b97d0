/** PSCI 1.0 for VMs (Arm DEN0022): HVC without EL2, SMC with it. vCPUs of a VM with EL2 start at EL2. */
import { nextInstruction, resume } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import type { Vcpu } from './vcpu.ts'
import type { Vm, VmEnd } from './vm.ts'

export interface PsciPower {
  turnOn(vcpu: Vcpu, entry: bigint, argument: bigint): void
  turnOff(vcpu: Vcpu): void
  end(vm: Vm, end: VmEnd): void
}

const ID = {
  VERSION: 0x8400_0000, CPU_SUSPEND: 0x8400_0001, CPU_OFF: 0x8400_0002, CPU_ON: 0x8400_0003, AFFINITY_INFO: 0x8400_0004, MIGRATE_INFO_TYPE: 0x8400_0006,
  SYSTEM_OFF: 0x8400_0008, SYSTEM_RESET: 0x8400_0009, FEATURES: 0x8400_000a, SMCCC_VERSION: 0x8000_0000,
} as const
const BIT64 = 0x4000_0000
const HAS_64_BIT_FORM = new Set<number>([ID.CPU_SUSPEND, ID.CPU_ON, ID.AFFINITY_INFO])
const KNOWN = new Set<number>(Object.values(ID))
const RESULT = { success: 0, notSupported: -1, invalidParameters: -2, alreadyOn: -4 } as const

const isKnown = (id: number): boolean => KNOWN.has(id) || ((id & BIT64) !== 0 && HAS_64_BIT_FORM.has((id & ~BIT64) >>> 0))

/** Whether X0 names a call of the SMC calling convention (anything else is a hypercall of another kind). */
export const isFirmwareCall = (id: number): boolean => (id & 0x8000_0000) !== 0

/** `conduit`: HVC returns behind itself, a trapped SMC must be stepped over. */
export function firmwareCall(vcpu: Vcpu, power: PsciPower, conduit: 'HVC' | 'SMC'): Outcome {
  const id = Number(vcpu.getX(0) & 0xffff_ffffn)
  const answer = (value: number, action: string): Outcome => {
    vcpu.setX(0, BigInt.asUintN(64, BigInt(value)))
    return conduit === 'SMC' ? nextInstruction(action) : resume(action)
  }
  if (!isKnown(id)) return answer(RESULT.notSupported, 'PSCI: not supported')
  const argument = (n: number): bigint => (id & BIT64) !== 0 ? vcpu.getX(n) : vcpu.getX(n) & 0xffff_ffffn
  const target = (): Vcpu | undefined => {
    const affinity = argument(1)
    return vcpu.vm.vcpus.find(each => BigInt(vcpu.vm.config.affinity(each.index)) === affinity)
  }
  switch ((id & ~BIT64) >>> 0) {
    case ID.VERSION: return answer(0x1_0000, 'PSCI VERSION')
    case ID.SMCCC_VERSION: return answer(0x1_0001, 'SMCCC VERSION')
    case ID.MIGRATE_INFO_TYPE: return answer(2, 'PSCI MIGRATE_INFO_TYPE')
    case ID.FEATURES: return answer(isKnown(Number(vcpu.getX(1) & 0xffff_ffffn)) ? RESULT.success : RESULT.notSupported, 'PSCI FEATURES')
    case ID.CPU_SUSPEND:
      vcpu.setX(0, 0n)
      return { kind: 'wait', advance: conduit === 'SMC', action: 'PSCI CPU_SUSPEND' }
    case ID.CPU_OFF:
      power.turnOff(vcpu)
      return { kind: 'stopped', action: 'PSCI CPU_OFF' }
    case ID.SYSTEM_OFF: case ID.SYSTEM_RESET:
      power.end(vcpu.vm, { kind: id === ID.SYSTEM_OFF ? 'off' : 'reset' })
      return { kind: 'stopped', action: id === ID.SYSTEM_OFF ? 'PSCI SYSTEM_OFF' : 'PSCI SYSTEM_RESET' }
    case ID.AFFINITY_INFO: {
      const other = target()
      if (other === undefined || vcpu.getX(2) !== 0n) return answer(RESULT.invalidParameters, 'PSCI AFFINITY_INFO')
      return answer(other.state === 'off' ? 1 : 0, 'PSCI AFFINITY_INFO')
    }
    case ID.CPU_ON: {
      const other = target()
      if (other === undefined) return answer(RESULT.invalidParameters, 'PSCI CPU_ON')
      if (other.state !== 'off') return answer(RESULT.alreadyOn, 'PSCI CPU_ON')
      power.turnOn(other, argument(2), argument(3))
      return answer(RESULT.success, 'PSCI CPU_ON')
    }
    default: return answer(RESULT.notSupported, 'PSCI: not supported')
  }
}
