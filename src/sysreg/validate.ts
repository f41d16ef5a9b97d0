/** Consistency of the tables, checked when they are loaded. A message names the row. */
import { fieldMask } from './fields.ts'
import type { Field, Row } from './row.ts'

/** Offsets from here up are the project's own slots for the paper's page; FEAT_NV2 reserves them. */
const NEVE_OFFSETS = 0xc00

export function problemsOf(rows: readonly Row[]): string[] {
  const problems: string[] = []
  const byName = new Map(rows.map(row => [row.name, row]))
  const report = (row: Row, text: string): void => { problems.push(`${row.name}: ${text}`) }
  const once = <K>(seen: Map<K, Row>, key: K, row: Row, text: (other: string) => string): void => {
    const other = seen.get(key)
    if (other !== undefined) report(row, text(other.name))
    else seen.set(key, row)
  }
  const names = new Map<string, Row>(), keys = new Map<number, Row>(), slots = new Map<number, Row>(), offsets = new Map<string, Row>(), neveOffsets = new Map<number, Row>()

  for (const row of rows) {
    once(names, row.name, row, () => 'stands twice')
    if (row.viewOf === undefined) once(keys, row.key, row, other => `has the encoding of ${other}`)
    else if (byName.get(row.viewOf)?.key !== row.key) report(row, `is a view of ${row.viewOf} with another encoding`)

    const op1 = (row.key >>> 11) & 7, expected = op1 === 3 ? 0 : op1 === 4 || op1 === 5 ? 2 : op1 >= 6 ? 3 : 1
    if (row.minimumEL < expected) report(row, `is accessible at EL${row.minimumEL}, but op1 is ${op1}`)
    if ((row.key >>> 14 === 1) !== (row.kind === 'instruction')) report(row, 'op0 is 1 for instructions and for nothing else')

    for (const [what, target] of [['VHE alias', row.vheAlias], ['alias target', row.aliasOf], ['NV2 register', row.nv2Register], ['EL1 read', row.readAtEL1], ['NEVE register', row.neve?.register]] as const) {
      if (target === undefined) continue
      if (!byName.has(target)) report(row, `${what} ${target} does not exist`)
      else if ((what === 'VHE alias' || what === 'NV2 register' || what === 'NEVE register') && target === row.name) report(row, `${what} is itself`)
    }
    if (row.aliasOf !== undefined && byName.get(row.aliasOf)?.slot !== row.slot) report(row, `does not share the slot of ${row.aliasOf}`)
    if (row.aliasOf !== undefined && op1 !== 5) report(row, 'a host name of an EL1 register has op1 5')
    if (row.slot >= 0 && row.aliasOf === undefined) once(slots, row.slot, row, other => `has the slot of ${other}`)
    if (row.kind === 'instruction' && row.slot >= 0) report(row, 'is an instruction and has a slot')

    if (row.vncr !== undefined && row.viewOf === undefined) {
      const { offset, when } = row.vncr
      if (offset % 8 !== 0 || offset < 0 || offset >= 0x1000) report(row, `VNCR offset 0x${offset.toString(16)} is not a slot of the page`)
      // A pair NV1=0 (`_EL12`) and NV1=1 (`_EL1`) shares its offset; nothing else does.
      for (const NV1 of when === 'always' ? ['NV1=0', 'NV1=1'] : [when]) once(offsets, `${NV1} 0x${offset.toString(16)}`, row, other => `has the VNCR offset of ${other}`)
      if ((when === 'NV1=0') !== (row.aliasOf !== undefined)) report(row, `VNCR condition ${when} does not fit the name`)
    }
    if (row.neve !== undefined && row.viewOf === undefined && row.aliasOf === undefined) {
      const { as, offset, register, other } = row.neve
      if ((as === 'redirect') !== (register !== undefined)) report(row, 'a NEVE redirect has a register, and nothing else has')
      if ((as !== 'redirect' || (other !== undefined && other !== 'redirect')) && offset === undefined && row.vncr === undefined) report(row, 'NEVE keeps it in the page, but it has no offset')
      if (offset !== undefined) {
        if (row.vncr !== undefined) report(row, 'has both a VNCR and a NEVE offset')
        if (offset < NEVE_OFFSETS || offset >= 0x1000 || offset % 8 !== 0) report(row, `NEVE offset 0x${offset.toString(16)} is outside the project's part of the page`)
        once(neveOffsets, offset, row, name => `has the NEVE offset of ${name}`)
      }
    }
    for (const layout of [false, true]) overlaps(row, layout, report)
    for (const rule of row.traps) {
      const control = byName.get(rule.register)
      if (control === undefined) { report(row, `trap rule ${rule.name}: no such register`); continue }
      const fields = rule.fields.map(name => control.fields?.find(field => field.name === name))
      if (fields.includes(undefined)) report(row, `trap rule ${rule.name}: no such field`)
      else if (new Set(fields.flatMap(field => [field!.low >= 32, field!.high >= 32])).size > 1) report(row, `trap rule ${rule.name}: the fields cross bit 32`)
      if (rule.to === 1 && !rule.from.includes(0) && !rule.from.includes(1)) report(row, `trap rule ${rule.name}: nothing traps from above to EL1`)
      if (control.slot < 0 && control.features.length === 0) report(row, `trap rule ${rule.name}: the control has no slot`)
    }
  }
  return problems
}

/** Fields are disjoint within each layout; a field of the E2H=0 layout may overlap the others. */
function overlaps(row: Row, nVHE: boolean, report: (row: Row, text: string) => void): void {
  const fields: readonly Field[] = row.fields?.filter(field => field.nVHE === nVHE) ?? []
  let taken = 0n
  for (const field of fields) {
    if (field.high < field.low || field.high > 63) report(row, `field ${field.name}: bits ${field.high}:${field.low}`)
    const mask = fieldMask(field)
    if ((taken & mask) !== 0n) report(row, `field ${field.name} overlaps another one`)
    taken |= mask
  }
}

