/** Which of QEMU's CPUs comes nearest to a profile. */
import type { ProfileName } from '../../arch/features.ts'

/** `neve` has none: no other machine has the paper's registers. */
export const ORACLE_CPU: Readonly<Record<Exclude<ProfileName, 'neve'>, string>> = {
  'v8.0': 'cortex-a57', 'v8.1': 'neoverse-n1', 'v8.3': 'max,sve=off,sme=off,lpa2=off', 'v8.4': 'max,sve=off,sme=off,lpa2=off',
}
