/** The first difference of a comparison, in words and as data. */
import { ecName, ecOf, issOf } from '../../arch/esr.ts'
import { disassemble } from '../../isa/disassemble.ts'
import { rowByKey } from '../../sysreg/index.ts'
import { isSystemRegister } from './comparison.ts'
import type { Executed, FirstDifference } from './comparison.ts'
import type { Difference, StepState } from './stepper.ts'
import { FOREIGN_PSTATE, SP } from './stepper.ts'

export type Symbolizer = (pc: bigint) => string | undefined

const hex = (value: bigint | number): string => `0x${value.toString(16)}`

const PSTATE_FIELDS: readonly (readonly [name: string, bit: number, width: number])[] = [
  ['N', 31, 1], ['Z', 30, 1], ['C', 29, 1], ['V', 28, 1], ['UAO', 23, 1], ['PAN', 22, 1], ['SS', 21, 1], ['IL', 20, 1], ['D', 9, 1], ['A', 8, 1], ['I', 7, 1], ['F', 6, 1], ['EL', 2, 2], ['SP', 0, 1],
]

/** The fields of a value that differ: `PAN 1 / 0`. */
function fieldsThatDiffer(fields: readonly (readonly [name: string, bit: number, width: number])[], ours: bigint, theirs: bigint): string[] {
  return fields.flatMap(([name, bit, width]) => {
    const mask = (1n << BigInt(width)) - 1n, a = (ours >> BigInt(bit)) & mask, b = (theirs >> BigInt(bit)) & mask
    return a === b ? [] : `${name} ${hex(a)} / ${hex(b)}`
  })
}

export function instructionText({ pc, word }: Executed): string {
  if (word === undefined) return 'no instruction can be read here'
  const name = isSystemRegister(word) ? rowByKey((word >>> 5) & 0xffff)?.name : undefined
  return `${disassemble(word, { pc })}${name === undefined ? '' : `  (${name})`}`
}

const place = (pc: bigint, symbolAt: Symbolizer): string => {
  const symbol = symbolAt(pc)
  return `${hex(pc)}${symbol === undefined ? '' : ` <${symbol}>`}`
}

/** What a difference means. */
function meaning({ what, ours, theirs }: Difference, { word }: Executed): string | undefined {
  if (what === 'PSTATE') return fieldsThatDiffer(PSTATE_FIELDS, ours, theirs).join(', ')
  if (word === undefined || word >>> 20 !== 0xd53 || what !== `X${word & 31}`) return undefined
  const row = rowByKey((word >>> 5) & 0xffff)
  if (row === undefined) return undefined
  if (row.name.startsWith('ESR_EL')) return `EC ${ecName(ecOf(Number(ours & 0xffff_ffffn)))} / ${ecName(ecOf(Number(theirs & 0xffff_ffffn)))}, ISS ${hex(issOf(Number(ours & 0xffff_ffffn)))} / ${hex(issOf(Number(theirs & 0xffff_ffffn)))}`
  if (row.name.startsWith('SPSR_EL')) return fieldsThatDiffer(PSTATE_FIELDS, ours, theirs).join(', ')
  return fieldsThatDiffer((row.fields ?? []).map(({ name, high, low }) => [name, low, high - low + 1] as const), ours, theirs).join(', ') || undefined
}

export interface Names { readonly ours: string, readonly theirs: string }

/** As `nidus lockstep` prints it. */
export function describeDifference(difference: FirstDifference, symbolAt: Symbolizer, names: Names): string {
  const { step, pc, el, found, ours, theirs, exception, history } = difference, width = Math.max(names.ours.length, names.theirs.length)
  const lines = [`The first difference is after instruction ${step} of the comparison, at EL${el}:`, '', `  ${place(pc, symbolAt)}: ${instructionText(difference)}`, '']
  if (exception !== undefined) lines.push(`  ${names.ours} took an exception to EL${exception.to}: ${ecName(ecOf(exception.esr))}, ISS ${hex(issOf(exception.esr))}, FAR_EL${exception.to} ${hex(exception.far)}`)
  const other = found.find(({ what }) => what === 'PC')
  if (other !== undefined) lines.push(`  ${names.ours} goes on at ${place(other.ours, symbolAt)}, ${names.theirs} at ${place(other.theirs, symbolAt)}`)
  lines.push('', '  Registers that differ:')
  for (const each of found) {
    lines.push(`    ${each.what.padEnd(6)} ${names.ours.padEnd(width)} ${hex(each.ours)}`, `           ${names.theirs.padEnd(width)} ${hex(each.theirs)}`)
    const words = meaning(each, difference)
    if (words !== undefined && words !== '') lines.push(`           that is, ${names.ours} / ${names.theirs}: ${words}`)
  }
  lines.push('', `  All registers after it, ${names.ours} and, where it differs, ${names.theirs}:`, ...stateLines(ours, theirs))
  lines.push('', `  The last ${history.length} instructions before it, which agree:`, ...history.map(each => `    EL${each.el} ${place(each.pc, symbolAt)}: ${instructionText(each)}`))
  return lines.join('\n')
}

function stateLines(ours: StepState, theirs: StepState): string[] {
  const cells: string[] = []
  for (let n = 0; n < 32; n++) cells.push(`${(n === SP ? 'SP' : `X${n}`).padEnd(3)} ${ours.x[n]!.toString(16).padStart(16, '0')}${ours.x[n] === theirs.x[n] ? '' : ` | ${theirs.x[n]!.toString(16).padStart(16, '0')}`}`)
  const lines: string[] = []
  for (let n = 0; n < 32; n += 4) lines.push(`    ${cells.slice(n, n + 4).join('  ')}`)
  return lines
}

/** As `--json` prints it. */
export function differenceReport(difference: FirstDifference, symbolAt: Symbolizer): Record<string, unknown> {
  const instruction = (each: Executed): Record<string, unknown> => ({ pc: hex(each.pc), symbol: symbolAt(each.pc) ?? null, word: each.word === undefined ? null : hex(each.word >>> 0), text: instructionText(each), el: each.el })
  const state = ({ x, pc, pstate }: StepState): Record<string, unknown> => ({ x: Array.from(x.subarray(0, SP), hex), sp: hex(x[SP]!), pc: hex(pc), pstate: hex((pstate & ~FOREIGN_PSTATE) >>> 0) })
  const { step, found, ours, theirs, exception, history } = difference
  return {
    step, instruction: instruction(difference), exception: exception === undefined ? null : { to: exception.to, class: ecName(ecOf(exception.esr)), esr: hex(exception.esr), far: hex(exception.far) },
    differences: found.map(each => ({ register: each.what, ours: hex(each.ours), theirs: hex(each.theirs), meaning: meaning(each, difference) ?? null })),
    ours: state(ours), theirs: state(theirs), before: history.map(instruction),
  }
}
