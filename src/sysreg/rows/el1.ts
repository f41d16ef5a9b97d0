/** EL1 registers: system control, translation, exceptions, PAuth keys. */
import { register } from '../row.ts'
import { CPTR, HCR, fgt } from '../trap-rules.ts'

const VM = [HCR.TVM, HCR.TRVM]

export const SCTLR_FIELDS = 'M 0, A 1, C 2, SA 3, SA0 4, nAA 6 LSE2, UMA 9, EOS 11 ExS else1, I 12, EnDB 13 PAuth, DZE 14, UCT 15, nTWI 16, nTWE 18, WXN 19, TSCXT 20 CSV2_2 else1, '
  + 'IESB 21 IESB, EIS 22 ExS else1, SPAN 23 PAN else1, UCI 26, EnDA 27 PAuth, nTLSMD 28 LSMAOC else1, LSMAOE 29 LSMAOC else1, EnIB 30 PAuth, EnIA 31 PAuth, '
  + 'EnRCTX 10 SPECRES, EnTP2 60 SME'
export const CPACR_FIELDS = 'FPEN 21:20'
export const TCR_FIELDS = 'T0SZ 5:0, EPD0 7, IRGN0 9:8, ORGN0 11:10, SH0 13:12, TG0 15:14, T1SZ 21:16, A1 22, EPD1 23, IRGN1 25:24, ORGN1 27:26, SH1 29:28, TG1 31:30, '
  + 'IPS 34:32, AS 36, TBI0 37, TBI1 38, HA 39 HAFDBS, HD 40 HAFDBS, HPD0 41 HPDS, HPD1 42 HPDS, TBID0 51 PAuth, TBID1 52 PAuth, E0PD0 55 E0PD, E0PD1 56 E0PD'
export const TTBR_FIELDS = 'CnP 0 TTCNP, BADDR 47:1, ASID 63:48'
export const SPSR_FIELDS = 'M 4:0, F 6, I 7, A 8, D 9, IL 20, SS 21, PAN 22 PAN, UAO 23 UAO, V 28, C 29, Z 30, N 31'
export const ESR_FIELDS = 'ISS 24:0, IL 25, EC 31:26'

/**
 * An EL1 register that NV1 moves to the page (`12/1` in nested-arch.md a.5) and that has an EL2 counterpart under VHE. They are also
 * the paper's "VM execution control" registers (with SP_EL1).
 */
const both = (offset: number, vhe: string) => ({ vhe, vncr: { offset, when: 'NV1=1' }, neve: { as: 'defer' } }) as const

export const EL1_ROWS = {
  SCTLR_EL1: register(3, 0, 1, 0, 0, { ...both(0x110, 'SCTLR_EL2'), fields: SCTLR_FIELDS, traps: [...VM, ...fgt('SCTLR_EL1')], effect: 'translation' }),
  ACTLR_EL1: register(3, 0, 1, 0, 1, { fields: '', traps: [HCR.TACR], vncr: { offset: 0x118, when: 'always' } }),
  CPACR_EL1: register(3, 0, 1, 0, 2, { ...both(0x100, 'CPTR_EL2'), fields: CPACR_FIELDS, traps: [CPTR.TCPAC, ...fgt('CPACR_EL1')], effect: 'fp' }),
  TTBR0_EL1: register(3, 0, 2, 0, 0, { ...both(0x200, 'TTBR0_EL2'), fields: TTBR_FIELDS, traps: [...VM, ...fgt('TTBR0_EL1')], effect: 'translation' }),
  TTBR1_EL1: register(3, 0, 2, 0, 1, { ...both(0x210, 'TTBR1_EL2'), fields: TTBR_FIELDS, traps: [...VM, ...fgt('TTBR1_EL1')], effect: 'translation' }),
  TCR_EL1: register(3, 0, 2, 0, 2, { ...both(0x120, 'TCR_EL2'), fields: TCR_FIELDS, traps: [...VM, ...fgt('TCR_EL1')], effect: 'translation' }),
  SPSR_EL1: register(3, 0, 4, 0, 0, { ...both(0x160, 'SPSR_EL2'), fields: SPSR_FIELDS, traps: [HCR.NV1] }),
  ELR_EL1: register(3, 0, 4, 0, 1, { ...both(0x230, 'ELR_EL2'), traps: [HCR.NV1] }),
  SP_EL0: register(3, 0, 4, 1, 0),
  AFSR0_EL1: register(3, 0, 5, 1, 0, { ...both(0x128, 'AFSR0_EL2'), traps: [...VM, ...fgt('AFSR0_EL1')] }),
  AFSR1_EL1: register(3, 0, 5, 1, 1, { ...both(0x130, 'AFSR1_EL2'), traps: [...VM, ...fgt('AFSR1_EL1')] }),
  ESR_EL1: register(3, 0, 5, 2, 0, { ...both(0x138, 'ESR_EL2'), fields: ESR_FIELDS, traps: [...VM, ...fgt('ESR_EL1')] }),
  FAR_EL1: register(3, 0, 6, 0, 0, { ...both(0x220, 'FAR_EL2'), traps: [...VM, ...fgt('FAR_EL1')] }),
  PAR_EL1: register(3, 0, 7, 4, 0, { traps: [...fgt('PAR_EL1')] }),
  MAIR_EL1: register(3, 0, 10, 2, 0, { ...both(0x140, 'MAIR_EL2'), traps: [...VM, ...fgt('MAIR_EL1')], effect: 'translation' }),
  AMAIR_EL1: register(3, 0, 10, 3, 0, { ...both(0x148, 'AMAIR_EL2'), traps: [...VM, ...fgt('AMAIR_EL1')] }),
  VBAR_EL1: register(3, 0, 12, 0, 0, { ...both(0x250, 'VBAR_EL2'), fields: 'VBAR 63:11', traps: [HCR.NV1, ...fgt('VBAR_EL1')] }),
  CONTEXTIDR_EL1: register(3, 0, 13, 0, 1, { ...both(0x108, 'CONTEXTIDR_EL2'), fields: 'PROCID 31:0', traps: [...VM, ...fgt('CONTEXTIDR_EL1')] }),
  TPIDR_EL1: register(3, 0, 13, 0, 4, { traps: [...fgt('TPIDR_EL1')] }),
} as const
