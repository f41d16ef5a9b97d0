/** What a handler wants to happen. Handlers decide; `apply` in run.ts acts, so that the order of effects stands in one place. */
export interface FarAndIpa { readonly far: bigint, /** Stage 2 faults: HPFAR_EL2 for the guest hypervisor. */ readonly ipa?: number }

export type VirtualException = 'sync' | 'irq' | 'fiq' | 'serror'

export type Outcome =
  /** Run the same instruction again. */
  | { readonly kind: 'resume', readonly action: string }
  /** The instruction has been emulated. */
  | { readonly kind: 'nextInstruction', readonly action: string }
  /** An exception for the guest. To vEL1: its own EL1. To vEL2: the guest hypervisor. */
  | { readonly kind: 'inject', readonly to: 'vEL1' | 'vEL2', readonly type: VirtualException, readonly syndrome: number, readonly addresses?: FarAndIpa, readonly action: string }
  /** ERET of the guest hypervisor; `form` 0, 2 (ERETAA) or 3 (ERETAB). */
  | { readonly kind: 'nestedReturn', readonly form: number }
  /** Device access of the VMM: reads end in register `Rt`. */
  | { readonly kind: 'user', readonly exit: UserExit }
  /** Wait for an interrupt; `advance`: the instruction that asked for it has still to be stepped over. */
  | { readonly kind: 'wait', readonly advance: boolean, readonly action: string }
  /** PSCI has changed the power state of this vCPU, or of the VM. */
  | { readonly kind: 'stopped', readonly action: string }

export interface UserExit {
  readonly ipa: number
  readonly size: 1 | 2 | 4 | 8
  readonly write: boolean
  readonly value: number
  readonly finish: (value: number) => void
}

export const resume = (action: string): Outcome => ({ kind: 'resume', action })
export const nextInstruction = (action: string): Outcome => ({ kind: 'nextInstruction', action })

/** The commonest ones, so that they allocate nothing. */
export const EMULATED: Outcome = nextInstruction('emulate')
export const IGNORED: Outcome = nextInstruction('ignore')
