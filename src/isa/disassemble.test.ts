import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Random } from './testing/random.ts'
import { decode } from './decode.ts'
import { disassemble } from './disassemble.ts'
import { fieldsOf } from './instruction.ts'
import { ROWS } from './table.ts'

const OBJDUMP = 'aarch64-linux-gnu-objdump'
const PER_ROW = Number(process.env.NIDUS_OBJDUMP_WORDS ?? 20)
const BASE = 0x1000_0000

function installed(): boolean {
  try {
    execFileSync(OBJDUMP, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** One line of objdump per word, without address and comment. */
function objdump(words: readonly number[], mode: 'aliases' | 'no-aliases'): readonly string[] {
  const directory = mkdtempSync(join(tmpdir(), 'nidus-objdump-'))
  try {
    const file = join(directory, 'words')
    writeFileSync(file, new Uint8Array(Uint32Array.from(words).buffer))
    const text = execFileSync(OBJDUMP, ['-D', '-z', '-b', 'binary', '-m', 'aarch64', '-M', mode, `--adjust-vma=${BASE}`, file], { encoding: 'utf8', maxBuffer: 1 << 28 })
    return text.split('\n').filter(line => /^\s*[0-9a-f]+:\t/.test(line)).map(line => line.split('\t').slice(2).join(' '))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Numbers in one notation, no comments, symbols or case. */
const normalise = (text: string): string => text.replace(/\s*(\/\/|;).*$/, '').replace(/<[^>]*>/, '').toLowerCase()
  .replace(/#(-?)0x([0-9a-f]+)/g, (_, sign: string, digits: string) => `#${sign}${BigInt(`0x${digits}`)}`)
  .replace(/0x0*([0-9a-f]+)/g, '0x$1')
  .replace(/#(-?\d+\.\d+(e[+-]\d+)?)/g, (_, number: string) => `#${Number(number).toFixed(8)}`)
  .replace(/\s+/g, ' ').trim()

/** Rows of which binutils takes another view, and why that is no difference. */
const OTHERWISE: Readonly<Record<string, string>> = {
  MRS: 'binutils knows register names; this is tested with sysreg', 'MSR (register)': 'as MRS', SYS: 'as MRS',
  CFINV: 'CRm should be 0', 'MSR (immediate), UAO': 'binutils refuses immediates above 1', 'MSR (immediate), PAN': 'as UAO', 'MSR (immediate), SPSel': 'as UAO',
  DGH: 'binutils 2.40 has it only with an extension switched on', CLRBHB: 'binutils writes clearbhb',
}

/** Arithmetic in half precision: FEAT_FP16 is in no profile. */
const isHalfPrecision = (text: string): boolean => /^(f|[su]cvtf)/.test(text) && /\b(h\d+|v\d+\.(\d?h))/.test(text)

const words = (perRow: number, seed: number): readonly number[] => {
  const r = new Random(seed)
  return ROWS.filter(row => row.implemented).flatMap(row => Array.from({ length: perRow }, () => ((r.bits() & ~row.mask) | row.value) >>> 0))
}

describe.skipIf(!installed())('disassembler against objdump', () => {
  test.each(['aliases', 'no-aliases'] as const)('%s', mode => {
    const tested = words(PER_ROW, mode.length).filter(word => {
      const variant = decode(word)
      if (variant === undefined) return true
      // In the hint space, no-aliases means numbers.
      const hint = mode === 'no-aliases' && ((word & 0xffff_f01f) >>> 0 === 0xd503_201f || ['SSBB', 'PSSBB'].includes(variant.row.name))
      return variant.row.implemented && !hint && !(variant.row.name in OTHERWISE) && !variant.row.unpredictable(fieldsOf(variant.row, word))
    })
    const expected = objdump(tested, mode)
    const differ = tested.flatMap((word, i) => {
      const ours = disassemble(word, { pc: BigInt(BASE + 4 * i), aliases: mode === 'aliases' }), theirs = expected[i]!
      if (decode(word) === undefined) return theirs.includes('undefined') || isHalfPrecision(theirs) ? [] : [`${word.toString(16)}: UNDEFINED, objdump has ${theirs}`]
      return normalise(ours) === normalise(theirs) ? [] : [`${word.toString(16)}: ${ours}, objdump has ${theirs}`]
    })
    expect(differ.slice(0, 20)).toEqual([])
  })
})

describe('disassembler', () => {
  test.each([
    [0xd10043ff, 'sub sp, sp, #0x10'],
    [0xa9bf7bfd, 'stp x29, x30, [sp, #-16]!'],
    [0xf9400020, 'ldr x0, [x1]'],
    [0x97fffff0, 'bl 0xfc0'],
    [0xd65f03c0, 'ret'],
    [0xaa0103e0, 'mov x0, x1'],
    [0xd5380000, 'mrs x0, midr_el1'],
    [0xd5380020, 'mrs x0, S3_0_C0_C0_1'],
    [0xd50b7423, 'dc zva, x3'],
    [0x02000000, '.inst 0x02000000'],
  ])('%#x', (word, text) => {
    const names = new Map([[0xc000, 'midr_el1'], [(1 << 14) | (3 << 11) | (7 << 7) | (4 << 3) | 1, 'DC ZVA']])
    expect(disassemble(word, { pc: 0x1000n, systemRegisterName: key => names.get(key) })).toBe(text)
  })

  test('every template prints', () => {
    for (const word of words(3, 5)) expect(disassemble(word)).not.toMatch(/undefined|NaN|[<>]/)
  })
})
