/**
 * GICv3 system registers. The `ICV_` rows (the virtual CPU interface behind the same encodings) are derived from `virtualWhen`.
 * ICC_SRE_EL1.SRE and ICC_SRE_EL2.SRE are RAO/WI: there is no memory-mapped CPU interface beside them.
 */
import { numbered, register } from '../row.ts'
import type { RowOptions } from '../row.ts'
import { GIC, HCR, fgt } from '../trap-rules.ts'
import type { TrapRule } from '../trap-rules.ts'

const icc = (traps: readonly TrapRule[], virtualWhen: RowOptions['virtualWhen'], more: RowOptions = {}): RowOptions =>
  ({ feature: 'GICv3', storage: 'special', effect: 'interrupt', traps, ...(virtualWhen ? { virtualWhen } : {}), ...more })
const group0 = (more: RowOptions = {}) => icc([GIC.TALL0], ['FMO'], more) as RowOptions & { readonly virtualWhen: readonly ['FMO'] }
const group1 = (more: RowOptions = {}) => icc([GIC.TALL1], ['IMO'], more)
const common = (more: RowOptions = {}) => icc([GIC.TC], ['IMO', 'FMO'], more)
const sgi = () => icc([GIC.TC, HCR.FMO, HCR.IMO], undefined, { access: 'WO' })
const ich = (fields: string | undefined, offset: number | undefined, more: RowOptions = {}): RowOptions => ({
  feature: 'GICv3', storage: 'special', effect: 'interrupt', ...(fields === undefined ? {} : { fields }),
  ...(offset === undefined ? {} : { vncr: { offset, when: 'always' } as const }), neve: { as: 'cached' }, ...more,
})

/** With 5 bits of preemption only the first active priorities register exists (IHI0069, ICC_AP1R<n>_EL1: "UNDEFINED"). */
const prebits = (n: number): RowOptions => n === 0 ? {} : { feature: 'NUM_PREBITS' }

const INTID = 'INTID 23:0'
const LR = 'vINTID 31:0, pINTID 44:32, Priority 55:48, Group 60, HW 61, State 63:62'

export const GIC_ROWS = {
  ICC_PMR_EL1: register(3, 0, 4, 6, 0, common({ fields: 'Priority 7:0' })),
  ICC_IAR0_EL1: register(3, 0, 12, 8, 0, group0({ access: 'RO', fields: INTID })),
  ICC_EOIR0_EL1: register(3, 0, 12, 8, 1, group0({ access: 'WO', fields: INTID })),
  ICC_HPPIR0_EL1: register(3, 0, 12, 8, 2, group0({ access: 'RO', fields: INTID })),
  ICC_BPR0_EL1: register(3, 0, 12, 8, 3, group0({ fields: 'BinaryPoint 2:0' })),
  ...numbered('ICC_AP0R', '_EL1', 4, n => register(3, 0, 12, 8, 4 + n, group0({ fields: 'P 31:0', ...prebits(n) }))),
  ...numbered('ICC_AP1R', '_EL1', 4, n => register(3, 0, 12, 9, n, group1({ fields: 'P 31:0', ...prebits(n) }))),
  ICC_DIR_EL1: register(3, 0, 12, 11, 1, icc([GIC.TC, GIC.TDIR], ['IMO', 'FMO'], { access: 'WO', fields: INTID })),
  ICC_RPR_EL1: register(3, 0, 12, 11, 3, common({ access: 'RO', fields: 'Priority 7:0' })),
  ICC_SGI1R_EL1: register(3, 0, 12, 11, 5, sgi()),
  ICC_ASGI1R_EL1: register(3, 0, 12, 11, 6, sgi()),
  ICC_SGI0R_EL1: register(3, 0, 12, 11, 7, sgi()),
  ICC_IAR1_EL1: register(3, 0, 12, 12, 0, group1({ access: 'RO', fields: INTID })),
  ICC_EOIR1_EL1: register(3, 0, 12, 12, 1, group1({ access: 'WO', fields: INTID })),
  ICC_HPPIR1_EL1: register(3, 0, 12, 12, 2, group1({ access: 'RO', fields: INTID })),
  ICC_BPR1_EL1: register(3, 0, 12, 12, 3, group1({ fields: 'BinaryPoint 2:0' })),
  ICC_CTLR_EL1: register(3, 0, 12, 12, 4, common({ fields: 'CBPR 0, EOImode 1, PMHE 6 RO, PRIbits 10:8 RO, IDbits 13:11 RO, SEIS 14 RO, A3V 15 RO, RSS 18 RO, ExtRange 19 RO' })),
  ICC_SRE_EL1: register(3, 0, 12, 12, 5, { feature: 'GICv3', fields: 'RES1 2:0', reset: 7n, traps: [GIC.Enable], effect: 'interrupt' }),
  ICC_IGRPEN0_EL1: register(3, 0, 12, 12, 6, icc([GIC.TALL0, ...fgt('ICC_IGRPENn_EL1')], ['FMO'], { fields: 'Enable 0' })),
  ICC_IGRPEN1_EL1: register(3, 0, 12, 12, 7, icc([GIC.TALL1, ...fgt('ICC_IGRPENn_EL1')], ['IMO'], { fields: 'Enable 0' })),
  ICC_NMIAR1_EL1: register(3, 0, 12, 9, 5, { feature: 'FEAT_GICv3_NMI', access: 'RO' }),
  ICC_SRE_EL2: register(3, 4, 12, 9, 5, { feature: 'GICv3', fields: 'RES1 2:0, Enable 3', reset: 0xfn, effect: 'interrupt' }),

  ...numbered('ICH_AP0R', '_EL2', 4, n => register(3, 4, 12, 8, n, ich('P 31:0', 0x480 + 8 * n, prebits(n)))),
  ...numbered('ICH_AP1R', '_EL2', 4, n => register(3, 4, 12, 9, n, ich('P 31:0', 0x4a0 + 8 * n, prebits(n)))),
  ICH_HCR_EL2: register(3, 4, 12, 11, 0, ich('En 0, UIE 1, LRENPIE 2, NPIE 3, VGrp0EIE 4, VGrp0DIE 5, VGrp1EIE 6, VGrp1DIE 7, TC 10, TALL0 11, TALL1 12, TSEI 13, TDIR 14, EOIcount 31:27', 0x4c0)),
  ICH_VTR_EL2: register(3, 4, 12, 11, 1, ich('ListRegs 4:0, TDS 19, nV4 20, A3V 21, SEIS 22, IDbits 25:23, PREbits 28:26, PRIbits 31:29', undefined, { access: 'RO', neve: { as: 'cached', offset: 0xc40 } })),
  ICH_MISR_EL2: register(3, 4, 12, 11, 2, ich('EOI 0, U 1, LRENP 2, NP 3, VGrp0E 4, VGrp0D 5, VGrp1E 6, VGrp1D 7', undefined, { access: 'RO', neve: { as: 'cached', offset: 0xc48 } })),
  ICH_EISR_EL2: register(3, 4, 12, 11, 3, ich('Status 15:0', undefined, { access: 'RO', neve: { as: 'cached', offset: 0xc50 } })),
  ICH_ELRSR_EL2: register(3, 4, 12, 11, 5, ich('Status 15:0', undefined, { access: 'RO', neve: { as: 'cached', offset: 0xc58 } })),
  ICH_VMCR_EL2: register(3, 4, 12, 11, 7, ich('VENG0 0, VENG1 1, VAckCtl 2, VFIQEn 3, VCBPR 4, VEOIM 9, VBPR1 20:18, VBPR0 23:21, VPMR 31:24', 0x4c8)),
  ...numbered('ICH_LR', '_EL2', 16, n => register(3, 4, 12, n < 8 ? 12 : 13, n & 7, ich(LR, 0x400 + 8 * n))),
} as const
