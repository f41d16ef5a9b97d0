/** The virtual CPU interface over random list registers, from EL1 and from EL2, with virtual interrupts taken where they are not masked. */
import { DAIF_MASK, MODE } from '../../../src/arch/pstate.ts'
import { rowByName } from '../../../src/sysreg/index.ts'
import type { Assembler, Random } from '../../assembler.ts'
import type { ProgramBuilder } from '../program.ts'

const LIST_REGISTERS = 4
const INTIDS = [0, 1, 7, 15, 16, 27, 30, 33, 40, 41, 1019, 1020, 1023, 8192]
const key = (name: string): number => rowByName(name)!.key

function listRegister(r: Random): bigint {
  const hw = r.chance(25), state = r.pick([0n, 1n, 1n, 1n, 2n, 3n])
  const intid = BigInt(r.pick(INTIDS)), priority = BigInt(r.below(32) << 3)
  const physical = hw ? BigInt(r.pick([27, 30, 33, 34, 40])) : r.chance(30) ? 1n << 9n : 0n
  return (state << 62n) | (hw ? 1n << 61n : 0n) | (r.chance(75) ? 1n << 60n : 0n) | (priority << 48n) | (physical << 32n) | intid
}

/** `legal`: nothing that the register would not keep, since memory in its place does. */
const vmcr = (r: Random, legal: boolean): bigint => BigInt(r.below(4) | (r.below(2) << 4) | (r.below(2) << 9) | (legal ? 8 : 0)) | (BigInt(Math.max(r.below(8), legal ? 3 : 0)) << 18n) | (BigInt(Math.max(r.below(8), legal ? 2 : 0)) << 21n) | (BigInt(r.pick([0xf8, 0xf8, 0xf0, 0x80, 0x40, 0])) << 24n)

/**
 * A physical interface (at EL2, and at EL1 for a group that HCR_EL2.IMO or FMO does not make virtual) has nothing to acknowledge: an end of
 * interrupt that nobody began is UNPREDICTABLE, and so are active priorities without an active interrupt.
 */
function access(a: Assembler, r: Random, physical: boolean, oneRouting: boolean): void {
  const rt = r.below(16), any = r.below(100), kind = physical && any >= 22 && any < 40 ? any + 20 : any
  if (kind < 22) a.mrs(key(r.pick(['ICC_IAR1_EL1', 'ICC_IAR1_EL1', 'ICC_IAR0_EL1'])), rt)
  else if (kind < 40) {
    // What was acknowledged last, or anything.
    if (r.chance(40)) a.mov(rt, BigInt(r.pick(INTIDS)))
    a.msr(key(r.pick(['ICC_EOIR1_EL1', 'ICC_EOIR1_EL1', 'ICC_EOIR0_EL1', 'ICC_DIR_EL1'])), rt)
  } else if (kind < 60) a.mrs(key(r.pick(['ICC_HPPIR1_EL1', 'ICC_HPPIR0_EL1', 'ICC_RPR_EL1', 'ICC_PMR_EL1', 'ICC_BPR0_EL1', 'ICC_BPR1_EL1', 'ICC_CTLR_EL1', 'ICC_AP0R0_EL1', 'ICC_AP1R0_EL1', 'ICC_IGRPEN0_EL1', 'ICC_IGRPEN1_EL1', 'ICC_SRE_EL1'])), rt)
  else if (kind < 80) {
    const [name, value] = r.pick<readonly [string, bigint]>([
      ['ICC_PMR_EL1', BigInt(r.below(256))], ['ICC_BPR0_EL1', BigInt(r.below(8))], ['ICC_BPR1_EL1', BigInt(r.below(8))], ['ICC_CTLR_EL1', BigInt(r.below(4))], ['ICC_IGRPEN0_EL1', BigInt(r.below(2))],
      ['ICC_IGRPEN1_EL1', BigInt(r.below(2))], ['ICC_AP1R0_EL1', BigInt(r.next()) & BigInt(r.next())], ['ICC_AP0R0_EL1', BigInt(r.next()) & BigInt(r.next())],
    ])
    a.mov(rt, physical && name.includes('AP') ? 0n : value)
    // L0 reads active priorities back where list registers are in use.
    if (!oneRouting || !name.includes('AP')) a.msr(key(name), rt)
  } else if (kind < 92) a.mrs(key(r.pick(['ICH_HCR_EL2', 'ICH_MISR_EL2', 'ICH_EISR_EL2', 'ICH_ELRSR_EL2', 'ICH_VMCR_EL2', 'ICH_AP0R0_EL2', 'ICH_AP1R0_EL2', 'ICH_LR0_EL2', 'ICH_LR1_EL2', 'ICH_LR2_EL2', 'ICH_LR3_EL2'])), rt)
  else a.op(`MSR (immediate), ${r.chance(50) ? 'DAIFSet' : 'DAIFClr'}`, { CRm: r.below(16) })
}

export function gic(b: ProgramBuilder): void {
  const { r } = b, el = r.pick([1, 1, 1, 2])
  b.set('HCR_EL2', (1n << 31n) | BigInt(r.pick(b.target.oneRouting === true ? [0x18, 0x18, 0x18, 0] : [0x18, 0x18, 0x18, 0x10, 0x08, 0])) | (b.target.features.has('FEAT_VHE') && r.chance(30) ? 1n << 34n : 0n) | (r.chance(8) ? BigInt(r.below(4) << 6) : 0n)
    // AMO and VSE.
    | (b.target.oneRouting !== true && r.chance(10) ? BigInt(r.pick([0x100, 0x120, 0x120])) : 0n))
  b.pstate = (r.chance(60) ? DAIF_MASK : r.below(16) << 6) | (el === 1 ? MODE.EL1h : MODE.EL2h)
  b.preamble(a => {
    for (let n = 0; n < LIST_REGISTERS; n++) {
      a.mov(0, listRegister(r))
      a.msr(key(`ICH_LR${n}_EL2`), 0)
    }
    for (const [name, value] of [
      ['ICH_VMCR_EL2', vmcr(r, b.target.oneRouting === true)], ['ICH_AP0R0_EL2', r.chance(70) ? 0n : BigInt(r.next()) & BigInt(r.next())], ['ICH_AP1R0_EL2', r.chance(70) ? 0n : BigInt(r.next()) & BigInt(r.next())],
      ['ICH_HCR_EL2', BigInt((r.chance(90) || b.target.oneRouting === true ? 1 : 0) | (r.chance(30) ? r.below(256) & ~1 : 0) | (r.chance(15) && (b.target.oneRouting !== true || (b.get('HCR_EL2') & 0x18n) !== 0n) ? r.below(32) << 10 : 0))],
    ] as const) {
      a.mov(0, value)
      a.msr(key(name), 0)
    }
    a.mov(0, BigInt(r.next()))
  })
  for (let n = 0; n < 16; n++) b.snippet(a => access(a, r, el === 2 || (b.get('HCR_EL2') & 0x18n) !== 0x18n, b.target.oneRouting === true))
  b.readAtEnd(
    'ICH_HCR_EL2', 'ICH_VMCR_EL2', 'ICH_MISR_EL2', 'ICH_EISR_EL2', 'ICH_ELRSR_EL2', 'ICH_AP0R0_EL2', 'ICH_AP1R0_EL2', ...Array.from({ length: LIST_REGISTERS }, (_, n) => `ICH_LR${n}_EL2`), 'ICC_PMR_EL1', 'ICC_RPR_EL1', 'ICC_CTLR_EL1',
  )
}
