/**
 * Which controls the generated programs have covered: each field of the registers with traps was set in some program and clear in another; what is missing must be listed
 * here, with the reason. And which trap rules have trapped a system access, which takes more programs than CI runs for all of them.
 */
import { profile } from '../../src/arch/features.ts'
import type { Feature } from '../../src/arch/features.ts'
import { fieldMask } from '../../src/sysreg/fields.ts'
import { ROWS, rowByName } from '../../src/sysreg/index.ts'

const CONTROLS = ['HCR_EL2', 'CPTR_EL2', 'MDCR_EL2', 'CNTHCTL_EL2', 'HSTR_EL2', 'HFGRTR_EL2', 'HFGWTR_EL2', 'HFGITR_EL2', 'HDFGRTR_EL2', 'HDFGWTR_EL2'] as const

/** Fields that are never set or never clear, by `REGISTER.FIELD`. */
const MISSING: Readonly<Record<string, string>> = {
  'HCR_EL2.MIOCNCE': 'QEMU keeps it 0, and no program sees what it does',
  'CPTR_EL2.SBO': 'RES1',
}

export class Coverage {
  readonly #seen = new Map<string, { ones: bigint, zeros: bigint }>()
  readonly #trapped = new Map<string, number>()

  program(controls: ReadonlyMap<string, bigint>): void {
    for (const control of CONTROLS) {
      const value = controls.get(control)
      if (value === undefined) continue
      const bits = this.#seen.get(control) ?? { ones: 0n, zeros: 0n }
      this.#seen.set(control, { ones: bits.ones | value, zeros: bits.zeros | ~value })
    }
  }

  traps(trapped: ReadonlyMap<string, number>): void {
    for (const [rule, times] of trapped) this.#trapped.set(rule, (this.#trapped.get(rule) ?? 0) + times)
  }

  /** Lines of text, and the fields that are missing without a reason. */
  report(): { readonly text: string, readonly unexplained: readonly string[] } {
    const most = profile('v8.4').features, lines: string[] = [], unexplained: string[] = []
    const exists = (feature: string | undefined): boolean => feature === undefined || feature === 'GICv3' || most.has(feature as Feature)
    const missing = (kind: string, names: readonly string[]): string => names.map(name => {
      if (MISSING[name] === undefined) unexplained.push(`${name} ${kind}`)
      return MISSING[name] === undefined ? name : `${name} (${MISSING[name]})`
    }).join(', ') || '-'
    for (const [control, { ones, zeros }] of this.#seen) {
      const fields = (rowByName(control)!.fields ?? []).filter(({ kind, feature }) => kind === 'RW' && exists(feature)).map(field => ({ name: `${control}.${field.name}`, bits: fieldMask(field) }))
      const one = fields.filter(({ bits }) => (ones & bits) === 0n), zero = fields.filter(({ bits }) => (zeros & bits) === 0n)
      lines.push(`${control.padEnd(12)} ${fields.length - new Set([...one, ...zero]).size} of ${fields.length} fields both set and clear; never set: ${missing('never set', one.map(each => each.name))}; never clear: ${missing('never clear', zero.map(each => each.name))}`)
    }
    const rules = new Set(ROWS.filter(row => row.features.length === 0 || row.features.some(exists)).flatMap(row => row.traps.filter(rule => exists(rule.feature) && (rowByName(rule.register)?.features ?? []).every(exists)
      && rule.fields.every(name => (rowByName(rule.register)?.fields ?? []).some(field => field.name === name && exists(field.feature)))).map(rule => rule.name)))
    const silent = [...rules].filter(rule => ![...this.#trapped.keys()].some(name => name === rule || name.startsWith(`${rule} (`)))
    lines.push(`trap rules   ${rules.size - silent.length} of ${rules.size} have trapped an access; never: ${silent.join(' ') || '-'}`)
    return { text: `${lines.join('\n')}\n`, unexplained }
  }
}
