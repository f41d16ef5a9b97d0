/** PMUv3 with a cycle counter and a few event counters. Registers of event counters beyond them are RAZ/WI and still trap. */
import { numbered, register } from '../row.ts'
import type { RowOptions } from '../row.ts'
import type { TrapRule } from '../trap-rules.ts'
import { HPMN, MDCR, PMUSERENR, debugFgt } from '../trap-rules.ts'

export const EVENT_COUNTERS = 4

const EL01 = [0, 1] as const
/** EL0 enable, fine-grained trap, MDCR_EL2.TPM: the order of the accessibility pseudocode. */
const pmu = (enable: readonly TrapRule[], fine: readonly TrapRule[], more: RowOptions = {}): RowOptions =>
  ({ effect: 'pmu', traps: [...enable, ...fine, MDCR.TPM], ...more })
const EVENT_BITS = `P ${EVENT_COUNTERS - 1}:0`, COUNTERS = `${EVENT_BITS}, C 31`
const EVENT = 'evtCount 15:0, NSH 27, NSU 28, NSK 29, U 30, P 31'
const special = { storage: 'special' } as const

export const PMU_ROWS = {
  PMCR_EL0: register(3, 3, 9, 12, 0, pmu([PMUSERENR.EN], debugFgt('PMCR_EL0', 'W', EL01), {
    fields: 'E 0, P 1, C 2, D 3, X 4, DP 5, RES1 6, N 15:11 RO, IDCODE 23:16 RO, IMP 31:24 RO', storage: 'special',
    traps: [PMUSERENR.EN, ...debugFgt('PMCR_EL0', 'W', EL01), MDCR.TPM, MDCR.TPMCR],
  })),
  PMCNTENSET_EL0: register(3, 3, 9, 12, 1, pmu([PMUSERENR.EN], debugFgt('PMCNTEN', 'RW', EL01), { fields: COUNTERS, ...special })),
  PMCNTENCLR_EL0: register(3, 3, 9, 12, 2, pmu([PMUSERENR.EN], debugFgt('PMCNTEN', 'RW', EL01), { fields: COUNTERS, ...special })),
  PMOVSCLR_EL0: register(3, 3, 9, 12, 3, pmu([PMUSERENR.EN], debugFgt('PMOVS', 'RW', EL01), { fields: COUNTERS, ...special })),
  PMSWINC_EL0: register(3, 3, 9, 12, 4, pmu([PMUSERENR.SW], debugFgt('PMSWINC_EL0', 'W', EL01), { access: 'WO', fields: EVENT_BITS, ...special })),
  PMSELR_EL0: register(3, 3, 9, 12, 5, pmu([PMUSERENR.SEL], debugFgt('PMSELR_EL0', 'RW', EL01), { fields: 'SEL 4:0', neve: { as: 'defer', offset: 0xc60 } })),
  PMCEID0_EL0: register(3, 3, 9, 12, 6, pmu([PMUSERENR.EN], debugFgt('PMCEIDn_EL0', 'R', EL01), { access: 'RO' })),
  PMCEID1_EL0: register(3, 3, 9, 12, 7, pmu([PMUSERENR.EN], debugFgt('PMCEIDn_EL0', 'R', EL01), { access: 'RO' })),
  PMCCNTR_EL0: register(3, 3, 9, 13, 0, pmu(PMUSERENR.CR, debugFgt('PMCCNTR_EL0', 'RW', EL01), special)),
  PMXEVTYPER_EL0: register(3, 3, 9, 13, 1, pmu([PMUSERENR.EN], debugFgt('PMEVTYPERn_EL0', 'RW', EL01), { fields: EVENT, ...special })),
  PMXEVCNTR_EL0: register(3, 3, 9, 13, 2, pmu(PMUSERENR.ER, debugFgt('PMEVCNTRn_EL0', 'RW', EL01), { fields: 'EVCNT 31:0', ...special })),
  PMUSERENR_EL0: register(3, 3, 9, 14, 0, {
    fields: 'EN 0, SW 1, CR 2, ER 3', writeMinimumEL: 1, effect: 'pmu', neve: { as: 'defer', offset: 0xc68 },
    traps: [...debugFgt('PMUSERENR_EL0', 'RW', EL01), MDCR.TPM],
  }),
  PMOVSSET_EL0: register(3, 3, 9, 14, 3, pmu([PMUSERENR.EN], debugFgt('PMOVS', 'RW', EL01), { fields: COUNTERS, ...special })),
  PMINTENSET_EL1: register(3, 0, 9, 14, 1, pmu([], debugFgt('PMINTEN'), { fields: COUNTERS, ...special })),
  PMINTENCLR_EL1: register(3, 0, 9, 14, 2, pmu([], debugFgt('PMINTEN'), { fields: COUNTERS, ...special })),
  PMMIR_EL1: register(3, 0, 9, 14, 6, { feature: 'FEAT_PMUv3p4', access: 'RO' }),
  PMCCFILTR_EL0: register(3, 3, 14, 15, 7, pmu([PMUSERENR.EN], debugFgt('PMCCFILTR_EL0', 'RW', EL01), { fields: 'NSH 27, NSU 28, NSK 29, U 30, P 31' })),
  ...numbered('PMEVCNTR', '_EL0', 31, n => register(3, 3, 14, 8 + (n >> 3), n & 7, pmu([...PMUSERENR.ER], [...debugFgt('PMEVCNTRn_EL0', 'RW', EL01)], {
    fields: n < EVENT_COUNTERS ? 'EVCNT 31:0' : '', storage: n < EVENT_COUNTERS ? 'special' : 'slot',
    traps: [...PMUSERENR.ER, ...debugFgt('PMEVCNTRn_EL0', 'RW', EL01), MDCR.TPM, ...(n < EVENT_COUNTERS ? [HPMN(n)] : [])],
  }))),
  ...numbered('PMEVTYPER', '_EL0', 31, n => register(3, 3, 14, 12 + (n >> 3), n & 7, pmu([PMUSERENR.EN], [...debugFgt('PMEVTYPERn_EL0', 'RW', EL01)], {
    fields: n < EVENT_COUNTERS ? EVENT : '',
    traps: [PMUSERENR.EN, ...debugFgt('PMEVTYPERn_EL0', 'RW', EL01), MDCR.TPM, ...(n < EVENT_COUNTERS ? [HPMN(n)] : [])],
  }))),
} as const
