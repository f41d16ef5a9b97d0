/** Situations in which the matrix and `explain` look at an access: an EL and a register file. */
import type { EL } from '../arch/el.ts'
import type { Feature, Profile } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { fieldMask } from './fields.ts'
import type { Controls } from './controls.ts'
import { resetValues } from './reset.ts'
import { compiledFor } from './resolve.ts'
import { rowByName } from './table.ts'


export interface Situation {
  readonly name: string
  readonly el: EL
  /** The situation needs these features. */
  readonly features?: readonly Feature[]
  readonly gicVersion?: GicVersion
  /** `REGISTER: 'FIELD FIELD'` sets fields to ones, `!FIELD` to zeros, on top of the base. */
  readonly set: Readonly<Record<string, string>>
}

/** What every situation starts from: reset values, and software that lets lower levels do what they may. */
const BASE: Readonly<Record<string, string>> = {
  HCR_EL2: 'APK API', CPACR_EL1: 'FPEN', SCTLR_EL1: 'nTWI nTWE UCT UCI DZE UMA',
}
/** Everything that EL1 software can allow EL0. */
const EL0_ALLOWED = { CNTKCTL_EL1: 'EL0PCTEN EL0VCTEN EL0VTEN EL0PTEN', PMUSERENR_EL0: 'EN SW CR ER' }
const HOST = { CPTR_EL2: 'FPEN !TCPAC', CNTHCTL_EL2: 'EL1PCTEN EL1PTEN', SCTLR_EL2: 'nTWI nTWE UCT UCI DZE UMA' }
/** NV1=1 without NV2 needs TVM and TCPAC beside it, or L1 would change the real EL1 registers (nested-arch.md a.3). */
const NVHE_V8_3 = { HCR_EL2: 'NV NV1 AT TVM TRVM', CPTR_EL2: 'TCPAC' }
const HCR_TRAPS = 'TID1 TID2 TID3 TID4 TIDCP TACR TSW TPC TPU TTLB TVM TDZ TRVM TSC TWI TWE AT !APK !API'
/** Those of FEAT_EVT alone: parts of what TID2, TPU and TTLB trap. */
const EVT_TRAPS = 'TID4 TICAB TOCU TTLBIS TTLBOS'

export const SITUATIONS = [
  { name: 'EL0', el: 0, set: { SCTLR_EL1: '!nTWI !nTWE !UCT !UCI !DZE !UMA', CPACR_EL1: '!FPEN' } },
  { name: 'EL0 allowed', el: 0, set: EL0_ALLOWED },
  { name: 'EL0 TGE', el: 0, set: { ...EL0_ALLOWED, HCR_EL2: 'TGE', CPACR_EL1: '!FPEN', SCTLR_EL1: '!UCT' } },
  { name: 'EL0 E2H+TGE', el: 0, features: ['FEAT_VHE'], set: { ...HOST, HCR_EL2: 'E2H TGE', CNTHCTL_EL2: 'EL0PCTEN EL0VCTEN EL0VTEN EL0PTEN' } },
  { name: 'EL1', el: 1, set: {} },
  { name: 'EL1 TVM+TRVM', el: 1, set: { HCR_EL2: 'TVM TRVM' } },
  { name: 'EL1 HCR traps', el: 1, set: { HCR_EL2: HCR_TRAPS } },
  { name: 'EL1 EVT', el: 1, features: ['FEAT_EVT'], set: { HCR_EL2: EVT_TRAPS } },
  { name: 'EL1 other traps', el: 1, set: {
    MDCR_EL2: 'TPM TPMCR TDA TDOSA TDRA', CPTR_EL2: 'TCPAC TFP', CNTHCTL_EL2: '!EL1PCTEN !EL1PCEN EL1TVT EL1TVCT', ICH_HCR_EL2: 'TC TALL0 TALL1 TDIR', ICC_SRE_EL2: '!Enable',
  } },
  { name: 'EL1 IMO+FMO', el: 1, gicVersion: 3, set: { HCR_EL2: 'IMO FMO AMO' } },
  { name: 'EL1 FGT', el: 1, features: ['FEAT_FGT'], set: { HFGRTR_EL2: '*', HFGWTR_EL2: '*', HFGITR_EL2: '*', HDFGRTR_EL2: '*', HDFGWTR_EL2: '*' } },
  { name: 'EL1 NV', el: 1, features: ['FEAT_NV'], set: { HCR_EL2: 'NV' } },
  { name: 'EL1 NV+NV1', el: 1, features: ['FEAT_NV'], set: { HCR_EL2: 'NV NV1' } },
  { name: 'EL1 NV+NV1 as L0 sets it', el: 1, features: ['FEAT_NV'], set: NVHE_V8_3 },
  { name: 'EL1 NV+NV2', el: 1, features: ['FEAT_NV2'], set: { HCR_EL2: 'NV NV2' } },
  { name: 'EL1 NV+NV1+NV2', el: 1, features: ['FEAT_NV2'], set: { HCR_EL2: 'NV NV1 NV2' } },
  { name: 'EL1 NV+NV2 ECV traps', el: 1, features: ['FEAT_NV2', 'FEAT_ECV'], set: { HCR_EL2: 'NV NV2', CNTHCTL_EL2: 'EL1NVPCT EL1NVVCT' } },
  { name: 'EL1 NEVE', el: 1, features: ['FEAT_NEVE'], set: { HCR_EL2: 'NV', VNCR_EL2: 'Enable' } },
  { name: 'EL1 NEVE NV1', el: 1, features: ['FEAT_NEVE'], set: { HCR_EL2: 'NV NV1', VNCR_EL2: 'Enable' } },
  { name: 'EL2', el: 2, set: {} },
  { name: 'EL2 E2H', el: 2, features: ['FEAT_VHE'], set: { ...HOST, HCR_EL2: 'E2H' } },
  { name: 'EL2 E2H+TGE', el: 2, features: ['FEAT_VHE'], set: { ...HOST, HCR_EL2: 'E2H TGE' } },
] as const satisfies readonly Situation[]

export const situationsOf = (features: ReadonlySet<Feature>, gicVersion: GicVersion): readonly Situation[] =>
  (SITUATIONS as readonly Situation[]).filter(situation => (situation.features ?? []).every(feature => features.has(feature)) && (situation.gicVersion ?? gicVersion) === gicVersion)

/** A fresh register file in that situation. */
export function controlsIn(situation: Situation, profile: Pick<Profile, 'features'>, gicVersion: GicVersion = 3): Controls {
  const { features } = profile
  const file = resetValues(profile, { pe: 0, gicVersion })
  const { has } = compiledFor(features, gicVersion)
  for (const settings of [BASE, situation.set]) {
    for (const [name, text] of Object.entries(settings)) {
      const row = rowByName(name)!
      if (row.features.length > 0 && !row.features.some(has)) continue
      let value = file.u64[row.slot]!
      for (const word of text.split(' ')) {
        const clear = word.startsWith('!')
        for (const field of row.fields!) {
          if (field.name !== word.replace('!', '') && word !== '*') continue
          if (field.feature !== undefined && !has(field.feature)) continue
          // `*` is "trap everything": fields that begin with n trap when they are zero.
          value = clear || (word === '*' && /^n[A-Z]/.test(field.name)) ? value & ~fieldMask(field) : value | fieldMask(field)
        }
      }
      file.u64[row.slot] = value
    }
  }
  return { file, features, gicVersion }
}

/** Where `explain` may be asked to stand. */
export const PLACES = ['EL0', 'EL1', 'EL2', 'EL2-vhe', 'EL0-vhe', 'vEL2', 'vEL2-vhe'] as const
export type Place = (typeof PLACES)[number]

/** The situation at a place; for vEL2 what L0 sets up on this profile for an nVHE or VHE guest hypervisor. Undefined: the profile has no such place. */
export function situationAt(place: Place, features: ReadonlySet<Feature>): Situation | undefined {
  const named = (name: (typeof SITUATIONS)[number]['name']): Situation => SITUATIONS.find(situation => situation.name === name)!
  switch (place) {
    case 'EL0': return named('EL0 allowed')
    case 'EL1': return named('EL1')
    case 'EL2': return named('EL2')
    case 'EL2-vhe': return features.has('FEAT_VHE') ? named('EL2 E2H+TGE') : undefined
    case 'EL0-vhe': return features.has('FEAT_VHE') ? named('EL0 E2H+TGE') : undefined
    case 'vEL2': case 'vEL2-vhe': {
      if (!features.has('FEAT_NV')) return undefined
      const NV1 = place === 'vEL2'
      if (NV1 && !features.has('FEAT_NV2') && !features.has('FEAT_NEVE')) return { ...named('EL1 NV+NV1 as L0 sets it'), name: place, set: { ...NVHE_V8_3, HCR_EL2: `${NVHE_V8_3.HCR_EL2} TTLB TSC TWI` } }
      return {
        name: place, el: 1,
        set: { HCR_EL2: `NV ${NV1 ? 'NV1 ' : ''}${features.has('FEAT_NV2') ? 'NV2 ' : ''}AT TTLB TSC TWI`, ...(features.has('FEAT_NEVE') ? { VNCR_EL2: 'Enable' } : {}) },
      }
    }
  }
}
