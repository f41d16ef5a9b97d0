/**
 * PSCI 1.0 and the SMCCC calls that go with it (Arm DEN0022, DEN0028): the machine's firmware, as there is no EL3 (design D10).
 * The decision is separate from its effects: `PowerControl` is what the machine lends.
 */

/** Function identifiers; the 64-bit form has bit 30 set. */
export const PSCI = {
  VERSION: 0x8400_0000, CPU_SUSPEND: 0x8400_0001, CPU_OFF: 0x8400_0002, CPU_ON: 0x8400_0003, AFFINITY_INFO: 0x8400_0004,
  MIGRATE_INFO_TYPE: 0x8400_0006, SYSTEM_OFF: 0x8400_0008, SYSTEM_RESET: 0x8400_0009, FEATURES: 0x8400_000a,
  SMCCC_VERSION: 0x8000_0000, SMCCC_ARCH_FEATURES: 0x8000_0001,
} as const
const BIT64 = 0x4000_0000

const SUCCESS = 0, NOT_SUPPORTED = -1, INVALID_PARAMETERS = -2, ALREADY_ON = -4, ON_PENDING = -5, INVALID_ADDRESS = -9

export type PowerState = 'on' | 'off' | 'on-pending'

export interface PowerControl {
  /** The PE with this MPIDR affinity (Aff3:Aff2:Aff1:Aff0 in their MPIDR_EL1 places), or undefined. */
  peWithAffinity(affinity: bigint): number | undefined
  powerState(pe: number): PowerState
  /** Starts `pe` at `entry` in the boot EL with X0 = context. */
  turnOn(pe: number, entry: bigint, context: bigint): void
  turnOff(pe: number): void
  /** WFI-like standby of the calling PE. */
  standby(pe: number): void
  systemOff(): void
  systemReset(): void
  isExecutable(entry: bigint): boolean
}

/** What the caller gets in X0; undefined when the call does not return. */
export type FirmwareResult = { readonly kind: 'value', readonly x0: bigint } | { readonly kind: 'gone' } | { readonly kind: 'unknown' }

const value = (n: number): FirmwareResult => ({ kind: 'value', x0: BigInt.asUintN(64, BigInt(n)) })
const GONE: FirmwareResult = { kind: 'gone' }
const UNKNOWN: FirmwareResult = { kind: 'unknown' }

/** Identifiers that exist, with whether there is a 64-bit form. */
const KNOWN: ReadonlyMap<number, boolean> = new Map([
  [PSCI.VERSION, false], [PSCI.CPU_SUSPEND, true], [PSCI.CPU_OFF, false], [PSCI.CPU_ON, true], [PSCI.AFFINITY_INFO, true],
  [PSCI.MIGRATE_INFO_TYPE, false], [PSCI.SYSTEM_OFF, false], [PSCI.SYSTEM_RESET, false], [PSCI.FEATURES, false], [PSCI.SMCCC_VERSION, false],
])

const isImplemented = (id: number): boolean => {
  const has64 = KNOWN.get((id & ~BIT64) >>> 0)
  return has64 !== undefined && ((id & BIT64) === 0 || has64)
}

/** Performs the call `x0` of `pe` with arguments `x1..x3`. `unknown`: not a call of ours (the caller gets NOT_SUPPORTED). */
export function firmwareCall(pe: number, x0: bigint, x1: bigint, x2: bigint, x3: bigint, power: PowerControl): FirmwareResult {
  const id = Number(x0 & 0xffff_ffffn)
  if (!isImplemented(id)) {
    // SMCCC: unknown identifiers of fast calls return -1; anything else is not a call.
    return id === PSCI.SMCCC_ARCH_FEATURES || (id & 0x8000_0000) !== 0 ? value(NOT_SUPPORTED) : UNKNOWN
  }
  const wide = (id & BIT64) !== 0
  const argument = (x: bigint): bigint => wide ? x : x & 0xffff_ffffn
  switch ((id & ~BIT64) >>> 0) {
    case PSCI.VERSION: return value(0x1_0000)
    case PSCI.SMCCC_VERSION: return value(0x1_0001)
    case PSCI.MIGRATE_INFO_TYPE: return value(2)
    case PSCI.FEATURES: return value(isImplemented(Number(x1 & 0xffff_ffffn)) ? SUCCESS : NOT_SUPPORTED)
    case PSCI.CPU_SUSPEND: power.standby(pe); return value(SUCCESS)
    case PSCI.CPU_OFF: power.turnOff(pe); return GONE
    case PSCI.SYSTEM_OFF: power.systemOff(); return GONE
    case PSCI.SYSTEM_RESET: power.systemReset(); return GONE
    case PSCI.AFFINITY_INFO: {
      const target = power.peWithAffinity(argument(x1) & 0xff_00ff_ffffn)
      if (target === undefined || x2 !== 0n) return value(INVALID_PARAMETERS)
      const state = power.powerState(target)
      return value(state === 'on' ? 0 : state === 'off' ? 1 : 2)
    }
    case PSCI.CPU_ON: {
      const target = power.peWithAffinity(argument(x1))
      if (target === undefined) return value(INVALID_PARAMETERS)
      if (!power.isExecutable(argument(x2))) return value(INVALID_ADDRESS)
      const state = power.powerState(target)
      if (state !== 'off') return value(state === 'on' ? ALREADY_ON : ON_PENDING)
      power.turnOn(target, argument(x2), argument(x3))
      return value(SUCCESS)
    }
  }
  return UNKNOWN
}
