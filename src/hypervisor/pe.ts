/** One physical PE with what L0 keeps per PE: its run queue, the host part's register values, who owns the FP registers. */
import { createRegisterFile } from '../arch/register-file.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import { COUNT, FLAG, integer, memory, objectOf, REGISTERS, restoreFields, saveFields, WORD64 } from '../arch/saved-state.ts'
import type { Fields, Saved } from '../arch/saved-state.ts'
import { SLOTS } from '../sysreg/index.ts'
import { Exit, SAVED_EXIT } from './exit.ts'
import type { Host } from './host.ts'
import type { Vcpu } from './vcpu.ts'
import type { VirtualInterface } from './vgic.ts'

/** No deadline: CNTHP is off. */
export const NEVER = 0xffff_ffff_ffff_ffffn

const FIELDS: Fields<Pe> = {
  next: COUNT, hostRegisters: REGISTERS, hostFp: memory(), fpTrapped: FLAG, hpmn: WORD64, listRegisters: COUNT, interruptsL1: FLAG, exit: SAVED_EXIT, deadline: WORD64, sliceEnd: WORD64, written: REGISTERS,
}

export class Pe {
  readonly index: number
  /** Set at every entry into L0 on this PE. */
  host!: Host
  /** vCPUs pinned here, in order of creation; `next` is where the search for a runnable one starts. */
  readonly queue: Vcpu[] = []
  next = 0
  /** The vCPU whose general registers are on the PE. */
  current: Vcpu | undefined
  /** Registers of the host part at EL1 (`split`): plain values, no code runs there. */
  readonly hostRegisters: RegisterFile = createRegisterFile(SLOTS)
  readonly hostFp = new Uint8Array(528)
  /** Whose values are in the FP registers; undefined: the host part's. */
  fpOwner: Vcpu | undefined
  /** CPTR_EL2.TFP as last written: the vCPU's first use of FP traps. */
  fpTrapped = true
  /** MDCR_EL2.HPMN of reset: all event counters belong to the guest's side (0 would be CONSTRAINED UNPREDICTABLE). */
  hpmn = 0n
  /** List registers [0, n) of the hardware have been written and may hold something; `interface` is the last one that was restored. */
  listRegisters = 0
  interface: VirtualInterface | undefined
  /** The last entry was preceded by an interrupt for L1. */
  interruptsL1 = false
  readonly exit = new Exit()
  /** CNTHP_CVAL_EL2 as programmed; NEVER while off. */
  deadline: bigint = NEVER
  /** End of the time slice when several vCPUs share this PE. */
  sliceEnd: bigint = NEVER
  /** Registers that L0 set last on this PE, so that unchanged ones are not written again (`lazy`). */
  readonly written: RegisterFile = createRegisterFile(SLOTS)

  constructor(index: number) { this.index = index }

  /** vCPUs by their place in the queue; the interface by that of its vCPU. */
  saveState(): Saved {
    const placeOf = (vcpu: Vcpu | undefined): number => vcpu === undefined ? -1 : this.queue.indexOf(vcpu)
    const owner = this.queue.findIndex(({ gic, nested }) => this.interface !== undefined && (gic.own === this.interface || nested?.gic.shadow === this.interface))
    return {
      ...saveFields(this, FIELDS), current: placeOf(this.current), fpOwner: placeOf(this.fpOwner), interface: owner, interfaceOfL1: this.queue[owner]?.nested?.gic.shadow === this.interface,
    }
  }

  restoreState(saved: Saved, path: string): void {
    const values = objectOf(saved, path), at = (field: string): Vcpu | undefined => this.queue[integer(-1, this.queue.length - 1).restore(values[field], `${path}.${field}`, -1)]
    restoreFields(this, FIELDS, saved, path)
    this.current = at('current')
    this.fpOwner = at('fpOwner')
    const owner = at('interface')
    this.interface = values['interfaceOfL1'] === true ? owner?.nested?.gic.shadow : owner?.gic.own
  }
}
