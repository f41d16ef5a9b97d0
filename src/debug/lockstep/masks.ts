/**
 * Bits of a register's value that the two machines need not agree on, each with the reason. Where an instruction reads such a register, the
 * bits are made equal after the comparison.
 */
import { ROWS } from '../../sysreg/index.ts'

const ALL = 0xffff_ffff_ffff_ffffn
const bits = (...positions: readonly number[]): bigint => positions.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)

const REASONS: readonly (readonly [reason: string, names: RegExp, mask: bigint])[] = [
  ['another implementation: identification', /^(MIDR|REVIDR|AIDR|ID_\w+|MVFR\d|CTR|CLIDR|CCSIDR2?|CSSELR|DCZID|GMID|ERRIDR|LORID|PMCEID\d|PMMIR|PMCR|DBGDIDR|MDRAR|VPIDR|RVBAR|RMR|CNTFRQ|ICH_VTR)_EL\d+$/, ALL],
  ['time: QEMU counts seconds', /^(CNT(P|V)CT(SS)?|CNT\w+_TVAL|PMCCNTR|PMEVCNTR\d+|PMXEVCNTR|PMOVS(SET|CLR))_EL\d+$/, ALL],
  ['IMPLEMENTATION DEFINED', /^(AFSR[01]|ACTLR|AMAIR|HACR)_EL\d+$/, ALL],
  ['UNKNOWN: PAR_EL1.NS of a translation in Non-secure state', /^PAR_EL1$/, bits(9)],
  ['another implementation: IDbits', /^ICC_CTLR_EL1$/, bits(11, 12, 13)],
  ['another implementation: status of list registers that QEMU does not have', /^ICH_E(L|I)(RSR|SR)_EL2$/, 0xfff0n],
  ['SPSR bits of features that no profile has: DIT, TCO, SSBS, BTYPE, ALLINT', /^SPSR_/, bits(10, 11, 12, 13, 24, 25)],
]

const masks = new Map<string, bigint>()
for (const row of ROWS) {
  const mask = REASONS.reduce((sum, [, names, more]) => names.test(row.name) || (row.aliasOf !== undefined && names.test(row.aliasOf)) ? sum | more : sum, 0n)
  if (mask !== 0n) masks.set(row.name, mask)
}

/** Bits not compared in a value read by this name. */
export const ignoredBits = (name: string): bigint => masks.get(name) ?? 0n

/** Registers and instructions that programs do not touch. */
const ABSENT: readonly (readonly [reason: string, names: RegExp])[] = [
  ['CONSTRAINED UNPREDICTABLE: an event counter that is not implemented (both have 6)', /^PMEV(CNTR|TYPER)([6-9]|[12]\d|30)_EL0$/],
  ['another implementation: QEMU has 4 list registers, we have 16', /^ICH_LR([4-9]|1[0-5])_EL2$/],
  ['IMPLEMENTATION DEFINED, and constants without a place in the VNCR_EL2 page in QEMU', /^AFSR[01]_EL1$/],
  ['not in QEMU', /^(CCSIDR2|OSDTR[RT]X|DBGPRCR|DBGAUTHSTATUS)_EL1$/],
]
export const isCompared = (name: string): boolean => !ABSENT.some(([, names]) => names.test(name))
