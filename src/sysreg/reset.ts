/** Reset and identification values of one PE, real or virtual. Architecturally UNKNOWN reset values are chosen so that nothing traps. */
import type { Profile } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { CLIDR, COUNTER_FREQUENCY, CTR, MIDR, PMCEID0, PMCR, identificationValues, mpidrOf } from './identification.ts'
import { compiledFor } from './resolve.ts'
import { EVENT_COUNTERS } from './rows/pmu.ts'
import { ROWS, SLOT, SLOTS } from './table.ts'

export interface ResetOptions {
  readonly pe: number
  readonly gicVersion: GicVersion
  /** EL2 is implemented, or offered to this virtual machine; default true. */
  readonly el2?: boolean
  /** Instead of the affinity that follows from `pe`. */
  readonly mpidr?: bigint
  readonly midr?: bigint
}

/** Fills `file` (a new one by default) with the values after a cold reset. */
export function resetValues(profile: Pick<Profile, 'features'>, options: ResetOptions, file: RegisterFile = createRegisterFile(SLOTS)): RegisterFile {
  const { features } = profile, { pe, gicVersion, el2 = true } = options
  const { masks } = compiledFor(features, gicVersion)
  const registers = file.u64
  registers.fill(0n)
  for (const row of ROWS) if (row.slot >= 0 && row.aliasOf === undefined && row.viewOf === undefined) registers[row.slot] = row.reset | masks[row.index]!.res1

  const midr = options.midr ?? MIDR, mpidr = options.mpidr ?? mpidrOf(pe, gicVersion)
  registers[SLOT.MIDR_EL1] = midr
  registers[SLOT.MPIDR_EL1] = mpidr
  registers[SLOT.VPIDR_EL2] = midr
  registers[SLOT.VMPIDR_EL2] = mpidr
  for (const [name, value] of Object.entries(identificationValues({ features, gicVersion, el2 }))) registers[SLOT[name as keyof typeof SLOT]] = value
  registers[SLOT.CTR_EL0] = CTR
  registers[SLOT.CLIDR_EL1] = CLIDR
  registers[SLOT.CNTFRQ_EL0] = BigInt(COUNTER_FREQUENCY)
  registers[SLOT.PMCR_EL0] = PMCR
  registers[SLOT.PMCEID0_EL0] = PMCEID0
  registers[SLOT.MDCR_EL2] = BigInt(EVENT_COUNTERS)
  // All event counters belong to EL1; the RES1 bits of the layout with E2H=0 are set and TFP is not.
  registers[SLOT.CPTR_EL2] = 0x33ffn
  registers[SLOT.SCTLR_EL2] = registers[SLOT.SCTLR_EL2]! | 0x30c5_0830n
  return file
}
