/** Random controls at EL2, then accesses and instructions at a random EL: who traps, where to, with which syndrome. */
import { DAIF_MASK, MODE } from '../../../src/arch/pstate.ts'
import { ROWS, rowByName } from '../../../src/sysreg/index.ts'
import type { Row } from '../../../src/sysreg/index.ts'
import type { Assembler, Random } from '../../assembler.ts'
import { DATA, exists, highest } from '../program.ts'
import type { ProgramBuilder, Target } from '../program.ts'

const bit = (n: number): bigint => 1n << BigInt(n)
/** Fields by the percentage of programs that set them. */
function some(r: Random, percent: number, positions: readonly number[]): bigint {
  return positions.reduce((value, n) => r.chance(percent) ? value | bit(n) : value, 0n)
}

const HCR_TRAPS = [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 28, 30, 32, 33]
/** TID4, TICAB, TOCU, TTLBIS, TTLBOS. */
const EVT_TRAPS = [49, 50, 52, 54, 55]
/** SWIO, FB, BSU: nothing that a program of one PE sees. */
const NO_TRAPS = [1, 9, 10, 11]
const RW = bit(31), API_APK = bit(40) | bit(41), E2H = bit(34), TGE = bit(27), HCD = bit(29)

/** Writes that would take the ground from under the program, or begin what the other machine times by its own clock. */
const DANGEROUS = /^(HCR|SCTLR|VBAR|VNCR|MDSCR|OSLAR|OSDLR|MDCCINT|DBGBCR\d+|DBGWCR\d+|PMCR|PMCNTEN\w+|PMSWINC|PMINTEN\w+|CNTHCTL|ICC_\w+|ICH_\w+|ICV_\w+|CNT\w+_CTL|CNT\w+_TVAL|DBGDTR\w*|MDCR|CNTKCTL|RMR|HFG\w+|HDFG\w+|CPTR|OSECCR)_EL\d+$/
const vital = (row: Row): boolean => [row.name, row.aliasOf, row.vheAlias].some(name => name !== undefined && DANGEROUS.test(name.replace('_EL12', '_EL1').replace('_EL02', '_EL0')))
/** Reads that have an effect, or are of what the other machine does not show to a debugger's steps. */
const UNREADABLE = /^(ICC_IAR\d|ICC_HPPIR\d|DBGDTR\w*)_EL\d+$/

interface Pools { readonly reads: readonly Row[], readonly writes: readonly Row[], readonly instructions: readonly Row[] }
const pools = new WeakMap<ReadonlySet<string>, Pools>()
export function poolsOf(target: Target): Pools {
  let found = pools.get(target.features)
  if (found === undefined) {
    const here = ROWS.filter(row => exists(row, target) && row.viewOf === undefined && !row.implementationDefined && row.minimumEL <= 2)
    const registers = here.filter(row => row.kind === 'register')
    pools.set(target.features, found = {
      reads: registers.filter(row => row.access !== 'WO' && !UNREADABLE.test(row.name)),
      writes: registers.filter(row => row.access !== 'RO' && !vital(row)),
      instructions: here.filter(row => row.kind === 'instruction' && !/^(DC I?(S|C)W|DC CISW|DC ISW|DC CSW)/.test(row.name)),
    })
  }
  return found
}

/** HVC; the board's firmware takes it for itself where there is no EL2. */
export function call(a: Assembler, { r, target }: ProgramBuilder): void {
  const imm16 = r.below(0x700)
  if (target.withoutEL2 === true) a.op('SVC', { imm16 })
  else a.hvc(imm16)
}

/** One instruction that a control may trap. */
export function anyOperation(a: Assembler, b: ProgramBuilder): void {
  const { r } = b, { reads, writes, instructions } = poolsOf(b.target)
  const kind = r.below(100)
  if (kind < 45) a.mrs(r.pick(reads).key, r.below(16))
  else if (kind < 65) {
    const row = r.pick(writes), rt = r.below(16)
    a.mov(rt, b.legal(row.aliasOf ?? row.name, r.chance(30) ? 0n : r.u64()))
    a.msr(row.key, rt)
    if (row.access === 'RW' && r.chance(60)) a.mrs(row.key, r.below(16))
  } else if (kind < 78) {
    const row = r.pick(instructions), rt = r.below(16)
    a.mov(rt, BigInt(DATA + r.below(0x3000)))
    a.msr(row.key, rt)
    if (row.name.startsWith('AT ')) a.mrs(rowByName('PAR_EL1')!.key, r.below(16))
  } else if (kind < 82) a.op('SVC', { imm16: r.below(0x700) })
  else if (kind < 85) call(a, b)
  else if (kind < 87) {
    a.mov(0, 0x8600_ff01n)
    a.smc(r.below(0x700))
  } else if (kind < 88) a.op('BRK', { imm16: r.below(0x700) })
  else if (kind < 89) a.word(r.below(0x10000))
  else if (kind < 92) a.op('FMOV (general), D from X', { Rn: r.below(16), Vd: r.below(32) })
  else if (kind < 94) a.op(`MSR (immediate), ${r.chance(50) ? 'DAIFSet' : 'DAIFClr'}`, { CRm: r.below(16) })
  else if (kind < 95) a.op('MSR (immediate), SPSel', { CRm: r.below(2) })
  else if (kind < 97 && b.target.features.has('FEAT_PAN')) a.op('MSR (immediate), PAN', { CRm: r.below(2) })
  else if (kind < 98) a.op('MRS', { o0: 1, op1: 3, CRn: 4, CRm: 2, op2: r.below(2), Rt: r.below(16) })
  else a.op('ADD (immediate)', { sf: 1, imm12: r.below(4096), Rn: 31, Rd: r.below(16) })
}

/** Controls of EL1 and EL2 by which accesses trap; HCR_EL2 without NV. */
export function randomControls(b: ProgramBuilder): void {
  const { r, target } = b, vhe = target.features.has('FEAT_VHE')
  const density = r.pick([5, 15, 40])
  // L0's programs keep their numbers.
  const oracle = target.oneRouting !== true
  b.set('HCR_EL2', RW | (r.chance(80) ? API_APK : 0n) | some(r, density, HCR_TRAPS) | (r.chance(8) ? HCD : 0n) | (vhe && r.chance(40) ? E2H : 0n) | (r.chance(12) ? TGE : 0n) | some(r, 15, [3, 4, 5]) | (target.features.has('FEAT_EVT') ? some(r, density, EVT_TRAPS) : 0n) | (oracle ? some(r, 10, NO_TRAPS) : 0n))
  b.set('CPTR_EL2', some(r, density, [10, 20, 21, 31]) | (r.chance(70) ? 3n << 20n : 0n) | 0x33ffn)
  b.set('MDCR_EL2', some(r, density, [5, 6, 8, 9, 10, 11]) | (oracle ? some(r, density, [7, 27]) : 0n) | 6n)
  b.set('CNTHCTL_EL2', some(r, 60, [0, 1, 10, 11]) | some(r, density, [8, 9, 13, 14, 15, 16]))
  b.set('HSTR_EL2', some(r, density, [0, 1, 2, 3, 9, 11, 15]))
  b.set('CPACR_EL1', BigInt(r.below(4)) << 20n)
  b.set('CNTKCTL_EL1', some(r, 50, [0, 1, 8, 9]))
  b.set('PMUSERENR_EL0', some(r, 50, [0, 1, 2, 3]))
  b.set('SCTLR_EL1', some(r, 50, [9, 14, 15, 26, 16, 18, 3, 4]) | (r.chance(70) ? bit(23) : 0n))
  b.set('SCTLR_EL2', some(r, 50, [9, 14, 15, 26, 3, 4]) | (r.chance(70) ? bit(23) : 0n))
  b.set('MDSCR_EL1', r.chance(30) ? bit(12) : 0n)
  if (target.features.has('FEAT_FGT') && r.chance(60)) {
    for (const name of ['HFGRTR_EL2', 'HFGWTR_EL2', 'HFGITR_EL2', 'HDFGRTR_EL2', 'HDFGWTR_EL2'] as const) b.set(name, r.chance(50) ? r.u64() & r.u64() & (oracle && r.chance(50) ? ~0n : r.u64()) : 0n)
  }
}

export function anyPstate({ r, target }: ProgramBuilder, els: readonly (0 | 1 | 2)[]): number {
  const el = Math.min(r.pick(els), highest(target)), mode = el === 0 ? MODE.EL0t : el === 1 ? r.pick([MODE.EL1h, MODE.EL1h, MODE.EL1t]) : r.pick([MODE.EL2h, MODE.EL2h, MODE.EL2t])
  return DAIF_MASK | mode | (r.below(16) << 28)
}

export function traps(b: ProgramBuilder): void {
  const { r } = b
  randomControls(b)
  b.pstate = anyPstate(b, [0, 1, 1, 1, 2])
  const el = (b.pstate >>> 2) & 3, SCTLR = b.get('SCTLR_EL1'), HCR = b.get('HCR_EL2')
  // WFI that traps; others wait, and a WFE of QEMU is a NOP.
  const wfiTraps = b.target.oneRouting !== true && el < 2 && (el === 0 || (HCR & TGE) === 0n) && ((HCR & bit(13)) !== 0n || (el === 0 && (HCR & TGE) === 0n && (SCTLR & bit(16)) === 0n))
  for (let n = 0; n < 12; n++) b.snippet(a => wfiTraps && r.chance(10) ? a.op('WFI') : anyOperation(a, b))
}
