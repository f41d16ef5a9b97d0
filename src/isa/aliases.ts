/** Preferred aliases of the disassembler (Arm ARM C6.2, "is preferred when"), by row name; the first that applies is taken. */
import { datasize } from './a64/common.ts'

type Fields = Readonly<Record<string, number>>
export interface Alias { readonly when: (f: Fields) => boolean, readonly assembly: string }

const always = (): boolean => true
const is31 = (...names: readonly string[]) => (f: Fields): boolean => names.every(name => f[name] === 31)
const shift = ', <shift=LSL|LSR|ASR|ROR> <#imm6>'
const top = (f: Fields): number => datasize(f.sf!) - 1

/** Both rows of a shifted-register instruction: the one without a shift and the general one. */
const shifted = (name: string, alias: (suffix: string) => readonly Alias[]): readonly (readonly [string, readonly Alias[]])[] =>
  [[`${name} (shifted register), LSL #0`, alias('')], [`${name} (shifted register)`, alias(shift)]]

/** MoveWidePreferred(): a bitmask that MOVZ or MOVN could make too. */
function moveWidePreferred({ sf, N, imms, immr }: Fields): boolean {
  const width = datasize(sf!)
  if (sf === 1 ? N !== 1 : N !== 0 || (imms! & 0x20) !== 0) return false
  if (imms! < 16) return (-immr! & 15) <= 15 - imms!
  if (imms! >= width - 15) return (immr! & 15) <= imms! - (width - 15)
  return false
}

const bitfieldInsert = (f: Fields): boolean => f.imms! < f.immr!
const inZero = '<Rd>, <Rn>, <lsbUp>, <widthUp>', extract = '<Rd>, <Rn>, <#immr>, <widthDown>'

export const ALIASES: Readonly<Record<string, readonly Alias[]>> = {
  'ADD (immediate)': [{ when: f => f.sh === 0 && f.imm12 === 0 && (f.Rd === 31 || f.Rn === 31), assembly: 'MOV <Rd|SP>, <Rn|SP>' }],
  'ADDS (immediate)': [{ when: is31('Rd'), assembly: 'CMN <Rn|SP>, <#imm12:x><?sh:, LSL #12>' }],
  'SUBS (immediate)': [{ when: is31('Rd'), assembly: 'CMP <Rn|SP>, <#imm12:x><?sh:, LSL #12>' }],
  'ADDS (extended register)': [{ when: is31('Rd'), assembly: 'CMN <Rn|SP>, <extended>' }],
  'SUBS (extended register)': [{ when: is31('Rd'), assembly: 'CMP <Rn|SP>, <extended>' }],
  ...Object.fromEntries([
    ...shifted('ADDS', s => [{ when: is31('Rd'), assembly: `CMN <Rn>, <Rm>${s}` }]),
    ...shifted('SUBS', s => [{ when: is31('Rd'), assembly: `CMP <Rn>, <Rm>${s}` }, { when: is31('Rn'), assembly: `NEGS <Rd>, <Rm>${s}` }]),
    ...shifted('SUB', s => [{ when: is31('Rn'), assembly: `NEG <Rd>, <Rm>${s}` }]),
    ...shifted('ANDS', s => [{ when: is31('Rd'), assembly: `TST <Rn>, <Rm>${s}` }]),
    ...shifted('ORN', s => [{ when: is31('Rn'), assembly: `MVN <Rd>, <Rm>${s}` }]),
  ]),
  'ORR (shifted register), LSL #0': [{ when: is31('Rn'), assembly: 'MOV <Rd>, <Rm>' }],
  SBC: [{ when: is31('Rn'), assembly: 'NGC <Rd>, <Rm>' }],
  SBCS: [{ when: is31('Rn'), assembly: 'NGCS <Rd>, <Rm>' }],
  'ANDS (immediate)': [{ when: is31('Rd'), assembly: 'TST <Rn>, <bitmask>' }],
  'ORR (immediate)': [{ when: f => f.Rn === 31 && !moveWidePreferred(f), assembly: 'MOV <Rd|SP>, <bitmask>' }],
  MOVZ: [{ when: f => f.imm16 !== 0 || f.hw === 0, assembly: 'MOV <Rd>, <wide>' }],
  MOVN: [{ when: f => (f.imm16 !== 0 || f.hw === 0) && (f.sf === 1 || f.imm16 !== 0xffff), assembly: 'MOV <Rd>, <wide>' }],
  SBFM: [
    { when: f => f.imms === top(f), assembly: 'ASR <Rd>, <Rn>, <#immr>' },
    { when: bitfieldInsert, assembly: `SBFIZ ${inZero}` },
    { when: f => f.immr === 0 && f.imms === 7, assembly: 'SXTB <Rd>, <Wn>' },
    { when: f => f.immr === 0 && f.imms === 15, assembly: 'SXTH <Rd>, <Wn>' },
    { when: f => f.sf === 1 && f.immr === 0 && f.imms === 31, assembly: 'SXTW <Xd>, <Wn>' },
    { when: always, assembly: `SBFX ${extract}` },
  ],
  UBFM: [
    { when: f => f.imms !== top(f) && f.imms! + 1 === f.immr, assembly: 'LSL <Rd>, <Rn>, <lsbUp>' },
    { when: f => f.imms === top(f), assembly: 'LSR <Rd>, <Rn>, <#immr>' },
    { when: bitfieldInsert, assembly: `UBFIZ ${inZero}` },
    { when: f => f.sf === 0 && f.immr === 0 && f.imms === 7, assembly: 'UXTB <Wd>, <Wn>' },
    { when: f => f.sf === 0 && f.immr === 0 && f.imms === 15, assembly: 'UXTH <Wd>, <Wn>' },
    { when: always, assembly: `UBFX ${extract}` },
  ],
  BFM: [
    { when: f => f.Rn === 31 && bitfieldInsert(f), assembly: 'BFC <Rd>, <lsbUp>, <widthUp>' },
    { when: bitfieldInsert, assembly: `BFI ${inZero}` },
    { when: always, assembly: `BFXIL ${extract}` },
  ],
  EXTR: [{ when: f => f.Rn === f.Rm, assembly: 'ROR <Rd>, <Rn>, <#imms>' }],
  CSINC: [
    { when: f => f.Rm === 31 && f.Rn === 31 && f.cond! < 14, assembly: 'CSET <Rd>, <inverted>' },
    { when: f => f.Rm === f.Rn && f.Rn !== 31 && f.cond! < 14, assembly: 'CINC <Rd>, <Rn>, <inverted>' },
  ],
  CSINV: [
    { when: f => f.Rm === 31 && f.Rn === 31 && f.cond! < 14, assembly: 'CSETM <Rd>, <inverted>' },
    { when: f => f.Rm === f.Rn && f.Rn !== 31 && f.cond! < 14, assembly: 'CINV <Rd>, <Rn>, <inverted>' },
  ],
  CSNEG: [{ when: f => f.Rm === f.Rn && f.cond! < 14, assembly: 'CNEG <Rd>, <Rn>, <inverted>' }],
  ...Object.fromEntries(['LSL', 'LSR', 'ASR', 'ROR'].map(name => [`${name}V`, [{ when: always, assembly: `${name} <Rd>, <Rn>, <Rm>` }]])),
  MADD: [{ when: is31('Ra'), assembly: 'MUL <Rd>, <Rn>, <Rm>' }],
  MSUB: [{ when: is31('Ra'), assembly: 'MNEG <Rd>, <Rn>, <Rm>' }],
  SMADDL: [{ when: is31('Ra'), assembly: 'SMULL <Xd>, <Wn>, <Wm>' }],
  SMSUBL: [{ when: is31('Ra'), assembly: 'SMNEGL <Xd>, <Wn>, <Wm>' }],
  UMADDL: [{ when: is31('Ra'), assembly: 'UMULL <Xd>, <Wn>, <Wm>' }],
  UMSUBL: [{ when: is31('Ra'), assembly: 'UMNEGL <Xd>, <Wn>, <Wm>' }],
  ...Object.fromEntries(['ADD', 'CLR', 'EOR', 'SET', 'SMAX', 'SMIN', 'UMAX', 'UMIN'].flatMap(op => (['B', 'H', ''] as const).map(size =>
    [`LD${op}${size}`, [{ when: (f: Fields) => f.Rt === 31 && f.acq === 0, assembly: `ST${op}<rel=|L>${size} <${size ? 'W' : 'R'}s>, [<Xn|SP>]` }]]))),
  SYS: [{ when: always, assembly: '<sysop>' }],
  'UMOV, S': [{ when: always, assembly: 'MOV <Wd>, <Vn>.S[<#index:n>]' }],
  'UMOV, D': [{ when: always, assembly: 'MOV <Xd>, <Vn>.D[<#index:n>]' }],
  ...Object.fromEntries((['B', 'H', 'S', 'D'] as const).flatMap(letter => [
    [`INS (general), ${letter}`, [{ when: always, assembly: `MOV <Vd>.${letter}[<#index:n>], <${letter === 'D' ? 'X' : 'W'}n>` }]],
    [`INS (element), ${letter}`, [{ when: always, assembly: `MOV <Vd>.${letter}[<#index:n>], <Vn>.${letter}[<#fromindex:n>]` }]],
    [`DUP (element, scalar), ${letter}`, [{ when: always, assembly: `MOV <${letter}d>, <Vn>.${letter}[<#index:n>]` }]],
  ])),
  ...Object.fromEntries((['B', 'H', 'S'] as const).flatMap((letter, i) => (['S', 'U'] as const).map(sign =>
    [`${sign}SHLL, ${letter}`, [{ when: (f: Fields) => f.immshift === 0, assembly: `${sign}XTL<Q=|2> <Vd>.${['8H', '4S', '2D'][i]!}, <Vn>.<T${letter}>` }]]))),
  'ORR (vector)': [{ when: f => f.Vn === f.Vm, assembly: 'MOV <Vd>.<TB>, <Vn>.<TB>' }],
  'NOT (vector)': [{ when: always, assembly: 'MVN <Vd>.<TB>, <Vn>.<TB>' }],
}
