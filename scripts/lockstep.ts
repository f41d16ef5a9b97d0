/**
 * Generated programs of privileged code in lockstep with qemu-system-aarch64:
 *
 *   node scripts/lockstep.ts [--count N] [--coverage] [--seed S] [--family traps,..] [--on v8.4,..] [--show N]
 *
 * N programs of each family on each profile that QEMU has a CPU for. Prints the first divergence of each program that has one; exit status 1. `--coverage`: which bits
 * of the registers with traps were set in some program and clear in another.
 */
import { parseArgs } from 'node:util'
import type { Feature } from '../src/arch/features.ts'
import { profile } from '../src/arch/features.ts'
import { fieldMask } from '../src/sysreg/fields.ts'
import { rowByName } from '../src/sysreg/index.ts'
import { Qemu } from '../src/cli/lockstep/qemu.ts'
import { FAMILIES, generate } from '../tests/lockstep/families/index.ts'
import { RAM_BYTES } from '../tests/lockstep/program.ts'
import { describeDivergence, Lockstep } from '../tests/lockstep/run.ts'
import { PAIRS } from '../tests/lockstep/pairs.ts'

const { values } = parseArgs({ options: {
  count: { type: 'string', default: '100' }, seed: { type: 'string', default: '0' }, family: { type: 'string', default: Object.keys(FAMILIES).join() },
  on: { type: 'string', default: PAIRS.map(({ name }) => name).join() }, show: { type: 'string', default: '10' }, coverage: { type: 'boolean', default: false },
} })
const count = Number(values.count), first = Number(values.seed), show = Number(values.show)
const CONTROLS = ['HCR_EL2', 'CPTR_EL2', 'MDCR_EL2', 'CNTHCTL_EL2', 'HSTR_EL2', 'HFGRTR_EL2', 'HFGWTR_EL2', 'HFGITR_EL2', 'HDFGRTR_EL2', 'HDFGWTR_EL2'] as const
const seen = new Map<string, { ones: bigint, zeros: bigint }>()
const known = new Map<string, number>()
let programs = 0, steps = 0, finished = 0, exceptions = 0, differ = 0
for (const name of values.on.split(',')) {
  const pair = PAIRS.find(each => each.name === name)
  if (pair === undefined) throw new Error(`no pair of machines ${name}: ${PAIRS.map(each => each.name).join(', ')}`)
  const qemu = await Qemu.start({ cpu: pair.cpu, gic: pair.gic, el2: true, megabytes: RAM_BYTES >> 20 })
  const target = { features: profile(pair.profile).features, gicVersion: pair.gic }
  const lockstep = new Lockstep(qemu, pair.profile, pair.gic)
  try {
    for (const family of values.family.split(',')) {
      const { needs, gic } = FAMILIES[family]!
      if ((needs !== undefined && !target.features.has(needs)) || (gic !== undefined && gic !== pair.gic)) continue
      for (let seed = first; seed < first + count; seed++) {
        const program = generate(family, seed, target), result = await lockstep.run(program)
        programs++
        for (const control of CONTROLS) {
          const value = program.controls.get(control)
          if (value === undefined) continue
          const bits = seen.get(control) ?? { ones: 0n, zeros: 0n }
          seen.set(control, { ones: bits.ones | value, zeros: bits.zeros | ~value })
        }
        steps += result.steps
        exceptions += result.exceptions
        if (result.finished) finished++
        if (result.stopped !== undefined) {
          const reason = `our machine stopped: ${result.stopped.kind === 'unimplemented' ? result.stopped.detail.name : result.stopped.kind}`
          known.set(reason, (known.get(reason) ?? 0) + 1)
        }
        if (result.divergence !== undefined && ++differ <= show) process.stdout.write(`${name} ${describeDivergence(program, result.divergence)}\n`)
      }
    }
  } finally {
    for (const [reason, times] of lockstep.known) known.set(reason, (known.get(reason) ?? 0) + times)
    qemu.end()
  }
}
if (values.coverage) {
  const most = profile('v8.4').features
  for (const [control, { ones, zeros }] of seen) {
    const fields = (rowByName(control)!.fields ?? []).filter(({ kind, feature }) => kind === 'RW' && (feature === undefined || feature === 'GICv3' || most.has(feature as Feature))).map(field => ({ name: field.name, bits: fieldMask(field) }))
    const one = fields.filter(({ bits }) => (ones & bits) === 0n), zero = fields.filter(({ bits }) => (zeros & bits) === 0n), both = fields.length - new Set([...one, ...zero]).size
    const named = (list: readonly { readonly name: string }[]): string => list.map(({ name }) => name).join(' ') || '-'
    process.stdout.write(`${control.padEnd(12)} ${both} of ${fields.length} fields both set and clear; never set: ${named(one)}; never clear: ${named(zero)}\n`)
  }
}
for (const [reason, times] of known) process.stdout.write(`known, ${times} times: ${reason}\n`)
process.stdout.write(`${programs} programs, ${steps} steps, ${exceptions} exceptions, ${finished} ran to their end; ${differ} differ\n`)
process.exit(differ === 0 ? 0 : 1)
