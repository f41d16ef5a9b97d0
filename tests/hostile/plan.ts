/** What one hostile program is run on: everything follows from the seed. */
import type { Feature, ProfileName } from '../../src/arch/features.ts'
import type { GicVersion } from '../../src/arch/gic.ts'
import { Random } from '../assembler.ts'

export const MEGABYTE = 1 << 20
export const RAM_BASE = 0x4000_0000
/** RAM of the machine, the part of it that is L0's, the hostile VM and its neighbour. The rest belongs to nobody. */
export const MEMORY = { machine: 16 * MEGABYTE, reserved: MEGABYTE, hostile: 6 * MEGABYTE, neighbour: 8 * MEGABYTE } as const
/** Where the loader puts an Image (2 MiB into the VM's RAM): the generator writes tables with these addresses. */
export const IMAGE_BASE = RAM_BASE + 2 * MEGABYTE

export interface Plan {
  readonly seed: number
  readonly profile: ProfileName
  /** Without FEAT_NV: L0 rewrites the program. */
  readonly paravirt: 'nv' | 'neve' | undefined
  readonly hide: readonly Feature[]
  readonly board: 'virt' | 'moonshot'
  readonly gic: GicVersion
  /** What the VM is offered, and what the program makes of it. */
  readonly offered: 'nvhe' | 'vhe' | 'nvhe-or-vhe'
  readonly e2h: boolean
  readonly recursion: boolean
  readonly vcpus: 1 | 2
  /** PEs of the machine: with fewer than the vCPUs of both VMs some take turns. */
  readonly pes: number
  readonly policy: 'split' | 'lazy'
  /** Less for L0's tables than the program may want: what is there is recycled. */
  readonly reserved: number
  /** The neighbour runs from the beginning, or not before the program has ended. */
  readonly neighbour: 'beside' | 'after'
}

const PROFILES = ['v8.3', 'neve', 'v8.4'] as const

export function planOf(seed: number): Plan {
  const r = new Random(seed ^ 0x5eed)
  // The first choices go round, so that a few programs already meet all of them.
  const paravirt = seed % 7 !== 3 ? undefined : (seed >> 1) % 2 === 0 ? 'nv' : 'neve'
  const profile = paravirt === undefined ? PROFILES[seed % 3]! : 'v8.0', gic = (seed >> 1) % 2 === 0 ? 2 : 3, e2h = seed % 4 === 1 || seed % 8 === 2
  const vcpus = seed % 5 < 2 ? 2 : 1
  return {
    seed, profile, paravirt, gic, e2h, vcpus,
    hide: profile === 'v8.4' && r.chance(30) ? [r.pick(['FEAT_FGT', 'FEAT_ECV', 'FEAT_S2FWB', 'FEAT_TTL', 'FEAT_TLBIRANGE', 'FEAT_PAuth', 'FEAT_E0PD'] as const)] : [],
    board: gic === 2 && r.chance(40) ? 'moonshot' : 'virt',
    // Rewriting is for one kind.
    offered: r.chance(50) && paravirt === undefined ? 'nvhe-or-vhe' : e2h ? 'vhe' : 'nvhe',
    // It needs FEAT_NV2.
    recursion: r.chance(profile === 'v8.4' ? 50 : 10),
    pes: vcpus + (r.chance(70) ? 1 : 0),
    policy: r.chance(30) ? 'split' : 'lazy',
    reserved: r.chance(25) ? 3 * MEGABYTE / 8 : MEMORY.reserved,
    neighbour: r.chance(50) ? 'beside' : 'after',
  }
}

export const describePlan = (plan: Plan): string =>
  `${plan.profile}${plan.paravirt === undefined ? '' : ` paravirtual ${plan.paravirt}`}${plan.hide.map(feature => `-${feature}`).join('')} ${plan.board} GICv${plan.gic} ${plan.offered}${plan.e2h ? ' E2H' : ''}${plan.recursion ? ' recursion' : ''}, ${plan.vcpus} vCPU on ${plan.pes} PE, ${plan.policy}${plan.reserved < MEMORY.reserved ? ', little memory' : ''}, neighbour ${plan.neighbour}`
