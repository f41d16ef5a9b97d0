/**
 * Architecture features and the profiles that name sets of them.
 * Names are the Arm ARM's FEAT_ names (DDI0487, A2 "Armv8-A Architecture Extensions").
 */

export const FEATURES = [
  'FEAT_CRC32', 'FEAT_AES', 'FEAT_PMULL', 'FEAT_SHA1', 'FEAT_SHA256',
  'FEAT_VHE', 'FEAT_LSE', 'FEAT_PAN', 'FEAT_VMID16', 'FEAT_RDM', 'FEAT_HAFDBS',
  'FEAT_UAO', 'FEAT_PAN2', 'FEAT_DPB', 'FEAT_PAuth', 'FEAT_JSCVT', 'FEAT_FCMA', 'FEAT_LRCPC', 'FEAT_CCIDX', 'FEAT_NV',
  'FEAT_NEVE',
  'FEAT_NV2', 'FEAT_FlagM', 'FEAT_LRCPC2', 'FEAT_LSE2', 'FEAT_TTL', 'FEAT_TLBIOS', 'FEAT_TLBIRANGE', 'FEAT_S2FWB', 'FEAT_DotProd', 'FEAT_IDST',
  'FEAT_FGT', 'FEAT_ECV', 'FEAT_CSV3', 'FEAT_E0PD', 'FEAT_EVT',
] as const
/** `FEAT_NEVE` is this project's name for the SOSP'17 proposal; it has no ID register bit. */
export type Feature = (typeof FEATURES)[number]

export const PROFILE_NAMES = ['v8.0', 'v8.1', 'v8.3', 'neve', 'v8.4'] as const
export type ProfileName = (typeof PROFILE_NAMES)[number]

export interface Profile {
  readonly name: ProfileName
  readonly features: ReadonlySet<Feature>
}

const V8_0: readonly Feature[] = ['FEAT_CRC32', 'FEAT_AES', 'FEAT_PMULL', 'FEAT_SHA1', 'FEAT_SHA256']
const V8_1: readonly Feature[] = [...V8_0, 'FEAT_VHE', 'FEAT_LSE', 'FEAT_PAN', 'FEAT_VMID16', 'FEAT_RDM', 'FEAT_HAFDBS']
const V8_3_WITHOUT_NV: readonly Feature[] = [...V8_1, 'FEAT_UAO', 'FEAT_PAN2', 'FEAT_DPB', 'FEAT_PAuth', 'FEAT_JSCVT', 'FEAT_FCMA', 'FEAT_LRCPC', 'FEAT_CCIDX']
const V8_3: readonly Feature[] = [...V8_3_WITHOUT_NV, 'FEAT_NV']

const PROFILES: Readonly<Record<ProfileName, readonly Feature[]>> = {
  'v8.0': V8_0,
  'v8.1': V8_1,
  'v8.3': V8_3,
  // The paper's page in place of plain NV: HCR_EL2.NV exists, and traps what the page does not hold.
  neve: [...V8_3, 'FEAT_NEVE'],
  'v8.4': [...V8_3, 'FEAT_NV2', 'FEAT_FlagM', 'FEAT_LRCPC2', 'FEAT_LSE2', 'FEAT_TTL', 'FEAT_TLBIOS', 'FEAT_TLBIRANGE', 'FEAT_S2FWB',
    'FEAT_DotProd', 'FEAT_IDST', 'FEAT_FGT', 'FEAT_ECV', 'FEAT_CSV3', 'FEAT_E0PD', 'FEAT_EVT'],
}

/** A feature that cannot exist without another one: hiding the second hides the first. */
const NEEDS: Readonly<Partial<Record<Feature, Feature>>> = {
  FEAT_NV2: 'FEAT_NV', FEAT_NEVE: 'FEAT_NV', FEAT_PAN2: 'FEAT_PAN', FEAT_LRCPC2: 'FEAT_LRCPC', FEAT_LSE2: 'FEAT_LSE',
}

export function isProfileName(name: string): name is ProfileName {
  return (PROFILE_NAMES as readonly string[]).includes(name)
}

/** `VHE` and `FEAT_VHE` both name the feature; undefined when there is no such feature. */
export function featureNamed(text: string): Feature | undefined {
  const name = text.startsWith('FEAT_') ? text : `FEAT_${text}`
  return FEATURES.find(feature => feature.toLowerCase() === name.toLowerCase())
}

/** The profile `name` without the features in `hide` and without those that need a hidden one. */
export function profile(name: ProfileName, hide: readonly Feature[] = []): Profile {
  const features = new Set(PROFILES[name].filter(feature => !hide.includes(feature)))
  for (let changed = true; changed;) {
    changed = false
    for (const feature of features) {
      const needed = NEEDS[feature]
      if (needed !== undefined && !features.has(needed)) changed = features.delete(feature)
    }
  }
  return { name, features }
}
