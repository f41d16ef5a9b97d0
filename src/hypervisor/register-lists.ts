/** The registers that a world switch moves, in the order of Linux 4.10's hyp/sysreg-sr.c. */
import { SLOT } from '../sysreg/index.ts'
import type { RegisterName } from '../sysreg/index.ts'
import type { RegisterList } from './host.ts'

const list = (name: string, registers: readonly RegisterName[]): RegisterList =>
  ({ name, moves: registers.map(register => ({ register: SLOT[register], slot: SLOT[register] })) })

/** __sysreg_save_common_state (ELR_EL2 and SPSR_EL2, the guest's PC and PSTATE, are read with the exit). */
export const COMMON_STATE = list('common state', ['ACTLR_EL1', 'TPIDR_EL0', 'TPIDRRO_EL0', 'TPIDR_EL1', 'SP_EL0', 'MDSCR_EL1'])

/** __sysreg_save_state. VMPIDR_EL2 is what the guest reads as MPIDR_EL1. */
export const EL1_STATE = list('EL1 state', [
  'VMPIDR_EL2', 'CSSELR_EL1', 'SCTLR_EL1', 'CPACR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'TCR_EL1', 'ESR_EL1', 'AFSR0_EL1', 'AFSR1_EL1', 'FAR_EL1', 'MAIR_EL1', 'VBAR_EL1',
  'CONTEXTIDR_EL1', 'AMAIR_EL1', 'CNTKCTL_EL1', 'PAR_EL1', 'SP_EL1', 'ELR_EL1', 'SPSR_EL1',
])

/** FEAT_PAuth keys: a vCPU's own, moved when another vCPU takes the PE. The host part has none. */
export const POINTER_KEYS = list('pointer authentication keys', [
  'APIAKeyLo_EL1', 'APIAKeyHi_EL1', 'APIBKeyLo_EL1', 'APIBKeyHi_EL1', 'APDAKeyLo_EL1', 'APDAKeyHi_EL1', 'APDBKeyLo_EL1', 'APDBKeyHi_EL1', 'APGAKeyLo_EL1', 'APGAKeyHi_EL1',
])

/**
 * Registers that vEL2 and what runs below it share: no copy of them belongs to one level, so they move along when the context
 * changes. TPIDR_EL1 is L1's to switch, as on hardware.
 */
export const SHARED_SLOTS: readonly number[] = [
  SLOT.CSSELR_EL1, SLOT.PAR_EL1, SLOT.TPIDR_EL0, SLOT.TPIDRRO_EL0, SLOT.TPIDR_EL1, SLOT.SP_EL0,
]
