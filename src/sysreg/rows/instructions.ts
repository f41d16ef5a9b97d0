/** TLBI, AT, DC and IC: instructions in the encoding space of system registers with op0=1. */
import { instruction } from '../row.ts'
import type { RowFeature, RowSpec } from '../row.ts'
import { HCR, SCTLR, instructionFgt } from '../trap-rules.ts'
import type { TrapRule } from '../trap-rules.ts'

const EL01 = [0, 1] as const

// ---- TLB maintenance -------------------------------------------------------------------------------------------------------------

type Scope = '' | 'IS' | 'OS'
const SCOPES: readonly Scope[] = ['', 'IS', 'OS']
/** CRm of the forms by scope: plain, and range (FEAT_TLBIRANGE). */
const CRM = { '': [7, 6], IS: [3, 2], OS: [1, 5] } as const
/** Stage-2 forms do not follow the pattern: CRm and op2 of IPAS2E1, IPAS2LE1 and their range forms. */
const IPA = {
  '': { IPAS2E1: [4, 1], IPAS2LE1: [4, 5], RIPAS2E1: [4, 2], RIPAS2LE1: [4, 6] },
  IS: { IPAS2E1: [0, 1], IPAS2LE1: [0, 5], RIPAS2E1: [0, 2], RIPAS2LE1: [0, 6] },
  OS: { IPAS2E1: [4, 0], IPAS2LE1: [4, 4], RIPAS2E1: [4, 3], RIPAS2LE1: [4, 7] },
} as const

const EL1_TLBI = { VMALLE1: 0, VAE1: 1, ASIDE1: 2, VAAE1: 3, VALE1: 5, VAALE1: 7 } as const
const EL1_RANGE = { RVAE1: 1, RVAAE1: 3, RVALE1: 5, RVAALE1: 7 } as const
const EL2_TLBI = { ALLE2: 0, VAE2: 1, ALLE1: 4, VALE2: 5, VMALLS12E1: 6 } as const
const EL2_RANGE = { RVAE2: 1, RVALE2: 5 } as const
const IPA_TLBI = ['IPAS2E1', 'IPAS2LE1'] as const
const IPA_RANGE = ['RIPAS2E1', 'RIPAS2LE1'] as const

type TlbiBase = keyof typeof EL1_TLBI | keyof typeof EL1_RANGE | keyof typeof EL2_TLBI | keyof typeof EL2_RANGE | (typeof IPA_TLBI)[number] | (typeof IPA_RANGE)[number]
/** `TLBI VAE1IS` and so on; the nXS forms have CRn 9 and need FEAT_XS. */
export type TlbiName = `TLBI ${TlbiBase}${Scope}${'' | 'nXS'}`

function tlbiRows(): Record<TlbiName, RowSpec> {
  const rows: Record<string, RowSpec> = {}
  const add = (name: string, scope: Scope, range: boolean, op1: number, CRm: number, op2: number): void => {
    const full = name + scope
    const feature: RowFeature | undefined = range ? 'FEAT_TLBIRANGE' : scope === 'OS' ? 'FEAT_TLBIOS' : undefined
    const traps: readonly TrapRule[] = op1 !== 0 ? []
      : [HCR.TTLB, ...(scope === 'IS' ? [HCR.TTLBIS] : scope === 'OS' ? [HCR.TTLBOS] : []), instructionFgt(`TLBI${full}`)]
    rows[`TLBI ${full}`] = instruction(op1, 8, CRm, op2, { effect: 'tlb', traps, ...(feature ? { feature } : {}) })
    rows[`TLBI ${full}nXS`] = instruction(op1, 9, CRm, op2, { effect: 'tlb', traps, feature: 'FEAT_XS' })
  }
  for (const scope of SCOPES) {
    const [plain, range] = CRM[scope]
    for (const [name, op2] of Object.entries(EL1_TLBI)) add(name, scope, false, 0, plain, op2)
    for (const [name, op2] of Object.entries(EL1_RANGE)) add(name, scope, true, 0, range, op2)
    for (const [name, op2] of Object.entries(EL2_TLBI)) add(name, scope, false, 4, plain, op2)
    for (const [name, op2] of Object.entries(EL2_RANGE)) add(name, scope, true, 4, range, op2)
    for (const name of IPA_TLBI) add(name, scope, false, 4, IPA[scope][name][0], IPA[scope][name][1])
    for (const name of IPA_RANGE) add(name, scope, true, 4, IPA[scope][name][0], IPA[scope][name][1])
  }
  return rows as Record<TlbiName, RowSpec>
}

// ---- address translation and caches ------------------------------------------------------------------------------------------------

const at1 = (op2: number, CRm: 8 | 9, field: string, feature?: RowFeature): RowSpec =>
  instruction(0, 7, CRm, op2, { effect: 'at', traps: [HCR.AT, instructionFgt(field)], ...(feature ? { feature } : {}) })
const at2 = (op2: number, CRm: 8 | 9 = 8, feature?: RowFeature): RowSpec => instruction(4, 7, CRm, op2, { effect: 'at', ...(feature ? { feature } : {}) })

/** By set and way: EL1. */
const setWay = (CRm: number, op2: number, field: string, feature?: RowFeature): RowSpec =>
  instruction(0, 7, CRm, op2, { effect: 'dcache', traps: [HCR.TSW, instructionFgt(field)], ...(feature ? { feature } : {}) })
/** By VA to the point of coherency or persistence; EL0 may if SCTLR.UCI. */
const toPoC = (CRm: number, op2: number, field: string, feature?: RowFeature): RowSpec =>
  instruction(3, 7, CRm, op2, { effect: 'dcache', traps: [...SCTLR.UCI, HCR.TPC, instructionFgt(field, EL01)], ...(feature ? { feature } : {}) })
const invalidate = (op2: number, feature?: RowFeature): RowSpec =>
  instruction(0, 7, 6, op2, { effect: 'dcache', traps: [HCR.TPC, instructionFgt('DCIVAC')], ...(feature ? { feature } : {}) })
const zero = (op2: number, feature?: RowFeature): RowSpec =>
  instruction(3, 7, 4, op2, { effect: 'dcache', traps: [...SCTLR.DZE, HCR.TDZ, instructionFgt('DCZVA', EL01)], ...(feature ? { feature } : {}) })
const restriction = (op2: number, field: string, feature: RowFeature): RowSpec =>
  instruction(3, 7, 3, op2, { feature, traps: [...SCTLR.EnRCTX, instructionFgt(field, EL01)] })

export const INSTRUCTION_ROWS = {
  ...tlbiRows(),

  'AT S1E1R': at1(0, 8, 'ATS1E1R'), 'AT S1E1W': at1(1, 8, 'ATS1E1W'), 'AT S1E0R': at1(2, 8, 'ATS1E0R'), 'AT S1E0W': at1(3, 8, 'ATS1E0W'),
  'AT S1E1RP': at1(0, 9, 'ATS1E1RP', 'FEAT_PAN2'), 'AT S1E1WP': at1(1, 9, 'ATS1E1WP', 'FEAT_PAN2'), 'AT S1E1A': at1(2, 9, 'ATS1E1A', 'FEAT_ATS1A'),
  'AT S1E2R': at2(0), 'AT S1E2W': at2(1), 'AT S12E1R': at2(4), 'AT S12E1W': at2(5), 'AT S12E0R': at2(6), 'AT S12E0W': at2(7),
  'AT S1E2A': at2(2, 9, 'FEAT_ATS1A'),

  'DC IVAC': invalidate(1), 'DC IGVAC': invalidate(3, 'FEAT_MTE2'), 'DC IGDVAC': invalidate(5, 'FEAT_MTE2'),
  'DC ISW': setWay(6, 2, 'DCISW'), 'DC CSW': setWay(10, 2, 'DCCSW'), 'DC CISW': setWay(14, 2, 'DCCISW'),
  'DC IGSW': setWay(6, 4, 'DCISW', 'FEAT_MTE2'), 'DC IGDSW': setWay(6, 6, 'DCISW', 'FEAT_MTE2'), 'DC CGSW': setWay(10, 4, 'DCCSW', 'FEAT_MTE2'), 'DC CGDSW': setWay(10, 6, 'DCCSW', 'FEAT_MTE2'),
  'DC CIGSW': setWay(14, 4, 'DCCISW', 'FEAT_MTE2'), 'DC CIGDSW': setWay(14, 6, 'DCCISW', 'FEAT_MTE2'),
  'DC ZVA': zero(1), 'DC GVA': zero(3, 'FEAT_MTE'), 'DC GZVA': zero(4, 'FEAT_MTE'),
  'DC CVAC': toPoC(10, 1, 'DCCVAC'), 'DC CGVAC': toPoC(10, 3, 'DCCVAC', 'FEAT_MTE'), 'DC CGDVAC': toPoC(10, 5, 'DCCVAC', 'FEAT_MTE'),
  'DC CVAU': instruction(3, 7, 11, 1, { effect: 'dcache', traps: [...SCTLR.UCI, HCR.TPU, HCR.TOCU, instructionFgt('DCCVAU', EL01)] }),
  'DC CVAP': toPoC(12, 1, 'DCCVAP', 'FEAT_DPB'), 'DC CGVAP': toPoC(12, 3, 'DCCVAP', 'FEAT_MTE'), 'DC CGDVAP': toPoC(12, 5, 'DCCVAP', 'FEAT_MTE'),
  'DC CVADP': toPoC(13, 1, 'DCCVADP', 'FEAT_DPB2'), 'DC CGVADP': toPoC(13, 3, 'DCCVADP', 'FEAT_MTE'), 'DC CGDVADP': toPoC(13, 5, 'DCCVADP', 'FEAT_MTE'),
  'DC CIVAC': toPoC(14, 1, 'DCCIVAC'), 'DC CIGVAC': toPoC(14, 3, 'DCCIVAC', 'FEAT_MTE'), 'DC CIGDVAC': toPoC(14, 5, 'DCCIVAC', 'FEAT_MTE'),

  'IC IALLUIS': instruction(0, 7, 1, 0, { effect: 'icache', traps: [HCR.TPU, HCR.TICAB, instructionFgt('ICIALLUIS')] }),
  'IC IALLU': instruction(0, 7, 5, 0, { effect: 'icache', traps: [HCR.TPU, HCR.TOCU, instructionFgt('ICIALLU')] }),
  'IC IVAU': instruction(3, 7, 5, 1, { effect: 'icache', traps: [...SCTLR.UCI, HCR.TPU, HCR.TOCU, instructionFgt('ICIVAU', EL01)] }),

  'CFP RCTX': restriction(4, 'CFPRCTX', 'FEAT_SPECRES'), 'DVP RCTX': restriction(5, 'DVPRCTX', 'FEAT_SPECRES'),
  'COSP RCTX': restriction(6, 'COSPRCTX', 'FEAT_SPECRES2'), 'CPP RCTX': restriction(7, 'CPPRCTX', 'FEAT_SPECRES'),
  'BRB IALL': instruction(1, 7, 2, 4, { feature: 'FEAT_BRBE' }), 'BRB INJ': instruction(1, 7, 2, 5, { feature: 'FEAT_BRBE' }),
  TRCIT: instruction(3, 7, 2, 7, { feature: 'FEAT_ITE' }),
  GCSPUSHM: instruction(3, 7, 7, 0, { feature: 'FEAT_GCS' }), GCSPOPM: instruction(3, 7, 7, 1, { feature: 'FEAT_GCS', access: 'RW' }),
  GCSSS1: instruction(3, 7, 7, 2, { feature: 'FEAT_GCS' }), GCSSS2: instruction(3, 7, 7, 3, { feature: 'FEAT_GCS', access: 'RW' }),
  GCSPUSHX: instruction(0, 7, 7, 4, { feature: 'FEAT_GCS' }), GCSPOPCX: instruction(0, 7, 7, 5, { feature: 'FEAT_GCS' }), GCSPOPX: instruction(0, 7, 7, 6, { feature: 'FEAT_GCS' }),
} as const
