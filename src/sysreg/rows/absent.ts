/**
 * Registers of features that no profile of this machine has. Accesses are UNDEFINED, as on hardware without the feature; the rows
 * give them names (design D11) and, where the feature could be added, their VNCR_EL2 offsets and traps.
 */
import { instruction, numbered, register } from '../row.ts'
import type { RowOptions } from '../row.ts'
import type { AbsentFeature } from '../features.ts'
import { HCR, MDCR, debugFgt, fgt } from '../trap-rules.ts'

const RO = { access: 'RO' } as const
const needs = <const F extends AbsentFeature>(feature: F, more: RowOptions = {}): RowOptions => ({ feature, ...more })
/** An EL1 register with EL2 counterpart and page slot. */
const both = (feature: AbsentFeature, offset: number, vhe: string, more: RowOptions = {}) => ({ feature, vhe, vncr: { offset, when: 'NV1=1' }, ...more }) as const
const page = (feature: AbsentFeature, offset: number, more: RowOptions = {}): RowOptions => ({ feature, vncr: { offset, when: 'always' }, ...more })
const VM = [HCR.TVM, HCR.TRVM]
const ras = (field: string, more: RowOptions = {}): RowOptions => needs('FEAT_RAS', { traps: [HCR.TERR, ...fgt(field, more.access === 'RO' ? 'R' : 'RW')], ...more })
const rasInjection = (field: string, more: RowOptions = {}): RowOptions => needs('FEAT_RASv1p1', { traps: [HCR.FIEN, ...fgt(field, more.access === 'RO' ? 'R' : 'RW')], ...more })
const lor = (field: string, more: RowOptions = {}): RowOptions => needs('FEAT_LOR', { traps: [HCR.TLOR, ...fgt(field, more.access === 'RO' ? 'R' : 'RW')], ...more })
const spe = (field: string, more: RowOptions = {}): RowOptions => needs('FEAT_SPE', { traps: [MDCR.TPMS, ...debugFgt(field)], ...more })
const trbe = needs('FEAT_TRBE')
const amu = needs('FEAT_AMUv1'), gcie = needs('FEAT_GCIE')

export const ABSENT_ROWS = {
  // RAS
  ERRIDR_EL1: register(3, 0, 5, 3, 0, ras('ERRIDR_EL1', RO)), ERRSELR_EL1: register(3, 0, 5, 3, 1, ras('ERRSELR_EL1')),
  ERXGSR_EL1: register(3, 0, 5, 3, 2, needs('FEAT_RASv2', RO)),
  ERXFR_EL1: register(3, 0, 5, 4, 0, ras('ERXFR_EL1', RO)), ERXCTLR_EL1: register(3, 0, 5, 4, 1, ras('ERXCTLR_EL1')),
  ERXSTATUS_EL1: register(3, 0, 5, 4, 2, ras('ERXSTATUS_EL1')), ERXADDR_EL1: register(3, 0, 5, 4, 3, ras('ERXADDR_EL1')),
  ERXPFGF_EL1: register(3, 0, 5, 4, 4, rasInjection('ERXPFGF_EL1', RO)), ERXPFGCTL_EL1: register(3, 0, 5, 4, 5, rasInjection('ERXPFGCTL_EL1')), ERXPFGCDN_EL1: register(3, 0, 5, 4, 6, rasInjection('ERXPFGCDN_EL1')),
  ...numbered('ERXMISC', '_EL1', 4, n => register(3, 0, 5, 5, n, ras('ERXMISCn_EL1'))),
  DISR_EL1: register(3, 0, 12, 1, 1, needs('FEAT_RAS')), VDISR_EL2: register(3, 4, 12, 1, 1, page('FEAT_RAS', 0x500)), VSESR_EL2: register(3, 4, 5, 2, 3, page('FEAT_RAS', 0x508)),
  // LORegions
  LORSA_EL1: register(3, 0, 10, 4, 0, lor('LORSA_EL1')), LOREA_EL1: register(3, 0, 10, 4, 1, lor('LOREA_EL1')), LORN_EL1: register(3, 0, 10, 4, 2, lor('LORN_EL1')),
  LORC_EL1: register(3, 0, 10, 4, 3, lor('LORC_EL1')), LORID_EL1: register(3, 0, 10, 4, 7, lor('LORID_EL1', RO)),
  // SVE, SME, floating point extensions
  ZCR_EL1: register(3, 0, 1, 2, 0, both('FEAT_SVE', 0x1e0, 'ZCR_EL2')), ZCR_EL2: register(3, 4, 1, 2, 0, needs('FEAT_SVE')),
  SMCR_EL1: register(3, 0, 1, 2, 6, both('FEAT_SME', 0x1f0, 'SMCR_EL2')), SMCR_EL2: register(3, 4, 1, 2, 6, needs('FEAT_SME')),
  SMPRI_EL1: register(3, 0, 1, 2, 4, needs('FEAT_SME', { traps: fgt('nSMPRI_EL1') })), SMPRIMAP_EL2: register(3, 4, 1, 2, 5, page('FEAT_SME', 0x1f8)),
  SVCR: register(3, 3, 4, 2, 2, needs('FEAT_SME')), TPIDR2_EL0: register(3, 3, 13, 0, 5, needs('FEAT_SME', { traps: fgt('nTPIDR2_EL0', 'RW', [0, 1]) })),
  FPMR: register(3, 3, 4, 4, 2, needs('FEAT_FPMR')),
  // MTE
  RGSR_EL1: register(3, 0, 1, 0, 5, needs('FEAT_MTE2', { traps: [HCR.ATA] })), GCR_EL1: register(3, 0, 1, 0, 6, needs('FEAT_MTE2', { traps: [HCR.ATA] })),
  TFSR_EL1: register(3, 0, 5, 6, 0, both('FEAT_MTE2', 0x190, 'TFSR_EL2', { traps: [HCR.ATA] })), TFSRE0_EL1: register(3, 0, 5, 6, 1, needs('FEAT_MTE2', { traps: [HCR.ATA] })),
  TFSR_EL2: register(3, 4, 5, 6, 0, needs('FEAT_MTE2', { nv2Register: 'TFSR_EL1' })), TCO: register(3, 3, 4, 2, 7, needs('FEAT_MTE')),
  // PSTATE fields
  SSBS: register(3, 3, 4, 2, 6, needs('FEAT_SSBS')), DIT: register(3, 3, 4, 2, 5, needs('FEAT_DIT')), ALLINT: register(3, 0, 4, 3, 0, needs('FEAT_NMI')), PM: register(3, 0, 4, 3, 1, needs('FEAT_EBEP')),
  // Random numbers, software context numbers, ACCDATA
  RNDR: register(3, 3, 2, 4, 0, needs('FEAT_RNG', RO)), RNDRRS: register(3, 3, 2, 4, 1, needs('FEAT_RNG', RO)),
  SCXTNUM_EL0: register(3, 3, 13, 0, 7, needs('FEAT_CSV2_2')), SCXTNUM_EL1: register(3, 0, 13, 0, 7, both('FEAT_CSV2_2', 0x188, 'SCXTNUM_EL2', { traps: [HCR.EnSCXT, HCR.NV1, ...fgt('SCXTNUM_EL1')] })),
  SCXTNUM_EL2: register(3, 4, 13, 0, 7, needs('FEAT_CSV2_2')), ACCDATA_EL1: register(3, 0, 13, 0, 5, needs('FEAT_LS64_ACCDATA', { traps: fgt('nACCDATA_EL1') })),
  // Further control and translation registers
  HCRX_EL2: register(3, 4, 1, 2, 2, page('FEAT_HCX', 0x0a0)), SCTLR2_EL1: register(3, 0, 1, 0, 3, both('FEAT_SCTLR2', 0x278, 'SCTLR2_EL2', { traps: VM })), SCTLR2_EL2: register(3, 4, 1, 0, 3, needs('FEAT_SCTLR2')),
  TCR2_EL1: register(3, 0, 2, 0, 3, both('FEAT_TCR2', 0x270, 'TCR2_EL2', { traps: VM })), TCR2_EL2: register(3, 4, 2, 0, 3, needs('FEAT_TCR2')),
  MAIR2_EL1: register(3, 0, 10, 2, 1, both('FEAT_AIE', 0x280, 'MAIR2_EL2', { traps: [...VM, ...fgt('nMAIR2_EL1')] })), MAIR2_EL2: register(3, 4, 10, 1, 1, needs('FEAT_AIE')),
  AMAIR2_EL1: register(3, 0, 10, 3, 1, both('FEAT_AIE', 0x288, 'AMAIR2_EL2', { traps: [...VM, ...fgt('nAMAIR2_EL1')] })), AMAIR2_EL2: register(3, 4, 10, 3, 1, needs('FEAT_AIE')),
  PIRE0_EL1: register(3, 0, 10, 2, 2, both('FEAT_S1PIE', 0x290, 'PIRE0_EL2', { traps: [...VM, ...fgt('nPIRE0_EL1')] })), PIRE0_EL2: register(3, 4, 10, 2, 2, page('FEAT_S1PIE', 0x298)),
  PIR_EL1: register(3, 0, 10, 2, 3, both('FEAT_S1PIE', 0x2a0, 'PIR_EL2', { traps: [...VM, ...fgt('nPIR_EL1')] })), PIR_EL2: register(3, 4, 10, 2, 3, needs('FEAT_S1PIE')),
  POR_EL0: register(3, 3, 10, 2, 4, needs('FEAT_S1POE', { traps: fgt('nPOR_EL0', 'RW', [0, 1]) })), POR_EL1: register(3, 0, 10, 2, 4, both('FEAT_S1POE', 0x2a8, 'POR_EL2', { traps: [...VM, ...fgt('nPOR_EL1')] })),
  POR_EL2: register(3, 4, 10, 2, 4, needs('FEAT_S1POE')), S2PIR_EL2: register(3, 4, 10, 2, 5, page('FEAT_S2PIE', 0x2b0)), S2POR_EL1: register(3, 0, 10, 2, 5, page('FEAT_S2POE', 0x2b8, { traps: [...VM, ...fgt('nS2POR_EL1')] })),
  PFAR_EL1: register(3, 0, 6, 0, 5, both('FEAT_PFAR', 0x2d0, 'PFAR_EL2')), PFAR_EL2: register(3, 4, 6, 0, 5, needs('FEAT_PFAR')),
  RCWMASK_EL1: register(3, 0, 13, 0, 6, needs('FEAT_THE')), RCWSMASK_EL1: register(3, 0, 13, 0, 3, needs('FEAT_THE')),
  SCTLRMASK_EL1: register(3, 0, 1, 4, 0, both('FEAT_SRMASK', 0x318, 'SCTLRMASK_EL2')), SCTLRMASK_EL2: register(3, 4, 1, 4, 0, needs('FEAT_SRMASK')),
  CPACRMASK_EL1: register(3, 0, 1, 4, 2, both('FEAT_SRMASK', 0x320, 'CPTRMASK_EL2')), CPTRMASK_EL2: register(3, 4, 1, 4, 2, needs('FEAT_SRMASK')),
  SCTLR2MASK_EL1: register(3, 0, 1, 4, 3, both('FEAT_SRMASK', 0x328, 'SCTLR2MASK_EL2')), SCTLR2MASK_EL2: register(3, 4, 1, 4, 3, needs('FEAT_SRMASK')),
  TCRMASK_EL1: register(3, 0, 2, 7, 2, both('FEAT_SRMASK', 0x330, 'TCRMASK_EL2')), TCRMASK_EL2: register(3, 4, 2, 7, 2, needs('FEAT_SRMASK')),
  TCR2MASK_EL1: register(3, 0, 2, 7, 3, both('FEAT_SRMASK', 0x338, 'TCR2MASK_EL2')), TCR2MASK_EL2: register(3, 4, 2, 7, 3, needs('FEAT_SRMASK')),
  ACTLRMASK_EL1: register(3, 0, 1, 4, 1, both('FEAT_SRMASK', 0x340, 'ACTLRMASK_EL2')), ACTLRMASK_EL2: register(3, 4, 1, 4, 1, needs('FEAT_SRMASK')),
  // Guarded control stack
  GCSCR_EL1: register(3, 0, 2, 5, 0, both('FEAT_GCS', 0x8d0, 'GCSCR_EL2')), GCSPR_EL1: register(3, 0, 2, 5, 1, both('FEAT_GCS', 0x8c0, 'GCSPR_EL2')), GCSCRE0_EL1: register(3, 0, 2, 5, 2, needs('FEAT_GCS')),
  GCSPR_EL0: register(3, 3, 2, 5, 1, needs('FEAT_GCS')), GCSCR_EL2: register(3, 4, 2, 5, 0, needs('FEAT_GCS')), GCSPR_EL2: register(3, 4, 2, 5, 1, needs('FEAT_GCS')),
  // More fine-grained traps
  HAFGRTR_EL2: register(3, 4, 3, 1, 6, page('FEAT_AMUv1', 0x1e8)), HDFGRTR2_EL2: register(3, 4, 3, 1, 0, page('FEAT_FGT2', 0x1a0)), HDFGWTR2_EL2: register(3, 4, 3, 1, 1, page('FEAT_FGT2', 0x1b0)),
  HFGRTR2_EL2: register(3, 4, 3, 1, 2, page('FEAT_FGT2', 0x2c0)), HFGWTR2_EL2: register(3, 4, 3, 1, 3, page('FEAT_FGT2', 0x2c8)), HFGITR2_EL2: register(3, 4, 3, 1, 7, page('FEAT_FGT2', 0x310)),
  NVHCR_EL2: register(3, 4, 1, 5, 0, needs('FEAT_NV3')), NVHCRX_EL2: register(3, 4, 1, 5, 1, needs('FEAT_NV3')),
  // Secure EL2, EL3, AArch32, memory encryption contexts
  VSTTBR_EL2: register(3, 4, 2, 6, 0, page('FEAT_SEL2', 0x030)), VSTCR_EL2: register(3, 4, 2, 6, 2, page('FEAT_SEL2', 0x048)),
  CNTHVS_TVAL_EL2: register(3, 4, 14, 4, 0, needs('FEAT_SEL2')), CNTHVS_CTL_EL2: register(3, 4, 14, 4, 1, needs('FEAT_SEL2')), CNTHVS_CVAL_EL2: register(3, 4, 14, 4, 2, needs('FEAT_SEL2')),
  CNTHPS_TVAL_EL2: register(3, 4, 14, 5, 0, needs('FEAT_SEL2')), CNTHPS_CTL_EL2: register(3, 4, 14, 5, 1, needs('FEAT_SEL2')), CNTHPS_CVAL_EL2: register(3, 4, 14, 5, 2, needs('FEAT_SEL2')),
  SCR_EL3: register(3, 6, 1, 1, 0, needs('FEAT_EL3')), ICC_SRE_EL3: register(3, 6, 12, 12, 5, needs('FEAT_EL3')), CPTR_EL3: register(3, 6, 1, 1, 2, needs('FEAT_EL3')), MDCR_EL3: register(3, 6, 1, 3, 1, needs('FEAT_EL3')),
  SCTLR_EL3: register(3, 6, 1, 0, 0, needs('FEAT_EL3')), SPSR_EL3: register(3, 6, 4, 0, 0, needs('FEAT_EL3')), ELR_EL3: register(3, 6, 4, 0, 1, needs('FEAT_EL3')), ZCR_EL3: register(3, 6, 1, 2, 0, needs('FEAT_EL3')),
  DACR32_EL2: register(3, 4, 3, 0, 0, needs('FEAT_AA32EL1')), IFSR32_EL2: register(3, 4, 5, 0, 1, needs('FEAT_AA32EL1')), FPEXC32_EL2: register(3, 4, 5, 3, 0, needs('FEAT_AA32EL1')), SDER32_EL2: register(3, 4, 1, 3, 1, needs('FEAT_AA32EL1')),
  SPSR_irq: register(3, 4, 4, 3, 0, needs('FEAT_AA32EL1')), SPSR_abt: register(3, 4, 4, 3, 1, needs('FEAT_AA32EL1')), SPSR_und: register(3, 4, 4, 3, 2, needs('FEAT_AA32EL1')), SPSR_fiq: register(3, 4, 4, 3, 3, needs('FEAT_AA32EL1')),
  MECIDR_EL2: register(3, 4, 10, 8, 7, needs('FEAT_MEC', RO)), MECID_P0_EL2: register(3, 4, 10, 8, 0, needs('FEAT_MEC')), MECID_A0_EL2: register(3, 4, 10, 8, 1, needs('FEAT_MEC')), MECID_P1_EL2: register(3, 4, 10, 8, 2, needs('FEAT_MEC')),
  MECID_A1_EL2: register(3, 4, 10, 8, 3, needs('FEAT_MEC')), VMECID_P_EL2: register(3, 4, 10, 9, 0, needs('FEAT_MEC')), VMECID_A_EL2: register(3, 4, 10, 9, 1, needs('FEAT_MEC')),
  // Statistical profiling, trace buffer, trace filter, branch records
  PMSCR_EL1: register(3, 0, 9, 9, 0, both('FEAT_SPE', 0x828, 'PMSCR_EL2', { traps: [MDCR.TPMS, ...debugFgt('PMSCR_EL1')] })), PMSCR_EL2: register(3, 4, 9, 9, 0, needs('FEAT_SPE')),
  PMSNEVFR_EL1: register(3, 0, 9, 9, 1, page('FEAT_SPEv1p2', 0x850)), PMSICR_EL1: register(3, 0, 9, 9, 2, spe('PMSICR_EL1', { vncr: { offset: 0x838, when: 'always' } })), PMSIRR_EL1: register(3, 0, 9, 9, 3, spe('PMSIRR_EL1', { vncr: { offset: 0x840, when: 'always' } })),
  PMSFCR_EL1: register(3, 0, 9, 9, 4, spe('PMSFCR_EL1')), PMSEVFR_EL1: register(3, 0, 9, 9, 5, spe('PMSEVFR_EL1', { vncr: { offset: 0x830, when: 'always' } })), PMSLATFR_EL1: register(3, 0, 9, 9, 6, spe('PMSLATFR_EL1', { vncr: { offset: 0x848, when: 'always' } })),
  PMSIDR_EL1: register(3, 0, 9, 9, 7, needs('FEAT_SPE', RO)), PMBLIMITR_EL1: register(3, 0, 9, 10, 0, spe('PMBLIMITR_EL1', { vncr: { offset: 0x800, when: 'always' } })), PMBPTR_EL1: register(3, 0, 9, 10, 1, spe('PMBPTR_EL1', { vncr: { offset: 0x810, when: 'always' } })),
  PMBSR_EL1: register(3, 0, 9, 10, 3, spe('PMBSR_EL1', { vncr: { offset: 0x820, when: 'always' } })), PMBIDR_EL1: register(3, 0, 9, 10, 7, needs('FEAT_SPE', RO)), PMSDSFR_EL1: register(3, 0, 9, 10, 4, page('FEAT_SPE_FDS', 0x858)),
  TRBLIMITR_EL1: register(3, 0, 9, 11, 0, trbe), TRBPTR_EL1: register(3, 0, 9, 11, 1, trbe), TRBBASER_EL1: register(3, 0, 9, 11, 2, trbe), TRBSR_EL1: register(3, 0, 9, 11, 3, trbe), TRBMAR_EL1: register(3, 0, 9, 11, 4, trbe),
  TRBTRG_EL1: register(3, 0, 9, 11, 6, trbe), TRBIDR_EL1: register(3, 0, 9, 11, 7, { ...trbe, access: 'RO' }),
  TRFCR_EL1: register(3, 0, 1, 2, 1, both('FEAT_TRF', 0x880, 'TRFCR_EL2', { traps: [MDCR.TTRF] })), TRFCR_EL2: register(3, 4, 1, 2, 1, needs('FEAT_TRF')),
  TRCITECR_EL1: register(3, 0, 1, 2, 3, both('FEAT_ITE', 0x888, 'TRCITECR_EL2')), TRCITECR_EL2: register(3, 4, 1, 2, 3, needs('FEAT_ITE')),
  BRBCR_EL1: register(2, 1, 9, 0, 0, { ...both('FEAT_BRBE', 0x8e0, 'BRBCR_EL2'), minimumEL: 1 }), BRBFCR_EL1: register(2, 1, 9, 0, 1, needs('FEAT_BRBE')), BRBTS_EL1: register(2, 1, 9, 0, 2, needs('FEAT_BRBE')),
  BRBINFINJ_EL1: register(2, 1, 9, 1, 0, needs('FEAT_BRBE')), BRBSRCINJ_EL1: register(2, 1, 9, 1, 1, needs('FEAT_BRBE')), BRBTGTINJ_EL1: register(2, 1, 9, 1, 2, needs('FEAT_BRBE')), BRBIDR0_EL1: register(2, 1, 9, 2, 0, needs('FEAT_BRBE', RO)),
  BRBCR_EL2: register(2, 4, 9, 0, 0, needs('FEAT_BRBE')),
  ...numbered('BRBINF', '_EL1', 32, n => register(2, 1, 8, n & 15, (n >> 4) << 2, needs('FEAT_BRBE', RO))), ...numbered('BRBSRC', '_EL1', 32, n => register(2, 1, 8, n & 15, ((n >> 4) << 2) | 1, needs('FEAT_BRBE', RO))),
  ...numbered('BRBTGT', '_EL1', 32, n => register(2, 1, 8, n & 15, ((n >> 4) << 2) | 2, needs('FEAT_BRBE', RO))),
  // Monitors: system PMU, PMUv3 extensions, activity monitors
  SPMACCESSR_EL1: register(2, 0, 9, 13, 3, both('FEAT_SPMU', 0x8e8, 'SPMACCESSR_EL2')), SPMACCESSR_EL2: register(2, 4, 9, 13, 3, needs('FEAT_SPMU')), SPMSELR_EL0: register(2, 3, 9, 12, 5, needs('FEAT_SPMU')),
  PMUACR_EL1: register(3, 0, 9, 14, 4, needs('FEAT_PMUv3p9')), PMECR_EL1: register(3, 0, 9, 14, 5, needs('FEAT_EBEP')), PMICFILTR_EL0: register(3, 3, 9, 6, 0, needs('FEAT_PMUv3_ICNTR')), PMICNTR_EL0: register(3, 3, 9, 4, 0, needs('FEAT_PMUv3_ICNTR')),
  PMZR_EL0: register(3, 3, 9, 13, 4, needs('FEAT_PMUv3p9')), PMSSCR_EL1: register(3, 0, 9, 13, 3, needs('FEAT_PMUv3_SS')), MDSELR_EL1: register(2, 0, 0, 4, 2, needs('FEAT_Debugv8p9')), MDSTEPOP_EL1: register(2, 0, 0, 5, 2, needs('FEAT_STEP2')),
  AMCR_EL0: register(3, 3, 13, 2, 0, amu), AMCFGR_EL0: register(3, 3, 13, 2, 1, { ...amu, access: 'RO' }), AMCGCR_EL0: register(3, 3, 13, 2, 2, { ...amu, access: 'RO' }), AMUSERENR_EL0: register(3, 3, 13, 2, 3, amu),
  AMCNTENCLR0_EL0: register(3, 3, 13, 2, 4, amu), AMCNTENSET0_EL0: register(3, 3, 13, 2, 5, amu), AMCG1IDR_EL0: register(3, 3, 13, 2, 6, amu), AMCNTENCLR1_EL0: register(3, 3, 13, 3, 0, amu), AMCNTENSET1_EL0: register(3, 3, 13, 3, 1, amu),
  ...numbered('AMEVCNTR0', '_EL0', 4, n => register(3, 3, 13, 4, n, amu)), ...numbered('AMEVTYPER0', '_EL0', 4, n => register(3, 3, 13, 6, n, amu)),
  ...numbered('AMEVCNTR1', '_EL0', 16, n => register(3, 3, 13, 12 + (n >> 3), n & 7, amu)), ...numbered('AMEVTYPER1', '_EL0', 16, n => register(3, 3, 13, 14 + (n >> 3), n & 7, amu)),
  ...numbered('AMEVCNTVOFF0', '_EL2', 16, n => register(3, 4, 13, 8 + (n >> 3), n & 7, page('FEAT_AMUv1', 0xa00 + 8 * n))), ...numbered('AMEVCNTVOFF1', '_EL2', 16, n => register(3, 4, 13, 10 + (n >> 3), n & 7, page('FEAT_AMUv1', 0xa80 + 8 * n))),
  // GICv5: CPU interface, its virtual side, and instructions
  ICC_PPI_HMR0_EL1: register(3, 0, 12, 10, 0, { ...gcie, access: 'RO' }), ICC_PPI_HMR1_EL1: register(3, 0, 12, 10, 1, { ...gcie, access: 'RO' }), ICC_IDR0_EL1: register(3, 0, 12, 10, 2, { ...gcie, access: 'RO' }),
  ICC_HPPIR_EL1: register(3, 0, 12, 10, 3, { ...gcie, access: 'RO' }), ICC_ICSR_EL1: register(3, 0, 12, 10, 4, gcie), ICC_IAFFIDR_EL1: register(3, 0, 12, 10, 5, { ...gcie, access: 'RO' }),
  ...numbered('ICC_PPI_ENABLER', '_EL1', 2, n => register(3, 0, 12, 10, 6 + n, gcie)), ...numbered('ICC_PPI_CACTIVER', '_EL1', 2, n => register(3, 0, 12, 13, n, gcie)),
  ...numbered('ICC_PPI_SACTIVER', '_EL1', 2, n => register(3, 0, 12, 13, 2 + n, gcie)), ...numbered('ICC_PPI_CPENDR', '_EL1', 2, n => register(3, 0, 12, 13, 4 + n, gcie)),
  ...numbered('ICC_PPI_SPENDR', '_EL1', 2, n => register(3, 0, 12, 13, 6 + n, gcie)), ...numbered('ICC_PPI_PRIORITYR', '_EL1', 16, n => register(3, 0, 12, 14 + (n >> 3), n & 7, gcie)),
  ICC_APR_EL1: register(3, 1, 12, 0, 0, gcie), ICC_CR0_EL1: register(3, 1, 12, 0, 1, gcie), ICC_PCR_EL1: register(3, 1, 12, 0, 2, gcie), ICC_HAPR_EL1: register(3, 1, 12, 0, 3, { ...gcie, access: 'RO' }),
  ICH_APR_EL2: register(3, 4, 12, 8, 4, gcie), ICH_HPPIR_EL2: register(3, 4, 12, 8, 5, { ...gcie, access: 'RO' }), ICH_HFGRTR_EL2: register(3, 4, 12, 9, 4, gcie), ICH_HFGWTR_EL2: register(3, 4, 12, 9, 6, gcie),
  ICH_HFGITR_EL2: register(3, 4, 12, 9, 7, gcie), ICH_VCTLR_EL2: register(3, 4, 12, 11, 4, gcie), ICH_CONTEXTR_EL2: register(3, 4, 12, 11, 6, gcie),
  ...numbered('ICH_PPI_DVIR', '_EL2', 2, n => register(3, 4, 12, 10, n, gcie)), ...numbered('ICH_PPI_ENABLER', '_EL2', 2, n => register(3, 4, 12, 10, 2 + n, gcie)), ...numbered('ICH_PPI_PENDR', '_EL2', 2, n => register(3, 4, 12, 10, 4 + n, gcie)),
  ...numbered('ICH_PPI_ACTIVER', '_EL2', 2, n => register(3, 4, 12, 10, 6 + n, gcie)), ...numbered('ICH_PPI_PRIORITYR', '_EL2', 16, n => register(3, 4, 12, 14 + (n >> 3), n & 7, gcie)),
  'GSB SYS': instruction(0, 12, 0, 0, gcie), 'GSB ACK': instruction(0, 12, 0, 1, gcie), 'GIC CDDIS': instruction(0, 12, 1, 0, gcie), 'GIC CDEN': instruction(0, 12, 1, 1, gcie), 'GIC CDPRI': instruction(0, 12, 1, 2, gcie),
  'GIC CDAFF': instruction(0, 12, 1, 3, gcie), 'GIC CDPEND': instruction(0, 12, 1, 4, gcie), 'GIC CDRCFG': instruction(0, 12, 1, 5, gcie), 'GIC CDEOI': instruction(0, 12, 1, 7, gcie), 'GIC CDDI': instruction(0, 12, 2, 0, gcie),
  'GIC CDHM': instruction(0, 12, 2, 1, gcie), 'GICR CDIA': instruction(0, 12, 3, 0, { ...gcie, access: 'RO' }), 'GICR CDNMIA': instruction(0, 12, 3, 1, { ...gcie, access: 'RO' }),
  // ThumbEE, which only ARMv7 had: Xen saves it for 32-bit guests.
  TEECR32_EL1: register(2, 2, 0, 0, 0, needs('FEAT_ThumbEE')), TEEHBR32_EL1: register(2, 2, 1, 0, 0, needs('FEAT_ThumbEE')),
  // Memory partitioning
  MPAM0_EL1: register(3, 0, 10, 5, 1, needs('FEAT_MPAM')), MPAM1_EL1: register(3, 0, 10, 5, 0, both('FEAT_MPAM', 0x900, 'MPAM2_EL2')), MPAMSM_EL1: register(3, 0, 10, 5, 3, needs('FEAT_SME')), MPAMIDR_EL1: register(3, 0, 10, 4, 4, needs('FEAT_MPAM', RO)),
  MPAMBWIDR_EL1: register(3, 0, 10, 4, 5, needs('FEAT_MPAM', RO)), MPAMBW1_EL1: register(3, 0, 10, 5, 4, both('FEAT_MPAM', 0x908, 'MPAMBW2_EL2')), MPAMBW0_EL1: register(3, 0, 10, 5, 5, needs('FEAT_MPAM')),
  MPAM2_EL2: register(3, 4, 10, 5, 0, needs('FEAT_MPAM')), MPAMBW2_EL2: register(3, 4, 10, 5, 4, needs('FEAT_MPAM')), MPAMBWCAP_EL2: register(3, 4, 10, 5, 6, page('FEAT_MPAM', 0x910)), MPAMHCR_EL2: register(3, 4, 10, 4, 0, page('FEAT_MPAM', 0x930)), MPAMVPMV_EL2: register(3, 4, 10, 4, 1, page('FEAT_MPAM', 0x938)),
  ...numbered('MPAMVPM', '_EL2', 8, n => register(3, 4, 10, 6, n, page('FEAT_MPAM', 0x940 + 8 * n))),
} as const
