/**
 * Assembly templates: the manual's syntax with placeholders, printed for a word by `printTemplate`.
 *
 *   <Xd> <Wd>     general register of field Rd, 64 or 32 bits          <Rd>     as the static field sf says
 *   <Xn|SP>       31 is the stack pointer                              <Rs+1>   the next register
 *   <Bd>...<Qd>   SIMD&FP scalar of field Vd                           <Ft>     B to Q as opc1:size says       <Vd>  vector
 *   <TB>...<TD>   arrangement: lanes of B, H, S, D in Q ? 128 : 64 bits
 *   <#name>       immediate or field, decimal; <#name:x> hexadecimal; <#name:n> decimal without the '#'
 *   <@name>       the address PC + immediate
 *   <field=a|b>   the alternative that the field's value selects; alternatives may contain placeholders
 *   <?name:text>  text unless the immediate or field is 0
 *   <word>        one of PRINTERS, for operands that follow no pattern
 */
import { fieldsOf, type Row } from './instruction.ts'
import { datasize, logicalImmediate } from './a64/common.ts'
import { expandFloat } from './a64/simd-move.ts'

export interface PrintContext {
  readonly row: Row
  readonly word: number
  readonly fields: Readonly<Record<string, number>>
  readonly pc: bigint
  readonly systemRegisterName: (key: number) => string | undefined
}
type Part = (c: PrintContext) => string

export const CONDITIONS = ['eq', 'ne', 'cs', 'cc', 'mi', 'pl', 'vs', 'vc', 'hi', 'ls', 'ge', 'lt', 'gt', 'le', 'al', 'nv'] as const
const EXTENDS = ['uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'sxtx'] as const
const BARRIERS = ['', 'oshld', 'oshst', 'osh', '', 'nshld', 'nshst', 'nsh', '', 'ishld', 'ishst', 'ish', '', 'ld', 'st', 'sy'] as const

const field = (c: PrintContext, name: string): number => {
  const value = c.fields[name]
  if (value === undefined) throw new Error(`${c.row.name}: the template names ${name}, which the pattern has not`)
  return value
}
const immediate = (c: PrintContext, name: string): bigint => {
  const of = c.row.immediates[name]?.of
  return of ? BigInt(of(c.fields)) : BigInt(field(c, name))
}
const hex = (value: bigint | number): string => `#0x${value.toString(16)}`

function generalRegister(number: number, letter: 'w' | 'x', sp: boolean): string {
  if (number !== 31) return `${letter}${number}`
  return sp ? (letter === 'x' ? 'sp' : 'wsp') : `${letter}zr`
}

/** Assembler name of a system register encoding that has no other: S<op0>_<op1>_C<n>_C<m>_<op2>. */
export const genericRegisterName = (key: number): string =>
  `S${key >>> 14}_${(key >>> 11) & 7}_C${(key >>> 7) & 15}_C${(key >>> 3) & 15}_${key & 7}`

/** log2 of the access size of the register-offset loads and stores. */
const offsetScale = (word: number): number => ((word >>> 26) & 1 ? (((word >>> 23) & 1) << 2) : 0) | (word >>> 30)

const registerList = (count: number): Part => c => {
  const arrangement = ['8b', '16b', '4h', '8h', '2s', '4s', '1d', '2d'][(field(c, 'size') << 1) | field(c, 'Q')]!
  const registers = Array.from({ length: count }, (_, i) => `v${(field(c, 'Vt') + i) & 31}.${arrangement}`)
  return count > 2 && field(c, 'Vt') + count <= 32 ? `{${registers[0]}-${registers[count - 1]}}` : `{${registers.join(', ')}}`
}

/** Registers of a single structure, without its index. */
const elementList = (count: number, letter: string): Part => c => {
  const first = field(c, 'Vt'), registers = Array.from({ length: count }, (_, i) => `v${(first + i) & 31}.${letter}`)
  return count > 2 && first + count <= 32 ? `{${registers[0]}-${registers[count - 1]}}` : `{${registers.join(', ')}}`
}
/** The tables of TBL and TBX. */
const tableList = (count: number): Part => c => {
  const first = field(c, 'Vn'), registers = Array.from({ length: count }, (_, i) => `v${(first + i) & 31}.16b`)
  return count > 2 && first + count <= 32 ? `{${registers[0]}-${registers[count - 1]}}` : `{${registers.join(', ')}}`
}

const PRINTERS: Readonly<Record<string, Part>> = {
  cond: c => CONDITIONS[field(c, 'cond')]!,
  bitmask: c => hex(BigInt.asUintN(field(c, 'sf') ? 64 : 32, logicalImmediate(field(c, 'N'), field(c, 'immr'), field(c, 'imms'))!)),
  extended: c => {
    const option = field(c, 'option'), amount = field(c, 'imm3'), whole = field(c, 'sf') ? 3 : 2
    const register = generalRegister(field(c, 'Rm'), field(c, 'sf') && (option & 3) === 3 ? 'x' : 'w', false)
    // LSL is the preferred name of the extend that does nothing, where the stack pointer takes part.
    const plain = option === whole && (field(c, 'Rn') === 31 || (field(c, 'Rd') === 31 && c.row.assembly.includes('<Rd|SP>')))
    if (plain) return amount ? `${register}, lsl #${amount}` : register
    return `${register}, ${EXTENDS[option]}${amount ? ` #${amount}` : ''}`
  },
  offset: c => {
    const option = field(c, 'option'), S = field(c, 'S'), amount = offsetScale(c.word)
    const register = generalRegister(field(c, 'Rm'), option & 1 ? 'x' : 'w', false)
    if (option === 3) return S ? `${register}, lsl #${amount}` : register
    return `${register}, ${EXTENDS[option]}${S ? ` #${amount}` : ''}`
  },
  prfop: c => {
    const prfop = field(c, 'prfop'), type = prfop >>> 3, target = (prfop >>> 1) & 3
    if (type === 3 || target === 3) return hex(prfop)
    return `${['pld', 'pli', 'pst'][type]!}l${target + 1}${prfop & 1 ? 'strm' : 'keep'}`
  },
  barrier: c => BARRIERS[field(c, 'CRm')] || hex(field(c, 'CRm')),
  isb: c => field(c, 'CRm') === 15 ? '' : ` ${hex(field(c, 'CRm'))}`,
  clrex: c => field(c, 'CRm') === 15 ? '' : ` ${hex(field(c, 'CRm'))}`,
  ret: c => field(c, 'Rn') === 30 ? '' : ` ${generalRegister(field(c, 'Rn'), 'x', false)}`,
  inverted: c => CONDITIONS[field(c, 'cond') ^ 1]!,
  wide: c => hex(BigInt.asUintN(field(c, 'sf') ? 64 : 32, immediate(c, 'imm'))),
  lsbUp: c => `#${(-field(c, 'immr')) & (datasize(field(c, 'sf')) - 1)}`,
  widthUp: c => `#${field(c, 'imms') + 1}`,
  widthDown: c => `#${field(c, 'imms') - field(c, 'immr') + 1}`,
  sysop: c => {
    const Rt = field(c, 'Rt'), name = c.systemRegisterName((c.word >>> 5) & 0xffff)
    const operation = name?.toLowerCase() ?? `sys #${field(c, 'op1')}, C${field(c, 'CRn')}, C${field(c, 'CRm')}, #${field(c, 'op2')}`
    return Rt === 31 ? operation : `${operation}, x${Rt}`
  },
  sysRt: c => field(c, 'Rt') === 31 ? '' : `, x${field(c, 'Rt')}`,
  CRn: c => `C${field(c, 'CRn')}`,
  CRm: c => `C${field(c, 'CRm')}`,
  sysreg: c => {
    const key = (c.word >>> 5) & 0xffff
    return c.systemRegisterName(key) ?? genericRegisterName(key)
  },
  float: c => {
    const imm8 = c.fields.imm8 ?? Number(immediate(c, 'imm8'))
    return `#${new Float64Array(new BigUint64Array([expandFloat(imm8, 64)]).buffer)[0]!.toFixed(8)}`
  },
  list1: registerList(1), list2: registerList(2), list3: registerList(3), list4: registerList(4),
  ...Object.fromEntries([1, 2, 3, 4].flatMap(count => ['B', 'H', 'S', 'D'].map(letter => [`elements${count}${letter}`, elementList(count, letter.toLowerCase())]))),
  table1: tableList(1), table2: tableList(2), table3: tableList(3), table4: tableList(4),
}
const ARRANGEMENTS: Readonly<Record<string, readonly [string, string]>> = { TB: ['8b', '16b'], TH: ['4h', '8h'], TS: ['2s', '4s'], TD: ['1d', '2d'] }

function placeholder(text: string): Part {
  if (text.startsWith('#')) {
    const [name, format] = text.slice(1).split(':') as [string, string?]
    if (format === 'x') return c => hex(BigInt.asUintN(64, immediate(c, name)))
    return c => `${format === 'n' ? '' : '#'}${immediate(c, name)}`
  }
  if (text.startsWith('@')) {
    const name = text.slice(1)
    return c => `0x${BigInt.asUintN(64, (name === 'page' ? c.pc & ~0xfffn : c.pc) + immediate(c, name)).toString(16)}`
  }
  if (text.startsWith('?')) {
    const colon = text.indexOf(':'), name = text.slice(1, colon), then = parse(text.slice(colon + 1))
    return c => immediate(c, name) === 0n ? '' : print(then, c)
  }
  const choice = /^(\w+)=(.*)$/.exec(text)
  if (choice) {
    const alternatives = splitTop(choice[2]!).map(parse), name = choice[1]!
    return c => print(alternatives[field(c, name)]!, c)
  }
  const register = /^([WXR])([a-z]\d?)(\+1)?(\|SP)?$/.exec(text)
  if (register) {
    const [, letter, suffix, plus, sp] = register
    return c => generalRegister((field(c, `R${suffix}`) + (plus ? 1 : 0)) & 31,
      letter === 'X' || (letter === 'R' && field(c, 'sf') === 1) ? 'x' : 'w', sp !== undefined)
  }
  const simd = /^([BHSDQFV])([a-z]\d?)$/.exec(text)
  if (simd) {
    const [, letter, suffix] = simd
    return c => `${letter === 'F' ? 'bhsdq'[(field(c, 'opc1') << 2) | field(c, 'size')]! : letter!.toLowerCase()}${field(c, `V${suffix}`)}`
  }
  const arrangement = ARRANGEMENTS[text]
  if (arrangement) return c => arrangement[field(c, 'Q') as 0 | 1]
  const printer = PRINTERS[text]
  if (!printer) throw new Error(`no template part is written <${text}>`)
  return printer
}

/** Splits at the '|' outside nested placeholders. */
function splitTop(text: string): string[] {
  const parts = ['']
  let depth = 0
  for (const c of text) {
    if (c === '<') depth++
    if (c === '>') depth--
    if (c === '|' && depth === 0) parts.push('')
    else parts[parts.length - 1] += c
  }
  return parts
}

function parse(template: string): readonly Part[] {
  const parts: Part[] = []
  for (let i = 0; i < template.length;) {
    if (template[i] !== '<') {
      const end = template.indexOf('<', i), literal = template.slice(i, end < 0 ? template.length : end).toLowerCase()
      parts.push(() => literal)
      i += literal.length
      continue
    }
    let depth = 0, end = i
    do {
      if (end >= template.length) throw new Error(`'${template}' has a placeholder without end`)
      if (template[end] === '<') depth++
      if (template[end] === '>') depth--
      end++
    } while (depth > 0)
    parts.push(placeholder(template.slice(i + 1, end - 1)))
    i = end
  }
  return parts
}

const print = (parts: readonly Part[], c: PrintContext): string => parts.map(part => part(c)).join('')

const parsed = new Map<string, readonly Part[]>()

/** The text of `template` for `word`. */
export function printTemplate(template: string, row: Row, word: number, pc: bigint, systemRegisterName: PrintContext['systemRegisterName']): string {
  let parts = parsed.get(template)
  if (parts === undefined) parsed.set(template, parts = parse(template))
  return print(parts, { row, word, fields: fieldsOf(row, word), pc, systemRegisterName })
}
