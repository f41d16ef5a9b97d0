/** The generic timer: EL0 timers and counters, the EL1 control, the EL2 physical and virtual timers. */
import { register } from '../row.ts'
import { TIMER } from '../trap-rules.ts'

const CTL = 'ENABLE 0, IMASK 1, ISTATUS 2 RO'
const TVAL = 'TimerValue 31:0'
const EVENTS = 'EVNTEN 2, EVNTDIR 3, EVNTI 7:4, EVNTIS 17 ECV'
const special = { storage: 'special', effect: 'timer' } as const
/** NV1 moves CTL and CVAL to the page for accesses from EL1; the `_EL02` name is what a VHE L1 uses. */
const timer = (offset: number, vhe: string) => ({ vhe, vncr: { offset, when: 'NV1=1' }, ...special }) as const

export const TIMER_ROWS = {
  CNTFRQ_EL0: register(3, 3, 14, 0, 0, { fields: 'ClockFrequency 31:0', writeMinimumEL: 2, traps: TIMER.frequency }),
  CNTPCT_EL0: register(3, 3, 14, 0, 1, { access: 'RO', traps: TIMER.physicalCounter, ...special }),
  CNTVCT_EL0: register(3, 3, 14, 0, 2, { access: 'RO', traps: TIMER.virtualCounter, ...special }),
  CNTPCTSS_EL0: register(3, 3, 14, 0, 5, { feature: 'FEAT_ECV', access: 'RO', traps: TIMER.physicalCounter, ...special }),
  CNTVCTSS_EL0: register(3, 3, 14, 0, 6, { feature: 'FEAT_ECV', access: 'RO', traps: TIMER.virtualCounter, ...special }),
  CNTP_TVAL_EL0: register(3, 3, 14, 2, 0, { vhe: 'CNTHP_TVAL_EL2', fields: TVAL, traps: TIMER.physicalTimer, ...special }),
  CNTP_CTL_EL0: register(3, 3, 14, 2, 1, { ...timer(0x180, 'CNTHP_CTL_EL2'), fields: CTL, traps: TIMER.physicalTimer, el12Traps: [TIMER.EL1NVPCT] }),
  CNTP_CVAL_EL0: register(3, 3, 14, 2, 2, { ...timer(0x178, 'CNTHP_CVAL_EL2'), traps: TIMER.physicalTimer, el12Traps: [TIMER.EL1NVPCT] }),
  CNTV_TVAL_EL0: register(3, 3, 14, 3, 0, { vhe: 'CNTHV_TVAL_EL2', fields: TVAL, traps: TIMER.virtualTimer, ...special }),
  CNTV_CTL_EL0: register(3, 3, 14, 3, 1, { ...timer(0x170, 'CNTHV_CTL_EL2'), fields: CTL, traps: TIMER.virtualTimer, el12Traps: [TIMER.EL1NVVCT] }),
  CNTV_CVAL_EL0: register(3, 3, 14, 3, 2, { ...timer(0x168, 'CNTHV_CVAL_EL2'), traps: TIMER.virtualTimer, el12Traps: [TIMER.EL1NVVCT] }),
  CNTKCTL_EL1: register(3, 0, 14, 1, 0, { vhe: 'CNTHCTL_EL2', fields: `EL0PCTEN 0, EL0VCTEN 1, ${EVENTS}, EL0VTEN 8, EL0PTEN 9`, effect: 'none' }),
  CNTVOFF_EL2: register(3, 4, 14, 0, 3, { vncr: { offset: 0x060, when: 'always' }, neve: { as: 'cached' }, effect: 'timer' }),
  CNTPOFF_EL2: register(3, 4, 14, 0, 6, { feature: 'FEAT_ECV', vncr: { offset: 0x1a8, when: 'always' }, effect: 'timer' }),
  // E2H=0: EL1PCTEN 0, EL1PCEN 1. E2H=1: EL0PCTEN 0, EL0VCTEN 1, EL0VTEN 8, EL0PTEN 9, EL1PCTEN 10, EL1PTEN 11.
  CNTHCTL_EL2: register(3, 4, 14, 1, 0, {
    fields: `EL1PCTEN 0 E2H=0, EL1PCEN 1 E2H=0, EL0PCTEN 0, EL0VCTEN 1, ${EVENTS}, EL0VTEN 8 VHE, EL0PTEN 9 VHE, EL1PCTEN 10 VHE, EL1PTEN 11 VHE, ECV 12 ECV, EL1TVT 13 ECV, EL1TVCT 14 ECV, EL1NVPCT 15 ECV, EL1NVVCT 16 ECV`,
    reset: 3n, neve: { as: 'cached', offset: 0xc30 }, effect: 'timer',
  }),
  CNTHP_TVAL_EL2: register(3, 4, 14, 2, 0, { fields: TVAL, ...special }),
  CNTHP_CTL_EL2: register(3, 4, 14, 2, 1, { fields: CTL, ...special }),
  CNTHP_CVAL_EL2: register(3, 4, 14, 2, 2, special),
  CNTHV_TVAL_EL2: register(3, 4, 14, 3, 0, { feature: 'FEAT_VHE', fields: TVAL, ...special }),
  CNTHV_CTL_EL2: register(3, 4, 14, 3, 1, { feature: 'FEAT_VHE', fields: CTL, ...special }),
  CNTHV_CVAL_EL2: register(3, 4, 14, 3, 2, { feature: 'FEAT_VHE', ...special }),
} as const
