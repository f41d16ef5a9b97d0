/** Address translation instructions: which regime, and PAR_EL1 (Arm ARM C5.4 and D24.2 "PAR_EL1"). */
import type { RegimeKind, Stage1, Stage2 } from './regime.ts'
import type { DescriptorMemory, Translation } from './translation.ts'

export interface AtOperation {
  readonly name: string
  /** S1: stage 1 only; S12: both. */
  readonly stages: 1 | 12
  /** The EL in the name: whose permissions are checked. */
  readonly el: 0 | 1 | 2
  readonly write: boolean
  /** The P forms honour PSTATE.PAN (FEAT_PAN2). */
  readonly pan: boolean
}

/** By mnemonic: 'S1E1R' ... (the row name in `sysreg/` is `AT S1E1R`; both are accepted). */
export declare function atOperation(name: string): AtOperation | undefined

/** The regime an AT instruction uses: HCR_EL2.{E2H,TGE} = {1,1} sends the EL0 and EL1 forms to EL2&0. */
export declare function atRegime(operation: AtOperation, e2h: boolean, tge: boolean): RegimeKind

/**
 * Performs the translation and forms PAR_EL1. `stage2` is the stage 2 in force for the regime or undefined; for a stages-1 operation
 * it translates table accesses only. Undefined: not reported in PAR_EL1; a Data Abort described by `out` is taken (External abort
 * on a walk; or, for an instruction executed at EL1, a stage 2 fault on a stage 1 walk): then ISS.CM = 1 and WnR = 1.
 */
export declare function performAt(operation: AtOperation, stage1: Stage1, stage2: Stage2 | undefined, va: bigint, pan: boolean, executedAt: 1 | 2, memory: DescriptorMemory, out: Translation): bigint | undefined

/** PAR_EL1 for a finished translation. `success` is what translate() returned. */
export declare function parFromTranslation(success: boolean, out: Translation): bigint
