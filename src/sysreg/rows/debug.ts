/** Self-hosted debug (Arm ARM D2, D24.3). No trace unit, no external debugger: DCC registers read as empty. */
import { numbered, register } from '../row.ts'
import type { RowOptions } from '../row.ts'
import type { TrapRule } from '../trap-rules.ts'
import { MDCR, MDSCR, debugFgt } from '../trap-rules.ts'

export const BREAKPOINTS = 6
export const WATCHPOINTS = 4

const debug = (traps: readonly TrapRule[], more: RowOptions = {}): RowOptions => ({ effect: 'debug', traps, ...more })
const TDA = MDCR.TDA, DCC = [...MDSCR.TDCC, MDCR.TDCC, ...MDCR.TDA]
const WITHOUT_BREAKPOINT: RowOptions = { feature: 'NUM_BRPS' }, WITHOUT_WATCHPOINT: RowOptions = { feature: 'NUM_WRPS' }
const breakpoint = (n: number, field: string, fields?: string) => debug([...TDA, ...debugFgt(field)], { ...(fields === undefined ? {} : { fields }), ...(n < BREAKPOINTS ? {} : WITHOUT_BREAKPOINT) })
const watchpoint = (n: number, field: string, fields: string) => debug([...TDA, ...debugFgt(field)], { fields, ...(n < WATCHPOINTS ? {} : WITHOUT_WATCHPOINT) })

export const DEBUG_ROWS = {
  OSDTRRX_EL1: register(2, 0, 0, 0, 2, debug([MDCR.TDCC, ...TDA], { fields: 'DTRRX 31:0' })),
  MDCCINT_EL1: register(2, 0, 0, 2, 0, debug([MDCR.TDCC, ...TDA], { fields: 'TX 29, RX 30' })),
  MDSCR_EL1: register(2, 0, 0, 2, 2, debug([...TDA, ...debugFgt('MDSCR_EL1')], {
    fields: 'SS 0, ERR 6, TDCC 12, KDE 13, HDE 14, MDE 15, TDA 21, INTdis 23:22, TXU 26, RXO 27, TXfull 29, RXfull 30', vncr: { offset: 0x158, when: 'always' }, neve: { as: 'defer' },
  })),
  OSDTRTX_EL1: register(2, 0, 0, 3, 2, debug([MDCR.TDCC, ...TDA], { fields: 'DTRTX 31:0' })),
  OSECCR_EL1: register(2, 0, 0, 6, 2, debug([...TDA, ...debugFgt('OSECCR_EL1')], { fields: '' })),
  // An address, or a context ID or VMID: the last two breakpoints are context-aware.
  ...numbered('DBGBVR', '_EL1', 16, n => register(2, 0, 0, n, 4, breakpoint(n, 'DBGBVRn_EL1'))),
  ...numbered('DBGBCR', '_EL1', 16, n => register(2, 0, 0, n, 5, breakpoint(n, 'DBGBCRn_EL1', 'E 0, PMC 2:1, BAS 8:5, HMC 13, SSC 15:14, LBN 19:16, BT 23:20'))),
  ...numbered('DBGWVR', '_EL1', 16, n => register(2, 0, 0, n, 6, watchpoint(n, 'DBGWVRn_EL1', 'Address 63:2'))),
  ...numbered('DBGWCR', '_EL1', 16, n => register(2, 0, 0, n, 7, watchpoint(n, 'DBGWCRn_EL1', 'E 0, PAC 2:1, LSC 4:3, BAS 12:5, HMC 13, SSC 15:14, LBN 19:16, WT 20, MASK 28:24'))),
  MDRAR_EL1: register(2, 0, 1, 0, 0, debug(MDCR.TDRA, { access: 'RO' })),
  OSLAR_EL1: register(2, 0, 1, 0, 4, debug([...MDCR.TDOSA, ...debugFgt('OSLAR_EL1', 'W')], { access: 'WO', fields: 'OSLK 0', storage: 'special' })),
  // OSLM 0b10: the OS lock is implemented.
  OSLSR_EL1: register(2, 0, 1, 1, 4, debug([...MDCR.TDOSA, ...debugFgt('OSLSR_EL1', 'R')], { access: 'RO', fields: 'OSLM0 0, OSLK 1, nTT 2, OSLM1 3', reset: 0xan })),
  OSDLR_EL1: register(2, 0, 1, 3, 4, debug([...MDCR.TDOSA, ...debugFgt('OSDLR_EL1')], { fields: 'DLK 0' })),
  DBGPRCR_EL1: register(2, 0, 1, 4, 4, debug([...MDCR.TDOSA, ...debugFgt('DBGPRCR_EL1')], { fields: 'CORENPDRQ 0' })),
  // Reads of DBGCLAIMSET_EL1 give ones for the implemented tags: there are eight.
  DBGCLAIMSET_EL1: register(2, 0, 7, 8, 6, debug([...TDA, ...debugFgt('DBGCLAIM')], { fields: 'CLAIM 7:0', storage: 'special' })),
  DBGCLAIMCLR_EL1: register(2, 0, 7, 9, 6, debug([...TDA, ...debugFgt('DBGCLAIM')], { fields: 'CLAIM 7:0', storage: 'special' })),
  DBGAUTHSTATUS_EL1: register(2, 0, 7, 14, 6, debug([...TDA, ...debugFgt('DBGAUTHSTATUS_EL1', 'R')], { access: 'RO' })),
  MDCCSR_EL0: register(2, 3, 0, 1, 0, debug(DCC, { access: 'RO' })),
  DBGDTR_EL0: register(2, 3, 0, 4, 0, debug(DCC, { storage: 'special' })),
  // One encoding: reads are DBGDTRRX_EL0, writes DBGDTRTX_EL0.
  DBGDTRRX_EL0: register(2, 3, 0, 5, 0, debug(DCC, { storage: 'special' })),
  DBGVCR32_EL2: register(2, 4, 0, 7, 0, { feature: 'FEAT_AA32EL1' }),
} as const
