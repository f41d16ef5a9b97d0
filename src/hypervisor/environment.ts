/** The machine as L0 finds it when it is attached, before the first PE starts. */
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { PhysicalMemory } from './host.ts'

export interface L0Environment {
  readonly memory: PhysicalMemory
  /** All of RAM; `reserved` is the part of it that is kept for L0's own tables. */
  readonly ram: { readonly base: number, readonly size: number }
  readonly reserved: { readonly base: number, readonly size: number }
  readonly peCount: number
  readonly profile: ProfileName
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
}
