/** EL2 registers: control, translation, exceptions. */
import { register } from '../row.ts'
import { CPACR_FIELDS, ESR_FIELDS, SCTLR_FIELDS, SPSR_FIELDS, TCR_FIELDS, TTBR_FIELDS } from './el1.ts'

export const HCR_FIELDS = 'VM 0, SWIO 1, PTW 2, FMO 3, IMO 4, AMO 5, VF 6, VI 7, VSE 8, FB 9, BSU 11:10, DC 12, TWI 13, TWE 14, TID0 15 AA32EL1, TID1 16, TID2 17, TID3 18, TSC 19, '
  + 'TIDCP 20, TACR 21, TSW 22, TPC 23, TPU 24, TTLB 25, TVM 26, TGE 27, TDZ 28, HCD 29, TRVM 30, RW 31 AA32EL1 else1, CD 32, ID 33, E2H 34 VHE, TLOR 35 LOR, TERR 36 RAS, TEA 37 RAS, '
  + 'MIOCNCE 38, APK 40 PAuth, API 41 PAuth, NV 42 NV, NV1 43 NV, AT 44 NV, NV2 45 NV2, FWB 46 S2FWB, FIEN 47 RASv1p1, TID4 49 EVT, TICAB 50 EVT, AMVOFFEN 51 AMUv1, '
  + 'TOCU 52 EVT, EnSCXT 53 CSV2_2, TTLBIS 54 EVT, TTLBOS 55 EVT, ATA 56 MTE2, DCT 57 MTE2, TID5 58 MTE2, TWEDEn 59 TWED, TWEDEL 63:60 TWED'
/** Both layouts: E2H=0 has TFP 10, TTA 20, TCPAC 31; E2H=1 that of CPACR_EL1 and TCPAC 31. */
export const CPTR_FIELDS = `SBO 9:0 E2H=0, TFP 10 E2H=0, SBO 13:12 E2H=0, ${CPACR_FIELDS}, TCPAC 31`
export const MDCR_FIELDS = 'HPMN 4:0, TPMCR 5, TPM 6, HPME 7, TDE 8, TDA 9, TDOSA 10, TDRA 11, E2PB 13:12 SPE, TPMS 14 SPE, TTRF 19 TRF, TDCC 27 FGT'
/** E2H=1 gives it the layout of TCR_EL1; E2H=0: PS 18:16, TBI 20, HA 21, HD 22, HPD 24, RES1 23 and 31. */
const TCR_EL2_FIELDS = `${TCR_FIELDS}, PS 18:16 E2H=0, TBI 20 E2H=0, HA 21 HAFDBS E2H=0, HD 22 HAFDBS E2H=0, SBO 23 E2H=0, TBID 29 PAuth E2H=0, SBO 31 E2H=0`
const VTCR_FIELDS = 'T0SZ 5:0, SL0 7:6, IRGN0 9:8, ORGN0 11:10, SH0 13:12, TG0 15:14, PS 18:16, VS 19 VMID16, HA 21 HAFDBS, HD 22 HAFDBS, HWU 28:25 HPDS, RES1 31'

export const EL2_ROWS = {
  VPIDR_EL2: register(3, 4, 0, 0, 0, { fields: 'VPIDR 31:0', vncr: { offset: 0x088, when: 'always' }, neve: { as: 'defer' } }),
  VMPIDR_EL2: register(3, 4, 0, 0, 5, { vncr: { offset: 0x050, when: 'always' }, neve: { as: 'defer' } }),
  // CP15BEN is RES1 with E2H=0, so it is kept.
  SCTLR_EL2: register(3, 4, 1, 0, 0, { fields: `${SCTLR_FIELDS}, CP15BEN 5`, neve: { as: 'redirect', register: 'SCTLR_EL1' }, effect: 'translation' }),
  ACTLR_EL2: register(3, 4, 1, 0, 1, { fields: '' }),
  HCR_EL2: register(3, 4, 1, 1, 0, { fields: HCR_FIELDS, vncr: { offset: 0x078, when: 'always' }, neve: { as: 'defer' }, effect: 'control' }),
  MDCR_EL2: register(3, 4, 1, 1, 1, { fields: MDCR_FIELDS, neve: { as: 'cached', offset: 0xc00 }, effect: 'control' }),
  CPTR_EL2: register(3, 4, 1, 1, 2, { fields: CPTR_FIELDS, neve: { as: 'cached', offset: 0xc08 }, effect: 'fp' }),
  HSTR_EL2: register(3, 4, 1, 1, 3, { fields: 'T 15:0', vncr: { offset: 0x080, when: 'always' }, neve: { as: 'defer' } }),
  HACR_EL2: register(3, 4, 1, 1, 7, { fields: '', neve: { as: 'defer', offset: 0xc10 } }),
  TTBR0_EL2: register(3, 4, 2, 0, 0, { fields: TTBR_FIELDS, neve: { as: 'redirect', register: 'TTBR0_EL1', when: 'NV1=0', other: 'cached', offset: 0xc18 }, effect: 'translation' }),
  TTBR1_EL2: register(3, 4, 2, 0, 1, { feature: 'FEAT_VHE', fields: TTBR_FIELDS, neve: { as: 'redirect', register: 'TTBR1_EL1', when: 'NV1=0' }, effect: 'translation' }),
  TCR_EL2: register(3, 4, 2, 0, 2, { fields: TCR_EL2_FIELDS, neve: { as: 'redirect', register: 'TCR_EL1', when: 'NV1=0', other: 'cached', offset: 0xc20 }, effect: 'translation' }),
  VTTBR_EL2: register(3, 4, 2, 1, 0, { fields: 'CnP 0 TTCNP, BADDR 47:1, VMID 63:48', vncr: { offset: 0x020, when: 'always' }, neve: { as: 'defer' }, effect: 'translation' }),
  VTCR_EL2: register(3, 4, 2, 1, 2, { fields: VTCR_FIELDS, vncr: { offset: 0x040, when: 'always' }, neve: { as: 'defer' }, effect: 'translation' }),
  VNCR_EL2: register(3, 4, 2, 2, 0, { feature: ['FEAT_NV2', 'FEAT_NEVE'], fields: 'Enable 0 NEVE, BADDR 63:12', vncr: { offset: 0x0b0, when: 'always' }, neve: { as: 'defer' }, effect: 'control' }),
  SPSR_EL2: register(3, 4, 4, 0, 0, { fields: SPSR_FIELDS, nv2Register: 'SPSR_EL1', neve: { as: 'redirect', register: 'SPSR_EL1' } }),
  ELR_EL2: register(3, 4, 4, 0, 1, { nv2Register: 'ELR_EL1', neve: { as: 'redirect', register: 'ELR_EL1' } }),
  SP_EL1: register(3, 4, 4, 1, 0, { vncr: { offset: 0x240, when: 'always' }, neve: { as: 'defer' } }),
  SP_EL2: register(3, 6, 4, 1, 0, { minimumEL: 3 }),
  AFSR0_EL2: register(3, 4, 5, 1, 0, { neve: { as: 'redirect', register: 'AFSR0_EL1' } }),
  AFSR1_EL2: register(3, 4, 5, 1, 1, { neve: { as: 'redirect', register: 'AFSR1_EL1' } }),
  ESR_EL2: register(3, 4, 5, 2, 0, { fields: ESR_FIELDS, nv2Register: 'ESR_EL1', neve: { as: 'redirect', register: 'ESR_EL1' } }),
  FAR_EL2: register(3, 4, 6, 0, 0, { nv2Register: 'FAR_EL1', neve: { as: 'redirect', register: 'FAR_EL1' } }),
  HPFAR_EL2: register(3, 4, 6, 0, 4, { fields: 'FIPA 43:4', neve: { as: 'defer', offset: 0xc28 } }),
  MAIR_EL2: register(3, 4, 10, 2, 0, { neve: { as: 'redirect', register: 'MAIR_EL1' }, effect: 'translation' }),
  AMAIR_EL2: register(3, 4, 10, 3, 0, { neve: { as: 'redirect', register: 'AMAIR_EL1' } }),
  VBAR_EL2: register(3, 4, 12, 0, 0, { fields: 'VBAR 63:11', neve: { as: 'redirect', register: 'VBAR_EL1' } }),
  RMR_EL2: register(3, 4, 12, 0, 2, { fields: 'AA64 0 RO' }),
  RVBAR_EL2: register(3, 4, 12, 0, 1, { access: 'RO' }),
  CONTEXTIDR_EL2: register(3, 4, 13, 0, 1, { feature: 'FEAT_VHE', fields: 'PROCID 31:0', neve: { as: 'redirect', register: 'CONTEXTIDR_EL1', when: 'NV1=0' } }),
  TPIDR_EL2: register(3, 4, 13, 0, 2, { vncr: { offset: 0x090, when: 'always' }, neve: { as: 'defer' } }),
} as const
