/** The tables themselves: validation, encodings against an assembler, masks. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodingKey } from '../arch/esr.ts'
import { masksOf, parseFields } from './fields.ts'
import type { Row } from './row.ts'
import { ROWS, rowByKey, rowByName, slotOf } from './table.ts'
import type { RegisterName } from './table.ts'
import { HCR } from './trap-rules.ts'
import { problemsOf } from './validate.ts'

test('the tables are consistent', () => expect(problemsOf(ROWS)).toEqual([]))

test('validation names the row', () => {
  const spoil = (name: string, change: Partial<Row>): string[] => problemsOf(ROWS.map(row => (row.name === name ? { ...row, ...change } : row)))
  const key = rowByName('TTBR0_EL1')!.key
  expect(spoil('SCTLR_EL1', { key })).toEqual(['TTBR0_EL1: has the encoding of SCTLR_EL1'])
  expect(spoil('HCR_EL2', { minimumEL: 1 })).toEqual(['HCR_EL2: is accessible at EL1, but op1 is 4'])
  expect(spoil('SCTLR_EL1', { vheAlias: 'SCTLR_EL9' })).toEqual(['SCTLR_EL1: VHE alias SCTLR_EL9 does not exist'])
  expect(spoil('VTTBR_EL2', { vncr: { offset: 0x44, when: 'always' } })).toEqual(['VTTBR_EL2: VNCR offset 0x44 is not a slot of the page'])
  expect(spoil('VTTBR_EL2', { vncr: { offset: 0x110, when: 'always' } })).toHaveLength(2)
  expect(spoil('TCR_EL1', { slot: 0 })[0]).toMatch(/slot/)
  expect(spoil('PAR_EL1', { fields: parseFields('A 3:0, B 2') })).toEqual(['PAR_EL1: field B overlaps another one'])
  expect(spoil('PAR_EL1', { traps: [{ ...HCR.TVM, fields: ['NOPE'] }] })).toEqual(['PAR_EL1: trap rule HCR_EL2.TVM: no such field'])
  expect(spoil('PAR_EL1', { traps: [{ ...HCR.TVM, register: 'NOPE_EL2' }] })).toEqual(['PAR_EL1: trap rule HCR_EL2.TVM: no such register'])
  expect(spoil('HACR_EL2', { neve: { as: 'defer' } })).toEqual(['HACR_EL2: NEVE keeps it in the page, but it has no offset'])
})

test('lookups', () => {
  expect(rowByKey(encodingKey(3, 4, 1, 1, 0))?.name).toBe('HCR_EL2')
  expect(rowByKey(encodingKey(3, 5, 1, 0, 0))?.name).toBe('SCTLR_EL12')
  expect(rowByKey(encodingKey(3, 0, 12, 12, 0))?.name).toBe('ICC_IAR1_EL1')
  expect(rowByName('ICV_IAR1_EL1')?.viewOf).toBe('ICC_IAR1_EL1')
  expect(() => slotOf('NOPE' as RegisterName)).toThrow('NOPE')
  expect(() => slotOf('ZCR_EL1')).toThrow('ZCR_EL1')
  // Every reserved encoding of the identification space is there and reads as zero.
  for (let CRm = 1; CRm < 8; CRm++) for (let op2 = 0; op2 < 8; op2++) expect(rowByKey(encodingKey(3, 0, 0, CRm, op2))?.access).toBe('RO')
})

test('fields as text', () => {
  const masks = masksOf(parseFields('A 0, B 7:4 RO, RES1 9, C 10 VHE, D 11 PAN else1'), feature => feature === 'FEAT_VHE')
  expect(masks).toMatchObject({ write: 0x401n, readOnly: 0xf0n, res1: 0xa00n })
  expect(masksOf(undefined, () => true).write).toBe((1n << 64n) - 1n)
  expect(() => parseFields('A')).toThrow("field 'A'")
})

const hasAssembler = spawnSync('aarch64-linux-gnu-as', ['--version']).status === 0
test.skipIf(!hasAssembler)('encodings agree with GNU as for every name that it knows', () => {
  const cases = ROWS.filter(row => row.viewOf === undefined && (row.kind === 'register' || /^(TLBI|AT|DC|IC|CFP|DVP|CPP) /.test(row.name))).map(row => ({
    row, text: row.kind === 'instruction' ? `${row.name}${/TLBI (VMALLE1|ALLE1|ALLE2|VMALLS12E1)|IC IALL/.test(row.name) ? '' : ', x0'}` : row.access === 'WO' ? `msr ${row.name}, x0` : `mrs x0, ${row.name}`,
  }))
  const folder = mkdtempSync(join(tmpdir(), 'nidus-encodings-'))
  try {
    const source = join(folder, 'a.s'), object = join(folder, 'a.o'), binary = join(folder, 'a.bin')
    const options = ['-march=armv8.8-a+sve2+memtag+profile+ssbs+rng+predres+sme+ls64', '-o', object, source]
    writeFileSync(source, `${cases.map(({ text }) => text).join('\n')}\n`)
    const refused = new Set([...String(spawnSync('aarch64-linux-gnu-as', options).stderr).matchAll(/a\.s:(\d+):/g)].map(match => Number(match[1]) - 1))
    const known = cases.filter((_, i) => !refused.has(i))
    writeFileSync(source, `${known.map(({ text }) => text).join('\n')}\n`)
    execFileSync('aarch64-linux-gnu-as', options)
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', object, binary])
    const code = readFileSync(binary)
    expect(known.filter(({ row }, i) => ((code.readUInt32LE(4 * i) >>> 5) & 0xffff) !== row.key).map(({ row }) => row.name)).toEqual([])
    expect(known.length).toBeGreaterThan(600)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
