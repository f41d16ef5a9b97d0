/** Profiles and the CPUs of QEMU that come nearest. */
import { ORACLE_CPU } from '../../src/cli/lockstep/oracle-cpu.ts'
import type { ProfileName } from '../../src/arch/features.ts'

export interface Pair { readonly name: string, readonly profile: ProfileName, readonly cpu: string, readonly gic: 2 | 3, readonly withoutEL2?: true }

export const PAIRS: readonly Pair[] = [
  { name: 'v8.0', profile: 'v8.0', cpu: ORACLE_CPU['v8.0'], gic: 3 },
  { name: 'v8.0-gicv2', profile: 'v8.0', cpu: ORACLE_CPU['v8.0'], gic: 2 },
  { name: 'v8.1', profile: 'v8.1', cpu: ORACLE_CPU['v8.1'], gic: 3 },
  { name: 'v8.4', profile: 'v8.4', cpu: ORACLE_CPU['v8.4'], gic: 3 },
  { name: 'v8.0-el1', profile: 'v8.0', cpu: ORACLE_CPU['v8.0'], gic: 3, withoutEL2: true },
  { name: 'v8.4-el1', profile: 'v8.4', cpu: ORACLE_CPU['v8.4'], gic: 3, withoutEL2: true },
]
