/**
 * Differences that are explained: QEMU's own, with the Arm ARM's words against them, and features that one of the two lacks. Functions named are
 * those of Arm's pseudocode, looked up as translated in sail-arm (arm-v8.5-a/model/aarch64.sail) where it says "pseudocode"; the others are cited as the
 * Arm ARM or IHI0069 word them.
 */
import { ecOf, EC } from '../../arch/esr.ts'
import type { Difference, StepState } from './stepper.ts'
import { SP } from './stepper.ts'
import { rowByKey } from '../../sysreg/index.ts'

export interface Situation {
  readonly word: number
  readonly el: number
  /** Name of the register or instruction of MRS, MSR, SYS. */
  readonly name: string | undefined
  readonly found: readonly Difference[]
  /** Value of the register in bits 9:5 of the word before the step: the base of a load or store. */
  readonly base: bigint
  /** Our ESR of the EL that we are in. */
  readonly esr: number
  /** QEMU's state after the step. */
  readonly theirs: StepState
  /** Name of the last system instruction before this one. */
  readonly after: string | undefined
  /** The first difference of that kind. */
  difference(what: string): Difference | undefined
}

interface Known {
  readonly reason: string
  /** QEMU can go on with our general registers; otherwise the program ends here. */
  readonly mend: boolean
  readonly applies: (situation: Situation) => boolean
}

const ERET = 0xd69f_03e0, PAN = 0x40_0000n, IL = 0x10_0000n, UAO = 0x80_0000n
const isLoadFromSp = (word: number): boolean => (word >>> 22) === 0x3e5 && ((word >>> 5) & 31) === 31
const ALIGNMENT = 0x21
const isDataAbort = (esr: number): boolean => ecOf(esr) === EC.DataAbortLower || ecOf(esr) === EC.DataAbortSame
const isPair = (word: number): boolean => (word & 0x3e00_0000) === 0x2800_0000
/** Loads and stores of general registers by size in bits 31:30, and pairs of doublewords. */
const isLoadOrStore = (word: number): boolean => (word & 0x3f00_0000) === 0x3900_0000 || (word & 0x3f00_0000) === 0x3800_0000 || isPair(word)
const accessBytes = (word: number): number => isPair(word) ? 8 : 1 << (word >>> 30)
const isVectorOf2 = (pc: bigint): boolean => (pc & 0xff00n) >= 0x6800n
/** The instruction is an MRS of a syndrome, and the two values are these. */
const syndromes = ({ name, word, found }: Situation): readonly [ours: number, theirs: number] | undefined =>
  name !== undefined && /^ESR_EL[12]$/.test(name) && found.length === 1 && found[0]!.what === `X${word & 31}` ? [Number(found[0]!.ours & 0xffff_ffffn), Number(found[0]!.theirs & 0xffff_ffffn)] : undefined

export const KNOWN: readonly Known[] = [
  {
    reason: 'QEMU 10: PMU accesses that PMUSERENR_EL0 allows, and PMCR_EL0, do not look at MDCR_EL2.{TPM,TPMCR} (PMCCNTR_EL0, PMCR_EL0: "if EL2Enabled() && MDCR_EL2.TPM == 1 then AArch64.SystemAccessTrap(EL2, 0x18)")',
    mend: false,
    applies: ({ name, difference }) => name !== undefined && /^PM\w+_EL0$/.test(name) && isVectorOf2(difference('PC')?.ours ?? 0n),
  },
  {
    reason: 'QEMU 10 exchanges Op1 and Op2 in the syndrome of MSR DAIFSet and DAIFClr trapped from EL0 (ESR_ELx, ISS encoding for a trapped MSR, MRS or System instruction)',
    mend: true,
    applies: situation => {
      const values = syndromes(situation)
      return values !== undefined && ecOf(values[0]) === EC.SystemRegister && ((values[0] >> 10) & 0xf) === 4 && ((values[0] >> 20) & 3) === 0 && ((values[0] >> 5) & 31) === 31
        && ((values[0] >> 17) & 7) === ((values[1] >> 14) & 7) && ((values[0] >> 14) & 7) === ((values[1] >> 17) & 7)
    },
  },
  {
    reason: 'QEMU 10 keeps PSTATE.PAN over an illegal exception return (pseudocode SetPSTATEFromPSR: PAN is SPSR_ELx.PAN, whether IllegalExceptionReturn or not); UAO is UNKNOWN there',
    mend: true,
    applies: ({ word, found, name }) => found.length === 1 && (
      (word === ERET && found[0]!.what === 'PSTATE' && ((found[0]!.ours ^ found[0]!.theirs) & 0x0fff_ffffn & ~UAO) === PAN)
      || (name !== undefined && /^SPSR_EL[12]$/.test(name) && (found[0]!.ours & IL) !== 0n && ((found[0]!.ours ^ found[0]!.theirs) & ~UAO) === PAN)),
  },
  {
    reason: 'UNKNOWN: PSTATE.UAO after an illegal exception return',
    mend: true,
    applies: ({ word, found, name }) => found.length === 1 && (found[0]!.ours ^ found[0]!.theirs) === UAO && (word === ERET || (name !== undefined && /^SPSR_EL[12]$/.test(name) && (found[0]!.ours & IL) !== 0n)),
  },
  {
    reason: 'QEMU 10: ICH_MISR_EL2.VGrp0D looks at ICH_VMCR_EL2.VENG1 (IHI0069: "VGrp0DIE is 1 and ICH_VMCR_EL2.VENG0 is 0")',
    mend: true,
    applies: ({ name, found }) => name === 'ICH_MISR_EL2' && found.length === 1 && ((found[0]!.ours ^ found[0]!.theirs) | 4n) === 0x24n && (found[0]!.ours & 4n) <= (found[0]!.theirs & 4n),
  },
  {
    reason: 'QEMU 10 counts in ICH_HCR_EL2.EOIcount also with EOImode 1 (IHI0069: "a virtual write to EOIR ... when EOI mode is zero and no List Register was found")',
    mend: true,
    applies: ({ name, found }) => found.length === 1 && ((name === 'ICH_HCR_EL2' && ((found[0]!.ours ^ found[0]!.theirs) & 0x07ff_ffffn) === 0n && found[0]!.theirs > found[0]!.ours)
      || (name === 'ICH_MISR_EL2' && (found[0]!.ours | 4n) === found[0]!.theirs)),
  },
  {
    reason: 'QEMU 10 applies the fine-grained trap of an EL1 register to its _EL12 name (accessibility of CPACR_EL12 and others at EL1: NVMem or HCR_EL2.NV alone)',
    mend: false,
    applies: ({ name, el, difference }) => el === 1 && name !== undefined && name.endsWith('_EL12') && isVectorOf2(difference('PC')?.theirs ?? 0n) && !isVectorOf2(difference('PC')?.ours ?? 0n),
  },
  {
    reason: 'QEMU 10 has no SP alignment check (pseudocode CheckSPAlignment: SCTLR_ELx.SA, at EL0 SA0, and SP not a multiple of 16)',
    mend: false,
    applies: ({ word, theirs, difference }) => isLoadFromSp(word) && (theirs.x[SP]! & 15n) !== 0n && difference('PC') !== undefined,
  },
  {
    reason: 'QEMU 10 performs DC ZVA on Device memory, or finds another fault first (DC ZVA: "generates an Alignment fault")',
    mend: false,
    applies: situation => {
      const { name, difference, esr } = situation, values = syndromes(situation)
      return (name === 'DC ZVA' && difference('PC') !== undefined && (esr & 0x3f) === ALIGNMENT) || (values !== undefined && (values[0] & 0x3f) === ALIGNMENT && (values[0] & 0xfc00_0040) === (values[1] & 0xfc00_0040))
    },
  },
  {
    reason: 'QEMU 10 has no Alignment fault for Device memory in translated regimes, and so finds stage 2 faults first (R_XCHFJ: the Alignment fault caused by the memory type comes before permission and stage 2 faults)',
    mend: false,
    applies: ({ word, base, esr, difference }) => isLoadOrStore(word) && (base & BigInt(accessBytes(word) - 1)) !== 0n && difference('PC') !== undefined && isDataAbort(esr) && (esr & 0x3f) === ALIGNMENT,
  },
  {
    reason: 'QEMU 10 does not translate the address of cache maintenance at EL0',
    mend: false,
    applies: ({ name, esr, difference }) => name !== undefined && /^(DC|IC) /.test(name) && difference('PC') !== undefined && isDataAbort(esr) && (esr & 0x100) !== 0,
  },
  {
    reason: 'AT S12E1R and S12E1W with HCR_EL2.{E2H,TGE} = {1,1}: EL1&0 in the pseudocode (AArch64.AT_S12Ex translates as EL1, whose regime is EL1&0 whatever HCR_EL2 says; EL0 of a host has EL2&0), EL2&0 in QEMU and Linux',
    mend: true,
    applies: ({ name, found, after }) => name === 'PAR_EL1' && found.length === 1 && after?.startsWith('AT S12E1') === true,
  },
  {
    reason: 'the tag of a branch target is dropped with the branch (AArch64.BranchAddr); we drop it with the fetch',
    mend: true,
    applies: ({ found }) => found.length === 1 && found[0]!.what === 'PC' && ((found[0]!.ours ^ found[0]!.theirs) & 0x00ff_ffff_ffff_ffffn) === 0n,
  },
]

export function knownDifference(step: Omit<Situation, 'name' | 'difference'>): Known | undefined {
  const { word, found } = step, name = (word >>> 22) === 0x354 ? rowByKey((word >>> 5) & 0xffff)?.name : undefined
  const situation: Situation = { ...step, name, difference: what => found.find(each => each.what === what) }
  return KNOWN.find(({ applies }) => applies(situation))
}
