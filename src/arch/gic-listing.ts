/**
 * What a hypervisor asks of a virtual distributor when it fills list registers: more than the best interrupt, and the active ones.
 * `devices/` returns distributors of type `ListingDistributor`.
 */
import type { Distributor, INTID } from './gic.ts'

export interface ListedInterrupt {
  readonly intid: INTID
  readonly priority: number
  readonly group: 0 | 1
  /** Sending CPU of a GICv2 SGI (each pending source is one entry), otherwise 0. */
  readonly source: number
  readonly pending: boolean
  readonly active: boolean
  readonly edge: boolean
  /** Level of the input line (always false for SGIs). */
  readonly line: boolean
}

export interface ListingDistributor extends Distributor {
  /**
   * Interrupts that belong into list registers of `cpu`: pending, enabled, of an enabled group and targeted at it, or active
   * there. Best priority first, then lowest INTID, then lowest source.
   * Active SPIs are listed for the CPU that activated them.
   */
  listFor(cpu: number): readonly ListedInterrupt[]
  /**
   * An edge or SGI goes into a list register: its pending state (of `source` alone, GICv2) leaves the distributor, so that the next one
   * can be told from it.
   */
  take(cpu: number, intid: INTID, source: number): void
  /** The guest has acknowledged what was taken: active, and pending is left as it is. */
  markActive(cpu: number, intid: INTID, source: number): void
}
