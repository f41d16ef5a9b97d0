/** `nidus explain`: the decision path of one instruction, in words. */
import { buildCommand } from '@stricli/core'
import { BadInput } from '../../arch/bad-input.ts'
import { PROFILE_NAMES, type Feature, type ProfileName } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { explain } from '../../sysreg/explain.ts'
import { PLACES, type Place } from '../../sysreg/situations.ts'
import { gicVersion, hiddenFeature, oneOf, profileName } from '../options.ts'

interface Flags { readonly at: Place, readonly arch: ProfileName, readonly hide: readonly Feature[], readonly gic: GicVersion, readonly json: boolean }

export const explainCommand = buildCommand({
  docs: {
    brief: 'Why an instruction executes, traps, goes to memory or is UNDEFINED',
    fullDescription: [
      'INSTRUCTION is an access to a system register, a TLBI, AT, DC or IC, or one of WFI, WFE, SMC, HVC, SVC, BRK, ERET. The words come from the',
      'same rules that decide when the machine runs; L0 asks them with the virtual controls of its guest hypervisor.',
      '', 'Examples:', "  nidus explain 'mrs x0, vtcr_el2' --at vEL2 --arch v8.3", "  nidus explain 'msr vbar_el1, x1' --at vEL2 --arch v8.4", "  nidus explain eret --at vEL2-vhe --arch neve", "  nidus explain 'tlbi vmalls12e1is' --at EL1 --arch v8.0",
    ].join('\n'),
  },
  parameters: {
    flags: {
      at: { kind: 'parsed', parse: oneOf('--at', PLACES), brief: `Where it executes: ${PLACES.join(', ')}`, default: 'vEL2' },
      arch: { kind: 'parsed', parse: profileName, brief: `Profile: ${PROFILE_NAMES.join(', ')}`, default: 'v8.4' },
      hide: { kind: 'parsed', parse: hiddenFeature, brief: 'Take a feature away, e.g. VHE (repeatable)', variadic: true, default: [] },
      gic: { kind: 'parsed', parse: gicVersion, brief: 'v2 or v3', default: 'v3' },
      json: { kind: 'boolean', brief: 'Print JSON', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'One instruction in quotes', parse: String, placeholder: 'INSTRUCTION' }] },
  },
  func({ at, arch, hide, gic, json }: Flags, text: string) {
    const explanation = explain(text, { at, profile: arch, hide, gicVersion: gic })
    if (typeof explanation === 'string') throw new BadInput('explain', explanation)
    const { steps, resolution } = explanation
    const conclusion = resolution === undefined ? { kind: 'executes' } : { ...resolution, ...('row' in resolution ? { row: resolution.row.name } : {}) }
    process.stdout.write(json ? `${JSON.stringify({ instruction: text, at, arch, steps, conclusion }, null, 2)}\n` : `${steps.join('\n')}\n`)
  },
})
