/** Profiles and the CPUs of QEMU that come nearest. */
import type { ProfileName } from '../../src/arch/features.ts'

export interface Pair { readonly name: string, readonly profile: ProfileName, readonly cpu: string, readonly gic: 2 | 3 }

export const PAIRS: readonly Pair[] = [
  { name: 'v8.0', profile: 'v8.0', cpu: 'cortex-a57', gic: 3 },
  { name: 'v8.1', profile: 'v8.1', cpu: 'neoverse-n1', gic: 3 },
  { name: 'v8.4', profile: 'v8.4', cpu: 'max,sve=off,sme=off,lpa2=off', gic: 3 },
]
