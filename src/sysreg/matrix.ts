/**
 * The system-register matrix: what each name means in each situation, as text. It is a golden file per profile and a page of the
 * documentation (design D4).
 */
import { EC, ecName } from '../arch/esr.ts'
import { profile as profileNamed } from '../arch/features.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { compiledFor, resolve } from './resolve.ts'
import type { Resolution } from './resolve.ts'
import type { Row } from './row.ts'
import { controlsIn, situationsOf } from './situations.ts'
import { ROWS } from './table.ts'

/** `reg` the register itself, `run` an instruction, a name another register, `[110]` memory at VNCR_EL2 + 0x110, `trap2` a trap to EL2, `-` UNDEFINED. */
export function cellOf(resolution: Resolution, row: Row): string {
  switch (resolution.kind) {
    case 'register': return resolution.row === row ? (row.kind === 'instruction' ? 'run' : 'reg') : resolution.row.name
    case 'memory': return `[${resolution.offset.toString(16)}]`
    case 'trap': return `trap${resolution.to}${resolution.ec === EC.SystemRegister ? '' : `:${ecName(resolution.ec)}`}`
    case 'undefined': return '-'
  }
}

export interface MatrixOptions {
  readonly hide?: readonly Feature[]
  readonly gicVersion?: GicVersion
  /** Only rows whose name contains this. */
  readonly filter?: string
}

export interface Matrix {
  /** Names of the columns. */
  readonly situations: readonly string[]
  /** A register or instruction each, or several in a row that differ in a number: one cell by situation, see `cellOf`; read and write where they differ. */
  readonly lines: readonly Line[]
  /** UNDEFINED everywhere, because the feature is missing. */
  readonly missing: readonly Row[]
}

export function matrixOf(name: ProfileName, options: MatrixOptions = {}): Matrix {
  const { hide = [], gicVersion = 3, filter } = options
  const profile = profileNamed(name, hide)
  const { has } = compiledFor(profile.features, gicVersion)
  const situations = situationsOf(profile.features, gicVersion)
  const controls = situations.map(situation => controlsIn(situation, profile, gicVersion))
  const present = (row: Row): boolean => row.features.length === 0 || row.features.some(has)
  const wanted = ROWS.filter(row => row.viewOf === undefined && (filter === undefined || row.name.toLowerCase().includes(filter.toLowerCase())))

  const lines = wanted.filter(present).map(row => ({
    name: row.name,
    cells: situations.map((situation, i) => {
      const read = row.kind === 'instruction' ? '' : cellOf(resolve(row, 'read', situation.el, controls[i]!), row)
      const write = cellOf(resolve(row, 'write', situation.el, controls[i]!), row)
      return read === write || read === '' ? write : `${read} ${write}`
    }),
  }))
  return { situations: situations.map(situation => situation.name), lines: fold(lines), missing: wanted.filter(row => !present(row)) }
}

export function matrix(name: ProfileName, options: MatrixOptions = {}): string {
  const { hide = [], gicVersion = 3 } = options
  const { situations, lines: body, missing } = matrixOf(name, options)
  const nameWidth = Math.max(...body.map(line => line.name.length), 8)
  const widths = situations.map((_, i) => Math.max(...body.map(line => line.cells[i]!.length), String(i + 1).length))
  const format = (first: string, cells: readonly string[]): string => [first.padEnd(nameWidth), ...cells.map((cell, i) => cell.padEnd(widths[i]!))].join('  ').trimEnd()
  return [
    `System registers and instructions of profile ${name}${hide.length > 0 ? ` without ${hide.join(', ')}` : ''}, GICv${gicVersion}`,
    '',
    'A cell with two entries is read, then write. reg: the register itself; run: the instruction executes; a name: that register instead;',
    '[n]: memory at VNCR_EL2 + 0xn; trapN: exception to ELN, with its class if it is not that of MSR and MRS; -: UNDEFINED.',
    '',
    ...situations.map((situation, i) => `${String(i + 1).padStart(2)}  ${situation}`),
    '',
    format('', situations.map((_, i) => String(i + 1))),
    ...body.map(line => format(line.name, line.cells)),
    '',
    ...(missing.length > 0 ? ['Known by name and UNDEFINED, because the feature is missing:', ...byFeature(missing)] : []),
    '',
  ].join('\n')
}

export interface Line { readonly name: string, readonly cells: readonly string[] }

/** Neighbours that differ only in a number of their name and have equal cells become one line: `DBGBVR0..5_EL1`. */
function fold(lines: readonly Line[]): Line[] {
  const out: (Line & { first: string, shape: string })[] = []
  for (const line of lines) {
    const shape = line.name.replace(/(?<=[A-Z])\d+(?=_EL\d+$)/, '#')
    const last = out.at(-1)
    if (last !== undefined && shape.includes('#') && last.shape === shape && last.cells.join() === line.cells.join()) {
      const number = /\d+(?=_EL\d+$)/.exec(line.name)![0]
      out[out.length - 1] = { ...last, name: last.first.replace(/(?<=[A-Z])(\d+)(?=_EL\d+$)/, `$1..${number}`) }
    } else out.push({ ...line, first: line.name, shape })
  }
  return out
}

function byFeature(rows: readonly Row[]): string[] {
  const groups = new Map<string, string[]>()
  for (const row of rows) {
    const feature = row.features.join(' or ')
    const names = groups.get(feature) ?? []
    names.push(row.name)
    groups.set(feature, names)
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([feature, names]) => wrap(`${feature}:`, foldNames(names)))
}

/** `AMEVCNTR10_EL0 AMEVCNTR11_EL0 ...` becomes `AMEVCNTR10..115_EL0`. */
function foldNames(names: readonly string[]): string[] {
  return fold(names.map(name => ({ name, cells: [] }))).map(line => line.name)
}

function wrap(head: string, words: readonly string[]): string[] {
  const lines: string[] = []
  let line = `  ${head}`
  for (const word of words) {
    if (line.length + word.length + 2 > 140) { lines.push(line); line = '   ' }
    line += ` ${word.includes(' ') ? `${word},` : word}`
  }
  return [...lines, line.replace(/,$/, '')]
}
