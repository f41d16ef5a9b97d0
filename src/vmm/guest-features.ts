/** What a VM is told that its machine has (nested-arch.md b.4). */
import { profile } from '../arch/features.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import type { VirtualEL2 } from './options.ts'

/**
 * Not offered to a VM with EL2: CNTPOFF_EL2 of FEAT_ECV and the memory type override of FEAT_S2FWB, which the shadow tables do not
 * carry over. Nested virtualization itself is offered for recursion only.
 */
const HIDDEN_WITH_EL2: readonly Feature[] = ['FEAT_NEVE', 'FEAT_ECV', 'FEAT_S2FWB']
const NESTING: readonly Feature[] = ['FEAT_NV', 'FEAT_NV2', 'FEAT_NEVE']

/** Features of `name` that the machine has as well, less what is hidden. One set object per VM. */
export function guestFeatures(name: ProfileName, hide: readonly Feature[], machine: ReadonlySet<Feature>, el2: VirtualEL2, { paravirt = false, recursion = false } = {}): ReadonlySet<Feature> {
  const hidden: Feature[] = [...hide]
  if (el2 !== 'none') hidden.push(...HIDDEN_WITH_EL2)
  if (el2 === 'none' || !recursion) hidden.push(...NESTING)
  if (el2 === 'nvhe') hidden.push('FEAT_VHE')
  // Its nVHE virtual EL2 runs at EL1 without HCR_EL2.NV1, under tables in which EL0 may access everything: PSTATE.PAN would matter there.
  if (paravirt) hidden.push('FEAT_PAN', 'FEAT_UAO')
  const offered = [...profile(name, hidden).features].filter(feature => machine.has(feature))
  // FEAT_VHE of a rewritten guest hypervisor is L0's emulation alone: its `_EL12` names are gone from its binary.
  if (paravirt && el2 === 'vhe' && !hide.includes('FEAT_VHE') && !offered.includes('FEAT_VHE')) offered.push('FEAT_VHE')
  return new Set(offered)
}
