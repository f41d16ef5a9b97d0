/**
 * Features that no profile of this machine has, but whose registers are known by name: an access is UNDEFINED, as on hardware
 * without the feature, and the message can say what is missing (design D11).
 */
export const ABSENT_FEATURES = [
  'FEAT_AA32EL1', 'FEAT_AIE', 'FEAT_AMUv1', 'FEAT_ATS1A', 'FEAT_BRBE', 'FEAT_CLRBHB', 'FEAT_CSV2_2', 'FEAT_D128', 'FEAT_DIT', 'FEAT_DPB2', 'FEAT_EL3', 'FEAT_ETE',
  'FEAT_ExS', 'FEAT_FGT2', 'FEAT_FPMR', 'FEAT_GCS', 'FEAT_GICv3_NMI', 'FEAT_GCIE', 'FEAT_HCX', 'FEAT_HPDS', 'FEAT_IESB', 'FEAT_LOR',
  'FEAT_LS64_ACCDATA', 'FEAT_LSMAOC', 'FEAT_MEC', 'FEAT_MPAM', 'FEAT_MTE', 'FEAT_MTE2', 'FEAT_NMI', 'FEAT_NV3', 'FEAT_PAN3', 'FEAT_PMUv3p4', 'FEAT_PMUv3p9', 'FEAT_RAS', 'FEAT_RASv1p1',
  'FEAT_RME', 'FEAT_RNG', 'FEAT_S1PIE', 'FEAT_S1POE', 'FEAT_S2PIE', 'FEAT_S2POE', 'FEAT_SCTLR2', 'FEAT_SEL2', 'FEAT_SME', 'FEAT_SPE', 'FEAT_SPEv1p2', 'FEAT_SPE_FDS', 'FEAT_SPECRES', 'FEAT_SPECRES2',
  'FEAT_SPMU', 'FEAT_SSBS', 'FEAT_SVE', 'FEAT_SYSREG128', 'FEAT_TCR2', 'FEAT_THE', 'FEAT_ThumbEE', 'FEAT_TRBE', 'FEAT_TRF', 'FEAT_TTCNP', 'FEAT_TWED', 'FEAT_WFxT', 'FEAT_XS',
  'FEAT_XNX', 'FEAT_PFAR', 'FEAT_ITE', 'FEAT_SRMASK', 'FEAT_EBEP', 'FEAT_Debugv8p9', 'FEAT_BTI', 'FEAT_MTE3', 'FEAT_E2H0', 'FEAT_HPMN0', 'FEAT_STEP2', 'FEAT_SEBEP', 'FEAT_MOPS',
  'FEAT_RASv2', 'FEAT_PMUv3_ICNTR', 'FEAT_PMUv3_SS', 'NUM_BRPS', 'NUM_WRPS', 'NUM_PREBITS',
] as const
/**
 * `NUM_BRPS` and `NUM_WRPS` stand for breakpoint and watchpoint registers beyond the implemented number, `NUM_PREBITS` for the active
 * priorities registers of more than 5 preemption bits.
 */
export type AbsentFeature = (typeof ABSENT_FEATURES)[number]
