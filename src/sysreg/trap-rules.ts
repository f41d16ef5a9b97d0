/**
 * Trap rules as data. A rule says which control field, with which value, sends accesses of which direction from which exception
 * levels where. Rules are printed by `explain` and by the matrix, compiled by `resolve.ts`, and never contain code.
 *
 * Sources: Arm ARM (DDI0487) register pages of HCR_EL2, CPTR_EL2, MDCR_EL2, CNTHCTL_EL2, CNTKCTL_EL1, PMUSERENR_EL0, SCTLR_EL1,
 * ICH_HCR_EL2, HFGRTR_EL2 and relatives, and the accessibility pseudocode of the registers they trap. HSTR_EL2 has no rule: its
 * T<n> fields trap AArch32 accesses only.
 */
import { EC } from '../arch/esr.ts'
import type { Direction, EL } from '../arch/el.ts'
import type { RowFeature } from './row.ts'

export interface TrapRule {
  /** As printed: `HCR_EL2.TVM`. */
  readonly name: string
  readonly register: string
  /** Fields that are compared together. */
  readonly fields: readonly string[]
  /**
   * `set`, `clear`: all fields are ones, zeros. A number: the (one) field's value. `{ lowest }`: the field's lowest bit is zero.
   * `{ atMost }`: the field's value is at most this number.
   */
  readonly trapsWhen: 'set' | 'clear' | number | 'even' | { readonly atMost: number }
  readonly direction?: Direction
  readonly from: readonly EL[]
  /** A trap from EL0 to EL1 goes to EL2 instead when HCR_EL2.TGE=1. */
  readonly to: 1 | 2
  readonly ec: number
  /** EC when TGE routes it to EL2, if different. */
  readonly ecTGE?: number
  /** Conditions on the effective controls: `E2H=0 TGE=1 host=0 NV=1 NV1=0 NV2=1 NEVE=0`; `host` is E2H=TGE=1. */
  readonly when?: string
  /** The rule exists only with this feature (the control's own field may have one, too). */
  readonly feature?: RowFeature
}

type Options = Partial<Pick<TrapRule, 'direction' | 'when' | 'ec' | 'ecTGE' | 'feature' | 'trapsWhen'>>

const rule = (register: string, fields: string, from: readonly EL[], to: 1 | 2, trapsWhen: TrapRule['trapsWhen'], options: Options = {}): TrapRule => ({
  name: `${register}.${fields.replaceAll(' ', '+')}`, register, fields: fields.split(' '), trapsWhen, from, to, ec: EC.SystemRegister, ...options,
})

/** HCR_EL2.<field>=1 traps accesses from EL1 to EL2. */
const hcr = (field: string, options: Options = {}): TrapRule => rule('HCR_EL2', field, [1], 2, 'set', options)

export const HCR = {
  TVM: hcr('TVM', { direction: 'write' }),
  TRVM: hcr('TRVM', { direction: 'read' }),
  TID1: hcr('TID1', { direction: 'read' }),
  TID2: hcr('TID2'),
  TID3: hcr('TID3', { direction: 'read' }),
  TID4: hcr('TID4'),
  TID5: hcr('TID5', { direction: 'read' }),
  /** Not under E2H=TGE=1: there EL0 obeys SCTLR_EL2.UCT. */
  TID2_EL0: rule('HCR_EL2', 'TID2', [0], 2, 'set', { when: 'host=0' }),
  TIDCP: hcr('TIDCP'),
  TACR: hcr('TACR'),
  TSW: hcr('TSW'),
  TPC: rule('HCR_EL2', 'TPC', [0, 1], 2, 'set', { when: 'host=0' }),
  TPU: rule('HCR_EL2', 'TPU', [0, 1], 2, 'set', { when: 'host=0' }),
  TOCU: rule('HCR_EL2', 'TOCU', [0, 1], 2, 'set', { when: 'host=0' }),
  TICAB: hcr('TICAB'),
  TTLB: hcr('TTLB'),
  TTLBIS: hcr('TTLBIS'),
  TTLBOS: hcr('TTLBOS'),
  TDZ: rule('HCR_EL2', 'TDZ', [0, 1], 2, 'set', { when: 'host=0' }),
  AT: hcr('AT'),
  APK: rule('HCR_EL2', 'APK', [1], 2, 'clear'),
  TLOR: hcr('TLOR'),
  TERR: hcr('TERR'),
  FIEN: rule('HCR_EL2', 'FIEN', [1], 2, 'clear'),
  EnSCXT: rule('HCR_EL2', 'EnSCXT', [1], 2, 'clear'),
  ATA: rule('HCR_EL2', 'ATA', [1], 2, 'clear'),
  /** SGI generation at EL1 is virtual: software at EL2 must do it. */
  FMO: hcr('FMO', { direction: 'write' }),
  IMO: hcr('IMO', { direction: 'write' }),
  /** v8.3: what NV1=1 adds. With NV2 (or the paper's page) these names go to memory instead. */
  NV1: hcr('NV1', { when: 'NV=1 NV1=1 NV2=0 NEVE=0' }),
} as const

/** A control of EL0 in SCTLR_EL1, and its counterpart in SCTLR_EL2 when the host is at EL2 (E2H=TGE=1). */
const sctlr = (field: string, options: Options = {}): readonly TrapRule[] => [
  rule('SCTLR_EL1', field, [0], 1, 'clear', { when: 'host=0', ...options }),
  rule('SCTLR_EL2', field, [0], 2, 'clear', { when: 'host=1', ...options }),
]

export const SCTLR = {
  UCT: sctlr('UCT'),
  UCI: sctlr('UCI'),
  DZE: sctlr('DZE'),
  UMA: sctlr('UMA'),
  TSCXT: [
    rule('SCTLR_EL1', 'TSCXT', [0], 1, 'set', { when: 'host=0' }),
    rule('SCTLR_EL2', 'TSCXT', [0], 2, 'set', { when: 'host=1' }),
  ],
  EnTP2: sctlr('EnTP2'),
  EnRCTX: sctlr('EnRCTX'),
} as const

/** FP and SIMD: CPACR_EL1, then CPTR_EL2 in the layout that E2H selects (AArch64.CheckFPAdvSIMDEnabled, CheckFPAdvSIMDTrap). */
export const FP: readonly TrapRule[] = [
  rule('CPACR_EL1', 'FPEN', [0, 1], 1, 'even', { when: 'host=0', ec: EC.FPAdvSIMD, ecTGE: EC.Unknown }),
  rule('CPACR_EL1', 'FPEN', [0], 1, 1, { when: 'host=0', ec: EC.FPAdvSIMD, ecTGE: EC.Unknown }),
  rule('CPTR_EL2', 'TFP', [0, 1, 2], 2, 'set', { when: 'E2H=0', ec: EC.FPAdvSIMD }),
  rule('CPTR_EL2', 'FPEN', [0, 1, 2], 2, 'even', { when: 'E2H=1', ec: EC.FPAdvSIMD }),
  rule('CPTR_EL2', 'FPEN', [0], 2, 1, { when: 'E2H=1 TGE=1', ec: EC.FPAdvSIMD }),
]

export const CPTR = {
  /** Bit 31 in both layouts. */
  TCPAC: rule('CPTR_EL2', 'TCPAC', [1], 2, 'set'),
} as const

const EL01: readonly EL[] = [0, 1]
/** MDCR_EL2 debug traps; TDE=1 makes TDRA, TDOSA and TDA behave as 1, and HCR_EL2.TGE=1 makes TDE behave as 1 (MDCR_EL2.TDE). */
const mdcrDebug = (field: string, from: readonly EL[]): readonly TrapRule[] => [
  rule('MDCR_EL2', 'TDE', from, 2, 'set'), rule('MDCR_EL2', field, from, 2, 'set'), ...(from.includes(0) ? [rule('HCR_EL2', 'TGE', [0], 2, 'set')] : []),
]

export const MDCR = {
  TDRA: mdcrDebug('TDRA', EL01),
  TDOSA: mdcrDebug('TDOSA', [1]),
  TDA: mdcrDebug('TDA', EL01),
  TDCC: rule('MDCR_EL2', 'TDCC', EL01, 2, 'set'),
  TPM: rule('MDCR_EL2', 'TPM', EL01, 2, 'set'),
  TPMCR: rule('MDCR_EL2', 'TPMCR', EL01, 2, 'set'),
  TPMS: rule('MDCR_EL2', 'TPMS', [1], 2, 'set'),
  TTRF: rule('MDCR_EL2', 'TTRF', [1], 2, 'set'),
} as const

/** Event counter `n` belongs to EL2 when n >= MDCR_EL2.HPMN: accesses from below are trapped (the choice FEAT_FGT makes mandatory). */
export const HPMN = (n: number): TrapRule => rule('MDCR_EL2', 'HPMN', EL01, 2, { atMost: n })

export const MDSCR = {
  TDCC: [
    rule('MDSCR_EL1', 'TDCC', [0], 1, 'set'),
  ],
} as const

/** PMUSERENR_EL0: an EL0 access is trapped when EN and all of the fields that would allow it alone are zero. */
const pmuser = (fields: string, direction?: Direction): TrapRule =>
  rule('PMUSERENR_EL0', fields, [0], 1, 'clear', direction ? { direction } : {})
export const PMUSERENR = {
  EN: pmuser('EN'),
  /** Cycle counter: CR allows reads. */
  CR: [pmuser('EN CR', 'read'), pmuser('EN', 'write')],
  /** Event counters: ER allows reads. */
  ER: [pmuser('EN ER', 'read'), pmuser('EN', 'write')],
  /** PMSELR_EL0: ER allows both. */
  SEL: pmuser('EN ER'),
  SW: pmuser('EN SW', 'write'),
} as const

/**
 * Generic timer. CNTHCTL_EL2 has two layouts: with E2H=0 EL1PCTEN and EL1PCEN are bits 0 and 1; with
 * E2H=1 bits 0 and 1 are EL0PCTEN and EL0VCTEN, and EL1PCTEN, EL1PTEN are bits 10 and 11. A rule's `when` says which one it means.
 */
const cntkctl = (field: string): TrapRule => rule('CNTKCTL_EL1', field, [0], 1, 'clear', { when: 'host=0' })
const cnthctlHost = (field: string): TrapRule => rule('CNTHCTL_EL2', field, [0], 2, 'clear', { when: 'host=1' })

export const TIMER = {
  physicalCounter: [
    cntkctl('EL0PCTEN'), cnthctlHost('EL0PCTEN'),
    rule('CNTHCTL_EL2', 'EL1PCTEN', EL01, 2, 'clear', { when: 'E2H=0' }),
    rule('CNTHCTL_EL2', 'EL1PCTEN', EL01, 2, 'clear', { when: 'E2H=1 TGE=0' }),
  ],
  physicalTimer: [
    cntkctl('EL0PTEN'), cnthctlHost('EL0PTEN'),
    rule('CNTHCTL_EL2', 'EL1PCEN', EL01, 2, 'clear', { when: 'E2H=0' }),
    rule('CNTHCTL_EL2', 'EL1PTEN', EL01, 2, 'clear', { when: 'E2H=1 TGE=0' }),
  ],
  virtualCounter: [
    cntkctl('EL0VCTEN'), cnthctlHost('EL0VCTEN'),
    rule('CNTHCTL_EL2', 'EL1TVCT', EL01, 2, 'set', { when: 'host=0' }),
  ],
  virtualTimer: [
    cntkctl('EL0VTEN'), cnthctlHost('EL0VTEN'),
    rule('CNTHCTL_EL2', 'EL1TVT', EL01, 2, 'set', { when: 'host=0' }),
  ],
  frequency: [cntkctl('EL0PCTEN EL0VCTEN'), cnthctlHost('EL0PCTEN EL0VCTEN')],
  /** `_EL02` names that NV2 would turn into memory accesses (nested-arch.md a.6). */
  EL1NVPCT: rule('CNTHCTL_EL2', 'EL1NVPCT', [1], 2, 'set', { when: 'NV=1 NV1=0 NV2=1' }),
  EL1NVVCT: rule('CNTHCTL_EL2', 'EL1NVVCT', [1], 2, 'set', { when: 'NV=1 NV1=0 NV2=1' }),
} as const

const ich = (field: string, options: Options = {}): TrapRule => rule('ICH_HCR_EL2', field, [1], 2, 'set', options)
export const GIC = {
  TC: ich('TC'),
  TALL0: ich('TALL0'),
  TALL1: ich('TALL1'),
  TDIR: ich('TDIR'),
  /** ICC_SRE_EL1 from EL1. */
  Enable: rule('ICC_SRE_EL2', 'Enable', [1], 2, 'clear'),
} as const

/**
 * Fine-grained traps. Names that begin with `n` trap when the field is 0. They act on EL1, and on EL0 unless the host is at EL2.
 * The CPU's own `fgt(field)` of a read-write register is two rules, in HFGRTR_EL2 and HFGWTR_EL2.
 */
const fine = (register: string, field: string, from: readonly EL[], direction?: Direction): TrapRule =>
  rule(register, field, from, 2, /^n[A-Z]/.test(field) ? 'clear' : 'set', { when: 'host=0', feature: 'FEAT_FGT', ...(direction ? { direction } : {}) })

type FineOptions = 'RW' | 'R' | 'W'
const pair = (read: string, write: string) => (field: string, access: FineOptions = 'RW', from: readonly EL[] = [1]): readonly TrapRule[] => [
  ...(access !== 'W' ? [fine(read, field, from, 'read')] : []), ...(access !== 'R' ? [fine(write, field, from, 'write')] : []),
]
/** HFGRTR_EL2 / HFGWTR_EL2. */
export const fgt = pair('HFGRTR_EL2', 'HFGWTR_EL2')
/** HDFGRTR_EL2 / HDFGWTR_EL2. */
export const debugFgt = pair('HDFGRTR_EL2', 'HDFGWTR_EL2')
/** HFGITR_EL2: instructions. */
export const instructionFgt = (field: string, from: readonly EL[] = [1]): TrapRule => fine('HFGITR_EL2', field, from)

/** WFI and WFE (`instruction-traps.ts`). */
export const WAIT = {
  WFI: [...sctlr('nTWI', { ec: EC.WFx }), rule('HCR_EL2', 'TWI', EL01, 2, 'set', { when: 'host=0', ec: EC.WFx })],
  WFE: [...sctlr('nTWE', { ec: EC.WFx }), rule('HCR_EL2', 'TWE', EL01, 2, 'set', { when: 'host=0', ec: EC.WFx })],
} as const

export const SMC_TSC = hcr('TSC', { ec: EC.SMC64 })
export const ERET_NV = hcr('NV', { ec: EC.ERET, when: 'NV=1' })
export const ERET_FGT: TrapRule = { ...instructionFgt('ERET'), ec: EC.ERET }
export const API = rule('HCR_EL2', 'API', EL01, 2, 'clear', { when: 'host=0', ec: EC.PAuth })
export const SVC_FGT: readonly TrapRule[] = [
  { ...instructionFgt('SVC_EL0', [0]), ec: EC.SVC64 }, { ...instructionFgt('SVC_EL1'), ec: EC.SVC64 },
]
