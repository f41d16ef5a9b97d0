import { integer } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'

/** VMIDs of L0: 8 bits, 16 with FEAT_VMID16. VMID 0 is L0's own. */
export class VmidAllocator {
  readonly #limit: number
  #next = 1

  constructor(vmid16: boolean) { this.#limit = vmid16 ? 0xffff : 0xff }

  /** Throws when there is none left: VMs and shadow tables keep theirs for good, so their number is bounded by configuration. */
  allocate(): number {
    if (this.#next > this.#limit) throw new Error('no VMID left')
    return this.#next++
  }

  saveState(): Saved { return this.#next }
  restoreState(saved: Saved, path: string): void { this.#next = integer(1, this.#limit + 1).restore(saved, path, 0) }
}
