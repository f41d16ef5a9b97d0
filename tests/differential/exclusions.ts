/** Rows that are not run against qemu-aarch64, each with the reason. The test fails for a row that is neither run nor listed. */
import { type Row } from '../../src/isa/instruction.ts'
import { ROWS } from '../../src/isa/table.ts'

const REASONS: readonly (readonly [string, readonly string[]])[] = [
  ['takes an exception: the CPU and its tests decide what happens', ['SVC', 'HVC', 'SMC', 'BRK', 'HLT']],
  ['needs EL1 or higher', ['ERET', 'ERETAA', 'ERETAB', 'MSR (immediate), UAO', 'MSR (immediate), PAN', 'MSR (immediate), SPSel', 'MSR (immediate), DAIFSet', 'MSR (immediate), DAIFClr']],
  ['what it does is in sysreg/, which has its own tests', ['SYS', 'SYSL', 'MSR (register)', 'MRS']],
  ['its value is a hash that is ours alone; the rows that authenticate run it before them', [
    'PACIA', 'PACIB', 'PACDA', 'PACDB', 'PACIZA', 'PACIZB', 'PACDZA', 'PACDZB', 'PACIA1716', 'PACIB1716', 'PACIAZ', 'PACIBZ', 'PACIASP', 'PACIBSP',
  ]],
  ['its value is a hash that is ours alone', ['PACGA']],
]

const listed = new Map(REASONS.flatMap(([reason, names]) => names.map(name => [name, reason] as const)))
for (const name of listed.keys()) if (!ROWS.some(row => row.name === name)) throw new Error(`excluded row '${name}' does not exist`)

/** Why `row` is not run, or undefined when it is. */
export const exclusionOf = (row: Row): string | undefined => row.implemented ? listed.get(row.name) : 'has no semantics yet'
