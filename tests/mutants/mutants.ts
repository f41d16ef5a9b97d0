/**
 * Bugs of nested virtualization put back in, one patch each: what each is modelled on, what it breaks, and the suite that finds it, none of which was written for
 * it. `npm run suite -- mutants` runs them all.
 */
export interface SeededBug {
  /** tests/mutants/NAME.patch. */
  readonly name: string
  readonly modelledOn: string
  readonly breaks: string
  readonly killedBy: string
  /** The name of its tests that find it, where the others need not run. */
  readonly test?: string
}

/** The same programs at EL2 and at virtual EL2. */
const VIRTUAL = 'tests/lockstep/virtual.test.ts'
const GUESTS = 'tests/guests/nested.test.ts', RECURSION = 'tests/guests/recursion.test.ts'
const RACES = 'tests/isolation/races.test.ts'
/** Random tables against a walker that is written for clarity. */
const WALKER = 'src/mmu/walk-random.test.ts'
/** Random accesses against a model of the CPU interface. */
const INTERFACE = 'src/devices/gic/virtual-interface.model.test.ts'
/** Golden files. */
const MATRIX = 'src/sysreg/matrix.test.ts'

const bug = (name: string, killedBy: string, modelledOn: string, breaks: string, test?: string): SeededBug => ({ name, killedBy, modelledOn, breaks, ...(test === undefined ? {} : { test }) })

export const MUTANTS: readonly SeededBug[] = [
  bug('list-register-index', VIRTUAL, 'KVM 8a8ff069c7ad (6.16): compacted shadow list registers were written back at the hardware\'s index', 'what L2 does to an interrupt reaches another list register of L1', 'gic'),
  bug('maintenance-level', VIRTUAL, 'KVM af040a9a2960: the maintenance status was and-ed into one bit', 'only the EOI cause raises L1\'s maintenance interrupt', 'gic'),
  bug('vncr-base', RECURSION, 'KVM, VNCR pseudo-TLB: base computed with & (size - 1) instead of & ~(size - 1)', 'L1\'s VNCR_EL2 leads to another page'),
  bug('vncr-exception-class', RECURSION, 'Arm ARM on VNCR_EL2 aborts (EC 0x25 through the lower EL\'s vector); acceptance list 2', 'L1 sees a data abort of L2'),
  bug('pstate-fix-up', VIRTUAL, 'KVM bd914a981446: the fix-up of PSTATE was keyed on the hardware\'s HCR_EL2.NV', 'SPSR_EL2 of an nVHE L1 with FEAT_NV2 names the wrong EL', 'returns'),
  bug('stale-tlb', RACES, 'KVM, shadow stage 2: tables unmapped, the TLB not', 'L2 goes on with a translation that L1 took away'),
  bug('tlbi-vmid', RACES, 'KVM, VNCR and shadow TLBI: an inverted match of the context', 'L1\'s TLB maintenance empties every shadow but the right one'),
  bug('illegal-return', VIRTUAL, 'KVM 17b656795145 and the checks of ERET from virtual EL2 (nested-arch.md c.5)', 'L1 returns to EL1 with HCR_EL2.TGE = 1', 'returns'),
  bug('hacr-in-page', MATRIX, 'KVM: HACR_EL2 was listed as backed by the VNCR page', 'HACR_EL2 does not trap under NV2'),
  bug('eoi-count', INTERFACE, 'KVM 6.19: ends of interrupts that are in no list register were lost', 'EOIcount stands still'),
  bug('hardware-bit', INTERFACE, 'KVM, vGIC: the HW bit and PPIs (the timer\'s interrupt was never deactivated)', 'the timer\'s interrupt stays active'),
  bug('preemption', INTERFACE, 'priorities and groups (IHI0069 4.8.3): a comparison of the class that GICv3 emulations get wrong', 'subpriorities preempt'),
  bug('nv1-tables', WALKER, 'FEAT_NV with NV1: EL2\'s descriptor format at EL1 (nested-arch.md a.4)', 'XN of an nVHE L1 is not seen'),
  bug('walk-update', WALKER, 'KVM, hardware access flag under a read-only shadow: the update of the table is a write', 'the PE writes a table that L1 write-protects'),
  bug('nv1-traps', MATRIX, 'FEAT_NV with NV1: the traps of VBAR, ELR and SPSR apply without NV2 only (nested-arch.md a.3)', 'VBAR_EL1, ELR_EL1 and SPSR_EL1 trap under NV2'),
  bug('hpfar-shift', GUESTS, 'KVM: HPFAR_EL2 holds IPA[51:12] at bit 4', 'L1 maps the wrong page'),
  bug('active-priorities', VIRTUAL, 'a bug of this project: what L2 left in ICH_AP1R0_EL2 was seen by L1', 'ICC_RPR_EL1 shows another\'s interrupts', 'gic'),
  bug('maintenance-storm', VIRTUAL, 'KVM masks the hardware\'s maintenance interrupt until L1 has served its own (nested-arch.md c.8)', 'L2 does not run on where L1 has the interrupt disabled', 'gic'),
  bug('fine-grained', VIRTUAL, 'KVM: L1\'s fine-grained traps were not merged', 'L1\'s HFGxTR_EL2 do nothing', 'traps'),
  bug('interrupt-at-vel2', GUESTS, 'KVM: an interrupt of L1 while L2 runs was held back until the next exit', 'L1\'s interrupts wait'),
]
