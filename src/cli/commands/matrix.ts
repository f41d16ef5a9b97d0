/** `nidus matrix`: what every system register means in every situation. */
import { buildCommand } from '@stricli/core'
import { PROFILE_NAMES, type Feature, type ProfileName } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { matrix } from '../../sysreg/matrix.ts'
import { gicVersion, hiddenFeature, profileName } from '../options.ts'

interface Flags { readonly arch: ProfileName, readonly hide: readonly Feature[], readonly gic: GicVersion }

export const matrixCommand = buildCommand({
  docs: {
    brief: 'The system-register matrix: register x situation',
    fullDescription: [
      'Prints for every system register and instruction what an access does at EL0, EL1, EL2 and in virtual EL2: the register itself, another',
      'register, memory at VNCR_EL2, a trap, or UNDEFINED. FILTER keeps the rows whose name contains it.',
      '', 'Examples:', '  nidus matrix --arch v8.4', '  nidus matrix vbar --arch v8.3', '  nidus matrix ICH_ --arch neve --gic v3',
    ].join('\n'),
  },
  parameters: {
    flags: {
      arch: { kind: 'parsed', parse: profileName, brief: `Profile: ${PROFILE_NAMES.join(', ')}`, default: 'v8.4' },
      hide: { kind: 'parsed', parse: hiddenFeature, brief: 'Take a feature away, e.g. VHE (repeatable)', variadic: true, default: [] },
      gic: { kind: 'parsed', parse: gicVersion, brief: 'v2 or v3', default: 'v3' },
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'Part of a register name', parse: String, placeholder: 'FILTER', optional: true }] },
  },
  func({ arch, hide, gic }: Flags, filter?: string) {
    process.stdout.write(`${matrix(arch, { hide, gicVersion: gic, ...(filter === undefined ? {} : { filter }) })}\n`)
  },
})
