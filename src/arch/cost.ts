/**
 * Modelled cycles (design D8). A cost model is data: a named set of costs that the machine charges to a PE. One instruction is one
 * cycle by itself; everything here is added to that. The files with fitted values live in `lab/`.
 */

export interface CostModel {
  readonly name: string
  /** Taking an exception to EL2, and the ERET from EL2. */
  readonly exceptionEntry: number
  readonly exceptionReturn: number
  /** Taking an exception to EL1, and the ERET from EL1. */
  readonly exceptionEntryEL1: number
  readonly exceptionReturnEL1: number
  /** One system-register access of L0. `registers` overrides the cost of single registers by name (reads and writes). */
  readonly mrs: number
  readonly msr: number
  readonly registers: Readonly<Record<string, { readonly read?: number, readonly write?: number }>>
  /** One 64-bit load or store of L0 that hits in the caches (context save areas, tables, guest memory). */
  readonly memoryWord: number
  /** One device access of L0: distributor, GICC, GICH. */
  readonly mmioRead: number
  readonly mmioWrite: number
  /** One TLBI or AT of L0, with its barriers. */
  readonly tlbi: number
  readonly at: number
  /** All of V0-V31, FPCR, FPSR saved or restored. */
  readonly fpSave: number
  readonly fpRestore: number
  /** General registers saved on entry to L0 and restored at the return. */
  readonly generalRegisters: number
  /** Extra cycles of an instruction of the guest, by class; charged where the CPU sees the instruction anyway. */
  readonly guest: { readonly systemRegister: number, readonly mmioRead: number, readonly mmioWrite: number, readonly tlbi: number }
  /** Work of L0's own code by name (`Host.charge`). An unknown name costs nothing and is reported once in the counters. */
  readonly work: Readonly<Record<string, number>>
}

/** The default outside `nidus paper`: small fixed costs, so that time passes while L0 works. Fitted to nothing. */
export const UNIT_COSTS: CostModel = {
  name: 'unit', exceptionEntry: 1, exceptionReturn: 1, exceptionEntryEL1: 0, exceptionReturnEL1: 0, mrs: 1, msr: 1, registers: {}, memoryWord: 1,
  mmioRead: 1, mmioWrite: 1, tlbi: 1, at: 1, fpSave: 34, fpRestore: 34, generalRegisters: 31,
  guest: { systemRegister: 0, mmioRead: 0, mmioWrite: 0, tlbi: 0 }, work: {},
}
